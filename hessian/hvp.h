/* hvp.h -- the Hessian of a network's loss as a random linear operator: draw k
 * is the Hessian (or its Gauss-Newton part) of the mean loss over mini-batch
 * k, restricted to the weights of all layers.
 *
 * The Hessian is Gauss-Newton's part, of which there are readings image by
 * image with far less noise than a probe's (hawq_engine_squares), and
 * second-order terms, which have none in the diagonal blocks of a network that
 * is piecewise linear from a layer's output to its own, as with Relu and max
 * pooling. So a trace is read from both: image by image, and by a probe for the
 * rest if there is any. hawq_hvp_check finds out.
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
    bool fisher;      /* instead of the curvature E[g g'], g the gradient of an
                         image's loss: traces only */
    double *gradient; /* for fisher: hawq_selection_total(at) of them */
    bool    rest_vanishes; /* hawq_hvp_check: nothing is left for a probe */
} hawq_hvp;

/* Sets rest_vanishes: Gauss-Newton is what is asked for, or on n mini-batches
 * from `first` on all readings of the second-order terms are exactly 0. ENOMEM.
 */
HAWQ_NODISCARD hawq_status hawq_hvp_check(hawq_hvp *hvp, uint64_t first, int n,
                                          hawq_arena *arena);

/* The operator, with `trace` and `read` where the network allows them
 * (hvp->single, hawq_can_read); *hvp must outlive it. */
hawq_linop hawq_hvp_linop(hawq_hvp *hvp);

/* One block per layer, in layer order, as hawq_select_weights lays them out;
 * *out lives in the arena and has graph->n_layers entries. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_hvp_blocks(const hawq_graph *graph,
                                           hawq_arena *arena, hawq_block **out);

#endif
