/* core.c -- reduced losses, and the lists of both halves; see core.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/core_parts.h"

#include "src/base/clock.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef hawq_core_task task;
typedef hawq_core_half half;

/* --- reduced losses --------------------------------------------------------
 */

static double priced(const hawq_knapsack *k, const double *price, int c) {
    double sum = k->loss[c];
    for (int b = 0; b < k->n_budgets; b++)
        sum += price[b] * k->cost[c * k->n_budgets + b];
    return sum;
}

/* Largest |loss| + u.cost of a group's candidates, u the largest prices. */
static double size_of(const hawq_knapsack *k, const double *price, int g) {
    double most = 0;
    for (int c = k->first[g]; c < k->first[g + 1]; c++) {
        double size = fabs(k->loss[c]);
        for (int b = 0; b < k->n_budgets; b++)
            size += price[b] * k->cost[c * k->n_budgets + b];
        most = fmax(most, size);
    }
    return most;
}

static double largest_cost(const hawq_knapsack *k, int g, int b) {
    double most = 0;
    for (int c = k->first[g]; c < k->first[g + 1]; c++)
        most = fmax(most, k->cost[c * k->n_budgets + b]);
    return most;
}

/* margin and tolerance: a sum of n terms is off by less than n units of
 * rounding times the sum of the terms' sizes; four times that. */
static void allow_for_rounding(task *t, int n_rows) {
    const hawq_knapsack *k = t->k;
    double               error = 4 * (k->n_groups + 16) * DBL_EPSILON,
           high[HAWQ_DIMENSIONS_MAX] = {0};
    double size = fabs(t->threshold);
    for (int r = 0; r < n_rows; r++)
        for (int b = 0; b < k->n_budgets; b++)
            high[b] = fmax(high[b], t->price[r * k->n_budgets + b]);
    for (int g = 0; g < k->n_groups; g++) size += size_of(k, high, g);
    for (int b = 0; b < k->n_budgets; b++) {
        double sum = 0;
        if (isinf(k->limit[b])) continue;
        for (int g = 0; g < k->n_groups; g++) sum += largest_cost(k, g, b);
        t->tolerance[b] = error * (k->limit[b] + sum);
        size += high[b] * (k->limit[b] + sum);
    }
    t->margin = 2 * error * size;
}

static void price_groups(task *t) {
    const hawq_knapsack *k = t->k;
    for (int g = 0; g < k->n_groups; g++) {
        int first = k->first[g], last = k->first[g + 1];
        t->base[g] = first;
        for (int c = first; c < last; c++) {
            t->reduced[c] = priced(k, t->price, c);
            if (t->reduced[c] < t->reduced[t->base[g]]) t->base[g] = c;
        }
        double least = t->reduced[t->base[g]];
        /* What a candidate costs more than the best of its group at these
         * prices: an allocation is as far above L(u) as its reduced losses
         * sum to, plus the room it leaves times the prices. */
        for (int c = first; c < last; c++) t->reduced[c] -= least;
        t->lagrange += least;
    }
    for (int b = 0; b < k->n_budgets; b++) {
        t->room[b] = k->limit[b];
        if (isinf(k->limit[b])) continue;
        for (int g = 0; g < k->n_groups; g++)
            t->room[b] -= k->cost[t->base[g] * k->n_budgets + b];
        t->lagrange -= t->price[b] * k->limit[b];
    }
    t->gap = t->threshold - t->lagrange + t->margin;
}

typedef struct ranked {
    double value;
    int    index;
} ranked;

static int descending(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? 1 : -1;
    return x->index - y->index;
}

/* Groups with another candidate within the gap. */
static hawq_status choose_groups(task *t) {
    const hawq_knapsack *k = t->k;
    ranked              *order;
    HAWQ_TAKE(order, t->arena, (size_t)k->n_groups);
    for (int g = 0; g < k->n_groups; g++) {
        double least = INFINITY;
        for (int c = k->first[g]; c < k->first[g + 1]; c++)
            if (c != t->base[g]) least = fmin(least, t->reduced[c]);
        if (least <= t->gap) order[t->n_core++] = (ranked){least, g};
    }
    qsort(order, (size_t)t->n_core, sizeof *order, descending);
    for (int i = 0; i < t->n_core; i++) t->group[i] = order[i].index;
    return HAWQ_OK;
}

/* --- bounds at other prices ------------------------------------------------
 */

/* What the base of a core group is above the cheapest candidate there. */
static double base_excess(const task *t, const double *price, int g) {
    const hawq_knapsack *k = t->k;
    double               base = priced(k, price, t->base[g]), least = base;
    for (int c = k->first[g]; c < k->first[g + 1]; c++)
        if (t->reduced[c] <= t->gap) least = fmin(least, priced(k, price, c));
    return base - least;
}

/* left is for a half whose groups are all open: every core group at its
 * cheapest, the others at the base. */
