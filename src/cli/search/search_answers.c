/* search_answers.c -- alternatives, uniform allocations, unresolved losses and
 * the nearest budgets that can be met.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/search/search_answers.h"

#include <math.h>
#include <string.h>

/* --- each alternative of one layer -----------------------------------------
 */

/* Solves with candidates of one group that give layer l its candidate x; the
 * problem is as before after. Pins of x's layer do not count, those of others
 * in the group do, if anything is left. */
static hawq_status solve_with(hawq_search *s, int l, const hawq_priced *x,
                              hawq_solution *out) {
    hawq_problem_group *g = &s->problem->group[s->problem->layer[l].in_group];
    const bool         *before = g->allowed;
    bool               *only, any = false;
    HAWQ_TAKE(only, &s->cli->arena, (size_t)g->n_candidates);
    for (int c = 0; c < g->n_candidates; c++) {
        only[c] = hawq_problem_candidate(s->problem, l, c) == x;
        any |= only[c] && before[c];
    }
    for (int c = 0; c < g->n_candidates; c++) only[c] &= before[c] || !any;
    g->allowed = only;
    hawq_status status =
        hawq_solve(s->problem, NULL, NULL, &s->cli->arena, out);
    g->allowed = before;
    return status;
}

static int by_name(const hawq_search *s, const char *name) {
    return hawq_problem_find_layer(s->problem, name);
}

hawq_status hawq_search_explain(hawq_search *s, const char *layer,
                                const hawq_solution *solution,
                                hawq_explanation    *out) {
    int l = by_name(s, layer);
    if (l < 0)
        return hawq_fail(HAWQ_EINVAL, "--explain %s: there is no such layer",
                         layer);
    const hawq_problem       *p = s->problem;
    const hawq_problem_layer *own = &p->layer[l];
    const hawq_priced        *chosen =
        hawq_problem_candidate(p, l, solution->choice[own->in_group]);
    hawq_alternative *alternative;
    HAWQ_TAKE(alternative, &s->cli->arena, (size_t)own->n_candidates);
    for (int c = 0; c < own->n_candidates; c++) {
        hawq_alternative *a = &alternative[c];
        a->candidate = &own->candidate[own->order[c]];
        a->chosen = a->candidate == chosen;
        HAWQ_TRY(solve_with(s, l, a->candidate, &a->best));
        a->regret =
            a->best.choice ? a->best.objective - solution->objective : NAN;
    }
    *out = (hawq_explanation){l, own->n_candidates, alternative};
    return HAWQ_OK;
}

/* --- uniform allocations ---------------------------------------------------
 */

int hawq_search_find_width(const hawq_problem *p, int g, hawq_width w,
                           bool allowed) {
    const hawq_problem_group *group = &p->group[g];
    for (int c = 0; c < group->n_candidates; c++) {
        bool all = group->allowed[c] || !allowed;
        for (int i = 0; i < group->n_layers && all; i++) {
            const hawq_priced *x =
                hawq_problem_candidate(p, group->layer[i], c);
            all = hawq_search_is_width(x, &w);
        }
        if (all) return c;
    }
    return -1;
}

static bool fits(const hawq_problem *p, const int *choice) {
    for (int b = 0; b < p->n_budgets; b++)
        if (hawq_problem_sum(p, p->budget[b].kind, choice) > p->budget[b].limit)
            return false;
    return true;
}

static bool uniform_choice(const hawq_problem *p, hawq_width w, int *choice) {
    for (int g = 0; g < p->n_groups; g++)
        if ((choice[g] = hawq_search_find_width(p, g, w, true)) < 0)
            return false;
    return true;
}

bool hawq_search_uniform(const hawq_search *s, const hawq_solution *solution,
                         hawq_width *out) {
    const hawq_problem       *p = s->problem;
    const hawq_problem_layer *first = &p->layer[0];
    int                      *choice =
        hawq_arena_take(&s->cli->arena, (size_t)p->n_groups, sizeof *choice);
    for (int c = 0; choice && c < first->n_candidates; c++) {
        const hawq_priced *x = &first->candidate[first->order[c]];
        hawq_width         w = {x->weight_bits, x->activation_bits, x->name};
        if (!uniform_choice(p, w, choice) || !fits(p, choice)) continue;
        if (hawq_problem_sum(p, -1, choice) > solution->objective) continue;
        *out = w;
        return true;
    }
    return false;
}

/* --- losses that say nothing -----------------------------------------------
 */

const char *hawq_search_indifference(const hawq_search *s) {
    const hawq_problem *p = s->problem;
    bool                zero = true, choice = false;
    for (int i = 0; i < p->n_interactions; i++)
        if (p->interaction[i].value != 0) return NULL;
    for (int l = 0; l < p->n_layers; l++) {
        const hawq_problem_layer *layer = &p->layer[l];
        choice |= layer->n_candidates > 1;
        for (int c = 0; c < layer->n_candidates; c++) {
            if (layer->candidate[c].loss != layer->candidate[0].loss)
                return NULL;
            zero &= layer->candidate[c].loss == 0;
        }
    }
    if (!choice) return NULL;
    return zero ? "all losses are 0" : "no loss depends on the bits";
}

/* --- losses that are not resolved ------------------------------------------
 */

static bool is_unresolved(const hawq_search *s, int layer,
                          const hawq_priced *c) {
    for (int i = 0; i < s->n_sensitivities; i++) {
        const hawq_sensitivity_record *r = &s->sensitivity[i];
        if (r->layer == layer && c->name && !strcmp(r->candidate, c->name))
            return r->stderr1 > 0 && fabs(r->value) <= 2 * r->stderr1;
    }
    return false;
}

