/* problem_groups.c -- hawq_problem_finish: ties become groups, pins become
 * allowed candidates. The candidates of a group are those of its first layer,
 * ordered by falling bits; every other layer must have the same widths, each as
 * often. SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/problem.h"

#include "search/interactions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- union and find; a root is the group's first layer ------------------- */

static int find_root(int *parent, int i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
}

static void unite(int *parent, int i, int j) {
    i = find_root(parent, i);
    j = find_root(parent, j);
    if (i < j) parent[j] = i;
    if (j < i) parent[i] = j;
}

typedef struct named {
    const char *group;
    int         layer;
} named;

static int by_group(const void *a, const void *b) {
    const named *x = a, *y = b;
    int          order = strcmp(x->group, y->group);
    return order ? order : x->layer - y->layer;
}

static hawq_status unite_all(hawq_problem *p, int *parent,
                             const char **reason) {
    named *sorted;
    HAWQ_TAKE(sorted, &p->arena, (size_t)p->n_layers);
    for (int l = 0; l < p->n_layers; l++) {
        parent[l] = l;
        sorted[l] = (named){p->layer[l].group, l};
    }
    qsort(sorted, (size_t)p->n_layers, sizeof *sorted, by_group);
    for (int i = 1; i < p->n_layers; i++)
        if (!strcmp(sorted[i - 1].group, sorted[i].group)) {
            unite(parent, sorted[i - 1].layer, sorted[i].layer);
            reason[sorted[i].layer] = "same group";
        }
    for (int t = 0; t < p->n_ties; t++)
        for (int i = 0; i < p->tie[t].n; i++) {
            int l = hawq_problem_find_layer(p, p->tie[t].layer[i]);
            if (l < 0)
                return hawq_fail(HAWQ_EINVAL, "group: there is no layer '%s'",
                                 p->tie[t].layer[i]);
            if (i == 0) continue;
            unite(parent, hawq_problem_find_layer(p, p->tie[t].layer[0]), l);
            reason[l] = p->tie[t].reason;
        }
    return HAWQ_OK;
}

/* --- the candidates of a group ------------------------------------------- */

/* Candidate indices of a layer, most bits first, the given order among equals:
 * an insertion sort, for a layer has a handful. */
static hawq_status sort_members(hawq_problem *p, hawq_problem_layer *layer) {
    int *member;
    HAWQ_TAKE(member, &p->arena, (size_t)layer->n_candidates);
    for (int c = 0; c < layer->n_candidates; c++) {
        const hawq_candidate *new = &layer->candidate[c];
        int at = c;
        for (; at > 0; at--) {
            const hawq_candidate *old = &layer->candidate[member[at - 1]];
            if (old->weight_bits > new->weight_bits ||
                (old->weight_bits == new->weight_bits &&
                 old->activation_bits >= new->activation_bits))
                break;
            member[at] = member[at - 1];
        }
        member[at] = c;
    }
    layer->member = member;
    return HAWQ_OK;
}

static hawq_status check_same_widths(const hawq_problem       *p,
                                     const hawq_problem_group *group, int l) {
    const hawq_problem_layer *one = &p->layer[group->layer[0]];
    const hawq_problem_layer *two = &p->layer[l];
    bool                      same = one->n_candidates == two->n_candidates;
    for (int c = 0; c < one->n_candidates && same; c++) {
        const hawq_candidate *a = &one->candidate[one->member[c]];
        const hawq_candidate *b = &two->candidate[two->member[c]];
        same = a->weight_bits == b->weight_bits &&
               a->activation_bits == b->activation_bits;
    }
    if (same) return HAWQ_OK;
    return hawq_fail(HAWQ_EFORMAT,
                     "layers '%s' and '%s' are in one group (%s) but differ "
                     "in the widths of their candidates",
                     one->name, two->name, group->name);
}

