/* expand.c -- Expand: broadcasts x with a constant shape.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/move.h"
#include "src/ops/ops.h"

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    const int64_t *dims;
    size_t         n;
    hawq_shape     target = {0}, out;
    hawq_move     *move;
    HAWQ_TRY(hawq_need_value(node, 0));
    HAWQ_TRY(hawq_read_ints(node, NULL, 1, &dims, &n));
    if (n > HAWQ_MAX_RANK)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "the new shape has %zu axes; up to %d are "
                              "supported",
                              n, HAWQ_MAX_RANK);
    target.rank = (int)n;
    for (size_t i = 0; i < n; i++) target.dim[i] = dims[i];
    HAWQ_TRY(hawq_broadcast_shape(node, &node->in[0]->shape, &target, &out));
    HAWQ_TRY(hawq_set_out(node, 0, node->in[0]->dtype, &out));
    HAWQ_TAKE(move, arena, 1);
    node->param = move;
    return hawq_broadcast_plan(arena, &node->in[0]->shape, &out, move);
}

const hawq_op hawq_op_expand = {.name = "Expand",
                                .attributes = "",
                                .min_in = 2,
                                .max_in = 2,
                                .shape = shape,
                                .fold = hawq_move_fold,
                                .forward = hawq_move_forward,
                                .adjoint = hawq_move_adjoint,
                                .moves = true};
