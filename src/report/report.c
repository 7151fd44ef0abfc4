/* report.c -- the page: opening, order of the sections, closing, and what the
 * sections look up.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/report/report.h"

#include "src/report/parts.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const hawq_sensitivity_record *hawq_report_value(const hawq_report *r,
                                                 const char *metric, int layer,
                                                 const char *candidate) {
    const hawq_page *p = r->page;
    for (int i = 0; i < p->n_values; i++)
        if (p->value[i].layer == layer && !strcmp(p->value[i].metric, metric) &&
            (!candidate || !strcmp(p->value[i].candidate, candidate)))
            return &p->value[i];
    return NULL;
}

const char *hawq_report_candidate(const hawq_report *r, int bits) {
    const hawq_page *p = r->page;
    const char      *best = NULL;
    int              distance = 100;
    for (int i = 0; i < p->n_values; i++) {
        const hawq_sensitivity_record *v = &p->value[i];
        if (v->layer || strcmp(v->metric, r->metric)) continue;
        if (abs(v->bits - bits) < distance) {
            distance = abs(v->bits - bits);
            best = v->candidate;
        }
    }
    return best;
}

double hawq_report_bytes(const hawq_report *r, int layer,
                         const char *candidate) {
    const hawq_layer_record       *l = &r->page->layer[layer];
    const hawq_sensitivity_record *v =
        hawq_report_value(r, r->metric, layer, candidate);
    if (!strcmp(candidate, "float")) return 4.0 * (double)l->params;
    if (!v) return NAN;
    return v->bytes
               ? (double)v->bytes
               : (double)hawq_weight_bytes(l->params, l->channels, v->bits);
}

double hawq_report_uniform_bytes(const hawq_report *r, const char *candidate) {
    double sum = (double)r->page->study.rest_bytes;
    for (int l = 0; l < r->page->n_layers; l++)
        sum += hawq_report_bytes(r, l, candidate);
    return sum;
}

void hawq_report_heading(const hawq_report *r, const char *text) {
    fprintf(r->out, "<h2>%s</h2>\n", text);
}

void hawq_report_missing(const hawq_report *r, const char *what,
                         const char *command) {
    fprintf(r->out,
            "<p class=\"note\">%s: not known yet; <code>%s</code> "
            "finds it.</p>\n",
            what, command);
}

static hawq_status put_sections(const hawq_report *r) {
    hawq_report_summary(r);
    HAWQ_TRY(hawq_report_sensitivity(r));
    HAWQ_TRY(hawq_report_front(r));
    hawq_report_layers(r);
    hawq_report_energy(r);
    HAWQ_TRY(hawq_report_metrics(r));
    HAWQ_TRY(hawq_report_spectrum(r));
    hawq_report_weights(r);
    return HAWQ_OK;
}

static const char *ranking_of(const hawq_page *p) {
    for (int i = 0; i < p->n_values; i++)
        if (!strcmp(p->value[i].metric, "measured")) return "measured";
    return p->n_values ? p->value[0].metric : "measured";
}

hawq_status hawq_report_write(const char *path, const hawq_page *page,
                              hawq_arena *arena) {
    const char *slash = strrchr(page->model, '/');
    const char *name = slash ? slash + 1 : page->model;
    hawq_report r = {.page = page, .arena = arena, .metric = ranking_of(page)};
    const char *title = hawq_arena_format(arena, "Bits for %s", name);
    if (!title) return HAWQ_ENOMEM;
    r.out = fopen(path, "wb");
    if (!r.out)
        return hawq_fail(HAWQ_EIO, "%s: cannot be written: %s", path,
                         strerror(errno));
    hawq_html_begin(r.out, title);
    fputs("<h1>", r.out);
    hawq_html_text(r.out, title);
    fputs("</h1>\n", r.out);
    hawq_status status = put_sections(&r);
    hawq_html_end(r.out);
    bool failed = ferror(r.out);
    if (fclose(r.out) || failed)
        return hawq_fail(HAWQ_EIO, "%s: cannot be written", path);
    return status;
}
