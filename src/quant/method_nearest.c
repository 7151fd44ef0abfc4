/* method_nearest.c -- every weight to its nearest level, for four choices of
 * the scale: nothing clipped, least squared error, 99 % covered, least error of
 * the outputs (by the inputs' second moments).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/rounding.h"
#include "src/quant/second_order.h"

typedef double scale_fn(const hawq_row *row);

static double scale_mse(const hawq_row *row) {
    return hawq_row_scale_mse(row, NULL);
}

/* Where levels are fitted or groups have multipliers, the scale is known. */
static hawq_status nearest(const hawq_evidence *e, hawq_quantized *out,
                           scale_fn *scale) {
    bool known = hawq_format_is_fitted(&out->format) || out->multiplier;
    HAWQ_TRY(hawq_prepare_levels(e, out));
    for (size_t c = 0; c < out->rows; c++) {
        hawq_row row = hawq_row_of(e, out, c);
        if (!known) row.scale = scale(&row);
        hawq_row_round(&row);
        hawq_row_finish(&row, out, c);
    }
    return HAWQ_OK;
}

static hawq_status run_max(const hawq_evidence *e, hawq_threads *threads,
                           hawq_quantized *out) {
    (void)threads;
    return nearest(e, out, hawq_row_scale_max);
}

static hawq_status run_mse(const hawq_evidence *e, hawq_threads *threads,
                           hawq_quantized *out) {
    (void)threads;
    return nearest(e, out, scale_mse);
}

static hawq_status run_percentile(const hawq_evidence *e, hawq_threads *threads,
                                  hawq_quantized *out) {
    (void)threads;
    return nearest(e, out, hawq_row_scale_percentile);
}

static hawq_status run_moments(const hawq_evidence *e, hawq_threads *threads,
                               hawq_quantized *out) {
    return hawq_second_order(e, threads, HAWQ_SCALE_ONLY, out);
}

const hawq_method hawq_method_nearest = {
    .name = "nearest",
    .run = run_max,
    .summary = "round to nearest, nothing clipped"};
const hawq_method hawq_method_mse = {
    .name = "mse",
    .run = run_mse,
    .summary = "round to nearest, the clip with the least squared error"};
const hawq_method hawq_method_percentile = {
    .name = "percentile",
    .run = run_percentile,
    .summary = "round to nearest, the smallest clip that covers 99 %"};
const hawq_method hawq_method_moments = {
    .name = "moments",
    .needs = HAWQ_NEEDS_INPUTS,
    .run = run_moments,
    .summary =
        "round to nearest, the clip with the least error of the outputs"};
