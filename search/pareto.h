/* pareto.h -- the complete front of loss against one cost: every allocation
 * that no other one beats in both, from the cheapest to the best.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_PARETO_H
#define HAWQ_PARETO_H
#include "search/solve.h"

typedef struct hawq_pareto_point {
    double     cost;      /* in units of the kind, plain sum over the layers */
    double     objective; /* the same for the loss; strictly falling */
    const int *choice;    /* candidate per group */
} hawq_pareto_point;

typedef struct hawq_pareto {
    int                      n;     /* 0: the budgets cannot be met */
    const hawq_pareto_point *point; /* strictly ascending cost */
} hawq_pareto;

/* The front of a kind of cost within the problem's budgets (one on the kind
 * itself cuts the front). Of allocations equal in both, the one of knapsack.h's
 * order. Memory is the arena's. EINVAL: unknown kind, interactions; ENOMEM,
 * also when the program would store more than max_states (0: 40 million). */
HAWQ_NODISCARD hawq_status hawq_pareto_front(hawq_problem *problem,
                                             const char   *kind,
                                             size_t        max_states,
                                             hawq_arena   *arena,
                                             hawq_pareto  *out);

/* The same for problems with interactions, of which there is no program that
 * yields all points: optima under n_limits >= 2 evenly spaced limits of the
 * kind, from the smallest cost that is possible to that of the best
 * allocation, found by cross. Every point is optimal for its cost to the gap
 * given here; points between them may be missing. options->time_limit_s is for
 * all together. EINVAL, ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_pareto_steps(hawq_problem *problem,
                                             const char *kind, int n_limits,
                                             const hawq_solve_options *options,
                                             hawq_arena               *arena,
                                             hawq_pareto *out, double *gap);

/* Three objectives: two kinds of cost and the loss. */
typedef struct hawq_surface_point {
    double     cost[2]; /* in units of the kinds */
    double     objective;
    const int *choice; /* candidate per group */
} hawq_surface_point;

typedef struct hawq_surface {
    int                       n;     /* 0: the budgets cannot be met */
    const hawq_surface_point *point; /* ascending in cost[0], then cost[1] */
} hawq_surface;

/* Every allocation within the budgets that none beats in both costs and the
 * loss (no larger in all three, smaller in one); of equal ones, one. Memory is
 * the arena's. EINVAL: an unknown kind, twice the same, or interactions;
 * ENOMEM, also beyond max_states as above. */
HAWQ_NODISCARD hawq_status hawq_pareto_surface(
    hawq_problem *problem, const char *kind_a, const char *kind_b,
    size_t max_states, hawq_arena *arena, hawq_surface *out);

#endif
