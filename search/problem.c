/* problem.c -- building and checking the allocation problem. Groups are formed
 * by union and find over the layers; names are found by hashing, since a
 * network may have ten thousand layers.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/problem.h"

#include "search/interactions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Open addressing, at most half full: slot -> 1 + layer, 0 = free. */
struct name_index {
    size_t n_slots;
    int   *slot;
};

static uint64_t name_hash(const char *text) { /* FNV-1a */
    uint64_t h = 14695981039346656037u;
    for (; *text; text++) h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h;
}

/* The slot of the name or, where there is none, the free one it would take:
 * names that collide lie in the slots that follow. */
static size_t name_slot(const hawq_problem *p, const char *name) {
    size_t i = name_hash(name) & (p->names->n_slots - 1);
    while (p->names->slot[i] &&
           strcmp(p->layer[p->names->slot[i] - 1].name, name) != 0)
        i = (i + 1) & (p->names->n_slots - 1);
    return i;
}

static hawq_status names_grow(hawq_problem *p) {
    size_t n = p->names->n_slots ? 2 * p->names->n_slots : 64;
    HAWQ_TAKE(p->names->slot, &p->arena, n);
    p->names->n_slots = n;
    for (int i = 0; i < p->n_layers; i++)
        p->names->slot[name_slot(p, p->layer[i].name)] = i + 1;
    return HAWQ_OK;
}

static hawq_status copy_text(hawq_problem *p, const char *text,
                             const char **out) {
    *out = hawq_arena_string(&p->arena, text);
    return *out ? HAWQ_OK : HAWQ_ENOMEM;
}

static hawq_status fill_kinds(hawq_problem *p, int n,
                              const hawq_cost_kind *kind) {
    hawq_cost_kind *copy;
    if (n > HAWQ_KINDS_MAX)
        return hawq_fail(HAWQ_EFORMAT,
                         "the candidates have %d costs; at most %d are "
                         "possible",
                         n, HAWQ_KINDS_MAX);
    HAWQ_TAKE(copy, &p->arena, (size_t)n);
    HAWQ_TAKE(p->names, &p->arena, 1);
    for (int i = 0; i < n; i++) {
        if (!*kind[i].name)
            return hawq_fail(HAWQ_EFORMAT, "a cost has an empty name");
        for (int j = 0; j < i; j++)
            if (!strcmp(kind[i].name, kind[j].name))
                return hawq_fail(HAWQ_EFORMAT, "cost '%s' is named twice",
                                 kind[i].name);
        copy[i] = kind[i];
        HAWQ_TRY(copy_text(p, kind[i].name, &copy[i].name));
        HAWQ_TRY(copy_text(p, kind[i].unit_name ? kind[i].unit_name : "",
                           &copy[i].unit_name));
    }
    p->n_kinds = n;
    p->kind = copy;
    return names_grow(p);
}

hawq_status hawq_problem_new(int n_kinds, const hawq_cost_kind *kind,
                             hawq_problem **out) {
    hawq_arena    arena = {0};
    hawq_problem *p;
    HAWQ_TAKE(p, &arena, 1);
    p->arena = arena;
    hawq_status status = fill_kinds(p, n_kinds, kind);
    if (status != HAWQ_OK) {
        hawq_problem_free(p);
        return status;
    }
    *out = p;
    return HAWQ_OK;
}

void hawq_problem_free(hawq_problem *problem) {
    if (!problem) return;
    hawq_arena arena = problem->arena; /* the problem lies inside */
    hawq_arena_free(&arena);
}

