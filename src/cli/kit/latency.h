/* latency.h -- the time of a network from the times of its layers.
 *
 *     T(x) = c + sum_l t_l(x_l)                                            (1)
 *
 * t_l(x_l) is the measured time of layer l at the widths x_l, and c, a constant
 * of the network, what lies between the layers: quantizing the input,
 * additions, pooling, moves. It is fitted by least squares to the networks that
 * were timed as a whole and by layers, of their relative errors, for a network
 * in float takes many times that in integers: with (1) that is the mean of
 * T - sum t with weights 1 / T^2.
 *
 * Legal order: hawq_latency_load, or fill timing and total;
 * hawq_latency_set_constant (load does it); predict.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_LATENCY_H
#define HAWQ_LATENCY_H
#include "kernels/kernel.h"
#include "results/store.h"
#include "src/cli/kit/cli.h"

typedef struct hawq_latency {
    int                n_timings, n_totals;
    hawq_layer_timing *timing; /* the first of a layer and its widths counts */
    hawq_total_timing *total;
    hawq_estimate      constant;  /* c in us; 0, unknown error without totals */
    double             spread_us; /* median of the totals' spreads */
} hawq_latency;

/* The table of kernels that these options mean; kernels NULL: the best usable
 * one of the device. EINVAL with those that are usable. */
HAWQ_NODISCARD hawq_status hawq_latency_kernels(const char          *device,
                                                const char          *kernels,
                                                const hawq_kernels **out);

/* Threads that batches of this size are timed on: --threads, or one for a
 * single image and one per processor for more. */
int hawq_latency_threads(const hawq_cli *cli, int batch_size);

/* What the database holds for the key, fitted; memory is the arena's. */
HAWQ_NODISCARD hawq_status hawq_latency_load(hawq_store             *store,
                                             const hawq_latency_key *key,
                                             hawq_arena             *arena,
                                             hawq_latency           *out);

/* constant and spread_us from the totals; ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_latency_set_constant(hawq_latency *latency,
                                                     hawq_arena   *arena);

/* Of a layer at these widths, in us; NAN if it was not measured. */
double hawq_latency_layer(const hawq_latency *latency, const char *layer,
                          int weight_bits, int activation_bits);

/* The same with weights in a format, "k3". */
double hawq_latency_format(const hawq_latency *latency, const char *layer,
                           const char *format, int activation_bits);

/* (1) for n choices, one per layer; NAN if a layer or all totals are
 * missing. */
double hawq_latency_predict(const hawq_latency *latency, int n,
                            const hawq_choice *choice);

#endif
