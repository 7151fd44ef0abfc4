/* search_report.c -- tables, JSON and notes of hawq-search.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/output.h"
#include "src/cli/search_command.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const hawq_candidate *chosen(const hawq_problem *p, const int *choice,
                                    int l) {
    return hawq_problem_candidate(p, l, choice[p->layer[l].in_group]);
}

static void note_groups(const hawq_search *s) {
    const hawq_problem *p = s->problem;
    for (int i = 0; i < s->n_widths; i++)
        if (s->width[i].activation_bits < 8) {
            hawq_cli_note(s->cli,
                          "the predicted loss leaves out the error of "
                          "activations below 8 bits");
            break;
        }
    for (int g = 0; g < p->n_groups; g++) {
        const hawq_problem_group *group = &p->group[g];
        if (group->n_layers < 2) continue;
        const char *names = p->layer[group->layer[0]].name;
        for (int i = 1; i < group->n_layers && names; i++)
            names = hawq_arena_format(&s->cli->arena, "%s, %s", names,
                                      p->layer[group->layer[i]].name);
        hawq_cli_note(s->cli, "tied (%s): %s", group->reason,
                      names ? names : group->name);
    }
}

/* --- one allocation ------------------------------------------------------- */

static hawq_status print_layers(const hawq_search   *s,
                                const hawq_solution *solution) {
    static const char *const columns[] = {
        "layer", "params", "weight_bits", "activation_bits", "loss", "bytes"};
    const hawq_problem *p = s->problem;
    int                 bytes = hawq_problem_find_kind(p, "weight-size");
    hawq_table          t;
    hawq_table_begin(&t, &s->cli->arena, bytes < 0 ? 5 : 6, columns);
    for (int l = 0; l < p->n_layers; l++) {
        const hawq_candidate *c = chosen(p, solution->choice, l);
        hawq_table_text(&t, p->layer[l].name);
        if (p->layer[l].params)
            hawq_table_integer(&t, p->layer[l].params);
        else
            hawq_table_real(&t, NAN, 1);
        hawq_table_integer(&t, c->weight_bits);
        hawq_table_integer(&t, c->activation_bits);
        hawq_table_real(&t, c->loss, 4);
        if (bytes >= 0) hawq_table_real(&t, c->cost[bytes], 12);
    }
    return hawq_table_print(&t, s->cli->format, stdout);
}

static void print_total(const char *name, double value, const char *unit) {
    if (!isnan(value)) printf("%-15s %.10g%s\n", name, value, unit);
}

static void print_budget(const hawq_search *s, const hawq_budget_use *u) {
    bool bytes = !strcmp(u->kind, "weight-size") && !s->problem_path;
    printf("%-15s %s <= %.10g%s", "budget", u->kind, u->limit, u->unit_name);
    if (bytes) printf(" (%s)", hawq_bytes_text(&s->cli->arena, u->limit));
    printf(", used %.10g: %s\n", u->used,
           u->binding ? "binds"
                      : "does not bind, the optimum without it is the same");
}

static hawq_status print_table(const hawq_search   *s,
                               const hawq_solution *solution) {
    hawq_totals totals;
    HAWQ_TRY(print_layers(s, solution));
    if (s->cli->format != HAWQ_FORMAT_TABLE) return HAWQ_OK;
    hawq_search_totals(s->problem, solution->choice, &totals);
    printf("\n%-15s %s (solver %s, gap %.3g)\n", "state",
           hawq_found_text(solution->state), solution->solver->name,
           solution->gap);
    printf("%-15s %.6g%s%s\n", "predicted loss", solution->objective,
           *s->metric ? ", metric " : "", s->metric);
    if (solution->state != HAWQ_FOUND_OPTIMAL)
        printf("%-15s %.6g\n", "lower bound", solution->bound);
    print_total("weight bytes", totals.weight_bytes, "");
    print_total("mean bits", totals.mean_bits, "");
    print_total("BOPS", totals.bops, "");
    print_total("latency", totals.latency_us, s->problem_path ? "" : " us");
    for (int b = 0; b < solution->n_budgets; b++)
        print_budget(s, &solution->budget[b]);
    return HAWQ_OK;
}

static void json_budgets(hawq_json *w, const hawq_solution *solution) {
    hawq_json_array(w, "budgets");
    for (int b = 0; b < solution->n_budgets; b++) {
        const hawq_budget_use *u = &solution->budget[b];
        hawq_json_object(w, NULL);
        hawq_json_text(w, "kind", u->kind);
        hawq_json_real(w, "limit", u->limit);
        hawq_json_real(w, "used", u->used);
        hawq_json_flag(w, "binding", u->binding);
        hawq_json_real(w, "least", u->least);
        hawq_json_end(w);
    }
    hawq_json_end(w);
}

