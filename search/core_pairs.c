/* core_pairs.c -- half B in order, and the partners of every state of half A.
 *
 * For a state of A with what it leaves of the gap and of the budgets, (2) says
 * how little a partner may cost, its budgets how much: a window. B lies in
 * classes of its reduced loss, each in buckets of one cost, and A is taken in
 * the order of that cost, so that windows move little from one to the next.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/core_parts.h"

#include "src/base/clock.h"

#include <math.h>
#include <string.h>

enum { CLASSES = 32, MOST_BUCKETS = 4096 };

typedef hawq_core_task task;
typedef hawq_core_half half;

/* States in order of (class, bucket). */
typedef struct order {
    size_t    n;
    double   *reduced, *cost[HAWQ_DIMENSIONS_MAX];
    uint32_t *state; /* index in the half */
    uint32_t *start; /* of class c, bucket i: [c * n_buckets + i] */
    int       n_buckets, n_classes;
    int       window;      /* the cost of the buckets; -1: none */
    double    low, scale;  /* bucket = (cost - low) * scale */
    double    class_width; /* of reduced losses; 0: one class */
} order;

/* --- an order --------------------------------------------------------------
 */

static bool promises(const task *t, int which, size_t i) {
    const half *h = &t->half[which];
    double      cost[HAWQ_DIMENSIONS_MAX];
    for (int b = 0; b < t->k->n_budgets; b++) cost[b] = h->cost[b][i];
    return hawq_core_promises(t, which, h->reduced[i], cost);
}

static void range(const half *h, int b, double *low, double *high) {
    *low = *high = 0;
    for (size_t i = 0; i < h->n; i++) {
        if (h->cost[b][i] < *low) *low = h->cost[b][i];
        if (h->cost[b][i] > *high) *high = h->cost[b][i];
    }
}

/* The budget whose costs, at its price, tell states apart best. */
static int best_window(const task *t, const half *h) {
    double widest = 0, low, high;
    int    best = -1;
    for (int b = 0; b < t->k->n_budgets; b++) {
        range(h, b, &low, &high);
        if (!(t->price[b] * (high - low) > widest)) continue;
        widest = t->price[b] * (high - low);
        best = b;
    }
    return best;
}

static int bucket_of(const order *o, double cost) {
    double at = (cost - o->low) * o->scale;
    return !(at > 0) ? 0 : at < o->n_buckets ? (int)at : o->n_buckets - 1;
}

static int class_of(const order *o, double reduced) {
    double at = o->class_width > 0 ? reduced / o->class_width : 0;
    return at < o->n_classes - 1 ? (int)at : o->n_classes - 1;
}

static size_t place_of(const order *o, const half *h, size_t i) {
    int bucket = o->window < 0 ? 0 : bucket_of(o, h->cost[o->window][i]);
    return (size_t)class_of(o, h->reduced[i]) * (size_t)o->n_buckets +
           (size_t)bucket;
}

/* Counts, then places, the states that promise something. */
static hawq_status sort_states(const task *t, int which, order *o) {
    const half *h = &t->half[which];
    size_t      places = (size_t)o->n_classes * (size_t)o->n_buckets;
    uint32_t   *at;
    HAWQ_TAKE(o->start, t->arena, places + 1);
    HAWQ_TAKE(at, t->arena, h->n);
    for (size_t i = 0; i < h->n; i++) {
        at[i] = UINT32_MAX;
        if (!promises(t, which, i)) continue;
        at[i] = (uint32_t)place_of(o, h, i);
        o->start[at[i] + 1]++;
        o->n++;
    }
    for (size_t i = 0; i < places; i++) o->start[i + 1] += o->start[i];
    HAWQ_TAKE(o->state, t->arena, o->n);
    for (size_t i = 0; i < h->n; i++)
        if (at[i] != UINT32_MAX) o->state[o->start[at[i]]++] = (uint32_t)i;
    memmove(o->start + 1, o->start, places * sizeof *o->start);
    o->start[0] = 0;
    return HAWQ_OK;
}

static hawq_status put_in_order(const task *t, int which, int window,
                                int n_classes, order *o) {
    const half *h = &t->half[which];
    double      high = 0;
    size_t      buckets = h->n / 32 + 1;
    *o = (order){.window = window, .n_classes = n_classes};
    o->n_buckets = buckets < MOST_BUCKETS ? (int)buckets : MOST_BUCKETS;
    if (window >= 0) range(h, window, &o->low, &high);
    if (high > o->low) o->scale = o->n_buckets / (high - o->low);
    if (!isfinite(o->scale)) o->scale = 0;
    if (n_classes > 1 && t->gap > 0) o->class_width = t->gap / n_classes;
    HAWQ_TRY(sort_states(t, which, o));
    HAWQ_TAKE(o->reduced, t->arena, o->n);
    for (size_t i = 0; i < o->n; i++) o->reduced[i] = h->reduced[o->state[i]];
    for (int b = 0; b < t->k->n_budgets; b++) {
        HAWQ_TAKE(o->cost[b], t->arena, o->n);
        for (size_t i = 0; i < o->n; i++)
            o->cost[b][i] = h->cost[b][o->state[i]];
    }
    return HAWQ_OK;
}

