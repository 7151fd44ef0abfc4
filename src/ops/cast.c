/* cast.c -- Cast. Between floating-point types it is the identity (everything
 * is computed in one type); between floating point and integers it is done at
 * once on constants. What is computed keeps its numbers when it becomes
 * floating point, and has them truncated toward zero, or made 0 and 1, when it
 * becomes integers or truth values; these have no derivative.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/move.h"
#include "src/ops/ops.h"

#include <math.h>
#include <string.h>

/* TensorProto.DataType of onnx.proto; integer types with their range. */
static const struct type {
    int         code;
    hawq_dtype  dtype;
    const char *name;
    int64_t     least, most;
} types[] = {
    {1, HAWQ_FLOAT, "float", 0, 0},
    {2, HAWQ_INT, "uint8", 0, UINT8_MAX},
    {3, HAWQ_INT, "int8", INT8_MIN, INT8_MAX},
    {4, HAWQ_INT, "uint16", 0, UINT16_MAX},
    {5, HAWQ_INT, "int16", INT16_MIN, INT16_MAX},
    {6, HAWQ_INT, "int32", INT32_MIN, INT32_MAX},
    {7, HAWQ_INT, "int64", INT64_MIN, INT64_MAX},
    {9, HAWQ_INT, "bool", 0, 1},
    {10, HAWQ_FLOAT, "float16", 0, 0},
    {11, HAWQ_FLOAT, "double", 0, 0},
    {12, HAWQ_INT, "uint32", 0, UINT32_MAX},
    {13, HAWQ_INT, "uint64", 0, INT64_MAX},
    {16, HAWQ_FLOAT, "bfloat16", 0, 0},
};

static const struct type *find_type(int64_t code) {
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].code == code) return &types[i];
    return NULL;
}

static hawq_status out_of_range(const hawq_node *node, double value,
                                const struct type *to) {
    return hawq_node_fail(node, HAWQ_EFORMAT,
                          "the constant %g does not fit into %s", value,
                          to->name);
}

/* Truncates toward zero; to bool: is it other than zero. */
static hawq_status to_ints(hawq_node *node, const struct type *to) {
    const hawq_tensor *x = node->in[0];
    int64_t           *y = node->out[0]->ints;
    bool               truth = to->most == 1;
    for (size_t i = 0; i < x->n; i++) {
        double value = x->data ? (double)x->data[i] : (double)x->ints[i];
        /* 2^63 is the first double beyond int64 */
        if (!truth && x->data && !(value >= -0x1p63 && value < 0x1p63))
            return out_of_range(node, value, to);
        y[i] = truth     ? value != 0
               : x->data ? (int64_t)trunc(value)
                         : x->ints[i];
        if (y[i] < to->least || y[i] > to->most)
            return out_of_range(node, value, to);
    }
    return HAWQ_OK;
}

static const hawq_op to_whole, to_truth;

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    const hawq_tensor *x = node->in[0];
    const struct type *to = find_type(hawq_attr_int(node, "to", 0));
    if (!to)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "to type %lld; floating-point, integer and "
                              "boolean types are supported",
                              (long long)hawq_attr_int(node, "to", 0));
    HAWQ_TRY(hawq_need_value(node, 0));
    if (x->dtype == HAWQ_FLOAT && to->dtype == HAWQ_FLOAT)
        return hawq_move_reshape(node, arena, &x->shape);
    if (x->role != HAWQ_CONSTANT) {
        bool same = x->whole && to->most != 1;
        node->out[0]->whole = true;
        if (same) return hawq_move_reshape(node, arena, &x->shape);
        node->op = to->most == 1 ? &to_truth : &to_whole;
        return hawq_set_out(node, 0, HAWQ_FLOAT, &x->shape);
    }
    HAWQ_TRY(hawq_make_constant(node, arena, to->dtype, &x->shape));
    if (to->dtype == HAWQ_INT) return to_ints(node, to);
    for (size_t i = 0; i < x->n; i++) node->out[0]->data[i] = (real)x->ints[i];
    return HAWQ_OK;
}

/* --- of what is computed, to integers --------------------------------------
 */

static void whole_forward(const hawq_node *node, const hawq_planes *p) {
    const real *x = hawq_val(p, node->in[0]);
    real       *y = hawq_val(p, node->out[0]);
    for (size_t i = 0; i < node->out[0]->n; i++)
        y[i] = (real)trunc((double)x[i]);
}

static void truth_forward(const hawq_node *node, const hawq_planes *p) {
    const real *x = hawq_val(p, node->in[0]);
    real       *y = hawq_val(p, node->out[0]);
    for (size_t i = 0; i < node->out[0]->n; i++) y[i] = x[i] != 0;
}

static void no_tangent(const hawq_node *node, const hawq_planes *p) {
    for (int l = 0; l < p->lanes; l++) {
        real *dy = hawq_dot(p, l, node->out[0]);
        if (dy) memset(dy, 0, node->out[0]->n * sizeof *dy);
    }
}

static void no_adjoint(const hawq_node *node, const hawq_planes *p) {
    (void)node;
    (void)p;
}

#define TO_INTEGERS(fn)                                                        \
    {                                                                          \
        .name = "Cast", .attributes = "to saturate", .min_in = 1, .max_in = 1, \
        .shape = shape, .forward = (fn), .tangent = no_tangent,                \
        .adjoint = no_adjoint, .adjoint_tangent = no_adjoint, .retypes = true  \
    }
static const hawq_op to_whole = TO_INTEGERS(whole_forward);
static const hawq_op to_truth = TO_INTEGERS(truth_forward);

const hawq_op hawq_op_cast = {.name = "Cast",
                              .attributes = "to saturate",
                              .min_in = 1,
                              .max_in = 1,
                              .shape = shape,
                              .retypes = true,
                              .forward = hawq_move_forward,
                              .adjoint = hawq_move_adjoint};
