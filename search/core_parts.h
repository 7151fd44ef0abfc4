/* core_parts.h -- shared by core.c, which lists the halves, and core_pairs.c,
 * which joins them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_CORE_PARTS_H
#define HAWQ_CORE_PARTS_H
#include "search/core.h"

/* Deviations from the base, one per state; state 0 is none. */
typedef struct hawq_core_half {
    size_t    n, capacity;
    double   *reduced;                   /* sum of r */
    double   *cost[HAWQ_DIMENSIONS_MAX]; /* change of a cost */
    uint32_t *parent, *candidate;
} hawq_core_half;

/* The bound of a state of half h at other prices:
 *     reduced + slope.cost <= left[h] */
typedef struct hawq_core_row {
    double slope[HAWQ_DIMENSIONS_MAX];
    double left[2];
} hawq_core_row;

typedef struct hawq_core_task {
    const hawq_knapsack *k;
    const double        *price;
    hawq_arena          *arena;
    size_t               most;
    double               deadline;
    double               threshold, lagrange; /* T, L(u) */
    double               margin; /* what rounding may do to a difference of
                                    them, at the largest prices */
    double         gap;          /* T - L(u) + margin */
    double         room[HAWQ_DIMENSIONS_MAX]; /* limit - cost of the base */
    double         tolerance[HAWQ_DIMENSIONS_MAX];
    int            n_rows;
    hawq_core_row *row;
    int           *base;    /* cheapest candidate at the prices, per group */
    int           *group;   /* the core, its least r descending */
    double        *reduced; /* per candidate */
    int            n_core;
    hawq_core_half half[2];
    int           *trial, *x;
    hawq_core     *out;
} hawq_core_task;

/* Whether the rows leave a state of a half any completion. */
static inline bool hawq_core_promises(const hawq_core_task *t, int h,
                                      double reduced, const double *cost) {
    for (int r = 0; r < t->n_rows; r++) {
        double bound = reduced;
        for (int b = 0; b < t->k->n_budgets; b++)
            bound += t->row[r].slope[b] * cost[b];
        if (bound > t->row[r].left[h]) return false;
    }
    return true;
}

/* Joins the halves: sets complete, found and x. */
HAWQ_NODISCARD hawq_status hawq_core_pair(hawq_core_task *t);

#endif
