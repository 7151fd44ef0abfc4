/* swap.h -- local search of the quadratic problem: the change of one or of two
 * groups that lowers the objective most, within the budgets, until there is
 * none.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SWAP_H
#define HAWQ_SWAP_H
#include "search/relax.h"

/* x is within the budgets and stays there. field: scratch, as many doubles as
 * there are candidates. */
void hawq_swap_descend(const hawq_relax *r, int *x, double *field);

/* Draws new candidates for a few groups and repairs the budgets; *draw counts
 * the random numbers. False: x is not within the budgets. */
bool hawq_swap_perturb(const hawq_relax *r, uint64_t *draw, int *x);

#endif
