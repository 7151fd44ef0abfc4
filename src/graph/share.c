/* share.c -- see share.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/share.h"

#include <limits.h>

static bool reads_derivatives(const hawq_op *op) {
    return op->adjoint_tangent && !op->piecewise_linear;
}

hawq_status hawq_lives_find(const hawq_graph *g, hawq_arena *arena,
                            hawq_lives *out) {
    size_t n = (size_t)g->n_tensors;
    HAWQ_TAKE(out->maker, arena, n);
    HAWQ_TAKE(out->last, arena, n);
    HAWQ_TAKE(out->keep_dot, arena, n);
    HAWQ_TAKE(out->keep_bar, arena, n);
    for (size_t i = 0; i < n; i++) out->maker[i] = out->last[i] = -1;
    for (int i = 0; i < g->n_nodes; i++) {
        const hawq_node *node = g->node[i];
        bool             reads = reads_derivatives(node->op);
        for (int j = 0; j < node->n_in; j++) {
            const hawq_tensor *t = node->in[j];
            if (!t || t->role != HAWQ_ACTIVATION) continue;
            out->last[t->id] = i;
            out->keep_dot[t->id] |= reads;
        }
        for (int j = 0; j < node->n_out; j++) {
            const hawq_tensor *t = node->out[j];
            if (!t || t->role != HAWQ_ACTIVATION) continue;
            out->maker[t->id] = out->last[t->id] = i;
            out->keep_bar[t->id] = reads;
        }
    }
    out->last[g->output->id] = g->n_nodes;
    return HAWQ_OK;
}

/* The free buffer to use for `need` elements at a time, or -1. */
static int find_buffer(const hawq_sharing *s, const int *until, size_t need,
                       int now) {
    int best = -1;
    for (int i = 0; i < s->n; i++) {
        if (until[i] >= now) continue;
        bool fits = s->size[i] >= need;
        if (best < 0 ||
            (s->size[best] >= need ? fits && s->size[i] < s->size[best]
                                   : s->size[i] > s->size[best]))
            best = i;
    }
    return best;
}

static void place(hawq_sharing *s, int *until, const hawq_tensor *t, int now,
                  int end, bool kept) {
    int i = kept ? -1 : find_buffer(s, until, t->n, now);
    if (i < 0) i = s->n++;
    if (s->size[i] < t->n) s->size[i] = t->n;
    until[i] = kept ? INT_MAX : end;
    s->buffer[t->id] = i;
}

hawq_status hawq_share(const hawq_graph *g, const hawq_lives *lives,
                       bool backward, const bool *kept, hawq_arena *arena,
                       hawq_sharing *out) {
    int *until; /* the moment after which each buffer is free */
    out->n = 0;
    HAWQ_TAKE(out->size, arena, (size_t)g->n_tensors);
    HAWQ_TAKE(out->buffer, arena, (size_t)g->n_tensors);
    HAWQ_TAKE(until, arena, (size_t)g->n_tensors);
    for (int i = 0; i < g->n_tensors; i++) out->buffer[i] = -1;
    for (int now = 0; now <= g->n_nodes; now++)
        for (int i = 0; i < g->n_tensors; i++) {
            int maker = lives->maker[i], last = lives->last[i];
            int from = backward ? g->n_nodes - last : maker;
            int end = backward ? g->n_nodes - maker : last;
            if (maker >= 0 && from == now)
                place(out, until, g->tensor[i], now, end, kept && kept[i]);
        }
    return HAWQ_OK;
}
