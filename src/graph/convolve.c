/* convolve.c -- im2col and BLAS, and the choice of a provider.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/convolve.h"

#include "kernels/f32_winograd.h"
#include "src/graph/direct.h"
#include "src/graph/mm.h"
#include "src/graph/onednn.h"

#include <stdio.h>
#include <string.h>

static bool depthwise(const hawq_conv_shape *s) {
    return s->groups == s->c && s->groups > 1;
}

/* The unfolded image is the image itself. */
static bool pointwise(const hawq_conv_shape *s) {
    return s->kh == 1 && s->kw == 1 && s->stride_h == 1 && s->stride_w == 1 &&
           !s->pad_top && !s->pad_left && s->oh == s->h && s->ow == s->w;
}

static size_t depth(const hawq_conv_shape *s) { /* rows of the unfolding */
    return s->c / s->groups * s->kh * s->kw;
}

/* Output columns [*first, *last) for which ox * stride + offset lies in
 * [0, width). */
static void columns(ptrdiff_t offset, size_t stride, size_t width, size_t ow,
                    size_t *first, size_t *last) {
    ptrdiff_t step = (ptrdiff_t)stride, in = (ptrdiff_t)width;
    ptrdiff_t lo = offset < 0 ? (-offset + step - 1) / step : 0;
    ptrdiff_t hi = in - offset <= 0 ? 0 : (in - offset + step - 1) / step;
    if (hi > (ptrdiff_t)ow) hi = (ptrdiff_t)ow;
    if (lo > hi) lo = hi;
    *first = (size_t)lo;
    *last = (size_t)hi;
}

/* One kernel tap: which outputs it touches and where it reads. */
typedef struct tap {
    size_t    y0, y1, x0, x1; /* output rows and columns inside the image */
    ptrdiff_t row, column;    /* input position of output (0, 0) */
} tap;

static tap find_tap(const hawq_conv_shape *s, size_t ky, size_t kx) {
    tap t;
    t.row = (ptrdiff_t)(ky * s->dilation_h) - (ptrdiff_t)s->pad_top;
    t.column = (ptrdiff_t)(kx * s->dilation_w) - (ptrdiff_t)s->pad_left;
    columns(t.row, s->stride_h, s->h, s->oh, &t.y0, &t.y1);
    columns(t.column, s->stride_w, s->w, s->ow, &t.x0, &t.x1);
    return t;
}

static size_t tap_offset(const hawq_conv_shape *s, const tap *t, size_t oy) {
    return (size_t)((ptrdiff_t)(oy * s->stride_h) + t->row) * s->w;
}

/* One row of the unfolding: channel plane x under one tap. */
static void unfold_tap(const hawq_conv_shape *s, const tap *t, const real *x,
                       real *row) {
    if (t->y0 || t->x0 || t->y1 < s->oh || t->x1 < s->ow)
        memset(row, 0, s->oh * s->ow * sizeof *row);
    for (size_t oy = t->y0; oy < t->y1; oy++) {
        const real *from = x + tap_offset(s, t, oy);
        real       *to = row + oy * s->ow;
        if (s->stride_w == 1)
            memcpy(to + t->x0, from + ((ptrdiff_t)t->x0 + t->column),
                   (t->x1 - t->x0) * sizeof *to);
        else
            for (size_t ox = t->x0; ox < t->x1; ox++)
                to[ox] = from[(ptrdiff_t)(ox * s->stride_w) + t->column];
    }
}

static void fold_back_tap(const hawq_conv_shape *s, const tap *t,
                          const real *row, real *x) {
    for (size_t oy = t->y0; oy < t->y1; oy++) {
        real       *to = x + tap_offset(s, t, oy);
        const real *from = row + oy * s->ow;
        for (size_t ox = t->x0; ox < t->x1; ox++)
            to[(ptrdiff_t)(ox * s->stride_w) + t->column] += from[ox];
    }
}

/* The unfolding of the channels of one group; x itself for a 1x1. */
static const real *unfold(const hawq_conv_shape *s, const real *x,
                          real *scratch) {
    if (pointwise(s)) return x;
    real *row = scratch;
    for (size_t c = 0; c < s->c / s->groups; c++)
        for (size_t ky = 0; ky < s->kh; ky++)
            for (size_t kx = 0; kx < s->kw; kx++, row += s->oh * s->ow) {
                tap t = find_tap(s, ky, kx);
                unfold_tap(s, &t, x + c * s->h * s->w, row);
            }
    return scratch;
}

