/* hvp.c -- products with the Hessian of a mini-batch.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "hessian/hvp.h"

#include "src/base/rng.h"
#include "src/graph/reading.h"

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
    hawq_engine_readings(h->engine, &batch, h->curvature, 1, h->at, v, reading);
}

static void trace_channels(void *self, uint64_t k, uint64_t seed,
                           double *reading) {
    enum { SIGNS = 1 }; /* a stream of its own */
    hawq_hvp  *h = self;
    hawq_batch batch = hawq_sampler_draw(h->sampler, k);
    hawq_engine_squares(h->single, &batch, h->at,
                        hawq_rng_key(seed, k, 0, SIGNS), reading);
}

hawq_linop hawq_hvp_linop(hawq_hvp *hvp) {
    bool can_read = hawq_can_read(hawq_engine_graph(hvp->engine));
    return (hawq_linop){hawq_selection_total(hvp->at), apply, hvp,
                        can_read ? read_channels : NULL,
                        hvp->single ? trace_channels : NULL};
}

static bool second_order_vanishes(hawq_hvp *h, uint64_t k, real *v,
                                  double *hessian, double *gauss_newton) {
    size_t n = hawq_reading_channels(hawq_engine_graph(h->engine));
    for (int l = 0; l < h->at->n; l++)
        hawq_probe_rademacher.draw(0, k, l,
                                   h->at->offset[l + 1] - h->at->offset[l],
                                   v + h->at->offset[l]);
    hawq_batch batch = hawq_sampler_draw(h->sampler, k);
    hawq_engine_readings(h->engine, &batch, HAWQ_HESSIAN, 1, h->at, v, hessian);
    hawq_engine_readings(h->engine, &batch, HAWQ_GAUSS_NEWTON, 1, h->at, v,
                         gauss_newton);
    for (size_t c = 0; c < n; c++)
        if (hessian[c] != gauss_newton[c]) return false;
    return true;
}

hawq_status hawq_hvp_choose(hawq_hvp *hvp, uint64_t first, int n,
                            hawq_arena *arena) {
    const hawq_graph *g = hawq_engine_graph(hvp->engine);
    hawq_mark         mark = hawq_arena_mark(arena);
    double           *reading;
    real             *v;
    if (!hvp->single || hvp->curvature == HAWQ_GAUSS_NEWTON) return HAWQ_OK;
    size_t channels = hawq_reading_channels(g);
    bool   serves = hawq_can_read(g);
    HAWQ_TAKE(v, arena, hawq_selection_total(hvp->at));
    HAWQ_TAKE(reading, arena, 2 * channels);
    for (int i = 0; i < n && serves; i++)
        serves = second_order_vanishes(hvp, first + (uint64_t)i, v, reading,
                                       reading + channels);
    hawq_arena_reset(arena, mark);
    if (!serves) hvp->single = NULL;
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
