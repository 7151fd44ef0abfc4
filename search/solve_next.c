/* solve_next.c -- the next step of a budget: roles change. The cheapest
 * allocation that is better than the optimum minimises the cost of budget b
 *
 *     minimise    sum_g cost_b[x_g]                                     (1)
 *     subject to  sum_g loss[x_g] <= the optimum, less what rounding may add
 *                 all other budgets
 *
 * which is a knapsack again, once every group's losses start at 0.
 *
 * With interactions (1) has a quadratic constraint, so limits are halved
 * instead: under a larger limit, any better allocation shows a smaller limit
 * that helps, and the proof that there is none shows one that does not.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/cross.h"
#include "src/base/clock.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* Loss as a cost >= 0 in place of budget b; returns what was taken off. */
static double exchange_roles(const hawq_knapsack *k, int b, double *loss,
                             double *cost) {
    double taken = 0;
    int    m = k->n_budgets;
    for (int g = k->n_groups - 1; g >= 0; g--) {
        double least = INFINITY;
        for (int c = k->first[g]; c < k->first[g + 1]; c++)
            least = fmin(least, k->loss[c]);
        for (int c = k->first[g]; c < k->first[g + 1]; c++) {
            for (int i = 0; i < m; i++) cost[c * m + i] = k->cost[c * m + i];
            loss[c] = k->cost[c * m + b];
            cost[c * m + b] = k->loss[c] - least;
        }
        taken += least;
    }
    return taken;
}

/* Sum of the largest sizes of losses: what rounding is relative to. */
static double loss_size(const hawq_knapsack *k) {
    double sum = 0;
    for (int g = 0; g < k->n_groups; g++) {
        double most = 0;
        for (int c = k->first[g]; c < k->first[g + 1]; c++)
            most = fmax(most, fabs(k->loss[c]));
        sum += most;
    }
    return sum;
}

static double least_of(const hawq_knapsack *k, const double *cost, int b) {
    double sum = 0;
    for (int g = 0; g < k->n_groups; g++) {
        double least = INFINITY;
        for (int c = k->first[g]; c < k->first[g + 1]; c++)
            least = fmin(least, cost[c * k->n_budgets + b]);
        sum += least;
    }
    return sum;
}

/* Solves (1): *limit is its optimum in the candidates' units. */
static hawq_status cheapest_better(const hawq_knapsack *k, int b,
                                   const hawq_solve_options *options,
                                   double folded, hawq_arena *arena,
                                   hawq_found *state, double *limit) {
    hawq_knapsack      swapped = *k;
    hawq_solver_answer found = {.bound = -INFINITY};
    double            *loss, *cost, *least;
    size_t n = (size_t)k->first[k->n_groups], m = (size_t)k->n_budgets;
    size_t row = (size_t)k->n_groups + 1;
    HAWQ_TAKE(loss, arena, n);
    HAWQ_TAKE(cost, arena, n * m);
    HAWQ_TAKE(least, arena, m * row);
    HAWQ_TAKE(found.x, arena, (size_t)k->n_groups);
    HAWQ_TAKE(found.price, arena, m);
    double taken = exchange_roles(k, b, loss, cost);
    double margin =
        DBL_MIN + (k->n_groups + 8) * DBL_EPSILON * 2 * loss_size(k);
    for (size_t i = 0; i < m * row; i++) least[i] = k->least[i];
    for (size_t g = 0; g < row; g++) least[(size_t)b * row + g] = 0;
    swapped.loss = loss;
    swapped.cost = cost;
    swapped.least = least; /* the loss's is 0: every group has one of 0 */
    swapped.limit[b] = folded - taken - margin;
    *state = HAWQ_FOUND_INFEASIBLE;
    if (swapped.limit[b] < 0) return HAWQ_OK;
    for (int i = 0; i < k->n_budgets; i++)
        if (least_of(k, cost, i) > swapped.limit[i]) return HAWQ_OK;
    HAWQ_TRY(hawq_solver_bnb.solve(&swapped, options, arena, &found));
    *state = found.state;
    if (found.state == HAWQ_FOUND_OPTIMAL)
        *limit = hawq_knapsack_sum(&swapped, found.x, NULL);
    return HAWQ_OK;
}

static hawq_status next(const hawq_problem       *p,
                        const hawq_solve_options *options,
                        const hawq_solution *solution, int b, hawq_arena *arena,
                        hawq_next_step *out) {
    hawq_knapsack      k;
    hawq_solver_answer found = {.bound = -INFINITY};
    hawq_budget        budget[HAWQ_DIMENSIONS_MAX];
    hawq_found         state;
    double             limit = 0, unit = p->kind[p->budget[b].kind].unit;
    HAWQ_TRY(hawq_knapsack_build(p, p->n_budgets, p->budget, arena, &k));
    HAWQ_TRY(cheapest_better(&k, b, options, solution->folded, arena, &state,
                             &limit));
    out->known = state == HAWQ_FOUND_OPTIMAL || state == HAWQ_FOUND_INFEASIBLE;
    out->exists = state == HAWQ_FOUND_OPTIMAL;
    if (!out->exists) return HAWQ_OK;
    out->limit = limit / unit;
    for (int i = 0; i < p->n_budgets; i++) budget[i] = p->budget[i];
    budget[b].limit = out->limit;
    HAWQ_TRY(hawq_knapsack_build(p, p->n_budgets, budget, arena, &k));
    HAWQ_TAKE(found.x, arena, (size_t)k.n_groups);
    HAWQ_TAKE(found.price, arena, (size_t)k.n_budgets);
    HAWQ_TRY(hawq_solver_bnb.solve(&k, options, arena, &found));
    out->known = out->exact = found.state == HAWQ_FOUND_OPTIMAL;
    for (int g = 0; g < k.n_groups; g++) found.x[g] = k.origin[found.x[g]];
    if (out->known) out->objective = hawq_problem_sum(p, -1, found.x);
    return HAWQ_OK;
}

