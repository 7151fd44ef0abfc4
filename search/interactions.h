/* interactions.h -- the part of the problem that couples two layers; called by
 * problem_groups.c and knapsack.c, see hawq_problem_interact in problem.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_INTERACTIONS_H
#define HAWQ_INTERACTIONS_H
#include "search/knapsack.h"

/* Orders the interactions. EFORMAT if one is given twice, ENONFINITE if their
 * sum overflows. */
HAWQ_NODISCARD hawq_status hawq_interactions_check(hawq_problem *problem);

/* Sum of the interactions of an allocation; choice[g] is the candidate of
 * group g. */
double hawq_interactions_sum(const hawq_problem *problem, const int *choice);

/* Adds the interactions inside groups to the losses of the knapsack's
 * candidates, and sets its pairs; memory is the arena's. */
HAWQ_NODISCARD hawq_status hawq_interactions_pair(const hawq_problem *problem,
                                                  hawq_arena         *arena,
                                                  double             *loss,
                                                  hawq_knapsack      *k);

#endif
