/* test_combine.c -- layers that share a width of activations, but choose their
 * weights' themselves.
 *
 * Claim: on random small problems with ties of both kinds, pins, budgets,
 * negative losses and costs that need not fall with the bits, and layers that
 * may be in float, whose inputs then have 8 bits, every exact
 * solver finds what trying all choices of all layers finds, with and without
 * interactions, and also where a group's combinations are so many that
 * dominated ones are left out. Refusals name the group.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/combine.h"
#include "search/solve.h"
#include "src/base/rng.h"
#include "tests/check.h"

enum { LAYERS = 5, CANDIDATES = 8, KINDS = 2, PAIRS = 400 };

/* The problem as it is meant: layers with candidates, and rules. */
typedef struct meant {
    int              n_layers, n_candidates[LAYERS];
    hawq_priced      candidate[LAYERS][CANDIDATES];
    double           cost[LAYERS][CANDIDATES][KINDS];
    bool             same[LAYERS][LAYERS];        /* the same candidate */
    bool             activations[LAYERS][LAYERS]; /* the same activation bits */
    int              pin[LAYERS];                 /* weight bits, or 0 */
    int              n_pairs;
    hawq_interaction pair[PAIRS];
    int              n_budgets;
    double           limit[KINDS];
} meant;

typedef struct draws {
    uint64_t key, i;
} draws;

static int below(draws *d, int n) {
    return (int)hawq_rng_below(d->key, d->i++, (uint64_t)n);
}

/* Multiples of 1/8: sums are exact, ties occur. */
static double eighths(draws *d, int most) {
    return below(d, 8 * most) / 8.0;
}

static void draw_layer(draws *d, meant *m, int l, int n_weights) {
    static const int weights[] = {8, 4, 3, 2}, inputs[] = {8, 4};
    int              n = 0;
    for (int i = 0; i < n_weights; i++)
        for (int j = 0; j < 2; j++) {
            /* not every pair: w2a8 may be there without w2a4 */
            if (n_weights < 4 && i && j && below(d, 4) == 0) continue;
            for (int k = 0; k < KINDS; k++) m->cost[l][n][k] = eighths(d, 5);
            m->candidate[l][n] = (hawq_priced){
                weights[i], inputs[j], eighths(d, 6) - 1, m->cost[l][n], NULL};
            n++;
        }
    if (n < CANDIDATES && below(d, 2)) {
        for (int k = 0; k < KINDS; k++) m->cost[l][n][k] = eighths(d, 5);
        m->candidate[l][n] =
            (hawq_priced){32, 32, eighths(d, 6) - 1, m->cost[l][n], NULL};
        n++;
    }
    m->n_candidates[l] = n;
}

static void copy_widths(draws *d, meant *m, int from, int to) {
    m->n_candidates[to] = m->n_candidates[from];
    for (int c = 0; c < m->n_candidates[from]; c++) {
        m->candidate[to][c] = m->candidate[from][c];
        for (int k = 0; k < KINDS; k++) m->cost[to][c][k] = eighths(d, 5);
        m->candidate[to][c].cost = m->cost[to][c];
        m->candidate[to][c].loss = eighths(d, 6) - 1;
    }
}

static void draw(draws *d, meant *m, int n_layers, int n_weights, bool pairs) {
    memset(m, 0, sizeof *m);
    m->n_layers = n_layers;
    for (int l = 0; l < n_layers; l++) {
        draw_layer(d, m, l, n_weights);
        int other = l ? below(d, l) : 0;
        if (l && n_weights == 4) {
            m->activations[0][l] = true; /* one large group */
        } else if (l && below(d, 4) == 0) {
            copy_widths(d, m, other, l);
            m->same[other][l] = true;
        } else if (l && below(d, 3)) {
            m->activations[other][l] = true;
        }
        if (below(d, 6) == 0)
            m->pin[l] =
                m->candidate[l][below(d, m->n_candidates[l])].weight_bits;
    }
    for (int i = 0; pairs && i < n_layers; i++)
        for (int j = i + 1; j < n_layers; j++)
            for (int a = 0; a < m->n_candidates[i]; a++)
                for (int b = 0; b < m->n_candidates[j]; b++)
                    if (below(d, 2) && m->n_pairs < PAIRS)
                        m->pair[m->n_pairs++] =
                            (hawq_interaction){i, a, j, b, eighths(d, 2) - 1};
    m->n_budgets = 1 + below(d, KINDS);
    for (int k = 0; k < m->n_budgets; k++)
        m->limit[k] = eighths(d, 3 * n_layers);
}

