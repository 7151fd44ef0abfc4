/* sampler.c -- seeded walks through a data set.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "hessian/sampler.h"

#include "src/base/rng.h"
#include "src/graph/score.h"

#include <string.h>

/* Keys of walks and of probes never meet: a probe's last coordinate is 0. */
enum { WALK_STREAM = 1 };

static void shuffle(hawq_sampler *s, uint64_t walk) {
    uint64_t key = hawq_rng_key(s->seed, walk, 0, WALK_STREAM);
    hawq_rng_shuffle(key, 1, s->data.n, s->order);
    s->walk = walk;
}

hawq_status hawq_sampler_init(hawq_sampler *s, const hawq_graph *graph,
                              const hawq_batch *data, size_t size,
                              uint64_t seed, hawq_arena *arena) {
    if (size < 1 || data->n < size || data->n > UINT32_MAX)
        return hawq_fail(HAWQ_EINVAL,
                         "the data has %zu images, fewer than a mini-batch of "
                         "%zu; give more images or a smaller --batch-size",
                         data->n, size);
    *s = (hawq_sampler){.data = *data, .size = size, .seed = seed};
    s->per_x = graph->n_row;
    s->per_target = hawq_per_image(graph, graph->output);
    s->per_label = hawq_score_rows(graph).rows;
    HAWQ_TAKE(s->order, arena, data->n);
    HAWQ_TAKE(s->x, arena, size * s->per_x);
    if (data->labels) HAWQ_TAKE(s->labels, arena, size * s->per_label);
    if (data->targets) HAWQ_TAKE(s->targets, arena, size * s->per_target);
    shuffle(s, 0);
    return HAWQ_OK;
}

/* Copies image `from` of the data to place `to` of the mini-batch. */
static void copy_image(hawq_sampler *s, size_t from, size_t to) {
    const hawq_batch *d = &s->data;
    memcpy(s->x + to * s->per_x, d->x + from * s->per_x,
           s->per_x * sizeof *s->x);
    if (s->labels)
        memcpy(s->labels + to * s->per_label, d->labels + from * s->per_label,
               s->per_label * sizeof *s->labels);
    if (s->targets)
        memcpy(s->targets + to * s->per_target,
               d->targets + from * s->per_target,
               s->per_target * sizeof *s->targets);
}

hawq_batch hawq_sampler_draw(hawq_sampler *s, uint64_t k) {
    for (size_t i = 0; i < s->size; i++) {
        uint64_t step = k * s->size + i;
        if (step / s->data.n != s->walk) shuffle(s, step / s->data.n);
        copy_image(s, s->order[step % s->data.n], i);
    }
    return (hawq_batch){s->size, s->x, s->labels, s->targets};
}
