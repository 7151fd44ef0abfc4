/* flatten.c -- Flatten: to two axes, split before `axis`.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/move.h"
#include "src/ops/ops.h"

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    HAWQ_TRY(hawq_need_value(node, 0));
    const hawq_shape *s = &node->in[0]->shape;
    int64_t           axis = hawq_attr_int(node, "axis", 1);
    if (axis < -s->rank || axis > s->rank)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "axis %lld is out of range for rank %d",
                              (long long)axis, s->rank);
    int at = (int)(axis < 0 ? axis + s->rank : axis);
    return hawq_move_reshape(
        node, arena,
        &(hawq_shape){.rank = 2,
                      .dim = {hawq_shape_count(s, 0, at),
                              hawq_shape_count(s, at, s->rank)}});
}

const hawq_op hawq_op_flatten = {.name = "Flatten",
                                 .attributes = "axis",
                                 .min_in = 1,
                                 .max_in = 1,
                                 .shape = shape,
                                 .fold = hawq_move_fold,
                                 .forward = hawq_move_forward,
                                 .adjoint = hawq_move_adjoint,
                                 .moves = true};