static void json_layers(hawq_json *w, const hawq_problem *p,
                        const hawq_solution *solution) {
    hawq_json_array(w, "layers");
    for (int l = 0; solution->choice && l < p->n_layers; l++) {
        const hawq_candidate *c = chosen(p, solution->choice, l);
        hawq_json_object(w, NULL);
        hawq_json_text(w, "name", p->layer[l].name);
        hawq_json_integer(w, "weight_bits", c->weight_bits);
        hawq_json_integer(w, "activation_bits", c->activation_bits);
        hawq_json_real(w, "loss", c->loss);
        hawq_json_end(w);
    }
    hawq_json_end(w);
}

static void print_json(const hawq_search *s, const hawq_solution *solution) {
    hawq_json   w = {.file = stdout};
    hawq_totals totals = {NAN, NAN, NAN, NAN};
    if (solution->choice)
        hawq_search_totals(s->problem, solution->choice, &totals);
    hawq_json_object(&w, NULL);
    hawq_json_text(&w, "state", hawq_found_text(solution->state));
    hawq_json_text(&w, "solver", solution->solver->name);
    hawq_json_text(&w, "metric", s->metric);
    hawq_json_real(&w, "objective", solution->objective);
    hawq_json_real(&w, "bound", solution->bound);
    hawq_json_real(&w, "gap", solution->gap);
    hawq_json_real(&w, "weight_bytes", totals.weight_bytes);
    hawq_json_real(&w, "bops", totals.bops);
    hawq_json_real(&w, "latency_us", totals.latency_us);
    hawq_json_real(&w, "mean_bits", totals.mean_bits);
    json_budgets(&w, solution);
    json_layers(&w, s->problem, solution);
    hawq_json_end(&w);
}

hawq_status hawq_search_report(const hawq_search   *s,
                               const hawq_solution *solution) {
    if (s->cli->format == HAWQ_FORMAT_JSON) {
        print_json(s, solution);
    } else if (solution->choice) {
        HAWQ_TRY(print_table(s, solution));
    }
    note_groups(s);
    return HAWQ_OK;
}

/* --- a front -------------------------------------------------------------- */

static void json_front(const hawq_search *s, const hawq_pareto *front,
                       int *bits) {
    const hawq_problem *p = s->problem;
    hawq_json           w = {.file = stdout};
    hawq_json_object(&w, NULL);
    hawq_json_text(&w, "cost_kind", s->front_kind);
    hawq_json_text(&w, "metric", s->metric);
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
        hawq_json_end(&w);
    }
    hawq_json_end(&w);
    hawq_json_end(&w);
}

/* "8 8 4", with activations "8/8 8/8 4/8" where they are not all alike. */
static hawq_status bits_text(const hawq_search *s, const int *choice,
                             bool activations, char **out) {
    const hawq_problem *p = s->problem;
    size_t              size = 8 * (size_t)p->n_layers + 1, used = 0;
    HAWQ_TAKE(*out, &s->cli->arena, size);
    for (int l = 0; l < p->n_layers; l++) {
        const hawq_candidate *c = chosen(p, choice, l);
        used += (size_t)snprintf(*out + used, size - used, "%s%d", l ? " " : "",
                                 c->weight_bits);
        if (activations)
            used += (size_t)snprintf(*out + used, size - used, "/%d",
                                     c->activation_bits);
    }
    return HAWQ_OK;
}

static bool activations_differ(const hawq_problem *p) {
    for (int l = 0; l < p->n_layers; l++)
        for (int c = 0; c < p->layer[l].n_candidates; c++)
            if (p->layer[l].candidate[c].activation_bits !=
                p->layer[0].candidate[0].activation_bits)
                return true;
    return false;
}

static hawq_status print_front(const hawq_search *s, const hawq_pareto *front) {
    const char *columns[] = {s->front_kind, "loss", "mean_bits", "bits"};
    hawq_table  t;
    bool        both = activations_differ(s->problem);
    hawq_table_begin(&t, &s->cli->arena, 4, columns);
    for (int i = 0; i < front->n; i++) {
        const hawq_pareto_point *point = &front->point[i];
        hawq_totals              totals;
        char                    *bits;
        hawq_search_totals(s->problem, point->choice, &totals);
        HAWQ_TRY(bits_text(s, point->choice, both, &bits));
        hawq_table_real(&t, point->cost, 12);
        hawq_table_real(&t, point->objective, 5);
        hawq_table_real(&t, totals.mean_bits, 4);
        hawq_table_text(&t, bits);
    }
    return hawq_table_print(&t, s->cli->format, stdout);
}

hawq_status hawq_search_report_front(const hawq_search *s,
                                     const hawq_pareto *front) {
    if (s->cli->format == HAWQ_FORMAT_JSON) {
        int *bits;
        HAWQ_TAKE(bits, &s->cli->arena, (size_t)s->problem->n_layers);
        json_front(s, front, bits);
    } else {
        HAWQ_TRY(print_front(s, front));
    }
    note_groups(s);
    hawq_cli_note(s->cli, "%d points on the complete front of loss against %s",
                  front->n, s->front_kind);
    return HAWQ_OK;
}
