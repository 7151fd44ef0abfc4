/* problem_groups.c -- hawq_problem_finish: ties become groups, pins become
 * allowed candidates. The candidates of a group are those of its first layer,
 * ordered by falling bits, if all its layers take the same; every other layer
 * must have the same widths, each as often. Else they are combinations.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/problem.h"

#include "search/combine.h"
#include "search/interactions.h"

#include <math.h>
#include <stdio.h>
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

/* The two relations between layers, and why, by layer: the same candidate
 * (SAME), or at least the same activation bits (ANY). */
enum { SAME, ANY, RELATIONS };

typedef struct relations {
    int         *parent[RELATIONS];
    const char **reason[RELATIONS];
} relations;

static void relate(relations *r, int i, int j, bool same, const char *reason) {
    if (same) unite(r->parent[SAME], i, j);
    unite(r->parent[ANY], i, j);
    r->reason[same ? SAME : ANY][j] = reason;
}

static hawq_status relate_by_name(hawq_problem *p, relations *r) {
    named *sorted;
    HAWQ_TAKE(sorted, &p->arena, (size_t)p->n_layers);
    for (int l = 0; l < p->n_layers; l++)
        sorted[l] = (named){p->layer[l].group, l};
    qsort(sorted, (size_t)p->n_layers, sizeof *sorted, by_group);
    for (int i = 1; i < p->n_layers; i++)
        if (!strcmp(sorted[i - 1].group, sorted[i].group))
            relate(r, sorted[i - 1].layer, sorted[i].layer, true, "same group");
    return HAWQ_OK;
}

static hawq_status relate_all(hawq_problem *p, relations *r) {
    for (int k = 0; k < RELATIONS; k++) {
        HAWQ_TAKE(r->parent[k], &p->arena, (size_t)p->n_layers);
        HAWQ_TAKE(r->reason[k], &p->arena, (size_t)p->n_layers);
        for (int l = 0; l < p->n_layers; l++) r->parent[k][l] = l;
    }
    HAWQ_TRY(relate_by_name(p, r));
    for (int t = 0; t < p->n_ties; t++) {
        const hawq_tie *tie = &p->tie[t];
        for (int i = 0; i < tie->n; i++) {
            int l = hawq_problem_find_layer(p, tie->layer[i]);
            if (l < 0)
                return hawq_fail(HAWQ_EINVAL, "group: there is no layer '%s'",
                                 tie->layer[i]);
            if (i == 0) continue;
            relate(r, hawq_problem_find_layer(p, tie->layer[0]), l,
                   !tie->activations, tie->reason);
        }
    }
    return HAWQ_OK;
}

/* --- the candidates of a group ------------------------------------------- */

/* Candidate indices of a layer, most bits first, the given order among equals:
 * an insertion sort, for a layer has a handful. */
static hawq_status sort_candidates(hawq_problem *p, hawq_problem_layer *layer) {
    int *member;
    HAWQ_TAKE(member, &p->arena, (size_t)layer->n_candidates);
    for (int c = 0; c < layer->n_candidates; c++) {
        const hawq_priced *new = &layer->candidate[c];
        int at = c;
        for (; at > 0; at--) {
            const hawq_priced *old = &layer->candidate[member[at - 1]];
            if (old->weight_bits > new->weight_bits ||
                (old->weight_bits == new->weight_bits &&
                 old->activation_bits >= new->activation_bits))
                break;
            member[at] = member[at - 1];
        }
        member[at] = c;
    }
    layer->order = layer->member = member;
    return HAWQ_OK;
}

/* Layers l and m take the same candidate. */
static hawq_status check_same_widths(const hawq_problem *p, int l, int m,
                                     const char *group) {
    const hawq_problem_layer *one = &p->layer[l], *two = &p->layer[m];
    bool                      same = one->n_candidates == two->n_candidates;
    for (int c = 0; c < one->n_candidates && same; c++) {
        const hawq_priced *a = &one->candidate[one->order[c]];
        const hawq_priced *b = &two->candidate[two->order[c]];
        same = a->weight_bits == b->weight_bits &&
               a->activation_bits == b->activation_bits &&
               !strcmp(a->name ? a->name : "", b->name ? b->name : "");
    }
    if (same) return HAWQ_OK;
    return hawq_fail(HAWQ_EFORMAT,
                     "layers '%s' and '%s' are in one group (%s) but differ "
                     "in the widths of their candidates",
                     one->name, two->name, group);
}

/* Which layers each group has; in_group and tied_to of the layers. */
static hawq_status list_groups(hawq_problem *p, relations *r) {
    int *members, used = 0;
    HAWQ_TAKE(members, &p->arena, (size_t)p->n_layers);
    HAWQ_TAKE(p->group, &p->arena, (size_t)p->n_layers);
    for (int l = 0; l < p->n_layers; l++) {
        int root = find_root(r->parent[ANY], l);
        p->layer[l].in_group =
            root == l ? p->n_groups++ : p->layer[root].in_group;
        p->layer[l].tied_to = find_root(r->parent[SAME], l);
        p->group[p->layer[l].in_group].n_layers++;
    }
    for (int g = 0; g < p->n_groups; g++) {
        p->group[g].layer = members + used;
        used += p->group[g].n_layers;
        p->group[g].n_layers = 0;
    }
    for (int l = 0; l < p->n_layers; l++) {
        hawq_problem_group *g = &p->group[p->layer[l].in_group];
        members[g->layer - members + g->n_layers++] = l;
        HAWQ_TRY(sort_candidates(p, &p->layer[l]));
    }
    return HAWQ_OK;
}

