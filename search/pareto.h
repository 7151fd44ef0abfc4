/* pareto.h -- the complete front of loss against one cost: every allocation
 * that no other one beats in both, from the cheapest to the best.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_PARETO_H
#define HAWQ_PARETO_H
#include "search/problem.h"

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
 * order. Memory is the arena's. EINVAL: unknown kind; ENOMEM, also when the
 * program would store more than max_states (0: 40 million). */
HAWQ_NODISCARD hawq_status hawq_pareto_front(hawq_problem *problem,
                                             const char   *kind,
                                             size_t        max_states,
                                             hawq_arena   *arena,
                                             hawq_pareto  *out);

#endif
