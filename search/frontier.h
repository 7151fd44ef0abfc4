/* frontier.h -- the dominance dynamic program (Nemhauser & Ullmann 1969).
 *
 * A state is an allocation of the last groups: its loss, and its cost under
 * every budget. Groups are taken from the last to the first; each extends all
 * states by each of its candidates. A state is dropped if
 *   - another state has no larger loss and no larger cost (dominance),
 *   - the cheapest completion breaks a budget, or
 *   - a Lagrangian bound shows that every completion has a loss above a
 *     threshold (only with hawq_prune).
 * What remains at the end is, for one budget, the complete front.
 *
 * Each candidate's extensions are already in order, so a stage is a merge of
 * sorted lists: its time is the number of extensions, not times its logarithm.
 *
 *     budget 0 ->  o-----o---o------o        list of a stage
 *                  o-----o---o------o        + candidate 0
 *                    o-----o---o------o      + candidate 1   => merged
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_FRONTIER_H
#define HAWQ_FRONTIER_H
#include "search/knapsack.h"

/* Bounds: with multipliers u >= 0 the loss of any completion of a state is at
 * least  loss + u.cost + rest[g],  where the groups 0 ... g-1 are open and
 * rest[g] = sum_{h<g} min_c (loss_c + u.cost_c) - u.limit. */
typedef struct hawq_prune {
    int           n_rows;     /* sets of multipliers; the best bound counts */
    const double *multiplier; /* [row * n_budgets + b] */
    const double *rest;       /* [row * (n_groups + 1) + g] */
    const double *slack;      /* the same; what rounding may add to a bound */
    double        rounding;   /* the same, relative to the state's own terms */
    double        threshold;  /* states whose bound is above are dropped */
    size_t width; /* at most so many states a stage, those of least bound */
} hawq_prune;

typedef struct hawq_frontier {
    size_t        n;       /* states in ascending cost of budget 0 */
    const double *loss;    /* [n] */
    const double *cost;    /* [n * n_budgets] */
    bool          stopped; /* more than max_states, or late: n is 0 */
    double        dropped; /* least bound of what the width dropped; INFINITY */
    struct frontier_stage *stage; /* one per group; private */
} hawq_frontier;

/* Runs the program until the clock (clock.h) passes the deadline; prune NULL:
 * nothing is pruned by bounds. Memory is the arena's. ENOMEM only. */
HAWQ_NODISCARD hawq_status hawq_frontier_sweep(
    const hawq_knapsack *k, const hawq_prune *prune, size_t max_states,
    double deadline, hawq_arena *arena, hawq_frontier *out);

/* Candidate of every group in final state i. */
void hawq_frontier_choice(const hawq_knapsack *k, const hawq_frontier *f,
                          size_t i, int *x);

/* The best state by the order of knapsack.h; f->n > 0. */
size_t hawq_frontier_best(const hawq_knapsack *k, const hawq_frontier *f);

#endif