static void fold_back(const hawq_conv_shape *s, const real *rows, real *x) {
    for (size_t c = 0; c < s->c / s->groups; c++)
        for (size_t ky = 0; ky < s->kh; ky++)
            for (size_t kx = 0; kx < s->kw; kx++, rows += s->oh * s->ow) {
                tap t = find_tap(s, ky, kx);
                fold_back_tap(s, &t, rows, x + c * s->h * s->w);
            }
}

/* --- unfolding and BLAS ------------------------------------------------- */

typedef struct sizes {
    size_t in, out, k, p, og; /* per group: input, output, depth, pixels, o */
} sizes;

static sizes size_up(const hawq_conv_shape *s) {
    sizes z = {.k = depth(s), .p = s->oh * s->ow, .og = s->o / s->groups};
    z.in = s->c / s->groups * s->h * s->w;
    z.out = z.og * z.p;
    return z;
}

static void blas_forward(const hawq_conv_shape *s, int n, const real *const *w,
                         const real *x, real *const *y, size_t at,
                         real *scratch) {
    sizes z = size_up(s);
    for (size_t g = 0; g < s->groups; g++) {
        const real *rows = unfold(s, x + g * z.in, scratch);
        for (int i = 0; i < n; i++)
            hawq_mm(false, false, z.og, z.p, z.k, 1, w[i] + g * z.og * z.k, z.k,
                    rows, z.p, 1, y[i] + at + g * z.out, z.p);
    }
}

static void blas_by_data(const hawq_conv_shape *s, int n, const real *const *w,
                         const real *const *by, size_t at, real *bx,
                         real *scratch) {
    sizes z = size_up(s);
    for (size_t g = 0; g < s->groups; g++) {
        real *rows = pointwise(s) ? bx + g * z.in : scratch;
        for (int i = 0; i < n; i++)
            hawq_mm(true, false, z.k, z.p, z.og, 1, w[i] + g * z.og * z.k, z.k,
                    by[i] + at + g * z.out, z.p, i || pointwise(s) ? 1 : 0,
                    rows, z.p);
        if (!pointwise(s)) fold_back(s, rows, bx + g * z.in);
    }
}

static void blas_by_weights(const hawq_conv_shape *s, int n,
                            const real *const *by, size_t at, const real *x,
                            real *const *bw, real *scratch) {
    sizes z = size_up(s);
    for (size_t g = 0; g < s->groups; g++) {
        const real *rows = unfold(s, x + g * z.in, scratch);
        for (int i = 0; i < n; i++)
            hawq_mm(false, true, z.og, z.k, z.p, 1, by[i] + at + g * z.out, z.p,
                    rows, z.p, 1, bw[i] + g * z.og * z.k, z.k);
    }
}

/* Without taps there is nothing that BLAS could not do as well. */
static bool direct(const hawq_conv_shape *s) {
    return !(s->without & HAWQ_CONV_NATIVE) &&
           (s->kh * s->kw > 1 || depthwise(s)) && hawq_direct_fits(s);
}

/* One group, without strides and dilations. */
static bool plain(const hawq_conv_shape *s) {
    return s->groups == 1 && s->stride_h == 1 && s->stride_w == 1 &&
           s->dilation_h == 1 && s->dilation_w == 1;
}

/* --- native: 3x3 by minimal filtering ----------------------------------- */

enum { MOST_PAIRS = 64 }; /* of one call of the kernels */

static hawq_f32_shape forward_shape(const hawq_conv_shape *s) {
    return (hawq_f32_shape){.in = s->c,
                            .h = s->h,
                            .w = s->w,
                            .out = s->o,
                            .oh = s->oh,
                            .ow = s->ow,
                            .kh = s->kh,
                            .kw = s->kw,
                            .pad_top = s->pad_top,
                            .pad_left = s->pad_left};
}

/* The correlation that computes bx from by. */
static hawq_f32_shape data_shape(const hawq_conv_shape *s) {
    return (hawq_f32_shape){.in = s->o,
                            .h = s->oh,
                            .w = s->ow,
                            .out = s->c,
                            .oh = s->h,
                            .ow = s->w,
                            .kh = s->kh,
                            .kw = s->kw,
                            .pad_top = s->kh - 1 - s->pad_top,
                            .pad_left = s->kw - 1 - s->pad_left};
}

/* NULL where the direct kernels are as fast for any number of images: with few
 * channels the transforms cost what they save. */
