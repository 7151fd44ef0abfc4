/* test_core.c -- the enumeration in halves against every allocation.
 *
 * Claim: at any prices, not only good ones, and any threshold, the core finds
 * the best allocation by the order of knapsack.h among those of no larger loss,
 * and none where there is none, on the nasty problems of allocating.h; and so
 * it does where other prices bound its states, and with every budget count up
 * to three; the prices it is given by the search are the best ones, to 1e-9 of
 * the bound. In too few steps, or too late, it says that it is not complete.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/core.h"
#include "search/lagrange.h"
#include "tests/allocating.h"

enum { ROWS = 3 };

/* Prices up to a few times what a unit of the cost is worth; some zero. */
static void draw_prices(draws *d, const hawq_knapsack *k, double *price) {
    int m = k->n_budgets;
    for (int b = 0; b < m; b++) {
        double loss = 0, cost = 0;
        for (int c = 0; c < k->first[k->n_groups]; c++) {
            loss = fmax(loss, fabs(k->loss[c]));
            cost = fmax(cost, k->cost[c * m + b]);
        }
        double unit = cost > 0 && !isinf(k->limit[b]) ? loss / cost : 0;
        price[b] = below(d, 4) ? 2 * unit * uniform(d) : 0;
        for (int r = 1; r < ROWS; r++)
            price[r * m + b] = price[b] * (0.5 + uniform(d));
    }
}

static void check_core(const hawq_knapsack *k, const double *price,
                       double threshold, const hawq_solver_answer *want) {
    hawq_arena arena = {0};
    hawq_core  core;
    int        x[8];
    bool       exists = want->state == HAWQ_FOUND_OPTIMAL &&
                  hawq_knapsack_sum(k, want->x, NULL) <= threshold;
    for (int rows = 1; rows <= ROWS; rows += ROWS - 1) {
        CHECK_OK(hawq_core_search(k, rows, price, threshold, 1 << 24, INFINITY,
                                  &arena, x, &core));
        CHECK(core.complete && core.found == exists);
        CHECK(!exists ||
              (core.found && hawq_knapsack_compare(k, x, want->x) == 0));
    }
    hawq_arena_free(&arena);
}

static void core_is_brute(void) {
    static const hawq_solve_options none = {0};
    for (int seed = 0; seed < 500; seed++)
        for (int class = 0; class < N_CLASSES; class ++) {
            hawq_problem *p = draw_problem((uint64_t)seed, class, seed % 4);
            hawq_arena    arena = {0};
            hawq_knapsack k;
            hawq_solver_answer want = {0};
            int                x[8];
            draws              d = {hawq_rng_key((uint64_t)seed, 9, 9, 9), 0};
            double             price[ROWS * HAWQ_DIMENSIONS_MAX];
            CHECK_OK(
                hawq_knapsack_build(p, p->n_budgets, p->budget, &arena, &k));
            want.x = x;
            CHECK_OK(hawq_solver_brute.solve(&k, &none, &arena, &want));
            draw_prices(&d, &k, price);
            double best = want.state == HAWQ_FOUND_OPTIMAL
                              ? hawq_knapsack_sum(&k, want.x, NULL)
                              : 1;
            check_core(&k, price, best, &want);
            check_core(&k, price, best + fabs(best) * uniform(&d), &want);
            check_core(&k, price, best - fabs(best) * uniform(&d), &want);
            check_core(&k, price, 8e30, &want);
            hawq_lagrange_maximise(&k, price);
            check_core(&k, price, best, &want);
            hawq_arena_free(&arena);
            hawq_problem_free(p);
        }
}

/* Three hundred groups, against the dominance program without bounds where that
 * can do it: one budget; and the steps are few. */
static void core_is_dp(void) {
    for (uint64_t seed = 0; seed < 8; seed++) {
        hawq_problem      *p = draw_large(seed, 300, 4, 1, false);
        hawq_arena         arena = {0};
        hawq_knapsack      k;
        hawq_solution      dp;
        hawq_solve_options many = {0};
        double             price[HAWQ_DIMENSIONS_MAX];
        int                x[300];
        hawq_core          core;
        CHECK_OK(hawq_solve(p, &hawq_solver_dp, &many, &arena, &dp));
        CHECK_OK(hawq_knapsack_build(p, p->n_budgets, p->budget, &arena, &k));
        hawq_lagrange_maximise(&k, price);
        CHECK_OK(hawq_core_search(&k, 1, price, dp.folded, 1 << 20, INFINITY,
                                  &arena, x, &core));
        CHECK(dp.state == HAWQ_FOUND_OPTIMAL && core.complete && core.found);
        CHECK(core.found && hawq_knapsack_sum(&k, x, NULL) == dp.folded);
        hawq_arena_free(&arena);
        hawq_problem_free(p);
    }
}

