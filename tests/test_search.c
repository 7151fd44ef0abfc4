/* test_search.c -- the solvers against every allocation written out.
 *
 * Claim: dp and bnb return the best allocation by the order of knapsack.h, to
 * the last bit of the sums they compare, on problems chosen to be nasty: ties,
 * zero costs, equal losses, duplicate candidates, magnitudes from 1e-30 to
 * 1e30, negative losses, limits that are met exactly, groups and pins. Where
 * all numbers are whole, sums are exact and the allocation itself must agree.
 * CBC agrees to its tolerance; the baselines are never better than the optimum
 * and never below its own bound.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/allocating.h"
#include "tests/next_steps.h"

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
    bool ok = got.state == want->state;
    /* magnitudes that exceed CBC's tolerances: found, but not claimed */
    if (class == HUGE_RANGE && want->state == HAWQ_FOUND_OPTIMAL)
        ok |= got.state == HAWQ_FOUND_FEASIBLE;
    if (ok && want->state == HAWQ_FOUND_OPTIMAL)
        ok = got.folded >= want->folded &&
             got.folded - want->folded <= tolerance;
    CHECK(ok);
    if (!ok)
        printf("    ilp, class %d, %d budgets: %s %.17g, expected %s %.17g\n",
               class, p->n_budgets, hawq_found_text(got.state), got.folded,
               hawq_found_text(want->state), want->folded);
    hawq_arena_free(&arena);
}

static void check_baseline(const hawq_problem *p, const hawq_solver *solver,
                           const hawq_solution *want) {
    hawq_arena    arena = {0};
    hawq_solution got;
    CHECK_OK(hawq_solve(p, solver, NULL, &arena, &got));
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

/* Layers whose losses come in the order of their sensitivity: bits follow it,
 * and what is found is the best of all allocations that do. */
static void monotone_follows_sensitivity(void) {
    for (uint64_t seed = 0; seed < 200; seed++) {
        draws          d = {hawq_rng_key(seed, 3, 2, 1), 0};
        hawq_cost_kind kind = {"a", 1, NULL, 0};
        hawq_problem  *p;
        hawq_arena     arena = {0};
        hawq_solution  s;
        double         limit = 0, best = INFINITY;
        int            choice[5] = {0}, l;
        CHECK_OK(hawq_problem_new(1, &kind, &p));
        for (l = 0; l < 5; l++) { /* the most sensitive last */
            double      sensitivity = 1 + l, size = 1 + below(&d, 9);
            double      cost[3] = {8 * size, 4 * size, 2 * size};
            hawq_priced candidate[3];
            char        name[] = {(char)('p' + l), 0};
            for (int c = 0; c < 3; c++)
                candidate[c] = (hawq_priced){8 >> c, 8, sensitivity * c * c,
                                             &cost[c], NULL};
            CHECK_OK(hawq_problem_add(p, name, NULL, 0, 3, candidate));
            limit += 2 * size + below(&d, 40);
        }
        CHECK_OK(hawq_problem_finish(p));
        CHECK_OK(hawq_problem_budget(p, "a", limit));
        do {
            bool ordered = true;
            for (l = 1; l < 5; l++) ordered &= choice[l] <= choice[l - 1];
            if (ordered && hawq_problem_sum(p, 0, choice) <= limit)
                best = fmin(best, hawq_problem_sum(p, -1, choice));
            for (l = 0; l < 5; l++) {
                if (++choice[l] < 3) break;
                choice[l] = 0;
            }
        } while (l < 5);
        CHECK_OK(hawq_solve(p, &hawq_solver_monotone, NULL, &arena, &s));
        CHECK(s.state == HAWQ_FOUND_FEASIBLE && s.objective == best);
        hawq_arena_free(&arena);
        hawq_problem_free(p);
    }
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
            check_exact(p, class, &hawq_solver_cross, &want);
            check_baseline(p, &hawq_solver_greedy, &want);
            check_baseline(p, &hawq_solver_monotone, &want);
            if (class != HUGE_RANGE)
                check_next_steps(p, &want, 1e-12 * (1 + fabs(want.objective)));
            if (ilp) check_ilp(p, class, &want);
            hawq_arena_free(&arena);
            hawq_problem_free(p);
        }
}

/* --- larger than brute force can do: dp and bnb share no pruning -----------
 */

