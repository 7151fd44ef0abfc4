/* search_front.c -- a front as table, TSV and JSON.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/search/search_front.h"

#include "src/cli/kit/output.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const hawq_priced *chosen(const hawq_problem *p, const int *choice,
                                 int l) {
    return hawq_problem_candidate(p, l, choice[p->layer[l].in_group]);
}

static hawq_status json_uniforms(const hawq_search *s, hawq_json *w) {
    hawq_uniform_point *point;
    int                 n;
    HAWQ_TRY(hawq_search_uniforms(s, &n, &point));
    hawq_json_array(w, "uniform");
    for (int i = 0; i < n; i++) {
        hawq_json_object(w, NULL);
        hawq_json_integer(w, "weight_bits", point[i].width.weight_bits);
        hawq_json_integer(w, "activation_bits", point[i].width.activation_bits);
        if (point[i].width.candidate)
            hawq_json_text(w, "candidate", point[i].width.candidate);
        hawq_json_real(w, "cost", point[i].cost);
        hawq_json_real(w, "objective", point[i].objective);
        hawq_json_end(w);
    }
    hawq_json_end(w);
    return HAWQ_OK;
}

static hawq_status json_front(const hawq_search *s, const hawq_pareto *front,
                              int *bits) {
    const hawq_problem *p = s->problem;
    hawq_json           w = {.file = stdout};
    hawq_json_object(&w, NULL);
    hawq_json_text(&w, "cost_kind", s->front_kind);
    hawq_json_text(&w, "metric", s->metric);
    hawq_search_json_analysis(s, &w);
    hawq_search_json_latency(s, &w);
    hawq_json_array(&w, "layers");
    for (int l = 0; l < p->n_layers; l++)
        hawq_json_text(&w, NULL, p->layer[l].name);
    hawq_json_end(&w);
    hawq_json_array(&w, "front");
    for (int i = 0; i < front->n; i++) {
        const hawq_pareto_point *point = &front->point[i];
        hawq_totals              totals;
        hawq_search_totals(p, point->choice, &totals);
        hawq_json_object(&w, NULL);
        hawq_json_real(&w, "cost", point->cost);
        hawq_json_real(&w, "objective", point->objective);
        hawq_json_real(&w, "mean_bits", totals.mean_bits);
        for (int l = 0; l < p->n_layers; l++)
            bits[l] = chosen(p, point->choice, l)->weight_bits;
        hawq_json_ints(&w, "bits", p->n_layers, bits);
        for (int l = 0; l < p->n_layers; l++)
            bits[l] = chosen(p, point->choice, l)->activation_bits;
        hawq_json_ints(&w, "activation_bits", p->n_layers, bits);
        hawq_search_json_names(s, point->choice, &w);
        hawq_json_end(&w);
    }
    hawq_json_end(&w);
    HAWQ_TRY(json_uniforms(s, &w));
    hawq_json_end(&w);
    return HAWQ_OK;
}

/* Do a layer's weight bits leave open what its activations have? */
static bool activations_open(const hawq_problem_layer *layer) {
    for (int a = 0; a < layer->n_candidates; a++)
        for (int b = 0; b < a; b++)
            if (layer->candidate[a].weight_bits ==
                    layer->candidate[b].weight_bits &&
                layer->candidate[a].activation_bits !=
                    layer->candidate[b].activation_bits)
                return true;
    return false;
}

void hawq_search_json_names(const hawq_search *s, const int *choice,
                            hawq_json *w) {
    const hawq_problem *p = s->problem;
    if (!p->layer[0].candidate[0].name) return;
    hawq_json_array(w, "candidates");
    for (int l = 0; l < p->n_layers; l++) {
        const char *name = chosen(p, choice, l)->name;
        hawq_json_text(w, NULL, name ? name : "");
    }
    hawq_json_end(w);
}

/* Do bits leave open which candidate it is? */
static bool names_open(const hawq_problem_layer *layer) {
    for (int a = 0; a < layer->n_candidates; a++)
        for (int b = 0; b < a; b++)
            if (layer->candidate[a].weight_bits ==
                    layer->candidate[b].weight_bits &&
                layer->candidate[a].name && layer->candidate[b].name &&
                strcmp(layer->candidate[a].name, layer->candidate[b].name) != 0)
                return true;
    return false;
}

static bool names_shown(const hawq_problem *p) {
    for (int l = 0; l < p->n_layers; l++)
        if (names_open(&p->layer[l])) return true;
    return false;
}

static bool activations_shown(const hawq_problem *p) {
    for (int l = 0; l < p->n_layers; l++)
        if (activations_open(&p->layer[l])) return true;
    return false;
}

/* Letters of a name before ':' and its method. */
static size_t format_length(const char *name) {
    return strcspn(name, ":");
}

/* Does the format of the name leave open which candidate it is? */
static bool formats_open(const hawq_problem *p, const char *name) {
    size_t n = format_length(name);
    for (int l = 0; l < p->n_layers; l++)
        for (int c = 0; c < p->layer[l].n_candidates; c++) {
            const char *other = p->layer[l].candidate[c].name;
            if (other && format_length(other) == n &&
                !strncmp(other, name, n) && strcmp(other, name) != 0)
                return true;
        }
    return false;
}

const char *hawq_search_short_name(const hawq_search *s, const char *name) {
    if (formats_open(s->problem, name)) return name;
    return hawq_arena_string_n(&s->cli->arena, name, format_length(name));
}

