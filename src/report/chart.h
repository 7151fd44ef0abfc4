/* chart.h -- figures: curves over two axes, ranked bars, histograms. Each is
 * one <figure> with a caption and an SVG 360 wide, which is about a telephone's
 * width, so that its text is of the page's size there.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_REPORT_CHART_H
#define HAWQ_REPORT_CHART_H
#include <stdbool.h>
#include <stdio.h>

typedef enum hawq_mark_kind {
    HAWQ_MARK_LINE,
    HAWQ_MARK_STEPS,
    HAWQ_MARK_DOTS,
    HAWQ_MARK_BIG /* dots with labels beside them */
} hawq_mark_kind;

typedef struct hawq_curve {
    const char    *name;   /* in the legend; NULL: not there */
    char           colour; /* 'a' to 'e' */
    hawq_mark_kind kind;
    int            n;
    const double  *x, *y;     /* those not finite, or not positive on a
                                 logarithmic axis, are left out */
    const char *const *label; /* of big dots; NULL or "": none */
} hawq_curve;

typedef struct hawq_chart {
    const char       *caption, *x_name, *y_name;
    bool              log_x, log_y, zero; /* zero: y includes 0 */
    bool              x_bytes;            /* x is bytes */
    int               n;
    const hawq_curve *curve;
} hawq_chart;

/* Nothing is written, and false returned, without a point to draw. */
bool hawq_chart_put(FILE *out, const hawq_chart *chart);

/* Bars, as given from above to below; half: half an interval, NULL: none. */
typedef struct hawq_bar {
    const char *name;
    double      value, half;
} hawq_bar;

bool hawq_bars_put(FILE *out, const char *caption, const char *unit, int n,
                   const hawq_bar *bar);

/* Counts of n bins from low on, on a logarithmic axis, and a tick below for
 * every level. */
typedef struct hawq_bins {
    const char   *name; /* of the figure */
    const char   *x_name;
    double        low, width;
    int           n, n_levels;
    const double *count, *level;
} hawq_bins;

bool hawq_bins_put(FILE *out, const hawq_bins *bins);

#endif
