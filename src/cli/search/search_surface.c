/* search_surface.c -- --pareto A,B: the allocations that none beats in two
 * costs and the loss; printed, not stored, for a stored front has one cost.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/output.h"
#include "src/cli/search/search_answers.h"
#include "src/cli/search/search_front.h"

#include <string.h>

static hawq_status split_kinds(const hawq_search *s, const char *kind[2]) {
    const char *comma = strchr(s->front_kind, ',');
    size_t      n = (size_t)(comma - s->front_kind);
    kind[0] = hawq_arena_string_n(&s->cli->arena, s->front_kind, n);
    kind[1] = comma + 1;
    return kind[0] ? HAWQ_OK : HAWQ_ENOMEM;
}

/* TSV and the table say the bits as text, JSON as two lists. */
static hawq_status print_rows(const hawq_search *s, const char *const *kind,
                              const hawq_surface *surface) {
    const char *columns[] = {kind[0], kind[1], "loss", "mean_bits", "bits"};
    hawq_table  t;
    hawq_table_begin(&t, &s->cli->arena, 5, columns);
    for (int i = 0; i < surface->n; i++) {
        const hawq_surface_point *point = &surface->point[i];
        hawq_totals               totals;
        char                     *bits;
        hawq_search_totals(s->problem, point->choice, &totals);
        HAWQ_TRY(hawq_search_bits_text(s, point->choice, &bits));
        hawq_table_real(&t, point->cost[0], 12);
        hawq_table_real(&t, point->cost[1], 12);
        hawq_table_real(&t, point->objective, 5);
        hawq_table_real(&t, totals.mean_bits, 4);
        hawq_table_text(&t, bits);
    }
    return hawq_table_print(&t, s->cli->format, stdout);
}

static hawq_status print_json(const hawq_search *s, const char *const *kind,
                              const hawq_surface *surface) {
    const hawq_problem *p = s->problem;
    hawq_json           w = {.file = stdout};
    int                *bits;
    HAWQ_TAKE(bits, &s->cli->arena, 2 * (size_t)p->n_layers);
    hawq_json_object(&w, NULL);
    hawq_json_text(&w, "metric", s->metric);
    hawq_search_json_analysis(s, &w);
    hawq_search_json_latency(s, &w);
    hawq_json_array(&w, "layers");
    for (int l = 0; l < p->n_layers; l++)
        hawq_json_text(&w, NULL, p->layer[l].name);
    hawq_json_end(&w);
    hawq_json_array(&w, "surface");
    for (int i = 0; i < surface->n; i++) {
        const hawq_surface_point *point = &surface->point[i];
        for (int l = 0; l < p->n_layers; l++) {
            const hawq_priced *c = hawq_problem_candidate(
                p, l, point->choice[p->layer[l].in_group]);
            bits[l] = c->weight_bits;
            bits[p->n_layers + l] = c->activation_bits;
        }
        hawq_json_object(&w, NULL);
        hawq_json_object(&w, "cost");
        hawq_json_real(&w, kind[0], point->cost[0]);
        hawq_json_real(&w, kind[1], point->cost[1]);
        hawq_json_end(&w);
        hawq_json_real(&w, "objective", point->objective);
        hawq_json_ints(&w, "bits", p->n_layers, bits);
        hawq_json_ints(&w, "activation_bits", p->n_layers, bits + p->n_layers);
        hawq_search_json_names(s, point->choice, &w);
        hawq_json_end(&w);
    }
    hawq_json_end(&w);
    hawq_json_end(&w);
    return HAWQ_OK;
}

hawq_status hawq_search_surface(hawq_search *s) {
    const char  *kind[2];
    hawq_surface surface;
    HAWQ_TRY(split_kinds(s, kind));
    HAWQ_TRY(hawq_pareto_surface(s->problem, kind[0], kind[1], 0,
                                 &s->cli->arena, &surface));
    if (!surface.n) return hawq_search_no_front(s);
    if (s->cli->format == HAWQ_FORMAT_JSON)
        HAWQ_TRY(print_json(s, kind, &surface));
    else
        HAWQ_TRY(print_rows(s, kind, &surface));
    hawq_search_note_problem(s);
    hawq_search_note_latency(s);
    HAWQ_TRY(hawq_search_note_analysis(s));
    hawq_cli_note(s->cli,
                  "%d allocation%s that none beats in %s, %s and loss; not "
                  "stored",
                  surface.n, surface.n == 1 ? "" : "s", kind[0], kind[1]);
    return HAWQ_OK;
}
