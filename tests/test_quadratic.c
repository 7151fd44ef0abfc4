/* test_quadratic.c -- interactions of layers against every allocation written
 * out.
 *
 * Claim: on random problems with interactions of any sign, none to three
 * budgets, groups and pins, solver `cross` finds what brute force finds, to
 * 1e-12 of the sizes of the terms, and to the last bit where all numbers are
 * whole; what it says of budgets holds; stopped early it still tells the
 * truth. Interactions that are zero change nothing at all. The objective is
 * what the list of interactions says, layer by layer. Files say the same as
 * calls, and what is wrong in them is refused.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/pareto.h"
#include "search/problem_json.h"
#include "search/records.h"
#include "src/base/rng.h"
#include "tests/check.h"
#include "tests/next_steps.h"

#include <unistd.h>

enum { WHOLE, REAL, STRONG, SPARSE, ZERO, HUGE_RANGE, N_CLASSES };

typedef struct draws {
    uint64_t key, i;
} draws;

static double uniform(draws *d) {
    return hawq_rng_uniform(d->key, d->i++);
}

static int below(draws *d, int n) {
    return (int)hawq_rng_below(d->key, d->i++, (uint64_t)n);
}

static double draw_value(draws *d, int class) {
    switch (class) {
    case WHOLE:
        return below(d, 9) - 4;
    case STRONG:
        return 6 * uniform(d) - 3;
    case SPARSE:
        return below(d, 4) ? 0 : 2 * uniform(d) - 1;
    case ZERO:
        return 0;
    case HUGE_RANGE:
        return (below(d, 2) ? 1 : -1) * pow(10, 20 * uniform(d) - 10);
    default:
        return uniform(d) - 0.5;
    }
}

static double draw_loss(draws *d, int class) {
    if (class == WHOLE) return below(d, 6);
    if (class == HUGE_RANGE) return pow(10, 20 * uniform(d) - 10);
    return uniform(d);
}

static const char *const kinds[] = {"a", "b", "c"};

static hawq_problem *draw_layers(draws *d, int class, int n_layers, int n,
                                 bool with) {
    hawq_cost_kind kind[3];
    hawq_problem  *p;
    for (int k = 0; k < 3; k++)
        kind[k] = (hawq_cost_kind){.name = kinds[k], .unit = 1};
    CHECK_OK(hawq_problem_new(3, kind, &p));
    for (int l = 0; l < n_layers; l++) {
        char        name[16], group[16];
        double      cost[4][3];
        hawq_priced candidate[4];
        snprintf(name, sizeof name, "l%d", l);
        snprintf(group, sizeof group, "g%d", below(d, n_layers));
        bool grouped = below(d, 4) == 0;
        for (int c = 0; c < n; c++) { /* rising bits: the groups reorder */
            for (int k = 0; k < 3; k++)
                cost[c][k] = class == WHOLE ? below(d, 5) : uniform(d);
            candidate[c] =
                (hawq_priced){2 + c, 8, draw_loss(d, class), cost[c], NULL};
        }
        CHECK_OK(hawq_problem_add(p, name, grouped ? group : NULL, 10, n,
                                  candidate));
    }
    for (int i = 0; i < n_layers; i++)
        for (int j = i + 1; j < n_layers; j++)
            for (int c = 0; c < n * n; c++) {
                double value = draw_value(d, class);
                if (!with || (class == SPARSE && value == 0)) continue;
                CHECK_OK(hawq_problem_interact(p, j, c % n, i, c / n, value));
            }
    if (below(d, 4) == 0)
        CHECK_OK(hawq_problem_pin(p, "l0", 2 + below(d, n), HAWQ_PIN_BY_NAME));
    CHECK_OK(hawq_problem_finish(p));
    return p;
}

static double draw_limit(draws *d, const hawq_problem *p, int kind) {
    int choice[64];
    for (int g = 0; g < p->n_groups; g++)
        choice[g] = below(d, p->group[g].n_candidates);
    double sum = hawq_problem_sum(p, kind, choice);
    return below(d, 2) ? sum : sum * (0.5 + uniform(d));
}