/* --- by trying everything ------------------------------------------------- */

/* Of the tensor read: 8 where the layer is in float. */
static int input_bits(const hawq_priced *c) {
    return c->activation_bits == 32 ? 8 : c->activation_bits;
}

static bool obeys(const meant *m, const int *x) {
    double sum[KINDS] = {0};
    for (int l = 0; l < m->n_layers; l++) {
        const hawq_priced *c = &m->candidate[l][x[l]];
        if (m->pin[l] && m->pin[l] != c->weight_bits) return false;
        for (int k = 0; k < KINDS; k++) sum[k] += c->cost[k];
        for (int j = 0; j < m->n_layers; j++) {
            if (m->same[l][j] && x[l] != x[j]) return false;
            if (m->activations[l][j] &&
                input_bits(&m->candidate[j][x[j]]) != input_bits(c))
                return false;
        }
    }
    for (int k = 0; k < m->n_budgets; k++)
        if (sum[k] > m->limit[k]) return false;
    return true;
}

static double objective(const meant *m, const int *x) {
    double sum = 0;
    for (int l = 0; l < m->n_layers; l++) sum += m->candidate[l][x[l]].loss;
    for (int i = 0; i < m->n_pairs; i++)
        if (x[m->pair[i].layer_i] == m->pair[i].candidate_a &&
            x[m->pair[i].layer_j] == m->pair[i].candidate_b)
            sum += m->pair[i].value;
    return sum;
}

static bool next(const meant *m, int *x) {
    for (int l = 0; l < m->n_layers; l++) {
        if (++x[l] < m->n_candidates[l]) return true;
        x[l] = 0;
    }
    return false;
}

/* INFINITY if nothing obeys. */
static double least(const meant *m) {
    int    x[LAYERS] = {0};
    double best = INFINITY;
    do {
        if (obeys(m, x)) best = fmin(best, objective(m, x));
    } while (next(m, x));
    return best;
}

/* --- by the library ------------------------------------------------------- */

static const char *const name[LAYERS] = {"l0", "l1", "l2", "l3", "l4"};

static hawq_status build(const meant *m, hawq_problem **out) {
    static const hawq_cost_kind kind[KINDS] = {{"a", 1, NULL, 0},
                                               {"b", 1, NULL, 0}};
    hawq_problem               *p;
    CHECK_OK(hawq_problem_new(KINDS, kind, out));
    p = *out;
    for (int l = 0; l < m->n_layers; l++)
        CHECK_OK(hawq_problem_add(p, name[l], NULL, 1, m->n_candidates[l],
                                  m->candidate[l]));
    for (int i = 0; i < m->n_layers; i++)
        for (int j = 0; j < m->n_layers; j++) {
            const char *two[] = {name[i], name[j]};
            if (m->same[i][j]) CHECK_OK(hawq_problem_tie(p, 2, two, "same"));
            if (m->activations[i][j])
                CHECK_OK(hawq_problem_tie_activations(p, 2, two, "one tensor"));
        }
    for (int i = 0; i < m->n_pairs; i++)
        CHECK_OK(hawq_problem_interact(
            p, m->pair[i].layer_i, m->pair[i].candidate_a, m->pair[i].layer_j,
            m->pair[i].candidate_b, m->pair[i].value));
    for (int l = 0; l < m->n_layers; l++)
        if (m->pin[l])
            CHECK_OK(hawq_problem_pin(p, name[l], m->pin[l], HAWQ_PIN_BY_NAME));
    HAWQ_TRY(hawq_problem_finish(p));
    for (int k = 0; k < m->n_budgets; k++)
        CHECK_OK(hawq_problem_budget(p, kind[k].name, m->limit[k]));
    return HAWQ_OK;
}

