/* test_winograd.c -- 3x3 correlations by minimal filtering against their
 * defining sums in double, through every table of kernels this processor runs.
 *
 * Claims: whatever the size, the padding on each side, the channels, the images
 * and what pairs share, forward and by data (weights transposed and reversed),
 * y += w * x within the rounding of float; the root of the mean square of the
 * rounding is at most 3 times that of the plain sum; a pair's bits are the same
 * whatever images and pairs stand beside it; no float beyond the scratch is
 * written.
 *
 * Bound. Every result is a sum of products along paths through B, G, the sum
 * over channels and A. A path has at most 3 roundings in each of the two passes
 * of B^T, 5 in each of G, one per channel, 5 in each of A^T and one when it is
 * added: with |w|, |x| <= 1, u = 2^-24 and the largest row sum K of |A^T| (|G|
 * 1 .* |B^T| 1), 23.8 for these points, the error is below
 *     K^2 in (in + 27) u,  to first order
 * (Higham 2002, section 3.1, applied to each path).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/f32_winograd.h"
#include "src/base/rng.h"
#include "tests/check.h"

#if defined(__x86_64__)
extern const hawq_f32_kernels        hawq_f32_avx512, hawq_f32_avx2;
static const hawq_f32_kernels *const tables[] = {&hawq_f32_avx512,
                                                 &hawq_f32_avx2, NULL};
#else
static const hawq_f32_kernels *const tables[] = {NULL};
#endif

enum { PAIRS = 3, GUARDS = 64 };

static float *draw(uint64_t key, size_t n) {
    float *x = malloc((n + 1) * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(2 * hawq_rng_uniform(key, i) - 1);
    return x;
}

static hawq_f32_shape shape(size_t in, size_t out, size_t h, size_t w,
                            size_t top, size_t bottom, size_t left,
                            size_t right) {
    return (hawq_f32_shape){.in = in,
                            .h = h,
                            .w = w,
                            .out = out,
                            .oh = h + top + bottom - 2,
                            .ow = w + left + right - 2,
                            .kh = 3,
                            .kw = 3,
                            .pad_top = top,
                            .pad_left = left};
}

/* The weights of a layer of `in` to `out` channels: as they stand, or those of
 * the layer from `out` to `in`, transposed and reversed. */
static hawq_f32_weights view(const hawq_f32_shape *s, const float *w,
                             bool by_data) {
    if (by_data) return (hawq_f32_weights){w + 8, 9, s->out * 9, -1};
    return (hawq_f32_weights){w, s->in * 9, 9, 1};
}

/* One output in double; *size gets the sum of magnitudes. */
static double define(const hawq_f32_shape *s, const hawq_f32_weights *w,
                     const float *x, size_t o, size_t oy, size_t ox,
                     double *size) {
    double sum = *size = 0;
    for (size_t c = 0; c < s->in; c++)
        for (size_t t = 0; t < 9; t++) {
            size_t y = oy + t / 3 - s->pad_top, at = ox + t % 3 - s->pad_left;
            if (y >= s->h || at >= s->w) continue; /* or below zero */
            double v = (double)*(w->at + o * w->out_stride + c * w->in_stride +
                                 (ptrdiff_t)t * w->tap_step) *
                       (double)x[(c * s->h + y) * s->w + at];
            sum += v;
            *size += fabs(v);
        }
    return sum;
}

/* Root of the mean square of the error by the sum of magnitudes; the bound of
 * each is checked. */
static double compare(const hawq_f32_shape *s, size_t images,
                      const hawq_f32_weights *w, const float *x,
                      const float *start, const float *y) {
    double in = (double)s->in, bound = 23.8 * 23.8 * in * (in + 27) * 0x1p-24;
    double squares = 0, size;
    size_t area = s->oh * s->ow, n = 0;
    for (size_t q = 0; q < images; q++)
        for (size_t o = 0; o < s->out; o++)
            for (size_t p = 0; p < area; p++, n++) {
                double want = define(s, w, x + q * s->in * s->h * s->w, o,
                                     p / s->ow, p % s->ow, &size);
                double error = y[n] - (start[n] + want);
                if (!CHECK(fabs(error) <= bound)) return INFINITY;
                if (size > 0) squares += error * error / (size * size);
            }
    return sqrt(squares / (double)(n ? n : 1));
}

typedef enum shared { NOTHING, WEIGHTS, INPUTS, CASES } shared;

