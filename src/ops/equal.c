/* equal.c -- Equal, on integer constants: exported shape arithmetic asks which
 * dimensions are -1. SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/move.h"
#include "src/ops/ops.h"

static int64_t equal(int64_t a, int64_t b) {
    return a == b;
}

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    hawq_shape out;
    (void)arena;
    for (int i = 0; i < 2; i++)
        if (node->in[i]->role != HAWQ_CONSTANT ||
            node->in[i]->dtype != HAWQ_INT)
            return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                                  "'%s' is not an integer constant",
                                  node->in[i]->name);
    HAWQ_TRY(hawq_broadcast_shape(node, &node->in[0]->shape,
                                  &node->in[1]->shape, &out));
    return hawq_set_out(node, 0, HAWQ_INT, &out);
}

static hawq_status fold(hawq_node *node, hawq_arena *arena) {
    return hawq_fold_binary_ints(node, arena, equal);
}

const hawq_op hawq_op_equal = {.name = "Equal",
                               .attributes = "",
                               .min_in = 2,
                               .max_in = 2,
                               .shape = shape,
                               .fold = fold};