static const hawq_f32_kernels *winograd(const hawq_conv_shape *s) {
    enum { CHANNELS = 12 };
    bool few = (s->c < CHANNELS || s->o < CHANNELS) && direct(s);
    if (sizeof(real) != sizeof(float) || s->without & HAWQ_CONV_WINOGRAD ||
        few || !plain(s) || s->pad_top >= s->kh || s->pad_left >= s->kw ||
        s->oh > s->h + s->pad_top || s->ow > s->w + s->pad_left)
        return NULL;
    const hawq_f32_kernels *k = hawq_f32_select();
    hawq_f32_shape          f = forward_shape(s);
    return hawq_f32_winograd_fits(k, &f) ? k : NULL;
}

/* How many of the n >= 1 pairs, from the first on, have the same pointer. */
static int sharing(int n, const real *const *p) {
    int i = 1;
    while (i < n && p[i] == p[0]) i++;
    return i;
}

/* Whether transforming the weights pays: each meets nearly a vector of tiles of
 * the h x w outputs. (Three times as fast as the direct kernels at 32 tiles, as
 * fast at 8, half as fast at 4.) */
static bool pays(const hawq_conv_shape *s, size_t h, size_t w, size_t images,
                 int n, const real *const *weights) {
    enum { TILES = 12, TILE = HAWQ_F32_TILE };
    size_t tiles = (h + TILE - 1) / TILE * ((w + TILE - 1) / TILE) * images;
    if (n > 1 && sharing(n, weights) == n) tiles *= (size_t)n;
    return tiles >= TILES || !direct(s);
}

static size_t winograd_scratch(const hawq_conv_shape *s, size_t images) {
    const hawq_f32_kernels *k = winograd(s);
    if (!k) return 0;
    hawq_f32_shape f = forward_shape(s), d = data_shape(s);
    size_t         a = hawq_f32_winograd_scratch(k, &f, images, MOST_PAIRS);
    size_t         b = hawq_f32_winograd_scratch(k, &d, images, MOST_PAIRS);
    return a > b ? a : b;
}

/* to[i] += from[i] correlated with w[i] as it is, or transposed and reversed.
 */
static void winograd_pairs(const hawq_f32_kernels *k, const hawq_conv_shape *s,
                           bool by_data, size_t images, int n,
                           const float *const *w, const float *const *from,
                           float *const *to, float *scratch) {
    hawq_f32_shape   f = by_data ? data_shape(s) : forward_shape(s);
    hawq_f32_weights weights[MOST_PAIRS];
    size_t           taps = s->kh * s->kw;
    for (int first = 0; first < n; first += MOST_PAIRS) {
        int pairs = n - first < MOST_PAIRS ? n - first : MOST_PAIRS;
        for (int i = 0; i < pairs; i++)
            weights[i] =
                by_data ? (hawq_f32_weights){w[first + i] + taps - 1, taps,
                                             depth(s), -1}
                        : (hawq_f32_weights){w[first + i], depth(s), taps, 1};
        hawq_f32_winograd(k, &f, images, (size_t)pairs, weights, from + first,
                          to + first, scratch);
    }
}

/* --- oneDNN: what measures faster, see onednn.h ------------------------- */

static unsigned onednn_products(const hawq_conv_shape *s) {
    enum { BLOCK = 16, SMALL = 200 }; /* channels, positions */
    const unsigned forward = 1u << HAWQ_ONEDNN_FORWARD;
    const unsigned data = 1u << HAWQ_ONEDNN_BY_DATA;
    const unsigned weights = 1u << HAWQ_ONEDNN_BY_WEIGHTS;
    bool           blocks =
        s->c / s->groups % BLOCK == 0 && s->o / s->groups % BLOCK == 0;
    if (s->kh * s->kw == 1 || s->without & HAWQ_CONV_ONEDNN) return 0;
    if (!direct(s)) return forward | data | weights;
    if (s->oh * s->ow > SMALL) return 0;
    if (depthwise(s) && s->o == s->c)
        return s->kh * s->kw <= 9 ? forward | weights : forward;
    return blocks && !plain(s) ? forward | data : 0;
}

/* For how many of the n operands it is done. */
static int run_onednn(const hawq_conv_shape *s, hawq_onednn_product product,
                      size_t images, int n, const void *w, const void *x,
                      const void *y, real *scratch) {
    real *const *ws = w, *const *ys = y;
    return s->plan ? hawq_onednn_run(s->plan, product, images, n, ws, (real *)x,
                                     ys, scratch)
                   : 0;
}

