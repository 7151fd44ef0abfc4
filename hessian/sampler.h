/* sampler.h -- mini-batches: the k-th one is a pure function of (seed, k).
 *
 * The data set is walked through in a shuffled order (Fisher and Yates 1938),
 * a new one every time it has been seen whole; mini-batch k is images k * size
 * to (k + 1) * size of that walk. So the first n / size samples share no
 * image, which is a little better than independent draws: a standard error
 * that takes them for independent errs on the safe side.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SAMPLER_H
#define HAWQ_SAMPLER_H
#include "src/graph/sweep.h"

typedef struct hawq_sampler {
    hawq_batch data; /* all images; borrowed */
    size_t     size; /* images in a mini-batch */
    uint64_t   seed;
    size_t     per_x, per_target, per_label; /* numbers per image */
    /* private */
    uint64_t  walk;  /* the walk that `order` holds */
    uint32_t *order; /* data.n */
    real     *x, *targets;
    int64_t  *labels;
} hawq_sampler;

/* Fills the sampler, its memory from the arena. EINVAL if there are fewer
 * images than a mini-batch, or none, or 2^32 and more. */
HAWQ_NODISCARD hawq_status hawq_sampler_init(hawq_sampler     *s,
                                             const hawq_graph *graph,
                                             const hawq_batch *data,
                                             size_t size, uint64_t seed,
                                             hawq_arena *arena);

/* Mini-batch k, copied into the sampler: valid until the next draw. */
hawq_batch hawq_sampler_draw(hawq_sampler *s, uint64_t k);

#endif
