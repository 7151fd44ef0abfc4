/* matmul.c -- y = a b on the last two axes, leading axes broadcast (ONNX
 * MatMul, numpy.matmul); a vector is a row on the left, a column on the right.
 * Bilinear, so each derivative is the product rule, one line per term.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/mm.h"
#include "src/ops/ops.h"

#include <string.h>

enum { A, B };

typedef struct matmul {
    size_t  n, k, m; /* each y is n x m, a n x k, b k x m */
    size_t  count;   /* products */
    size_t *a, *b;   /* offset of each product's operands */
} matmul;

/* shape without its last two axes, the matrix in *rows x *cols; a vector is
 * promoted to a row (left operand) or a column (right operand). */
static hawq_shape split_matrix(const hawq_shape *s, bool left, size_t *rows,
                               size_t *cols) {
    hawq_shape lead = {0, {0}};
    if (s->rank == 1) {
        *rows = left ? 1 : (size_t)s->dim[0];
        *cols = left ? (size_t)s->dim[0] : 1;
        return lead;
    }
    lead = *s;
    lead.rank -= 2;
    *rows = (size_t)s->dim[s->rank - 2];
    *cols = (size_t)s->dim[s->rank - 1];
    return lead;
}

static hawq_status lead_shape(const hawq_node *node, const hawq_shape *a,
                              const hawq_shape *b, hawq_shape *out) {
    out->rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 1; i <= out->rank; i++) {
        int64_t da = i <= a->rank ? a->dim[a->rank - i] : 1;
        int64_t db = i <= b->rank ? b->dim[b->rank - i] : 1;
        if (da != db && da != 1 && db != 1)
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "leading axes %lld and %lld do not broadcast",
                                  (long long)da, (long long)db);
        out->dim[out->rank - i] = da == 1 ? db : da;
    }
    return HAWQ_OK;
}

/* Offset, in matrices, of product number i into an operand of shape `lead`
 * broadcast to `all`. */
static size_t operand(const hawq_shape *lead, const hawq_shape *all, size_t i) {
    size_t offset = 0, stride = 1;
    for (int k = 1; k <= all->rank; k++) {
        size_t at = i % (size_t)all->dim[all->rank - k];
        i /= (size_t)all->dim[all->rank - k];
        if (k > lead->rank) continue;
        size_t d = (size_t)lead->dim[lead->rank - k];
        if (d > 1) offset += at * stride;
        stride *= d;
    }
    return offset;
}

static hawq_status plan(const hawq_node *node, hawq_arena *arena, matmul *g,
                        hawq_shape *all) {
    const hawq_shape *a = &node->in[A]->shape, *b = &node->in[B]->shape;
    char              ta[128], tb[128];
    size_t            rows;
    if (a->rank < 1 || b->rank < 1)
        return hawq_node_fail(node, HAWQ_EFORMAT, "an operand is a scalar");
    hawq_shape la = split_matrix(a, true, &g->n, &g->k);
    hawq_shape lb = split_matrix(b, false, &rows, &g->m);
    if (rows != g->k)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "shapes %s and %s do not multiply",
                              hawq_shape_text(a, ta), hawq_shape_text(b, tb));
    HAWQ_TRY(lead_shape(node, &la, &lb, all));
    g->count = (size_t)hawq_shape_count(all, 0, all->rank);
    if (b->rank == 2) { /* one tall product */
        g->n *= g->count;
        g->count = 1;
        la = lb = (hawq_shape){0, {0}};
    }
    HAWQ_TAKE(g->a, arena, g->count);
    HAWQ_TAKE(g->b, arena, g->count);
    const hawq_shape *walk = b->rank == 2 ? &la : all;
    for (size_t i = 0; i < g->count; i++) {
        g->a[i] = operand(&la, walk, i) * g->n * g->k;
        g->b[i] = operand(&lb, walk, i) * g->k * g->m;
    }
    return HAWQ_OK;
}

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    HAWQ_TRY(hawq_need_float(node, A));
    HAWQ_TRY(hawq_need_float(node, B));
    matmul *g;
    HAWQ_TAKE(g, arena, 1);
    hawq_shape        out;
    const hawq_shape *a = &node->in[A]->shape, *b = &node->in[B]->shape;
    HAWQ_TRY(plan(node, arena, g, &out));
    if (a->rank > 1) out.dim[out.rank++] = a->dim[a->rank - 2];
    if (b->rank > 1) out.dim[out.rank++] = b->dim[b->rank - 1];
    node->param = g;
    return hawq_set_out(node, 0, HAWQ_FLOAT, &out);
}