/* --- with interactions ---------------------------------------------------- */

typedef struct halving {
    hawq_knapsack k;
    int           b;
    const int    *start;           /* the solution, as global candidates */
    int          *x;               /* the best under the last limit */
    double        deadline, value; /* of the solution */
} halving;

enum { MOST_PROBES = 64 };

static const double SAME = 1e-12; /* relative difference of equal costs */

static hawq_status take_choice(const hawq_knapsack *k, const int *choice,
                               hawq_arena *arena, const int **out) {
    int *x;
    HAWQ_TAKE(x, arena, (size_t)k->n_groups);
    for (int g = 0; g < k->n_groups; g++)
        for (int c = k->first[g]; c < k->first[g + 1]; c++)
            if (k->origin[c] == choice[g]) x[g] = c;
    *out = x;
    return HAWQ_OK;
}

/* Is anything better under this limit? first: anything, else the best. */
static hawq_status probe(halving *h, double limit, bool first, bool *better,
                         bool *proven) {
    hawq_solver_answer found = {.x = h->x, .bound = -INFINITY};
    h->k.limit[h->b] = limit;
    HAWQ_TRY(hawq_cross_search(&h->k, h->deadline, h->start, first, &found));
    *better = hawq_knapsack_sum(&h->k, h->x, NULL) < h->value;
    *proven = found.state == HAWQ_FOUND_OPTIMAL;
    return HAWQ_OK;
}

static double cost_of(const halving *h) {
    double cost[HAWQ_DIMENSIONS_MAX];
    hawq_knapsack_sum(&h->k, h->x, cost);
    return cost[h->b];
}

/* *high is a cost that helps, `low` a limit that does not: tries the middle and
 * just below, in turn, until nothing below helps. */
static hawq_status halve(halving *h, double low, double *high, bool *exact) {
    bool better, proven;
    *exact = false;
    for (int i = 0; i < MOST_PROBES && !*exact; i++) {
        double limit = *high * (1 - SAME);
        if (i % 2 == 0) limit = fmin(limit, low + (*high - low) / 2);
        if (!(limit > low)) limit = *high * (1 - SAME);
        HAWQ_TRY(probe(h, limit, true, &better, &proven));
        if (better)
            *high = cost_of(h);
        else if (!proven)
            return HAWQ_OK;
        else
            low = limit;
        *exact = low >= *high * (1 - SAME);
    }
    return HAWQ_OK;
}

static hawq_status next_quadratic(const hawq_problem       *p,
                                  const hawq_solve_options *options,
                                  const hawq_solution *solution, int b,
                                  hawq_arena *arena, hawq_next_step *out) {
    halving h = {.b = b,
                 .deadline = hawq_clock_deadline(options->time_limit_s, 0.1)};
    bool    better, proven, exact;
    HAWQ_TRY(hawq_knapsack_build(p, p->n_budgets, p->budget, arena, &h.k));
    HAWQ_TRY(take_choice(&h.k, solution->choice, arena, &h.start));
    HAWQ_TAKE(h.x, arena, (size_t)h.k.n_groups);
    double low = h.k.limit[b];
    h.value = hawq_knapsack_sum(&h.k, h.start, NULL);
    h.value -= 8 * DBL_EPSILON * fabs(h.value);
    HAWQ_TRY(probe(&h, INFINITY, true, &better, &proven));
    out->known = better || proven;
    out->exists = better;
    if (!better) return HAWQ_OK;
    double high = cost_of(&h);
    HAWQ_TRY(halve(&h, low, &high, &exact));
    HAWQ_TRY(probe(&h, high, false, &better, &proven));
    for (int g = 0; g < h.k.n_groups; g++) h.x[g] = h.k.origin[h.x[g]];
    out->limit = high / p->kind[p->budget[b].kind].unit;
    out->objective = hawq_problem_sum(p, -1, h.x);
    out->exact = exact && proven;
    out->known = better; /* unless time was up before it was found again */
    return HAWQ_OK;
}

hawq_status hawq_solve_next(const hawq_problem       *p,
                            const hawq_solve_options *options,
                            const hawq_solution *solution, int b,
                            hawq_next_step *out) {
    static const hawq_solve_options defaults = {0};
    hawq_arena                      arena = {0};
    hawq_next_step                  step = {0};
    hawq_status                     status = HAWQ_OK;
    if (!options) options = &defaults;
    if (solution->state == HAWQ_FOUND_OPTIMAL)
        status = (p->n_interactions ? next_quadratic : next)(
            p, options, solution, b, &arena, &step);
    hawq_arena_free(&arena);
    if (status == HAWQ_OK) *out = step;
    return status;
}