static hawq_status open_rows(task *t, int n_rows) {
    const hawq_knapsack *k = t->k;
    int                  m = k->n_budgets;
    HAWQ_TAKE(t->row, t->arena, (size_t)n_rows);
    t->n_rows = n_rows - 1;
    for (int r = 0; r < t->n_rows; r++) {
        const double  *price = t->price + (r + 1) * m;
        hawq_core_row *row = &t->row[r];
        double         bound = 0;
        for (int g = 0; g < k->n_groups; g++)
            bound += priced(k, price, t->base[g]);
        for (int i = 0; i < t->n_core; i++)
            bound -= base_excess(t, price, t->group[i]);
        for (int b = 0; b < m; b++) {
            row->slope[b] = price[b] - t->price[b];
            if (!isinf(k->limit[b])) bound -= price[b] * k->limit[b];
        }
        row->left[0] = row->left[1] = t->threshold - bound + t->margin;
    }
    return HAWQ_OK;
}

/* Group g of half h is decided from now on; the base is what states without a
 * deviation there have. */
static void decide(task *t, int h, int g) {
    for (int r = 0; r < t->n_rows; r++)
        t->row[r].left[h] -=
            base_excess(t, t->price + (r + 1) * t->k->n_budgets, g);
}

/* --- the halves ------------------------------------------------------------
 */

static hawq_status grow(const task *t, half *h) {
    size_t capacity = h->capacity ? 2 * h->capacity : 256;
    half   g = {.n = h->n, .capacity = capacity};
    HAWQ_TAKE(g.reduced, t->arena, capacity);
    HAWQ_TAKE(g.parent, t->arena, capacity);
    HAWQ_TAKE(g.candidate, t->arena, capacity);
    for (int b = 0; b < t->k->n_budgets; b++) {
        HAWQ_TAKE(g.cost[b], t->arena, capacity);
        if (h->n) memcpy(g.cost[b], h->cost[b], h->n * sizeof(double));
    }
    if (h->n) {
        memcpy(g.reduced, h->reduced, h->n * sizeof *g.reduced);
        memcpy(g.parent, h->parent, h->n * sizeof *g.parent);
        memcpy(g.candidate, h->candidate, h->n * sizeof *g.candidate);
    }
    *h = g;
    return HAWQ_OK;
}

/* State `from` with candidate c instead of the base; change: of its costs. */
static hawq_status append(task *t, int which, size_t from, int c,
                          const double *change) {
    half  *h = &t->half[which];
    double cost[HAWQ_DIMENSIONS_MAX];
    double reduced = h->reduced[from] + t->reduced[c];
    for (int b = 0; b < t->k->n_budgets; b++)
        cost[b] = h->cost[b][from] + change[b];
    if (!hawq_core_promises(t, which, reduced, cost)) return HAWQ_OK;
    if (h->n == h->capacity) HAWQ_TRY(grow(t, h));
    size_t to = h->n++;
    h->reduced[to] = reduced;
    for (int b = 0; b < t->k->n_budgets; b++) h->cost[b][to] = cost[b];
    h->parent[to] = (uint32_t)from;
    h->candidate[to] = (uint32_t)c;
    return HAWQ_OK;
}

/* Every state of the half with each other candidate of the group, too. */
static hawq_status extend(task *t, int which, int g) {
    const hawq_knapsack *k = t->k;
    const half          *h = &t->half[which];
    size_t               n = h->n;
    double               change[HAWQ_DIMENSIONS_MAX];
    int                  m = k->n_budgets;
    decide(t, which, g);
    for (int c = k->first[g]; c < k->first[g + 1]; c++) {
        double most = t->gap - t->reduced[c];
        if (c == t->base[g] || !(most >= 0)) continue;
        for (int b = 0; b < m; b++)
            change[b] = k->cost[c * m + b] - k->cost[t->base[g] * m + b];
        for (size_t i = 0; i < n; i++)
            if (h->reduced[i] <= most) HAWQ_TRY(append(t, which, i, c, change));
        t->out->steps += n;
    }
    return HAWQ_OK;
}

/* Groups are dealt in turn, so that both halves grow alike. */
static hawq_status list_halves(task *t, bool *within) {
    *within = true;
    for (int i = 0; i < 2; i++) {
        HAWQ_TRY(grow(t, &t->half[i]));
        t->half[i].n = 1;
    }
    for (int i = 0; i < t->n_core && *within; i++) {
        HAWQ_TRY(extend(t, i % 2, t->group[i]));
        *within = t->out->steps <= t->most && !hawq_clock_passed(t->deadline);
    }
    return HAWQ_OK;
}

static hawq_status run(task *t, int n_rows) {
    size_t n = (size_t)t->k->n_groups;
    bool   within;
    HAWQ_TAKE(t->base, t->arena, n);
    HAWQ_TAKE(t->group, t->arena, n);
    HAWQ_TAKE(t->trial, t->arena, n);
    HAWQ_TAKE(t->reduced, t->arena, (size_t)t->k->first[n]);
    allow_for_rounding(t, n_rows);
    price_groups(t);
    HAWQ_TRY(choose_groups(t));
    HAWQ_TRY(open_rows(t, n_rows));
    HAWQ_TRY(list_halves(t, &within));
    return within ? hawq_core_pair(t) : HAWQ_OK;
}

hawq_status hawq_core_search(const hawq_knapsack *k, int n_rows,
                             const double *price, double threshold, size_t most,
                             double deadline, hawq_arena *arena, int *x,
                             hawq_core *out) {
    task t = {.k = k,
              .price = price,
              .arena = arena,
              .most = most,
              .deadline = deadline,
              .threshold = threshold,
              .x = x,
              .out = out};
    *out = (hawq_core){0};
    return run(&t, n_rows);
}