static hawq_status fill_group(hawq_problem *p, const relations *r,
                              hawq_problem_group *g) {
    g->name = p->layer[g->layer[0]].group;
    g->reason = "";
    g->n_candidates = p->layer[g->layer[0]].n_candidates;
    for (int i = 0; i < g->n_layers; i++) {
        int l = g->layer[i], first = p->layer[l].tied_to;
        if (first != l) HAWQ_TRY(check_same_widths(p, first, l, g->name));
        g->weights_free |= first != g->layer[0];
    }
    for (int i = 0; i < g->n_layers; i++) {
        const char *why = r->reason[g->weights_free ? ANY : SAME][g->layer[i]];
        if (why) g->reason = why;
    }
    return g->weights_free ? hawq_combine(p, g) : HAWQ_OK;
}

/* --- pins ---------------------------------------------------------------- */

/* "4" or "w4:gptq". */
static const char *pin_text(const hawq_pin *pin, char text[16]) {
    snprintf(text, 16, "%d", pin->weight_bits);
    return pin->name ? pin->name : text;
}

static bool same_pin(const hawq_pin *a, const hawq_pin *b) {
    char x[16], y[16];
    return !strcmp(pin_text(a, x), pin_text(b, y));
}

/* The pin that holds for each layer by itself, or NULL. */
static hawq_status choose_pins(const hawq_problem *p, const hawq_pin **of) {
    for (int i = 0; i < p->n_pins; i++) {
        const hawq_pin *pin = &p->pin[i];
        int             l = hawq_problem_find_layer(p, pin->layer);
        char            text[16];
        if (l < 0)
            return hawq_fail(HAWQ_EINVAL, "pin %s=%s: there is no layer '%s'",
                             pin->layer, pin_text(pin, text), pin->layer);
        if (!of[l] || pin->rank >= of[l]->rank) of[l] = pin;
    }
    return HAWQ_OK;
}

/* And for the layers that take the same candidate, at the first of them. */
static hawq_status join_pins(const hawq_problem *p, const hawq_pin **of) {
    for (int l = 0; l < p->n_layers; l++) {
        const hawq_pin **first = &of[p->layer[l].tied_to];
        if (of[l] && (!*first || of[l]->rank > (*first)->rank)) *first = of[l];
    }
    for (int l = 0; l < p->n_layers; l++) {
        const hawq_pin *pin = of[l], *first = of[p->layer[l].tied_to];
        char            a[16], b[16];
        if (pin && first->rank == pin->rank && !same_pin(first, pin))
            return hawq_fail(HAWQ_EINVAL,
                             "pin %s=%s contradicts %s=%s, which is as "
                             "specific: the layers are in one group (%s)",
                             pin->layer, pin_text(pin, a), first->layer,
                             pin_text(first, b), p->layer[l].group);
    }
    return HAWQ_OK;
}

/* Before the groups are filled: combinations that are not allowed must leave no
 * allowed one out. */
static hawq_status find_pins(hawq_problem *p) {
    const hawq_pin **of;
    HAWQ_TAKE(of, &p->arena, (size_t)p->n_layers);
    HAWQ_TRY(choose_pins(p, of));
    HAWQ_TRY(join_pins(p, of));
    for (int l = 0; l < p->n_layers; l++)
        p->layer[l].pin = of[p->layer[l].tied_to];
    return HAWQ_OK;
}

/* --- groups with their candidates --- */

static hawq_status fill_groups(hawq_problem *p, relations *r) {
    HAWQ_TRY(list_groups(p, r));
    HAWQ_TRY(find_pins(p));
    for (int g = 0; g < p->n_groups; g++)
        HAWQ_TRY(fill_group(p, r, &p->group[g]));
    return HAWQ_OK;
}

/* --- what the pins leave --- */

static hawq_status apply_pin(hawq_problem *p, const hawq_pin *pin,
                             bool *allowed) {
    int                       l = hawq_problem_find_layer(p, pin->layer);
    const hawq_problem_group *g = &p->group[p->layer[l].in_group];
    bool                      exists = false, left = false;
    char                      text[16];
    for (int c = 0; c < p->layer[l].n_candidates; c++)
        exists |= hawq_pin_allows(pin, &p->layer[l].candidate[c]);
    for (int c = 0; c < g->n_candidates; c++) {
        allowed[c] &= hawq_pin_allows(pin, hawq_problem_candidate(p, l, c));
        left |= allowed[c];
    }
    pin_text(pin, text);
    if (!exists && pin->name)
        return hawq_fail(HAWQ_EINVAL,
                         "pin %s=%s: the layer has no such candidate",
                         pin->layer, pin->name);
    if (!exists)
        return hawq_fail(HAWQ_EINVAL,
                         "pin %s=%s: the layer has no candidate of %s bits",
                         pin->layer, text, text);
    if (!left)
        return hawq_fail(HAWQ_EINVAL,
                         "pin %s=%s contradicts another pin of its group (%s)",
                         pin->layer, pin_text(pin, text), g->name);
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
    for (int l = 0; l < p->n_layers; l++) {
        const bool *of_group = p->group[p->layer[l].in_group].allowed;
        if (p->layer[l].pin && p->layer[l].tied_to == l)
            HAWQ_TRY(
                apply_pin(p, p->layer[l].pin, allowed + (of_group - allowed)));
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
                const hawq_priced *x = &p->layer[l].candidate[c];
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
    relations r;
    if (!p->n_layers)
        return hawq_fail(HAWQ_EFORMAT, "the problem has no layers");
    HAWQ_TRY(check_sums(p));
    HAWQ_TRY(relate_all(p, &r));
    HAWQ_TRY(fill_groups(p, &r));
    HAWQ_TRY(hawq_interactions_check(p));
    return apply_pins(p);
}
