/* binary.c -- Add, Sub, Mul, Div: y = f(a, b), element by element, with numpy's
 * broadcasting. Each operator is its jet, the derivatives of f up to second
 * order:
 *     tangent          dy   = fa da + fb db
 *     adjoint          ba  += fa by,  bb += fb by
 *     adjoint_tangent  bda += fa bdy + (faa da + fab db) by
 *                      bdb += fb bdy + (fab da + fbb db) by
 * Add and Sub are linear and leave the last two to the first two.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/move.h"
#include "src/ops/ops.h"

#include <string.h>

enum { A, B };

/* Element i of the result reads element index[i] of an operand; NULL: i. */
typedef struct operands {
    const int32_t *index[2];
} operands;

static hawq_status index_operand(hawq_arena *arena, const hawq_shape *from,
                                 const hawq_shape *to, const int32_t **out) {
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

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    const hawq_tensor *a = node->in[A], *b = node->in[B];
    hawq_shape         out;
    if (a->dtype != b->dtype)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "one operand is integer, the other is not");
    HAWQ_TRY(hawq_need_value(node, A));
    HAWQ_TRY(hawq_need_value(node, B));
    HAWQ_TRY(hawq_broadcast_shape(node, &a->shape, &b->shape, &out));
    HAWQ_TRY(hawq_set_out(node, 0, a->dtype, &out));
    operands *o;
    HAWQ_TAKE(o, arena, 1);
    HAWQ_TRY(index_operand(arena, &a->shape, &out, &o->index[A]));
    HAWQ_TRY(index_operand(arena, &b->shape, &out, &o->index[B]));
    node->param = o;
    return HAWQ_OK;
}

static inline size_t at(const operands *o, int side, size_t i) {
    return o->index[side] ? (size_t)o->index[side][i] : i;
}

/* --- linear: y = a + sign b -------------------------------------------- */

static inline void linear_forward(const hawq_node *node, const hawq_planes *p,
                                  real sign) {
    const operands *o = node->param;
    const real     *a = hawq_val(p, node->in[A]), *b = hawq_val(p, node->in[B]);
    real           *y = hawq_val(p, node->out[0]);
    size_t          n = y ? node->out[0]->n : 0;
    if (a && b && !o->index[A] && !o->index[B])
        for (size_t i = 0; i < n; i++) y[i] = a[i] + sign * b[i];
    else
        for (size_t i = 0; i < n; i++)
            y[i] = (a ? a[at(o, A, i)] : 0) +
                   sign * (b ? b[at(o, B, i)] : (real)0);
}

