/* trilu.c -- Trilu: the upper or lower triangle of the last two axes, from
 * diagonal k on, zero elsewhere. SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/move.h"
#include "src/ops/ops.h"

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    const int64_t *k;
    size_t         n;
    hawq_move     *move;
    int32_t       *map;
    HAWQ_TRY(hawq_need_value(node, 0));
    HAWQ_TRY(hawq_read_ints(node, NULL, 1, &k, &n));
    const hawq_shape *s = &node->in[0]->shape;
    if (s->rank < 2 || (k && n != 1))
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "an input of rank %d and %zu diagonals; expected "
                              "matrices and one",
                              s->rank, n);
    bool    upper = hawq_attr_int(node, "upper", 1) != 0;
    int64_t diagonal = k ? k[0] : 0;
    int64_t rows = s->dim[s->rank - 2], columns = s->dim[s->rank - 1];
    HAWQ_TRY(hawq_set_out(node, 0, node->in[0]->dtype, s));
    HAWQ_TAKE(move, arena, 1);
    HAWQ_TAKE(map, arena, node->in[0]->n);
    for (size_t i = 0; i < node->in[0]->n; i++) {
        int64_t column = (int64_t)i % columns;
        int64_t row = (int64_t)i / columns % rows;
        bool kept = upper ? column - row >= diagonal : column - row <= diagonal;
        map[i] = kept ? (int32_t)i : -1;
    }
    *move = (hawq_move){.copies = 1,
                        .n_in = node->in[0]->n,
                        .n_map = node->in[0]->n,
                        .block = 1,
                        .map = map};
    node->param = move;
    return HAWQ_OK;
}

const hawq_op hawq_op_trilu = {.name = "Trilu",
                               .attributes = "upper",
                               .min_in = 1,
                               .max_in = 2,
                               .shape = shape,
                               .fold = hawq_move_fold,
                               .forward = hawq_move_forward,
                               .adjoint = hawq_move_adjoint,
                               .moves = true};
