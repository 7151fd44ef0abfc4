/* transpose.c -- Transpose: output axis a is input axis perm[a]; without perm,
 * all axes in reverse. SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/move.h"
#include "src/ops/ops.h"

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    const int64_t *perm;
    size_t         n;
    bool           used[HAWQ_MAX_RANK];
    hawq_route     axis[HAWQ_MAX_RANK];
    HAWQ_TRY(hawq_need_value(node, 0));
    const hawq_shape *s = &node->in[0]->shape;
    HAWQ_TRY(hawq_read_ints(node, "perm", -1, &perm, &n));
    if (perm && n != (size_t)s->rank)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "perm has %zu axes, the input has %d", n,
                              s->rank);
    HAWQ_TRY(hawq_read_axes(node, perm, n, s->rank, used));
    hawq_shape out = {.rank = s->rank};
    for (int a = 0; a < s->rank; a++) {
        int from = perm ? hawq_axis(perm[a], s->rank) : s->rank - 1 - a;
        out.dim[a] = s->dim[from];
        HAWQ_TRY(hawq_route_stride(arena, s->dim[from], 0,
                                   hawq_shape_count(s, from + 1, s->rank),
                                   &axis[a]));
    }
    HAWQ_TRY(hawq_set_out(node, 0, node->in[0]->dtype, &out));
    return hawq_move_set(node, arena, out.rank, axis);
}

const hawq_op hawq_op_transpose = {.name = "Transpose",
                                   .attributes = "perm",
                                   .min_in = 1,
                                   .max_in = 1,
                                   .shape = shape,
                                   .fold = hawq_move_fold,
                                   .forward = hawq_move_forward,
                                   .adjoint = hawq_move_adjoint,
                                   .moves = true};
