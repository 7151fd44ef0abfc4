/* outliers.c -- the outliers of a convolution, row by row of its outputs.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/tables.h"

/* The outputs 0 <= o < n whose input o * stride + offset lies inside 0 .. limit
 * - 1. */
static void inside(int offset, int stride, int limit, int n, int *from,
                   int *to) {
    *from = offset < 0 ? (-offset + stride - 1) / stride : 0;
    *to = offset < limit ? (limit - 1 - offset) / stride + 1 : 0;
    if (*to > n) *to = n;
    if (*from > *to) *from = *to;
}

/* One outlier's part of output row oy: y is the row at its output channel, c
 * its input channel; in the padding every x is the zero point. */
static void outlier_row(const hawq_conv *v, int32_t value, int ky, int kx,
                        int c, int oy, const uint8_t *x, int32_t *y) {
    int       iy = oy * v->stride_h - v->pad_top + ky * v->dilation_h;
    int       offset = kx * v->dilation_w - v->pad_left, from = 0, to = 0;
    ptrdiff_t at = ((ptrdiff_t)iy * v->w + offset) * v->c + c;
    ptrdiff_t step = (ptrdiff_t)v->stride_w * v->c, oc = v->oc;
    if (iy >= 0 && iy < v->h)
        inside(offset, v->stride_w, v->w, v->ow, &from, &to);
    for (int ox = 0; ox < from; ox++) y[ox * oc] += value * v->zero;
    for (int ox = from; ox < to; ox++) y[ox * oc] += value * x[at + ox * step];
    for (int ox = to; ox < v->ow; ox++) y[ox * oc] += value * v->zero;
}

/* A row of outputs and the rows of x under it stay near while all outliers pass
 * over them. */
void hawq_outliers_by_rows(const hawq_conv *v, const hawq_outliers *outliers,
                           const uint8_t *x, int32_t *y) {
    int n = v->c / v->groups, group_oc = v->oc / v->groups;
    for (int oy = 0; oy < v->oh; oy++, y += (ptrdiff_t)v->ow * v->oc)
        for (int o = 0; o < v->oc; o++)
            for (int i = outliers->start[o]; i < outliers->start[o + 1]; i++) {
                int at = outliers->at[i], tap = at / n;
                outlier_row(v, outliers->value[i], tap / v->kw, tap % v->kw,
                            o / group_oc * n + at % n, oy, x, y + o);
            }
}