static int most_bits(const hawq_problem_layer *layer) {
    return layer->candidate[layer->order[0]].weight_bits;
}

hawq_status hawq_search_unresolved(const hawq_search   *s,
                                   const hawq_solution *solution,
                                   const char         **out) {
    const hawq_problem *p = s->problem;
    hawq_listing        names = {.arena = &s->cli->arena};
    for (int l = 0; l < p->n_layers; l++) {
        const hawq_priced *c = hawq_problem_candidate(
            p, l, solution->choice[p->layer[l].in_group]);
        if (c->weight_bits < most_bits(&p->layer[l]) && is_unresolved(s, l, c))
            hawq_listing_add(&names, p->layer[l].name);
    }
    for (int t = 0; t < s->n_activations; t++) {
        const hawq_rise *r = hawq_search_rise(s, solution, t);
        if (!r || r->bits >= 8 || fabs(r->value) > 2 * r->stderr1) continue;
        const char *tensor = hawq_arena_format(&s->cli->arena, "tensor %s",
                                               s->activation[t].tensor);
        if (!tensor) return HAWQ_ENOMEM;
        hawq_listing_add(&names, tensor);
    }
    *out = hawq_listing_text(&names);
    return HAWQ_OK;
}

/* What the next step of every budget buys, where it can be computed. */
static hawq_status find_steps(hawq_search *s, const hawq_solution *solution,
                              hawq_next_step **out) {
    HAWQ_TAKE(*out, &s->cli->arena, (size_t)solution->n_budgets + 1);
    if (s->drop_limit >= 0 || solution->state != HAWQ_FOUND_OPTIMAL)
        return HAWQ_OK;
    for (int b = 0; b < solution->n_budgets; b++)
        HAWQ_TRY(hawq_solve_next(s->problem, NULL, solution, b, &(*out)[b]));
    return HAWQ_OK;
}

hawq_status hawq_search_answer(hawq_search *s, const hawq_solution *solution,
                               const char *explain, int n_resamples,
                               hawq_answers *out) {
    *out = (hawq_answers){.unresolved = ""};
    if (!solution->choice) return HAWQ_OK;
    if (explain)
        HAWQ_TRY(hawq_search_explain(s, explain, solution, &out->explanation));
    HAWQ_TRY(find_steps(s, solution, &out->next));
    out->has_uniform = hawq_search_uniform(s, solution, &out->uniform);
    HAWQ_TRY(hawq_search_unresolved(s, solution, &out->unresolved));
    return hawq_search_confidence(s, solution, n_resamples, &out->confidence);
}

/* --- the nearest budgets ---------------------------------------------------
 */

/* A copy of the problem that minimises cost `kind` under all budgets but b. */
static hawq_status cost_as_loss(const hawq_search *s, int b,
                                hawq_problem *out) {
    const hawq_problem *p = s->problem;
    int                 kind = p->budget[b].kind, n = 0;
    *out = *p;
    out->n_interactions = 0;
    HAWQ_TAKE(out->layer, &s->cli->arena, (size_t)p->n_layers);
    HAWQ_TAKE(out->budget, &s->cli->arena, (size_t)p->n_budgets);
    for (int i = 0; i < p->n_budgets; i++)
        if (i != b) out->budget[n++] = p->budget[i];
    out->n_budgets = n;
    for (int l = 0; l < p->n_layers; l++) {
        hawq_priced *copy;
        out->layer[l] = p->layer[l];
        HAWQ_TAKE(copy, &s->cli->arena, (size_t)p->layer[l].n_candidates);
        for (int c = 0; c < p->layer[l].n_candidates; c++) {
            copy[c] = p->layer[l].candidate[c];
            copy[c].loss = copy[c].cost[kind];
        }
        out->layer[l].candidate = copy;
    }
    return HAWQ_OK;
}

static hawq_status note_nearest(const hawq_search *s, int b) {
    const hawq_problem   *p = s->problem;
    const hawq_cost_kind *kind = &p->kind[p->budget[b].kind];
    hawq_problem          cheapest;
    hawq_solution         found;
    HAWQ_TRY(cost_as_loss(s, b, &cheapest));
    HAWQ_TRY(
        hawq_solve(&cheapest, &hawq_solver_bnb, NULL, &s->cli->arena, &found));
    if (!found.choice) return HAWQ_OK;
    double least = hawq_problem_sum(p, p->budget[b].kind, found.choice);
    if (least <= p->budget[b].limit) return HAWQ_OK;
    hawq_cli_note(s->cli, "nearest: --budget %s=%.15g%s, all else kept",
                  kind->name, least,
                  !strcmp(kind->name, "weight-size") && !s->problem_path ? "B"
                  : kind->unit_name ? kind->unit_name
                                    : "");
    return HAWQ_OK;
}

hawq_status hawq_search_nearest(const hawq_search *s) {
    for (int b = 0; b < s->problem->n_budgets; b++)
        HAWQ_TRY(note_nearest(s, b));
    return HAWQ_OK;
}

hawq_status hawq_search_infeasible(hawq_search *s, const hawq_solution *found) {
    HAWQ_TRY(hawq_search_report(s, found, &(hawq_answers){.unresolved = ""}));
    if (s->problem->n_budgets > 1) HAWQ_TRY(hawq_search_nearest(s));
    return hawq_cli_infeasible(s->cli, "%s",
                               hawq_infeasible_text(found, &s->cli->arena));
}

hawq_status hawq_search_no_front(hawq_search *s) {
    hawq_solution none; /* the solver knows why */
    HAWQ_TRY(hawq_solve(s->problem, NULL, NULL, &s->cli->arena, &none));
    return hawq_search_infeasible(s, &none);
}
