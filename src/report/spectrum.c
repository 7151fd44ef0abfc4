/* spectrum.c -- the Hessian's eigenvalues, the loss along directions, and the
 * weights over their grids.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/report/parts.h"

#include <math.h>
#include <string.h>

enum { POINTS = 160, WALKS_MOST = 5, HISTOGRAMS_MOST = 12 };

/* The nodes, smoothed by normal curves of a hundredth of their range. */
static hawq_status put_density(const hawq_report *r) {
    const hawq_page *p = r->page;
    double          *x, *y, low = INFINITY, high = -INFINITY;
    int              starts = 0;
    if (!p->n_densities) return HAWQ_OK;
    HAWQ_TAKE(x, r->arena, POINTS);
    HAWQ_TAKE(y, r->arena, POINTS);
    for (int i = 0; i < p->n_densities; i++) {
        low = fmin(low, p->density[i].value);
        high = fmax(high, p->density[i].value);
        if (p->density[i].start >= starts) starts = p->density[i].start + 1;
    }
    double wide = (high - low) / 100, peak = 0;
    if (!(wide > 0)) wide = fabs(high) / 100 + 1e-9;
    low -= 4 * wide;
    high += 4 * wide;
    for (int k = 0; k < POINTS; k++) {
        x[k] = low + (high - low) * k / (POINTS - 1);
        for (int i = 0; i < p->n_densities; i++) {
            double t = (x[k] - p->density[i].value) / wide;
            y[k] += p->density[i].weight / starts * exp(-t * t / 2) /
                    (wide * 2.5066282746310002);
        }
        peak = fmax(peak, y[k]);
    }
    for (int k = 0; k < POINTS; k++) y[k] = fmax(y[k], peak * 1e-9);
    hawq_curve line = {
        .colour = 'a', .kind = HAWQ_MARK_LINE, .n = POINTS, .x = x, .y = y};
    hawq_chart_put(r->out,
                   &(hawq_chart){.caption = "Spectral density of the Hessian "
                                            "(stochastic Lanczos quadrature)",
                                 .x_name = "eigenvalue",
                                 .y_name = "density",
                                 .log_y = true,
                                 .n = 1,
                                 .curve = &line});
    return HAWQ_OK;
}

static hawq_status put_walks(const hawq_report *r) {
    const hawq_page *p = r->page;
    hawq_curve       curve[WALKS_MOST];
    double          *x, *y, low = INFINITY, high = 0;
    int              n = 0;
    HAWQ_TAKE(x, r->arena, (size_t)p->n_walks);
    HAWQ_TAKE(y, r->arena, (size_t)p->n_walks);
    for (int i = 0; i < p->n_walks; i++) {
        const char *name = p->walk[i].direction;
        x[i] = p->walk[i].step;
        y[i] = p->walk[i].loss;
        low = fmin(low, y[i]);
        high = fmax(high, y[i]);
        if (n && !strcmp(curve[n - 1].name, name)) {
            curve[n - 1].n++;
            continue;
        }
        if (n == WALKS_MOST) break;
        curve[n] = (hawq_curve){.name = name,
                                .colour = (char)('a' + n),
                                .kind = HAWQ_MARK_LINE,
                                .n = 1,
                                .x = x + i,
                                .y = y + i};
        n++;
    }
    if (n)
        hawq_chart_put(r->out,
                       &(hawq_chart){.caption = "Loss along directions of one "
                                                "length, that of the error",
                                     .x_name = "step",
                                     .y_name = "loss",
                                     .log_y = low > 0 && high > 20 * low,
                                     .n = n,
                                     .curve = curve});
    return HAWQ_OK;
}

static hawq_status put_eigenvalues(const hawq_report *r) {
    const hawq_page *p = r->page;
    hawq_bar        *bar;
    HAWQ_TAKE(bar, r->arena, (size_t)p->n_eigenvalues);
    for (int i = 0; i < p->n_eigenvalues; i++) {
        const char *layer = p->eigenvalue[i].layer;
        const char *name = hawq_arena_format(r->arena, "%d%s%s", i + 1,
                                             *layer ? " " : "", layer);
        if (!name) return HAWQ_ENOMEM;
        bar[i] =
            (hawq_bar){name, p->eigenvalue[i].value, p->eigenvalue[i].residual};
    }
    hawq_bars_put(r->out, "Largest eigenvalues, each within its residual",
                  "eigenvalue", p->n_eigenvalues < 24 ? p->n_eigenvalues : 24,
                  bar);
    return HAWQ_OK;
}

hawq_status hawq_report_spectrum(const hawq_report *r) {
    hawq_report_heading(r, "Flat and sharp");
    if (!r->page->n_eigenvalues && !r->page->n_walks) {
        hawq_report_missing(r, "The spectrum of the Hessian",
                            "hawq-analyze --spectrum 5");
        return HAWQ_OK;
    }
    fputs("<p>Where the loss bends sharply, small errors of the weights cost "
          "much. Rounding errors hit few of the sharp directions.</p>\n"
          "<div class=\"figs\">\n",
          r->out);
    HAWQ_TRY(put_walks(r));
    HAWQ_TRY(put_density(r));
    HAWQ_TRY(put_eigenvalues(r));
    fputs("</div>\n", r->out);
    return HAWQ_OK;
}

/* Layers in their order; the first ones where there are too many. */
void hawq_report_weights(const hawq_report *r) {
    const hawq_page *p = r->page;
    if (!p->n_histograms) return;
    hawq_report_heading(r, "Weights and their grids");
    fputs("<p>Weights in units of their channel&#39;s scale (bars, on a "
          "logarithmic axis), and the points of the grid that stand for them "
          "(ticks below). Where the grid ends before the weights do, they are "
          "clipped.</p>\n",
          r->out);
    if (p->n_histograms > HISTOGRAMS_MOST)
        fprintf(r->out, "<p class=\"note\">The first %d of %d layers.</p>\n",
                HISTOGRAMS_MOST, p->n_histograms);
    fputs("<div class=\"figs\">\n", r->out);
    for (int i = 0; i < p->n_histograms && i < HISTOGRAMS_MOST; i++) {
        const hawq_histogram_record *h = &p->histogram[i];
        hawq_bins_put(r->out, &(hawq_bins){.name = p->layer[h->layer].name,
                                           .x_name = h->candidate,
                                           .low = h->low,
                                           .width = h->width,
                                           .n = h->n_bins,
                                           .n_levels = h->n_levels,
                                           .count = h->count,
                                           .level = h->level});
    }
    fputs("</div>\n", r->out);
}
