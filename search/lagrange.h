/* lagrange.h -- Lagrangian bounds of the multiple-choice knapsack.
 *
 * Pricing budget b at u_b >= 0 instead of enforcing it (Everett 1963) gives
 *
 *     L(u) = sum_g min_c (loss_c + u.cost_c) - u.limit                  (1)
 *
 * which no allocation within the budgets undercuts. L is concave; its maximum
 * is the bound of the linear relaxation. One budget: the maximum is where two
 * of L's lines cross, found exactly by the secant of the lines at both ends.
 * Several: ellipsoid method with deep cuts (Bland, Goldfarb & Todd 1981). Any
 * u gives a valid bound, so stopping early costs sharpness, never truth.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_LAGRANGE_H
#define HAWQ_LAGRANGE_H
#include "search/frontier.h"

/* Maximises L: price[b] per unit of cost, 0 where there is no limit. Returns
 * L there, as computed. */
double hawq_lagrange_maximise(const hawq_knapsack *k, double *price);

/* L(u), as computed; x (may be NULL) gets a minimiser of (1). */
double hawq_lagrange_value(const hawq_knapsack *k, const double *price, int *x);

/* A lower bound on the loss of every allocation within the budgets that holds
 * in spite of rounding. */
double hawq_lagrange_bound(const hawq_knapsack *k, const double *price);

/* Bounds for hawq_frontier_sweep at n_rows prices; threshold and width are the
 * caller's. [row * n_budgets + b] */
HAWQ_NODISCARD hawq_status hawq_lagrange_rows(const hawq_knapsack *k,
                                              int n_rows, const double *price,
                                              double      threshold,
                                              hawq_arena *arena,
                                              hawq_prune *out);

/* For each candidate of group g, a lower bound on the loss of the allocations
 * that contain it; holds in spite of rounding. */
void hawq_lagrange_forced(const hawq_knapsack *k, const hawq_prune *rows, int g,
                          double *bound);

#endif