static hawq_status check_candidate(const hawq_problem *p, const char *layer,
                                   int c, const hawq_priced *candidate) {
    if (candidate->weight_bits < 1 || candidate->weight_bits > 32 ||
        candidate->activation_bits < 1 || candidate->activation_bits > 32)
        return hawq_fail(HAWQ_EFORMAT,
                         "layer '%s', candidate %d: %d weight bits and %d "
                         "activation bits; both must be in 1 ... 32",
                         layer, c, candidate->weight_bits,
                         candidate->activation_bits);
    if (!isfinite(candidate->loss))
        return hawq_fail(
            HAWQ_ENONFINITE,
            "layer '%s', candidate %d: the loss is not finite (%g)", layer, c,
            candidate->loss);
    for (int k = 0; k < p->n_kinds; k++) {
        if (!isfinite(candidate->cost[k]))
            return hawq_fail(HAWQ_ENONFINITE,
                             "layer '%s', candidate %d: the cost '%s' is not "
                             "finite (%g)",
                             layer, c, p->kind[k].name, candidate->cost[k]);
        if (candidate->cost[k] < 0)
            return hawq_fail(HAWQ_EFORMAT,
                             "layer '%s', candidate %d: the cost '%s' is "
                             "negative (%g)",
                             layer, c, p->kind[k].name, candidate->cost[k]);
    }
    return HAWQ_OK;
}

static hawq_status room_for_layer(hawq_problem *p) {
    hawq_problem_layer *grown = hawq_arena_grow(
        &p->arena, p->layer, (size_t)p->n_layers, sizeof *grown);
    if (!grown) return HAWQ_ENOMEM;
    p->layer = grown;
    /* Half full at most, or probing for a name that is not there grows long. */
    if (2 * ((size_t)p->n_layers + 1) > p->names->n_slots) return names_grow(p);
    return HAWQ_OK;
}

hawq_status hawq_problem_add(hawq_problem *p, const char *name,
                             const char *group, int64_t params,
                             int n_candidates, const hawq_priced *given) {
    hawq_priced *candidate;
    double      *cost;
    if (!*name)
        return hawq_fail(HAWQ_EFORMAT, "layer %d has an empty name",
                         p->n_layers);
    if (hawq_problem_find_layer(p, name) >= 0)
        return hawq_fail(HAWQ_EFORMAT, "two layers are named '%s'", name);
    if (n_candidates < 1)
        return hawq_fail(HAWQ_EFORMAT, "layer '%s' has no candidates", name);
    if (n_candidates > UINT16_MAX)
        return hawq_fail(HAWQ_EFORMAT,
                         "layer '%s' has %d candidates; at most "
                         "%d are possible",
                         name, n_candidates, UINT16_MAX);
    HAWQ_TRY(room_for_layer(p));
    HAWQ_TAKE(candidate, &p->arena, (size_t)n_candidates);
    HAWQ_TAKE(cost, &p->arena, (size_t)n_candidates * (size_t)p->n_kinds);
    for (int c = 0; c < n_candidates; c++) {
        HAWQ_TRY(check_candidate(p, name, c, &given[c]));
        candidate[c] = given[c];
        candidate[c].cost = cost;
        if (given[c].name)
            HAWQ_TRY(copy_text(p, given[c].name, &candidate[c].name));
        for (int k = 0; k < p->n_kinds; k++) *cost++ = given[c].cost[k];
    }
    hawq_problem_layer *layer = &p->layer[p->n_layers];
    /* From here on nothing fails but memory, so a layer refused leaves no
     * trace. */
    layer->params = params;
    layer->n_candidates = n_candidates;
    layer->candidate = candidate;
    HAWQ_TRY(copy_text(p, name, &layer->name));
    HAWQ_TRY(copy_text(p, group ? group : name, &layer->group));
    size_t slot = name_slot(p, name);
    p->names->slot[slot] = ++p->n_layers;
    return HAWQ_OK;
}

hawq_status hawq_problem_add_loss(hawq_problem *p, int layer,
                                  int activation_bits, double value) {
    hawq_problem_layer *l = &p->layer[layer];
    hawq_priced        *changed;
    HAWQ_TAKE(changed, &p->arena, (size_t)l->n_candidates);
    for (int c = 0; c < l->n_candidates; c++) {
        changed[c] = l->candidate[c];
        if (changed[c].activation_bits == activation_bits)
            changed[c].loss += value;
        HAWQ_TRY(check_candidate(p, l->name, c, &changed[c]));
    }
    l->candidate = changed;
    return HAWQ_OK;
}

