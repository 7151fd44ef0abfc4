/* outliers.c -- the outliers of a convolution, some rows of outputs at a time,
 * so that the rows of y stay in the cache while all outliers pass over them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/tables.h"

enum { BLOCK_BYTES = 128 << 10, MOST_TAPS = 32 };

/* An outlier seen from the outputs: output row oy reads input row oy * stride_h
 * + row, and of its columns those from `from` to before `to` lie inside. */
typedef struct tap {
    int32_t   value;
    int       row, from, to;
    ptrdiff_t at; /* of x, for output (0, 0) */
} tap;

static tap tap_of(const hawq_conv *v, int o, int at, int32_t value) {
    int n = v->c / v->groups, ky = at / n / v->kw, kx = at / n % v->kw;
    int c = o / (v->oc / v->groups) * n + at % n;
    int column = kx * v->dilation_w - v->pad_left;
    tap t = {.value = value, .row = ky * v->dilation_h - v->pad_top};
    t.at = ((ptrdiff_t)t.row * v->w + column) * v->c + c;
    if (column < 0) t.from = (-column + v->stride_w - 1) / v->stride_w;
    if (column < v->w) t.to = (v->w - 1 - column) / v->stride_w + 1;
    if (t.to > v->ow) t.to = v->ow;
    if (t.from > t.to) t.from = t.to;
    return t;
}

/* A tap's part of output row oy; y is the row at the tap's channel. In the
 * padding every x is the zero point. */
static void add_row(const hawq_conv *v, const tap *t, int oy, const uint8_t *x,
                    int32_t *y) {
    int       iy = oy * v->stride_h + t->row, from = 0, to = 0;
    ptrdiff_t step = (ptrdiff_t)v->stride_w * v->c, oc = v->oc;
    ptrdiff_t at = t->at + (ptrdiff_t)oy * v->stride_h * v->w * v->c;
    if (iy >= 0 && iy < v->h) from = t->from, to = t->to;
    for (int ox = 0; ox < from; ox++) y[ox * oc] += t->value * v->zero;
    for (int ox = from; ox < to; ox++)
        y[ox * oc] += t->value * x[at + ox * step];
    for (int ox = to; ox < v->ow; ox++) y[ox * oc] += t->value * v->zero;
}

/* All outliers' parts of output rows oy0 .. oy1 - 1. */
static void add_block(const hawq_conv *v, const hawq_outliers *outliers,
                      int oy0, int oy1, const uint8_t *x, int32_t *y) {
    ptrdiff_t y_row = (ptrdiff_t)v->ow * v->oc;
    for (int o = 0; o < v->oc; o++)
        for (int i = outliers->start[o]; i < outliers->start[o + 1];) {
            tap taps[MOST_TAPS];
            int n = 0;
            for (; n < MOST_TAPS && i < outliers->start[o + 1]; i++)
                taps[n++] = tap_of(v, o, outliers->at[i], outliers->value[i]);
            for (int oy = oy0; oy < oy1; oy++)
                for (int k = 0; k < n; k++)
                    add_row(v, &taps[k], oy, x, y + oy * y_row + o);
        }
}

void hawq_outliers_by_rows(const hawq_conv *v, const hawq_outliers *outliers,
                           const uint8_t *x, int32_t *y) {
    int rows = BLOCK_BYTES / (int)sizeof *y / v->oc / v->ow;
    if (rows < 1) rows = 1;
    for (int oy = 0; oy < v->oh; oy += rows)
        add_block(v, outliers, oy, oy + rows < v->oh ? oy + rows : v->oh, x, y);
}
