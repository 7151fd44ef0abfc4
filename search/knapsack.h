/* knapsack.h -- the allocation problem as its solvers see it: a multiple-
 * choice knapsack. With x_g the candidate of group g,
 *
 *     minimise    sum_g loss[x_g] + sum_{g<h} q_gh[x_g, x_h]           (1)
 *     subject to  sum_g cost_b[x_g] <= limit_b    for every budget b   (2)
 *
 * Which of two allocations is better is one total order for all solvers: the
 * smaller loss; then the smaller cost of the first budget, of the second, ...;
 * then, at the first group in which they differ, the candidate with more bits,
 * which is the one with the smaller index here.
 *
 * Sums are formed from the last group to the first, in double: then the group
 * that decides a tie is chosen last, and a dynamic program breaks ties
 * without looking back. Interactions are added after the losses. Rounded sums
 * are monotone (a <= b gives a+c <= b+c), so a program that compares partial
 * sums is exact for the rounded sums, too.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_KNAPSACK_H
#define HAWQ_KNAPSACK_H
#include "search/problem.h"

/* room for the budgets, and one more: the cost of a front */
enum { HAWQ_DIMENSIONS_MAX = HAWQ_BUDGETS_MAX + 1 };

/* Interactions of two groups g < h; those inside a group are in its losses. */
typedef struct hawq_pair {
    int           g, h;
    const double *value; /* [(c - first[g]) * candidates of h + (d - first[h])],
                            not all 0 */
} hawq_pair;

typedef struct hawq_knapsack {
    int           n_groups, n_budgets;
    const int    *first;  /* candidates of group g: first[g] ... first[g+1]-1 */
    const double *loss;   /* [candidate] */
    const double *cost;   /* [candidate * n_budgets + b], >= 0 */
    const int    *origin; /* [candidate], index in the problem's group */
    double        limit[HAWQ_DIMENSIONS_MAX]; /* with what rounding may add;
                                              INFINITY: none */
    /* least[b * (n_groups + 1) + g]: smallest cost of groups 0 ... g-1 */
    const double    *least;
    int              n_pairs;
    const hawq_pair *pair; /* in order of (g, h) */
} hawq_knapsack;

/* The knapsack of a finished problem under these budgets, whose limits may be
 * INFINITY; memory is the arena's. n_budgets <= HAWQ_DIMENSIONS_MAX.
 * ENONFINITE: a loss, or a sum of them, is not finite; the sentence names the
 * layer and the candidate. */
HAWQ_NODISCARD hawq_status hawq_knapsack_build(const hawq_problem *problem,
                                               int                 n_budgets,
                                               const hawq_budget  *budget,
                                               hawq_arena         *arena,
                                               hawq_knapsack      *out);

/* Objective and, where cost is not NULL, the n_budgets costs of the allocation
 * with candidate x[g] (a global index, in first[g] ... first[g+1]-1) for group
 * g. */
double hawq_knapsack_sum(const hawq_knapsack *k, const int *x, double *cost);

/* Whether all sums of the allocation are within the limits. */
bool hawq_knapsack_fits(const hawq_knapsack *k, const int *x);

/* < 0 if allocation x is better than y, 0 if they are the same. */
int hawq_knapsack_compare(const hawq_knapsack *k, const int *x, const int *y);

/* The smallest value the sum of budget b can take. */
double hawq_knapsack_least(const hawq_knapsack *k, int b);

#endif