static inline void linear_adjoint(const hawq_node *node, const hawq_planes *p,
                                  real sign) {
    const operands *o = node->param;
    const real     *by = hawq_bar(p, node->out[0]);
    for (int side = A; side <= B; side++) {
        real  *bx = hawq_bar(p, node->in[side]);
        real   s = side == A ? 1 : sign;
        size_t n = bx && by ? node->out[0]->n : 0;
        if (!o->index[side])
            for (size_t i = 0; i < n; i++) bx[i] += s * by[i];
        else
            for (size_t i = 0; i < n; i++) bx[at(o, side, i)] += s * by[i];
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

/* --- Mul and Div -------------------------------------------------------- */

typedef struct jet {
    real f, fa, fb, faa, fab, fbb;
} jet;
typedef jet jet_fn(real a, real b);

static inline jet mul(real a, real b) {
    return (jet){.f = a * b, .fa = b, .fb = a, .fab = 1};
}

static inline jet divide(real a, real b) {
    real r = 1 / b, y = a / b;
    return (jet){
        .f = y, .fa = r, .fb = -y * r, .fab = -r * r, .fbb = 2 * y * r * r};
}

static inline void jet_forward(const hawq_node *node, const hawq_planes *p,
                               jet_fn *fn) {
    const operands *o = node->param;
    const real     *a = hawq_val(p, node->in[A]), *b = hawq_val(p, node->in[B]);
    real           *y = hawq_val(p, node->out[0]);
    for (size_t i = 0; i < node->out[0]->n; i++)
        y[i] = fn(a[at(o, A, i)], b[at(o, B, i)]).f;
}

static inline void jet_tangent(const hawq_node *node, const hawq_planes *p,
                               jet_fn *fn) {
    const operands *o = node->param;
    const real     *a = hawq_val(p, node->in[A]), *b = hawq_val(p, node->in[B]);
    for (int l = 0; l < p->lanes; l++) {
        const real *da = hawq_dot(p, l, node->in[A]);
        const real *db = hawq_dot(p, l, node->in[B]);
        real       *dy = hawq_dot(p, l, node->out[0]);
        for (size_t i = 0; dy && i < node->out[0]->n; i++) {
            size_t ia = at(o, A, i), ib = at(o, B, i);
            jet    j = fn(a[ia], b[ib]);
            dy[i] = (da ? j.fa * da[ia] : 0) + (db ? j.fb * db[ib] : 0);
        }
    }
}

static inline void jet_adjoint(const hawq_node *node, const hawq_planes *p,
                               jet_fn *fn) {
    const operands *o = node->param;
    const real     *a = hawq_val(p, node->in[A]), *b = hawq_val(p, node->in[B]);
    const real     *by = hawq_bar(p, node->out[0]);
    real *ba = hawq_bar(p, node->in[A]), *bb = hawq_bar(p, node->in[B]);
    for (size_t i = 0; by && i < node->out[0]->n; i++) {
        size_t ia = at(o, A, i), ib = at(o, B, i);
        jet    j = fn(a[ia], b[ib]);
        if (ba) ba[ia] += j.fa * by[i];
        if (bb) bb[ib] += j.fb * by[i];
    }
}

static inline void jet_adjoint_tangent(const hawq_node   *node,
                                       const hawq_planes *p, jet_fn *fn) {
    const operands *o = node->param;
    const real     *a = hawq_val(p, node->in[A]), *b = hawq_val(p, node->in[B]);
    const real     *by = hawq_bar(p, node->out[0]);
    for (int l = 0; l < p->lanes; l++) {
        const real *da = hawq_dot(p, l, node->in[A]);
        const real *db = hawq_dot(p, l, node->in[B]);
        const real *bdy = hawq_bardot(p, l, node->out[0]);
        real       *bda = hawq_bardot(p, l, node->in[A]);
        real       *bdb = hawq_bardot(p, l, node->in[B]);
        for (size_t i = 0; i < node->out[0]->n; i++) {
            size_t ia = at(o, A, i), ib = at(o, B, i);
            jet    j = fn(a[ia], b[ib]);
            real   u = da ? da[ia] : 0, v = db ? db[ib] : 0;
            real   w = by ? by[i] : 0, t = bdy ? bdy[i] : 0;
            if (bda) bda[ia] += j.fa * t + (j.faa * u + j.fab * v) * w;
            if (bdb) bdb[ib] += j.fb * t + (j.fab * u + j.fbb * v) * w;
        }
    }
}

static void mul_forward(const hawq_node *node, const hawq_planes *p) {
    jet_forward(node, p, mul);
}
static void mul_tangent(const hawq_node *node, const hawq_planes *p) {
    jet_tangent(node, p, mul);
}
static void mul_adjoint(const hawq_node *node, const hawq_planes *p) {
    jet_adjoint(node, p, mul);
}
static void mul_adjoint_tangent(const hawq_node *node, const hawq_planes *p) {
    jet_adjoint_tangent(node, p, mul);
}
static void div_forward(const hawq_node *node, const hawq_planes *p) {
    jet_forward(node, p, divide);
}
static void div_tangent(const hawq_node *node, const hawq_planes *p) {
    jet_tangent(node, p, divide);
}
static void div_adjoint(const hawq_node *node, const hawq_planes *p) {
    jet_adjoint(node, p, divide);
}
static void div_adjoint_tangent(const hawq_node *node, const hawq_planes *p) {
    jet_adjoint_tangent(node, p, divide);
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
static hawq_status add_fold(hawq_node *node, hawq_arena *arena) {
    return hawq_fold_binary_ints(node, arena, int_add);
}
static hawq_status sub_fold(hawq_node *node, hawq_arena *arena) {
    return hawq_fold_binary_ints(node, arena, int_sub);
}
static hawq_status mul_fold(hawq_node *node, hawq_arena *arena) {
    return hawq_fold_binary_ints(node, arena, int_mul);
}
static hawq_status div_fold(hawq_node *node, hawq_arena *arena) {
    return hawq_fold_binary_ints(node, arena, int_div);
}

const hawq_op hawq_op_add = {
    .name = "Add",
    .attributes = "",
    .min_in = 2,
    .max_in = 2,
    .shape = shape,
    .fold = add_fold,
    .forward = add_forward,
    .adjoint = add_adjoint,
};
const hawq_op hawq_op_sub = {
    .name = "Sub",
    .attributes = "",
    .min_in = 2,
    .max_in = 2,
    .shape = shape,
    .fold = sub_fold,
    .forward = sub_forward,
    .adjoint = sub_adjoint,
};
const hawq_op hawq_op_mul = {
    .name = "Mul",
    .attributes = "",
    .min_in = 2,
    .max_in = 2,
    .shape = shape,
    .fold = mul_fold,
    .forward = mul_forward,
    .tangent = mul_tangent,
    .adjoint = mul_adjoint,
    .adjoint_tangent = mul_adjoint_tangent,
};
const hawq_op hawq_op_div = {
    .name = "Div",
    .attributes = "",
    .min_in = 2,
    .max_in = 2,
    .shape = shape,
    .fold = div_fold,
    .forward = div_forward,
    .tangent = div_tangent,
    .adjoint = div_adjoint,
    .adjoint_tangent = div_adjoint_tangent,
};
