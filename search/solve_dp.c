/* solve_dp.c -- the dominance dynamic program without bounds: its time does
 * not depend on where the limit lies, and it needs no numerical optimiser.
 * Beyond max_states or the time limit it gives up and answers with the exchange
 * heuristic. SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/frontier.h"
#include "search/lagrange.h"
#include "search/solve.h"
#include "search/solve_greedy.h"
#include "src/base/clock.h"

#include <math.h>

static hawq_status solve(const hawq_knapsack      *k,
                         const hawq_solve_options *options, hawq_arena *arena,
                         hawq_solver_answer *out) {
    hawq_frontier f;
    size_t        room = options->max_states ? options->max_states : 40000000;
    double        deadline = hawq_clock_deadline(options->time_limit_s, 1);
    HAWQ_TRY(hawq_frontier_sweep(k, NULL, room, deadline, arena, &f));
    if (f.stopped) {
        double price[HAWQ_DIMENSIONS_MAX];
        hawq_lagrange_maximise(k, price);
        hawq_lagrange_value(k, price, out->x);
        out->bound = hawq_lagrange_bound(k, price);
        out->state = hawq_greedy_exchange(k, out->x) ? HAWQ_FOUND_FEASIBLE
                                                     : HAWQ_FOUND_LIMIT;
        return HAWQ_OK;
    }
    out->state = f.n ? HAWQ_FOUND_OPTIMAL : HAWQ_FOUND_INFEASIBLE;
    if (!f.n) return HAWQ_OK;
    size_t best = hawq_frontier_best(k, &f);
    hawq_frontier_choice(k, &f, best, out->x);
    out->bound = f.loss[best];
    return HAWQ_OK;
}

const hawq_solver hawq_solver_dp = {"dp", false, solve};
