/* moves.c -- steps that move bytes or look them up: slices, pads, transposes,
 * functions of one element, concatenation.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/deploy/lower.h"

#include <math.h>
#include <string.h>

/* Channels last for images, row-major for everything else. */
static size_t usual_order(const hawq_tensor *t, size_t n) {
    return t->shape.rank < 3 ? 1 : hawq_lower_order(n, (size_t)t->shape.dim[1]);
}

static const hawq_tensor *activation_in(const hawq_node *node) {
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i] && node->in[i]->role != HAWQ_CONSTANT)
            return node->in[i];
    return NULL;
}

/* table[q] is the map `to` of what q means in the map `from`. */
static void table_rescale(hawq_affine from, hawq_affine to,
                          uint8_t table[256]) {
    for (int i = 0; i < 256; i++) {
        double x = (double)from.scale * (i - from.zero);
        double q = rint(x / (double)to.scale) + to.zero;
        table[i] = (uint8_t)(q < 0 ? 0 : q > to.high ? to.high : q);
    }
}

/* Does anyone but its next reader need the value of t, under this name or
 * under that of an earlier tensor with the same bytes? */
static bool is_shared(const lowering *low, const hawq_tensor *t) {
    int at = low->value[t->id].slot;
    while (t && low->value[t->id].slot == at) {
        if (t->n_uses != 1 || t == low->graph->output) return true;
        t = t->producer ? activation_in(t->producer) : NULL;
    }
    return false;
}

/* The move that has just made t, if it can be done in one with the next: taken
 * off the program again, it stays readable until the next step is emitted. */
static const hawq_step *absorb(lowering *low, const hawq_tensor *t,
                               uint8_t fill) {
    hawq_program *p = low->program;
    int           slot_number = low->value[t->id].slot;
    hawq_step    *last = &p->step[p->n_steps - 1];
    if (last->kind != HAWQ_STEP_MOVE || (int)last->out != slot_number ||
        low->out_offset[p->n_steps - 1] || is_shared(low, t))
        return NULL;
    for (size_t i = 0; i < last->u.gather.n; i++)
        if (last->u.gather.map[i] < 0 && last->u.gather.fill != fill)
            return NULL;
    low->slot[slot_number].bytes = 0; /* nothing is written there now */
    p->n_steps--;
    return last;
}

static uint8_t quantize_fill(double fill, hawq_affine q) {
    double v = rint(fill / (double)q.scale) + q.zero;
    return (uint8_t)(v < 0 ? 0 : v > q.high ? q.high : v);
}

hawq_status hawq_lower_move(lowering *low, const hawq_node *node,
                            const node_plan *plan) {
    const hawq_tensor *t = node->out[0], *source = activation_in(node);
    value              x = low->value[source->id], y;
    if (plan->identity) { /* another shape of the same bytes */
        low->value[t->id] = x;
        return HAWQ_OK;
    }
    size_t           n = hawq_per_image(low->graph, t);
    uint8_t          fill = quantize_fill(plan->fill, x.q);
    const hawq_step *before = absorb(low, source, fill);
    hawq_step        step;
    int32_t         *map;
    HAWQ_TRY(hawq_lower_value(low, t, usual_order(t, n), x.q, &y));
    HAWQ_TRY(hawq_lower_gather(low, node->name,
                               before ? (int)before->in : x.slot, y.slot, n,
                               &step, &map));
    for (size_t p = 0; p < n; p++) {
        map[p] = plan->map[value_logical(n, y.channels, p)];
        if (map[p] < 0) continue;
        size_t from = value_position(x.n, x.channels, (size_t)map[p]);
        map[p] = before ? before->u.gather.map[from] : (int32_t)from;
    }
    if (before)
        memcpy(step.u.gather.table, before->u.gather.table,
               sizeof step.u.gather.table);
    step.u.gather.fill = fill;
    return hawq_lower_emit(low, &step, 0);
}

/* --- functions of one element -------------------------------------------- */

/* The nodes that lead from the source of node i to it, in order. */
static hawq_status find_chain(const lowering *low, int i,
                              const hawq_node ***chain, int *n) {
    const hawq_graph *g = low->graph;
    int               source = low->source[g->node[i]->out[0]->id];
    HAWQ_TAKE(*chain, low->scratch, (size_t)i + 1);
    *n = 0;
    for (int j = 0; j <= i; j++)
        if (low->plan[j].kind == KIND_POINTWISE &&
            low->source[g->node[j]->out[0]->id] == source)
            (*chain)[(*n)++] = g->node[j];
    return HAWQ_OK;
}

