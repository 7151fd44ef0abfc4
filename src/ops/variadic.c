/* variadic.c -- Sum, Mean, Max, Min of any number of inputs, element by
 * element, with numpy's broadcasting.
 *     Sum, Mean  y = w (x_0 + ... + x_k)   linear
 *     Max, Min   y = x_s, s the first input that has the value y, whose
 *                derivative is that of x_s: a subgradient where inputs are
 *                equal
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/binary.h"
#include "src/ops/move.h"

enum { MAX_INPUTS = 1024 };

typedef struct variadic {
    real            weight;
    const int32_t **index; /* of each input, see hawq_broadcast_index */
} variadic;

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    hawq_shape out = node->in[0]->shape;
    variadic  *v;
    bool       computed = false;
    for (int k = 0; k < node->n_in; k++) {
        HAWQ_TRY(hawq_need_value(node, k));
        computed |= node->in[k]->role != HAWQ_CONSTANT;
        if (hawq_is_integer(node->in[k]) != hawq_is_integer(node->in[0]))
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "'%s' and '%s' are of different types",
                                  node->in[0]->name, node->in[k]->name);
        HAWQ_TRY(hawq_broadcast_shape(node, &out, &node->in[k]->shape, &out));
    }
    for (int k = 0; computed && k < node->n_in; k++)
        HAWQ_TRY(hawq_take_reals(node, arena, k));
    HAWQ_TRY(hawq_set_out(node, 0, computed ? HAWQ_FLOAT : node->in[0]->dtype,
                          &out));
    HAWQ_TAKE(v, arena, 1);
    HAWQ_TAKE(v->index, arena, (size_t)node->n_in);
    v->weight = 1;
    for (int k = 0; k < node->n_in; k++)
        HAWQ_TRY(hawq_broadcast_index(arena, &node->in[k]->shape, &out,
                                      &v->index[k]));
    node->param = v;
    return HAWQ_OK;
}

static hawq_status mean_shape(hawq_node *node, hawq_arena *arena) {
    HAWQ_TRY(hawq_need_float(node, 0));
    HAWQ_TRY(shape(node, arena));
    ((variadic *)node->param)->weight = 1 / (real)node->n_in;
    return HAWQ_OK;
}

static inline size_t at(const variadic *v, int k, size_t i) {
    return v->index[k] ? (size_t)v->index[k][i] : i;
}

/* --- Sum and Mean -------------------------------------------------------- */

static void sum_forward(const hawq_node *node, const hawq_planes *p) {
    const variadic *v = node->param;
    real           *y = hawq_val(p, node->out[0]);
    for (size_t i = 0; y && i < node->out[0]->n; i++) {
        real sum = 0;
        for (int k = 0; k < node->n_in; k++) {
            const real *x = hawq_val(p, node->in[k]);
            if (x) sum += x[at(v, k, i)];
        }
        y[i] = v->weight * sum;
    }
}

static void sum_adjoint(const hawq_node *node, const hawq_planes *p) {
    const variadic *v = node->param;
    const real     *by = hawq_bar(p, node->out[0]);
    for (int k = 0; by && k < node->n_in; k++) {
        real *bx = hawq_bar(p, node->in[k]);
        for (size_t i = 0; bx && i < node->out[0]->n; i++)
            bx[at(v, k, i)] += v->weight * by[i];
    }
}

/* --- Max and Min ---------------------------------------------------------- */

/* sign -1: Min. A NaN among the inputs is not hidden by what is larger. */
static inline void extreme(const hawq_node *node, const hawq_planes *p,
                           real sign) {
    const variadic *v = node->param;
    real           *y = hawq_val(p, node->out[0]);
    for (size_t i = 0; i < node->out[0]->n; i++) {
        real top = hawq_val(p, node->in[0])[at(v, 0, i)];
        for (int k = 1; k < node->n_in; k++) {
            real x = hawq_val(p, node->in[k])[at(v, k, i)];
            top = sign * x > sign * top || x != x ? x : top;
        }
        y[i] = top;
    }
}

static void max_forward(const hawq_node *node, const hawq_planes *p) {
    extreme(node, p, 1);
}
static void min_forward(const hawq_node *node, const hawq_planes *p) {
    extreme(node, p, -1);
}

