/* constants.c -- edits of a network's constants before it is folded, and after.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/passes.h"

#include <stdlib.h>
#include <string.h>

hawq_status hawq_own_constant(hawq_graph *g, hawq_node *node, int i,
                              const char *name, size_t n) {
    hawq_tensor *old = node->in[i], *own;
    if (old && old->n_uses == 1) {
        old->integers = NULL; /* its numbers are going to be others */
        return HAWQ_OK;
    }
    real *zero;
    HAWQ_TAKE(zero, &g->arena, old ? 0 : n);
    hawq_shape shape = {1, {(int64_t)n}};
    HAWQ_TRY(hawq_graph_constant(g, old ? old->name : name, HAWQ_FLOAT,
                                 old ? &old->shape : &shape,
                                 old ? old->data : zero));
    own = node->in[i] = g->tensor[g->n_tensors - 1];
    own->n_uses = 1;
    if (old) {
        own->origin = old->origin;
        memcpy(own->axis, old->axis, sizeof own->axis);
        old->n_uses--;
    }
    if (node->n_in <= i) node->n_in = i + 1;
    return HAWQ_OK;
}

/* --- Gemm's factors ------------------------------------------------------ */

static bool is_constant(const hawq_node *node, int i) {
    return i < node->n_in && node->in[i] &&
           node->in[i]->role == HAWQ_CONSTANT &&
           node->in[i]->dtype == HAWQ_FLOAT;
}

/* The node without an attribute. */
static hawq_status drop_attribute(hawq_graph *g, hawq_node *node,
                                  const char *name) {
    hawq_attr *kept;
    int        n = 0;
    HAWQ_TAKE(kept, &g->arena, (size_t)node->n_attr);
    for (int i = 0; i < node->n_attr; i++)
        if (strcmp(node->attr[i].name, name) != 0) kept[n++] = node->attr[i];
    node->attr = kept;
    node->n_attr = n;
    return node->op->shape(node, &g->arena);
}

/* Multiplies input i by the attribute, which then is 1. */
static hawq_status scale_input(hawq_graph *g, hawq_node *node, int i,
                               const char *name) {
    double factor = hawq_attr_float(node, name, 1);
    if (factor == 1 || !is_constant(node, i)) return HAWQ_OK;
    HAWQ_TRY(hawq_own_constant(g, node, i, "", 0));
    hawq_tensor *t = node->in[i];
    for (size_t k = 0; k < t->n; k++) t->data[k] = (real)(t->data[k] * factor);
    return drop_attribute(g, node, name);
}

hawq_status hawq_pass_scale(hawq_graph *g) {
    enum { A, B, C };
    for (int i = 0; i < g->n_nodes; i++) {
        hawq_node *node = g->node[i];
        if (!hawq_is(node, "Gemm")) continue;
        HAWQ_TRY(scale_input(g, node, is_constant(node, B) ? B : A, "alpha"));
        HAWQ_TRY(scale_input(g, node, C, "beta"));
        if (node->n_in > C && node->in[C]) continue;
        HAWQ_TRY(drop_attribute(g, node, "beta"));
    }
    return HAWQ_OK;
}

/* --- the same numbers twice ---------------------------------------------- */