/* All pairs at once against the sums, and against each alone. */
static void check_pairs(const hawq_f32_kernels *k, const hawq_f32_shape *s,
                        size_t images, bool by_data, shared what) {
    size_t nw = s->in * s->out * 9, nx = images * s->in * s->h * s->w;
    size_t ny = images * s->out * s->oh * s->ow;
    size_t scratch = hawq_f32_winograd_scratch(k, s, images, PAIRS);
    float *room = draw(1, scratch + GUARDS), *guard = draw(1, scratch + GUARDS);
    float *w[PAIRS], *x[PAIRS], *y[PAIRS], *start = draw(2, ny);
    const float     *from[PAIRS];
    hawq_f32_weights view_of[PAIRS];
    for (uint64_t i = 0; i < PAIRS; i++) {
        w[i] = draw(10 + i, nw);
        x[i] = draw(20 + i, nx);
        y[i] = draw(2, ny);
        view_of[i] = view(s, w[what == WEIGHTS ? 0 : i], by_data);
        from[i] = x[what == INPUTS ? 0 : i];
    }
    hawq_f32_winograd(k, s, images, PAIRS, view_of, from, y, room);
    CHECK(!memcmp(room + scratch, guard + scratch, GUARDS * sizeof *room));
    for (int i = 0; i < PAIRS; i++) {
        float *alone = draw(2, ny), *to = alone;
        size_t each = ny / images;
        compare(s, images, &view_of[i], from[i], start, y[i]);
        for (size_t q = 0; q < images; q++, to += each) {
            const float *image = from[i] + q * (nx / images);
            hawq_f32_winograd(k, s, 1, 1, &view_of[i], &image, &to, room);
        }
        if (!CHECK(!memcmp(alone, y[i], ny * sizeof *alone)))
            printf("%s: %zu to %zu channels, %zux%zu to %zux%zu, pad %zu %zu, "
                   "%zu images, %d %d\n",
                   k->name, s->in, s->out, s->h, s->w, s->oh, s->ow, s->pad_top,
                   s->pad_left, images, by_data, (int)what);
        free(alone);
    }
    for (int i = 0; i < PAIRS; i++) {
        free(w[i]);
        free(x[i]);
        free(y[i]);
    }
    free(room);
    free(guard);
    free(start);
}

static void check_shape(const hawq_f32_kernels *k, const hawq_f32_shape *s,
                        size_t images) {
    for (int what = 0; what < CASES; what++) {
        check_pairs(k, s, images, false, (shared)what);
        check_pairs(k, s, images, true, (shared)what);
    }
}

static void shapes(const hawq_f32_kernels *k) {
    static const size_t channels[] = {1, 4, 15, 16, 17, 33};
    for (size_t i = 0; i < 6; i++)
        for (size_t o = 0; o < 6; o++) {
            hawq_f32_shape s =
                shape(channels[i], channels[o], 5 + o, 6 + i, 1, 1, 1, 1);
            check_shape(k, &s, 1 + (i + o) % 3);
        }
    for (size_t h = 1; h <= 18; h++) { /* around tiles and vectors of tiles */
        hawq_f32_shape s = shape(2, 3, h, 71 - 4 * h + h * h / 8, 1, 1, 1, 1);
        check_shape(k, &s, 1 + h % 4);
    }
    for (size_t p = 0; p < 81; p++) { /* every padding of 0 to 2 */
        hawq_f32_shape s = shape(3, 2, 3 + p % 5, 3 + p % 7, p % 3, p / 3 % 3,
                                 p / 9 % 3, p / 27);
        check_shape(k, &s, 2);
    }
    /* more than one band, more than one group of output channels */
    hawq_f32_shape wide = shape(5, 4, 50, 37, 1, 1, 1, 1);
    check_pairs(k, &wide, 2, false, WEIGHTS);
    hawq_f32_shape deep = shape(130, 70, 4, 4, 1, 1, 1, 1);
    check_pairs(k, &deep, 2, true, INPUTS);
    hawq_f32_shape both = shape(150, 70, 30, 30, 0, 0, 0, 0);
    check_pairs(k, &both, 1, false, INPUTS);
}

/* One chain of fused multiply-adds for each output: the plain sum's rounding,
 * for comparison. */
static double chain(const hawq_f32_shape *s, const hawq_f32_weights *w,
                    const float *x, const float *start) {
    size_t area = s->oh * s->ow;
    float *y = calloc(s->out * area, sizeof *y);
    for (size_t i = 0; i < s->out * area; i++)
        for (size_t k = 0; k < s->in * 9; k++) {
            size_t oy = i % area / s->ow + k % 9 / 3 - s->pad_top;
            size_t ox = i % s->ow + k % 3 - s->pad_left;
            if (oy < s->h && ox < s->w)
                y[i] = fmaf(w->at[i / area * w->out_stride +
                                  k / 9 * w->in_stride + k % 9],
                            x[(k / 9 * s->h + oy) * s->w + ox], y[i]);
        }
    double rms = compare(s, 1, w, x, start, y);
    free(y);
    return rms;
}

static void rounding(const hawq_f32_kernels *k) {
    for (size_t c = 16; c <= 64; c *= 2) {
        hawq_f32_shape s = shape(c, 16, 16, 16, 1, 1, 1, 1);
        float         *w = draw(10, c * 16 * 9), *x = draw(20, c * 256);
        float         *start = calloc(16 * 256, sizeof *start), *y;
        float         *room = draw(1, hawq_f32_winograd_scratch(k, &s, 1, 1));
        y = calloc(16 * 256, sizeof *y);
        hawq_f32_weights view_of = view(&s, w, false);
        const float     *from = x;
        hawq_f32_winograd(k, &s, 1, 1, &view_of, &from, &y, room);
        double fast = compare(&s, 1, &view_of, x, start, y);
        double plain = chain(&s, &view_of, x, start);
        printf("%-7s %2zu channels: rms error %.1e of the sum of magnitudes, "
               "plain sum %.1e\n",
               k->name, c, fast, plain);
        CHECK(fast <= 3 * plain);
        float *all[] = {w, x, start, y, room};
        for (int i = 0; i < 5; i++) free(all[i]);
    }
}

int main(void) {
    for (int i = 0; tables[i]; i++) {
        if (!tables[i]->usable()) continue;
        shapes(tables[i]);
        rounding(tables[i]);
    }
    DONE();
}
