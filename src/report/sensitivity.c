/* sensitivity.c -- what each layer suffers, how sure that is, and what other
 * metrics would have said.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "hessian/statistics.h"
#include "src/report/parts.h"

#include <math.h>
#include <string.h>

enum { BARS_MOST = 24, METRICS_MOST = 16 };

/* --- ranked bars ---------------------------------------------------------- */

static int by_value(const hawq_report *r, const char *candidate,
                    hawq_bar *bar) {
    int n = 0;
    for (int l = 0; l < r->page->n_layers; l++) {
        const hawq_sensitivity_record *v =
            hawq_report_value(r, r->metric, l, candidate);
        if (!v) continue;
        hawq_bar b = {r->page->layer[l].name, v->value, 2 * v->stderr1};
        int      at = n++;
        for (; at > 0 && bar[at - 1].value < b.value; at--)
            bar[at] = bar[at - 1];
        bar[at] = b;
    }
    return n;
}

static hawq_status put_bars(const hawq_report *r) {
    static const int widths[] = {8, 4, 2};
    const char      *before = "";
    hawq_bar        *bar;
    HAWQ_TAKE(bar, r->arena, (size_t)r->page->n_layers);
    for (int i = 0; i < 3; i++) {
        const char *candidate = hawq_report_candidate(r, widths[i]);
        if (!candidate || !strcmp(candidate, before)) continue;
        before = candidate;
        int         n = by_value(r, candidate, bar);
        int         shown = n < BARS_MOST ? n : BARS_MOST;
        const char *caption =
            hawq_arena_format(r->arena, "At %s%s", candidate,
                              shown < n ? ", the layers that suffer most" : "");
        if (!caption) return HAWQ_ENOMEM;
        hawq_bars_put(r->out, caption,
                      strcmp(r->metric, "sqnr") ? "rise of the loss"
                                                : "noise to signal",
                      shown, bar);
    }
    return HAWQ_OK;
}

/* --- convergence ---------------------------------------------------------- */

/* Running mean of the trace over its last value, of the layers with the
 * largest, the smallest and the middle one. */
static hawq_status put_convergence(const hawq_report *r) {
    const hawq_page *p = r->page;
    int              n = p->n_layers ? p->n_readings / p->n_layers : 0;
    hawq_curve       curve[3];
    double          *x;
    if (n < 4) return HAWQ_OK;
    HAWQ_TAKE(x, r->arena, (size_t)n);
    for (int i = 0; i < n; i++) x[i] = i + 1;
    for (int k = 0; k < 3; k++) {
        int     layer = k * (p->n_layers - 1) / 2;
        double *y, sum = 0;
        HAWQ_TAKE(y, r->arena, (size_t)n);
        for (int i = 0; i < n; i++) {
            sum += p->reading[i * p->n_layers + layer].value;
            y[i] = sum / (i + 1);
        }
        for (int i = 0; i < n; i++) y[i] /= sum / n;
        curve[k] = (hawq_curve){.name = p->layer[layer].name,
                                .colour = (char)('a' + k),
                                .kind = HAWQ_MARK_LINE,
                                .n = n,
                                .x = x,
                                .y = y};
    }
    hawq_chart_put(r->out,
                   &(hawq_chart){.caption = "Convergence of the trace: mean so "
                                            "far over the last one",
                                 .x_name = "samples",
                                 .y_name = "relative mean",
                                 .n = p->n_layers > 2 ? 3 : 1,
                                 .curve = curve});
    return HAWQ_OK;
}

hawq_status hawq_report_sensitivity(const hawq_report *r) {
    hawq_report_heading(r, "What each layer suffers");
    if (!r->page->n_values) {
        hawq_report_missing(r, "The layers&#39; sensitivities",
                            "hawq-analyze MODEL --data SPEC");
        return HAWQ_OK;
    }
    fputs("<p>The rise of the loss when only this layer is quantized, by the "
          "metric <b>",
          r->out);
    hawq_html_text(r->out, r->metric);
    fputs(
        "</b>; the whiskers are two standard errors to each side. A bar whose "
        "whisker crosses zero is not told apart from nothing.</p>\n"
        "<div class=\"figs\">\n",
        r->out);
    HAWQ_TRY(put_bars(r));
    HAWQ_TRY(put_convergence(r));
    fputs("</div>\n", r->out);
    return HAWQ_OK;
}

/* --- metrics against measured --------------------------------------------- */

static int list_metrics(const hawq_report *r, const char **name) {
    int n = 0;
    for (int i = 0; i < r->page->n_values; i++) {
        const char *m = r->page->value[i].metric;
        int         k = 0;
        while (k < n && strcmp(name[k], m)) k++;
        bool same = !strcmp(m, "measured") || !strcmp(m, "hybrid");
        if (k == n && !same && n < METRICS_MOST) name[n++] = m;
    }
    return n;
}

static hawq_status put_metric(const hawq_report *r, const char *metric,
                              const char *candidate) {
    size_t  most = (size_t)r->page->n_layers, n = 0;
    double *x, *y, *work;
    HAWQ_TAKE(x, r->arena, most);
    HAWQ_TAKE(y, r->arena, most);
    HAWQ_TAKE(work, r->arena, 2 * most);
    for (int l = 0; l < r->page->n_layers; l++) {
        const hawq_sensitivity_record *m, *v;
        m = hawq_report_value(r, metric, l, candidate);
        v = hawq_report_value(r, "measured", l, candidate);
        if (!m || !v) continue;
        x[n] = m->value;
        y[n++] = v->value;
    }
    double      rank = hawq_rank_correlation(x, y, n, work);
    const char *caption = hawq_arena_format(
        r->arena, isnan(rank) ? "%s" : "%s: rank correlation %.2f", metric,
        rank);
    if (!caption) return HAWQ_ENOMEM;
    hawq_curve dots = {
        .colour = 'a', .kind = HAWQ_MARK_DOTS, .n = (int)n, .x = x, .y = y};
    hawq_chart_put(r->out, &(hawq_chart){.caption = caption,
                                         .x_name = metric,
                                         .y_name = "measured rise of the loss",
                                         .log_x = true,
                                         .zero = true,
                                         .n = 1,
                                         .curve = &dots});
    return HAWQ_OK;
}

hawq_status hawq_report_metrics(const hawq_report *r) {
    const char *name[METRICS_MOST];
    const char *candidate = hawq_report_candidate(r, 4);
    int         n = list_metrics(r, name);
    if (!n || strcmp(r->metric, "measured") || !candidate) return HAWQ_OK;
    hawq_report_heading(r, "Metrics against what was measured");
    fputs("<p>Every dot is a layer at ", r->out);
    hawq_html_text(r->out, candidate);
    fputs(". A metric that ranks the layers as the measured rise does has a "
          "rank correlation of 1; <b>depth</b> and <b>sqnr</b> are the cheap "
          "baselines. Values that are not positive are left out of the "
          "figure.</p>\n<div class=\"figs\">\n",
          r->out);
    for (int i = 0; i < n; i++) HAWQ_TRY(put_metric(r, name[i], candidate));
    fputs("</div>\n", r->out);
    return HAWQ_OK;
}