static hawq_problem *draw_problem(uint64_t seed, int class, int n_layers, int n,
                                  int n_budgets, bool with) {
    draws d = {hawq_rng_key(seed, (uint64_t) class, (uint64_t)n_budgets, 5), 0};
    hawq_problem *p = draw_layers(&d, class, n_layers, n, with);
    for (int b = 0; b < n_budgets; b++)
        CHECK_OK(hawq_problem_budget(p, kinds[b], draw_limit(&d, p, b)));
    return p;
}

/* Sum of the sizes of all terms that an allocation could have. */
static double size_of(const hawq_problem *p) {
    double sum = 0;
    for (int l = 0; l < p->n_layers; l++)
        for (int c = 0; c < p->layer[l].n_candidates; c++)
            sum += fabs(p->layer[l].candidate[c].loss);
    for (int i = 0; i < p->n_interactions; i++)
        sum += fabs(p->interaction[i].value);
    return sum;
}

/* --- against brute force -------------------------------------------------- */

/* Is every allocation without budget b, others kept, at least this much? */
static bool binds(const hawq_problem *p, int b, double objective,
                  double tolerance) {
    hawq_problem  without = *p;
    hawq_budget   rest[3];
    hawq_arena    arena = {0};
    hawq_solution s;
    without.n_budgets = 0;
    without.budget = rest;
    for (int i = 0; i < p->n_budgets; i++)
        if (i != b) rest[without.n_budgets++] = p->budget[i];
    CHECK_OK(hawq_solve(&without, &hawq_solver_brute, NULL, &arena, &s));
    bool lower = s.objective < objective - tolerance;
    hawq_arena_free(&arena);
    return lower;
}

static void check_cross(const hawq_problem *p, int class, int seed) {
    hawq_arena    arena = {0};
    hawq_solution want, got;
    double        tolerance = class == WHOLE ? 0 : 1e-12 * size_of(p);
    CHECK_OK(hawq_solve(p, &hawq_solver_brute, NULL, &arena, &want));
    CHECK_OK(hawq_solve(p, &hawq_solver_cross, NULL, &arena, &got));
    bool ok = got.state == want.state;
    if (ok && want.choice) {
        ok = fabs(got.objective - want.objective) <= tolerance &&
             got.bound == got.objective && got.gap == 0 &&
             got.objective == hawq_problem_sum(p, -1, got.choice);
        for (int b = 0; b < p->n_budgets; b++) {
            ok &= got.budget[b].used <= got.budget[b].limit * (1 + 1e-14);
            ok &= got.budget[b].price >= 0;
            if (class == WHOLE)
                ok &=
                    got.budget[b].binding == binds(p, b, want.objective, 1e-9);
        }
    }
    CHECK(ok);
    if (!ok)
        printf("    seed %d, class %d, %d budgets: %s %.17g, expected %s "
               "%.17g\n",
               seed, class, p->n_budgets, hawq_found_text(got.state),
               got.objective, hawq_found_text(want.state), want.objective);
    hawq_arena_free(&arena);
}

static void all_against_brute(void) {
    for (int seed = 0; seed < 500; seed++)
        for (int class = 0; class < N_CLASSES; class ++) {
            hawq_problem *p =
                draw_problem((uint64_t)seed, class, 1 + seed % 6,
                             1 + seed / 6 % 4, seed / 24 % 4, true);
            check_cross(p, class, seed);
            hawq_problem_free(p);
        }
}

/* Where all numbers are whole the steps are exact; elsewhere a better one by
 * less than rounding may hide. */
static void next_steps_are_brute_force(void) {
    for (int seed = 0; seed < 120; seed++)
        for (int class = WHOLE; class <= SPARSE; class ++) {
            hawq_problem *p =
                draw_problem((uint64_t)seed, class, 1 + seed % 6,
                             1 + seed / 6 % 3, 1 + seed / 24 % 3, true);
            hawq_arena    arena = {0};
            hawq_solution found;
            CHECK_OK(hawq_solve(p, &hawq_solver_cross, NULL, &arena, &found));
            check_next_steps(p, &found, 1e-9 * size_of(p));
            hawq_arena_free(&arena);
            hawq_problem_free(p);
        }
}