static hawq_status fill_groups(hawq_problem *p, int *parent,
                               const char **reason) {
    int *members, used = 0;
    HAWQ_TAKE(members, &p->arena, (size_t)p->n_layers);
    HAWQ_TAKE(p->group, &p->arena, (size_t)p->n_layers);
    for (int l = 0; l < p->n_layers; l++) {
        int root = find_root(parent, l);
        p->layer[l].in_group =
            root == l ? p->n_groups++ : p->layer[root].in_group;
        p->group[p->layer[l].in_group].n_layers++;
    }
    for (int g = 0; g < p->n_groups; g++) {
        p->group[g].layer = members + used;
        used += p->group[g].n_layers;
        p->group[g].n_layers = 0;
    }
    for (int l = 0; l < p->n_layers; l++) {
        hawq_problem_group *g = &p->group[p->layer[l].in_group];
        HAWQ_TRY(sort_members(p, &p->layer[l]));
        members[g->layer - members + g->n_layers] = l;
        if (g->n_layers++ == 0) {
            g->name = p->layer[l].group;
            g->reason = "";
            g->n_candidates = p->layer[l].n_candidates;
        } else {
            HAWQ_TRY(check_same_widths(p, g, l));
        }
        if (reason[l]) g->reason = reason[l];
    }
    return HAWQ_OK;
}

/* --- pins ---------------------------------------------------------------- */

static hawq_status apply_pin(hawq_problem *p, const hawq_pin *pin,
                             bool *allowed) {
    int l = hawq_problem_find_layer(p, pin->layer);
    if (l < 0)
        return hawq_fail(HAWQ_EINVAL, "pin %s=%d: there is no layer '%s'",
                         pin->layer, pin->weight_bits, pin->layer);
    const hawq_problem_group *g = &p->group[p->layer[l].in_group];
    bool                      exists = false, left = false;
    for (int c = 0; c < g->n_candidates; c++) {
        bool fits =
            hawq_problem_candidate(p, l, c)->weight_bits == pin->weight_bits;
        exists |= fits;
        allowed[c] &= fits;
        left |= allowed[c];
    }
    if (!exists)
        return hawq_fail(HAWQ_EINVAL,
                         "pin %s=%d: the layer has no candidate of %d bits",
                         pin->layer, pin->weight_bits, pin->weight_bits);
    if (!left)
        return hawq_fail(HAWQ_EINVAL,
                         "pin %s=%d contradicts an earlier pin of its group "
                         "(%s)",
                         pin->layer, pin->weight_bits, g->name);
    return HAWQ_OK;
}

static hawq_status apply_pins(hawq_problem *p) {
    bool  *allowed;
    size_t total = 0;
    for (int g = 0; g < p->n_groups; g++)
        total += (size_t)p->group[g].n_candidates;
    HAWQ_TAKE(allowed, &p->arena, total);
    memset(allowed, true, total);
    bool *next = allowed;
    for (int g = 0; g < p->n_groups; g++) {
        p->group[g].allowed = next;
        next += p->group[g].n_candidates;
    }
    for (int i = 0; i < p->n_pins; i++) {
        int l = hawq_problem_find_layer(p, p->pin[i].layer);
        int g = l < 0 ? 0 : p->layer[l].in_group;
        HAWQ_TRY(apply_pin(p, &p->pin[i],
                           allowed + (p->group[g].allowed - allowed)));
    }
    return HAWQ_OK;
}

/* Any sum a solver may form is finite if the sum of the largest is. */
static hawq_status check_sums(const hawq_problem *p) {
    for (int k = -1; k < p->n_kinds; k++) {
        double sum = 0;
        for (int l = 0; l < p->n_layers; l++) {
            double most = 0;
            for (int c = 0; c < p->layer[l].n_candidates; c++) {
                const hawq_candidate *x = &p->layer[l].candidate[c];
                most = fmax(most, fabs(k < 0 ? x->loss : x->cost[k]));
            }
            sum += most;
        }
        if (!isfinite(8 * sum))
            return hawq_fail(HAWQ_ENONFINITE,
                             "the sum of the %s%s%s over the layers overflows",
                             k < 0 ? "losses" : "costs '",
                             k < 0 ? "" : p->kind[k].name, k < 0 ? "" : "'");
    }
    return HAWQ_OK;
}

hawq_status hawq_problem_finish(hawq_problem *p) {
    int         *parent;
    const char **reason;
    if (!p->n_layers)
        return hawq_fail(HAWQ_EFORMAT, "the problem has no layers");
    HAWQ_TAKE(parent, &p->arena, (size_t)p->n_layers);
    HAWQ_TAKE(reason, &p->arena, (size_t)p->n_layers);
    HAWQ_TRY(check_sums(p));
    HAWQ_TRY(unite_all(p, parent, reason));
    HAWQ_TRY(fill_groups(p, parent, reason));
    HAWQ_TRY(hawq_interactions_check(p));
    return apply_pins(p);
}
