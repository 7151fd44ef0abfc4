/* qdq_maps.c -- who reads an activation rounded, and the nodes that round it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/exchange/qdq_write.h"

#include <string.h>

static bool has_floats(const hawq_program *p, const hawq_tensor *t) {
    return p->float_at[t->id] != HAWQ_NOWHERE;
}

/* Are its floats the rounded ones, looked up from its bytes? */
static bool is_dequantized(const hawq_program *p, const hawq_tensor *t) {
    for (int i = 0; i < p->n_steps; i++)
        if (p->step[i].kind == HAWQ_STEP_DEQUANTIZE &&
            !p->step[i].u.boundary.outside &&
            p->step[i].out == p->float_at[t->id] &&
            strcmp(p->step[i].name, t->name) == 0)
            return true;
    return false;
}

static const hawq_tensor *activation_in(const hawq_node *node) {
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i] && node->in[i]->role != HAWQ_CONSTANT)
            return node->in[i];
    return NULL;
}

static bool is_clamp(const hawq_node *node) {
    return strcmp(node->op->name, "Relu") == 0 ||
           strcmp(node->op->name, "Clip") == 0;
}

/* A node is among floats if a step runs it, if it gives the same floats another
 * shape, or if it clamps floats that are rounded next. */
static bool is_among_floats(const hawq_program *p, const hawq_node *node) {
    const hawq_tensor *x = activation_in(node), *y = node->out[0];
    for (int i = 0; i < p->n_steps; i++)
        if (p->step[i].kind == HAWQ_STEP_FLOAT &&
            p->step[i].u.floating.node == node)
            return true;
    if (!x || !has_floats(p, x)) return false;
    if (p->float_at[y->id] == p->float_at[x->id]) return true;
    return is_clamp(node) && !hawq_is_input(x) && p->has_map[y->id] &&
           !has_floats(p, y);
}

hawq_status hawq_qdq_find_floats(hawq_qdq_writer *w) {
    const hawq_graph *g = w->graph;
    HAWQ_TAKE(w->is_float, w->arena, (size_t)g->n_nodes);
    for (int i = 0; i < g->n_nodes; i++)
        w->is_float[i] = is_among_floats(w->program, g->node[i]);
    return HAWQ_OK;
}

bool hawq_qdq_reads_floats(const hawq_qdq_writer *w, int node,
                           const hawq_tensor *t) {
    return w->is_float[node] && has_floats(w->program, t) &&
           !is_dequantized(w->program, t);
}

static hawq_status add_parameters(hawq_qdq_writer *w, const char *name,
                                  hawq_affine map, const char **scale,
                                  const char **zero) {
    const hawq_shape scalar = {0};
    int64_t         *ints;
    real             s = map.scale;
    HAWQ_TAKE(ints, w->arena, 1);
    ints[0] = map.zero;
    *scale = hawq_qdq_name(w, name, "_scale");
    *zero = hawq_qdq_name(w, name, "_zero");
    if (!*scale || !*zero) return HAWQ_ENOMEM;
    HAWQ_TRY(hawq_qdq_floats(w, *scale, &scalar, 1, &s));
    return hawq_qdq_integers(w, *zero, &scalar, 1, ints, HAWQ_U8);
}

/* A map of fewer bits than 8 ends where a Clip says: other runtimes round to
 * whole bytes. */
static hawq_status add_clip(hawq_qdq_writer *w, const char *name,
                            hawq_affine map, const char *from, const char *to) {
    const hawq_shape scalar = {0};
    real             most = (real)(map.high - map.zero) * map.scale;
    const char      *bound = hawq_qdq_name(w, name, "_most");
    if (!bound) return HAWQ_ENOMEM;
    HAWQ_TRY(hawq_qdq_floats(w, bound, &scalar, 1, &most));
    const char *in[] = {from, "", bound, NULL};
    return hawq_qdq_node(w, "Clip", to, in, -1);
}

hawq_status hawq_qdq_round(hawq_qdq_writer *w, const hawq_tensor *t,
                           const char *from, const char *to) {
    const hawq_affine map = w->program->map[t->id];
    const char       *name = w->name[t->id], *scale, *zero;
    bool              narrow = map.high < 255;
    HAWQ_TRY(add_parameters(w, name, map, &scale, &zero));
    const char *q = hawq_qdq_name(w, name, "_q");
    const char *wide = narrow ? hawq_qdq_name(w, name, "_wide") : to;
    if (!q || !wide) return HAWQ_ENOMEM;
    const char *quantize[] = {from, scale, zero, NULL};
    const char *dequantize[] = {q, scale, zero, NULL};
    HAWQ_TRY(hawq_qdq_node(w, "QuantizeLinear", q, quantize, -1));
    HAWQ_TRY(hawq_qdq_node(w, "DequantizeLinear", wide, dequantize, -1));
    return narrow ? add_clip(w, name, map, wide, to) : HAWQ_OK;
}