/* Out of time: what is said to help does. */
static void next_steps_are_honest(void) {
    for (uint64_t seed = 0; seed < 8; seed++) {
        hawq_problem      *p = draw_problem(seed, STRONG, 14, 3, 2, true);
        hawq_arena         arena = {0};
        hawq_solution      found, more;
        hawq_next_step     step;
        hawq_solve_options few = {.time_limit_s = 0.05};
        double             limit[2];
        CHECK_OK(hawq_solve(p, NULL, NULL, &arena, &found));
        for (int b = 0; found.choice && b < 2; b++) {
            CHECK_OK(hawq_solve_next(p, &few, &found, b, &step));
            if (!step.known || !step.exists) continue;
            for (int i = 0; i < 2; i++) limit[i] = p->budget[i].limit;
            limit[b] = step.limit;
            hawq_problem_clear_budgets(p);
            for (int i = 0; i < 2; i++)
                CHECK_OK(hawq_problem_budget(p, kinds[i], limit[i]));
            CHECK_OK(hawq_solve(p, NULL, NULL, &arena, &more));
            CHECK(more.objective < found.objective);
            CHECK(more.objective <= step.objective + 1e-9);
            hawq_problem_clear_budgets(p);
            for (int i = 0; i < 2; i++)
                CHECK_OK(
                    hawq_problem_budget(p, kinds[i], found.budget[i].limit));
        }
        hawq_arena_free(&arena);
        hawq_problem_free(p);
    }
}

/* The objective, from the list alone: no groups, no tables. */
static void the_objective_is_the_list(void) {
    for (uint64_t seed = 0; seed < 100; seed++) {
        hawq_problem *p = draw_problem(seed, WHOLE, 5, 3, 0, true);
        hawq_arena    arena = {0};
        hawq_solution s;
        double        sum = 0;
        CHECK_OK(hawq_solve(p, NULL, NULL, &arena, &s));
        CHECK(s.solver == &hawq_solver_cross);
        for (int l = 0; l < p->n_layers; l++)
            sum += hawq_problem_candidate(p, l, s.choice[p->layer[l].in_group])
                       ->loss;
        for (int i = 0; i < p->n_interactions; i++) {
            const hawq_interaction *x = &p->interaction[i];
            int                     g = p->layer[x->layer_i].in_group;
            int                     h = p->layer[x->layer_j].in_group;
            if (hawq_problem_candidate(p, x->layer_i, s.choice[g]) ==
                    &p->layer[x->layer_i].candidate[x->candidate_a] &&
                hawq_problem_candidate(p, x->layer_j, s.choice[h]) ==
                    &p->layer[x->layer_j].candidate[x->candidate_b])
                sum += x->value;
        }
        CHECK(sum == s.objective && sum == s.folded);
        hawq_arena_free(&arena);
        hawq_problem_free(p);
    }
}

static void zero_changes_nothing(void) {
    for (uint64_t seed = 0; seed < 100; seed++) {
        int           n_budgets = (int)(seed % 4);
        hawq_problem *zero = draw_problem(seed, ZERO, 6, 4, n_budgets, true);
        hawq_problem *none = draw_problem(seed, ZERO, 6, 4, n_budgets, false);
        hawq_arena    arena = {0};
        hawq_solution a, b;
        CHECK(zero->n_interactions > 0 && none->n_interactions == 0);
        CHECK_OK(hawq_solve(zero, &hawq_solver_cross, NULL, &arena, &a));
        CHECK_OK(hawq_solve(none, &hawq_solver_bnb, NULL, &arena, &b));
        CHECK(a.state == b.state);
        if (a.choice && b.choice) {
            CHECK(a.objective == b.objective && a.folded == b.folded);
            for (int g = 0; g < zero->n_groups; g++)
                CHECK(a.choice[g] == b.choice[g]);
        }
        hawq_arena_free(&arena);
        hawq_problem_free(zero);
        hawq_problem_free(none);
    }
}

/* --- larger problems ------------------------------------------------------ */

/* Without time: an allocation within the budgets, a bound that the optimum
 * respects, and no claim of a proof unless there is one. */
static void honest_when_stopped(void) {
    for (uint64_t seed = 0; seed < 8; seed++) {
        hawq_problem      *p = draw_problem(seed, STRONG, 14, 3, 2, true);
        hawq_arena         arena = {0};
        hawq_solution      best, got;
        hawq_solve_options none = {.time_limit_s = 1e-9};
        CHECK_OK(hawq_solve(p, NULL, NULL, &arena, &best));
        CHECK_OK(hawq_solve(p, NULL, &none, &arena, &got));
        CHECK(best.state == HAWQ_FOUND_OPTIMAL ||
              best.state == HAWQ_FOUND_INFEASIBLE);
        if (best.choice && got.choice) {
            CHECK(got.objective >= best.objective - 1e-9);
            CHECK(got.bound <= best.objective + 1e-9);
            CHECK(isfinite(got.bound) && got.gap >= 0);
        }
        hawq_arena_free(&arena);
        hawq_problem_free(p);
    }
}

