/* method_hqq.c -- a scale for few large errors, without any data: half-
 * quadratic quantization (Badri and Shaji 2023) without zero points.
 *
 * The sum of |t - s v|^p, p < 1, tells a weight that is missed by much from
 * many that are missed by little, as the sum of squares does not. It is
 * minimized in turns over codes, large errors e and the scale:
 *     v = nearest(t / s),  e = shrink(t - s v),  s = v'(t - e) / v'v
 *     shrink(x) = sign(x) max(0, |x| - |x|^(p-1) / beta),  beta growing
 * with errors in units of the step between levels. Grids here have no zero
 * point, so the scale alone moves.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/rounding.h"

#include <math.h>

enum { ROUNDS = 20 };
static const double POWER = 0.7, BETA = 10, GROWTH = 1.01;

/* The mean distance between levels, in real numbers. */
static double step_of(const hawq_row *row) {
    int span = row->level[row->n_levels - 1] - row->level[0];
    return row->scale * span / (row->n_levels - 1);
}

static double loss(const hawq_row *row) {
    double sum = 0;
    for (size_t k = 0; k < row->cols; k++)
        if (!row->apart || !row->apart[k])
            sum += pow(fabs(row->target[k] - hawq_row_value(row, k)), POWER);
    return sum;
}

static double shrink(double x, double beta) {
    double rest = fabs(x) - pow(fabs(x), POWER - 1) / beta;
    return rest > 0 ? copysign(rest, x) : 0;
}

/* False where the codes say nothing of a scale. */
static bool move_scale(hawq_row *row, double beta) {
    double step = step_of(row), up = 0, down = 0;
    for (size_t k = 0; k < row->cols; k++) {
        if (row->apart && row->apart[k]) continue;
        double t = row->target[k], q = hawq_row_value(row, k);
        double e = q == t ? 0 : step * shrink((t - q) / step, beta);
        double v = q / row->scale;
        up += v * (t - e);
        down += v * v;
    }
    if (!(up > 0 && down > 0)) return false;
    row->scale = up / down;
    return true;
}

/* From one start; *best and *least are of the best scale so far. */
static void iterate(hawq_row *row, double start, double *best, double *least) {
    double beta = BETA;
    row->scale = start;
    for (int i = 0; i <= ROUNDS; i++, beta *= GROWTH) {
        hawq_row_round(row);
        double now = loss(row);
        if (now < *least) {
            *least = now;
            *best = row->scale;
        }
        if (i < ROUNDS && !move_scale(row, beta)) return;
    }
}

typedef struct job {
    const hawq_evidence *e;
    hawq_quantized      *out;
    bool                 known;
} job;

static void run_row(void *self, size_t c, int worker) {
    const job *j = self;
    hawq_row   row = hawq_row_of(j->e, j->out, c);
    double     best = row.scale, least = INFINITY;
    (void)worker;
    if (j->known) {
        iterate(&row, row.scale, &best, &least);
    } else {
        iterate(&row, hawq_row_scale_max(&row), &best, &least);
        iterate(&row, hawq_row_scale_mse(&row, NULL), &best, &least);
    }
    row.scale = best;
    hawq_row_round(&row);
    hawq_row_finish(&row, j->out, c);
}

static hawq_status run_hqq(const hawq_evidence *e, hawq_threads *threads,
                           hawq_quantized *out) {
    job j = {.e = e, .out = out};
    j.known = hawq_format_is_fitted(&out->format) || out->multiplier;
    HAWQ_TRY(hawq_prepare_levels(e, out));
    hawq_threads_run(threads, e->rows, run_row, NULL, &j);
    return HAWQ_OK;
}

const hawq_method hawq_method_hqq = {
    .name = "hqq",
    .run = run_hqq,
    .summary = "round to nearest, the scale with few large errors; no data"};