/* Where all losses are equal every allocation is within the gap. */
static void core_may_give_up(void) {
    hawq_problem *p = draw_large(3, 60, 4, 2, true);
    hawq_arena    arena = {0};
    hawq_knapsack k;
    hawq_core     core;
    int           x[60];
    double        price[HAWQ_DIMENSIONS_MAX] = {0};
    CHECK_OK(hawq_knapsack_build(p, p->n_budgets, p->budget, &arena, &k));
    CHECK_OK(hawq_core_search(&k, 1, price, 1e9, 100000, INFINITY, &arena, x,
                              &core));
    CHECK(!core.complete && core.steps > 100000 && core.steps < 500000);
    CHECK_OK(
        hawq_core_search(&k, 1, price, 1e9, SIZE_MAX, 0, &arena, x, &core));
    CHECK(!core.complete);
    hawq_arena_free(&arena);
    hawq_problem_free(p);
}

/* Layers of a thousand to a million weights whose losses fall fourfold per bit:
 * good prices are far below what the ranges of losses and costs suggest. */
static hawq_problem *draw_network(uint64_t seed, int n_layers, int m) {
    static const hawq_cost_kind kind[3] = {
        {"a", 1, "", 0}, {"b", 1, "", 0}, {"c", 1, "", 0}};
    draws         d = {hawq_rng_key(seed, 4, 5, (uint64_t)m), 0};
    hawq_problem *p;
    double        most[3] = {0};
    CHECK_OK(hawq_problem_new(3, kind, &p));
    for (int l = 0; l < n_layers; l++) {
        double      sensitivity = pow(10, -2 * uniform(&d));
        double      cost[4][3];
        hawq_priced candidate[4];
        char        name[16];
        double      size[3] = {pow(10, 3 + 3 * uniform(&d)),
                               pow(10, 1 + uniform(&d)), 1 + uniform(&d)};
        for (int c = 0; c < 4; c++) {
            for (int b = 0; b < 3; b++)
                cost[c][b] = size[b] * (8 - 2 * c + uniform(&d));
            candidate[c] = (hawq_priced){
                8 - 2 * c, 8, sensitivity * pow(4, 2 * c) * (1 + uniform(&d)),
                cost[c], NULL};
        }
        for (int b = 0; b < 3; b++) most[b] += cost[0][b];
        snprintf(name, sizeof name, "l%d", l);
        CHECK_OK(hawq_problem_add(p, name, NULL, 0, 4, candidate));
    }
    CHECK_OK(hawq_problem_finish(p));
    for (int b = 0; b < m; b++)
        CHECK_OK(hawq_problem_budget(p, kind[b].name,
                                     most[b] * (0.6 + 0.02 * uniform(&d))));
    return p;
}

/* No random prices near the best ones, nearer and nearer, are better. */
static void prices_are_the_best(void) {
    for (uint64_t seed = 0; seed < 12; seed++) {
        int           m = 2 + (int)(seed % 2);
        hawq_problem *p = draw_network(seed, 1000, m);
        hawq_arena    arena = {0};
        hawq_knapsack k;
        double        best[HAWQ_DIMENSIONS_MAX], price[HAWQ_DIMENSIONS_MAX];
        draws         d = {hawq_rng_key(seed, 6, 6, 6), 0};
        CHECK_OK(hawq_knapsack_build(p, p->n_budgets, p->budget, &arena, &k));
        double top = hawq_lagrange_maximise(&k, best);
        CHECK(top == hawq_lagrange_value(&k, best, NULL));
        for (double reach = 0.1; reach > 1e-7; reach /= 2)
            for (int i = 0; i < 10; i++) {
                for (int b = 0; b < m; b++)
                    price[b] = best[b] * (1 + reach * (2 * uniform(&d) - 1));
                CHECK(hawq_lagrange_value(&k, price, NULL) <=
                      top + 1e-9 * fabs(top));
            }
        hawq_arena_free(&arena);
        hawq_problem_free(p);
    }
}

int main(void) {
    core_is_brute();
    core_is_dp();
    core_may_give_up();
    prices_are_the_best();
    DONE();
}
