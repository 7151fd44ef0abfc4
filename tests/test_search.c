/* test_search.c -- the solvers against every allocation written out.
 *
 * Claim: dp and bnb return the best allocation by the order of knapsack.h, to
 * the last bit of the sums they compare, on problems chosen to be nasty: ties,
 * zero costs, equal losses, duplicate candidates, magnitudes from 1e-30 to
 * 1e30, negative losses, limits that are met exactly, groups and pins. Where
 * all numbers are whole, sums are exact and the allocation itself must agree.
 * CBC agrees to its tolerance; the baseline is never better than the optimum
 * and never below its own bound.
 * SPDX-License-Identifier: GPL-3.0-or-later */
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

static double uniform(draws *d) {
    return hawq_rng_uniform(d->key, d->i++);
}

static int below(draws *d, int n) {
    return (int)hawq_rng_below(d->key, d->i++, (uint64_t)n);
}

static double draw_loss(draws *d, int class) {
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

static double draw_cost(draws *d, int class) {
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

static hawq_problem *draw_layers(draws *d, int class, int n_kinds) {
    static const int widths[] = {2, 3, 4, 8};
    hawq_cost_kind   kind[3];
    hawq_problem    *p;
    int              n_layers = 1 + below(d, 6), n = 1 + below(d, 4);
    for (int k = 0; k < n_kinds; k++)
        kind[k] = (hawq_cost_kind){.name = kinds[k], .unit = 1};
    CHECK_OK(hawq_problem_new(n_kinds, kind, &p));
    for (int l = 0; l < n_layers; l++) {
        char           name[16], group[16];
        double         cost[4][3];
        hawq_candidate candidate[4];
        snprintf(name, sizeof name, "l%d", l);
        snprintf(group, sizeof group, "g%d", below(d, n_layers));
        bool grouped = below(d, 3) == 0;
        for (int c = 0; c < n; c++) {
            for (int k = 0; k < n_kinds; k++) cost[c][k] = draw_cost(d, class);
            candidate[c] = (hawq_candidate){class == DUPLICATE ? 4 : widths[c],
                                            8, draw_loss(d, class), cost[c]};
            if (class == DUPLICATE && c && below(d, 2))
                candidate[c] = candidate[c - 1];
        }
        CHECK_OK(hawq_problem_add(p, name, grouped ? group : NULL, 10, n,
                                  candidate));
    }
    if (class != DUPLICATE && below(d, 4) == 0)
        CHECK_OK(hawq_problem_pin(p, "l0", widths[below(d, n)]));
    CHECK_OK(hawq_problem_finish(p));
    return p;
}

/* A limit between nothing and everything; often exactly a reachable sum. */
static double draw_limit(draws *d, const hawq_problem *p, int kind) {
    int    choice[8];
    double sum = 0;
    for (int g = 0; g < p->n_groups; g++)
        choice[g] = below(d, p->group[g].n_candidates);
    sum = hawq_problem_sum(p, kind, choice);
    return below(d, 2) ? sum : sum * (0.5 + uniform(d));
}

static hawq_problem *draw_problem(uint64_t seed, int class, int n_budgets) {
    draws d = {hawq_rng_key(seed, (uint64_t) class, (uint64_t)n_budgets, 0), 0};
    hawq_problem *p = draw_layers(&d, class, 3);
    for (int b = 0; b < n_budgets; b++)
        CHECK_OK(hawq_problem_budget(p, kinds[b], draw_limit(&d, p, b)));
    return p;
}

/* --- one answer against the oracle ---------------------------------------- */

static bool same_choice(const hawq_problem *p, const int *a, const int *b) {
    for (int g = 0; g < p->n_groups; g++)
        if (a[g] != b[g]) return false;
    return true;
}

static double loss_range(const hawq_problem *p) {
    double most = 0;
    for (int l = 0; l < p->n_layers; l++)
        for (int c = 0; c < p->layer[l].n_candidates; c++)
            most = fmax(most, fabs(p->layer[l].candidate[c].loss));
    return most;
}

static void check_exact(const hawq_problem *p, int class,
                        const hawq_solver *solver, const hawq_solution *want) {
    hawq_arena    arena = {0};
    hawq_solution got;
    CHECK_OK(hawq_solve(p, solver, NULL, &arena, &got));
    bool ok = got.state == want->state;
    if (ok && want->state == HAWQ_FOUND_OPTIMAL) {
        ok = got.folded == want->folded && got.bound == got.objective &&
             got.gap == 0;
        for (int b = 0; b < p->n_budgets; b++)
            ok &= got.budget[b].binding == want->budget[b].binding &&
                  fabs(got.budget[b].used - want->budget[b].used) <=
                      1e-14 * want->budget[b].used;
        if (class == WHOLE || class == DUPLICATE)
            ok &= same_choice(p, got.choice, want->choice);
    }
    CHECK(ok);
    if (!ok)
        printf("    %s, class %d, %d budgets: %s %.17g, expected %s %.17g\n",
               solver->name, class, p->n_budgets, hawq_found_text(got.state),
               got.folded, hawq_found_text(want->state), want->folded);
    hawq_arena_free(&arena);
}

static void check_ilp(const hawq_problem  *p, int class,
                      const hawq_solution *want) {
    hawq_arena    arena = {0};
    hawq_solution got;
    double        tolerance = 1e-8 * loss_range(p);
    CHECK_OK(hawq_solve(p, &hawq_solver_ilp, NULL, &arena, &got));
    bool ok = want->state == HAWQ_FOUND_OPTIMAL
                  ? (got.state == HAWQ_FOUND_OPTIMAL &&
                     fabs(got.folded - want->folded) <= tolerance &&
                     got.folded >= want->folded)
                  : got.state == want->state;
    CHECK(ok);
    if (!ok)
        printf("    ilp, class %d, %d budgets: %s %.17g, expected %s %.17g\n",
               class, p->n_budgets, hawq_found_text(got.state), got.folded,
               hawq_found_text(want->state), want->folded);
    hawq_arena_free(&arena);
}

static void check_greedy(const hawq_problem *p, const hawq_solution *want) {
    hawq_arena    arena = {0};
    hawq_solution got;
    CHECK_OK(hawq_solve(p, &hawq_solver_greedy, NULL, &arena, &got));
    if (want->state == HAWQ_FOUND_INFEASIBLE) {
        CHECK(got.state == HAWQ_FOUND_INFEASIBLE ||
              got.state == HAWQ_FOUND_LIMIT);
    } else {
        CHECK(got.bound <= want->objective);
        CHECK(got.state == HAWQ_FOUND_LIMIT || got.folded >= want->folded);
        CHECK(got.state != HAWQ_FOUND_OPTIMAL);
    }
    hawq_arena_free(&arena);
}

static void all_against_brute(int first, int last, bool ilp) {
    for (int seed = first; seed < last; seed++)
        for (int class = 0; class < N_CLASSES; class ++) {
            int           n = seed % 4;
            hawq_problem *p = draw_problem((uint64_t)seed, class, n);
            hawq_arena    arena = {0};
            hawq_solution want;
            CHECK_OK(hawq_solve(p, &hawq_solver_brute, NULL, &arena, &want));
            check_exact(p, class, &hawq_solver_dp, &want);
            check_exact(p, class, &hawq_solver_bnb, &want);
            check_greedy(p, &want);
            if (ilp && class != HUGE_RANGE) check_ilp(p, class, &want);
            hawq_arena_free(&arena);
            hawq_problem_free(p);
        }
}

int main(void) {
    all_against_brute(0, 600, false);
    all_against_brute(600, 660, true);
    DONE();
}
