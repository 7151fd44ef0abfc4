/* hvp.c -- products with the Hessian of a mini-batch.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "hessian/hvp.h"

#include "src/base/rng.h"
#include "src/graph/reading.h"
#include "src/graph/score.h"

static void apply(void *self, uint64_t k, const real *v, double *av) {
    hawq_hvp  *h = self;
    hawq_batch batch = hawq_sampler_draw(h->sampler, k);
    hawq_engine_products(h->engine, &batch, h->curvature, 1, h->at, v, h->at,
                         av, NULL);
}

static void read_channels(void *self, uint64_t k, const real *v,
                          double *reading) {
    hawq_hvp  *h = self;
    hawq_batch batch = hawq_sampler_draw(h->sampler, k);
    /* H = J'H_z J + rest. Where `single` reads the trace of the first part
     * exactly (trace_channels), the probe is to see the rest alone. */
    hawq_engine_readings(h->engine, &batch,
                         h->single && h->curvature == HAWQ_HESSIAN
                             ? HAWQ_SECOND_ORDER
                             : h->curvature,
                         1, h->at, v, reading);
}

static void trace_channels(void *self, uint64_t k, uint64_t seed,
                           double *reading) {
    enum { SIGNS = 1 }; /* a stream of its own */
    hawq_hvp  *h = self;
    hawq_batch batch = hawq_sampler_draw(h->sampler, k);
    hawq_engine_squares(h->single, &batch, h->at,
                        hawq_rng_key(seed, k, 0, SIGNS), reading);
}

/* sum of g^2 over every channel of one layer, channels as blocks have them. */
static void add_squares(const hawq_layer *l, const double *g, double share,
                        double *reading) {
    for (size_t i = 0; i < l->weight->n; i++)
        reading[i / l->inner % l->channels] += share * g[i] * g[i];
}

static void fisher_channels(void *self, uint64_t k, uint64_t seed,
                            double *reading) {
    hawq_hvp         *h = self;
    hawq_engine      *engine = h->single ? h->single : h->engine;
    const hawq_graph *g = hawq_engine_graph(engine);
    hawq_batch        batch = hawq_sampler_draw(h->sampler, k);
    (void)seed; /* nothing is random but the mini-batch */
    for (size_t c = hawq_reading_channels(g); c--;) reading[c] = 0;
    /* E|g_i|^2 needs every image alone: the mean gradient of a batch has the
     * expected square of the mean, which is smaller. */
    for (size_t i = 0; i < batch.n; i++) {
        hawq_batch image = hawq_score_part(g, &batch, i, 1);
        double    *at = reading;
        hawq_engine_gradient(engine, &image, h->at, h->gradient, NULL, NULL);
        for (int l = 0; l < g->n_layers; at += g->layer[l++].channels)
            add_squares(&g->layer[l], h->gradient + h->at->offset[l],
                        1 / (double)batch.n, at);
    }
}

hawq_linop hawq_hvp_linop(hawq_hvp *hvp) {
    if (hvp->fisher)
        return (hawq_linop){.n = hawq_selection_total(hvp->at),
                            .self = hvp,
                            .trace = fisher_channels};
    bool       can_read = hawq_can_read(hawq_engine_graph(hvp->engine));
    hawq_linop a = {hawq_selection_total(hvp->at), apply, hvp,
                    can_read ? read_channels : NULL, NULL};
    if (!hvp->single || (hvp->curvature == HAWQ_HESSIAN && !can_read)) return a;
    a.trace = trace_channels;
    if (hvp->rest_vanishes) a.read = NULL;
    return a;
}

static bool vanishes(hawq_hvp *h, uint64_t k, real *v, double *reading) {
    hawq_batch batch = hawq_sampler_draw(h->sampler, k);
    for (int l = 0; l < h->at->n; l++)
        hawq_probe_rademacher.draw(0, k, l,
                                   h->at->offset[l + 1] - h->at->offset[l],
                                   v + h->at->offset[l]);
    hawq_engine_readings(h->engine, &batch, HAWQ_SECOND_ORDER, 1, h->at, v,
                         reading);
    for (size_t c = hawq_reading_channels(hawq_engine_graph(h->engine)); c--;)
        if (reading[c] != 0) return false;
    return true;
}

hawq_status hawq_hvp_check(hawq_hvp *hvp, uint64_t first, int n,
                           hawq_arena *arena) {
    const hawq_graph *g = hawq_engine_graph(hvp->engine);
    hawq_mark         mark = hawq_arena_mark(arena);
    double           *reading;
    real             *v;
    /* A network that is piecewise linear in its weights, one layer at a
     * time, has no second part; whether it has is seen from a few probes. */
    hvp->rest_vanishes = hvp->fisher || hvp->curvature == HAWQ_GAUSS_NEWTON;
    if (hvp->rest_vanishes || !hawq_can_read(g)) return HAWQ_OK;
    HAWQ_TAKE(v, arena, hawq_selection_total(hvp->at));
    HAWQ_TAKE(reading, arena, hawq_reading_channels(g));
    hvp->rest_vanishes = true;
    for (int i = 0; i < n && hvp->rest_vanishes; i++)
        hvp->rest_vanishes = vanishes(hvp, first + (uint64_t)i, v, reading);
    hawq_arena_reset(arena, mark);
    return HAWQ_OK;
}

hawq_status hawq_hvp_blocks(const hawq_graph *graph, hawq_arena *arena,
                            hawq_block **out) {
    hawq_block *block;
    size_t      offset = 0;
    HAWQ_TAKE(block, arena, (size_t)graph->n_layers);
    for (int l = 0; l < graph->n_layers; l++) {
        const hawq_layer *layer = &graph->layer[l];
        block[l] = (hawq_block){layer->name, offset, layer->outer,
                                layer->channels, layer->inner};
        offset += layer->weight->n;
    }
    *out = block;
    return HAWQ_OK;
}
