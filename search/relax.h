/* relax.h -- a convex relaxation of the quadratic allocation problem, for
 * interactions of any sign.
 *
 * With y_c in {0, 1}, one per group, the objective is
 *
 *     f(y) = constant + linear.y + y'Qy / 2                              (1)
 *
 * Every interaction table is centred, its means moved into `linear` and
 * `constant`, so that Q holds only what no sum of single choices explains.
 * Since y_c^2 = y_c, and y_c y_d = 0 within a group, any symmetric block B_g
 * leaves (1) as it is on allocations:
 *
 *     f_B(y) = f(y) + sum_g (y_g' B_g y_g - diag(B_g).y_g) / 2           (2)
 *
 * and where Q + B is positive semidefinite on differences of allocations (they
 * sum to 0 in every group), f_B is convex. (Hammer & Rubin 1970; the best B is
 * the dual of a semidefinite program, Billionnet, Elloumi & Plateau 2009, which
 * the mixing method of Wang & Kolter 2018 approximates.)
 * Then the tangent of f_B at any point y between allocations lies below f on
 * every allocation z,
 *
 *     f(z) >= f_B(y) + G.(z - y),   G = linear + (Q + B) y - diag(B)/2   (3)
 *
 * and is a sum over groups; pricing the budgets at any u >= 0 bounds it like
 * lagrange.h. So every y and u gives a bound that holds; good ones come from
 * exchanging weight between two candidates of a group (exact line search) in
 * turn with Newton steps on u.
 *
 * Legal call order: build; then, for a node, restrict, shift, improve; its
 * parts may be restricted and improved under its shift.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_RELAX_H
#define HAWQ_RELAX_H
#include "search/knapsack.h"

enum { HAWQ_RELAX_MOST = 2048 }; /* candidates: Q is a dense matrix */

typedef struct hawq_relax {
    const hawq_knapsack *k;
    int                  n; /* candidates */
    const int           *group;
    double              *q; /* [n * n], symmetric, 0 within a group */
    double              *linear;
    int                  widest; /* candidates of a group at most */
    double              *shift;  /* B: [c * widest + (d - first[group])] */
    double               constant;
    double               slack; /* what rounding may add to a bound */
    double               unit[HAWQ_DIMENSIONS_MAX]; /* typical prices */
} hawq_relax;

/* Part of the problem: some candidates of every group, and the point where its
 * bound was found. */
typedef struct hawq_relax_node {
    double   bound;
    double  *price; /* [n_budgets] */
    double  *y;     /* [n] */
    double  *mean;  /* [n], of y over the shifts so far: what the next is for */
    uint8_t *alive; /* [n] */
} hawq_relax_node;

/* Memory is the arena's. EINVAL: more than HAWQ_RELAX_MOST candidates. */
HAWQ_NODISCARD hawq_status hawq_relax_build(const hawq_knapsack *k,
                                            hawq_arena *arena, hawq_relax *out);

/* Scratch of the next function: n or n * n numbers of r->n and its powers. */
typedef struct hawq_relax_work {
    int    *index, *group;
    double *basis, *half, *matrix, *factor;
    double *vectors, *shift;
} hawq_relax_work;

HAWQ_NODISCARD hawq_status hawq_relax_take_work(const hawq_relax *r,
                                                hawq_arena       *arena,
                                                hawq_relax_work  *out);

/* Moves the node's mean towards its y by `weight` in 0 ... 1, sets r->shift to
 * about the one that costs f_B least around the mean, for what is left in the
 * node, and makes sure that it is sufficient. More sweeps are sharper. */
void hawq_relax_shift(hawq_relax *r, hawq_relax_work *work, int sweeps,
                      double weight, hawq_relax_node *node);

/* Removes candidates that no budget allows beside the cheapest of the other
 * groups; moves y to what is left. False: nothing is left. */
bool hawq_relax_restrict(const hawq_relax *r, hawq_relax_node *node);

/* Improves y, price and bound by so many rounds, fewer once the bound reaches
 * the cutoff; then removes candidates that cannot be part of an allocation
 * below it. field is scratch, n doubles. False: there is no such allocation. */
bool hawq_relax_improve(const hawq_relax *r, int rounds, double cutoff,
                        hawq_relax_node *node, double *field);

/* The group whose y is furthest from a choice, or -1: every group has one
 * candidate left. */
int hawq_relax_branch(const hawq_relax *r, const hawq_relax_node *node);

#endif