/* "w4", or its bits, and what its activations have: "4/8". */
static const char *layer_text(const hawq_search *s, const hawq_priced *c,
                              bool names, bool activations) {
    hawq_arena *arena = &s->cli->arena;
    bool        brief = s->cli->format == HAWQ_FORMAT_TABLE;
    const char *text;
    if (names && c->name)
        text = brief ? hawq_search_short_name(s, c->name) : c->name;
    else
        text = hawq_arena_format(arena, "%d", c->weight_bits);
    if (!text || !activations) return text;
    return hawq_arena_format(arena, "%s/%d", text, c->activation_bits);
}

enum { MOST_SHOWN = 80 }; /* columns of a table's cell */

hawq_status hawq_search_bits_text(const hawq_search *s, const int *choice,
                                  char **out) {
    const hawq_problem *p = s->problem;
    bool                activations = activations_shown(p);
    bool                names = names_shown(p);
    const char        **text;
    size_t              size = 8, used = 0;
    HAWQ_TAKE(text, &s->cli->arena, (size_t)p->n_layers);
    for (int l = 0; l < p->n_layers; l++) {
        text[l] = layer_text(s, chosen(p, choice, l), names, activations);
        if (!text[l]) return HAWQ_ENOMEM;
        size += strlen(text[l]) + 1;
    }
    HAWQ_TAKE(*out, &s->cli->arena, size);
    for (int l = 0; l < p->n_layers; l++) {
        if (s->cli->format == HAWQ_FORMAT_TABLE && l < p->n_layers - 1 &&
            used + strlen(text[l]) > MOST_SHOWN - 4) {
            snprintf(*out + used, size - used, " ...");
            break;
        }
        used += (size_t)snprintf(*out + used, size - used, "%s%s", l ? " " : "",
                                 text[l]);
    }
    return HAWQ_OK;
}

/* --- a table of some or all points -----------------------------------------
 */

enum { SHOWN = 24 };

/* How far along the front point i lies, cost and loss both counted in their
 * ranges: 0 at the first, 2 at the last. */
static double along(const hawq_pareto *front, int i) {
    const hawq_pareto_point *a = &front->point[0];
    const hawq_pareto_point *z = &front->point[front->n - 1];
    double                   cost = z->cost - a->cost;
    double                   loss = a->objective - z->objective;
    return (cost > 0 ? (front->point[i].cost - a->cost) / cost : 0) +
           (loss > 0 ? (a->objective - front->point[i].objective) / loss : 0);
}

/* The first and the last point, and others at about even distances. */
static void pick_points(const hawq_pareto *front, bool *shown) {
    double from = along(front, 0), to = along(front, front->n - 1);
    int    last = -1;
    for (int i = 0; i < front->n; i++) {
        double at = (along(front, i) - from) / (to - from) * (SHOWN - 1);
        shown[i] = i == 0 || i == front->n - 1 || (int)at > last;
        if (shown[i]) last = (int)at;
    }
}

static hawq_status print_front(const hawq_search *s, const hawq_pareto *front,
                               bool all_points) {
    const char *columns[] = {s->front_kind, "loss", "mean_bits", "bits"};
    hawq_table  t;
    bool       *shown, cut = false;
    bool        some =
        s->cli->format == HAWQ_FORMAT_TABLE && !all_points && front->n > SHOWN;
    HAWQ_TAKE(shown, &s->cli->arena, (size_t)front->n);
    if (some) pick_points(front, shown);
    hawq_table_begin(&t, &s->cli->arena, 4, columns);
    for (int i = 0; i < front->n; i++) {
        const hawq_pareto_point *point = &front->point[i];
        hawq_totals              totals;
        char                    *bits;
        if (some && !shown[i]) continue;
        hawq_search_totals(s->problem, point->choice, &totals);
        HAWQ_TRY(hawq_search_bits_text(s, point->choice, &bits));
        hawq_table_real(&t, point->cost, 12);
        hawq_table_real(&t, point->objective, 5);
        hawq_table_real(&t, totals.mean_bits, 4);
        hawq_table_text(&t, bits);
        cut |= strstr(bits, " ...") != NULL;
    }
    HAWQ_TRY(hawq_table_print(&t, s->cli->format, stdout));
    if (cut)
        hawq_cli_note(s->cli, "the first layers of each point; --format tsv, "
                              "csv or json for all");
    if (some)
        hawq_cli_note(s->cli,
                      "some of the points; --all-points or --format tsv, "
                      "csv or json for all");
    return HAWQ_OK;
}

hawq_status hawq_search_report_front(const hawq_search *s,
                                     const hawq_pareto *front,
                                     bool               all_points) {
    if (s->cli->format == HAWQ_FORMAT_JSON) {
        int *bits;
        HAWQ_TAKE(bits, &s->cli->arena, (size_t)s->problem->n_layers);
        HAWQ_TRY(json_front(s, front, bits));
    } else {
        HAWQ_TRY(print_front(s, front, all_points));
    }
    hawq_search_note_problem(s);
    hawq_search_note_latency(s);
    HAWQ_TRY(hawq_search_note_analysis(s));
    if (s->problem->n_interactions)
        hawq_cli_note(s->cli,
                      "%d %s at evenly spaced limits of %s, each to a gap of "
                      "%.2g or less; there may be more between them",
                      front->n, front->n == 1 ? "optimum" : "optima",
                      s->front_kind, s->front_gap);
    else
        hawq_cli_note(s->cli,
                      "%d point%s on the complete front of loss against %s",
                      front->n, front->n == 1 ? "" : "s", s->front_kind);
    return HAWQ_OK;
}