static void dp_is_bnb(void) {
    static const int size[][3] = {{60, 4, 1}, {80, 2, 1}, {14, 3, 2},
                                  {20, 2, 2}, {9, 3, 3},  {12, 2, 3}};
    for (uint64_t seed = 0; seed < 12; seed++)
        for (int i = 0; i < 6; i++) {
            bool          whole = seed % 2;
            hawq_problem *p =
                draw_large(seed, size[i][0], size[i][1], size[i][2], whole);
            hawq_arena    arena = {0};
            hawq_solution dp;
            CHECK_OK(hawq_solve(p, &hawq_solver_dp, NULL, &arena, &dp));
            check_exact(p, whole ? WHOLE : REAL, &hawq_solver_bnb, &dp);
            hawq_arena_free(&arena);
            hawq_problem_free(p);
        }
}

/* Stopped early, a solver still tells the truth: an allocation within the
 * budgets, a bound below the optimum, no claim of a proof. */
static void honest_when_stopped(void) {
    static const hawq_solver *const solver[] = {&hawq_solver_dp,
                                                &hawq_solver_bnb};
    for (uint64_t seed = 0; seed < 6; seed++)
        for (int i = 0; i < 2; i++) {
            hawq_problem      *p = draw_large(seed, 60, 4, 1 + i, false);
            hawq_arena         arena = {0};
            hawq_solution      best, got;
            hawq_solve_options few = {.max_states = 70};
            CHECK_OK(hawq_solve(p, &hawq_solver_bnb, NULL, &arena, &best));
            CHECK_OK(hawq_solve(p, solver[i], &few, &arena, &got));
            CHECK(best.state == HAWQ_FOUND_OPTIMAL);
            CHECK(got.state == HAWQ_FOUND_FEASIBLE ||
                  (i && got.folded == best.folded)); /* bnb may be lucky */
            CHECK(got.folded >= best.folded && got.bound <= best.objective);
            CHECK(got.gap >= 0 && got.gap < 0.2);
            CHECK(got.budget[0].used <= got.budget[0].limit);
            hawq_arena_free(&arena);
            hawq_problem_free(p);
        }
}

/* The same by the clock, of every solver that may take long. */
static void honest_when_late(void) {
    static const hawq_solver *const solver[] = {
        &hawq_solver_dp, &hawq_solver_bnb, &hawq_solver_ilp, &hawq_solver_brute,
        &hawq_solver_cross};
    for (uint64_t seed = 0; seed < 6; seed++)
        for (int i = 0; i < 5; i++) {
            int                n = i == 3 ? 11 : i ? 200 : 60;
            hawq_problem      *p = draw_large(seed, n, 4, 2, false);
            hawq_arena         arena = {0};
            hawq_solution      best, got;
            hawq_solve_options now = {.time_limit_s = 1e-9};
            CHECK_OK(hawq_solve(p, &hawq_solver_bnb, NULL, &arena, &best));
            CHECK_OK(hawq_solve(p, solver[i], &now, &arena, &got));
            CHECK(best.state == HAWQ_FOUND_OPTIMAL);
            CHECK(got.state != HAWQ_FOUND_INFEASIBLE);
            CHECK(got.state != HAWQ_FOUND_OPTIMAL ||
                  got.folded == best.folded); /* done before it looked */
            CHECK(got.bound <= best.objective);
            if (got.choice)
                CHECK(got.folded >= best.folded && got.gap >= 0 &&
                      got.budget[0].used <= got.budget[0].limit);
            CHECK(i != 0 || got.state == HAWQ_FOUND_FEASIBLE);
            hawq_arena_free(&arena);
            hawq_problem_free(p);
        }
}

/* --- what is said about budgets --------------------------------------------
 */

/* Two layers of 8 or 4 bits; kinds a and b cost the same, c is free. */
static hawq_problem *twins(double a, double b) {
    static const double      dear[3] = {10, 10, 0}, cheap[3] = {4, 4, 0};
    static const hawq_priced candidate[2] = {{8, 8, 0, dear, NULL},
                                             {4, 8, 1, cheap, NULL}};
    hawq_cost_kind           kind[3];
    hawq_problem            *p;
    for (int k = 0; k < 3; k++)
        kind[k] = (hawq_cost_kind){.name = kinds[k], .unit = 1};
    CHECK_OK(hawq_problem_new(3, kind, &p));
    CHECK_OK(hawq_problem_add(p, "l0", NULL, 0, 2, candidate));
    CHECK_OK(hawq_problem_add(p, "l1", NULL, 0, 2, candidate));
    CHECK_OK(hawq_problem_finish(p));
    CHECK_OK(hawq_problem_budget(p, "a", a));
    CHECK_OK(hawq_problem_budget(p, "b", b));
    return p;
}

