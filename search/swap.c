/* swap.c -- see swap.h. field[c] = linear[c] + sum_h Q[c, x_h] is what
 * candidate c would cost in its group, so one change is a difference of two
 * fields, and two changes are that plus four elements of Q.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/swap.h"

#include "search/solve_greedy.h"
#include "src/base/rng.h"

#include <math.h>

typedef struct state {
    const hawq_relax *r;
    int              *x;
    double           *field;
    double            cost[HAWQ_DIMENSIONS_MAX];
} state;

typedef struct change {
    int    c, d; /* new candidates; d -1: only one */
    double gain;
} change;

static double q(const state *s, int c, int d) {
    return s->r->q[(size_t)c * (size_t)s->r->n + (size_t)d];
}

static void open_state(state *s) {
    const hawq_relax *r = s->r;
    hawq_knapsack_sum(r->k, s->x, s->cost);
    for (int c = 0; c < r->n; c++) {
        s->field[c] = r->linear[c];
        for (int g = 0; g < r->k->n_groups; g++)
            s->field[c] += q(s, c, s->x[g]);
    }
}

static bool fits(const state *s, int c, int d) {
    const hawq_knapsack *k = s->r->k;
    int                  m = k->n_budgets;
    for (int b = 0; b < m; b++) {
        int    old = s->x[s->r->group[c]];
        double cost = s->cost[b] + (k->cost[c * m + b] - k->cost[old * m + b]);
        if (d >= 0) {
            old = s->x[s->r->group[d]];
            cost += k->cost[d * m + b] - k->cost[old * m + b];
        }
        if (cost > k->limit[b]) return false;
    }
    return true;
}

static double rise(const state *s, int c) {
    return s->field[c] - s->field[s->x[s->r->group[c]]];
}

static void consider(const state *s, int c, int d, double gain, change *best) {
    if (gain <= best->gain || !fits(s, c, d)) return;
    *best = (change){c, d, gain};
}

/* All changes of candidate c's group to c, alone or with a later group. */
static void consider_all(const state *s, int c, change *best) {
    int old = s->x[s->r->group[c]], next = s->r->k->first[s->r->group[c] + 1];
    double first = rise(s, c);
    if (c == old) return;
    consider(s, c, -1, -first, best);
    for (int d = next; d < s->r->n; d++) {
        int    kept = s->x[s->r->group[d]];
        double joint =
            q(s, c, d) - q(s, c, kept) - q(s, old, d) + q(s, old, kept);
        if (d != kept) consider(s, c, d, -(first + rise(s, d) + joint), best);
    }
}

static void put(const state *s, int c) {
    if (c >= 0) s->x[s->r->group[c]] = c;
}

void hawq_swap_descend(const hawq_relax *r, int *x, double *field) {
    state s = {.r = r, .x = x, .field = field};
    for (;;) {
        change best = {-1, -1, r->slack}; /* less may be rounding, and cycle */
        open_state(&s);
        for (int c = 0; c < r->n; c++) consider_all(&s, c, &best);
        if (best.c < 0) return;
        int c = x[r->group[best.c]];
        int d = best.d < 0 ? -1 : x[r->group[best.d]];
        put(&s, best.c);
        put(&s, best.d);
        if (hawq_knapsack_fits(r->k, x)) continue;
        put(&s, c); /* the exact sums disagree by rounding */
        put(&s, d);
        return;
    }
}

bool hawq_swap_perturb(const hawq_relax *r, uint64_t *draw, int *x) {
    const hawq_knapsack *k = r->k;
    uint64_t             key = hawq_rng_key(5, 6, 7, 8);
    for (int i = 0; i < 3; i++) {
        int c = (int)hawq_rng_below(key, (*draw)++, (uint64_t)r->n);
        x[r->group[c]] = c;
    }
    return hawq_knapsack_fits(k, x) || hawq_greedy_exchange(k, x);
}
