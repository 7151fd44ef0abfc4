/* binary.c -- Add, Sub, Mul, Div, Pow, Mod, PRelu: each is its jet, see
 * binary.h. Add and Sub are linear and have sweeps of their own.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/binary.h"

#include "src/ops/move.h"

#include <math.h>

enum { A, B };

hawq_status hawq_broadcast_index(hawq_arena *arena, const hawq_shape *from,
                                 const hawq_shape *to, const int32_t **out) {
    *out = NULL;
    if (hawq_shape_equal(from, to)) return HAWQ_OK;
    int32_t *index;
    size_t   n = (size_t)hawq_shape_count(to, 0, to->rank);
    HAWQ_TAKE(index, arena, n);
    for (size_t i = 0; i < n; i++) {
        size_t rest = i, stride = 1, at = 0;
        for (int k = 1; k <= from->rank; k++) {
            size_t d = (size_t)to->dim[to->rank - k];
            size_t e = (size_t)from->dim[from->rank - k];
            if (e > 1) at += rest % d * stride;
            rest /= d;
            stride *= e;
        }
        index[i] = (int32_t)at;
    }
    *out = index;
    return HAWQ_OK;
}

hawq_status hawq_binary_plan(hawq_node *node, hawq_arena *arena) {
    const hawq_tensor *a = node->in[A], *b = node->in[B];
    hawq_shape         out;
    hawq_operands     *o;
    HAWQ_TRY(hawq_need_value(node, A));
    HAWQ_TRY(hawq_need_value(node, B));
    HAWQ_TRY(hawq_broadcast_shape(node, &a->shape, &b->shape, &out));
    HAWQ_TRY(hawq_set_out(node, 0, a->dtype, &out));
    HAWQ_TAKE(o, arena, 1);
    HAWQ_TRY(hawq_broadcast_index(arena, &a->shape, &out, &o->index[A]));
    HAWQ_TRY(hawq_broadcast_index(arena, &b->shape, &out, &o->index[B]));
    node->param = o;
    return HAWQ_OK;
}

hawq_status hawq_binary_shape(hawq_node *node, hawq_arena *arena) {
    if (node->in[A]->dtype != node->in[B]->dtype)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "one operand is integer, the other is not");
    return hawq_binary_plan(node, arena);
}

/* --- linear: y = a + sign b -------------------------------------------- */

static inline void linear_forward(const hawq_node *node, const hawq_planes *p,
                                  real sign) {
    const hawq_operands *o = node->param;
    const real *a = hawq_val(p, node->in[A]), *b = hawq_val(p, node->in[B]);
    real       *y = hawq_val(p, node->out[0]);
    size_t      n = y ? node->out[0]->n : 0;
    if (a && b && !o->index[A] && !o->index[B])
        for (size_t i = 0; i < n; i++) y[i] = a[i] + sign * b[i];
    else
        for (size_t i = 0; i < n; i++)
            y[i] = (a ? a[hawq_operand_at(o, A, i)] : 0) +
                   sign * (b ? b[hawq_operand_at(o, B, i)] : (real)0);
}

static inline void linear_adjoint(const hawq_node *node, const hawq_planes *p,
                                  real sign) {
    const hawq_operands *o = node->param;
    const real          *by = hawq_bar(p, node->out[0]);
    for (int side = A; side <= B; side++) {
        real  *bx = hawq_bar(p, node->in[side]);
        real   s = side == A ? 1 : sign;
        size_t n = bx && by ? node->out[0]->n : 0;
        if (!o->index[side])
            for (size_t i = 0; i < n; i++) bx[i] += s * by[i];
        else
            for (size_t i = 0; i < n; i++)
                bx[hawq_operand_at(o, side, i)] += s * by[i];
    }
}