/* Twenty layers with four widths are proven, and no second start finds better.
 */
static void twenty_by_four(void) {
    for (uint64_t seed = 0; seed < 4; seed++) {
        hawq_problem *p = draw_problem(seed, seed % 2 ? REAL : STRONG, 20, 4,
                                       (int)(seed % 3), true);
        hawq_arena    arena = {0};
        hawq_solution s;
        CHECK_OK(hawq_solve(p, NULL, NULL, &arena, &s));
        CHECK(s.state == HAWQ_FOUND_OPTIMAL ||
              s.state == HAWQ_FOUND_INFEASIBLE);
        hawq_arena_free(&arena);
        hawq_problem_free(p);
    }
}

/* --- fronts --------------------------------------------------------------- */

static void steps_are_optima(void) {
    for (uint64_t seed = 0; seed < 30; seed++) {
        hawq_problem *p = draw_problem(seed, REAL, 5, 3, 0, true);
        hawq_arena    arena = {0};
        hawq_pareto   front;
        hawq_solution s;
        double        gap = NAN;
        CHECK_FAILS(hawq_pareto_front(p, "a", 0, &arena, &front), HAWQ_EINVAL,
                    "the front of 'a': with interactions");
        CHECK_OK(hawq_pareto_steps(p, "a", 12, NULL, &arena, &front, &gap));
        CHECK(front.n >= 1 && front.n <= 12 && gap == 0);
        for (int i = 0; i < front.n; i++) {
            const hawq_pareto_point *q = &front.point[i];
            hawq_problem_clear_budgets(p);
            CHECK_OK(hawq_problem_budget(p, "a", q->cost));
            CHECK_OK(hawq_solve(p, &hawq_solver_brute, NULL, &arena, &s));
            CHECK_NEAR(q->objective, s.objective, 1e-12);
            if (i)
                CHECK(q->cost > q[-1].cost && q->objective < q[-1].objective);
        }
        hawq_problem_clear_budgets(p);
        CHECK_OK(hawq_solve(p, &hawq_solver_brute, NULL, &arena, &s));
        CHECK_NEAR(front.point[front.n - 1].objective, s.objective, 1e-12);
        hawq_arena_free(&arena);
        hawq_problem_free(p);
    }
}

/* --- files and records ---------------------------------------------------- */

#define LAYERS                                                                 \
    "{\"layers\":[{\"name\":\"x\",\"candidates\":[" CANDIDATE(                 \
        8, 0) "," CANDIDATE(4, 1) "]},{\"name\":\"y\",\"candidates\":"         \
                                  "[" CANDIDATE(8, 0) "," CANDIDATE(           \
                                      4, 1) "]}],"                             \
                                            "\"interacti"                      \
                                            "ons\":"
#define CANDIDATE(bits, loss)                                                  \
    "{\"weight_bits\":" #bits ",\"activation_bits\":8,\"loss\":" #loss         \
    ",\"cost\":{\"a\":" #bits "}}"

static void refused(const char *list, const char *message) {
    char          text[1024];
    hawq_problem *p = NULL;
    snprintf(text, sizeof text, LAYERS "%s}", list);
    hawq_status status = hawq_problem_parse("f", text, strlen(text), &p);
    if (status == HAWQ_OK) {
        status = hawq_problem_finish(p);
        hawq_problem_free(p);
    }
    CHECK(status == HAWQ_EFORMAT);
    if (!CHECK(strstr(hawq_message(), message) != NULL))
        printf("    %s\n", hawq_message());
}

