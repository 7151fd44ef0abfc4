/* binary.c -- Add, Sub, Mul, Div, Pow, Mod, PRelu: each is its jet, see
 * binary.h. Add and Sub are linear and have sweeps of their own.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/binary.h"

#include "src/ops/move.h"

#include <math.h>
#include <string.h>

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

/* Size of axis a of `to` in a tensor of shape s that broadcasts to it. */
static int64_t axis_size(const hawq_shape *s, const hawq_shape *to, int a) {
    int own = a - (to->rank - s->rank);
    return own < 0 ? 1 : s->dim[own];
}

/* The first `n` axes of `to`, as s has them. */
static hawq_shape leading(const hawq_shape *s, const hawq_shape *to, int n) {
    hawq_shape lead = {.rank = n};
    for (int a = 0; a < n; a++) lead.dim[a] = axis_size(s, to, a);
    return lead;
}

/* Rows are the trailing axes over which both operands keep their step. */
static hawq_status plan_rows(hawq_arena *arena, const hawq_shape *const s[2],
                             const hawq_shape *to, hawq_operands *o) {
    bool known = false;
    int  axis = to->rank;
    o->run = o->step[A] = o->step[B] = 1;
    for (; axis > 0; axis--) {
        int64_t d = to->dim[axis - 1];
        size_t  step[2];
        for (int k = A; k <= B; k++)
            step[k] = axis_size(s[k], to, axis - 1) == d;
        /* An axis along which one operand stands still and another moves
         * cannot join a run in which it is the other way round. */
        if (d != 1 && known && (step[A] != o->step[A] || step[B] != o->step[B]))
            break;
        o->run *= (size_t)d;
        if (d == 1) continue;
        known = true;
        memcpy(o->step, step, sizeof step);
    }
    hawq_shape rows = leading(to, to, axis);
    for (int k = A; k <= B; k++) {
        hawq_shape lead = leading(s[k], to, axis);
        o->stride[k] = o->step[k] ? o->run : 1;
        HAWQ_TRY(hawq_broadcast_index(arena, &lead, &rows, &o->index[k]));
    }
    return HAWQ_OK;
}

hawq_status hawq_binary_plan(hawq_node *node, hawq_arena *arena) {
    const hawq_tensor *a = node->in[A], *b = node->in[B];
    const hawq_shape  *shapes[2] = {&a->shape, &b->shape};
    hawq_shape         out;
    hawq_operands     *o;
    HAWQ_TRY(hawq_need_value(node, A));
    HAWQ_TRY(hawq_need_value(node, B));
    HAWQ_TRY(hawq_broadcast_shape(node, &a->shape, &b->shape, &out));
    HAWQ_TRY(hawq_set_out(node, 0, a->dtype, &out));
    HAWQ_TAKE(o, arena, 1);
    node->param = o;
    return plan_rows(arena, shapes, &out, o);
}

hawq_status hawq_binary_shape(hawq_node *node, hawq_arena *arena) {
    const hawq_tensor *a = node->in[A], *b = node->in[B];
    if (a->dtype != b->dtype && !(hawq_is_integer(a) && hawq_is_integer(b)))
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "one operand is integer, the other is not");
    HAWQ_TRY(hawq_binary_plan(node, arena));
    if (a->dtype == b->dtype) return HAWQ_OK;
    HAWQ_TRY(hawq_take_reals(node, arena, A));
    HAWQ_TRY(hawq_take_reals(node, arena, B));
    return hawq_set_out(node, 0, HAWQ_FLOAT, &node->out[0]->shape);
}

/* --- linear: y = a + sign b -------------------------------------------- */

