/* constant.c -- Constant: a tensor, number or list held in an attribute.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/ops.h"

#include <string.h>

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    if (node->n_attr != 1)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "%d attributes, expected one value",
                              node->n_attr);
    const hawq_attr *a = &node->attr[0];
    bool             integer = a->type == HAWQ_ATTR_INT;
    bool             one = integer || a->type == HAWQ_ATTR_FLOAT;
    hawq_tensor     *y = node->out[0];
    if (a->type == HAWQ_ATTR_TENSOR) {
        HAWQ_TRY(hawq_set_out(node, 0, a->tensor->dtype, &a->tensor->shape));
        y->data = a->tensor->data;
        y->ints = a->tensor->ints;
        y->role = HAWQ_CONSTANT;
        return HAWQ_OK;
    }
    if (a->type == HAWQ_ATTR_STRING)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "attribute '%s' holds text; numbers are "
                              "supported",
                              a->name);
    integer = integer || a->type == HAWQ_ATTR_INTS;
    HAWQ_TRY(hawq_make_constant(
        node, arena, integer ? HAWQ_INT : HAWQ_FLOAT,
        &(hawq_shape){.rank = one ? 0 : 1, .dim = {one ? 0 : (int64_t)a->n}}));
    for (size_t i = 0; i < y->n; i++)
        if (integer)
            y->ints[i] = one ? a->i : a->ints[i];
        else
            y->data[i] = (real)(one ? a->f : a->floats[i]);
    return HAWQ_OK;
}

const hawq_op hawq_op_constant = {
    .name = "Constant",
    .attributes = "value value_float value_floats value_int value_ints",
    .min_in = 0,
    .max_in = 0,
    .shape = shape};
