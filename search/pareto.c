/* pareto.c -- the final list of the dominance program with the kind of cost as
 * its first budget; other budgets only restrict it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/pareto.h"

#include "search/frontier.h"

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
        if (n && new.objective >= point[n - 1].objective) continue;
        while (n && new.cost <= point[n - 1].cost) n--;
        point[n++] = new;
    }
    *out = (hawq_pareto){n, point};
    return HAWQ_OK;
}

hawq_status hawq_pareto_front(hawq_problem *p, const char *kind,
                              size_t max_states, hawq_arena *arena,
                              hawq_pareto *out) {
    hawq_arena    scratch = {0};
    hawq_budget   budget[HAWQ_DIMENSIONS_MAX];
    hawq_knapsack k;
    hawq_frontier f;
    int           index = hawq_problem_find_kind(p, kind);
    if (index < 0)
        return hawq_fail(HAWQ_EINVAL,
                         "the front of '%s': no such cost; the problem has %s",
                         kind, hawq_problem_kinds_text(p));
    int         n = order_budgets(p, index, budget);
    hawq_status status = hawq_knapsack_build(p, n, budget, &scratch, &k);
    if (status == HAWQ_OK)
        status = hawq_frontier_sweep(
            &k, NULL, max_states ? max_states : 40000000, &scratch, &f);
    if (status == HAWQ_OK && f.stopped)
        status = hawq_fail(HAWQ_ENOMEM,
                           "the front of '%s' has too many states: set a "
                           "budget on it, or tie layers into groups",
                           kind);
    if (status == HAWQ_OK) status = collect(p, index, &k, &f, arena, out);
    hawq_arena_free(&scratch);
    return status;
}
