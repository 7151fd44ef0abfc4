/* compare.c -- Equal, Greater, Less, GreaterOrEqual, LessOrEqual, And, Or, Xor,
 * Not, IsNaN, IsInf. Of constants (shape arithmetic, attention masks) the
 * result is a constant, the integers 0 and 1. Of what is computed from the data
 * it is the numbers 0 and 1, for Where and Mul; they are piecewise constant:
 * their derivatives are zero. SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/binary.h"
#include "src/ops/move.h"

#include <math.h>
#include <string.h>

/* param of all; the second operand of an operator of one is its first. */
typedef struct comparison {
    hawq_operands operands;
    int64_t (*ints)(int64_t a, int64_t b);
    bool (*reals)(real a, real b);
} comparison;

static hawq_status plan(hawq_node *node, hawq_arena *arena, comparison given) {
    bool        constant = true;
    comparison *c;
    for (int i = 0; i < node->n_in; i++)
        constant &= node->in[i]->role == HAWQ_CONSTANT;
    if (node->n_in == 2) {
        HAWQ_TRY(hawq_binary_shape(node, arena));
        given.operands = *(hawq_operands *)node->param;
    } else {
        HAWQ_TRY(hawq_need_value(node, 0));
        HAWQ_TRY(hawq_set_out(node, 0, HAWQ_INT, &node->in[0]->shape));
    }
    HAWQ_TAKE(c, arena, 1);
    *c = given;
    node->param = c;
    node->out[0]->whole = !constant;
    return hawq_set_out(node, 0, constant ? HAWQ_INT : HAWQ_FLOAT,
                        &node->out[0]->shape);
}

static hawq_status fold(hawq_node *node, hawq_arena *arena) {
    const comparison  *c = node->param;
    const hawq_tensor *a = node->in[0], *b = node->in[node->n_in - 1];
    hawq_tensor       *y = node->out[0];
    HAWQ_TAKE(y->ints, arena, y->n);
    for (size_t i = 0; i < y->n; i++) {
        size_t ia = hawq_operand_at(&c->operands, 0, i);
        size_t ib = hawq_operand_at(&c->operands, 1, i);
        y->ints[i] = a->ints ? c->ints(a->ints[ia], b->ints[ib])
                             : c->reals(a->data[ia], b->data[ib]);
    }
    return HAWQ_OK;
}

static void forward(const hawq_node *node, const hawq_planes *p) {
    const comparison *c = node->param;
    const real       *a = hawq_val(p, node->in[0]);
    const real       *b = hawq_val(p, node->in[node->n_in - 1]);
    real             *y = hawq_val(p, node->out[0]);
    for (size_t i = 0; i < node->out[0]->n; i++)
        y[i] = c->reals(a[hawq_operand_at(&c->operands, 0, i)],
                        b[hawq_operand_at(&c->operands, 1, i)]);
}

static void tangent(const hawq_node *node, const hawq_planes *p) {
    for (int l = 0; l < p->lanes; l++) {
        real *dy = hawq_dot(p, l, node->out[0]);
        if (dy) memset(dy, 0, node->out[0]->n * sizeof *dy);
    }
}

/* Nothing flows back through a step. */
static void adjoint(const hawq_node *node, const hawq_planes *p) {
    (void)node;
    (void)p;
}

/* And, Or, Xor, Not take truth values: integers, or what a comparison or a
 * cast made of the data. */
static hawq_status logic(hawq_node *node, hawq_arena *arena, comparison given) {
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i]->role == HAWQ_CONSTANT &&
            node->in[i]->dtype == HAWQ_FLOAT)
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "'%s' holds floating point, expected truth "
                                  "values",
                                  node->in[i]->name);
    return plan(node, arena, given);
}

/* An operator from an expression in a and b. */
#define OPERATOR(x, onnx_name, inputs, plan_fn, expression)                    \
    static int64_t x##_ints(int64_t a, int64_t b) {                            \
        (void)b;                                                               \
        return expression;                                                     \
    }                                                                          \
    static bool x##_reals(real a, real b) {                                    \
        (void)b;                                                               \
        return expression;                                                     \
    }                                                                          \
    static hawq_status x##_shape(hawq_node *node, hawq_arena *arena) {         \
        return plan_fn(node, arena,                                            \
                       (comparison){.ints = x##_ints, .reals = x##_reals});    \
    }                                                                          \
    const hawq_op hawq_op_##x = {.name = (onnx_name),                          \
                                 .attributes = "",                             \
                                 .min_in = (inputs),                           \
                                 .max_in = (inputs),                           \
                                 .shape = x##_shape,                           \
                                 .fold = fold,                                 \
                                 .retypes = true,                              \
                                 .forward = forward,                           \
                                 .tangent = tangent,                           \
                                 .adjoint = adjoint,                           \
                                 .adjoint_tangent = adjoint};

OPERATOR(equal, "Equal", 2, plan, a == b)
OPERATOR(greater, "Greater", 2, plan, a > b)
OPERATOR(less, "Less", 2, plan, a < b)
OPERATOR(greater_or_equal, "GreaterOrEqual", 2, plan, a >= b)
OPERATOR(less_or_equal, "LessOrEqual", 2, plan, a <= b)
OPERATOR(and, "And", 2, logic, a != 0 && b != 0)
OPERATOR(or, "Or", 2, logic, a != 0 || b != 0)
OPERATOR(xor, "Xor", 2, logic, (a != 0) != (b != 0))
OPERATOR(not, "Not", 1, logic, a == 0)

/* --- numbers that are none ----------------------------------------------- */

static int64_t never(int64_t a, int64_t b) {
    (void)a;
    (void)b;
    return 0;
}
static bool is_nan(real a, real b) {
    (void)b;
    return isnan(a);
}
static bool is_infinite(real a, real b) {
    (void)b;
    return isinf(a);
}
static bool is_positive_infinity(real a, real b) {
    (void)b;
    return isinf(a) && a > 0;
}
static bool is_negative_infinity(real a, real b) {
    (void)b;
    return isinf(a) && a < 0;
}
static bool is_nothing(real a, real b) {
    (void)a;
    (void)b;
    return false;
}

static hawq_status is_nan_shape(hawq_node *node, hawq_arena *arena) {
    return plan(node, arena, (comparison){.ints = never, .reals = is_nan});
}

static hawq_status is_inf_shape(hawq_node *node, hawq_arena *arena) {
    bool positive = hawq_attr_int(node, "detect_positive", 1) != 0;
    bool negative = hawq_attr_int(node, "detect_negative", 1) != 0;
    return plan(node, arena,
                (comparison){.ints = never,
                             .reals = positive && negative ? is_infinite
                                      : positive ? is_positive_infinity
                                      : negative ? is_negative_infinity
                                                 : is_nothing});
}

#define TEST_OF_ONE(x, onnx_name, attribute_list)                              \
    const hawq_op hawq_op_##x = {.name = (onnx_name),                          \
                                 .attributes = (attribute_list),               \
                                 .min_in = 1,                                  \
                                 .max_in = 1,                                  \
                                 .shape = x##_shape,                           \
                                 .fold = fold,                                 \
                                 .retypes = true,                              \
                                 .forward = forward,                           \
                                 .tangent = tangent,                           \
                                 .adjoint = adjoint,                           \
                                 .adjoint_tangent = adjoint};

TEST_OF_ONE(is_nan, "IsNaN", "")
TEST_OF_ONE(is_inf, "IsInf", "detect_negative detect_positive")
