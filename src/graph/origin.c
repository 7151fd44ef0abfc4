/* origin.c -- see origin.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/origin.h"

#include <string.h>

void hawq_originate(hawq_tensor *t) {
    t->origin = t->dtype == HAWQ_FLOAT ? t : NULL;
    for (int i = 0; i < HAWQ_MAX_RANK; i++) t->axis[i] = i;
}

/* The one float operand, or NULL. */
static hawq_tensor *only_operand(const hawq_node *node) {
    hawq_tensor *x = NULL;
    for (int i = 0; i < node->n_in; i++) {
        if (!node->in[i] || node->in[i]->dtype != HAWQ_FLOAT) continue;
        if (x) return NULL;
        x = node->in[i];
    }
    return x;
}

/* What stands for the coordinate of element i along an axis: large and of both
 * signs, so that no operator but a move leaves it. */
static real mark(const hawq_shape *s, int axis, size_t i) {
    size_t at = i / (size_t)hawq_shape_count(s, axis + 1, s->rank) %
                (size_t)s->dim[axis];
    return (real)(at + 1) * (at % 2 ? -1024 : 1024);
}

static bool holds_marks(const hawq_tensor *y, int axis, const real *value) {
    for (size_t i = 0; i < y->n; i++)
        if (value[i] != mark(&y->shape, axis, i)) return false;
    return true;
}

/* Runs the node on the coordinates along axis k of x. */
static void run_on_marks(const hawq_node *node, const hawq_tensor *x, int k,
                         const hawq_planes *p) {
    for (size_t i = 0; i < x->n; i++) p->val[x->id][i] = mark(&x->shape, k, i);
    node->op->forward(node, p);
}

static hawq_status trace_axes(const hawq_node *node, const hawq_tensor *x,
                              hawq_tensor *y, hawq_arena *arena) {
    hawq_planes p = {0};
    int         most = y->id > x->id ? y->id : x->id;
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i] && node->in[i]->id > most) most = node->in[i]->id;
    HAWQ_TAKE(p.val, arena, (size_t)most + 1);
    HAWQ_TAKE(p.val[x->id], arena, x->n);
    HAWQ_TAKE(p.val[y->id], arena, y->n);
    HAWQ_TAKE(p.scratch, arena, node->scratch);
    for (int k = 0; k < x->shape.rank; k++) {
        if (x->shape.dim[k] < 2) continue;
        run_on_marks(node, x, k, &p);
        for (int i = 0; i < y->shape.rank; i++)
            if (y->shape.dim[i] == x->shape.dim[k] &&
                holds_marks(y, i, p.val[y->id]))
                y->axis[i] = x->axis[k];
    }
    return HAWQ_OK;
}

hawq_status hawq_trace_origin(hawq_node *node, hawq_arena *arena) {
    hawq_tensor *x = only_operand(node), *y = node->out[0];
    if (!x || !x->origin || y->dtype != HAWQ_FLOAT) return HAWQ_OK;
    for (int i = 0; i < HAWQ_MAX_RANK; i++) y->axis[i] = -1;
    y->origin = x->origin;
    for (int i = 1; i < node->n_out; i++) {
        if (!node->out[i]) continue;
        node->out[i]->origin = x->origin;
        memcpy(node->out[i]->axis, y->axis, sizeof y->axis);
    }
    if (node->n_out > 1 || y->n != x->n || !y->n || !node->op->forward)
        return HAWQ_OK;
    hawq_mark   before = hawq_arena_mark(arena);
    hawq_status status = trace_axes(node, x, y, arena);
    hawq_arena_reset(arena, before);
    return status;
}
