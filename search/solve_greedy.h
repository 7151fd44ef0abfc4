/* solve_greedy.h -- exchange steps that the greedy solver and the exact ones
 * (for a first allocation) share.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SOLVE_GREEDY_H
#define HAWQ_SOLVE_GREEDY_H
#include "search/knapsack.h"

/* While x breaks a budget: the exchange of one candidate that costs least loss
 * per unit of relative excess it removes. Then, while there is one: the
 * exchange within the budgets that lowers the loss most. Returns whether x is
 * within the budgets. */
bool hawq_greedy_exchange(const hawq_knapsack *k, int *x);

#endif
