/* solve.c -- runs a solver, checks its answer, and says what it means for each
 * budget.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/solve.h"

#include "search/cross.h"
#include "search/lagrange.h"
#include "search/solve_greedy.h"
#include "src/base/clock.h"

#include <math.h>
#include <string.h>

const hawq_solver *const hawq_solvers[] = {
    &hawq_solver_dp,     &hawq_solver_bnb,
    &hawq_solver_ilp,    &hawq_solver_cross,
    &hawq_solver_greedy, &hawq_solver_monotone,
    &hawq_solver_brute,  NULL};

const hawq_solver *hawq_solver_find(const char *name) {
    for (const hawq_solver *const *s = hawq_solvers; *s; s++)
        if (!strcmp((*s)->name, name)) return *s;
    return NULL;
}

const hawq_solver *hawq_solver_default(const hawq_problem *problem) {
    return problem->n_interactions ? &hawq_solver_cross : &hawq_solver_bnb;
}

const char *hawq_found_text(hawq_found state) {
    static const char *const text[] = {"optimal", "feasible", "infeasible",
                                       "limit"};
    return text[state];
}

static bool has_allocation(hawq_found state) {
    return state == HAWQ_FOUND_OPTIMAL || state == HAWQ_FOUND_FEASIBLE;
}

/* Solves the knapsack, a budget impossible by itself seen at once. */
static hawq_status run(const hawq_knapsack *k, const hawq_solver *solver,
                       const hawq_solve_options *options, hawq_arena *arena,
                       hawq_solver_answer *out) {
    *out = (hawq_solver_answer){HAWQ_FOUND_INFEASIBLE, NULL, -INFINITY, NULL};
    HAWQ_TAKE(out->x, arena, (size_t)k->n_groups);
    HAWQ_TAKE(out->price, arena, (size_t)k->n_budgets);
    if (k->n_pairs && !solver->quadratic)
        return hawq_fail(HAWQ_EINVAL,
                         "solver %s: it cannot minimise interactions of "
                         "layers; use cross, or a metric without them",
                         solver->name);
    for (int b = 0; b < k->n_budgets; b++)
        if (hawq_knapsack_least(k, b) > k->limit[b]) return HAWQ_OK;
    hawq_lagrange_maximise(k, out->price);
    HAWQ_TRY(solver->solve(k, options, arena, out));
    if (has_allocation(out->state) && !hawq_knapsack_fits(k, out->x))
        out->state = HAWQ_FOUND_LIMIT;
    return HAWQ_OK;
}

static hawq_status fill_choice(const hawq_problem *p, const hawq_knapsack *k,
                               const hawq_solver_answer *found,
                               hawq_arena *arena, hawq_solution *out) {
    int *choice;
    HAWQ_TAKE(choice, arena, (size_t)p->n_groups);
    for (int g = 0; g < p->n_groups; g++) choice[g] = k->origin[found->x[g]];
    out->choice = choice;
    out->objective = hawq_problem_sum(p, -1, choice);
    out->folded = hawq_knapsack_sum(k, found->x, NULL);
    out->bound = out->state == HAWQ_FOUND_OPTIMAL
                     ? out->objective
                     : fmin(found->bound, out->objective);
    double scale = fmax(fabs(out->objective), fabs(out->bound));
    out->gap =
        out->objective > out->bound
            ? (isinf(scale) ? INFINITY : (out->objective - out->bound) / scale)
            : 0;
    return HAWQ_OK;
}

/* Whether the exchange heuristic finds a loss below `bound`: then no search is
 * needed to see that a budget matters. */
static hawq_status seen_at_once(const hawq_knapsack *without, double bound,
                                hawq_arena *arena, bool *binding) {
    double price[HAWQ_DIMENSIONS_MAX];
    int   *x;
    HAWQ_TAKE(x, arena, (size_t)without->n_groups);
    hawq_lagrange_maximise(without, price);
    hawq_lagrange_value(without, price, x);
    *binding = hawq_greedy_exchange(without, x) &&
               hawq_knapsack_sum(without, x, NULL) < bound;
    return HAWQ_OK;
}

/* That something better exists is usually seen at once. */
static hawq_status decide_quadratic(const hawq_knapsack      *without,
                                    const hawq_solve_options *options,
                                    const int *x, hawq_arena *arena,
                                    bool *binding) {
    hawq_solver_answer better = {.bound = -INFINITY};
    HAWQ_TAKE(better.x, arena, (size_t)without->n_groups);
    HAWQ_TRY(hawq_cross_search(without,
                               hawq_clock_deadline(options->time_limit_s, 1), x,
                               true, &better));
    *binding = better.state != HAWQ_FOUND_OPTIMAL ||
               hawq_knapsack_compare(without, better.x, x) < 0;
    return HAWQ_OK;
}

/* For what is only said about an answer: a tenth of its time. */
static hawq_solve_options a_tenth(const hawq_solve_options *options) {
    hawq_solve_options few = *options;
    few.time_limit_s = (few.time_limit_s > 0 ? few.time_limit_s : 60) / 10;
    return few;
}

/* Does budget b matter? It does not if the problem without it has no better
 * optimum. Answers of inexact solvers are judged by where that optimum lies. */
