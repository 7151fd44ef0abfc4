/* method_kron.c -- rounding by the Kronecker-factored curvature of the loss,
 * tr(G dW C dW'): the rows of a layer make up for each other's errors where the
 * loss cannot tell their outputs apart.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/second_order.h"

static hawq_status run_kron(const hawq_evidence *e, hawq_threads *threads,
                            hawq_quantized *out) {
    return hawq_second_order(e, threads, HAWQ_COUPLED, out);
}

const hawq_method hawq_method_kron = {
    .name = "kron",
    .needs = HAWQ_NEEDS_CURVATURE,
    .compensates = true,
    .run = run_kron,
    .summary = "coordinate, coupled over outputs by the curvature of the loss"};
