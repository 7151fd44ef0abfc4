/* front.c -- what bytes buy: the front of the search with the chosen point and
 * the uniform networks, and what was measured of allocations.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/report/parts.h"

#include <math.h>
#include <string.h>

enum { UNIFORM_MOST = 64 };

/* One candidate for all layers, the sum of its values. */
static int list_uniform(const hawq_report *r, const char *metric,
                        const char **name, double *bytes, double *rise) {
    int n = 0;
    for (int i = 0; i < r->page->n_values && n < UNIFORM_MOST; i++) {
        const hawq_sensitivity_record *v = &r->page->value[i];
        if (v->layer || strcmp(v->metric, metric)) continue;
        name[n] = v->candidate;
        bytes[n] = hawq_report_uniform_bytes(r, v->candidate);
        rise[n] = 0;
        for (int l = 0; l < r->page->n_layers; l++) {
            const hawq_sensitivity_record *at =
                hawq_report_value(r, metric, l, v->candidate);
            rise[n] += at ? at->value : NAN;
        }
        n++;
    }
    return n;
}

static hawq_status put_predicted(const hawq_report *r) {
    const hawq_page *p = r->page;
    const char      *metric = p->front_metric ? p->front_metric
                              : p->allocation ? p->chosen.metric
                                              : r->metric;
    const char      *name[UNIFORM_MOST];
    double           bytes[UNIFORM_MOST], rise[UNIFORM_MOST], *x, *y;
    int              n = list_uniform(r, metric, name, bytes, rise);
    HAWQ_TAKE(x, r->arena, (size_t)p->n_front);
    HAWQ_TAKE(y, r->arena, (size_t)p->n_front);
    for (int i = 0; i < p->n_front; i++) {
        x[i] = p->front[i].cost;
        y[i] = p->front[i].objective;
    }
    double            at = (double)p->chosen.weight_bytes;
    const char *const chosen = "chosen";
    hawq_curve        curve[] = {{.name = "front",
                                  .colour = 'a',
                                  .kind = HAWQ_MARK_STEPS,
                                  .n = p->n_front,
                                  .x = x,
                                  .y = y},
                                 {.name = "uniform",
                                  .colour = 'b',
                                  .kind = n > 8 ? HAWQ_MARK_DOTS : HAWQ_MARK_BIG,
                                  .n = n,
                                  .x = bytes,
                                  .y = rise,
                                  .label = name},
                                 {.name = p->allocation ? "chosen" : NULL,
                                  .colour = 'c',
                                  .kind = HAWQ_MARK_BIG,
                                  .n = p->allocation ? 1 : 0,
                                  .x = &at,
                                  .y = &p->chosen.objective,
                                  .label = &chosen}};
    hawq_chart_put(r->out,
                   &(hawq_chart){.caption = "Predicted rise of the loss "
                                            "against bytes of weights",
                                 .x_name = "bytes of weights",
                                 .y_name = "predicted rise",
                                 .log_y = true,
                                 .x_bytes = true,
                                 .n = 3,
                                 .curve = curve});
    return HAWQ_OK;
}

static hawq_status put_measured(const hawq_report *r) {
    const hawq_page *p = r->page;
    size_t           n = (size_t)p->n_benchmarks;
    double          *x, *y;
    const char     **label;
    bool             accuracy = n && !isnan(p->benchmark[0].accuracy);
    HAWQ_TAKE(x, r->arena, n);
    HAWQ_TAKE(y, r->arena, n);
    HAWQ_TAKE(label, r->arena, n);
    for (size_t i = 0; i < n; i++) {
        const hawq_benchmark_record *b = &p->benchmark[i];
        x[i] = (double)b->weight_bytes;
        y[i] = accuracy ? 100 * b->accuracy : 100 * b->agreement;
        /* Among many, only the chosen one and those with names of their own. */
        bool named = n <= 8 || !b->allocation || b->allocation == p->allocation;
        label[i] = named ? b->label : "";
    }
    hawq_curve dots = {.colour = 'c',
                       .kind = HAWQ_MARK_BIG,
                       .n = (int)n,
                       .x = x,
                       .y = y,
                       .label = label};
    hawq_chart_put(
        r->out,
        &(hawq_chart){.caption = accuracy ? "Measured accuracy on integer "
                                            "kernels"
                                          : "Measured agreement with the "
                                            "float network",
                      .x_name = "bytes of weights",
                      .y_name = accuracy ? "accuracy, %" : "agreement, %",
                      .x_bytes = true,
                      .n = 1,
                      .curve = &dots});
    return HAWQ_OK;
}

hawq_status hawq_report_front(const hawq_report *r) {
    const hawq_page *p = r->page;
    hawq_report_heading(r, "What bytes buy");
    if (!p->n_front)
        hawq_report_missing(r, "The front of bytes and loss",
                            "hawq-search MODEL --pareto weight-size");
    if (!p->n_benchmarks)
        hawq_report_missing(r, "What really runs",
                            "hawq-bench MODEL --allocation last --data SPEC");
    fputs("<div class=\"figs\">\n", r->out);
    if (p->n_values) HAWQ_TRY(put_predicted(r));
    if (p->n_benchmarks) HAWQ_TRY(put_measured(r));
    fputs("</div>\n", r->out);
    return HAWQ_OK;
}