/* y = a b + beta y; an operand that is NULL is zero */
static void product(const matmul *g, const real *a, const real *b, real beta,
                    real *y) {
    size_t each = g->n * g->m;
    if (!y) return;
    if ((!a || !b || !g->k) && beta == 0)
        memset(y, 0, g->count * each * sizeof *y);
    for (size_t i = 0; a && b && g->k && i < g->count; i++)
        hawq_mm(false, false, g->n, g->m, g->k, 1, a + g->a[i], g->k,
                b + g->b[i], g->m, beta, y + i * each, g->m);
}

/* ba += by b^T */
static void by_a(const matmul *g, const real *b, const real *by, real *ba) {
    for (size_t i = 0; b && by && ba && i < g->count; i++)
        hawq_mm(false, true, g->n, g->k, g->m, 1, by + i * g->n * g->m, g->m,
                b + g->b[i], g->m, 1, ba + g->a[i], g->k);
}

/* bb += a^T by */
static void by_b(const matmul *g, const real *a, const real *by, real *bb) {
    for (size_t i = 0; a && by && bb && i < g->count; i++)
        hawq_mm(true, false, g->k, g->m, g->n, 1, a + g->a[i], g->k,
                by + i * g->n * g->m, g->m, 1, bb + g->b[i], g->m);
}

static void forward(const hawq_node *node, const hawq_planes *p) {
    product(node->param, hawq_val(p, node->in[A]), hawq_val(p, node->in[B]), 0,
            hawq_val(p, node->out[0]));
}

static void tangent(const hawq_node *node, const hawq_planes *p) {
    const hawq_tensor *a = node->in[A], *b = node->in[B];
    for (int l = 0; l < p->lanes; l++) {
        real *dy = hawq_dot(p, l, node->out[0]);
        product(node->param, hawq_dot(p, l, a), hawq_val(p, b), 0, dy);
        product(node->param, hawq_val(p, a), hawq_dot(p, l, b), 1, dy);
    }
}

static void adjoint(const hawq_node *node, const hawq_planes *p) {
    const real *by = hawq_bar(p, node->out[0]);
    by_a(node->param, hawq_val(p, node->in[B]), by, hawq_bar(p, node->in[A]));
    by_b(node->param, hawq_val(p, node->in[A]), by, hawq_bar(p, node->in[B]));
}

static void adjoint_tangent(const hawq_node *node, const hawq_planes *p) {
    const hawq_tensor *a = node->in[A], *b = node->in[B];
    const real        *by = hawq_bar(p, node->out[0]);
    for (int l = 0; l < p->lanes; l++) {
        const real *bdy = hawq_bardot(p, l, node->out[0]);
        by_a(node->param, hawq_val(p, b), bdy, hawq_bardot(p, l, a));
        by_a(node->param, hawq_dot(p, l, b), by, hawq_bardot(p, l, a));
        by_b(node->param, hawq_val(p, a), bdy, hawq_bardot(p, l, b));
        by_b(node->param, hawq_dot(p, l, a), by, hawq_bardot(p, l, b));
    }
}

const hawq_op hawq_op_matmul = {
    .name = "MatMul",
    .attributes = "",
    .min_in = 2,
    .max_in = 2,
    .shape = shape,
    .forward = forward,
    .tangent = tangent,
    .adjoint = adjoint,
    .adjoint_tangent = adjoint_tangent,
};
