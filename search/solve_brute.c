/* solve_brute.c -- every allocation, one after the other: the oracle. It uses
 * nothing but the order of knapsack.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/solve.h"
#include "src/base/clock.h"

#include <math.h>
#include <string.h>

static const double MOST = 1 << 24;

/* The next allocation, like a counter whose first digit is the last group. */
static bool advance(const hawq_knapsack *k, int *x) {
    for (int g = k->n_groups - 1; g >= 0; g--) {
        if (++x[g] < k->first[g + 1]) return true;
        x[g] = k->first[g];
    }
    return false;
}

static hawq_status solve(const hawq_knapsack      *k,
                         const hawq_solve_options *options, hawq_arena *arena,
                         hawq_solver_answer *out) {
    int   *x;
    double count = 1, deadline = hawq_clock_deadline(options->time_limit_s, 1);
    long   n = 0;
    bool   late = false;
    for (int g = 0; g < k->n_groups; g++)
        count *= k->first[g + 1] - k->first[g];
    if (count > MOST)
        return hawq_fail(HAWQ_EINVAL,
                         "solver brute: %.3g allocations, at most %.3g can be "
                         "tried; use %s",
                         count, MOST, k->n_pairs ? "cross" : "dp or bnb");
    HAWQ_TAKE(x, arena, (size_t)k->n_groups);
    for (int g = 0; g < k->n_groups; g++) x[g] = k->first[g];
    out->state = HAWQ_FOUND_INFEASIBLE;
    do {
        late = ++n % 4096 == 0 && hawq_clock_passed(deadline);
        if (!hawq_knapsack_fits(k, x)) continue;
        if (out->state == HAWQ_FOUND_OPTIMAL &&
            hawq_knapsack_compare(k, x, out->x) >= 0)
            continue;
        memcpy(out->x, x, (size_t)k->n_groups * sizeof *x);
        out->state = HAWQ_FOUND_OPTIMAL;
    } while (!late && advance(k, x));
    if (late) {
        bool found = out->state == HAWQ_FOUND_OPTIMAL;
        out->state = found ? HAWQ_FOUND_FEASIBLE : HAWQ_FOUND_LIMIT;
    } else if (out->state == HAWQ_FOUND_OPTIMAL)
        out->bound = hawq_knapsack_sum(k, out->x, NULL);
    return HAWQ_OK;
}

const hawq_solver hawq_solver_brute = {"brute", true, solve};
