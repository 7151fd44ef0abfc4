/* core.h -- what is left of a knapsack after pegging, enumerated in halves.
 *
 * At prices u every candidate has a reduced loss, what it adds to the
 * Lagrangian bound of lagrange.h,
 *
 *     r_c = loss_c + u.cost_c - min over its group                      (1)
 *
 * so that an allocation x within the budgets has exactly the loss
 *
 *     loss(x) = L(u) + sum_g r[x_g] + u.(limit - cost(x))               (2)
 *
 * with three terms that only add. Most groups of a large problem have one
 * candidate with r <= T - L(u), and the few others (the core, Balas & Zemel
 * 1980) deviate in few places at once. Their deviations are listed in two
 * halves (Horowitz & Sahni 1974), and the pairs whose sums are within (2) and
 * the budgets are looked up in an order by reduced loss and one cost:
 *
 *     core = A + B    list(A): r, cost     list(B), by (class of r, cost)
 *                       o  ------------------>  [....window....]
 *
 * A state of one half that no choice in the other can complete to a loss <= T,
 * by (2) at other prices near u, is not listed.
 *
 * The work is about the root of the number of allocations whose reduced losses
 * are within T - L(u), however many budgets there are. Equal reduced losses by
 * the dozen, as of whole numbers, are the dominance program's (frontier.h).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_CORE_H
#define HAWQ_CORE_H
#include "search/knapsack.h"

typedef struct hawq_core {
    bool complete; /* no allocation of loss <= threshold is better than x,
                      or exists, if it was not found */
    bool   found;
    size_t steps; /* states tried and pairs looked at */
} hawq_core;

/* Looks for the best allocation whose loss is <= threshold, in at most so many
 * steps and until the clock (clock.h) passes the deadline. x [n_groups] is set
 * if found. price: n_rows sets of n_budgets, >= 0, 0 where there is no limit;
 * the first is u, the others bound states. k has no pairs. Memory is the
 * arena's. ENOMEM only. */
HAWQ_NODISCARD hawq_status hawq_core_search(const hawq_knapsack *k, int n_rows,
                                            const double *price,
                                            double threshold, size_t most,
                                            double deadline, hawq_arena *arena,
                                            int *x, hawq_core *out);

#endif