/* A constant is in every sum once, and every sum has the first layer once. */
hawq_status hawq_problem_add_fixed(hawq_problem *p, const char *kind,
                                   double value) {
    int k = hawq_problem_find_kind(p, kind);
    if (k < 0 || !p->n_layers || value == 0) return HAWQ_OK;
    hawq_problem_layer *l = &p->layer[0];
    hawq_cost_kind     *kinds;
    hawq_priced        *changed;
    HAWQ_TAKE(kinds, &p->arena, (size_t)p->n_kinds);
    HAWQ_TAKE(changed, &p->arena, (size_t)l->n_candidates);
    for (int c = 0; c < l->n_candidates; c++) {
        double *cost;
        HAWQ_TAKE(cost, &p->arena, (size_t)p->n_kinds);
        for (int i = 0; i < p->n_kinds; i++) cost[i] = l->candidate[c].cost[i];
        cost[k] += value;
        changed[c] = l->candidate[c];
        changed[c].cost = cost;
        HAWQ_TRY(check_candidate(p, l->name, c, &changed[c]));
    }
    l->candidate = changed;
    for (int i = 0; i < p->n_kinds; i++) kinds[i] = p->kind[i];
    if (kinds[k].uniform8 > 0) kinds[k].uniform8 += value;
    p->kind = kinds;
    return HAWQ_OK;
}

static hawq_status add_tie(hawq_problem *p, int n, const char *const *layer,
                           const char *reason, bool activations) {
    hawq_tie    *tie;
    const char **copy;
    tie = hawq_arena_grow(&p->arena, p->tie, (size_t)p->n_ties, sizeof *tie);
    if (!tie) return HAWQ_ENOMEM;
    HAWQ_TAKE(copy, &p->arena, (size_t)n);
    for (int i = 0; i < n; i++) HAWQ_TRY(copy_text(p, layer[i], &copy[i]));
    tie[p->n_ties].n = n;
    tie[p->n_ties].layer = copy;
    tie[p->n_ties].activations = activations;
    HAWQ_TRY(copy_text(p, reason, &tie[p->n_ties].reason));
    p->tie = tie;
    p->n_ties++;
    return HAWQ_OK;
}

hawq_status hawq_problem_tie(hawq_problem *p, int n, const char *const *layer,
                             const char *reason) {
    return add_tie(p, n, layer, reason, false);
}

hawq_status hawq_problem_tie_activations(hawq_problem *p, int n,
                                         const char *const *layer,
                                         const char        *reason) {
    return add_tie(p, n, layer, reason, true);
}

bool hawq_pin_allows(const hawq_pin *pin, const hawq_priced *c) {
    if (!pin->name) return c->weight_bits == pin->weight_bits;
    return c->name && !strcmp(c->name, pin->name);
}

static hawq_status add_pin(hawq_problem *p, const char *layer, int weight_bits,
                           const char *name, int rank) {
    hawq_pin *pin =
        hawq_arena_grow(&p->arena, p->pin, (size_t)p->n_pins, sizeof *pin);
    if (!pin) return HAWQ_ENOMEM;
    pin[p->n_pins].weight_bits = weight_bits;
    pin[p->n_pins].rank = rank;
    pin[p->n_pins].name = NULL;
    HAWQ_TRY(copy_text(p, layer, &pin[p->n_pins].layer));
    if (name) HAWQ_TRY(copy_text(p, name, &pin[p->n_pins].name));
    p->pin = pin;
    p->n_pins++;
    return HAWQ_OK;
}

hawq_status hawq_problem_pin(hawq_problem *p, const char *layer,
                             int weight_bits, int rank) {
    return add_pin(p, layer, weight_bits, NULL, rank);
}

