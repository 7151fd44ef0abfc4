/* outliers.c -- the outliers of a convolution, a block of output pixels and one
 * channel at a time: their sums are next to each other, and every y is touched
 * once.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/tables.h"

#include <string.h>

enum { MOST_PIXELS = 256 };

/* Output rows y0 .. y1 - 1, columns x0 .. x1 - 1; at most MOST_PIXELS. */
typedef struct block {
    int y0, y1, x0, x1;
} block;

static int at_most(int v, int high) {
    return v < high ? v : high;
}

static int at_least(int v, int low) {
    return v > low ? v : low;
}

/* The columns ox of a block whose input ox * stride_w + column is inside; both
 * ends at *from if there are none. */
static void inside(const hawq_conv *v, const block *b, int column, int *from,
                   int *to) {
    int stride = v->stride_w;
    *from = *to = b->x0;
    if (column < 0) *from = at_least((stride - 1 - column) / stride, b->x0);
    if (column < v->w) *to = at_most((v->w - 1 - column) / stride + 1, b->x1);
    if (*from >= *to) *from = *to = b->x0;
}

/* sums[i] += value * x[i step] */
static void add_pixels(int32_t value, const uint8_t *restrict x, ptrdiff_t step,
                       int n, int32_t *restrict sums) {
    for (int i = 0; i < n; i++) sums[i] += value * x[i * step];
}

/* sums[pixel of the block] += value * x at a place of channel o's row, which in
 * the padding is the zero point. */
static void add_outlier(const hawq_conv *v, const block *b, int o, int place,
                        int32_t value, const uint8_t *x, int32_t *sums) {
    int n = v->c / v->groups, ky = place / n / v->kw, kx = place / n % v->kw;
    int c = o / (v->oc / v->groups) * n + place % n, from, to;
    int width = b->x1 - b->x0, column = kx * v->dilation_w - v->pad_left;
    inside(v, b, column, &from, &to);
    ptrdiff_t step = (ptrdiff_t)v->stride_w * v->c, first = column;
    first = (first + (ptrdiff_t)from * v->stride_w) * v->c + c;
    for (int oy = b->y0; oy < b->y1; oy++, sums += width) {
        int iy = oy * v->stride_h + ky * v->dilation_h - v->pad_top;
        int before = from - b->x0, n_inside = to - from;
        if (iy < 0 || iy >= v->h) before = n_inside = 0;
        add_pixels(value, &v->zero, 0, before, sums);
        if (n_inside)
            add_pixels(value, x + (ptrdiff_t)iy * v->w * v->c + first, step,
                       n_inside, sums + before);
        add_pixels(value, &v->zero, 0, width - before - n_inside,
                   sums + before + n_inside);
    }
}

static void add_block(const hawq_conv *v, const hawq_outliers *outliers,
                      const block *b, const uint8_t *x, int32_t *y) {
    int32_t sums[MOST_PIXELS];
    for (int o = 0; o < v->oc; o++) {
        const int32_t *from = sums;
        int            i = outliers->start[o], end = outliers->start[o + 1];
        if (i == end) continue;
        memset(sums, 0, sizeof sums);
        for (; i < end; i++)
            add_outlier(v, b, o, outliers->at[i], outliers->value[i], x, sums);
        for (int oy = b->y0; oy < b->y1; oy++)
            for (int ox = b->x0; ox < b->x1; ox++)
                y[((ptrdiff_t)oy * v->ow + ox) * v->oc + o] += *from++;
    }
}

void hawq_outliers_by_blocks(const hawq_conv *v, const hawq_outliers *outliers,
                             const uint8_t *x, int32_t *y) {
    int columns = at_most(v->ow, MOST_PIXELS), rows = MOST_PIXELS / columns;
    for (int oy = 0; oy < v->oh; oy += rows)
        for (int ox = 0; ox < v->ow; ox += columns) {
            block b = {oy, at_most(oy + rows, v->oh), ox,
                       at_most(ox + columns, v->ow)};
            add_block(v, outliers, &b, x, y);
        }
}