static void add_forward(const hawq_node *node, const hawq_planes *p) {
    linear_forward(node, p, 1);
}
static void add_adjoint(const hawq_node *node, const hawq_planes *p) {
    linear_adjoint(node, p, 1);
}
static void sub_forward(const hawq_node *node, const hawq_planes *p) {
    linear_forward(node, p, -1);
}
static void sub_adjoint(const hawq_node *node, const hawq_planes *p) {
    linear_adjoint(node, p, -1);
}

/* --- jets --------------------------------------------------------------- */

static inline hawq_jet2 mul(real a, real b) {
    return (hawq_jet2){.f = a * b, .fa = b, .fb = a, .fab = 1};
}
BINARY_SWEEPS(mul)

static inline hawq_jet2 divide(real a, real b) {
    real r = 1 / b, y = a / b;
    return (hawq_jet2){
        .f = y, .fa = r, .fb = -y * r, .fab = -r * r, .fbb = 2 * y * r * r};
}
BINARY_SWEEPS(divide)

/* c a^e, without 0 times infinity: c = 0 ends a polynomial. Squares are what
 * networks are full of. */
static inline double term(double c, double a, double e) {
    return c == 0   ? 0
           : e == 0 ? c
           : e == 1 ? c * a
           : e == 2 ? c * a * a
                    : c * pow(a, e);
}

/* The exponent's derivatives are those of e^(b log a); where a <= 0, so that
 * there are none, they are taken to be zero. */
static inline hawq_jet2 power(real a, real b) {
    double x = (double)a, e = (double)b, l = x > 0 ? log(x) : 0;
    double y = term(1, x, e), d = term(e, x, e - 1);
    double by_e = x > 0 ? y : 0;
    return (hawq_jet2){.f = (real)y,
                       .fa = (real)d,
                       .fb = (real)(by_e * l),
                       .faa = (real)term(e * (e - 1), x, e - 2),
                       .fab = x > 0 ? (real)(y / x + d * l) : 0,
                       .fbb = (real)(by_e * l * l)};
}
BINARY_SWEEPS(power)

/* The remainder with the sign of the dividend (C's fmod). */
static inline hawq_jet2 modulo(real a, real b) {
    return (hawq_jet2){.f = (real)fmod((double)a, (double)b),
                       .fa = 1,
                       .fb = (real)-trunc((double)a / (double)b)};
}
BINARY_SWEEPS(modulo)

static inline hawq_jet2 prelu(real a, real b) {
    return a > 0 ? (hawq_jet2){.f = a, .fa = 1}
                 : (hawq_jet2){.f = a * b, .fa = b, .fb = a, .fab = 1};
}
BINARY_SWEEPS(prelu)

/* An exponent of integers is a constant, kept as numbers. */
static hawq_status power_shape(hawq_node *node, hawq_arena *arena) {
    const hawq_tensor *b = node->in[B];
    HAWQ_TRY(hawq_binary_plan(node, arena));
    if (b->dtype == HAWQ_FLOAT) return HAWQ_OK;
    real *fixed;
    HAWQ_TAKE(fixed, arena, b->n);
    for (size_t i = 0; i < b->n; i++) fixed[i] = (real)b->ints[i];
    ((hawq_operands *)node->param)->fixed = fixed;
    return HAWQ_OK;
}

static hawq_status modulo_shape(hawq_node *node, hawq_arena *arena) {
    if (node->in[A]->dtype == HAWQ_FLOAT && !hawq_attr_int(node, "fmod", 0))
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "floating point needs the attribute fmod = 1");
    return hawq_binary_shape(node, arena);
}

/* The slope is broadcast to the input, never the other way. */
static hawq_status prelu_shape(hawq_node *node, hawq_arena *arena) {
    char x[128], slope[128];
    HAWQ_TRY(hawq_need_float(node, A));
    HAWQ_TRY(hawq_binary_shape(node, arena));
    if (hawq_shape_equal(&node->out[0]->shape, &node->in[A]->shape))
        return HAWQ_OK;
    return hawq_node_fail(node, HAWQ_EFORMAT,
                          "slope %s does not broadcast to input %s",
                          hawq_shape_text(&node->in[B]->shape, slope),
                          hawq_shape_text(&node->in[A]->shape, x));
}

