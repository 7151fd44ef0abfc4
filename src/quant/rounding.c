/* rounding.c -- see rounding.h: nearest codes, scales, groups, fitted levels.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/rounding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

hawq_row hawq_row_of(const hawq_evidence *e, const hawq_quantized *q,
                     size_t c) {
    size_t   n = q->cols, block = c / (q->rows / e->blocks);
    size_t   groups = hawq_quantized_groups(q);
    hawq_row row = {.cols = n,
                    .target = e->target + c * n,
                    .apart = e->apart ? e->apart + c * n : NULL,
                    .moment = e->moment ? e->moment + block * n * n : NULL,
                    .n_levels = q->n_levels,
                    .level = hawq_quantized_levels(q, c),
                    .group = q->format.group ? (size_t)q->format.group : n,
                    .multiplier =
                        q->multiplier ? q->multiplier + c * groups : NULL,
                    .code = q->code + c * n,
                    .scale = (double)q->scale[c]};
    if (hawq_format_is_uniform(&q->format))
        row.step = row.level[1] - row.level[0];
    return row;
}

void hawq_row_finish(const hawq_row *row, hawq_quantized *q, size_t c) {
    q->scale[c] = (real)row->scale;
}

/* --- nearest codes ------------------------------------------------------ */

/* rint rounds half to even: the default rounding mode is never changed. With a
 * step of 1 the rounding is done on the level itself, so that its parity
 * decides. */
static int nearest_even(const hawq_row *row, double x) {
    int    first = row->level[0];
    double i = row->step == 1 ? rint(x) - first : rint((x - first) / row->step);
    return i < 0 ? 0 : i > row->n_levels - 1 ? row->n_levels - 1 : (int)i;
}

static int nearest_any(const hawq_row *row, double x) {
    int low = 0, high = row->n_levels - 1;
    while (low < high) { /* the first level whose upper midpoint is not below */
        int at = (low + high) / 2;
        if (2 * x > row->level[at] + row->level[at + 1])
            low = at + 1;
        else
            high = at;
    }
    return low;
}

uint8_t hawq_row_nearest(const hawq_row *row, size_t k, double x) {
    double s = row->scale;
    if (row->multiplier) s *= row->multiplier[k / row->group];
    x /= s;
    return (uint8_t)(row->step ? nearest_even(row, x) : nearest_any(row, x));
}

void hawq_row_round(hawq_row *row) {
    for (size_t k = 0; k < row->cols; k++)
        row->code[k] = hawq_row_nearest(
            row, k, row->apart && row->apart[k] ? 0 : row->target[k]);
}

double hawq_row_error(const hawq_row *row) {
    double sum = 0;
    for (size_t i = 0; i < row->cols; i++) {
        if (row->apart && row->apart[i]) continue;
        double        di = hawq_row_value(row, i) - row->target[i], g = 0;
        const double *c = row->moment + i * row->cols;
        for (size_t k = 0; k < row->cols; k++) {
            if (row->apart && row->apart[k]) continue;
            g += c[k] * (hawq_row_value(row, k) - row->target[k]);
        }
        sum += di * g;
    }
    return sum;
}

/* --- scales ------------------------------------------------------------- */

/* Part of a row: inputs from .. to - 1, as if it were alone. */
static double span_max(const hawq_row *row, size_t from, size_t to) {
    double least = row->level[0], most = row->level[row->n_levels - 1], s = 0;
    for (size_t k = from; k < to; k++) {
        if (row->apart && row->apart[k]) continue;
        double t = row->target[k], side = t < 0 ? least : most;
        s = fmax(s, side != 0 ? t / side : 0);
    }
    return s > 0 ? s : 1;
}

static double span_error(const hawq_row *row, size_t from, size_t to, double s,
                         const double *weight) {
    hawq_row plain = *row;
    double   sum = 0;
    plain.scale = s;
    plain.multiplier = NULL;
    for (size_t k = from; k < to; k++) {
        if (row->apart && row->apart[k]) continue;
        double t = row->target[k];
        double d = s * row->level[hawq_row_nearest(&plain, k, t)] - t;
        sum += weight ? weight[k] * d * d : d * d;
    }
    return sum;
}

