/* test_pareto.c -- the front against every allocation written out.
 *
 * Claim: the front has exactly the points that no allocation beats in both
 * cost and loss, from the cheapest to the best, each with an allocation that
 * has these sums; budgets restrict it to what they allow; and the solution at
 * a budget of any point's cost is that point. The same with two costs and the
 * loss.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/pareto.h"
#include "search/problem_json.h"
#include "src/base/rng.h"
#include "tests/check.h"

enum { MOST_LAYERS = 5, MOST_CANDIDATES = 4, MOST_POINTS = 1024 };

typedef struct point {
    double cost, loss;
} point;

/* kind: 0 whole numbers with many ties, 1 reals, 2 from 1e-30 to 1e30 */
static double draw(uint64_t key, uint64_t *i, int kind) {
    if (kind == 0) return (double)hawq_rng_below(key, (*i)++, 6);
    double u = hawq_rng_uniform(key, (*i)++);
    return kind == 1 ? u : pow(10, 60 * u - 30);
}

static hawq_problem *draw_problem(uint64_t seed, int kind) {
    static const hawq_cost_kind kinds[2] = {{"time", 1, NULL, 0},
                                            {"size", 4, NULL, 0}};
    uint64_t      key = hawq_rng_key(seed, (uint64_t)kind, 0, 0), i = 0;
    int           n_layers = 1 + (int)hawq_rng_below(key, i++, MOST_LAYERS);
    int           n = 1 + (int)hawq_rng_below(key, i++, MOST_CANDIDATES);
    hawq_problem *p;
    CHECK_OK(hawq_problem_new(2, kinds, &p));
    for (int l = 0; l < n_layers; l++) {
        char        name[16];
        double      cost[MOST_CANDIDATES][2];
        hawq_priced candidate[MOST_CANDIDATES];
        snprintf(name, sizeof name, "l%d", l);
        for (int c = 0; c < n; c++) {
            cost[c][0] = draw(key, &i, kind);
            cost[c][1] = draw(key, &i, kind);
            candidate[c] =
                (hawq_priced){c + 1, 8, draw(key, &i, kind), cost[c], NULL};
        }
        CHECK_OK(
            hawq_problem_add(p, name, l == 3 ? "l1" : NULL, 0, n, candidate));
    }
    CHECK_OK(hawq_problem_finish(p));
    return p;
}

/* Sums of every allocation that costs at most `limit` of the other kind. */
static int enumerate(const hawq_problem *p, int kind, double limit,
                     point *out) {
    int choice[MOST_LAYERS] = {0}, n = 0, g;
    do {
        if (hawq_problem_sum(p, 1 - kind, choice) <= limit)
            out[n++] = (point){hawq_problem_sum(p, kind, choice),
                               hawq_problem_sum(p, -1, choice)};
        for (g = 0; g < p->n_groups; g++) {
            if (++choice[g] < p->group[g].n_candidates) break;
            choice[g] = 0;
        }
    } while (g < p->n_groups);
    return n;
}

static bool beats(const point *a, const point *b) {
    return a->cost <= b->cost && a->loss <= b->loss &&
           (a->cost < b->cost || a->loss < b->loss);
}

/* Keeps what nothing beats; equal points once. */
static int only_best(const point *all, int n, point *out) {
    int kept = 0;
    for (int i = 0; i < n; i++) {
        bool keep = true;
        for (int j = 0; j < n && keep; j++)
            keep = !beats(&all[j], &all[i]) &&
                   (j >= i || all[j].cost != all[i].cost ||
                    all[j].loss != all[i].loss);
        if (keep) out[kept++] = all[i];
    }
    return kept;
}

static bool near(double a, double b) {
    return fabs(a - b) <= 1e-14 * fabs(a);
}

/* Is a point of the front as good in both, but for rounding? */
static bool covered(const hawq_pareto *front, const point *q) {
    for (int i = 0; i < front->n; i++)
        if (front->point[i].cost <= q->cost * (1 + 1e-14) &&
            front->point[i].objective <= q->loss * (1 + 1e-14))
            return true;
    return false;
}

