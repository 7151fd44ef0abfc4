/* compare.c -- Equal, Greater, Less, GreaterOrEqual, LessOrEqual, And, Or, Xor,
 * Not, on constants: exported shape arithmetic and attention masks. Truth is
 * the integer 1. SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/binary.h"
#include "src/ops/move.h"

static hawq_status need_constant(const hawq_node *node, int i) {
    if (node->in[i]->role == HAWQ_CONSTANT) return HAWQ_OK;
    return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                          "'%s' depends on the data; comparisons are "
                          "supported on constants",
                          node->in[i]->name);
}

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    HAWQ_TRY(need_constant(node, 0));
    HAWQ_TRY(need_constant(node, 1));
    HAWQ_TRY(hawq_binary_shape(node, arena));
    return hawq_set_out(node, 0, HAWQ_INT, &node->out[0]->shape);
}

/* An operator is which of the results of a comparison make it true. */
enum { LESS = 1, SAME = 2, MORE = 4 };

static int relation(const hawq_tensor *a, size_t i, const hawq_tensor *b,
                    size_t j) {
    if (a->ints)
        return a->ints[i] < b->ints[j]   ? LESS
               : a->ints[i] > b->ints[j] ? MORE
                                         : SAME;
    return a->data[i] < b->data[j]    ? LESS
           : a->data[i] > b->data[j]  ? MORE
           : a->data[i] == b->data[j] ? SAME
                                      : 0; /* NaN */
}

static hawq_status compare(hawq_node *node, hawq_arena *arena, int wanted) {
    const hawq_operands *o = node->param;
    hawq_tensor         *y = node->out[0];
    HAWQ_TAKE(y->ints, arena, y->n);
    for (size_t i = 0; i < y->n; i++)
        y->ints[i] = (relation(node->in[0], hawq_operand_at(o, 0, i),
                               node->in[1], hawq_operand_at(o, 1, i)) &
                      wanted) != 0;
    return HAWQ_OK;
}

static hawq_status equal_fold(hawq_node *node, hawq_arena *arena) {
    return compare(node, arena, SAME);
}
static hawq_status greater_fold(hawq_node *node, hawq_arena *arena) {
    return compare(node, arena, MORE);
}
static hawq_status less_fold(hawq_node *node, hawq_arena *arena) {
    return compare(node, arena, LESS);
}
static hawq_status at_least_fold(hawq_node *node, hawq_arena *arena) {
    return compare(node, arena, MORE | SAME);
}
static hawq_status at_most_fold(hawq_node *node, hawq_arena *arena) {
    return compare(node, arena, LESS | SAME);
}

static int64_t and_of(int64_t a, int64_t b) {
    return a && b;
}
static int64_t or_of(int64_t a, int64_t b) {
    return a || b;
}
static int64_t xor_of(int64_t a, int64_t b) {
    return !a != !b;
}

/* And, Or, Xor take truth values only. */
static hawq_status logic_shape(hawq_node *node, hawq_arena *arena) {
    for (int i = 0; i < node->n_in; i++) {
        HAWQ_TRY(need_constant(node, i));
        if (node->in[i]->dtype != HAWQ_INT)
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "'%s' holds floating point, expected truth "
                                  "values",
                                  node->in[i]->name);
    }
    if (node->n_in == 1)
        return hawq_set_out(node, 0, HAWQ_INT, &node->in[0]->shape);
    return hawq_binary_shape(node, arena);
}

static hawq_status and_fold(hawq_node *node, hawq_arena *arena) {
    return hawq_fold_binary_ints(node, arena, and_of);
}
static hawq_status or_fold(hawq_node *node, hawq_arena *arena) {
    return hawq_fold_binary_ints(node, arena, or_of);
}
static hawq_status xor_fold(hawq_node *node, hawq_arena *arena) {
    return hawq_fold_binary_ints(node, arena, xor_of);
}
static hawq_status not_fold(hawq_node *node, hawq_arena *arena) {
    hawq_tensor *y = node->out[0];
    HAWQ_TAKE(y->ints, arena, y->n);
    for (size_t i = 0; i < y->n; i++) y->ints[i] = !node->in[0]->ints[i];
    return HAWQ_OK;
}

#define FOLDED_OP(onnx_name, inputs, shape_fn, fold_fn)                        \
    {                                                                          \
        .name = (onnx_name), .attributes = "", .min_in = (inputs),             \
        .max_in = (inputs), .shape = (shape_fn), .fold = (fold_fn)             \
    }

const hawq_op hawq_op_equal = FOLDED_OP("Equal", 2, shape, equal_fold);
const hawq_op hawq_op_greater = FOLDED_OP("Greater", 2, shape, greater_fold);
const hawq_op hawq_op_less = FOLDED_OP("Less", 2, shape, less_fold);
const hawq_op hawq_op_greater_or_equal =
    FOLDED_OP("GreaterOrEqual", 2, shape, at_least_fold);
const hawq_op hawq_op_less_or_equal =
    FOLDED_OP("LessOrEqual", 2, shape, at_most_fold);
const hawq_op hawq_op_and = FOLDED_OP("And", 2, logic_shape, and_fold);
const hawq_op hawq_op_or = FOLDED_OP("Or", 2, logic_shape, or_fold);
const hawq_op hawq_op_xor = FOLDED_OP("Xor", 2, logic_shape, xor_fold);
const hawq_op hawq_op_not = FOLDED_OP("Not", 1, logic_shape, not_fold);
