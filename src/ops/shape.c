/* shape.c -- Shape: the dimensions of x, from `start` to `end`, and Size, their
 * product, as constants; every shape is known when a graph is built.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/ops.h"

static int64_t position(int64_t i, int rank) {
    if (i < 0) i += rank;
    return i < 0 ? 0 : i > rank ? rank : i;
}

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    const hawq_shape *s = &node->in[0]->shape;
    int64_t start = position(hawq_attr_int(node, "start", 0), s->rank);
    int64_t end = position(hawq_attr_int(node, "end", s->rank), s->rank);
    int64_t n = end > start ? end - start : 0;
    HAWQ_TRY(hawq_make_constant(node, arena, HAWQ_INT,
                                &(hawq_shape){.rank = 1, .dim = {n}}));
    for (int64_t i = 0; i < n; i++) node->out[0]->ints[i] = s->dim[start + i];
    return HAWQ_OK;
}

const hawq_op hawq_op_shape = {.name = "Shape",
                               .attributes = "start end",
                               .min_in = 1,
                               .max_in = 1,
                               .shape = shape};

static hawq_status size_shape(hawq_node *node, hawq_arena *arena) {
    HAWQ_TRY(hawq_make_constant(node, arena, HAWQ_INT, &(hawq_shape){0}));
    node->out[0]->ints[0] = (int64_t)node->in[0]->n;
    return HAWQ_OK;
}

const hawq_op hawq_op_size = {.name = "Size",
                              .attributes = "",
                              .min_in = 1,
                              .max_in = 1,
                              .shape = size_shape};
