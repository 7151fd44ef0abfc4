/* allocating.h -- random allocation problems chosen to be nasty, for the tests
 * of search/.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_ALLOCATING_H
#define HAWQ_TESTS_ALLOCATING_H
#include "search/solve.h"
#include "src/base/rng.h"
#include "tests/check.h"

/* --- random problems ------------------------------------------------------ */

enum {
    WHOLE,     /* small whole numbers: many ties */
    REAL,      /* uniform in (0, 1) */
    ZERO_COST, /* most costs are zero */
    EQUAL,     /* all losses equal */
    DUPLICATE, /* candidates repeated */
    HUGE_RANGE,
    NEGATIVE,
    DECIMAL, /* multiples of 0.1: sums are rounded, limits met exactly */
    N_CLASSES
};

typedef struct draws {
    uint64_t key, i;
} draws;

static inline double uniform(draws *d) {
    return hawq_rng_uniform(d->key, d->i++);
}

static inline int below(draws *d, int n) {
    return (int)hawq_rng_below(d->key, d->i++, (uint64_t)n);
}

static inline double draw_loss(draws *d, int class) {
    switch (class) {
    case WHOLE:
    case DUPLICATE:
        return below(d, 6);
    case EQUAL:
        return 2.5;
    case HUGE_RANGE:
        return pow(10, 60 * uniform(d) - 30);
    case NEGATIVE:
        return uniform(d) - 0.7;
    case DECIMAL:
        return below(d, 10) * 0.1;
    default:
        return uniform(d);
    }
}

static inline double draw_cost(draws *d, int class) {
    switch (class) {
    case WHOLE:
    case DUPLICATE:
        return below(d, 5);
    case ZERO_COST:
        return below(d, 3) ? 0 : uniform(d);
    case HUGE_RANGE:
        return pow(10, 60 * uniform(d) - 30);
    case DECIMAL:
        return below(d, 10) * 0.1;
    default:
        return uniform(d);
    }
}

static const char *const kinds[] = {"a", "b", "c"};

static inline hawq_problem *draw_layers(draws *d, int class, int n_kinds) {
    static const int widths[] = {2, 3, 4, 8};
    hawq_cost_kind   kind[3];
    hawq_problem    *p;
    int              n_layers = 1 + below(d, 6), n = 1 + below(d, 4);
    for (int k = 0; k < n_kinds; k++)
        kind[k] = (hawq_cost_kind){.name = kinds[k], .unit = 1};
    CHECK_OK(hawq_problem_new(n_kinds, kind, &p));
    for (int l = 0; l < n_layers; l++) {
        char        name[16], group[16];
        double      cost[4][3];
        hawq_priced candidate[4];
        snprintf(name, sizeof name, "l%d", l);
        snprintf(group, sizeof group, "g%d", below(d, n_layers));
        bool grouped = below(d, 3) == 0;
        for (int c = 0; c < n; c++) {
            for (int k = 0; k < n_kinds; k++) cost[c][k] = draw_cost(d, class);
            candidate[c] = (hawq_priced){class == DUPLICATE ? 4 : widths[c], 8,
                                         draw_loss(d, class), cost[c], NULL};
            if (class == DUPLICATE && c && below(d, 2))
                candidate[c] = candidate[c - 1];
        }
        CHECK_OK(hawq_problem_add(p, name, grouped ? group : NULL, 10, n,
                                  candidate));
    }
    if (class != DUPLICATE && below(d, 4) == 0)
        CHECK_OK(
            hawq_problem_pin(p, "l0", widths[below(d, n)], HAWQ_PIN_BY_NAME));
    CHECK_OK(hawq_problem_finish(p));
    return p;
}

/* A limit between nothing and everything; often exactly a reachable sum. */
static inline double draw_limit(draws *d, const hawq_problem *p, int kind) {
    int    choice[8];
    double sum = 0;
    for (int g = 0; g < p->n_groups; g++)
        choice[g] = below(d, p->group[g].n_candidates);
    sum = hawq_problem_sum(p, kind, choice);
    return below(d, 2) ? sum : sum * (0.5 + uniform(d));
}

static inline hawq_problem *draw_problem(uint64_t seed, int class,
                                         int      n_budgets) {
    draws d = {hawq_rng_key(seed, (uint64_t) class, (uint64_t)n_budgets, 0), 0};
    hawq_problem *p = draw_layers(&d, class, 3);
    for (int b = 0; b < n_budgets; b++)
        CHECK_OK(hawq_problem_budget(p, kinds[b], draw_limit(&d, p, b)));
    return p;
}

/* --- larger than brute force can do ----------------------------------------
 */

static inline hawq_problem *draw_large(uint64_t seed, int n_layers,
                                       int n_candidates, int n_budgets,
                                       bool whole) {
    draws          d = {hawq_rng_key(seed, 77, (uint64_t)n_budgets, whole), 0};
    hawq_cost_kind kind[3];
    hawq_problem  *p;
    for (int k = 0; k < 3; k++)
        kind[k] = (hawq_cost_kind){.name = kinds[k], .unit = 1};
    CHECK_OK(hawq_problem_new(3, kind, &p));
    for (int l = 0; l < n_layers; l++) {
        char        name[16];
        double      cost[8][3];
        hawq_priced candidate[8];
        snprintf(name, sizeof name, "l%d", l);
        for (int c = 0; c < n_candidates; c++) {
            for (int k = 0; k < 3; k++)
                cost[c][k] = whole ? below(&d, 30) : uniform(&d);
            candidate[c] = (hawq_priced){
                2 + c, 8, whole ? below(&d, 30) : uniform(&d), cost[c], NULL};
        }
        CHECK_OK(hawq_problem_add(p, name, NULL, 0, n_candidates, candidate));
    }
    CHECK_OK(hawq_problem_finish(p));
    for (int b = 0; b < n_budgets; b++) {
        double limit = (whole ? 30 : 1) * (0.3 + 0.2 * uniform(&d)) * n_layers;
        CHECK_OK(hawq_problem_budget(p, kinds[b], limit));
    }
    return p;
}

#endif