/* --- pairs -----------------------------------------------------------------
 */

static int group_of(const hawq_knapsack *k, int c) {
    int low = 0, high = k->n_groups;
    while (high - low > 1) {
        int mid = (low + high) / 2;
        if (k->first[mid] <= c)
            low = mid;
        else
            high = mid;
    }
    return low;
}

static void deviate(const task *t, int which, size_t state, int *x) {
    const half *h = &t->half[which];
    for (; state; state = h->parent[state]) {
        int c = (int)h->candidate[state];
        x[group_of(t->k, c)] = c;
    }
}

/* The pair's allocation with exact sums; the best so far is kept. */
static void consider(task *t, size_t i, size_t j) {
    const hawq_knapsack *k = t->k;
    memcpy(t->trial, t->base, (size_t)k->n_groups * sizeof *t->trial);
    deviate(t, 0, i, t->trial);
    deviate(t, 1, j, t->trial);
    t->out->steps += (size_t)k->n_groups / 4;
    if (!hawq_knapsack_fits(k, t->trial)) return;
    double loss = hawq_knapsack_sum(k, t->trial, NULL);
    if (loss > t->threshold) return;
    if (t->out->found && hawq_knapsack_compare(k, t->trial, t->x) >= 0) return;
    memcpy(t->x, t->trial, (size_t)k->n_groups * sizeof *t->x);
    t->out->found = true;
    t->threshold = loss;
    t->gap = loss - t->lagrange + t->margin;
}

/* What a state of A leaves: gap and budgets. */
typedef struct rest {
    double gap, cost[HAWQ_DIMENSIONS_MAX];
} rest;

/* Whether the pair is within the budgets and (2). */
static bool within(const task *t, const rest *r, const order *o, size_t j) {
    double left = r->gap - o->reduced[j];
    bool   fits = true;
    for (int b = 0; b < t->k->n_budgets; b++) {
        double spare = r->cost[b] - o->cost[b][j];
        fits &= spare >= 0;
        if (t->price[b] > 0) left -= t->price[b] * spare;
    }
    return fits && left >= -t->margin;
}

/* Partners of a class: places from ... to. */
static void scan(task *t, size_t i, rest *r, const order *b, int class,
                 double gap_there) {
    size_t row = (size_t) class * (size_t)b->n_buckets, from = row;
    size_t to = row + (size_t)b->n_buckets;
    if (b->window >= 0) {
        double most = r->cost[b->window];
        double reach = (gap_there + t->margin) / t->price[b->window];
        from = row + (size_t)bucket_of(b, most - reach);
        to = row + (size_t)bucket_of(b, most) + 1;
    }
    for (size_t j = b->start[from]; j < b->start[to]; j++) {
        t->out->steps++;
        if (!within(t, r, b, j)) continue;
        double before = t->gap;
        consider(t, i, b->state[j]);
        r->gap -= before - t->gap;
    }
}

static void pair_up(task *t, const order *a, size_t i, const order *b) {
    rest r = {.gap = t->gap - a->reduced[i]};
    for (int c = 0; c < t->k->n_budgets; c++)
        r.cost[c] = t->room[c] - a->cost[c][i] + t->tolerance[c];
    for (int class = 0; class < b->n_classes; class ++) {
        double gap_there = r.gap - class * b->class_width;
        if (gap_there < -t->margin) break;
        t->out->steps++;
        scan(t, a->state[i], &r, b, class, gap_there);
    }
}

hawq_status hawq_core_pair(hawq_core_task *t) {
    order a, b;
    int   window = best_window(t, &t->half[1]);
    HAWQ_TRY(put_in_order(t, 0, window, 1, &a));
    HAWQ_TRY(put_in_order(t, 1, window, CLASSES, &b));
    for (size_t i = 0; i < a.n; i++) {
        pair_up(t, &a, i, &b);
        if (t->out->steps > t->most) return HAWQ_OK;
        if (i % 256 == 0 && hawq_clock_passed(t->deadline)) return HAWQ_OK;
    }
    t->out->complete = true;
    return HAWQ_OK;
}
