/* bench_growth.c -- how the time of the exact search grows with the groups, the
 * candidates and the budgets.
 *
 *     bench_growth solve FILE.tsv           times of many sizes, a line each
 *     bench_growth problem FILE.json GROUPS CANDIDATES BUDGETS SEED
 *                                           one of its problems, for
 *                                           tests/peers/search_pulp.py
 *     bench_growth plot FILE.tsv FILE.svg   the medians as a picture
 *
 * Every budget of these problems binds: prices are drawn, and the limits are
 * what the cheapest allocation at those prices costs, less up to a thousandth.
 * Losses fall fourfold per bit, costs of different kinds are of independent
 * sizes per group and, but for the first, real numbers.
 *
 * A line of the table: solver, groups, candidates, budgets, seed, the least
 * milliseconds of processor time of the repeats, state, gap.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/problem_json.h"
#include "src/base/rng.h"
#include "src/cli/kit/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CANDIDATES = 8, BUDGETS = 3, SEEDS = 5, REPEATS = 3 };

static void check(hawq_status status) {
    if (status == HAWQ_OK) return;
    fprintf(stderr, "bench_growth: %s\n", hawq_message());
    exit(1);
}

/* Of the processor: other programs' work is not in it. */
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- problems ------------------------------------------------------------- */

typedef struct draws {
    uint64_t key, i;
} draws;

static double uniform(draws *d) {
    return hawq_rng_uniform(d->key, d->i++);
}

static void add_group(hawq_problem *p, draws *d, int g, int n, int m,
                      double *most) {
    double      sensitivity = pow(10, -2 * uniform(d)), size[BUDGETS];
    double      cost[CANDIDATES][BUDGETS];
    hawq_priced candidate[CANDIDATES];
    char        name[16];
    for (int b = 0; b < m; b++) size[b] = pow(10, 3 + (b ? 1 : 3) * uniform(d));
    for (int c = 0; c < n; c++) {
        int bits = 8 - c * (n <= 4 ? 2 : 1);
        for (int b = 0; b < m; b++)
            cost[c][b] =
                b ? size[b] * (0.3 + 0.7 * bits / 8) * (1 + 0.1 * uniform(d))
                  : floor(size[b] * bits / 8);
        candidate[c] = (hawq_priced){
            bits, 8, sensitivity * pow(4, 2 - bits) * (0.7 + 0.6 * uniform(d)),
            cost[c], NULL};
    }
    for (int b = 0; b < m; b++) most[b] += cost[0][b];
    snprintf(name, sizeof name, "l%d", g);
    check(hawq_problem_add(p, name, NULL, 0, n, candidate));
}

/* The costs of the cheapest allocation at random prices. */
static void draw_limits(const hawq_problem *p, draws *d, const double *most,
                        double *limit) {
    double price[BUDGETS];
    for (int b = 0; b < p->n_kinds; b++)
        price[b] = (0.5 + uniform(d)) * 2e-3 * p->n_layers / most[b];
    for (int l = 0; l < p->n_layers; l++) {
        const hawq_priced *best = NULL;
        double             least = INFINITY;
        for (int c = 0; c < p->layer[l].n_candidates; c++) {
            const hawq_priced *x = &p->layer[l].candidate[c];
            double             value = x->loss;
            for (int b = 0; b < p->n_kinds; b++) value += price[b] * x->cost[b];
            if (value >= least) continue;
            least = value;
            best = x;
        }
        for (int b = 0; b < p->n_kinds; b++) limit[b] += best->cost[b];
    }
}

static hawq_problem *make(int groups, int n, int m, int seed) {
    static const hawq_cost_kind kind[BUDGETS] = {{"weight-size", 1, "bytes", 0},
                                                 {"latency", 1, "us", 0},
                                                 {"bops", 1, "", 0}};
    draws         d = {hawq_rng_key((uint64_t)groups, (uint64_t)n, (uint64_t)m,
                                    (uint64_t)seed),
                       0};
    double        most[BUDGETS] = {0}, limit[BUDGETS] = {0};
    hawq_problem *p;
    check(hawq_problem_new(m, kind, &p));
    for (int g = 0; g < groups; g++) add_group(p, &d, g, n, m, most);
    draw_limits(p, &d, most, limit);
    check(hawq_problem_finish(p));
    for (int b = 0; b < m; b++)
        check(hawq_problem_budget(p, kind[b].name,
                                  limit[b] * (1 - 1e-3 * uniform(&d))));
    return p;
}

/* --- times ---------------------------------------------------------------- */

static void solve_one(FILE *out, int groups, int n, int m, int seed) {
    hawq_problem      *p = make(groups, n, m, seed);
    hawq_solution      s = {0};
    hawq_solve_options options = {.time_limit_s = 60};
    double             least = INFINITY;
    for (int i = 0; i < REPEATS && least > 0; i++) {
        hawq_arena arena = {0};
        double     start = now();
        check(hawq_solve(p, NULL, &options, &arena, &s));
        least = fmin(least, now() - start);
        hawq_arena_free(&arena);
        if (least > 1) break;
    }
    fprintf(out, "hawq\t%d\t%d\t%d\t%d\t%.4f\t%s\t%.3g\n", groups, n, m, seed,
            1e3 * least, hawq_found_text(s.state), s.gap);
    fflush(out);
    hawq_problem_free(p);
}

