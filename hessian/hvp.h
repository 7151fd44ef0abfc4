/* hvp.h -- the Hessian of a network's loss as a random linear operator: draw k
 * is the Hessian (or its Gauss-Newton part) of the mean loss over mini-batch
 * k, restricted to the weights of all layers.
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
} hawq_hvp;

/* The operator, with `read` where the network allows it (hawq_can_read); *hvp
 * must outlive it. */
hawq_linop hawq_hvp_linop(hawq_hvp *hvp);

/* One block per layer, in layer order, as hawq_select_weights lays them out;
 * *out lives in the arena and has graph->n_layers entries. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_hvp_blocks(const hawq_graph *graph,
                                           hawq_arena *arena, hawq_block **out);

#endif
