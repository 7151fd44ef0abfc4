/* cross.h -- what solver `cross` does, for callers inside this folder.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_CROSS_H
#define HAWQ_CROSS_H
#include "search/solve.h"

/* Solves a knapsack with pairs until the clock (clock.h) shows `deadline`.
 * start (may be NULL): an allocation within the budgets. first: any allocation
 * better than it is enough, by more than rounding. out as in hawq_solver. */
HAWQ_NODISCARD hawq_status hawq_cross_search(const hawq_knapsack *k,
                                             double deadline, const int *start,
                                             bool                first,
                                             hawq_solver_answer *out);

#endif
