/* combine.h -- the candidates of a group whose layers share a width of
 * activations, but not one of weights; called by problem_groups.c.
 *
 * A unit is one layer, or several that take the same candidate. For every
 * activation width a that all units have, the group's candidates are the
 * combinations of the units' candidates with width a: m units with k each give
 * k^m. Where those are more than HAWQ_COMBINED_FEW, the ones dominated by
 * another in loss and every cost are left out after each unit; the optimum is
 * never among them, whatever the budgets, for the sums of a group are its
 * layers' and nothing else depends on it. (With interactions something does:
 * then none is left out.) Combinations of equal weight bits always stay.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_COMBINE_H
#define HAWQ_COMBINE_H
#include "search/problem.h"

enum {
    HAWQ_COMBINED_FEW = 512,   /* as many are kept as they are */
    HAWQ_COMBINED_MOST = 4096, /* more are refused; with interactions a */
    HAWQ_COMBINED_PAIRS = 256  /* table of every two groups must fit, too */
};

/* Sets n_candidates of the group and `member` of its layers; candidates come
 * by falling weight bits, summed over the layers, then falling activation
 * bits. The layers of a unit (tied_to) have the same widths in the same
 * `order`, and know the pin that holds for them. EFORMAT: no activation width
 * in common; EINVAL: too many combinations. */
HAWQ_NODISCARD hawq_status hawq_combine(hawq_problem       *problem,
                                        hawq_problem_group *group);

#endif