/* exact: no two sums differ by rounding only, so the points can be counted */
static void check_front(hawq_problem *p, int kind, double limit, bool exact) {
    static point all[MOST_POINTS], best[MOST_POINTS];
    hawq_arena   arena = {0};
    hawq_pareto  front;
    int          n = enumerate(p, kind, limit, all);
    n = only_best(all, n, best);
    CHECK_OK(hawq_pareto_front(p, p->kind[kind].name, 0, &arena, &front));
    if (exact) CHECK(front.n == n);
    for (int j = 0; j < n; j++) CHECK(covered(&front, &best[j]));
    for (int i = 0; i < front.n; i++) {
        const hawq_pareto_point *q = &front.point[i];
        bool                     found = false;
        for (int j = 0; j < n; j++)
            found |=
                near(best[j].cost, q->cost) && near(best[j].loss, q->objective);
        CHECK(found);
        CHECK(q->cost == hawq_problem_sum(p, kind, q->choice));
        CHECK(q->objective == hawq_problem_sum(p, -1, q->choice));
        if (i) CHECK(q->cost > q[-1].cost && q->objective < q[-1].objective);
    }
    hawq_arena_free(&arena);
}

static void against_brute_force(void) {
    for (uint64_t seed = 0; seed < 400; seed++)
        for (int kind = 0; kind < 3; kind++) {
            hawq_problem *p = draw_problem(seed, kind);
            check_front(p, 0, INFINITY, kind < 2);
            check_front(p, 1, INFINITY, kind < 2);
            hawq_problem_free(p);
        }
}

/* A budget on the other cost, met exactly by one of the allocations. */
static void within_a_budget(void) {
    static point all[MOST_POINTS];
    for (uint64_t seed = 0; seed < 300; seed++) {
        hawq_problem *p = draw_problem(seed, (int)(seed % 2));
        int           n = enumerate(p, 1, INFINITY, all);
        double        limit = all[hawq_rng_below(seed, 9, (uint64_t)n)].cost;
        CHECK_OK(hawq_problem_budget(p, "size", limit));
        check_front(p, 0, limit, true);
        hawq_problem_free(p);
    }
}

/* --- three objectives ----------------------------------------------------- */

typedef struct triple {
    double v[3]; /* time, size, loss */
} triple;

static bool triple_beats(const triple *a, const triple *b) {
    bool less = false;
    for (int i = 0; i < 3; i++) {
        if (a->v[i] > b->v[i]) return false;
        less |= a->v[i] < b->v[i];
    }
    return less;
}

static int enumerate_triples(const hawq_problem *p, double limit, triple *out) {
    int choice[MOST_LAYERS] = {0}, n = 0, g;
    do {
        triple t = {{hawq_problem_sum(p, 0, choice),
                     hawq_problem_sum(p, 1, choice),
                     hawq_problem_sum(p, -1, choice)}};
        if (t.v[1] <= limit) out[n++] = t;
        for (g = 0; g < p->n_groups; g++) {
            if (++choice[g] < p->group[g].n_candidates) break;
            choice[g] = 0;
        }
    } while (g < p->n_groups);
    return n;
}

/* Exactly the different sums that no allocation beats in all three. */
static void check_surface(hawq_problem *p, double limit) {
    static triple all[MOST_POINTS];
    hawq_arena    arena = {0};
    hawq_surface  front;
    int           n = enumerate_triples(p, limit, all), best = 0;
    CHECK_OK(hawq_pareto_surface(p, "time", "size", 0, &arena, &front));
    for (int i = 0; i < n; i++) {
        bool keep = true, found = false;
        for (int j = 0; j < n && keep; j++)
            keep = !triple_beats(&all[j], &all[i]) &&
                   (j >= i || memcmp(&all[j], &all[i], sizeof *all) != 0);
        if (!keep) continue;
        best++;
        for (int j = 0; j < front.n; j++)
            found |= near(front.point[j].cost[0], all[i].v[0]) &&
                     near(front.point[j].cost[1], all[i].v[1]) &&
                     near(front.point[j].objective, all[i].v[2]);
        CHECK(found);
    }
    CHECK(front.n == best);
    for (int i = 0; i < front.n; i++) {
        const hawq_surface_point *q = &front.point[i];
        CHECK(q->cost[0] == hawq_problem_sum(p, 0, q->choice) &&
              q->cost[1] == hawq_problem_sum(p, 1, q->choice) &&
              q->objective == hawq_problem_sum(p, -1, q->choice));
        if (i) CHECK(q->cost[0] >= q[-1].cost[0]);
    }
    hawq_arena_free(&arena);
}

