/* records.c -- see records.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/records.h"

#include <string.h>

enum { WEIGHT_SIZE, BOPS, MEAN_BITS, LATENCY, KINDS, ACTIVATION_BITS = 8 };

typedef struct source {
    int                            n_layers, n_sensitivities, n_timings;
    const hawq_layer_record       *layer;
    const hawq_sensitivity_record *sensitivity;
    const hawq_layer_timing       *timing;
    hawq_arena                     arena; /* scratch */
} source;

static hawq_status find_time(const source *s, const char *layer, int bits,
                             double *out) {
    for (int i = 0; i < s->n_timings; i++)
        if (s->timing[i].weight_bits == bits &&
            s->timing[i].activation_bits == ACTIVATION_BITS &&
            !strcmp(s->timing[i].layer, layer)) {
            *out = s->timing[i].latency_us;
            return HAWQ_OK;
        }
    return hawq_fail(HAWQ_ESTATE,
                     "latency: layer '%s' has not been timed at %d bits on "
                     "this machine; run hawq-bench with uniform allocations "
                     "of every width first",
                     layer, bits);
}

static hawq_status fill_costs(const source *s, const hawq_layer_record *l,
                              int bits, double *cost) {
    cost[WEIGHT_SIZE] = (double)hawq_weight_bytes(l->params, l->channels, bits);
    cost[BOPS] = (double)bits * ACTIVATION_BITS * (double)l->macs;
    cost[MEAN_BITS] = (double)bits * (double)l->params;
    if (s->timing) return find_time(s, l->name, bits, &cost[LATENCY]);
    return HAWQ_OK;
}

static hawq_status fill_kinds(const source *s, hawq_cost_kind *kind) {
    double params = 0, cost[KINDS] = {0};
    kind[WEIGHT_SIZE] = (hawq_cost_kind){"weight-size", 1, "bytes", 0};
    kind[BOPS] = (hawq_cost_kind){"bops", 1, "BOPS", 0};
    kind[MEAN_BITS] = (hawq_cost_kind){"mean-bits", 1, "bits", 8};
    kind[LATENCY] = (hawq_cost_kind){"latency", 1, "us", 0};
    for (int l = 0; l < s->n_layers; l++) {
        HAWQ_TRY(fill_costs(s, &s->layer[l], 8, cost));
        kind[WEIGHT_SIZE].uniform8 += cost[WEIGHT_SIZE];
        kind[BOPS].uniform8 += cost[BOPS];
        if (s->timing) kind[LATENCY].uniform8 += cost[LATENCY];
        params += (double)s->layer[l].params;
    }
    if (params > 0) kind[MEAN_BITS].unit = params;
    return HAWQ_OK;
}

static hawq_status add_layer(source *s, int index, hawq_problem *p) {
    const hawq_layer_record *l = &s->layer[index];
    hawq_candidate          *candidate;
    double                  *cost;
    int                      n = 0;
    HAWQ_TAKE(candidate, &s->arena, (size_t)s->n_sensitivities);
    for (int i = 0; i < s->n_sensitivities; i++) {
        const hawq_sensitivity_record *r = &s->sensitivity[i];
        if (r->layer != index) continue;
        HAWQ_TAKE(cost, &s->arena, KINDS);
        HAWQ_TRY(fill_costs(s, l, r->bits, cost));
        candidate[n++] =
            (hawq_candidate){r->bits, ACTIVATION_BITS, r->value, cost};
    }
    return hawq_problem_add(p, l->name, NULL, l->params, n, candidate);
}

static hawq_status build(source *s, hawq_problem **p) {
    hawq_cost_kind kind[KINDS];
    HAWQ_TRY(fill_kinds(s, kind));
    HAWQ_TRY(hawq_problem_new(s->timing ? KINDS : LATENCY, kind, p));
    for (int l = 0; l < s->n_layers; l++) {
        hawq_mark mark = hawq_arena_mark(&s->arena);
        HAWQ_TRY(add_layer(s, l, *p));
        hawq_arena_reset(&s->arena, mark);
    }
    return HAWQ_OK;
}

hawq_status hawq_problem_from_records(
    int n_layers, const hawq_layer_record *layer, int n_sensitivities,
    const hawq_sensitivity_record *sensitivity, int n_timings,
    const hawq_layer_timing *timing, hawq_problem **out) {
    source        s = {.n_layers = n_layers,
                       .n_sensitivities = n_sensitivities,
                       .n_timings = n_timings,
                       .layer = layer,
                       .sensitivity = sensitivity,
                       .timing = timing};
    hawq_problem *p = NULL;
    hawq_status   status = build(&s, &p);
    hawq_arena_free(&s.arena);
    if (status == HAWQ_OK)
        *out = p;
    else
        hawq_problem_free(p);
    return status;
}