hawq_status hawq_problem_pin_name(hawq_problem *p, const char *layer,
                                  const char *name, int rank) {
    return add_pin(p, layer, 0, name, rank);
}

const char *hawq_problem_kinds_text(hawq_problem *p) {
    const char *known = "";
    for (int i = 0; i < p->n_kinds && known; i++)
        known = hawq_arena_format(&p->arena, "%s%s%s", known, i ? ", " : "",
                                  p->kind[i].name);
    return known && *known ? known : "no costs";
}

hawq_status hawq_problem_budget(hawq_problem *p, const char *kind,
                                double limit) {
    int k = hawq_problem_find_kind(p, kind);
    if (k < 0)
        return hawq_fail(HAWQ_EINVAL,
                         "budget '%s': no such cost; the problem has %s", kind,
                         hawq_problem_kinds_text(p));
    if (!isfinite(limit) || limit < 0)
        return hawq_fail(HAWQ_EINVAL,
                         "budget '%s': %g is not a finite number >= 0", kind,
                         limit);
    for (int b = 0; b < p->n_budgets; b++)
        if (p->budget[b].kind == k)
            return hawq_fail(HAWQ_EINVAL, "budget '%s' is given twice", kind);
    if (p->n_budgets == HAWQ_BUDGETS_MAX)
        return hawq_fail(HAWQ_EINVAL, "more than %d budgets", HAWQ_BUDGETS_MAX);
    if (!p->budget) HAWQ_TAKE(p->budget, &p->arena, HAWQ_BUDGETS_MAX);
    p->budget[p->n_budgets++] = (hawq_budget){k, limit};
    return HAWQ_OK;
}

void hawq_problem_clear_budgets(hawq_problem *problem) {
    problem->n_budgets = 0;
}

int hawq_problem_find_kind(const hawq_problem *p, const char *name) {
    for (int i = 0; i < p->n_kinds; i++)
        if (!strcmp(p->kind[i].name, name)) return i;
    return -1;
}

int hawq_problem_find_layer(const hawq_problem *p, const char *name) {
    return p->names->slot[name_slot(p, name)] - 1;
}

const hawq_priced *hawq_problem_candidate(const hawq_problem *p, int layer,
                                          int c) {
    const hawq_problem_layer *l = &p->layer[layer];
    return &l->candidate[l->member[c]];
}

double hawq_problem_sum(const hawq_problem *p, int kind, const int *choice) {
    double sum = 0;
    for (int l = 0; l < p->n_layers; l++) {
        const hawq_priced *c =
            hawq_problem_candidate(p, l, choice[p->layer[l].in_group]);
        sum += kind < 0 ? c->loss : c->cost[kind];
    }
    /* objective = sum_l loss_l + sum_{i<j} q_ij: the pairs are counted once */
    if (kind < 0) return sum + hawq_interactions_sum(p, choice);
    return sum / p->kind[kind].unit;
}

/* Of several 8-bit candidates of a layer the first with 8-bit activations,
 * which is the one that a uniform network has. */
double hawq_problem_uniform8(const hawq_problem *p, int kind, bool *found) {
    double sum = 0;
    *found = true;
    /* Known for the network as a whole, where that is not the sum over layers.
     */
    if (p->kind[kind].uniform8 > 0) return p->kind[kind].uniform8;
    for (int l = 0; l < p->n_layers; l++) {
        const hawq_problem_layer *layer = &p->layer[l];
        const hawq_priced        *best = NULL;
        for (int c = 0; c < layer->n_candidates; c++) {
            const hawq_priced *this = &layer->candidate[c];
            if (this->weight_bits == 8 &&
                (!best ||
                 (this->activation_bits == 8 && best->activation_bits != 8)))
                best = this;
        }
        if (!best) *found = false;
        sum += best ? best->cost[kind] : 0;
    }
    return sum / p->kind[kind].unit;
}