static void check_twins(double a, double b, bool a_binds, bool b_binds) {
    for (int i = 0; hawq_solvers[i]; i++) {
        hawq_problem *p = twins(a, b);
        hawq_arena    arena = {0};
        hawq_solution s;
        CHECK_OK(hawq_solve(p, hawq_solvers[i], NULL, &arena, &s));
        CHECK(s.budget[0].binding == a_binds);
        CHECK(s.budget[1].binding == b_binds);
        CHECK(s.budget[0].least == 8 && !s.budget[0].impossible);
        hawq_arena_free(&arena);
        hawq_problem_free(p);
    }
}

static void binding_means_the_optimum_moves(void) {
    check_twins(15, 20, true, false);
    check_twins(20, 15, false, true);
    check_twins(30, 20, false, false);
    check_twins(15, 12, false, true);
    check_twins(15, 15, false, false); /* either alone has the same effect */
}

/* --- ties ------------------------------------------------------------------
 */

/* Weight and activation bits that every exact solver gives to both layers. */
static void check_tie(int n, const hawq_priced *candidate, double limit,
                      int first, int second, int activation_bits) {
    static const hawq_solver *const solver[] = {
        &hawq_solver_dp, &hawq_solver_bnb, &hawq_solver_brute};
    hawq_cost_kind kind = {"a", 1, NULL, 0};
    hawq_problem  *p;
    hawq_arena     arena = {0};
    hawq_solution  s;
    CHECK_OK(hawq_problem_new(1, &kind, &p));
    CHECK_OK(hawq_problem_add(p, "l0", NULL, 0, n, candidate));
    CHECK_OK(hawq_problem_add(p, "l1", NULL, 0, n, candidate));
    CHECK_OK(hawq_problem_finish(p));
    CHECK_OK(hawq_problem_budget(p, "a", limit));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(hawq_solve(p, solver[i], NULL, &arena, &s));
        const hawq_priced *a = hawq_problem_candidate(p, 0, s.choice[0]);
        const hawq_priced *b = hawq_problem_candidate(p, 1, s.choice[1]);
        CHECK(a->weight_bits == first && b->weight_bits == second);
        CHECK(a->activation_bits == activation_bits);
    }
    hawq_arena_free(&arena);
    hawq_problem_free(p);
}

/* Of equal losses the cheaper, of equal costs the one with more bits, and of
 * two exchangeable layers the first gets more. */
static void ties_are_broken_as_documented(void) {
    static const double      c1 = 1, c2 = 2;
    static const hawq_priced cheaper[] = {{8, 8, 3, &c2, NULL},
                                          {4, 8, 3, &c1, NULL}};
    static const hawq_priced same[] = {{4, 8, 3, &c1, NULL},
                                       {8, 4, 3, &c1, NULL},
                                       {8, 8, 3, &c1, NULL},
                                       {2, 8, 3, &c1, NULL}};
    static const hawq_priced trade[] = {{4, 8, 3, &c1, NULL},
                                        {8, 8, 2, &c2, NULL}};
    check_tie(2, cheaper, 100, 4, 4, 8);
    check_tie(4, same, 100, 8, 8, 8);
    check_tie(2, trade, 3, 8, 4, 8);
}

/* --- what is said of the infeasible -----------------------------------------
 */

static void check_text(hawq_problem *p, const char *want) {
    for (int i = 0; hawq_solvers[i]; i++) {
        hawq_arena    arena = {0};
        hawq_solution s;
        CHECK_OK(hawq_solve(p, hawq_solvers[i], NULL, &arena, &s));
        if ((hawq_solvers[i] != &hawq_solver_greedy &&
             hawq_solvers[i] != &hawq_solver_monotone) ||
            s.state == HAWQ_FOUND_INFEASIBLE)
            CHECK(s.state == HAWQ_FOUND_INFEASIBLE &&
                  !strcmp(hawq_infeasible_text(&s, &arena), want));
        CHECK(!s.choice && isnan(s.objective) && isnan(s.budget[0].used));
        hawq_arena_free(&arena);
    }
    hawq_problem_free(p);
}

