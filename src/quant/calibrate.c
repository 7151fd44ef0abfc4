/* calibrate.c -- streaming histograms of activations and the affine maps
 * chosen from them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/calibrate.h"

#include <math.h>
#include <string.h>

enum { HALF = HAWQ_BINS / 2 };

/* --- histogram --------------------------------------------------------- */

void hawq_histogram_init(hawq_histogram *h) {
    memset(h, 0, sizeof *h);
    h->width = 0x1p-60; /* grows to what is needed with the first values */
}

/* floor(i / 2) of bin numbers counted from zero merges neighbours: bins -2, -1
 * become -1, and 0, 1 become 0. */
static void double_width(hawq_histogram *h) {
    uint64_t merged[HAWQ_BINS] = {0};
    for (int i = 0; i < HAWQ_BINS; i++) merged[i / 2 + HALF / 2] += h->count[i];
    memcpy(h->count, merged, sizeof merged);
    h->width *= 2;
}

void hawq_histogram_add(hawq_histogram *h, const real *x, size_t n) {
    real low = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    h->min = fmin(h->min, low);
    h->max = fmax(h->max, high);
    /* one bin is left free at each end: rounding may not carry past it */
    while (fmax(-h->min, h->max) >= (HALF - 1) * h->width) double_width(h);
    double inverse = 1 / h->width; /* exact: a power of two */
    for (size_t i = 0; i < n; i++) h->count[(int)(x[i] * inverse + HALF)]++;
}

/* The value that stands for a bin: its middle, kept inside what was seen. */
static double bin_value(const hawq_histogram *h, int i) {
    return fmin(fmax((i - HALF + 0.5) * h->width, h->min), h->max);
}

/* --- calibration ------------------------------------------------------- */

typedef struct visit_state {
    hawq_calibration  *out;
    const hawq_tensor *not_finite;
} visit_state;

static bool all_finite(const real *x, size_t n) {
    double sum = 0; /* x - x is 0, or NaN for what is not finite */
    for (size_t i = 0; i < n; i++) sum += (double)(x[i] - x[i]);
    return sum == 0;
}

/* Finite but for the minus infinity that hides what attention must not see? */
static bool is_masked(const real *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!(x[i] < (real)INFINITY)) return false;
    return true;
}

static void visit(void *self, const hawq_graph *graph,
                  const hawq_planes *planes, size_t first, size_t n) {
    visit_state *s = self;
    (void)first;
    for (int i = 0; i < graph->n_tensors && !s->not_finite; i++) {
        const hawq_tensor *t = graph->tensor[i];
        hawq_histogram    *h = s->out->tensor[i];
        const real        *x = hawq_val(planes, t);
        if (!h || !x) continue;
        size_t count = n * hawq_per_image(graph, t);
        if (all_finite(x, count))
            hawq_histogram_add(h, x, count);
        else if (is_masked(x, count))
            s->out->tensor[i] = NULL; /* it has no range */
        else
            s->not_finite = t;
    }
}

hawq_status hawq_calibrate(hawq_engine *engine, const hawq_graph *graph,
                           const hawq_batch *batch, hawq_arena *arena,
                           hawq_calibration *out) {
    hawq_calibration c = {.images = batch->n};
    if (batch->n == 0)
        return hawq_fail(HAWQ_EINVAL, "calibration needs at least one image");
    HAWQ_TAKE(c.tensor, arena, (size_t)graph->n_tensors);
    for (int i = 0; i < graph->n_tensors; i++) {
        const hawq_tensor *t = graph->tensor[i];
        if (t->role == HAWQ_CONSTANT || t->dtype != HAWQ_FLOAT || t->whole)
            continue;
        HAWQ_TAKE(c.tensor[i], arena, 1);
        hawq_histogram_init(c.tensor[i]);
    }
    visit_state s = {&c, NULL};
    hawq_engine_visit(engine, batch, visit, &s);
    if (s.not_finite)
        return hawq_fail(HAWQ_ENONFINITE,
                         "tensor '%s' is not finite on the calibration images: "
                         "check the scaling of the data",
                         s.not_finite->name);
    *out = c;
    return HAWQ_OK;
}

