/* knapsack.c -- from layers to groups, and the sums every solver shares.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/knapsack.h"

#include "search/interactions.h"

#include <assert.h>
#include <float.h>
#include <math.h>

/* Sums of whole numbers below 2^53 are exact. */
static bool whole_costs(const hawq_problem *p, int kind) {
    double sum = 0;
    for (int l = 0; l < p->n_layers; l++) {
        double most = 0;
        for (int c = 0; c < p->layer[l].n_candidates; c++) {
            double cost = p->layer[l].candidate[c].cost[kind];
            if (cost != floor(cost)) return false;
            most = fmax(most, cost);
        }
        sum += most;
    }
    return sum < 0x1p53;
}

/* The limit in the candidates' unit, and what rounding may add to a sum. */
static double widened(const hawq_problem *p, const hawq_budget *budget) {
    double limit = budget->limit * p->kind[budget->kind].unit;
    bool   whole = whole_costs(p, budget->kind);
    if (isinf(limit) || (whole && limit == floor(limit))) return limit;
    return limit * (1 + (4 + (whole ? 0 : p->n_layers)) * (DBL_EPSILON / 2));
}

/* One candidate of a group: the sum over its layers, in their order. */
static void add_candidate(const hawq_problem *p, const hawq_problem_group *g,
                          int c, int n_budgets, const hawq_budget *budget,
                          double *loss, double *cost) {
    for (int i = 0; i < g->n_layers; i++) {
        const hawq_priced *x = hawq_problem_candidate(p, g->layer[i], c);
        *loss += x->loss;
        for (int b = 0; b < n_budgets; b++) cost[b] += x->cost[budget[b].kind];
    }
}

/* Why the loss of a group's candidate is no finite number. */
static hawq_status refuse_loss(const hawq_problem       *p,
                               const hawq_problem_group *g, int c) {
    for (int i = 0; i < g->n_layers; i++) {
        const hawq_problem_layer *l = &p->layer[g->layer[i]];
        double                    loss = l->candidate[l->member[c]].loss;
        if (!isfinite(loss))
            return hawq_fail(HAWQ_ENONFINITE,
                             "layer '%s', candidate %d: the loss is not finite "
                             "(%g)",
                             l->name, l->member[c], loss);
    }
    return hawq_fail(HAWQ_ENONFINITE,
                     "layer '%s' and those before it: the sum of the losses "
                     "overflows",
                     p->layer[g->layer[0]].name);
}

/* No solver is asked about losses that do not compare. */
static hawq_status check_losses(const hawq_problem *p, const hawq_knapsack *k) {
    double sum = 0;
    for (int g = 0; g < k->n_groups; g++) {
        double most = 0;
        for (int n = k->first[g]; n < k->first[g + 1]; n++) {
            if (!isfinite(k->loss[n]))
                return refuse_loss(p, &p->group[g], k->origin[n]);
            most = fmax(most, fabs(k->loss[n]));
        }
        sum += most;
        if (isinf(sum))
            return refuse_loss(p, &p->group[g], k->origin[k->first[g]]);
    }
    return HAWQ_OK;
}

/* least[b][g]: what groups 0 ... g - 1 cost together at the least, with which a
 * solver that has decided the groups from g on sees whether budget b can still
 * be met. */
static hawq_status fill_least(hawq_knapsack *k, hawq_arena *arena) {
    double *least;
    size_t  row = (size_t)k->n_groups + 1;
    HAWQ_TAKE(least, arena, (size_t)k->n_budgets * row);
    for (int b = 0; b < k->n_budgets; b++)
        for (int g = 0; g < k->n_groups; g++) {
            double smallest = INFINITY;
            for (int c = k->first[g]; c < k->first[g + 1]; c++)
                smallest = fmin(smallest, k->cost[c * k->n_budgets + b]);
            least[(size_t)b * row + (size_t)g + 1] =
                least[(size_t)b * row + (size_t)g] + smallest;
        }
    k->least = least;
    return HAWQ_OK;
}