static void solve_all(const char *path) {
    static const int groups[] = {10, 30, 100, 300, 1000, 3000, 10000};
    FILE            *out = fopen(path, "wb");
    if (!out) {
        perror(path);
        exit(1);
    }
    fputs("solver\tgroups\tcandidates\tbudgets\tseed\tms\tstate\tgap\n", out);
    for (int m = 1; m <= BUDGETS; m++)
        for (int n = 4; n <= CANDIDATES; n += 4)
            for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
                for (int seed = 0; seed < SEEDS; seed++)
                    solve_one(out, groups[i], n, m, seed);
    fclose(out);
}

/* --- the picture ---------------------------------------------------------- */

enum { CURVES = 8, SIZES = 16 };

typedef struct curve {
    char   solver[16], name[64];
    int    candidates, budgets, n;
    double x[SIZES], y[SIZES], all[SIZES][SEEDS];
    int    n_all[SIZES];
} curve;

static curve *find_curve(curve *all, const curve *like) {
    for (int i = 0; i < CURVES; i++) {
        curve *c = &all[i];
        if (!*c->solver) *c = *like;
        if (!strcmp(c->solver, like->solver) &&
            c->candidates == like->candidates && c->budgets == like->budgets)
            return c;
    }
    fprintf(stderr, "bench_growth: more than %d curves\n", CURVES);
    exit(1);
}

static void put_time(curve *c, double groups, double ms) {
    int i = 0;
    while (i < c->n && c->x[i] != groups) i++;
    if (i == SIZES) return;
    if (i == c->n) c->n++;
    c->x[i] = groups;
    if (c->n_all[i] < SEEDS) c->all[i][c->n_all[i]++] = ms;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void read_curves(const char *path, curve *all) {
    char   line[256], state[16];
    double groups, ms;
    FILE  *in = fopen(path, "rb");
    if (!in) {
        perror(path);
        exit(1);
    }
    while (fgets(line, sizeof line, in)) {
        curve like = {0};
        int   seed;
        if (sscanf(line, "%15s %lf %d %d %d %lf %15s", like.solver, &groups,
                   &like.candidates, &like.budgets, &seed, &ms, state) != 7)
            continue;
        if (strcmp(state, "optimal")) ms = INFINITY; /* not proven */
        put_time(find_curve(all, &like), groups, ms);
    }
    fclose(in);
}

static void plot(const char *from, const char *to) {
    static const char *const colour[CURVES] = {"#9ecae1", "#08519c", "#a1d99b",
                                               "#006d2c", "#fdae6b", "#a63603",
                                               "#7f7f7f", "#d62728"};
    static curve             all[CURVES];
    hawq_series              series[CURVES] = {0};
    int                      n = 0;
    read_curves(from, all);
    for (; n < CURVES && *all[n].solver; n++) {
        curve *c = &all[n];
        for (int i = 0; i < c->n; i++) {
            qsort(c->all[i], (size_t)c->n_all[i], sizeof(double), ascending);
            c->y[i] = c->all[i][c->n_all[i] / 2];
        }
        snprintf(c->name, sizeof c->name, "%.15s, %d candidates, %d budget%s",
                 c->solver, c->candidates, c->budgets,
                 c->budgets > 1 ? "s" : "");
        series[n] = (hawq_series){.name = c->name,
                                  .colour = colour[n],
                                  .shape = HAWQ_LINE,
                                  .n = c->n,
                                  .x = c->x,
                                  .y = c->y};
    }
    hawq_plot picture = {.title = "Processor time to proven optimality",
                         .x_name = "groups of layers",
                         .y_name = "milliseconds, median of random problems",
                         .x_unit = 1,
                         .log_x = true,
                         .log_y = true,
                         .legend_left = true,
                         .n_series = n,
                         .series = series};
    check(hawq_plot_write(to, &picture));
}

int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "solve")) {
        solve_all(argv[2]);
    } else if (argc == 7 && !strcmp(argv[1], "problem")) {
        long size[4];
        for (int i = 0; i < 4; i++) size[i] = strtol(argv[3 + i], NULL, 10);
        if (size[1] > CANDIDATES || size[2] > BUDGETS) return 2;
        hawq_problem *p =
            make((int)size[0], (int)size[1], (int)size[2], (int)size[3]);
        check(hawq_problem_write(argv[2], p, NULL));
        hawq_problem_free(p);
    } else if (argc == 4 && !strcmp(argv[1], "plot")) {
        plot(argv[2], argv[3]);
    } else {
        fputs("usage: bench_growth solve FILE.tsv | plot FILE.tsv FILE.svg | "
              "problem FILE.json GROUPS CANDIDATES BUDGETS SEED\n",
              stderr);
        return 2;
    }
    return 0;
}
