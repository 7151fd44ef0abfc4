/* next_steps.h -- hawq_solve_next against every allocation.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_NEXT_STEPS_H
#define HAWQ_TESTS_NEXT_STEPS_H
#include "search/solve.h"
#include "tests/check.h"

/* Within all budgets but b, by allowed candidates? */
static inline bool fits_without(const hawq_problem *p, int b,
                                const int *choice) {
    bool fits = true;
    for (int i = 0; i < p->n_budgets; i++)
        fits &= i == b || hawq_problem_sum(p, p->budget[i].kind, choice) <=
                              p->budget[i].limit * (1 + 1e-14);
    for (int g = 0; g < p->n_groups; g++)
        fits &= p->group[g].allowed[choice[g]];
    return fits;
}

static inline bool advance(const hawq_problem *p, int *choice) {
    for (int g = 0; g < p->n_groups; g++) {
        if (++choice[g] < p->group[g].n_candidates) return true;
        choice[g] = 0;
    }
    return false;
}

/* The next step of each budget: no allocation that costs less of it, within
 * the others, is better than the optimum by `least`, and that at the step is.
 * At most 8 groups. */
static inline void check_next_steps(const hawq_problem  *p,
                                    const hawq_solution *found, double least) {
    if (found->state != HAWQ_FOUND_OPTIMAL) return;
    for (int b = 0; b < p->n_budgets; b++) {
        int            choice[8] = {0};
        double         limit = INFINITY, objective = INFINITY;
        hawq_next_step step;
        CHECK_OK(hawq_solve_next(p, NULL, found, b, &step));
        for (int pass = 0; pass < 2; pass++) do {
                double loss = hawq_problem_sum(p, -1, choice);
                double cost = hawq_problem_sum(p, p->budget[b].kind, choice);
                if (!(loss < found->objective - least) ||
                    !fits_without(p, b, choice))
                    continue;
                if (!pass) limit = fmin(limit, cost);
                if (pass && cost <= limit * (1 + 1e-11))
                    objective = fmin(objective, loss);
            } while (advance(p, choice));
        CHECK(step.known && step.exists == !isinf(limit));
        if (!step.exists) continue;
        CHECK(step.exact);
        CHECK_NEAR(step.limit, limit, 1e-11 * limit);
        CHECK_NEAR(step.objective, objective, least);
        CHECK(step.limit > p->budget[b].limit && found->budget[b].binding);
    }
}

#endif
