/* raise.h -- nodes of an older opset as a newer one writes them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_RAISE_H
#define HAWQ_RAISE_H
#include "src/load/proto.h"

/* Rewrites what changed between the model's opset and a newer one: bounds of
 * Clip, axes of Squeeze, Unsqueeze and the reductions are inputs there, Softmax
 * has one axis. A model of that opset or a newer one is left alone. rank_of:
 * per node, the rank of its first input. New memory from the arena, new
 * constants at the end, for which there is room (hawq_proto_raise_room).
 * EUNSUPPORTED names a node whose form has no counterpart. */
HAWQ_NODISCARD hawq_status hawq_proto_raise(hawq_proto *model, int opset,
                                            const int  *rank_of,
                                            hawq_arena *arena);

/* Most constants that it adds. */
static inline size_t hawq_proto_raise_room(const hawq_proto *model) {
    return 2 * model->n_nodes;
}

#endif
