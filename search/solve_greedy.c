/* solve_greedy.c -- the baseline: start with the smallest loss of every group,
 * then exchange single candidates. Its bound is the Lagrangian one, so even
 * the baseline says how far from the optimum it may be.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/solve_greedy.h"

#include "search/lagrange.h"
#include "search/solve.h"

#include <float.h>
#include <math.h>

/* Sum over the budgets of how far a cost is above its limit, relatively. */
static double excess(const hawq_knapsack *k, const double *cost,
                     const double *removed, const double *added) {
    double sum = 0;
    for (int b = 0; b < k->n_budgets; b++) {
        double c = cost[b] + (added[b] - removed[b]);
        if (c > k->limit[b])
            sum += (c - k->limit[b]) / fmax(k->limit[b], DBL_MIN);
    }
    return sum;
}

/* Less is better; exchanges that lower both loss and excess come first. */
static double repair_score(double loss_rise, double relief) {
    return loss_rise > 0 ? loss_rise / relief : loss_rise * relief;
}

static bool repair_step(const hawq_knapsack *k, int *x) {
    double cost[HAWQ_DIMENSIONS_MAX], best = INFINITY;
    int    group = -1, candidate = 0;
    hawq_knapsack_sum(k, x, cost);
    const double *own = k->cost + (size_t)x[0] * (size_t)k->n_budgets;
    double        now = excess(k, cost, own, own);
    for (int g = 0; g < k->n_groups; g++)
        for (int c = k->first[g]; c < k->first[g + 1]; c++) {
            const double *out = k->cost + (size_t)x[g] * (size_t)k->n_budgets;
            const double *in = k->cost + (size_t)c * (size_t)k->n_budgets;
            double        relief = now - excess(k, cost, out, in);
            if (!(relief > 0)) continue;
            double score = repair_score(k->loss[c] - k->loss[x[g]], relief);
            if (group >= 0 && score >= best) continue;
            best = score;
            group = g;
            candidate = c;
        }
    if (group >= 0) x[group] = candidate;
    return group >= 0;
}

static bool improve_step(const hawq_knapsack *k, int *x) {
    double cost[HAWQ_DIMENSIONS_MAX], best = 0;
    int    group = -1, candidate = 0;
    hawq_knapsack_sum(k, x, cost);
    for (int g = 0; g < k->n_groups; g++)
        for (int c = k->first[g]; c < k->first[g + 1]; c++) {
            double change = k->loss[c] - k->loss[x[g]];
            if (change >= best) continue;
            const double *out = k->cost + (size_t)x[g] * (size_t)k->n_budgets;
            const double *in = k->cost + (size_t)c * (size_t)k->n_budgets;
            if (excess(k, cost, out, in) > 0) continue;
            best = change;
            group = g;
            candidate = c;
        }
    if (group < 0) return false;
    int old = x[group];
    x[group] = candidate;
    if (hawq_knapsack_fits(k, x)) return true;
    x[group] = old; /* the exact sums disagree by rounding */
    return false;
}

bool hawq_greedy_exchange(const hawq_knapsack *k, int *x) {
    while (!hawq_knapsack_fits(k, x))
        if (!repair_step(k, x)) return false;
    while (improve_step(k, x)) {
    }
    return true;
}

static hawq_status solve(const hawq_knapsack      *k,
                         const hawq_solve_options *options, hawq_arena *arena,
                         hawq_solver_answer *out) {
    static const double free[HAWQ_DIMENSIONS_MAX]; /* prices of zero */
    double              price[HAWQ_DIMENSIONS_MAX];
    (void)options;
    (void)arena;
    hawq_lagrange_value(k, free, out->x);
    out->state = hawq_greedy_exchange(k, out->x) ? HAWQ_FOUND_FEASIBLE
                                                 : HAWQ_FOUND_LIMIT;
    hawq_lagrange_maximise(k, price);
    out->bound = hawq_lagrange_bound(k, price);
    return HAWQ_OK;
}

const hawq_solver hawq_solver_greedy = {"greedy", false, solve};