static double span_mse(const hawq_row *row, size_t from, size_t to,
                       const double *weight) {
    double max = span_max(row, from, to), best = max, least = INFINITY;
    for (int i = 0; i < HAWQ_CLIPS; i++) {
        double s = max * (100 - i) / 100;
        double error = span_error(row, from, to, s, weight);
        if (error >= least) continue;
        least = error;
        best = s;
    }
    return best;
}

double hawq_row_scale_max(const hawq_row *row) {
    return span_max(row, 0, row->cols);
}

double hawq_row_scale_mse(const hawq_row *row, const double *weight) {
    return span_mse(row, 0, row->cols, weight);
}

static size_t covered(const hawq_row *row, double share) {
    double s = hawq_row_scale_max(row) * share;
    size_t n = 0;
    for (size_t k = 0; k < row->cols; k++) {
        double t = row->target[k] / s;
        n += t >= row->level[0] && t <= row->level[row->n_levels - 1];
    }
    return n;
}

/* Bisection of the share of the largest clip, to 2^-30. */
double hawq_row_scale_percentile(const hawq_row *row) {
    size_t want = row->cols - row->cols / 100;
    double low = 0, high = 1;
    for (int i = 0; i < 30; i++) {
        double middle = (low + high) / 2;
        if (covered(row, middle) >= want)
            high = middle;
        else
            low = middle;
    }
    return hawq_row_scale_max(row) * high;
}

/* --- groups ------------------------------------------------------------- */

/* s = max_g s_g / m_max with m_max = floor(127 / max |level|) (1 for the level
 * -128), m_g the nearest whole multiple of it: the largest group is exact, the
 * others to 1 / 2 m_max of it. */
void hawq_row_fit_groups(hawq_row *row, const double *weight) {
    if (!row->multiplier) return;
    int largest = abs(row->level[0]);
    if (abs(row->level[row->n_levels - 1]) > largest)
        largest = abs(row->level[row->n_levels - 1]);
    int    most = largest > 127 ? 1 : 127 / largest;
    double s = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t g = 0, from = 0; from < row->cols; g++) {
            size_t to =
                from + row->group < row->cols ? from + row->group : row->cols;
            double own = span_mse(row, from, to, weight);
            double m = rint(own * most / (pass ? s : 1));
            if (!pass) s = fmax(s, own);
            if (pass)
                row->multiplier[g] = (uint8_t)(m < 1 ? 1 : m > most ? most : m);
            from = to;
        }
    row->scale = s / most;
}

/* --- fitted levels ------------------------------------------------------ */

typedef struct point {
    double x, weight;
} point;

static int by_value(const void *a, const void *b) {
    double x = ((const point *)a)->x, y = ((const point *)b)->x;
    return (x > y) - (x < y);
}

/* Half-way between the quantiles of the points and even spacing. */
static void start_centres(const point *p, size_t n, int k, double *centre) {
    double low = p[0].x, high = p[n - 1].x;
    for (int i = 0; i < k; i++) {
        double quantile = p[(size_t)((i + 0.5) / k * (double)n)].x;
        centre[i] = (quantile + low + (high - low) * i / (k - 1)) / 2;
    }
}

/* One round of Lloyd's: every centre becomes the mean of the points nearest to
 * it. Both are sorted, so one pass over the points does it. False: no change.
 */
static bool move_centres(const point *p, size_t n, int k, double *centre) {
    bool   moved = false;
    size_t at = 0;
    for (int i = 0; i < k; i++) {
        double end = i + 1 < k ? (centre[i] + centre[i + 1]) / 2 : INFINITY;
        double sum = 0, weight = 0;
        for (; at < n && p[at].x <= end; at++) {
            sum += p[at].weight * p[at].x;
            weight += p[at].weight;
        }
        if (!(weight > 0) || sum / weight == centre[i]) continue;
        centre[i] = sum / weight;
        moved = true;
    }
    return moved;
}

static int ascending(const void *a, const void *b) {
    return *(const int8_t *)a - *(const int8_t *)b;
}

static void centres_to_levels(const double *centre, int k, int8_t *level,
                              double *scale) {
    double largest = fmax(fabs(centre[0]), fabs(centre[k - 1]));
    *scale = largest > 0 ? largest / 127 : 1;
    for (int i = 0; i < k; i++) level[i] = (int8_t)rint(centre[i] / *scale);
    qsort(level, (size_t)k, sizeof *level, ascending);
}