static void surfaces(void) {
    static triple all[MOST_POINTS];
    for (uint64_t seed = 0; seed < 300; seed++)
        for (int kind = 0; kind < 2; kind++) {
            hawq_problem *p = draw_problem(seed, kind);
            check_surface(p, INFINITY);
            int    n = enumerate_triples(p, INFINITY, all);
            double limit = all[hawq_rng_below(seed, 4, (uint64_t)n)].v[1];
            CHECK_OK(hawq_problem_budget(p, "size", limit));
            check_surface(p, limit);
            hawq_problem_free(p);
        }
}

static hawq_problem *fixture(void) {
    char          path[4096];
    const char   *source = getenv("HAWQ_SOURCE");
    hawq_problem *p = NULL;
    snprintf(path, sizeof path, "%s/tests/data/search/seven_layers.json",
             source ? source : ".");
    CHECK_OK(hawq_problem_read(path, &p));
    CHECK_OK(hawq_problem_finish(p));
    hawq_problem_clear_budgets(p);
    return p;
}

/* The shipped fixture; its front was enumerated with another program. */
static void seven_layers(void) {
    hawq_problem *p = fixture();
    hawq_arena    arena = {0};
    hawq_pareto   front;
    CHECK_OK(hawq_pareto_front(p, "weight-size", 0, &arena, &front));
    CHECK(front.n == 27);
    CHECK(front.point[0].cost == 5004 && front.point[0].objective == 89.53125);
    CHECK(front.point[26].cost == 20016);
    CHECK_NEAR(front.point[26].objective, 0.014572144, 1e-12);
    hawq_arena_free(&arena);
    hawq_problem_free(p);
}

/* Solving at a point's cost gives the point, at a hair less the one before. */
static void points_are_solutions(void) {
    hawq_problem *p = fixture();
    hawq_arena    arena = {0};
    hawq_pareto   front;
    hawq_solution s;
    CHECK_OK(hawq_pareto_front(p, "latency", 0, &arena, &front));
    CHECK(front.n > 10);
    for (int i = 0; i < front.n; i++) {
        double cost = front.point[i].cost;
        hawq_problem_clear_budgets(p);
        CHECK_OK(hawq_problem_budget(p, "latency", cost));
        CHECK_OK(hawq_solve(p, NULL, NULL, &arena, &s));
        CHECK(s.objective == front.point[i].objective);
        hawq_problem_clear_budgets(p);
        CHECK_OK(hawq_problem_budget(p, "latency", cost * (1 - 1e-9)));
        CHECK_OK(hawq_solve(p, NULL, NULL, &arena, &s));
        if (i)
            CHECK(s.objective == front.point[i - 1].objective);
        else
            CHECK(s.state == HAWQ_FOUND_INFEASIBLE);
    }
    hawq_arena_free(&arena);
    hawq_problem_free(p);
}

static void what_has_no_front(void) {
    hawq_problem *p = fixture();
    hawq_arena    arena = {0};
    hawq_pareto   front;
    CHECK_FAILS(hawq_pareto_front(p, "joules", 0, &arena, &front), HAWQ_EINVAL,
                "the front of 'joules': no such cost; the problem has "
                "weight-size, bops, latency");
    hawq_surface surface;
    CHECK_FAILS(hawq_pareto_surface(p, "bops", "bops", 0, &arena, &surface),
                HAWQ_EINVAL, "two different costs are needed");
    CHECK_FAILS(hawq_pareto_surface(p, "bops", "joules", 0, &arena, &surface),
                HAWQ_EINVAL, "no cost 'joules'; the problem has weight-size");
    CHECK_FAILS(hawq_pareto_surface(p, "bops", "latency", 9, &arena, &surface),
                HAWQ_ENOMEM, "has too many states");
    CHECK_FAILS(hawq_pareto_front(p, "latency", 20, &arena, &front),
                HAWQ_ENOMEM, "the front of 'latency' has too many states");
    CHECK_OK(hawq_problem_budget(p, "weight-size", 1000));
    CHECK_OK(hawq_pareto_front(p, "latency", 0, &arena, &front));
    CHECK(front.n == 0);
    hawq_arena_free(&arena);
    hawq_problem_free(p);
}

int main(void) {
    against_brute_force();
    within_a_budget();
    surfaces();
    seven_layers();
    points_are_solutions();
    what_has_no_front();
    DONE();
}