/* --- the three products ------------------------------------------------ */

static size_t own_scratch(const hawq_conv_shape *s, size_t images) {
    if (direct(s)) return hawq_direct_scratch(s, images);
    return pointwise(s) ? 0 : depth(s) * s->oh * s->ow;
}

size_t hawq_conv_scratch(hawq_conv_shape *s, size_t images) {
    size_t own = own_scratch(s, images), other = winograd_scratch(s, images);
    if (other > own) own = other;
    unsigned products = onednn_products(s);
    s->plan = products ? hawq_onednn_plan(s, images, products) : NULL;
    other = 0;
    if (s->plan) other = hawq_onednn_scratch(s->plan);
    return other > own ? other : own;
}

const char *hawq_conv_provider(void) {
    static _Thread_local char text[128];
    const char *own = hawq_direct_name(), *onednn = hawq_onednn_name();
    snprintf(text, sizeof text, "%s%s%s%s%s%s", own ? "native " : "",
             own ? own : "", own ? " + winograd + " : "", onednn ? onednn : "",
             onednn ? " + " : "", hawq_mm_provider());
    return text;
}

static void forward_shared(const hawq_conv_shape *s, size_t images, int n,
                           const real *const *w, const real *x, real *const *y,
                           real *scratch) {
    int done = run_onednn(s, HAWQ_ONEDNN_FORWARD, images, n, w, x, y, scratch);
    w += done;
    y += done;
    n -= done;
    if (n == 0) return;
    if (direct(s)) {
        hawq_direct_forward(s, images, n, w, x, y, scratch);
        return;
    }
    for (size_t m = 0; m < images; m++)
        blas_forward(s, n, w, x + m * s->c * s->h * s->w, y,
                     m * s->o * s->oh * s->ow, scratch);
}

void hawq_conv_forward(const hawq_conv_shape *s, size_t images, int n,
                       const real *const *w, const real *const *x,
                       real *const *y, real *scratch) {
    const hawq_f32_kernels *k = winograd(s);
    if (k && pays(s, s->oh, s->ow, images, n, w)) {
        winograd_pairs(k, s, false, images, n, (const void *)w, (const void *)x,
                       (void *)y, (void *)scratch);
        return;
    }
    for (int i = 0, same; i < n; i += same) {
        same = sharing(n - i, x + i);
        forward_shared(s, images, same, w + i, x[i], y + i, scratch);
    }
}

static void by_data_shared(const hawq_conv_shape *s, size_t images, int n,
                           const real *const *w, const real *const *by,
                           real *bx, real *scratch) {
    int done =
        run_onednn(s, HAWQ_ONEDNN_BY_DATA, images, n, w, bx, by, scratch);
    w += done;
    by += done;
    n -= done;
    if (n == 0) return;
    if (direct(s)) {
        hawq_direct_by_data(s, images, n, w, by, bx, scratch);
        return;
    }
    for (size_t m = 0; m < images; m++)
        blas_by_data(s, n, w, by, m * s->o * s->oh * s->ow,
                     bx + m * s->c * s->h * s->w, scratch);
}

void hawq_conv_by_data(const hawq_conv_shape *s, size_t images, int n,
                       const real *const *w, const real *const *by,
                       real *const *bx, real *scratch) {
    const hawq_f32_kernels *k = winograd(s);
    if (k && pays(s, s->h, s->w, images, n, w)) {
        winograd_pairs(k, s, true, images, n, (const void *)w, (const void *)by,
                       (void *)bx, (void *)scratch);
        return;
    }
    for (int i = 0, same; i < n; i += same) {
        same = sharing(n - i, (const void *)(bx + i));
        by_data_shared(s, images, same, w + i, by + i, bx[i], scratch);
    }
}

void hawq_conv_by_weights(const hawq_conv_shape *s, size_t images, int n,
                          const real *const *by, const real *x, real *const *bw,
                          real *scratch) {
    int done =
        run_onednn(s, HAWQ_ONEDNN_BY_WEIGHTS, images, n, bw, x, by, scratch);
    bw += done;
    by += done;
    n -= done;
    if (n == 0) return;
    if (direct(s)) {
        hawq_direct_by_weights(s, images, n, by, x, bw, scratch);
        return;
    }
    for (size_t m = 0; m < images; m++)
        blas_by_weights(s, n, by, m * s->o * s->oh * s->ow,
                        x + m * s->c * s->h * s->w, bw, scratch);
}
