/* combine.c -- see combine.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/combine.h"

#include <stdlib.h>
#include <string.h>

/* The first units of a combination, each with a candidate. */
typedef struct part {
    double        loss;
    const double *cost; /* one per kind */
    int  from;    /* the part without the last unit, in the stage before */
    int  pick;    /* the last unit's place in its `order` */
    int  bits;    /* of the weights, summed over the layers */
    int  same;    /* the weight bits if all have the same, else 0 */
    bool allowed; /* by the pins */
} part;

typedef struct stage {
    int   n;
    part *item;
} stage;

/* A whole combination. */
typedef struct whole {
    int  bits, activation_bits, found;
    int *pick; /* [unit] */
} whole;

typedef struct combining {
    hawq_problem             *p;
    const hawq_problem_group *group;
    int                       n_units, n_whole, capacity;
    int                      *first; /* [unit]: its first layer */
    stage                    *stage; /* [unit] */
    whole                    *whole;
    hawq_arena                scratch;
} combining;

/* --- one unit more ------------------------------------------------------- */

/* Adds candidate `pick` of every layer of unit u. */
static hawq_status add_unit(combining *c, int u, int pick, part *to) {
    const hawq_problem *p = c->p;
    double             *cost;
    HAWQ_TAKE(cost, &c->scratch, (size_t)p->n_kinds + 1);
    for (int k = 0; k < p->n_kinds && to->cost; k++) cost[k] = to->cost[k];
    for (int i = 0; i < c->group->n_layers; i++) {
        int                       l = c->group->layer[i];
        const hawq_problem_layer *layer = &p->layer[l];
        const hawq_priced        *x = &layer->candidate[layer->order[pick]];
        if (layer->tied_to != c->first[u]) continue;
        to->loss += x->loss;
        to->bits += x->weight_bits;
        if (to->same != x->weight_bits) to->same = 0;
        to->allowed &= !layer->pin || hawq_pin_allows(layer->pin, x);
        for (int k = 0; k < p->n_kinds; k++) cost[k] += x->cost[k];
    }
    to->pick = pick;
    to->cost = cost;
    return HAWQ_OK;
}

static int compare(double a, double b) {
    return (a > b) - (a < b);
}

static int by_loss(const void *a, const void *b) {
    const part *x = a, *y = b;
    int         order = compare(x->loss, y->loss);
    if (!order) order = y->bits - x->bits;
    if (!order) order = x->from - y->from;
    return order ? order : x->pick - y->pick;
}

static bool dominates(const part *x, const part *y, int n_kinds) {
    if (x->loss > y->loss || (y->allowed && !x->allowed)) return false;
    for (int k = 0; k < n_kinds; k++)
        if (x->cost[k] > y->cost[k]) return false;
    return true;
}

/* In ascending loss, who dominates comes first. */
static void prune(const combining *c, stage *s) {
    int n = 0;
    qsort(s->item, (size_t)s->n, sizeof *s->item, by_loss);
    for (int i = 0; i < s->n && n <= HAWQ_COMBINED_MOST; i++) {
        bool stays = true;
        for (int j = 0; j < n && stays; j++)
            stays = !dominates(&s->item[j], &s->item[i], c->p->n_kinds);
        if (stays || s->item[i].same) s->item[n++] = s->item[i];
    }
    s->n = n;
}

static hawq_status refuse(const combining *c, int most) {
    return hawq_fail(
        HAWQ_EINVAL,
        "the weight bits of the %d layers that share an activation "
        "width with '%s' (%s) can be combined in more than %d "
        "ways%s; tie some of them, free some, or give fewer widths",
        c->group->n_layers, c->group->name, c->group->reason, most,
        c->p->n_interactions ? ", none of which may be left out where layers "
                               "interact"
                             : "");
}

/* Every part of the stage before with every candidate of unit u. */
static hawq_status extend(combining *c, int u, int activation_bits) {
    static const part         nothing = {.allowed = true};
    const hawq_problem_layer *layer = &c->p->layer[c->first[u]];
    stage                    *s = &c->stage[u];
    int                       before = u ? c->stage[u - 1].n : 1;
    int most = c->p->n_interactions ? HAWQ_COMBINED_PAIRS : HAWQ_COMBINED_MOST;
    s->n = 0;
    HAWQ_TAKE(s->item, &c->scratch,
              (size_t)before * (size_t)layer->n_candidates);
    for (int i = 0; i < before; i++)
        for (int k = 0; k < layer->n_candidates; k++) {
            const hawq_priced *x = &layer->candidate[layer->order[k]];
            if (hawq_input_bits(x) != activation_bits) continue;
            part *to = &s->item[s->n++];
            *to = u ? c->stage[u - 1].item[i] : nothing;
            if (!u) to->same = x->weight_bits;
            to->from = i;
            HAWQ_TRY(add_unit(c, u, k, to));
        }
    if (s->n > HAWQ_COMBINED_FEW && !c->p->n_interactions) prune(c, s);
    return s->n > most ? refuse(c, most) : HAWQ_OK;
}

