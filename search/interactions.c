/* interactions.c -- a list over layers and their candidates becomes tables over
 * pairs of groups. Since the layers of a group choose together, an interaction
 * inside a group is a loss of the group's candidates that give both layers
 * theirs.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/interactions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- the list ------------------------------------------------------------ */

static hawq_status check_side(const hawq_problem *p, int layer, int candidate) {
    if (layer < 0 || layer >= p->n_layers)
        return hawq_fail(HAWQ_EFORMAT,
                         "interaction: there is no layer %d; the problem has "
                         "%d",
                         layer, p->n_layers);
    const hawq_problem_layer *l = &p->layer[layer];
    if (candidate < 0 || candidate >= l->n_candidates)
        return hawq_fail(HAWQ_EFORMAT,
                         "interaction: layer '%s' has no candidate %d; it has "
                         "%d, counted from 0",
                         l->name, candidate, l->n_candidates);
    return HAWQ_OK;
}

static hawq_status room_for_one(hawq_problem *p) {
    hawq_interaction *grown;
    int               capacity = 2 * p->capacity_interactions + 64;
    if (p->n_interactions < p->capacity_interactions) return HAWQ_OK;
    HAWQ_TAKE(grown, &p->arena, (size_t)capacity);
    if (p->n_interactions)
        memcpy(grown, p->interaction,
               (size_t)p->n_interactions * sizeof *grown);
    p->interaction = grown;
    p->capacity_interactions = capacity;
    return HAWQ_OK;
}

hawq_status hawq_problem_interact(hawq_problem *p, int i, int a, int j, int b,
                                  double value) {
    HAWQ_TRY(check_side(p, i, a));
    HAWQ_TRY(check_side(p, j, b));
    if (i == j)
        return hawq_fail(HAWQ_EFORMAT,
                         "interaction: layer '%s' with itself; that belongs "
                         "into the losses of its candidates",
                         p->layer[i].name);
    if (!isfinite(value))
        return hawq_fail(HAWQ_ENONFINITE,
                         "interaction: layers '%s' and '%s', candidates %d "
                         "and %d: the value is not finite",
                         p->layer[i].name, p->layer[j].name, a, b);
    HAWQ_TRY(room_for_one(p));
    p->interaction[p->n_interactions++] =
        i < j ? (hawq_interaction){i, a, j, b, value}
              : (hawq_interaction){j, b, i, a, value};
    return HAWQ_OK;
}

static int by_place(const void *a, const void *b) {
    const hawq_interaction *x = a, *y = b;
    if (x->layer_i != y->layer_i) return x->layer_i < y->layer_i ? -1 : 1;
    if (x->layer_j != y->layer_j) return x->layer_j < y->layer_j ? -1 : 1;
    if (x->candidate_a != y->candidate_a)
        return x->candidate_a < y->candidate_a ? -1 : 1;
    return (x->candidate_b > y->candidate_b) -
           (x->candidate_b < y->candidate_b);
}

hawq_status hawq_interactions_check(hawq_problem *p) {
    double sum = 0;
    if (!p->n_interactions) return HAWQ_OK;
    qsort(p->interaction, (size_t)p->n_interactions, sizeof *p->interaction,
          by_place);
    for (int i = 0; i < p->n_interactions; i++) {
        const hawq_interaction *x = &p->interaction[i];
        sum += fabs(x->value);
        if (!i || by_place(x - 1, x)) continue;
        return hawq_fail(HAWQ_EFORMAT,
                         "interaction: layers '%s' and '%s', candidates %d "
                         "and %d, come twice; give each pair once",
                         p->layer[x->layer_i].name, p->layer[x->layer_j].name,
                         x->candidate_a, x->candidate_b);
    }
    /* 8 times: differences and bounds of such sums must not overflow either. */
    if (isfinite(8 * sum)) return HAWQ_OK;
    return hawq_fail(HAWQ_ENONFINITE, "the sum of the interactions overflows");
}

