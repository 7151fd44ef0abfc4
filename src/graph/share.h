/* share.h -- which planes can have the same memory.
 *
 * A plane of a computed tensor lives from the node that first writes it to the
 * node after which nothing reads it:
 *
 *     val, dot       from its maker to its last reader, in order of the nodes
 *     bar, bardot    from its last reader to its maker, in reverse order
 *
 * unless a later sweep reads it as well; then it is kept. Sweeps forward and
 * back read val. adjoint_tangent reads bar of its outputs and dot of its
 * inputs, but for operators that are linear (they have no adjoint_tangent) or
 * piecewise linear. Planes whose lives do not overlap share a buffer: the
 * smallest free one that is large enough, or the largest free one, which grows.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SHARE_H
#define HAWQ_SHARE_H
#include "src/graph/graph.h"

typedef struct hawq_lives {
    int *maker, *last; /* nodes, by tensor id; last of the output: n_nodes; both
                          -1 of what is not computed */
    bool *keep_dot, *keep_bar; /* by tensor id: adjoint_tangent reads it */
} hawq_lives;

HAWQ_NODISCARD hawq_status hawq_lives_find(const hawq_graph *graph,
                                           hawq_arena *arena, hawq_lives *out);

typedef struct hawq_sharing {
    int     n;      /* buffers */
    size_t *size;   /* elements of each */
    int    *buffer; /* by tensor id; -1 of what is not computed */
} hawq_sharing;

/* Buffers for the planes of one kind; backward: bar and bardot. kept: by tensor
 * id, those with a buffer of their own; NULL: none. */
HAWQ_NODISCARD hawq_status hawq_share(const hawq_graph *graph,
                                      const hawq_lives *lives, bool backward,
                                      const bool *kept, hawq_arena *arena,
                                      hawq_sharing *out);

#endif
