/* constant_of_shape.c -- ConstantOfShape: a constant shape filled with one
 * value, by default the floating-point zero.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/ops.h"

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    const int64_t   *dims;
    size_t           n;
    const hawq_attr *a = hawq_attr_find(node, "value");
    HAWQ_TRY(hawq_read_ints(node, NULL, 0, &dims, &n));
    if (n > HAWQ_MAX_RANK)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "the shape has %zu axes; up to %d are supported",
                              n, HAWQ_MAX_RANK);
    if (a &&
        (a->type != HAWQ_ATTR_TENSOR ||
         hawq_shape_count(&a->tensor->shape, 0, a->tensor->shape.rank) != 1))
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "attribute 'value' is not a tensor of one "
                              "element");
    hawq_shape out = {.rank = (int)n};
    for (size_t i = 0; i < n; i++) out.dim[i] = dims[i];
    hawq_dtype dtype = a ? a->tensor->dtype : HAWQ_FLOAT;
    HAWQ_TRY(hawq_make_constant(node, arena, dtype, &out));
    hawq_tensor *y = node->out[0];
    for (size_t i = 0; a && i < y->n; i++)
        if (dtype == HAWQ_INT)
            y->ints[i] = a->tensor->ints[0];
        else
            y->data[i] = a->tensor->data[0];
    return HAWQ_OK;
}

const hawq_op hawq_op_constant_of_shape = {.name = "ConstantOfShape",
                                           .attributes = "value",
                                           .min_in = 1,
                                           .max_in = 1,
                                           .shape = shape};
