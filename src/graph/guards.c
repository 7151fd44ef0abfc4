/* guards.c -- where(isnan(p), 0, p) behind a Softmax, as exporters write it,
 * goes: p is no number only where a row has nothing but -inf. Whether there can
 * be such a row is read off the mask in front.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/passes.h"

#include <math.h>

static bool holds_minus_infinity(const hawq_tensor *t) {
    for (size_t i = 0; t && t->data && i < t->n; i++)
        if (isinf((double)t->data[i])) return true;
    return false;
}

/* Does every row along the last axis, of n elements, hold one that is open?
 * Of a mask that is added one that is not infinite; of a condition a true
 * one. */
static bool rows_open(const hawq_tensor *mask, int64_t n) {
    const hawq_shape *s = &mask->shape;
    if (s->rank < 1 || s->dim[s->rank - 1] != n || n < 1) return false;
    for (size_t i = 0; i < mask->n; i += (size_t)n) {
        bool open = false;
        for (size_t k = i; k < i + (size_t)n; k++)
            open |=
                mask->ints ? mask->ints[k] != 0 : !isinf((double)mask->data[k]);
        if (!open) return false;
    }
    return true;
}

/* Is there a finite number in every row, along the last axis, of what the
 * Softmax reads, if there is in what its mask lets through? */
static bool is_open(const hawq_tensor *x) {
    const hawq_node *node = x->producer;
    int64_t          n = x->shape.rank ? x->shape.dim[x->shape.rank - 1] : 0;
    if (!node) return true;
    if (hawq_is(node, "Add"))
        for (int i = 0; i < 2; i++)
            if (holds_minus_infinity(node->in[i]))
                return rows_open(node->in[i], n);
    if (!hawq_is(node, "Where")) return true;
    if (holds_minus_infinity(node->in[1])) return false;
    if (!holds_minus_infinity(node->in[2])) return true;
    return node->in[0]->ints && rows_open(node->in[0], n);
}

/* p of where(isnan(p), 0, p), or NULL. */
static hawq_tensor *guarded(const hawq_node *node) {
    if (!hawq_is(node, "Where") || !node->in[0]->producer ||
        !hawq_is(node->in[0]->producer, "IsNaN"))
        return NULL;
    hawq_tensor       *p = node->in[2];
    const hawq_tensor *zero = node->in[1];
    if (node->in[0]->producer->in[0] != p || !zero->data || zero->n != 1 ||
        zero->data[0] != 0 || !p->producer ||
        !hawq_shape_equal(&p->shape, &node->out[0]->shape))
        return NULL;
    const hawq_node *softmax = p->producer;
    int              rank = p->shape.rank;
    int64_t          axis = hawq_attr_int(softmax, "axis", -1);
    bool             ok = hawq_is(softmax, "Softmax") && softmax->opset >= 13 &&
              hawq_axis(axis, rank) == rank - 1 && is_open(softmax->in[0]);
    return ok ? p : NULL;
}

void hawq_pass_guards(hawq_graph *g) {
    for (int i = 0; i < g->n_nodes; i++) {
        hawq_tensor *p = guarded(g->node[i]);
        if (p) hawq_graph_replace(g, g->node[i]->out[0], p);
    }
}
