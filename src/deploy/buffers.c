/* buffers.c -- a place in the workspace for every value.
 *
 * A slot lives from the step that writes it to the last step that reads it.
 * Slots are placed in order of decreasing size, each at the lowest offset where
 * it meets no placed slot that lives at the same time (greedy by size:
 * Pisarchyk and Lee 2020, "Efficient memory management for deep neural net
 * inference").
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/deploy/lower.h"

enum { ALIGNMENT = 64 };

static size_t align(size_t n) {
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static bool meet(const slot *a, const slot *b) {
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest offset for s among the slots placed so far. Every candidate is 0
 * or the end of a placed slot. */
static size_t lowest(const slot *s, slot *const *placed, int n) {
    size_t offset = 0;
    for (int i = 0; i < n; i++) {
        const slot *p = placed[i];
        bool        apart = p->offset >= offset + align(s->bytes) ||
                     p->offset + align(p->bytes) <= offset;
        if (!meet(s, p) || apart) continue;
        offset = p->offset + align(p->bytes);
        i = -1; /* once more: the new place may meet another one */
    }
    return offset;
}

static void sort_by_size(slot **order, int n) {
    for (int i = 1; i < n; i++) {
        slot *s = order[i];
        int   j = i;
        for (; j > 0 && order[j - 1]->bytes < s->bytes; j--)
            order[j] = order[j - 1];
        order[j] = s;
    }
}

/* Where the floats of every tensor lie. */
static hawq_status place_floats(lowering *low) {
    hawq_program *p = low->program;
    size_t        n = (size_t)low->graph->n_tensors;
    HAWQ_TAKE(p->float_at, &p->arena, n);
    for (size_t i = 0; i < n; i++)
        p->float_at[i] = low->floats[i] >= 0 ? low->slot[low->floats[i]].offset
                         : low->floats[i] == IMAGE ? HAWQ_AT_IMAGE
                                                   : HAWQ_NOWHERE;
    return HAWQ_OK;
}

hawq_status hawq_lower_place(lowering *low) {
    hawq_program *p = low->program;
    slot        **order;
    HAWQ_TAKE(order, low->scratch, (size_t)low->n_slots);
    for (int i = 0; i < low->n_slots; i++) order[i] = &low->slot[i];
    sort_by_size(order, low->n_slots);
    for (int i = 0; i < low->n_slots; i++) {
        order[i]->offset = lowest(order[i], order, i);
        size_t end = order[i]->offset + align(order[i]->bytes);
        if (end > p->workspace_bytes) p->workspace_bytes = end;
    }
    for (int i = 0; i < p->n_steps; i++) {
        hawq_step *s = &p->step[i];
        s->in = low->slot[s->in].offset;
        s->in2 = low->slot[s->in2].offset;
        s->out = low->slot[s->out].offset + low->out_offset[i];
    }
    return place_floats(low);
}
