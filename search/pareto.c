/* pareto.c -- the final list of the dominance program with the kind of cost as
 * its first budget; other budgets only restrict it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/pareto.h"

#include "search/cross.h"
#include "search/frontier.h"
#include "src/base/clock.h"

#include <math.h>

/* The kind first, without limit unless it has a budget, then the others. */
static int order_budgets(const hawq_problem *p, int kind, hawq_budget *out) {
    int n = 1;
    out[0] = (hawq_budget){kind, INFINITY};
    for (int b = 0; b < p->n_budgets; b++) {
        if (p->budget[b].kind == kind)
            out[0] = p->budget[b];
        else
            out[n++] = p->budget[b];
    }
    return n;
}

/* Sorted by cost, states of several budgets need not fall in loss, and sums
 * in another order may tie where the program's did not: both are filtered. */
static hawq_status collect(const hawq_problem *p, int kind,
                           const hawq_knapsack *k, const hawq_frontier *f,
                           hawq_arena *arena, hawq_pareto *out) {
    hawq_pareto_point *point;
    double             best = INFINITY;
    int                n = 0;
    HAWQ_TAKE(point, arena, f->n);
    for (size_t i = 0; i < f->n; i++) {
        int *choice;
        if (!(f->loss[i] < best)) continue;
        best = f->loss[i];
        HAWQ_TAKE(choice, arena, (size_t)k->n_groups);
        hawq_frontier_choice(k, f, i, choice);
        for (int g = 0; g < k->n_groups; g++) choice[g] = k->origin[choice[g]];
        hawq_pareto_point new = {hawq_problem_sum(p, kind, choice),
                                 hawq_problem_sum(p, -1, choice), choice};
        /* Losses must fall strictly as costs rise. Both are summed anew
         * here, layer after layer, and may tie where the sums of the program
         * did not. */
        if (n && new.objective >= point[n - 1].objective) continue;
        while (n && new.cost <= point[n - 1].cost) n--;
        point[n++] = new;
    }
    *out = (hawq_pareto){n, point};
    return HAWQ_OK;
}

static hawq_status unknown_kind(hawq_problem *p, const char *kind) {
    return hawq_fail(HAWQ_EINVAL,
                     "the front of '%s': no such cost; the problem has %s",
                     kind, hawq_problem_kinds_text(p));
}

hawq_status hawq_pareto_front(hawq_problem *p, const char *kind,
                              size_t max_states, hawq_arena *arena,
                              hawq_pareto *out) {
    hawq_arena    scratch = {0};
    hawq_budget   budget[HAWQ_DIMENSIONS_MAX];
    hawq_knapsack k;
    hawq_frontier f;
    int           index = hawq_problem_find_kind(p, kind);
    if (index < 0) return unknown_kind(p, kind);
    if (p->n_interactions)
        return hawq_fail(HAWQ_EINVAL,
                         "the front of '%s': with interactions of layers only "
                         "the optima at given limits can be found, not the "
                         "complete front",
                         kind);
    int         n = order_budgets(p, index, budget);
    hawq_status status = hawq_knapsack_build(p, n, budget, &scratch, &k);
    if (status == HAWQ_OK)
        status =
            hawq_frontier_sweep(&k, NULL, max_states ? max_states : 40000000,
                                INFINITY, &scratch, &f);
    if (status == HAWQ_OK && f.stopped)
        status = hawq_fail(HAWQ_ENOMEM,
                           "the front of '%s' has too many states: set a "
                           "budget on it, or tie layers into groups",
                           kind);
    if (status == HAWQ_OK) status = collect(p, index, &k, &f, arena, out);
    hawq_arena_free(&scratch);
    return status;
}

/* --- with interactions --------------------------------------------------- */

typedef struct steps {
    hawq_problem *p;
    int           kind, n_budgets;
    hawq_budget   budget[HAWQ_DIMENSIONS_MAX]; /* the kind's is the first */
    double        deadline, gap;
} steps;

/* The optimum with a limit on the kind, in its units; *fits false: none was
 * found. */