static void files_are_checked(void) {
    refused("3", "f: \"interactions\" is not a list");
    refused("[[0,0,1,0]]", "f: interaction 0 is not [layer, candidate, layer, "
                           "candidate, value]");
    refused("[[0,0,\"z\",0,1]]", "f: interaction 0: there is no layer 'z'");
    refused("[[0,0,2,0,1]]", "f: interaction 0: a layer is neither a name nor "
                             "a whole number in 0 ... 1");
    refused("[[0,2,1,0,1]]", "f: interaction 0: a candidate of layer 'x' is "
                             "not a whole number in 0 ... 1");
    refused("[[0,0,1,0,\"1\"]]", "f: interaction 0: the value is not a number");
    refused("[[0,0,\"x\",1,1]]", "f: interaction 0: interaction: layer 'x' "
                                 "with itself");
    refused("[[0,0,1,1,1],[1,1,0,0,1]]",
            "interaction: layers 'x' and 'y', candidates 0 and 1, come twice");
}

/* x and y at 4 bits cancel: alone each costs 1, together nothing. */
static void a_file(void) {
    static const char text[] = LAYERS "[[\"y\",1,0,1,-2]]}";
    const char       *directory = getenv("TMPDIR");
    char              path[256];
    hawq_problem     *p, *again;
    hawq_arena        arena = {0};
    hawq_solution     s;
    snprintf(path, sizeof path, "%s/hawq_quadratic_%ld.json",
             directory ? directory : "/tmp", (long)getpid());
    CHECK_OK(hawq_problem_parse("f", text, sizeof text - 1, &p));
    CHECK_OK(hawq_problem_finish(p));
    CHECK_OK(hawq_problem_budget(p, "a", 12));
    CHECK_OK(hawq_solve(p, NULL, NULL, &arena, &s));
    CHECK(s.state == HAWQ_FOUND_OPTIMAL && s.objective == 0);
    CHECK(s.choice[0] == 1 && s.choice[1] == 1);
    CHECK_FAILS(hawq_solve(p, &hawq_solver_dp, NULL, &arena, &s), HAWQ_EINVAL,
                "solver dp: it cannot minimise interactions");
    CHECK_OK(hawq_problem_write(path, p, &s));
    CHECK_OK(hawq_problem_read(path, &again));
    CHECK_OK(hawq_problem_finish(again));
    CHECK(again->n_interactions == 1 && again->interaction[0].value == -2);
    CHECK_OK(hawq_solve(again, NULL, NULL, &arena, &s));
    CHECK(s.objective == 0);
    hawq_arena_free(&arena);
    hawq_problem_free(again);
    hawq_problem_free(p);
    unlink(path);
}

static void from_records(void) {
    static const hawq_interaction_record record[] = {
        {0, 4, 1, 4, -2, NULL, NULL}, {0, 2, 1, 4, 9, NULL, NULL}};
    static const hawq_interaction_record far[] = {{0, 4, 7, 4, 1, NULL, NULL}};
    hawq_problem                        *p;
    static const char                    text[] = LAYERS "[]}";
    CHECK_OK(hawq_problem_parse("f", text, sizeof text - 1, &p));
    CHECK_OK(hawq_problem_interact_records(p, 2, record)); /* no 2 bits */
    CHECK(p->n_interactions == 1 && p->interaction[0].candidate_a == 1);
    CHECK_FAILS(hawq_problem_interact(p, 0, 0, 1, 0, NAN), HAWQ_ENONFINITE,
                "the value is not finite");
    CHECK_FAILS(hawq_problem_interact_records(p, 1, far), HAWQ_EFORMAT,
                "interaction 0: layers 0 and 7; the problem has 2");
    hawq_problem_free(p);
}

/* The k-th request for memory fails: a clean ENOMEM or the right answer. */
static void memory_may_run_out(void) {
    hawq_problem *p = draw_problem(3, STRONG, 8, 3, 1, true);
    for (long k = 1; k < 30; k++) {
        hawq_arena    arena = {0};
        hawq_solution s;
        hawq_arena_fail_at(k);
        hawq_status status = hawq_solve(p, NULL, NULL, &arena, &s);
        hawq_arena_fail_at(0);
        CHECK(status == HAWQ_ENOMEM || status == HAWQ_OK);
        hawq_arena_free(&arena);
    }
    hawq_problem_free(p);
}

int main(void) {
    all_against_brute();
    next_steps_are_brute_force();
    next_steps_are_honest();
    the_objective_is_the_list();
    zero_changes_nothing();
    honest_when_stopped();
    twenty_by_four();
    steps_are_optima();
    files_are_checked();
    a_file();
    from_records();
    memory_may_run_out();
    DONE();
}