double hawq_interactions_sum(const hawq_problem *p, const int *choice) {
    double sum = 0;
    for (int i = 0; i < p->n_interactions; i++) {
        const hawq_interaction   *x = &p->interaction[i];
        const hawq_problem_layer *l = &p->layer[x->layer_i];
        const hawq_problem_layer *m = &p->layer[x->layer_j];
        if (l->member[choice[l->in_group]] == x->candidate_a &&
            m->member[choice[m->in_group]] == x->candidate_b)
            sum += x->value;
    }
    return sum;
}

/* --- the tables ---------------------------------------------------------- */

typedef struct tables {
    const hawq_problem  *p;
    const hawq_knapsack *k;
    double             **table; /* [g * n_groups + h], g < h */
} tables;

/* Does candidate c of the knapsack give the layer this one of its own? */
static bool gives(const tables *t, int c, int layer, int candidate) {
    return t->p->layer[layer].member[t->k->origin[c]] == candidate;
}

/* Where the value of candidates c and d of different groups is kept. */
static hawq_status locate(tables *t, int g, int h, int c, int d,
                          hawq_arena *arena, double **out) {
    const int *first = t->k->first;
    /* q is symmetric: one table for the pair, the smaller group first. */
    if (g > h) return locate(t, h, g, d, c, arena, out);
    int      wide = first[h + 1] - first[h];
    double **table = &t->table[(size_t)g * (size_t)t->k->n_groups + (size_t)h];
    /* Most pairs of groups never meet, so a table is made when first needed. */
    if (!*table)
        HAWQ_TAKE(*table, arena,
                  (size_t)(first[g + 1] - first[g]) * (size_t)wide);
    *out = *table + (c - first[g]) * wide + (d - first[h]);
    return HAWQ_OK;
}

static bool all_zero(const double *value, int n) {
    for (int i = 0; i < n; i++)
        if (value[i] != 0) return false;
    return true;
}

static hawq_status list_pairs(const tables *t, hawq_arena *arena,
                              hawq_knapsack *k) {
    hawq_pair *pair;
    size_t     n = (size_t)k->n_groups;
    HAWQ_TAKE(pair, arena, n * (n - 1) / 2);
    for (int g = 0; g < k->n_groups; g++)
        for (int h = g + 1; h < k->n_groups; h++) {
            double *table = t->table[(size_t)g * n + (size_t)h];
            int     size = (k->first[g + 1] - k->first[g]) *
                       (k->first[h + 1] - k->first[h]);
            if (table && !all_zero(table, size))
                pair[k->n_pairs++] = (hawq_pair){g, h, table};
        }
    k->pair = pair;
    return HAWQ_OK;
}

/* An interaction inside group g is a loss of what gives both. */
static void add_inside(const tables *t, const hawq_interaction *x, int g,
                       double *loss) {
    for (int c = t->k->first[g]; c < t->k->first[g + 1]; c++)
        if (gives(t, c, x->layer_i, x->candidate_a) &&
            gives(t, c, x->layer_j, x->candidate_b))
            loss[c] += x->value;
}

static hawq_status add_between(tables *t, const hawq_interaction *x, int g,
                               int h, hawq_arena *arena) {
    double *value;
    for (int c = t->k->first[g]; c < t->k->first[g + 1]; c++) {
        if (!gives(t, c, x->layer_i, x->candidate_a)) continue;
        for (int d = t->k->first[h]; d < t->k->first[h + 1]; d++) {
            if (!gives(t, d, x->layer_j, x->candidate_b)) continue;
            HAWQ_TRY(locate(t, g, h, c, d, arena, &value));
            *value += x->value;
        }
    }
    return HAWQ_OK;
}

hawq_status hawq_interactions_pair(const hawq_problem *p, hawq_arena *arena,
                                   double *loss, hawq_knapsack *k) {
    tables t = {.p = p, .k = k};
    size_t n = (size_t)k->n_groups;
    if (!p->n_interactions) return HAWQ_OK;
    HAWQ_TAKE(t.table, arena, n * n);
    for (int i = 0; i < p->n_interactions; i++) {
        const hawq_interaction *x = &p->interaction[i];
        int                     g = p->layer[x->layer_i].in_group;
        int                     h = p->layer[x->layer_j].in_group;
        if (g == h)
            add_inside(&t, x, g, loss);
        else
            HAWQ_TRY(add_between(&t, x, g, h, arena));
    }
    return list_pairs(&t, arena, k);
}
