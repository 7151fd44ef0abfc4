/* solve_monotone.c -- the baseline of HAWQ-V2 (Dong et al. 2020, section 3.3):
 * a more sensitive layer never gets fewer bits than a less sensitive one; of
 * all such allocations within the budgets, the one of least loss.
 *
 * Sensitivity of a group: the range of its losses. Level 0 is a group's first
 * candidate, the one with most bits; groups with fewer candidates than the
 * others (pins) take their last one for all levels beyond. With the groups in
 * order of falling sensitivity, an allocation is where each level ends; all
 * are tried, or those that end at multiples of a stride where they are too
 * many.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/lagrange.h"
#include "search/solve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double MOST = 1e6; /* allocations to try */

typedef struct ranked {
    double sensitivity;
    int    group;
} ranked;

typedef struct search {
    const hawq_knapsack *k;
    int                  n_levels, stride;
    ranked              *rank;
    double *sum; /* [(level * (n_groups + 1) + g) * (1 + n_budgets)]: loss and
                    costs of the g most sensitive groups at the level */
    int                *end, *best; /* [level] */
    double              least;
    hawq_solver_answer *out;
} search;

static int by_sensitivity(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->sensitivity != y->sensitivity)
        return x->sensitivity > y->sensitivity ? -1 : 1;
    return x->group - y->group;
}

static int at_level(const hawq_knapsack *k, int g, int level) {
    int c = k->first[g] + level;
    return c < k->first[g + 1] ? c : k->first[g + 1] - 1;
}

static double *sums(const search *s, int level, int g) {
    return s->sum + (size_t)(level * (s->k->n_groups + 1) + g) *
                        (size_t)(1 + s->k->n_budgets);
}

static hawq_status open_search(search *s, hawq_arena *arena) {
    const hawq_knapsack *k = s->k;
    size_t               n = (size_t)k->n_groups;
    HAWQ_TAKE(s->rank, arena, n);
    for (int g = 0; g < k->n_groups; g++) {
        double low = INFINITY, high = -INFINITY;
        for (int c = k->first[g]; c < k->first[g + 1]; c++) {
            low = fmin(low, k->loss[c]);
            high = fmax(high, k->loss[c]);
        }
        s->rank[g] = (ranked){high - low, g};
        if (k->first[g + 1] - k->first[g] > s->n_levels)
            s->n_levels = k->first[g + 1] - k->first[g];
    }
    qsort(s->rank, n, sizeof *s->rank, by_sensitivity);
    HAWQ_TAKE(s->end, arena, (size_t)s->n_levels);
    HAWQ_TAKE(s->best, arena, (size_t)s->n_levels);
    HAWQ_TAKE(s->sum, arena,
              (size_t)s->n_levels * (n + 1) * (size_t)(1 + k->n_budgets));
    for (int level = 0; level < s->n_levels; level++)
        for (int g = 0; g < k->n_groups; g++) {
            int           c = at_level(k, s->rank[g].group, level);
            const double *now = sums(s, level, g);
            double       *next = sums(s, level, g + 1);
            next[0] = now[0] + k->loss[c];
            for (int b = 0; b < k->n_budgets; b++)
                next[1 + b] = now[1 + b] + k->cost[c * k->n_budgets + b];
        }
    return HAWQ_OK;
}

/* How many ways there are to end n_levels - 1 levels at multiples of stride. */
static double count(const search *s, int stride) {
    double ways = 1, places = s->k->n_groups / stride + 1;
    for (int i = 1; i < s->n_levels; i++) ways *= (places + i - 1) / i;
    return ways;
}

static void write_choice(const search *s, const int *end, int *x) {
    int level = 0;
    for (int g = 0; g < s->k->n_groups; g++) {
        while (level < s->n_levels - 1 && g >= end[level]) level++;
        x[s->rank[g].group] = at_level(s->k, s->rank[g].group, level);
    }
}

/* total: loss and costs of the groups before `from`, at levels before this. */
static void place(search *s, int level, int from, const double *total) {
    int  n = s->k->n_groups, m = 1 + s->k->n_budgets;
    bool last = level == s->n_levels - 1;
    for (int to = last ? n : from; to <= n;
         to = to == n ? n + 1 : (to + s->stride > n ? n : to + s->stride)) {
        double        now[1 + HAWQ_DIMENSIONS_MAX];
        const double *high = sums(s, level, to), *low = sums(s, level, from);
        bool          fits = true;
        for (int i = 0; i < m; i++) now[i] = total[i] + (high[i] - low[i]);
        s->end[level] = to;
        if (!last) {
            place(s, level + 1, to, now);
            continue;
        }
        for (int b = 1; b < m; b++) fits &= now[b] <= s->k->limit[b - 1];
        if (!fits || now[0] >= s->least) continue;
        write_choice(s, s->end, s->out->x);
        if (!hawq_knapsack_fits(s->k, s->out->x)) continue; /* rounding */
        s->least = now[0];
        memcpy(s->best, s->end, (size_t)s->n_levels * sizeof *s->end);
    }
}

static hawq_status solve(const hawq_knapsack      *k,
                         const hawq_solve_options *options, hawq_arena *arena,
                         hawq_solver_answer *out) {
    search       s = {.k = k, .stride = 1, .least = INFINITY, .out = out};
    const double nothing[1 + HAWQ_DIMENSIONS_MAX] = {0};
    (void)options;
    HAWQ_TRY(open_search(&s, arena));
    while (count(&s, s.stride) > MOST && s.stride < k->n_groups) s.stride *= 2;
    place(&s, 0, 0, nothing);
    out->state = isinf(s.least) ? HAWQ_FOUND_LIMIT : HAWQ_FOUND_FEASIBLE;
    if (!isinf(s.least)) write_choice(&s, s.best, out->x);
    out->bound = hawq_lagrange_bound(k, out->price);
    return HAWQ_OK;
}

const hawq_solver hawq_solver_monotone = {"monotone", false, solve};
