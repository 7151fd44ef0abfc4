/* convolve.c -- im2col and BLAS, and direct loops for depthwise.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/convolve.h"

#include "src/graph/mm.h"

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

size_t hawq_conv_scratch(const hawq_conv_shape *s) {
    return depthwise(s) || pointwise(s) ? 0 : depth(s) * s->oh * s->ow;
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

/* --- depthwise: o / c filters a channel, one tap after another ---------- */

typedef void tap_fn(const hawq_conv_shape *s, const tap *t, real *w,
                    const real *x, real *y);

static void tap_forward(const hawq_conv_shape *s, const tap *t, real *w,
                        const real *x, real *y) {
    for (size_t oy = t->y0; oy < t->y1; oy++) {
        const real *from = x + tap_offset(s, t, oy);
        real       *to = y + oy * s->ow;
        for (size_t ox = t->x0; ox < t->x1; ox++)
            to[ox] += *w * from[(ptrdiff_t)(ox * s->stride_w) + t->column];
    }
}

static void tap_by_data(const hawq_conv_shape *s, const tap *t, real *w,
                        const real *by, real *bx) {
    for (size_t oy = t->y0; oy < t->y1; oy++) {
        real       *to = bx + tap_offset(s, t, oy);
        const real *from = by + oy * s->ow;
        for (size_t ox = t->x0; ox < t->x1; ox++)
            to[(ptrdiff_t)(ox * s->stride_w) + t->column] += *w * from[ox];
    }
}

static void tap_by_weights(const hawq_conv_shape *s, const tap *t, real *bw,
                           const real *x, real *by) {
    double sum = 0;
    for (size_t oy = t->y0; oy < t->y1; oy++) {
        const real *in = x + tap_offset(s, t, oy);
        const real *out = by + oy * s->ow;
        real        row = 0;
        for (size_t ox = t->x0; ox < t->x1; ox++)
            row += out[ox] * in[(ptrdiff_t)(ox * s->stride_w) + t->column];
        sum += row;
    }
    *bw += (real)sum;
}

/* Calls fn for every filter and tap. in and out are strided by channel. */
static void each_tap(const hawq_conv_shape *s, tap_fn *fn, real *w, size_t in,
                     size_t out, const real *from, real *to, bool from_input) {
    size_t per_channel = s->o / s->c;
    for (size_t ky = 0; ky < s->kh; ky++)
        for (size_t kx = 0; kx < s->kw; kx++) {
            tap t = find_tap(s, ky, kx);
            for (size_t o = 0; o < s->o; o++) {
                size_t c = o / per_channel;
                fn(s, &t, w + (o * s->kh + ky) * s->kw + kx,
                   from + (from_input ? c * in : o * out),
                   to + (from_input ? o * out : c * in));
            }
        }
}

/* --- the three products ------------------------------------------------ */

typedef struct sizes {
    size_t in, out, k, p, og; /* per group: input, output, depth, pixels, o */
} sizes;

static sizes size_up(const hawq_conv_shape *s) {
    sizes z = {.k = depth(s), .p = s->oh * s->ow, .og = s->o / s->groups};
    z.in = s->c / s->groups * s->h * s->w;
    z.out = z.og * z.p;
    return z;
}

void hawq_conv_forward(const hawq_conv_shape *s, int n, const real *const *w,
                       const real *x, real *const *y, real *scratch) {
    sizes z = size_up(s);
    if (depthwise(s)) {
        for (int i = 0; i < n; i++)
            each_tap(s, tap_forward, (real *)w[i], s->h * s->w, z.p, x, y[i],
                     true);
        return;
    }
    for (size_t g = 0; g < s->groups; g++) {
        const real *rows = unfold(s, x + g * z.in, scratch);
        for (int i = 0; i < n; i++)
            hawq_mm(false, false, z.og, z.p, z.k, 1, w[i] + g * z.og * z.k, z.k,
                    rows, z.p, 1, y[i] + g * z.out, z.p);
    }
}

void hawq_conv_by_data(const hawq_conv_shape *s, int n, const real *const *w,
                       const real *const *by, real *bx, real *scratch) {
    sizes z = size_up(s);
    if (depthwise(s)) {
        for (int i = 0; i < n; i++)
            each_tap(s, tap_by_data, (real *)w[i], s->h * s->w, z.p, by[i], bx,
                     false);
        return;
    }
    for (size_t g = 0; g < s->groups; g++) {
        real *rows = pointwise(s) ? bx + g * z.in : scratch;
        for (int i = 0; i < n; i++)
            hawq_mm(true, false, z.k, z.p, z.og, 1, w[i] + g * z.og * z.k, z.k,
                    by[i] + g * z.out, z.p, i || pointwise(s) ? 1 : 0, rows,
                    z.p);
        if (!pointwise(s)) fold_back(s, rows, bx + g * z.in);
    }
}

void hawq_conv_by_weights(const hawq_conv_shape *s, int n,
                          const real *const *by, const real *x, real *const *bw,
                          real *scratch) {
    sizes z = size_up(s);
    if (depthwise(s)) {
        for (int i = 0; i < n; i++)
            each_tap(s, tap_by_weights, bw[i], s->h * s->w, z.p, x,
                     (real *)by[i], true);
        return;
    }
    for (size_t g = 0; g < s->groups; g++) {
        const real *rows = unfold(s, x + g * z.in, scratch);
        for (int i = 0; i < n; i++)
            hawq_mm(false, true, z.og, z.k, z.p, 1, by[i] + g * z.out, z.p,
                    rows, z.p, 1, bw[i] + g * z.og * z.k, z.k);
    }
}