hawq_status hawq_cluster_levels(const double *target, const double *weight,
                                size_t n, const uint8_t *apart, int k,
                                int8_t *level, double *scale) {
    hawq_arena arena = {0};
    point     *p = hawq_arena_take(&arena, n, sizeof *p);
    size_t     used = 0;
    double     centre[HAWQ_LEVELS_MAX] = {0};
    if (!p) return HAWQ_ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (!apart || !apart[i])
            p[used++] = (point){target[i], weight ? weight[i] : 1};
    qsort(p, used, sizeof *p, by_value);
    if (used) {
        start_centres(p, used, k, centre);
        for (int i = 0; i < 100 && move_centres(p, used, k, centre); i++) {
        }
    }
    centres_to_levels(centre, k, level, scale);
    hawq_arena_free(&arena);
    return HAWQ_OK;
}

/* The diagonal of C for every weight of the rows from c on, or NULL. */
static hawq_status diagonal_weights(const hawq_evidence *e, size_t c, size_t n,
                                    hawq_arena *arena, double **out) {
    *out = NULL;
    if (!e->moment) return HAWQ_OK;
    HAWQ_TAKE(*out, arena, n * e->cols);
    for (size_t r = 0; r < n; r++) {
        size_t block = (c + r) / (e->rows / e->blocks);
        for (size_t k = 0; k < e->cols; k++)
            (*out)[r * e->cols + k] =
                e->moment[(block * e->cols + k) * e->cols + k];
    }
    return HAWQ_OK;
}

/* Levels of `n` rows from c on, which share one table. */
static hawq_status fit_rows(const hawq_evidence *e, hawq_quantized *out,
                            size_t c, size_t n, hawq_arena *arena) {
    double *weight, scale;
    HAWQ_TRY(diagonal_weights(e, c, n, arena, &weight));
    int8_t *level = out->level + (n == 1 ? c * (size_t)out->n_levels : 0);
    HAWQ_TRY(hawq_cluster_levels(e->target + c * e->cols, weight, n * e->cols,
                                 e->apart ? e->apart + c * e->cols : NULL,
                                 out->n_levels, level, &scale));
    for (size_t r = 0; r < n; r++) out->scale[c + r] = (real)scale;
    return HAWQ_OK;
}

/* Rows that share a table of levels: its scale is fitted to all of them
 * together, after every row was divided by its own largest weight, since rows
 * keep scales of their own. */
static hawq_status fit_layer(const hawq_evidence *e, hawq_quantized *out,
                             hawq_arena *arena) {
    double *t, scale;
    size_t  n = e->rows * e->cols;
    HAWQ_TAKE(t, arena, n);
    for (size_t c = 0; c < e->rows; c++) {
        double largest = 0;
        for (size_t k = 0; k < e->cols; k++)
            largest = fmax(largest, fabs(e->target[c * e->cols + k]));
        for (size_t k = 0; k < e->cols; k++)
            t[c * e->cols + k] =
                largest > 0 ? e->target[c * e->cols + k] / largest : 0;
        out->scale[c] = (real)(largest > 0 ? largest : 1);
    }
    HAWQ_TRY(hawq_cluster_levels(t, NULL, n, e->apart, out->n_levels,
                                 out->level, &scale));
    for (size_t c = 0; c < e->rows; c++) out->scale[c] *= (real)scale;
    return HAWQ_OK;
}

hawq_status hawq_prepare_levels(const hawq_evidence *e, hawq_quantized *out) {
    hawq_arena  arena = {0};
    hawq_status status = HAWQ_OK;
    if (out->format.family == HAWQ_FITTED_LAYER)
        status = fit_layer(e, out, &arena);
    for (size_t c = 0; c < out->rows && status == HAWQ_OK; c++) {
        hawq_mark mark = hawq_arena_mark(&arena);
        if (out->format.family == HAWQ_FITTED)
            status = fit_rows(e, out, c, 1, &arena);
        if (status == HAWQ_OK && out->multiplier) {
            hawq_row row = hawq_row_of(e, out, c);
            hawq_row_fit_groups(&row, NULL);
            hawq_row_finish(&row, out, c);
        }
        hawq_arena_reset(&arena, mark);
    }
    hawq_arena_free(&arena);
    return status;
}
