/* reshape.c -- Reshape: the same elements under another shape.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/move.h"
#include "src/ops/ops.h"

/* target[i] -> out->dim[i]: 0 copies the input's dimension unless allowzero,
 * one -1 takes what is left. */
static hawq_status resolve(const hawq_node *node, const int64_t *target,
                           size_t n, hawq_shape *out) {
    const hawq_tensor *x = node->in[0];
    bool               literal_zero = hawq_attr_int(node, "allowzero", 0) != 0;
    int                open = -1;
    int64_t            known = 1;
    char               from[128], to[128];
    if (n > HAWQ_MAX_RANK)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "the new shape has %zu axes; up to %d are "
                              "supported",
                              n, HAWQ_MAX_RANK);
    *out = (hawq_shape){.rank = (int)n};
    for (int a = 0; a < out->rank; a++) {
        int64_t d = target[a];
        if (d == 0 && !literal_zero && a < x->shape.rank) d = x->shape.dim[a];
        if (d < -1 || (d == -1 && open >= 0))
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "the new shape holds %lld on axis %d; one -1 "
                                  "is allowed",
                                  (long long)d, a);
        out->dim[a] = d;
        if (d == -1)
            open = a;
        else if (d > 0 && known > INT32_MAX / d)
            known = INT64_MAX / 2; /* matches no tensor */
        else
            known *= d;
    }
    if (open >= 0 && known > 0) out->dim[open] = (int64_t)x->n / known;
    if (open >= 0 ? known == 0 || (int64_t)x->n % known != 0
                  : known != (int64_t)x->n)
        return hawq_node_fail(
            node, HAWQ_EFORMAT,
            "input %s cannot become %s; if the file fixes the batch size, use "
            "that batch size or export it with a dynamic batch axis",
            hawq_shape_text(&x->shape, from), hawq_shape_text(out, to));
    return HAWQ_OK;
}

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    const int64_t *target;
    size_t         n;
    hawq_shape     out;
    HAWQ_TRY(hawq_need_value(node, 0));
    HAWQ_TRY(hawq_read_ints(node, NULL, 1, &target, &n));
    HAWQ_TRY(resolve(node, target, n, &out));
    return hawq_move_reshape(node, arena, &out);
}

const hawq_op hawq_op_reshape = {.name = "Reshape",
                                 .attributes = "allowzero",
                                 .min_in = 2,
                                 .max_in = 2,
                                 .shape = shape,
                                 .fold = hawq_move_fold,
                                 .forward = hawq_move_forward,
                                 .adjoint = hawq_move_adjoint,
                                 .moves = true};