static hawq_status solve_at(steps *s, double limit, double seconds,
                            hawq_arena *arena, int *choice, bool *fits) {
    hawq_knapsack      k;
    hawq_solver_answer found = {.bound = -INFINITY};
    s->budget[0].limit = limit;
    HAWQ_TRY(hawq_knapsack_build(s->p, s->n_budgets, s->budget, arena, &k));
    HAWQ_TAKE(found.x, arena, (size_t)k.n_groups);
    HAWQ_TRY(
        hawq_cross_search(&k, hawq_clock_now() + seconds, NULL, false, &found));
    *fits =
        found.state == HAWQ_FOUND_OPTIMAL || found.state == HAWQ_FOUND_FEASIBLE;
    if (!*fits) return HAWQ_OK;
    /* Relative to the larger of value and bound, which both may be negative. */
    double value = hawq_knapsack_sum(&k, found.x, NULL);
    double size = fmax(fabs(value), fabs(found.bound));
    if (found.state == HAWQ_FOUND_FEASIBLE && size > 0)
        s->gap = fmax(s->gap, (value - found.bound) / size);
    for (int g = 0; g < k.n_groups; g++) choice[g] = k.origin[found.x[g]];
    return HAWQ_OK;
}

static hawq_status add_step(steps *s, double limit, double seconds,
                            hawq_arena *arena, hawq_pareto_point *point,
                            int *n) {
    hawq_arena scratch = {0};
    int       *choice;
    bool       fits = false;
    HAWQ_TAKE(choice, arena, (size_t)s->p->n_groups);
    hawq_status status = solve_at(s, limit, seconds, &scratch, choice, &fits);
    hawq_arena_free(&scratch);
    HAWQ_TRY(status);
    if (!fits) return HAWQ_OK;
    hawq_pareto_point new = {hawq_problem_sum(s->p, s->kind, choice),
                             hawq_problem_sum(s->p, -1, choice), choice};
    if (*n && new.objective >= point[*n - 1].objective) return HAWQ_OK;
    while (*n && new.cost <= point[*n - 1].cost) --*n;
    point[(*n)++] = new;
    return HAWQ_OK;
}

/* Smallest sum of the kind, in its units. */
static hawq_status least_cost(const steps *s, double *out) {
    hawq_arena    arena = {0};
    hawq_knapsack k;
    hawq_status   status =
        hawq_knapsack_build(s->p, s->n_budgets, s->budget, &arena, &k);
    if (status == HAWQ_OK)
        *out = hawq_knapsack_least(&k, 0) / s->p->kind[s->kind].unit;
    hawq_arena_free(&arena);
    return status;
}

hawq_status hawq_pareto_steps(hawq_problem *p, const char *kind, int n_limits,
                              const hawq_solve_options *options,
                              hawq_arena *arena, hawq_pareto *out,
                              double *gap) {
    hawq_pareto_point *point;
    double             low = 0, high;
    int                n = 0;
    steps              s = {.p = p, .kind = hawq_problem_find_kind(p, kind)};
    double             seconds =
        options && options->time_limit_s > 0 ? options->time_limit_s : 60;
    if (s.kind < 0) return unknown_kind(p, kind);
    if (n_limits < 2)
        return hawq_fail(HAWQ_EINVAL,
                         "the front of '%s': %d limits; at least 2 are needed",
                         kind, n_limits);
    s.n_budgets = order_budgets(p, s.kind, s.budget);
    s.deadline = hawq_clock_now() + seconds;
    HAWQ_TAKE(point, arena, (size_t)n_limits);
    HAWQ_TRY(least_cost(&s, &low));
    HAWQ_TRY(
        add_step(&s, s.budget[0].limit, seconds / n_limits, arena, point, &n));
    if (n) {
        hawq_pareto_point best = point[0];
        /* The optimum without limit is the right end: beyond its cost
         * nothing is gained, so the limits are spread from the least cost to
         * there. */
        high = best.cost;
        n = 0;
        for (int i = 0; i < n_limits - 1; i++) {
            /* Time that easy limits did not need goes to those that follow. */
            double left = s.deadline - hawq_clock_now();
            HAWQ_TRY(add_step(&s, low + (high - low) * i / (n_limits - 1),
                              left / (n_limits - 1 - i), arena, point, &n));
        }
        if (!n || best.objective < point[n - 1].objective) point[n++] = best;
    }
    *out = (hawq_pareto){n, point};
    *gap = s.gap;
    return HAWQ_OK;
}
