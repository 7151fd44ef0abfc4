/* range.c -- Range: start, start + delta, ... up to but without limit, from
 * constant scalars. SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/ops.h"

#include <math.h>

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    double     at[3];
    hawq_dtype dtype = node->in[0]->dtype;
    for (int i = 0; i < 3; i++) {
        const hawq_tensor *t = node->in[i];
        if (t->role != HAWQ_CONSTANT || t->n != 1 || t->dtype != dtype)
            return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                                  "'%s' is not a constant scalar of the type "
                                  "of '%s'",
                                  t->name, node->in[0]->name);
        at[i] = t->data ? (double)t->data[0] : (double)t->ints[0];
    }
    double n = ceil((at[1] - at[0]) / at[2]);
    if (at[2] == 0 || !(n <= INT32_MAX))
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "from %g to %g in steps of %g", at[0], at[1],
                              at[2]);
    if (n < 0) n = 0;
    HAWQ_TRY(hawq_make_constant(node, arena, dtype,
                                &(hawq_shape){.rank = 1, .dim = {(int64_t)n}}));
    hawq_tensor *y = node->out[0];
    for (size_t i = 0; i < y->n; i++)
        if (dtype == HAWQ_INT)
            y->ints[i] =
                node->in[0]->ints[0] + (int64_t)i * node->in[2]->ints[0];
        else
            y->data[i] = (real)(at[0] + (double)i * at[2]);
    return HAWQ_OK;
}

const hawq_op hawq_op_range = {.name = "Range",
                               .attributes = "",
                               .min_in = 3,
                               .max_in = 3,
                               .shape = shape};
