/* bench_search.c -- how long the solvers take, and what they prove.
 *
 *     bench_search [FILE.json]
 *
 * writes the one-budget problem to FILE.json, for tests/peers/search_pulp.py to
 * build and solve with PuLP and CBC. Each line: the median of the repeats and
 * their least and largest. Problems are random, from fixed seeds: losses fall
 * fourfold per bit as those of a quantizer do, latencies are real numbers.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/pareto.h"
#include "search/problem_json.h"
#include "src/base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { REPEATS = 11 };

static double now(void) {
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(hawq_status status) {
    if (status == HAWQ_OK) return;
    fprintf(stderr, "bench_search: %s\n", hawq_message());
    exit(1);
}

typedef struct draws {
    uint64_t key, i;
} draws;

static double uniform(draws *d) {
    return hawq_rng_uniform(d->key, d->i++);
}

/* --- problems ------------------------------------------------------------- */

/* n_layers with widths 8, 7, ... or 8, 4, 3, 2; interactions of relative size
 * `strength`, of random sign. */
static hawq_problem *make(int n_layers, int n, double strength) {
    static const int     few[4][4] = {{8}, {8, 4}, {8, 4, 2}, {8, 4, 3, 2}};
    const hawq_cost_kind kind[2] = {{"weight-size", 1, "bytes", 0},
                                    {"latency", 1, "us", 0}};
    draws         d = {hawq_rng_key((uint64_t)n_layers, (uint64_t)n, 1, 2), 0};
    hawq_problem *p;
    double       *loss = calloc((size_t)(n_layers * n), sizeof *loss);
    check(hawq_problem_new(2, kind, &p));
    for (int l = 0; l < n_layers; l++) {
        double      params = floor(pow(10, 3 + 3 * uniform(&d)));
        double      sensitivity = pow(10, -2 * uniform(&d));
        double      time = 1 + 50 * uniform(&d), cost[8][2];
        char        name[16];
        hawq_priced candidate[8];
        snprintf(name, sizeof name, "l%d", l);
        for (int c = 0; c < n; c++) {
            int bits = n <= 4 ? few[n - 1][c] : 8 - c;
            cost[c][0] = floor(params * bits / 8);
            cost[c][1] =
                time * (0.3 + 0.7 * bits / 8) * (1 + 0.1 * uniform(&d));
            loss[l * n + c] =
                sensitivity * pow(4, 2 - bits) * (0.7 + 0.6 * uniform(&d));
            candidate[c] =
                (hawq_priced){bits, 8, loss[l * n + c], cost[c], NULL};
        }
        check(hawq_problem_add(p, name, NULL, (int64_t)params, n, candidate));
    }
    for (int i = 0; strength > 0 && i < n_layers; i++)
        for (int j = i + 1; j < n_layers; j++)
            for (int c = 0; c < n * n; c++) {
                int    a = c / n, b = c % n;
                double size = sqrt(loss[i * n + a] * loss[j * n + b]);
                check(hawq_problem_interact(
                    p, i, a, j, b,
                    strength * size * hawq_rng_normal(d.key + 1, d.i++)));
            }
    free(loss);
    check(hawq_problem_finish(p));
    return p;
}

static void limit(hawq_problem *p, const char *kind, double share) {
    bool   found;
    double all =
        hawq_problem_uniform8(p, hawq_problem_find_kind(p, kind), &found);
    check(hawq_problem_budget(p, kind, share * all));
}

/* --- measuring ------------------------------------------------------------ */

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_times(const char *what, double *seconds, int n) {
    qsort(seconds, (size_t)n, sizeof *seconds, ascending);
    printf("%-44s %10.3f ms (%.3f ... %.3f, %d times)", what,
           1e3 * seconds[n / 2], 1e3 * seconds[0], 1e3 * seconds[n - 1], n);
}

static void bench_front(const char *what, hawq_problem *p, const char *kind) {
    double      seconds[REPEATS];
    hawq_pareto front = {0};
    for (int i = 0; i < REPEATS; i++) {
        hawq_arena arena = {0};
        double     start = now();
        check(hawq_pareto_front(p, kind, 0, &arena, &front));
        seconds[i] = now() - start;
        hawq_arena_free(&arena);
    }
    print_times(what, seconds, REPEATS);
    printf("  %d points\n", front.n);
}

/* states 0: as many as the solver takes. */
static void bench_solve(const char *what, hawq_problem *p, int repeats,
                        size_t states) {
    double             seconds[REPEATS];
    hawq_solution      s = {0};
    hawq_solve_options options = {.max_states = states};
    for (int i = 0; i < repeats; i++) {
        hawq_arena arena = {0};
        double     start = now();
        check(hawq_solve(p, NULL, &options, &arena, &s));
        seconds[i] = now() - start;
        hawq_arena_free(&arena);
    }
    print_times(what, seconds, repeats);
    printf("  %s %s %.12g, gap %.2g %%\n", s.solver->name,
           hawq_found_text(s.state), s.objective, 100 * s.gap);
    fflush(stdout);
}

int main(int argc, char **argv) {
    struct rusage use;
    hawq_problem *p = make(52, 2, 0);
    bench_front("front of latency, 52 layers, 2 widths", p, "latency");
    hawq_problem_free(p);

    p = make(52, 4, 0);
    limit(p, "latency", 0.7);
    bench_solve("one budget, 52 layers, 4 widths", p, REPEATS, 0);
    if (argc > 1) check(hawq_problem_write(argv[1], p, NULL));
    hawq_problem_free(p);

    static const int large[] = {100, 1000, 3000, 10000};
    for (int i = 0; i < 4; i++) {
        char what[64];
        p = make(large[i], 8, 0);
        limit(p, "weight-size", 0.6);
        limit(p, "latency", 0.7);
        snprintf(what, sizeof what, "two budgets, %d layers, 8 widths",
                 large[i]);
        bench_solve(what, p, large[i] > 1000 ? 1 : 5, 0);
        bench_solve("    with at most a million states", p,
                    large[i] > 1000 ? 1 : 5, 1000000);
        hawq_problem_free(p);
    }

    p = make(20, 4, 0.3);
    limit(p, "weight-size", 0.5);
    bench_solve("interactions, 20 layers, 4 widths", p, 5, 0);
    hawq_problem_free(p);
    p = make(54, 3, 0.3);
    limit(p, "weight-size", 0.5);
    bench_solve("interactions, 54 layers, 3 widths", p, 3, 0);
    hawq_problem_free(p);

    getrusage(RUSAGE_SELF, &use);
    printf("largest memory in use: %.0f MiB\n", (double)use.ru_maxrss / 1024);
    return 0;
}
