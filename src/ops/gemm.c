/* gemm.c -- y = alpha op(a) op(b) + beta c (ONNX Gemm), op = optional
 * transpose, c broadcast. Bilinear in a and b, linear in c.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/mm.h"
#include "src/ops/move.h"
#include "src/ops/ops.h"

#include <string.h>

enum { A, B, C };

typedef struct gemm {
    size_t    n, k, m; /* y is n x m, op(a) n x k, op(b) k x m */
    bool      ta, tb;
    real      alpha, beta;
    hawq_move broadcast; /* of c */
} gemm;

static hawq_status check(const hawq_node *node, gemm *g) {
    const hawq_shape *a = &node->in[A]->shape, *b = &node->in[B]->shape;
    char              ta[128], tb[128];
    if (a->rank == 2 && b->rank == 2) {
        g->n = (size_t)a->dim[g->ta ? 1 : 0];
        g->k = (size_t)a->dim[g->ta ? 0 : 1];
        g->m = (size_t)b->dim[g->tb ? 0 : 1];
        if ((size_t)b->dim[g->tb ? 1 : 0] == g->k) return HAWQ_OK;
    }
    return hawq_node_fail(node, HAWQ_EFORMAT,
                          "shapes %s and %s do not multiply (transA %d, "
                          "transB %d)",
                          hawq_shape_text(a, ta), hawq_shape_text(b, tb), g->ta,
                          g->tb);
}

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    for (int i = A; i <= C; i++)
        if (hawq_in(node, i)) HAWQ_TRY(hawq_need_float(node, i));
    gemm *g;
    HAWQ_TAKE(g, arena, 1);
    g->ta = hawq_attr_int(node, "transA", 0) != 0;
    g->tb = hawq_attr_int(node, "transB", 0) != 0;
    g->alpha = (real)hawq_attr_float(node, "alpha", 1);
    g->beta = (real)hawq_attr_float(node, "beta", 1);
    HAWQ_TRY(check(node, g));
    hawq_shape out = {2, {(int64_t)g->n, (int64_t)g->m}}, both;
    if (hawq_in(node, C)) {
        HAWQ_TRY(hawq_broadcast_shape(node, &node->in[C]->shape, &out, &both));
        if (!hawq_shape_equal(&both, &out))
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "operand C is larger than the product");
        HAWQ_TRY(hawq_broadcast_plan(arena, &node->in[C]->shape, &out,
                                     &g->broadcast));
    }
    HAWQ_TRY(hawq_set_out(node, 0, HAWQ_FLOAT, &out));
    node->param = g;
    node->scratch = g->n * g->m; /* beta * by, for the adjoint of c */
    return HAWQ_OK;
}

/* y += alpha op(a) op(b) */
static void product(const gemm *g, const real *a, const real *b, real *y) {
    if (!a || !b || !y) return;
    hawq_mm(g->ta, g->tb, g->n, g->m, g->k, g->alpha, a, g->ta ? g->n : g->k, b,
            g->tb ? g->k : g->m, 1, y, g->m);
}

/* ba += alpha by op(b)^T, transposed if a is */
static void by_a(const gemm *g, const real *b, const real *by, real *ba) {
    if (!b || !by || !ba) return;
    size_t ldb = g->tb ? g->k : g->m;
    if (g->ta)
        hawq_mm(g->tb, true, g->k, g->n, g->m, g->alpha, b, ldb, by, g->m, 1,
                ba, g->n);
    else
        hawq_mm(false, !g->tb, g->n, g->k, g->m, g->alpha, by, g->m, b, ldb, 1,
                ba, g->k);
}

/* bb += alpha op(a)^T by, transposed if b is */
static void by_b(const gemm *g, const real *a, const real *by, real *bb) {
    if (!a || !by || !bb) return;
    size_t lda = g->ta ? g->n : g->k;
    if (g->tb)
        hawq_mm(true, g->ta, g->m, g->k, g->n, g->alpha, by, g->m, a, lda, 1,
                bb, g->k);
    else
        hawq_mm(!g->ta, false, g->k, g->m, g->n, g->alpha, a, lda, by, g->m, 1,
                bb, g->m);
}

/* y = beta c */
static void set_c(const gemm *g, const real *c, real *y) {
    size_t n = g->n * g->m;
    if (!y) return;
    if (!c) {
        memset(y, 0, n * sizeof *y);
        return;
    }
    hawq_move_apply(&g->broadcast, c, y, 0);
    for (size_t i = 0; g->beta != 1 && i < n; i++) y[i] *= g->beta;
}

static void by_c(const gemm *g, const real *by, real *bc, real *scratch) {
    if (!bc || !by) return;
    for (size_t i = 0; i < g->n * g->m; i++) scratch[i] = g->beta * by[i];
    hawq_move_add_back(&g->broadcast, scratch, bc);
}

static void forward(const hawq_node *node, const hawq_planes *p) {
    const gemm *g = node->param;
    set_c(g, hawq_val(p, hawq_in(node, C)), hawq_val(p, node->out[0]));
    product(g, hawq_val(p, node->in[A]), hawq_val(p, node->in[B]),
            hawq_val(p, node->out[0]));
}

static void tangent(const hawq_node *node, const hawq_planes *p) {
    const gemm *g = node->param;
    for (int l = 0; l < p->lanes; l++) {
        real *dy = hawq_dot(p, l, node->out[0]);
        set_c(g, hawq_dot(p, l, hawq_in(node, C)), dy);
        /* dy = beta dc + alpha (da b + a db) */
        product(g, hawq_dot(p, l, node->in[A]), hawq_val(p, node->in[B]), dy);
        product(g, hawq_val(p, node->in[A]), hawq_dot(p, l, node->in[B]), dy);
    }
}

static void adjoint(const hawq_node *node, const hawq_planes *p) {
    const gemm *g = node->param;
    const real *by = hawq_bar(p, node->out[0]);
    by_a(g, hawq_val(p, node->in[B]), by, hawq_bar(p, node->in[A]));
    by_b(g, hawq_val(p, node->in[A]), by, hawq_bar(p, node->in[B]));
    by_c(g, by, hawq_bar(p, hawq_in(node, C)), p->scratch);
}

static void adjoint_tangent(const hawq_node *node, const hawq_planes *p) {
    const gemm *g = node->param;
    const real *by = hawq_bar(p, node->out[0]);
    for (int l = 0; l < p->lanes; l++) {
        const real *bdy = hawq_bardot(p, l, node->out[0]);
        real       *bda = hawq_bardot(p, l, node->in[A]);
        real       *bdb = hawq_bardot(p, l, node->in[B]);
        /* The product rule on ba = by b' and bb = a' by: bda = bdy b' + by
         * db', bdb = a' bdy + da' by */
        by_a(g, hawq_val(p, node->in[B]), bdy, bda);
        by_a(g, hawq_dot(p, l, node->in[B]), by, bda);
        by_b(g, hawq_val(p, node->in[A]), bdy, bdb);
        by_b(g, hawq_dot(p, l, node->in[A]), by, bdb);
        by_c(g, bdy, hawq_bardot(p, l, hawq_in(node, C)), p->scratch);
    }
}

const hawq_op hawq_op_gemm = {
    .name = "Gemm",
    .attributes = "alpha beta transA transB",
    .min_in = 2,
    .max_in = 3,
    .shape = shape,
    .forward = forward,
    .tangent = tangent,
    .adjoint = adjoint,
    .adjoint_tangent = adjoint_tangent,
};