/* The input that output element i, of value y, is taken from. */
static int source(const hawq_node *node, const hawq_planes *p, size_t i,
                  real y) {
    int k = 0;
    while (k < node->n_in - 1 &&
           hawq_val(p, node->in[k])[at(node->param, k, i)] != y)
        k++;
    return k;
}

static void extreme_tangent(const hawq_node *node, const hawq_planes *p) {
    const real *y = hawq_val(p, node->out[0]);
    for (size_t i = 0; i < node->out[0]->n; i++) {
        int    k = source(node, p, i, y[i]);
        size_t from = at(node->param, k, i);
        for (int l = 0; l < p->lanes; l++) {
            const real *dx = hawq_dot(p, l, node->in[k]);
            real       *dy = hawq_dot(p, l, node->out[0]);
            if (dy) dy[i] = dx ? dx[from] : 0;
        }
    }
}

static void extreme_adjoint(const hawq_node *node, const hawq_planes *p) {
    const real *y = hawq_val(p, node->out[0]), *by = hawq_bar(p, node->out[0]);
    for (size_t i = 0; by && i < node->out[0]->n; i++) {
        int   k = source(node, p, i, y[i]);
        real *bx = hawq_bar(p, node->in[k]);
        if (bx) bx[at(node->param, k, i)] += by[i];
    }
}

static void extreme_adjoint_tangent(const hawq_node   *node,
                                    const hawq_planes *p) {
    const real *y = hawq_val(p, node->out[0]);
    for (size_t i = 0; i < node->out[0]->n; i++) {
        int    k = source(node, p, i, y[i]);
        size_t to = at(node->param, k, i);
        for (int l = 0; l < p->lanes; l++) {
            const real *by = hawq_bardot(p, l, node->out[0]);
            real       *bx = hawq_bardot(p, l, node->in[k]);
            if (by && bx) bx[to] += by[i];
        }
    }
}

/* --- integer constants ---------------------------------------------------- */

static int64_t int_sum(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a + (uint64_t)b);
}
static int64_t int_max(int64_t a, int64_t b) {
    return a > b ? a : b;
}
static int64_t int_min(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static hawq_status fold(hawq_node *node, hawq_arena *arena, hawq_int_fn *fn) {
    const variadic *v = node->param;
    hawq_tensor    *y = node->out[0];
    HAWQ_TAKE(y->ints, arena, y->n);
    for (size_t i = 0; i < y->n; i++) {
        y->ints[i] = node->in[0]->ints[at(v, 0, i)];
        for (int k = 1; k < node->n_in; k++)
            y->ints[i] = fn(y->ints[i], node->in[k]->ints[at(v, k, i)]);
    }
    return HAWQ_OK;
}
static hawq_status sum_fold(hawq_node *node, hawq_arena *arena) {
    return fold(node, arena, int_sum);
}
static hawq_status max_fold(hawq_node *node, hawq_arena *arena) {
    return fold(node, arena, int_max);
}
static hawq_status min_fold(hawq_node *node, hawq_arena *arena) {
    return fold(node, arena, int_min);
}

const hawq_op hawq_op_sum = {.name = "Sum",
                             .attributes = "",
                             .min_in = 1,
                             .max_in = MAX_INPUTS,
                             .shape = shape,
                             .fold = sum_fold,
                             .forward = sum_forward,
                             .adjoint = sum_adjoint,
                             .pointwise = true};
const hawq_op hawq_op_mean = {.name = "Mean",
                              .attributes = "",
                              .min_in = 1,
                              .max_in = MAX_INPUTS,
                              .shape = mean_shape,
                              .forward = sum_forward,
                              .adjoint = sum_adjoint,
                              .pointwise = true};
const hawq_op hawq_op_max = {.name = "Max",
                             .attributes = "",
                             .min_in = 1,
                             .max_in = MAX_INPUTS,
                             .shape = shape,
                             .fold = max_fold,
                             .forward = max_forward,
                             .tangent = extreme_tangent,
                             .adjoint = extreme_adjoint,
                             .adjoint_tangent = extreme_adjoint_tangent,
                             .pointwise = true};
const hawq_op hawq_op_min = {.name = "Min",
                             .attributes = "",
                             .min_in = 1,
                             .max_in = MAX_INPUTS,
                             .shape = shape,
                             .fold = min_fold,
                             .forward = min_forward,
                             .tangent = extreme_tangent,
                             .adjoint = extreme_adjoint,
                             .adjoint_tangent = extreme_adjoint_tangent,
                             .pointwise = true};
