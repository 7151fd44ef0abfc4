/* share.c -- see share.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/share.h"

#include <string.h>

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

/* --- buffers that nothing lives in at the moment ----------------------- */

/* Free buffers in order of size, then number. What ends at a moment is listed
 * by that moment, so that nothing is searched for. */
typedef struct pool {
    hawq_sharing *s;
    int          *free, n_free;
    int          *ending, *next; /* by moment; by buffer; -1 ends a list */
} pool;

/* Where in the pool the first buffer of at least (size, number) is. */
static int lower_bound(const pool *p, size_t size, int number) {
    int low = 0, high = p->n_free;
    while (low < high) {
        int    middle = low + (high - low) / 2, i = p->free[middle];
        size_t found = p->s->size[i];
        if (found < size || (found == size && i < number))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void release(pool *p, int moment) {
    for (int i = p->ending[moment]; i >= 0; i = p->next[i]) {
        int at = lower_bound(p, p->s->size[i], i);
        memmove(p->free + at + 1, p->free + at,
                (size_t)(p->n_free - at) * sizeof *p->free);
        p->free[at] = i;
        p->n_free++;
    }
}

/* Takes the smallest buffer of `need` elements, or else the largest; -1 if none
 * is free. */
static int take(pool *p, size_t need) {
    if (!p->n_free) return -1;
    int at = lower_bound(p, need, 0);
    if (at == p->n_free)
        at = lower_bound(p, p->s->size[p->free[p->n_free - 1]], 0);
    int i = p->free[at];
    p->n_free--;
    memmove(p->free + at, p->free + at + 1,
            (size_t)(p->n_free - at) * sizeof *p->free);
    return i;
}

/* --- sharing ----------------------------------------------------------- */

static void place(pool *p, const hawq_tensor *t, int end, bool kept) {
    hawq_sharing *s = p->s;
    int           i = kept ? -1 : take(p, t->n);
    if (i < 0) i = s->n++;
    if (s->size[i] < t->n) s->size[i] = t->n;
    s->buffer[t->id] = i;
    if (kept) return;
    p->next[i] = p->ending[end];
    p->ending[end] = i;
}

/* Lists of tensors by the moment their lives begin: first[moment], next[id]. */
static void list_births(const hawq_graph *g, const hawq_lives *lives,
                        bool backward, int *first, int *next) {
    for (int i = g->n_tensors; i-- > 0;) {
        if (lives->maker[i] < 0) continue;
        int from = backward ? g->n_nodes - lives->last[i] : lives->maker[i];
        next[i] = first[from];
        first[from] = i;
    }
}

hawq_status hawq_share(const hawq_graph *g, const hawq_lives *lives,
                       bool backward, const bool *kept, hawq_arena *arena,
                       hawq_sharing *out) {
    size_t moments = (size_t)g->n_nodes + 1, n = (size_t)g->n_tensors;
    pool   p = {.s = out};
    int   *first, *next;
    out->n = 0;
    HAWQ_TAKE(out->size, arena, n);
    HAWQ_TAKE(out->buffer, arena, n);
    HAWQ_TAKE(p.free, arena, n);
    HAWQ_TAKE(p.next, arena, n);
    HAWQ_TAKE(p.ending, arena, moments);
    HAWQ_TAKE(first, arena, moments);
    HAWQ_TAKE(next, arena, n);
    for (size_t i = 0; i < n; i++) out->buffer[i] = -1;
    for (size_t i = 0; i < moments; i++) first[i] = p.ending[i] = -1;
    list_births(g, lives, backward, first, next);
    for (int now = 0; now <= g->n_nodes; now++) {
        if (now) release(&p, now - 1);
        for (int i = first[now]; i >= 0; i = next[i]) {
            int end = backward ? g->n_nodes - lives->maker[i] : lives->last[i];
            place(&p, g->tensor[i], end, kept && kept[i]);
        }
    }
    return HAWQ_OK;
}