/* --- all units ----------------------------------------------------------- */

static hawq_status keep(combining *c, int last, int activation_bits) {
    whole *w, *grown;
    if (c->n_whole == c->capacity) {
        c->capacity = 2 * c->capacity + 64;
        HAWQ_TAKE(grown, &c->scratch, (size_t)c->capacity);
        if (c->n_whole)
            memcpy(grown, c->whole, (size_t)c->n_whole * sizeof *grown);
        c->whole = grown;
    }
    w = &c->whole[c->n_whole];
    *w = (whole){c->stage[c->n_units - 1].item[last].bits, activation_bits,
                 c->n_whole, NULL};
    HAWQ_TAKE(w->pick, &c->scratch, (size_t)c->n_units);
    for (int u = c->n_units; u-- > 0;) {
        const part *at = &c->stage[u].item[last];
        w->pick[u] = at->pick;
        last = at->from;
    }
    c->n_whole++;
    return HAWQ_OK;
}

static hawq_status combine_at(combining *c, int activation_bits) {
    for (int u = 0; u < c->n_units; u++) {
        HAWQ_TRY(extend(c, u, activation_bits));
        if (!c->stage[u].n) return HAWQ_OK; /* this unit has no such width */
    }
    for (int i = 0; i < c->stage[c->n_units - 1].n; i++)
        HAWQ_TRY(keep(c, i, activation_bits));
    return HAWQ_OK;
}

/* Once for every activation width of the first unit. */
static hawq_status combine_all(combining *c) {
    const hawq_problem_layer *layer = &c->p->layer[c->first[0]];
    for (int i = 0; i < layer->n_candidates; i++) {
        int  bits = hawq_input_bits(&layer->candidate[i]);
        bool seen = false;
        for (int j = 0; j < i; j++)
            seen |= hawq_input_bits(&layer->candidate[j]) == bits;
        if (!seen) HAWQ_TRY(combine_at(c, bits));
    }
    if (c->n_whole) return HAWQ_OK;
    return hawq_fail(HAWQ_EFORMAT,
                     "the layers of group '%s' (%s) share the width of their "
                     "activations, but have none in common",
                     c->group->name, c->group->reason);
}

static int by_bits(const void *a, const void *b) {
    const whole *x = a, *y = b;
    if (x->bits != y->bits) return y->bits - x->bits;
    if (x->activation_bits != y->activation_bits)
        return y->activation_bits - x->activation_bits;
    return x->found - y->found;
}

static hawq_status write_members(const combining *c) {
    hawq_problem *p = c->p;
    for (int i = 0; i < c->group->n_layers; i++) {
        int  l = c->group->layer[i], u = 0;
        int *member;
        while (c->first[u] != p->layer[l].tied_to) u++;
        HAWQ_TAKE(member, &p->arena, (size_t)c->n_whole);
        for (int w = 0; w < c->n_whole; w++)
            member[w] = p->layer[l].order[c->whole[w].pick[u]];
        p->layer[l].member = member;
    }
    return HAWQ_OK;
}

static hawq_status combine(combining *c) {
    HAWQ_TAKE(c->first, &c->scratch, (size_t)c->group->n_layers);
    HAWQ_TAKE(c->stage, &c->scratch, (size_t)c->group->n_layers);
    for (int i = 0; i < c->group->n_layers; i++)
        if (c->p->layer[c->group->layer[i]].tied_to == c->group->layer[i])
            c->first[c->n_units++] = c->group->layer[i];
    HAWQ_TRY(combine_all(c));
    qsort(c->whole, (size_t)c->n_whole, sizeof *c->whole, by_bits);
    return write_members(c);
}

hawq_status hawq_combine(hawq_problem *p, hawq_problem_group *group) {
    combining   c = {.p = p, .group = group};
    hawq_status status = combine(&c);
    hawq_arena_free(&c.scratch);
    if (status == HAWQ_OK) group->n_candidates = c.n_whole;
    return status;
}