static hawq_status decide_binding(const hawq_problem *p, int b,
                                  const hawq_solve_options *options,
                                  const hawq_solution *found, const int *x,
                                  hawq_arena *arena, bool *binding) {
    hawq_budget        rest[HAWQ_DIMENSIONS_MAX];
    hawq_knapsack      k;
    hawq_solver_answer without;
    hawq_solution      free = {.state = HAWQ_FOUND_OPTIMAL};
    int                n = 0;
    for (int i = 0; i < p->n_budgets; i++)
        if (i != b) rest[n++] = p->budget[i];
    HAWQ_TRY(hawq_knapsack_build(p, n, rest, arena, &k));
    if (k.n_pairs) return decide_quadratic(&k, options, x, arena, binding);
    double bound =
        found->state == HAWQ_FOUND_OPTIMAL ? found->folded : found->bound;
    HAWQ_TRY(seen_at_once(&k, bound, arena, binding));
    if (*binding) return HAWQ_OK;
    HAWQ_TRY(run(&k, &hawq_solver_bnb, options, arena, &without));
    *binding = true;
    if (without.state != HAWQ_FOUND_OPTIMAL) return HAWQ_OK;
    HAWQ_TRY(fill_choice(p, &k, &without, arena, &free));
    if (found->state == HAWQ_FOUND_OPTIMAL)
        *binding = hawq_knapsack_sum(&k, without.x, NULL) < found->folded;
    else
        *binding = hawq_problem_sum(p, p->budget[b].kind, free.choice) >
                   p->budget[b].limit;
    return HAWQ_OK;
}

/* used, least and price are given in the user's unit: costs are divided by it,
 * the price, which is loss for cost, is multiplied. */
static hawq_status fill_budgets(const hawq_problem *p, const hawq_knapsack *k,
                                const hawq_solve_options *options,
                                const hawq_solver_answer *found,
                                hawq_arena *arena, hawq_solution *out) {
    hawq_budget_use *use;
    HAWQ_TAKE(use, arena, (size_t)p->n_budgets);
    for (int b = 0; b < p->n_budgets; b++) {
        const hawq_cost_kind *kind = &p->kind[p->budget[b].kind];
        use[b] = (hawq_budget_use){
            .kind = kind->name,
            .unit_name = *kind->unit_name
                             ? hawq_arena_format(arena, " %s", kind->unit_name)
                             : "",
            .limit = p->budget[b].limit,
            .used = NAN,
            .least = hawq_knapsack_least(k, b) / kind->unit,
            .price = found->price[b] * kind->unit,
            .impossible = hawq_knapsack_least(k, b) > k->limit[b],
        };
        if (!use[b].unit_name) return HAWQ_ENOMEM;
        if (!has_allocation(out->state)) continue;
        use[b].used = hawq_problem_sum(p, p->budget[b].kind, out->choice);
        hawq_arena         scratch = {0};
        hawq_solve_options few = a_tenth(options);
        hawq_status status = decide_binding(p, b, &few, out, found->x, &scratch,
                                            &use[b].binding);
        hawq_arena_free(&scratch);
        HAWQ_TRY(status);
    }
    out->n_budgets = p->n_budgets;
    out->budget = use;
    return HAWQ_OK;
}

hawq_status hawq_solve(const hawq_problem *p, const hawq_solver *solver,
                       const hawq_solve_options *options, hawq_arena *arena,
                       hawq_solution *out) {
    static const hawq_solve_options defaults = {0};
    hawq_knapsack                   k;
    hawq_solver_answer              found;
    if (!solver) solver = hawq_solver_default(p);
    if (!options) options = &defaults;
    HAWQ_TRY(hawq_knapsack_build(p, p->n_budgets, p->budget, arena, &k));
    HAWQ_TRY(run(&k, solver, options, arena, &found));
    hawq_solution solution = {.state = found.state,
                              .solver = solver,
                              .objective = NAN,
                              .bound = found.bound,
                              .gap = NAN};
    if (has_allocation(found.state))
        HAWQ_TRY(fill_choice(p, &k, &found, arena, &solution));
    HAWQ_TRY(fill_budgets(p, &k, options, &found, arena, &solution));
    *out = solution;
    return HAWQ_OK;
}

const char *hawq_infeasible_text(const hawq_solution *s, hawq_arena *arena) {
    const char *impossible = "", *all = "";
    for (int b = 0; b < s->n_budgets && impossible && all; b++) {
        const hawq_budget_use *u = &s->budget[b];
        all = hawq_arena_format(arena, "%s%s%s >= %.15g%s", all, b ? ", " : "",
                                u->kind, u->least, u->unit_name);
        if (u->impossible)
            impossible = hawq_arena_format(
                arena,
                "%s%s%s can be %.15g%s at the least, the budget is %.15g",
                impossible, *impossible ? "; " : "", u->kind, u->least,
                u->unit_name, u->limit);
    }
    if (!impossible || !all) return "out of memory";
    if (*impossible) {
        const char *text =
            hawq_arena_format(arena, "infeasible: %s", impossible);
        return text ? text : "out of memory";
    }
    const char *text = hawq_arena_format(
        arena,
        "infeasible: each budget can be met alone (%s), but no allocation "
        "meets all of them",
        all);
    return text ? text : "out of memory";
}