hawq_status hawq_knapsack_build(const hawq_problem *p, int n_budgets,
                                const hawq_budget *budget, hawq_arena *arena,
                                hawq_knapsack *out) {
    hawq_knapsack k = {.n_groups = p->n_groups, .n_budgets = n_budgets};
    size_t        total = 0, n = 0;
    int          *first, *origin;
    double       *loss, *cost;
    assert(n_budgets <= HAWQ_DIMENSIONS_MAX);
    for (int g = 0; g < p->n_groups; g++)
        total += (size_t)p->group[g].n_candidates;
    HAWQ_TAKE(first, arena, (size_t)p->n_groups + 1);
    HAWQ_TAKE(origin, arena, total);
    HAWQ_TAKE(loss, arena, total);
    HAWQ_TAKE(cost, arena, total * (size_t)n_budgets);
    for (int g = 0; g < p->n_groups; g++) {
        for (int c = 0; c < p->group[g].n_candidates; c++) {
            if (!p->group[g].allowed[c]) continue;
            origin[n] = c;
            add_candidate(p, &p->group[g], c, n_budgets, budget, &loss[n],
                          &cost[n * (size_t)n_budgets]);
            n++;
        }
        first[g + 1] = (int)n;
    }
    for (int b = 0; b < n_budgets; b++) k.limit[b] = widened(p, &budget[b]);
    k.first = first;
    k.origin = origin;
    k.loss = loss;
    k.cost = cost;
    HAWQ_TRY(check_losses(p, &k));
    HAWQ_TRY(fill_least(&k, arena));
    HAWQ_TRY(hawq_interactions_pair(p, arena, loss, &k));
    *out = k;
    return HAWQ_OK;
}

/* From the last group to the first, the order in which the solvers add, so that
 * sums of equal allocations are equal to the last bit. A pair's table has a row
 * for each candidate of group g and a column for each of group h. */
double hawq_knapsack_sum(const hawq_knapsack *k, const int *x, double *cost) {
    double loss = 0;
    for (int b = 0; cost && b < k->n_budgets; b++) cost[b] = 0;
    for (int g = k->n_groups - 1; g >= 0; g--) {
        loss += k->loss[x[g]];
        for (int b = 0; cost && b < k->n_budgets; b++)
            cost[b] += k->cost[x[g] * k->n_budgets + b];
    }
    for (int i = 0; i < k->n_pairs; i++) {
        const hawq_pair *q = &k->pair[i];
        int              wide = k->first[q->h + 1] - k->first[q->h];
        loss += q->value[(x[q->g] - k->first[q->g]) * wide +
                         (x[q->h] - k->first[q->h])];
    }
    return loss;
}

bool hawq_knapsack_fits(const hawq_knapsack *k, const int *x) {
    double cost[HAWQ_DIMENSIONS_MAX];
    hawq_knapsack_sum(k, x, cost);
    for (int b = 0; b < k->n_budgets; b++)
        if (cost[b] > k->limit[b]) return false;
    return true;
}

/* Less loss first, then less of the first budget's cost, then of the next, then
 * the candidate that comes first: no two allocations are equal. */
int hawq_knapsack_compare(const hawq_knapsack *k, const int *x, const int *y) {
    double c[HAWQ_DIMENSIONS_MAX], d[HAWQ_DIMENSIONS_MAX];
    double a = hawq_knapsack_sum(k, x, c), b = hawq_knapsack_sum(k, y, d);
    if (a != b) return a < b ? -1 : 1;
    for (int i = 0; i < k->n_budgets; i++)
        if (c[i] != d[i]) return c[i] < d[i] ? -1 : 1;
    for (int g = 0; g < k->n_groups; g++)
        if (x[g] != y[g]) return x[g] < y[g] ? -1 : 1;
    return 0;
}

double hawq_knapsack_least(const hawq_knapsack *k, int b) {
    double sum = 0;
    for (int g = k->n_groups - 1; g >= 0; g--) {
        double smallest = INFINITY;
        for (int c = k->first[g]; c < k->first[g + 1]; c++)
            smallest = fmin(smallest, k->cost[c * k->n_budgets + b]);
        sum += smallest;
    }
    return sum;
}