static void check_solver(const meant *m, const hawq_problem *p,
                         const hawq_solver *solver, double want) {
    hawq_arena    arena = {0};
    hawq_solution s;
    int           x[LAYERS];
    CHECK_OK(hawq_solve(p, solver, NULL, &arena, &s));
    if (isinf(want)) {
        CHECK(s.state == HAWQ_FOUND_INFEASIBLE);
    } else if (CHECK(s.state == HAWQ_FOUND_OPTIMAL)) {
        for (int l = 0; l < m->n_layers; l++)
            x[l] = (int)(hawq_problem_candidate(
                             p, l, s.choice[p->layer[l].in_group]) -
                         p->layer[l].candidate);
        CHECK(obeys(m, x));
        CHECK_NEAR(s.objective, want, 1e-9);
        CHECK_NEAR(objective(m, x), want, 1e-9);
    }
    hawq_arena_free(&arena);
}

/* A pin, or the ties of layers that do not have all pairs, may leave a group
 * nothing: a refusal, if nothing is right. */
static void check_problem(const meant *m) {
    hawq_problem *p;
    double        want = least(m);
    if (build(m, &p) == HAWQ_OK) {
        if (m->n_pairs) {
            check_solver(m, p, &hawq_solver_cross, want);
        } else {
            check_solver(m, p, &hawq_solver_dp, want);
            check_solver(m, p, &hawq_solver_bnb, want);
        }
    } else {
        CHECK(isinf(want));
        CHECK(strstr(hawq_message(), "contradicts") ||
              strstr(hawq_message(), "have none in common"));
    }
    hawq_problem_free(p);
}

static void as_without_groups(bool pairs, int n) {
    static meant m;
    int          feasible = 0;
    for (int i = 0; i < n; i++) {
        draws d = {hawq_rng_key(11, pairs, (uint64_t)i, 0), 0};
        draw(&d, &m, 2 + below(&d, LAYERS - 2), 3, pairs);
        feasible += !isinf(least(&m));
        check_problem(&m);
    }
    CHECK(feasible > n / 3);
}

/* 4^5 combinations at each of two widths: some are left out. */
static void the_dominated_may_be_left_out(void) {
    static meant  m;
    hawq_problem *p;
    for (int i = 0; i < 20; i++) {
        draws d = {hawq_rng_key(12, (uint64_t)i, 0, 0), 0};
        draw(&d, &m, LAYERS, 4, false);
        for (int l = 0; l < LAYERS && i; l++)
            m.pin[l] = i % 2 && l == 3 ? 3 : 0;
        check_problem(&m);
        if (build(&m, &p) == HAWQ_OK && !i)
            CHECK(p->group[0].n_candidates < 2 * 4 * 4 * 4 * 4 * 4);
        hawq_problem_free(p);
    }
}

/* --- refusals and reports ------------------------------------------------- */

/* n layers with k widths of weights at each of `inputs`, tied in activations.
 */
