/* records.h -- the allocation problem of an analysed network.
 *
 * Candidates of a layer: one for each candidate with a sensitivity, with 8-bit
 * activations; or those of a list, each with a width of the layer's input.
 * Costs of weights that take b bits each in a file and a-bit activations:
 *
 *     weight-size  the record's bytes, or
 *                  hawq_weight_bytes(params, channels, b)        [bytes]
 *     bops         b * a * macs                                  [per image]
 *     mean-bits    b * params, in units of all layers' params    [bits]
 *     latency      measured time of the layer with the candidate's
 *                  format, which is what is before its colon     [us]
 *
 * A layer in float32 has 32 bits of both, no scales, and no loss of its
 * weights. One that no integer kernel computes has been timed with 32-bit
 * inputs: that is its time whatever the width of its input.
 *
 * The loss of a pair is that of its weights, until the rises of activations
 * are added. No layers are tied here: a group of layers that read one tensor
 * shares a width of activations, which matters only where a layer has
 * candidates of several; then the caller ties them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_RECORDS_H
#define HAWQ_RECORDS_H
#include "search/problem.h"
#include "src/base/record.h"

/* Bits of a candidate's weights and of its layer's input, and how the weights
 * are quantized, "w4:gptq" (NULL: the first sensitivity of these bits). */
typedef struct hawq_width {
    int         weight_bits, activation_bits;
    const char *candidate;
} hawq_width;

/* A problem that is not finished; the caller frees it. Sensitivities are of
 * one metric. timing NULL: without latency. EFORMAT: a layer without
 * sensitivity or of more than 2^50 parameters; ESTATE: a layer and width
 * without a time, the sentence says which; ENONFINITE. */
HAWQ_NODISCARD hawq_status hawq_problem_from_records(
    int n_layers, const hawq_layer_record *layer, int n_sensitivities,
    const hawq_sensitivity_record *sensitivity, int n_timings,
    const hawq_layer_timing *timing, hawq_problem **out);

/* The same with one candidate for each of the list. EINVAL: a layer has no
 * such sensitivity. */
HAWQ_NODISCARD hawq_status hawq_problem_from_widths(
    int n_layers, const hawq_layer_record *layer, int n_sensitivities,
    const hawq_sensitivity_record *sensitivity, int n_timings,
    const hawq_layer_timing *timing, int n_widths, const hawq_width *width,
    hawq_problem **out);

/* Adds the interactions of an analysis to a problem whose layers are those of
 * the same analysis, in its order, before it is finished. They hold for every
 * candidate with the record's name; records of candidates that a layer does
 * not offer are passed over. EFORMAT, ENONFINITE. */
HAWQ_NODISCARD hawq_status hawq_problem_interact_records(
    hawq_problem *problem, int n, const hawq_interaction_record *record);

/* Adds what rounded activations cost, each tensor once: with the first layer of
 * its record, whose candidates have the width of all that read it. To a problem
 * that is not finished, with the layers of the same analysis in its order.
 * A layer in float32 pays as hawq_rise_find has it. EINVAL: a candidate's width
 * has no rise; ENONFINITE. */
HAWQ_NODISCARD hawq_status hawq_problem_add_rises(
    hawq_problem *problem, int n, const hawq_activation_record *record);

/* Replaces measured rises by those that a search uses. The mean of few images
 * is below 0 by chance where rounding costs next to nothing, and a search would
 * seek out just those widths; so, as of curvatures (hawq_search_value),
 *
 *     u = mean if mean > 0, else max(0, mean + 1.96 stderr1);
 *     rise at b bits = max of u over all widths of the tensor >= b.
 *
 * stderr1 goes with the u that is taken. `image`, the network's input, gets a
 * rise of 0 for float32 where it has one reader: it is there in floats. */
HAWQ_NODISCARD hawq_status hawq_rises_use(hawq_activation_record *record, int n,
                                          const char *image, hawq_arena *arena);

/* The rise at these bits, or NULL. For float32 that of 8 bits, if there is none
 * of its own: an upper estimate, as what leads from float layers to such only
 * is not rounded. */
const hawq_rise *hawq_rise_find(const hawq_activation_record *record, int bits);

#endif
