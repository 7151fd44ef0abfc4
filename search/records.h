/* records.h -- the allocation problem of an analysed network.
 *
 * Candidates of a layer: one per width for which there is a sensitivity, with
 * 8-bit activations. Costs of b bits:
 *
 *     weight-size  hawq_weight_bytes(params, channels, b)        [bytes]
 *     bops         b * 8 * macs                                  [per image]
 *     mean-bits    b * params, in units of all layers' params    [bits]
 *     latency      measured time of the layer at this width      [us]
 *
 * Since activations have one width, no layers are tied: a group of layers that
 * read one tensor shares a width of activations, not of weights.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_RECORDS_H
#define HAWQ_RECORDS_H
#include "search/problem.h"
#include "src/base/record.h"

/* A problem that is not finished; the caller frees it. Sensitivities are of
 * one metric. timing NULL: without latency. EFORMAT: a layer without
 * sensitivity; ESTATE: a layer and width without a time, the sentence says
 * which; ENONFINITE. */
HAWQ_NODISCARD hawq_status hawq_problem_from_records(
    int n_layers, const hawq_layer_record *layer, int n_sensitivities,
    const hawq_sensitivity_record *sensitivity, int n_timings,
    const hawq_layer_timing *timing, hawq_problem **out);

#endif