static hawq_status many(int n, int k, int inputs, bool interact) {
    static const char *const layer[] = {"a", "b", "c", "d", "e", "f",
                                        "g", "h", "i", "j", "k", "l"};
    hawq_cost_kind           kind[2] = {{"x", 1, NULL, 0}, {"y", 1, NULL, 0}};
    hawq_problem            *p;
    hawq_status              status;
    CHECK_OK(hawq_problem_new(2, kind, &p));
    for (int l = 0; l < n; l++) {
        hawq_priced c[32];
        double      cost[32][2];
        for (int i = 0; i < k; i++) {
            cost[i][0] = pow(3, l) * i;
            cost[i][1] = pow(2, l) * (k - i) + sin(l * k + i);
            c[i] = (hawq_priced){8 - i, inputs, sin(l + 7 * i), cost[i], NULL};
        }
        CHECK_OK(hawq_problem_add(p, layer[l], NULL, 1, k, c));
    }
    CHECK_OK(hawq_problem_tie_activations(p, n, layer, "one tensor"));
    if (interact) CHECK_OK(hawq_problem_interact(p, 0, 0, 1, 0, 1));
    status = hawq_problem_finish(p);
    hawq_problem_free(p);
    return status;
}

static void refusals(void) {
    hawq_problem *p;
    CHECK_OK(many(4, 4, 8, true));
    CHECK_FAILS(many(5, 4, 8, true), HAWQ_EINVAL,
                "the weight bits of the 5 layers that share an activation width"
                " with 'a' (one tensor) can be combined in more than 256 ways, "
                "none of which may be left out");
    CHECK_FAILS(many(12, 4, 8, false), HAWQ_EINVAL,
                "the 12 layers that share an activation width with 'a' (one "
                "tensor) can be combined in more than 4096 ways; tie some");
    const hawq_cost_kind kind = {"x", 1, NULL, 0};
    const double         cost = 1;
    const char *const    two[] = {"a", "b"};
    CHECK_OK(hawq_problem_new(1, &kind, &p));
    for (int l = 0; l < 2; l++)
        CHECK_OK(
            hawq_problem_add(p, two[l], NULL, 1, 1,
                             &(hawq_priced){8, l ? 4 : 8, 0, &cost, NULL}));
    CHECK_OK(hawq_problem_tie_activations(p, 2, two, "one tensor"));
    CHECK_FAILS(hawq_problem_finish(p), HAWQ_EFORMAT,
                "the layers of group 'a' (one tensor) share the width of their "
                "activations, but have none in common");
    hawq_problem_free(p);
}

/* Five layers that share a width, 4^5 combinations. All are pinned to 2 bits by
 * a pattern, one by its name to 8: the only one left costs more and loses more
 * than those at 4 bits, which no pin leaves. */
static void pins_of_rank_keep_what_they_leave(void) {
    static const char *const name[] = {"a", "b", "c", "d", "e"};
    const hawq_cost_kind     kind = {"x", 1, NULL, 0};
    const double             cost[] = {8, 1, 3, 2};
    static const int         bits[] = {8, 4, 3, 2};
    hawq_problem            *p;
    hawq_solution            found;
    hawq_arena               arena = {0};
    CHECK_OK(hawq_problem_new(1, &kind, &p));
    for (int l = 0; l < 5; l++) {
        hawq_priced c[4];
        for (int i = 0; i < 4; i++)
            c[i] = (hawq_priced){bits[i], 8, cost[i], &cost[i], NULL};
        CHECK_OK(hawq_problem_add(p, name[l], NULL, 1, 4, c));
    }
    CHECK_OK(hawq_problem_tie_activations(p, 5, name, "one tensor"));
    CHECK_OK(hawq_problem_pin(p, "a", 8, HAWQ_PIN_BY_NAME));
    for (int l = 0; l < 5; l++) CHECK_OK(hawq_problem_pin(p, name[l], 2, 1));
    if (CHECK_OK(hawq_problem_finish(p)) &&
        CHECK_OK(hawq_solve(p, NULL, &(hawq_solve_options){0}, &arena, &found)))
        for (int l = 0; l < 5; l++)
            CHECK(hawq_problem_candidate(p, l, found.choice[0])->weight_bits ==
                  (l ? 2 : 8));
    hawq_arena_free(&arena);
    hawq_problem_free(p);
}

int main(void) {
    pins_of_rank_keep_what_they_leave();
    as_without_groups(false, 400);
    as_without_groups(true, 150);
    the_dominated_may_be_left_out();
    refusals();
    DONE();
}
