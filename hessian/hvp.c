/* hvp.c -- products with the Hessian of a mini-batch.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "hessian/hvp.h"

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

hawq_linop hawq_hvp_linop(hawq_hvp *hvp) {
    bool can_read = hawq_can_read(hawq_engine_graph(hvp->engine));
    return (hawq_linop){hawq_selection_total(hvp->at), apply, hvp,
                        can_read ? read_channels : NULL};
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
