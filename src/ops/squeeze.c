/* squeeze.c -- Squeeze and Unsqueeze: axes of length one come and go. The axes
 * are an attribute up to operator set 12, a constant input from 13 on.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/move.h"
#include "src/ops/ops.h"

static hawq_status squeeze_shape(hawq_node *node, hawq_arena *arena) {
    const int64_t *axes;
    size_t         n;
    bool           drop[HAWQ_MAX_RANK];
    hawq_shape     out = {0};
    HAWQ_TRY(hawq_need_value(node, 0));
    const hawq_shape *s = &node->in[0]->shape;
    HAWQ_TRY(hawq_read_ints(node, "axes", 1, &axes, &n));
    HAWQ_TRY(hawq_read_axes(node, axes, n, s->rank, drop));
    for (int a = 0; a < s->rank; a++) {
        if (axes && drop[a] && s->dim[a] != 1)
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "axis %d has length %lld, only 1 can be "
                                  "squeezed",
                                  a, (long long)s->dim[a]);
        if (axes ? !drop[a] : s->dim[a] != 1) out.dim[out.rank++] = s->dim[a];
    }
    return hawq_move_reshape(node, arena, &out);
}

static hawq_status unsqueeze_shape(hawq_node *node, hawq_arena *arena) {
    const int64_t *axes;
    size_t         n;
    bool           added[HAWQ_MAX_RANK];
    HAWQ_TRY(hawq_need_value(node, 0));
    const hawq_shape *s = &node->in[0]->shape;
    HAWQ_TRY(hawq_read_ints(node, "axes", 1, &axes, &n));
    if (!axes) return hawq_node_fail(node, HAWQ_EFORMAT, "'axes' is missing");
    if (n > (size_t)(HAWQ_MAX_RANK - s->rank))
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "the output has %zu axes; up to %d are supported",
                              (size_t)s->rank + n, HAWQ_MAX_RANK);
    hawq_shape out = {.rank = s->rank + (int)n};
    HAWQ_TRY(hawq_read_axes(node, axes, n, out.rank, added));
    for (int a = 0, from = 0; a < out.rank; a++)
        out.dim[a] = added[a] ? 1 : s->dim[from++];
    return hawq_move_reshape(node, arena, &out);
}

const hawq_op hawq_op_squeeze = {.name = "Squeeze",
                                 .attributes = "axes",
                                 .min_in = 1,
                                 .max_in = 2,
                                 .shape = squeeze_shape,
                                 .fold = hawq_move_fold,
                                 .forward = hawq_move_forward,
                                 .adjoint = hawq_move_adjoint,
                                 .moves = true};

const hawq_op hawq_op_unsqueeze = {.name = "Unsqueeze",
                                   .attributes = "axes",
                                   .min_in = 1,
                                   .max_in = 2,
                                   .shape = unsqueeze_shape,
                                   .fold = hawq_move_fold,
                                   .forward = hawq_move_forward,
                                   .adjoint = hawq_move_adjoint,
                                   .moves = true};
