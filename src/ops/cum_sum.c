/* cum_sum.c -- CumSum: y_i = sum of x_j along an axis over j <= i (exclusive:
 * j < i; reverse: from the other end). Linear; its adjoint is the cumulative
 * sum from the other end. SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/ops.h"

typedef struct cum_sum {
    size_t outer, n, inner;
    bool   exclusive, reverse;
} cum_sum;

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    const int64_t *given;
    size_t         n;
    cum_sum       *c;
    HAWQ_TRY(hawq_need_value(node, 0));
    HAWQ_TRY(hawq_read_ints(node, NULL, 1, &given, &n));
    const hawq_shape *s = &node->in[0]->shape;
    int               axis = n == 1 ? hawq_axis(given[0], s->rank) : -1;
    if (axis < 0)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "the axis is not one of the %d of the input",
                              s->rank);
    HAWQ_TAKE(c, arena, 1);
    *c = (cum_sum){(size_t)hawq_shape_count(s, 0, axis), (size_t)s->dim[axis],
                   (size_t)hawq_shape_count(s, axis + 1, s->rank),
                   hawq_attr_int(node, "exclusive", 0) != 0,
                   hawq_attr_int(node, "reverse", 0) != 0};
    node->param = c;
    return hawq_set_out(node, 0, node->in[0]->dtype, s);
}

/* Offset of the k-th element, in the order of summation, of a row. */
static inline size_t step(const cum_sum *c, bool reverse, size_t row,
                          size_t k) {
    return (row / c->inner * c->n + (reverse ? c->n - 1 - k : k)) * c->inner +
           row % c->inner;
}

static void add_sums(const cum_sum *c, bool reverse, const real *x, real *y) {
    for (size_t row = 0; row < (c->n ? c->outer * c->inner : 0); row++) {
        double sum = 0;
        for (size_t k = 0; k < c->n; k++) {
            size_t i = step(c, reverse, row, k);
            double v = (double)x[i];
            y[i] += (real)(c->exclusive ? sum : sum + v);
            sum += v;
        }
    }
}

static void forward(const hawq_node *node, const hawq_planes *p) {
    const cum_sum *c = node->param;
    const real    *x = hawq_val(p, node->in[0]);
    real          *y = hawq_val(p, node->out[0]);
    for (size_t i = 0; y && i < node->out[0]->n; i++) y[i] = 0;
    if (x && y) add_sums(c, c->reverse, x, y);
}

static void adjoint(const hawq_node *node, const hawq_planes *p) {
    const cum_sum *c = node->param;
    const real    *by = hawq_bar(p, node->out[0]);
    real          *bx = hawq_bar(p, node->in[0]);
    if (by && bx) add_sums(c, !c->reverse, by, bx);
}

static hawq_status fold(hawq_node *node, hawq_arena *arena) {
    const cum_sum *c = node->param;
    const int64_t *x = node->in[0]->ints;
    int64_t       *y;
    HAWQ_TAKE(y, arena, node->out[0]->n);
    node->out[0]->ints = y;
    for (size_t row = 0; row < (c->n ? c->outer * c->inner : 0); row++) {
        uint64_t sum = 0;
        for (size_t k = 0; k < c->n; k++) {
            size_t i = step(c, c->reverse, row, k);
            y[i] = (int64_t)(c->exclusive ? sum : sum + (uint64_t)x[i]);
            sum += (uint64_t)x[i];
        }
    }
    return HAWQ_OK;
}

const hawq_op hawq_op_cum_sum = {.name = "CumSum",
                                 .attributes = "exclusive reverse",
                                 .min_in = 2,
                                 .max_in = 2,
                                 .shape = shape,
                                 .fold = fold,
                                 .forward = forward,
                                 .adjoint = adjoint};
