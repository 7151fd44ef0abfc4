/* plot.h -- pictures of curves as SVG (W3C 2011): two axes with units, steps,
 * lines, dots and labelled points. Text and numbers only; no style sheet, no
 * script.
 *
 *     hawq_series series[] = {{.name = "front", .shape = HAWQ_STEPS, ...}};
 *     hawq_plot plot = {.title = ..., .n_series = 1, .series = series};
 *     hawq_plot_write("front.svg", &plot);
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_PLOT_H
#define HAWQ_PLOT_H
#include "src/base/status.h"

#include <stdbool.h>

typedef enum hawq_shape_drawn {
    HAWQ_STEPS,  /* from each point level to the next, then down or up to it */
    HAWQ_LINE,   /* a dot at every point, joined to the next */
    HAWQ_DOTS,   /* a small dot at every point: nothing is said between */
    HAWQ_MARKERS /* large dots, each with its label */
} hawq_shape_drawn;

typedef struct hawq_series {
    const char        *name;   /* for the legend */
    const char        *colour; /* "#1f77b4" */
    hawq_shape_drawn   shape;
    int                n;
    const double      *x, *y;
    const char *const *label; /* n texts for MARKERS, or NULL */
} hawq_series;

typedef struct hawq_plot {
    const char        *title, *x_name, *y_name; /* with units */
    double             x_unit; /* x is drawn in multiples of this, > 0 */
    bool               log_x, log_y;
    bool               legend_left; /* for curves that rise */
    int                n_series;
    const hawq_series *series;
} hawq_plot;

/* Points that are not finite, or not positive on a logarithmic axis, are left
 * out. EIO: the file cannot be written; EINVAL: no point to draw. */
HAWQ_NODISCARD hawq_status hawq_plot_write(const char      *path,
                                           const hawq_plot *plot);

#endif
