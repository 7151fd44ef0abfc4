/* outliers.c -- the outliers of a convolution, as a flat list. The image is cut
 * into rectangles of output pixels that see the same taps inside the image: one
 * where windows are inside, and one for each row and column of the border. In
 * each, an outlier is one byte at a fixed distance from the window's first one,
 * and several neighbouring pixels take it in turn.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/tables.h"

enum { LIST = 256, PIXELS = 4 };

/* Of an outlier: where it is in a window, and what it adds to. */
typedef struct entry {
    int32_t row, column; /* of the image, from the window's first one */
    int32_t at;          /* bytes from there */
    int32_t value, channel;
} entry;

/* Output rows or columns from .. to - 1. */
typedef struct range {
    int from, to;
} range;

/* Fills the list with outlier i and those behind it, as far as they fit; o is
 * the channel of i. Returns how many they are. */
static int list_outliers(const hawq_conv *v, const hawq_outliers *outliers,
                         int32_t i, int o, entry *list) {
    int n = v->c / v->groups, group_oc = v->oc / v->groups, count = 0;
    for (; i < outliers->start[v->oc] && count < LIST; i++, count++) {
        while (i >= outliers->start[o + 1]) o++;
        int tap = outliers->at[i] / n, c = outliers->at[i] % n;
        int row = tap / v->kw * v->dilation_h;
        int column = tap % v->kw * v->dilation_w;
        list[count] =
            (entry){.row = row,
                    .column = column,
                    .at = (row * v->w + column) * v->c + o / group_oc * n + c,
                    .value = outliers->value[i],
                    .channel = o};
    }
    return count;
}

/* m (a constant) pixels, whose windows are `step` bytes apart and their outputs
 * y_step numbers. */
static inline void add_pixels(const entry *list, int               n,
                              const uint8_t *restrict x, ptrdiff_t step,
                              int32_t *restrict y, ptrdiff_t y_step, int m) {
    for (int i = 0; i < n; i++) {
        const uint8_t *from = x + list[i].at;
        int32_t       *to = y + list[i].channel, value = list[i].value;
        for (int k = 0; k < m; k++) to[k * y_step] += value * from[k * step];
    }
}

static void add_line(const entry *list, int n, const uint8_t *x, ptrdiff_t step,
                     int32_t *y, ptrdiff_t y_step, int pixels) {
    int i = 0;
    for (; i + PIXELS <= pixels; i += PIXELS)
        add_pixels(list, n, x + i * step, step, y + i * y_step, y_step, PIXELS);
    for (; i < pixels; i++)
        add_pixels(list, n, x + i * step, step, y + i * y_step, y_step, 1);
}

/* A rectangle in lines along its longer side. x is the image, of which the
 * first pixel's window begins at `first`; or one byte, for all steps are 0. */
static void add_lines(const hawq_conv *v, const entry *list, int n, range rows,
                      range columns, const uint8_t *x, ptrdiff_t x_row,
                      ptrdiff_t x_column, int32_t *y) {
    ptrdiff_t y_row = (ptrdiff_t)v->ow * v->oc, y_column = v->oc;
    int       height = rows.to - rows.from, width = columns.to - columns.from;
    y += rows.from * y_row + columns.from * y_column;
    if (n == 0) return;
    for (int i = 0; i < height && width >= height; i++)
        add_line(list, n, x + i * x_row, x_column, y + i * y_row, y_column,
                 width);
    for (int i = 0; i < width && width < height; i++)
        add_line(list, n, x + i * x_column, x_row, y + i * y_column, y_row,
                 height);
}

/* The outliers whose tap is inside the image add what is there, the others the
 * zero point. */
static void add_rectangle(const hawq_conv *v, const entry *list, int n,
                          range rows, range columns, const uint8_t *x,
                          int32_t *y) {
    entry     inside[LIST], outside[LIST];
    int       n_inside = 0, n_outside = 0;
    int       row = rows.from * v->stride_h - v->pad_top;
    int       column = columns.from * v->stride_w - v->pad_left;
    ptrdiff_t first = ((ptrdiff_t)row * v->w + column) * v->c;
    for (int i = 0; i < n; i++) {
        unsigned iy = (unsigned)(row + list[i].row);
        unsigned ix = (unsigned)(column + list[i].column);
        bool     is = (iy < (unsigned)v->h) & (ix < (unsigned)v->w);
        inside[n_inside] = outside[n_outside] = list[i];
        inside[n_inside].at += (int32_t)first;
        outside[n_outside].at = 0;
        n_inside += is;
        n_outside += !is;
    }
    add_lines(v, inside, n_inside, rows, columns, x,
              (ptrdiff_t)v->stride_h * v->w * v->c,
              (ptrdiff_t)v->stride_w * v->c, y);
    if (v->zero != 0)
        add_lines(v, outside, n_outside, rows, columns, &v->zero, 0, 0, y);
}

/* The outputs 0 .. out - 1 whose windows, that start at -pad and span `span`
 * elements, are inside 0 .. size - 1. */
static range within(int out, int stride, int pad, int span, int size) {
    int   last = size - span + pad;
    range r = {(pad + stride - 1) / stride, last < 0 ? 0 : last / stride + 1};
    if (r.to > out) r.to = out;
    return r;
}

/* The outputs from `at` on that see the same taps inside. */
static range alike(range within, int at) {
    bool is = at >= within.from && at < within.to;
    return (range){at, is ? within.to : at + 1};
}

void hawq_outliers_by_rectangles(const hawq_conv     *v,
                                 const hawq_outliers *outliers,
                                 const uint8_t *x, int32_t *y) {
    entry list[LIST];
    int   n, o = 0;
    range tall = within(v->oh, v->stride_h, v->pad_top,
                        (v->kh - 1) * v->dilation_h + 1, v->h);
    range wide = within(v->ow, v->stride_w, v->pad_left,
                        (v->kw - 1) * v->dilation_w + 1, v->w);
    for (int32_t i = 0; i < outliers->start[v->oc]; i += n) {
        while (i >= outliers->start[o + 1]) o++;
        n = list_outliers(v, outliers, i, o, list);
        range rows = {0, 0}, columns;
        for (; rows.to < v->oh;) {
            rows = alike(tall, rows.to);
            for (columns.to = 0; columns.to < v->ow;) {
                columns = alike(wide, columns.to);
                add_rectangle(v, list, n, rows, columns, x, y);
            }
        }
    }
}
