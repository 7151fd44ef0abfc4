/* hvp.h -- the Hessian of a network's loss as a random linear operator: draw k
 * is the Hessian (or its Gauss-Newton part) of the mean loss over mini-batch
 * k, restricted to the weights of all layers.
 *
 * Where the network is piecewise linear from a layer's output to its own, as
 * with Relu and max pooling, the Hessian's diagonal blocks are those of
 * Gauss-Newton, and those have readings of far less noise
 * (hawq_engine_squares). hawq_hvp_choose finds out.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_HVP_H
#define HAWQ_HVP_H
#include "hessian/sampler.h"
#include "hessian/trace.h"

typedef struct hawq_hvp { /* all borrowed */
    hawq_engine    *engine;
    hawq_curvature  curvature;
    hawq_selection *at; /* from hawq_select_weights */
    hawq_sampler   *sampler;
    hawq_engine    *single; /* of the same network, one image a chunk; NULL:
                               probes only */
} hawq_hvp;

/* Keeps hvp->single if it serves: if Gauss-Newton is asked for, or if on n
 * mini-batches from `first` on the readings of the Hessian and of Gauss-Newton
 * are equal to the last bit, so that there is no second-order term. Else sets
 * it to NULL. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_hvp_choose(hawq_hvp *hvp, uint64_t first, int n,
                                           hawq_arena *arena);

/* The operator, with `trace` if hvp->single is set and `read` where the network
 * allows it (hawq_can_read); *hvp must outlive it. */
hawq_linop hawq_hvp_linop(hawq_hvp *hvp);

/* One block per layer, in layer order, as hawq_select_weights lays them out;
 * *out lives in the arena and has graph->n_layers entries. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_hvp_blocks(const hawq_graph *graph,
                                           hawq_arena *arena, hawq_block **out);

#endif