HAWQ_INLINE void linear_forward(const hawq_node *node, const hawq_planes *p,
                                real sign) {
    const hawq_operands *o = node->param;
    const real *a = hawq_val(p, node->in[A]), *b = hawq_val(p, node->in[B]);
    real       *y = hawq_val(p, node->out[0]), room[2][BINARY_BLOCK];
    for (hawq_piece e = {0}; y && hawq_next_piece(o, node->out[0]->n, &e);) {
        const real *u = hawq_piece_read(o, A, &e, a, room[A]);
        const real *v = hawq_piece_read(o, B, &e, b, room[B]);
        real       *to = y + e.i;
        if (u && v)
            for (size_t j = 0; j < e.n; j++) to[j] = u[j] + sign * v[j];
        else if (u)
            memcpy(to, u, e.n * sizeof *to);
        else
            for (size_t j = 0; j < e.n; j++) to[j] = v ? sign * v[j] : 0;
    }
}

HAWQ_INLINE void linear_adjoint(const hawq_node *node, const hawq_planes *p,
                                real sign) {
    const hawq_operands *o = node->param;
    const real          *by = hawq_bar(p, node->out[0]);
    real                 room[BINARY_BLOCK];
    for (int side = A; by && side <= B; side++) {
        real *bx = hawq_bar(p, node->in[side]);
        for (hawq_piece e = {0};
             bx && hawq_next_piece(o, node->out[0]->n, &e);) {
            const real *w = by + e.i;
            if (side == B && sign < 0) {
                for (size_t j = 0; j < e.n; j++) room[j] = -w[j];
                w = room;
            }
            hawq_piece_add(o, side, &e, w, bx);
        }
    }
}

HAWQ_WIDE static void add_forward(const hawq_node *node, const hawq_planes *p) {
    linear_forward(node, p, 1);
}
HAWQ_WIDE static void add_adjoint(const hawq_node *node, const hawq_planes *p) {
    linear_adjoint(node, p, 1);
}
HAWQ_WIDE static void sub_forward(const hawq_node *node, const hawq_planes *p) {
    linear_forward(node, p, -1);
}
HAWQ_WIDE static void sub_adjoint(const hawq_node *node, const hawq_planes *p) {
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

/* Of integers that are computed: the quotient truncated, of 0 if by 0. */
static inline hawq_jet2 quotient(real a, real b) {
    return (hawq_jet2){.f = b == 0 ? 0 : (real)trunc((double)(a / b))};
}
BINARY_SWEEPS(quotient)

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

/* An exponent of integers is a constant, kept as numbers. A square, what most
 * powers are, is a product. */
static hawq_status power_shape(hawq_node *node, hawq_arena *arena) {
    const hawq_tensor *b = node->in[B];
    if (node->in[A]->role != HAWQ_CONSTANT && b->data && b->n == 1 &&
        b->data[0] == 2 && b->shape.rank <= node->in[A]->shape.rank) {
        node->op = &hawq_op_mul;
        node->in[B] = node->in[A];
        return hawq_binary_shape(node, arena);
    }
    HAWQ_TRY(hawq_binary_plan(node, arena));
    if (b->dtype == HAWQ_FLOAT) return HAWQ_OK;
    real *fixed;
    HAWQ_TAKE(fixed, arena, b->n);
    for (size_t i = 0; i < b->n; i++) fixed[i] = (real)b->ints[i];
    ((hawq_operands *)node->param)->fixed = fixed;
    return HAWQ_OK;
}

/* Division of integers is another operator than of numbers. */
static const hawq_op integer_division;

static hawq_status divide_shape(hawq_node *node, hawq_arena *arena) {
    HAWQ_TRY(hawq_binary_shape(node, arena));
    bool computed = node->in[A]->whole || node->in[B]->whole;
    if (computed && hawq_is_integer(node->in[A]) &&
        hawq_is_integer(node->in[B]))
        node->op = &integer_division;
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
static hawq_status quotient_fold(hawq_node *node, hawq_arena *arena) {
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
    .pointwise = true,
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
    .pointwise = true,
};
const hawq_op        hawq_op_mul = BINARY_OP("Mul", "", hawq_binary_shape, mul);
const hawq_op        hawq_op_div = BINARY_OP("Div", "", divide_shape, divide);
static const hawq_op integer_division =
    BINARY_OP("Div", "", divide_shape, quotient);
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
    .pointwise = true,
};
