/* identity.c -- Identity, and Dropout as it is outside training: y = x.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/move.h"
#include "src/ops/ops.h"

static hawq_status identity_shape(hawq_node *node, hawq_arena *arena) {
    HAWQ_TRY(hawq_need_value(node, 0));
    return hawq_move_reshape(node, arena, &node->in[0]->shape);
}

/* The mask, which older exporters name though nothing reads it, is all ones
 * outside training: it becomes a constant and the node has one output. */
static hawq_status mask_constant(hawq_node *node, hawq_arena *arena) {
    hawq_tensor *mask = node->n_out > 1 ? node->out[1] : NULL;
    if (!mask) return HAWQ_OK;
    HAWQ_TRY(hawq_set_out(node, 1, HAWQ_INT, &node->in[0]->shape));
    HAWQ_TAKE(mask->ints, arena, mask->n);
    for (size_t i = 0; i < mask->n; i++) mask->ints[i] = 1;
    mask->role = HAWQ_CONSTANT;
    mask->producer = NULL;
    node->n_out = 1;
    return HAWQ_OK;
}

static hawq_status dropout_shape(hawq_node *node, hawq_arena *arena) {
    const hawq_tensor *training = hawq_in(node, 2);
    HAWQ_TRY(hawq_need_float(node, 0));
    if (training && (training->role != HAWQ_CONSTANT || !training->ints ||
                     training->n != 1 || training->ints[0] != 0))
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "training_mode is not false; export the network "
                              "in evaluation mode");
    HAWQ_TRY(mask_constant(node, arena));
    return identity_shape(node, arena);
}

const hawq_op hawq_op_identity = {.name = "Identity",
                                  .attributes = "",
                                  .min_in = 1,
                                  .max_in = 1,
                                  .shape = identity_shape,
                                  .fold = hawq_move_fold,
                                  .forward = hawq_move_forward,
                                  .adjoint = hawq_move_adjoint,
                                  .moves = true};

const hawq_op hawq_op_dropout = {.name = "Dropout",
                                 .attributes = "ratio seed",
                                 .min_in = 1,
                                 .max_in = 3,
                                 .shape = dropout_shape,
                                 .forward = hawq_move_forward,
                                 .adjoint = hawq_move_adjoint,
                                 .moves = true};