/* table[q] = the operators' own float functions of what q means. */
static hawq_status pointwise_table(lowering *low, int i, hawq_affine from,
                                   hawq_affine to, uint8_t table[256]) {
    const hawq_tensor *t = low->graph->node[i]->out[0];
    const hawq_node  **chain;
    hawq_planes        planes;
    int                n_chain;
    hawq_mark          mark = hawq_arena_mark(low->scratch);
    HAWQ_TRY(find_chain(low, i, &chain, &n_chain));
    HAWQ_TRY(
        hawq_lower_planes(low->graph, chain, n_chain, low->scratch, &planes));
    real       *x = planes.val[low->source[t->id]];
    const real *y = hawq_val(&planes, t);
    for (size_t first = 0; first < 256; first += t->n) {
        for (size_t k = 0; k < t->n; k++)
            x[k] = from.scale * (real)((int)((first + k) % 256) - from.zero);
        for (int j = 0; j < n_chain; j++)
            chain[j]->op->forward(chain[j], &planes);
        for (size_t k = 0; k < t->n && first + k < 256; k++) {
            double q = rint((double)y[k] / (double)to.scale) + to.zero;
            table[first + k] = (uint8_t)(q > 0 ? fmin(q, to.high) : 0);
        }
    }
    hawq_arena_reset(low->scratch, mark);
    return HAWQ_OK;
}

/* Do only further functions of its elements read t? They are looked up from its
 * source, so nobody wants t itself. */
static bool is_passed_over(const lowering *low, const hawq_tensor *t) {
    const hawq_graph *g = low->graph;
    if (t == g->output) return false;
    for (int i = 0; i < g->n_nodes; i++)
        for (int j = 0; j < g->node[i]->n_in; j++)
            if (g->node[i]->in[j] == t && low->plan[i].kind != KIND_POINTWISE)
                return false;
    return true;
}

hawq_status hawq_lower_pointwise(lowering *low, int i) {
    const hawq_node   *node = low->graph->node[i];
    const hawq_tensor *t = node->out[0];
    value              x = low->value[low->source[t->id]], y = {0};
    hawq_step          step;
    int32_t           *map;
    if (is_passed_over(low, t)) return HAWQ_OK;
    HAWQ_TRY(hawq_lower_affine(low, t, &y.q));
    HAWQ_TRY(hawq_lower_value(low, t, x.channels, y.q, &y));
    HAWQ_TRY(
        hawq_lower_gather(low, node->name, x.slot, y.slot, x.n, &step, &map));
    for (size_t p = 0; p < x.n; p++) map[p] = (int32_t)p;
    HAWQ_TRY(pointwise_table(low, i, x.q, y.q, step.u.gather.table));
    return hawq_lower_emit(low, &step, 0);
}

/* --- concatenation ------------------------------------------------------- */

/* Every input is copied, on the output's map, into its part of one staging
 * slot; then one move interleaves the parts. */
static hawq_status stage_parts(lowering *low, const hawq_node *node,
                               hawq_affine q, int staging) {
    size_t offset = 0;
    for (int i = 0; i < node->n_in; i++) {
        value     x = low->value[node->in[i]->id];
        hawq_step step;
        int32_t  *map;
        HAWQ_TRY(hawq_lower_gather(low, node->name, x.slot, staging, x.n, &step,
                                   &map));
        for (size_t p = 0; p < x.n; p++) map[p] = (int32_t)p;
        table_rescale(x.q, q, step.u.gather.table);
        HAWQ_TRY(hawq_lower_emit(low, &step, offset));
        offset += x.n;
    }
    return HAWQ_OK;
}

/* Where row-major element i of the concatenation lies in the staging slot.
 * inner: elements behind the axis; width: inner * the axis' length. */
static size_t staged_at(const lowering *low, const hawq_node *node, int axis,
                        size_t inner, size_t width, size_t i) {
    size_t outer = i / width, along = i % width, offset = 0;
    for (int k = 0;; k++) {
        value  x = low->value[node->in[k]->id];
        size_t part = inner * (size_t)node->in[k]->shape.dim[axis];
        if (along < part)
            return offset +
                   value_position(x.n, x.channels, outer * part + along);
        along -= part;
        offset += x.n;
    }
}

hawq_status hawq_lower_concat(lowering *low, const hawq_node *node) {
    const hawq_tensor *t = node->out[0];
    size_t             n = hawq_per_image(low->graph, t);
    int       axis = hawq_axis(hawq_attr_int(node, "axis", 1), t->shape.rank);
    value     y = {0};
    int       staging;
    hawq_step step;
    int32_t  *map;
    HAWQ_TRY(hawq_lower_affine(low, t, &y.q));
    HAWQ_TRY(hawq_lower_slot(low, n, &staging));
    HAWQ_TRY(stage_parts(low, node, y.q, staging));
    HAWQ_TRY(hawq_lower_value(low, t, usual_order(t, n), y.q, &y));
    HAWQ_TRY(
        hawq_lower_gather(low, node->name, staging, y.slot, n, &step, &map));
    size_t inner = (size_t)hawq_shape_count(&t->shape, axis + 1, t->shape.rank);
    size_t width = inner * (size_t)t->shape.dim[axis];
    for (size_t p = 0; p < n; p++)
        map[p] = (int32_t)staged_at(low, node, axis, inner, width,
                                    value_logical(n, y.channels, p));
    return hawq_lower_emit(low, &step, 0);
}