/* --- affine maps ------------------------------------------------------- */

hawq_affine hawq_affine_make(double low, double high, int bits) {
    int         n = (1 << bits) - 1;
    hawq_affine a = {.scale = (float)((high - low) / n), .high = (uint8_t)n};
    if (!(a.scale > 0)) a.scale = 1;
    double zero = rint(-low / a.scale);
    a.zero = (uint8_t)(zero < n ? zero : n);
    return a;
}

static double squared_error(const hawq_histogram *h, hawq_affine a) {
    double sum = 0;
    for (int i = 0; i < HAWQ_BINS; i++) {
        if (!h->count[i]) continue;
        double x = bin_value(h, i), q = rint(x / a.scale) + a.zero;
        q = q < 0 ? 0 : q > a.high ? a.high : q;
        double d = a.scale * (q - a.zero) - x;
        sum += (double)h->count[i] * d * d;
    }
    return sum;
}

/* Coordinate descent over the two ends, each a multiple of 1 % of the observed
 * end; the first (widest) of equal candidates wins. */
static hawq_affine find_mse(const hawq_histogram *h, int bits) {
    double      end[2] = {h->min, h->max}, best[2] = {h->min, h->max};
    hawq_affine found = hawq_affine_make(h->min, h->max, bits);
    double      least = squared_error(h, found);
    for (int round = 0; round < 4; round++) {
        int side = 1 - round % 2;
        for (int k = 1; k < 95 && end[side] != 0; k++) {
            double trial[2] = {best[0], best[1]};
            trial[side] = end[side] * (100 - k) / 100;
            hawq_affine a = hawq_affine_make(trial[0], trial[1], bits);
            double      error = squared_error(h, a);
            if (error < least) {
                least = error;
                found = a;
                best[side] = trial[side];
            }
        }
    }
    return found;
}

/* Bins from `end` inwards (step +1 or -1) while what they hold is within the
 * budget; returns the first one that stays. */
static int cut(const hawq_histogram *h, int end, int step, uint64_t budget) {
    while (end != HALF && end != HALF - 1 && h->count[end] <= budget) {
        budget -= h->count[end];
        end += step;
    }
    return end;
}

static hawq_affine find_percentile(const hawq_histogram *h, int bits) {
    uint64_t total = 0;
    for (int i = 0; i < HAWQ_BINS; i++) total += h->count[i];
    uint64_t budget = total / 10000 / (h->min < 0 && h->max > 0 ? 2 : 1);
    int      low = cut(h, 0, 1, budget);
    int      high = cut(h, HAWQ_BINS - 1, -1, budget);
    return hawq_affine_make(fmax(h->min, (low - HALF) * h->width),
                            fmin(h->max, (high + 1 - HALF) * h->width), bits);
}

hawq_affine hawq_affine_find(const hawq_histogram *observed, int bits,
                             hawq_range method) {
    switch (method) {
    case HAWQ_RANGE_MSE:
        return find_mse(observed, bits);
    case HAWQ_RANGE_PERCENTILE:
        return find_percentile(observed, bits);
    default:
        return hawq_affine_make(observed->min, observed->max, bits);
    }
}

void hawq_affine_round(const hawq_affine *map, real *x, size_t n) {
    float inverse = 1 / map->scale;
    for (size_t i = 0; i < n; i++) {
        real v = x[i] * (real)inverse;
        v = v > -512 ? v : -512; /* beyond, every value is clamped anyway */
        v = v < 512 ? v : 512;
        long q = lrint((double)v) + map->zero;
        q = q < 0 ? 0 : q > map->high ? map->high : q;
        x[i] = (real)map->scale * (real)(q - map->zero);
    }
}