/* --- integer constants -------------------------------------------------- */

/* Two's complement like every runtime; division truncates, by zero gives 0. */
static int64_t int_add(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a + (uint64_t)b);
}
static int64_t int_sub(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a - (uint64_t)b);
}
static int64_t int_mul(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a * (uint64_t)b);
}
static int64_t int_div(int64_t a, int64_t b) {
    return b == 0 ? 0 : b == -1 ? int_sub(0, a) : a / b;
}
static int64_t int_fmod(int64_t a, int64_t b) {
    return b == 0 || b == -1 ? 0 : a % b;
}
static int64_t int_mod(int64_t a, int64_t b) { /* sign of the divisor */
    int64_t r = int_fmod(a, b);
    return r && (r < 0) != (b < 0) ? r + b : r;
}
static hawq_status add_fold(hawq_node *node, hawq_arena *arena) {
    return hawq_fold_binary_ints(node, arena, int_add);
}
static hawq_status sub_fold(hawq_node *node, hawq_arena *arena) {
    return hawq_fold_binary_ints(node, arena, int_sub);
}
static hawq_status mul_fold(hawq_node *node, hawq_arena *arena) {
    return hawq_fold_binary_ints(node, arena, int_mul);
}
static hawq_status divide_fold(hawq_node *node, hawq_arena *arena) {
    return hawq_fold_binary_ints(node, arena, int_div);
}
static hawq_status modulo_fold(hawq_node *node, hawq_arena *arena) {
    return hawq_fold_binary_ints(
        node, arena, hawq_attr_int(node, "fmod", 0) ? int_fmod : int_mod);
}

/* An integer to a power of either type, truncated. */
static hawq_status power_fold(hawq_node *node, hawq_arena *arena) {
    const hawq_operands *o = node->param;
    const hawq_tensor   *a = node->in[A], *b = node->in[B];
    hawq_tensor         *y = node->out[0];
    HAWQ_TAKE(y->ints, arena, y->n);
    for (size_t i = 0; i < y->n; i++) {
        size_t at = hawq_operand_at(o, B, i);
        double e = b->ints ? (double)b->ints[at] : (double)b->data[at];
        double v = pow((double)a->ints[hawq_operand_at(o, A, i)], e);
        if (!(v >= -0x1p63 && v < 0x1p63))
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "element %zu, %g, is no 64-bit integer", i,
                                  v);
        y->ints[i] = (int64_t)v;
    }
    return HAWQ_OK;
}

const hawq_op hawq_op_add = {
    .name = "Add",
    .attributes = "",
    .min_in = 2,
    .max_in = 2,
    .shape = hawq_binary_shape,
    .fold = add_fold,
    .forward = add_forward,
    .adjoint = add_adjoint,
};
const hawq_op hawq_op_sub = {
    .name = "Sub",
    .attributes = "",
    .min_in = 2,
    .max_in = 2,
    .shape = hawq_binary_shape,
    .fold = sub_fold,
    .forward = sub_forward,
    .adjoint = sub_adjoint,
};
const hawq_op hawq_op_mul = BINARY_OP("Mul", "", hawq_binary_shape, mul);
const hawq_op hawq_op_div = BINARY_OP("Div", "", hawq_binary_shape, divide);
const hawq_op hawq_op_pow = BINARY_OP("Pow", "", power_shape, power);
const hawq_op hawq_op_mod = BINARY_OP("Mod", "fmod", modulo_shape, modulo);
const hawq_op hawq_op_prelu = {
    .name = "PRelu",
    .attributes = "",
    .min_in = 2,
    .max_in = 2,
    .shape = prelu_shape,
    .forward = prelu_forward,
    .tangent = prelu_tangent,
    .adjoint = prelu_adjoint,
    .adjoint_tangent = prelu_adjoint_tangent,
};
