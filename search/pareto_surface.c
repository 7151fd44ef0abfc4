/* pareto_surface.c -- three objectives: the dominance program with both kinds
 * of cost as its first budgets keeps exactly the states that none beats in both
 * and the loss.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/frontier.h"
#include "search/pareto.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef hawq_surface_point point;

static int by_cost(const void *a, const void *b) {
    const point *x = a, *y = b;
    for (int i = 0; i < 2; i++)
        if (x->cost[i] != y->cost[i]) return x->cost[i] < y->cost[i] ? -1 : 1;
    return (x->objective > y->objective) - (x->objective < y->objective);
}

/* Steps of (cost[1], objective) among the points so far: cost ascends,
 * objective falls. */
typedef struct stairs {
    size_t  n;
    double *cost, *objective;
} stairs;

static bool covered(stairs *s, const point *p) {
    size_t low = 0, high = s->n;
    while (low < high) { /* the first step that costs more */
        size_t mid = (low + high) / 2;
        if (s->cost[mid] <= p->cost[1])
            low = mid + 1;
        else
            high = mid;
    }
    if (low && s->objective[low - 1] <= p->objective) return true;
    size_t from = low, to = low;
    while (from && s->cost[from - 1] == p->cost[1]) from--;
    while (to < s->n && s->objective[to] >= p->objective) to++;
    size_t tail = (s->n - to) * sizeof(double);
    memmove(s->cost + from + 1, s->cost + to, tail);
    memmove(s->objective + from + 1, s->objective + to, tail);
    s->cost[from] = p->cost[1];
    s->objective[from] = p->objective;
    s->n = s->n - to + from + 1;
    return false;
}

/* Plain sums may tie where the program's did not, and the program keeps some
 * states too many where other budgets take part. */
static hawq_status filter(point *p, int *n, hawq_arena *scratch) {
    stairs s = {0};
    int    kept = 0;
    HAWQ_TAKE(s.cost, scratch, (size_t)*n + 1);
    HAWQ_TAKE(s.objective, scratch, (size_t)*n + 1);
    qsort(p, (size_t)*n, sizeof *p, by_cost);
    for (int i = 0; i < *n; i++)
        if (!covered(&s, &p[i])) p[kept++] = p[i];
    *n = kept;
    return HAWQ_OK;
}

static hawq_status collect(const hawq_problem *p, const int kind[2],
                           const hawq_knapsack *k, const hawq_frontier *f,
                           hawq_arena *scratch, hawq_arena *arena,
                           hawq_surface *out) {
    point *all, *kept;
    int    n = 0;
    HAWQ_TAKE(all, scratch, f->n);
    for (size_t i = 0; i < f->n; i++) {
        int *choice;
        HAWQ_TAKE(choice, scratch, (size_t)k->n_groups);
        hawq_frontier_choice(k, f, i, choice);
        for (int g = 0; g < k->n_groups; g++) choice[g] = k->origin[choice[g]];
        all[n++] = (point){{hawq_problem_sum(p, kind[0], choice),
                            hawq_problem_sum(p, kind[1], choice)},
                           hawq_problem_sum(p, -1, choice),
                           choice};
    }
    HAWQ_TRY(filter(all, &n, scratch));
    HAWQ_TAKE(kept, arena, (size_t)n);
    for (int i = 0; i < n; i++) {
        int *choice;
        HAWQ_TAKE(choice, arena, (size_t)k->n_groups);
        memcpy(choice, all[i].choice, (size_t)k->n_groups * sizeof *choice);
        kept[i] = all[i];
        kept[i].choice = choice;
    }
    *out = (hawq_surface){n, kept};
    return HAWQ_OK;
}

static hawq_status find_kinds(hawq_problem *p, const char *a, const char *b,
                              int kind[2]) {
    kind[0] = hawq_problem_find_kind(p, a);
    kind[1] = hawq_problem_find_kind(p, b);
    if (kind[0] < 0 || kind[1] < 0)
        return hawq_fail(HAWQ_EINVAL,
                         "the front of '%s' and '%s': no cost '%s'; the "
                         "problem has %s",
                         a, b, kind[0] < 0 ? a : b, hawq_problem_kinds_text(p));
    if (kind[0] == kind[1])
        return hawq_fail(HAWQ_EINVAL,
                         "the front of '%s' and '%s': two different costs are "
                         "needed",
                         a, b);
    if (p->n_interactions)
        return hawq_fail(HAWQ_EINVAL,
                         "the front of '%s' and '%s': not with interactions "
                         "of layers",
                         a, b);
    return HAWQ_OK;
}

/* Both kinds first, without limit unless they have a budget, then the rest. */
static int order_budgets(const hawq_problem *p, const int kind[2],
                         hawq_budget *out) {
    int n = 2;
    for (int i = 0; i < 2; i++) out[i] = (hawq_budget){kind[i], INFINITY};
    for (int b = 0; b < p->n_budgets; b++) {
        if (p->budget[b].kind == kind[0])
            out[0] = p->budget[b];
        else if (p->budget[b].kind == kind[1])
            out[1] = p->budget[b];
        else
            out[n++] = p->budget[b];
    }
    return n;
}

hawq_status hawq_pareto_surface(hawq_problem *p, const char *kind_a,
                                const char *kind_b, size_t max_states,
                                hawq_arena *arena, hawq_surface *out) {
    hawq_arena    scratch = {0};
    hawq_budget   budget[HAWQ_BUDGETS_MAX + 2];
    hawq_knapsack k;
    hawq_frontier f;
    int           kind[2];
    HAWQ_TRY(find_kinds(p, kind_a, kind_b, kind));
    int n = order_budgets(p, kind, budget);
    if (n > HAWQ_DIMENSIONS_MAX)
        return hawq_fail(HAWQ_EINVAL,
                         "the front of '%s' and '%s': at most %d budgets on "
                         "other costs",
                         kind_a, kind_b, HAWQ_DIMENSIONS_MAX - 2);
    hawq_status status = hawq_knapsack_build(p, n, budget, &scratch, &k);
    if (status == HAWQ_OK)
        status =
            hawq_frontier_sweep(&k, NULL, max_states ? max_states : 40000000,
                                INFINITY, &scratch, &f);
    if (status == HAWQ_OK && f.stopped)
        status = hawq_fail(HAWQ_ENOMEM,
                           "the front of '%s' and '%s' has too many states: "
                           "set budgets on them, or tie layers into groups",
                           kind_a, kind_b);
    if (status == HAWQ_OK)
        status = collect(p, kind, &k, &f, &scratch, arena, out);
    hawq_arena_free(&scratch);
    return status;
}