static int by_origin(const void *a, const void *b) {
    const hawq_tensor *x = *(hawq_tensor *const *)a;
    const hawq_tensor *y = *(hawq_tensor *const *)b;
    uintptr_t          p = (uintptr_t)x->origin, q = (uintptr_t)y->origin;
    if (p != q) return p < q ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static bool same_numbers(const hawq_tensor *a, const hawq_tensor *b) {
    return hawq_shape_equal(&a->shape, &b->shape) &&
           memcmp(a->data, b->data, a->n * sizeof *a->data) == 0;
}

/* keep[id]: what takes the place of each constant; of equal ones the first. */
static void find_equal(hawq_tensor **all, int n, hawq_tensor **keep) {
    for (int first = 0, i = 0; i < n; i++) {
        if (all[i]->origin != all[first]->origin) first = i;
        keep[all[i]->id] = all[i];
        for (int j = first; j < i; j++) {
            if (keep[all[j]->id] != all[j] || !same_numbers(all[j], all[i]))
                continue;
            keep[all[i]->id] = all[j];
            break;
        }
    }
}

/* Is t the transpose of w, a matrix of the same origin? */
static bool is_transpose(const hawq_tensor *w, const hawq_tensor *t) {
    size_t rows = (size_t)w->shape.dim[0], columns = (size_t)w->shape.dim[1];
    if (w->shape.rank != 2 || t->shape.rank != 2 ||
        t->shape.dim[0] != w->shape.dim[1] ||
        t->shape.dim[1] != w->shape.dim[0])
        return false;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            if (w->data[r * columns + c] != t->data[c * rows + r]) return false;
    return true;
}

/* The matrix that stands in the file as t's transpose and is read, too. */
static hawq_tensor *find_transpose(hawq_tensor **all, int n,
                                   const hawq_tensor *t) {
    hawq_tensor *const *at =
        bsearch(&t, all, (size_t)n, sizeof *all, by_origin);
    if (!at || t->shape.rank != 2 || t->axis[0] != 1) return NULL;
    int i = (int)(at - all);
    while (i > 0 && all[i - 1]->origin == t->origin) i--;
    for (; i < n && all[i]->origin == t->origin; i++)
        if (all[i]->n_uses && all[i]->axis[0] == 0 && is_transpose(all[i], t))
            return all[i];
    return NULL;
}

/* A matrix read as it is and transposed is one weight: a product of two
 * dimensions with the transpose becomes a Gemm that transposes. */
static hawq_status turn_product(hawq_graph *g, hawq_node *node,
                                hawq_tensor **all, int n) {
    bool         gemm = hawq_is(node, "Gemm");
    bool         product = gemm || hawq_is(node, "MatMul");
    hawq_tensor *w;
    if (!product || !is_constant(node, 1) || !node->in[1]->origin ||
        node->out[0]->shape.rank != 2 || node->in[0]->shape.rank != 2 ||
        !(w = find_transpose(all, n, node->in[1])))
        return HAWQ_OK;
    hawq_attr *attr;
    HAWQ_TAKE(attr, &g->arena, (size_t)node->n_attr + 1);
    bool turned = gemm && hawq_attr_int(node, "transB", 0);
    int  m = 0;
    for (int i = 0; i < node->n_attr; i++)
        if (strcmp(node->attr[i].name, "transB") != 0)
            attr[m++] = node->attr[i];
    if (!turned)
        attr[m++] =
            (hawq_attr){.name = "transB", .type = HAWQ_ATTR_INT, .i = 1};
    if (!gemm) {
        hawq_tensor **in;
        HAWQ_TAKE(in, &g->arena, 4);
        in[0] = node->in[0];
        node->in = in;
        node->op = g->find_op("Gemm");
    }
    node->attr = attr;
    node->n_attr = m;
    node->in[1] = w;
    return node->op->shape(node, &g->arena);
}

static void count_uses(hawq_graph *g) {
    for (int i = 0; i < g->n_tensors; i++) g->tensor[i]->n_uses = 0;
    for (int i = 0; i < g->n_nodes; i++)
        for (int j = 0; j < g->node[i]->n_in; j++)
            if (g->node[i]->in[j]) g->node[i]->in[j]->n_uses++;
}

hawq_status hawq_pass_merge(hawq_graph *g) {
    hawq_tensor **all, **keep;
    int           n = 0;
    HAWQ_TAKE(all, &g->arena, (size_t)g->n_tensors);
    HAWQ_TAKE(keep, &g->arena, (size_t)g->n_tensors);
    for (int i = 0; i < g->n_tensors; i++)
        if (g->tensor[i]->data && g->tensor[i]->origin) all[n++] = g->tensor[i];
    qsort(all, (size_t)n, sizeof *all, by_origin);
    find_equal(all, n, keep);
    for (int i = 0; i < g->n_nodes; i++)
        for (int j = 0; j < g->node[i]->n_in; j++) {
            hawq_tensor *t = g->node[i]->in[j];
            if (t && keep[t->id]) g->node[i]->in[j] = keep[t->id];
        }
    count_uses(g);
    for (int i = 0; i < g->n_nodes; i++)
        HAWQ_TRY(turn_product(g, g->node[i], all, n));
    return HAWQ_OK;
}
