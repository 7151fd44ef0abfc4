/* method_gptq.c -- GPTQ, alone and with coordinate descent and refits of the
 * scale after it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/second_order.h"

static hawq_status run_gptq(const hawq_evidence *e, hawq_threads *threads,
                            hawq_quantized *out) {
    return hawq_second_order(e, threads, HAWQ_GPTQ, out);
}

static hawq_status run_coordinate(const hawq_evidence *e, hawq_threads *threads,
                                  hawq_quantized *out) {
    return hawq_second_order(e, threads, HAWQ_DESCENT, out);
}

const hawq_method hawq_method_gptq = {
    .name = "gptq",
    .needs = HAWQ_NEEDS_INPUTS,
    .compensates = true,
    .run = run_gptq,
    .summary = "each rounding error made good by the weights that follow; "
               "rows that lose by that are rounded to nearest"};
const hawq_method hawq_method_coordinate = {
    .name = "coordinate",
    .needs = HAWQ_NEEDS_INPUTS,
    .compensates = true,
    .run = run_coordinate,
    .summary = "gptq, then coordinate descent and refits of the scale"};
