/* emit.c -- steps, and the values they read and write.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/deploy/lower.h"

#include <string.h>

/* --- slots and steps --------------------------------------------------- */

/* A larger copy of an array in the scratch arena when it is full. */
static hawq_status reserve(lowering *low, void **array, size_t size, int n,
                           int *capacity) {
    if (n < *capacity) return HAWQ_OK;
    int   wider = *capacity ? 2 * *capacity : 64;
    void *copy = hawq_arena_take(low->scratch, (size_t)wider, size);
    if (!copy) return HAWQ_ENOMEM;
    if (n) memcpy(copy, *array, (size_t)n * size);
    *array = copy;
    *capacity = wider;
    return HAWQ_OK;
}

hawq_status hawq_lower_slot(lowering *low, size_t bytes, int *out) {
    void *slots = low->slot;
    HAWQ_TRY(reserve(low, &slots, sizeof *low->slot, low->n_slots,
                     &low->capacity_slots));
    low->slot = slots;
    low->slot[low->n_slots] = (slot){.bytes = bytes, .first = -1};
    *out = low->n_slots++;
    return HAWQ_OK;
}

static void touch(lowering *low, int slot_number, int step) {
    slot *s = &low->slot[slot_number];
    if (s->first < 0) s->first = step;
    s->last = step;
}

static bool has_in(const hawq_step *s) {
    return s->kind != HAWQ_STEP_FLOAT &&
           !(s->kind == HAWQ_STEP_QUANTIZE && s->u.boundary.outside);
}

static bool has_out(const hawq_step *s) {
    bool scales = s->kind == HAWQ_STEP_SCALE || s->kind == HAWQ_STEP_DEQUANTIZE;
    return s->kind != HAWQ_STEP_FLOAT && s->kind != HAWQ_STEP_OUTPUT &&
           !(scales && s->u.boundary.outside);
}

/* The floats that a node reads and writes. */
static void touch_floats(lowering *low, const hawq_node *node, int step) {
    for (int i = 0; i < node->n_in + node->n_out; i++) {
        const hawq_tensor *t =
            i < node->n_in ? node->in[i] : node->out[i - node->n_in];
        if (is_activation(t) && low->floats[t->id] >= 0)
            touch(low, low->floats[t->id], step);
    }
}

/* Appends a step; in, in2 and out are numbers of slots, which now live until
 * this step at least. */
hawq_status hawq_lower_emit(lowering *low, const hawq_step *step,
                            size_t out_offset) {
    hawq_program *p = low->program;
    void         *steps = p->step, *offsets = low->out_offset;
    int           capacity = low->capacity_steps;
    HAWQ_TRY(reserve(low, &steps, sizeof *p->step, p->n_steps, &capacity));
    HAWQ_TRY(reserve(low, &offsets, sizeof *low->out_offset, p->n_steps,
                     &low->capacity_steps));
    p->step = steps;
    low->out_offset = offsets;
    p->step[p->n_steps] = *step;
    p->step[p->n_steps].name = hawq_arena_string(&p->arena, step->name);
    if (!p->step[p->n_steps].name) return HAWQ_ENOMEM;
    low->out_offset[p->n_steps] = out_offset;
    if (has_in(step)) touch(low, (int)step->in, p->n_steps);
    if (step->kind == HAWQ_STEP_ADD) touch(low, (int)step->in2, p->n_steps);
    if (has_out(step)) touch(low, (int)step->out, p->n_steps);
    if (step->kind == HAWQ_STEP_FLOAT)
        touch_floats(low, step->u.floating.node, p->n_steps);
    p->n_steps++;
    return HAWQ_OK;
}

/* --- values ------------------------------------------------------------ */

/* Both extremes of an order of channels are the row-major one. */
size_t hawq_lower_order(size_t n, size_t channels) {
    return channels == n ? 1 : channels;
}

/* The map of a tensor whose values are new (not moved or pooled). */
hawq_status hawq_lower_affine(const lowering *low, const hawq_tensor *t,
                              hawq_affine *out) {
    const hawq_lower_options *o = low->options;
    if (o->has_map && o->has_map[t->id]) {
        *out = o->map[t->id];
        return HAWQ_OK;
    }
    const hawq_histogram *seen = low->calibration->tensor[t->id];
    if (!seen)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "tensor '%s' has no range to be quantized in: it was "
                         "not calibrated or holds minus infinity",
                         t->name);
    *out = hawq_affine_find(seen, low->bits[low->root[t->id]],
                            low->options->activation_range);
    return HAWQ_OK;
}

/* A new value for tensor t, in a slot of its own. */
hawq_status hawq_lower_value(lowering *low, const hawq_tensor *t,
                             size_t channels, hawq_affine q, value *out) {
    value v = {.n = hawq_per_image(low->graph, t), .q = q};
    v.channels = hawq_lower_order(v.n, channels);
    HAWQ_TRY(hawq_lower_slot(low, v.n, &v.slot));
    low->value[t->id] = v;
    *out = v;
    return HAWQ_OK;
}

static void table_identity(uint8_t table[256]) {
    for (int i = 0; i < 256; i++) table[i] = (uint8_t)i;
}

/* Starts a move of n bytes; the caller fills the map. */
hawq_status hawq_lower_gather(lowering *low, const char *name, int in, int out,
                              size_t n, hawq_step *step, int32_t **map) {
    *step = (hawq_step){.kind = HAWQ_STEP_MOVE,
                        .name = name,
                        .layer = -1,
                        .in = (size_t)in,
                        .out = (size_t)out,
                        .u.gather.n = n};
    table_identity(step->u.gather.table);
    HAWQ_TAKE(*map, &low->program->arena, n);
    step->u.gather.map = *map;
    return HAWQ_OK;
}

/* The value of t in an order of so many channels, moved if need be; the moved
 * one then replaces it for later readers. */
hawq_status hawq_lower_reorder(lowering *low, const hawq_node *node,
                               const hawq_tensor *t, size_t channels,
                               value *out) {
    value v = low->value[t->id];
    channels = hawq_lower_order(v.n, channels);
    if (v.channels != channels) {
        value     moved;
        hawq_step step;
        int32_t  *map;
        HAWQ_TRY(hawq_lower_value(low, t, channels, v.q, &moved));
        HAWQ_TRY(hawq_lower_gather(low, node->name, v.slot, moved.slot, v.n,
                                   &step, &map));
        for (size_t p = 0; p < v.n; p++)
            map[p] = (int32_t)value_position(v.n, v.channels,
                                             value_logical(v.n, channels, p));
        HAWQ_TRY(hawq_lower_emit(low, &step, 0));
        v = moved;
    }
    *out = v;
    return HAWQ_OK;
}