static void infeasible_says_why(void) {
    static const double      x[3] = {1, 9, 0}, y[3] = {9, 1, 0};
    static const hawq_priced candidate[2] = {{8, 8, 0, x, NULL},
                                             {4, 8, 1, y, NULL}};
    hawq_cost_kind           kind[3] = {
                  {"a", 1, "bytes", 0}, {"b", 1, NULL, 0}, {"c", 1, NULL, 0}};
    hawq_problem *p;
    check_text(twins(7, 100),
               "infeasible: a can be 8 at the least, the budget is 7");
    check_text(twins(7, 3), "infeasible: a can be 8 at the least, the budget "
                            "is 7; b can be 8 at the least, the budget is 3");
    CHECK_OK(hawq_problem_new(3, kind, &p));
    CHECK_OK(hawq_problem_add(p, "l", NULL, 0, 2, candidate));
    CHECK_OK(hawq_problem_finish(p));
    CHECK_OK(hawq_problem_budget(p, "a", 5));
    CHECK_OK(hawq_problem_budget(p, "b", 5));
    check_text(p, "infeasible: each budget can be met alone (a >= 1 bytes, "
                  "b >= 1), but no allocation meets all of them");
}

/* 0.1 + 0.2 + ... rounds above the decimal number a user types. */
static void rounding_breaks_no_budget(void) {
    static const double cost[3] = {0.1, 0.2, 0.3};
    hawq_cost_kind      kind = {"a", 1, NULL, 0};
    hawq_problem       *p;
    hawq_arena          arena = {0};
    hawq_solution       s;
    CHECK_OK(hawq_problem_new(1, &kind, &p));
    for (int l = 0; l < 3; l++) {
        char        name[] = {(char)('x' + l), 0};
        hawq_priced c = {8, 8, 1, &cost[l], NULL};
        CHECK_OK(hawq_problem_add(p, name, NULL, 0, 1, &c));
    }
    CHECK_OK(hawq_problem_finish(p));
    CHECK(0.1 + 0.2 + 0.3 > 0.6);
    CHECK_OK(hawq_problem_budget(p, "a", 0.6));
    for (int i = 0; hawq_solvers[i]; i++) {
        CHECK_OK(hawq_solve(p, hawq_solvers[i], NULL, &arena, &s));
        CHECK(s.choice != NULL);
    }
    hawq_problem_clear_budgets(p);
    CHECK_OK(hawq_problem_budget(p, "a", 0.6 - 1e-14));
    for (int i = 0; hawq_solvers[i]; i++) {
        CHECK_OK(hawq_solve(p, hawq_solvers[i], NULL, &arena, &s));
        CHECK(s.state == HAWQ_FOUND_INFEASIBLE);
    }
    hawq_arena_free(&arena);
    hawq_problem_free(p);
}

static void brute_refuses_the_impossible(void) {
    hawq_problem *p = draw_large(1, 40, 4, 1, false);
    hawq_arena    arena = {0};
    hawq_solution s;
    CHECK_FAILS(hawq_solve(p, &hawq_solver_brute, NULL, &arena, &s),
                HAWQ_EINVAL,
                "solver brute: 1.21e+24 allocations, at most 1.68e+07 can be "
                "tried; use dp or bnb");
    hawq_arena_free(&arena);
    hawq_problem_free(p);
}

/* The k-th request for memory fails: a clean ENOMEM or the right answer. */
static void memory_may_run_out(void) {
    hawq_problem *p = draw_large(1, 60, 4, 1, false);
    for (int i = 0; hawq_solvers[i + 1]; i++) /* all but brute */
        for (long k = 1; k < 12; k++) {
            hawq_arena    arena = {0};
            hawq_solution s;
            hawq_arena_fail_at(k);
            hawq_status status =
                hawq_solve(p, hawq_solvers[i], NULL, &arena, &s);
            hawq_arena_fail_at(0);
            CHECK(status == HAWQ_ENOMEM ||
                  (status == HAWQ_OK && s.choice != NULL) ||
                  hawq_solvers[i] == &hawq_solver_monotone); /* finds none */
            hawq_arena_free(&arena);
        }
    hawq_problem_free(p);
}

int main(void) {
    all_against_brute(0, 600, false);
    all_against_brute(600, 660, true);
    monotone_follows_sensitivity();
    dp_is_bnb();
    honest_when_stopped();
    honest_when_late();
    binding_means_the_optimum_moves();
    ties_are_broken_as_documented();
    infeasible_says_why();
    rounding_breaks_no_budget();
    brute_refuses_the_impossible();
    memory_may_run_out();
    DONE();
}
