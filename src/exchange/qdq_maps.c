/* qdq_maps.c -- who reads an activation rounded, the nodes that round it, and
 * the scales by which it is added.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/exchange/qdq_write.h"

#include <math.h>
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

static hawq_status add_scale(hawq_qdq_writer *w, const char *name, real scale,
                             const char **out) {
    const hawq_shape scalar = {0};
    *out = hawq_qdq_name(w, name, "_scale");
    if (!*out) return HAWQ_ENOMEM;
    return hawq_qdq_floats(w, *out, &scalar, 1, &scale);
}

static hawq_status add_zero(hawq_qdq_writer *w, const char *name, uint8_t zero,
                            const char **out) {
    const hawq_shape scalar = {0};
    int64_t         *ints;
    HAWQ_TAKE(ints, w->arena, 1);
    ints[0] = zero;
    *out = hawq_qdq_name(w, name, "_zero");
    if (!*out) return HAWQ_ENOMEM;
    return hawq_qdq_integers(w, *out, &scalar, 1, ints, HAWQ_U8);
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

/* The floats `to` of the integers in[0] of this map; in[1] and in[2] are its
 * scale and zero. */
static hawq_status dequantize(hawq_qdq_writer *w, const char *name,
                              hawq_affine map, const char *const *in,
                              const char *to) {
    bool        narrow = map.high < 255;
    const char *wide = narrow ? hawq_qdq_name(w, name, "_wide") : to;
    if (!wide) return HAWQ_ENOMEM;
    HAWQ_TRY(hawq_qdq_node(w, "DequantizeLinear", wide, in, -1));
    return narrow ? add_clip(w, name, map, wide, to) : HAWQ_OK;
}

hawq_status hawq_qdq_round(hawq_qdq_writer *w, const hawq_tensor *t,
                           const char *from, const char *to) {
    const hawq_affine map = w->program->map[t->id];
    const char       *name = w->name[t->id], *scale, *zero;
    const char       *q = hawq_qdq_name(w, name, "_q");
    if (!q) return HAWQ_ENOMEM;
    HAWQ_TRY(add_scale(w, name, map.scale, &scale));
    HAWQ_TRY(add_zero(w, name, map.zero, &zero));
    const char *quantize[] = {from, scale, zero, NULL};
    const char *back[] = {q, scale, zero, NULL};
    w->integers[t->id] = q;
    w->zero[t->id] = zero;
    HAWQ_TRY(hawq_qdq_node(w, "QuantizeLinear", q, quantize, -1));
    return dequantize(w, name, map, back, to);
}

/* --- additions ----------------------------------------------------------- */

static const hawq_add *add_step(const hawq_program *p, const hawq_node *node) {
    for (int i = 0; i < p->n_steps; i++)
        if (p->step[i].kind == HAWQ_STEP_ADD &&
            strcmp(p->step[i].name, node->name) == 0)
            return &p->step[i].u.add;
    return NULL;
}

/* What the addition is rounded to: its own map, or that of the clamp behind. */
static const hawq_affine *map_of_sum(const hawq_qdq_writer *w, int i) {
    const hawq_program *p = w->program;
    const hawq_tensor  *t = w->graph->node[i]->out[0];
    for (int j = i + 1; j < w->graph->n_nodes && !p->has_map[t->id]; j++)
        if (w->graph->node[j]->in[0] == t) t = w->graph->node[j]->out[0];
    return p->has_map[t->id] ? &p->map[t->id] : NULL;
}

/* The program adds m_a (q_a - z_a) + m_b (q_b - z_b) with integers of 15 bits,
 * half a unit rounded up. In floats that is the sum of numbers whose scales are
 * m 2^-shift s_y, which differ from the operands' own by some 2^-15. Where no
 * sum below zero counts, 2^-22 more lifts a half above what floats blur, lest
 * it be rounded to the even side. */
static real scale_in_sum(const hawq_add *add, int which, hawq_affine y) {
    double m = ldexp(which ? add->mb : add->ma, -add->shift);
    return (real)(m * (double)y.scale * (y.zero ? 1 : 1 + 0x1p-22));
}

/* Nearer than what reading back takes for the same scale. */
static bool near(real a, real b) {
    return fabs((double)a - (double)b) < 0x1p-6 * (double)a;
}

hawq_status hawq_qdq_addends(hawq_qdq_writer *w, int i) {
    const hawq_node   *node = w->graph->node[i];
    const hawq_add    *add = add_step(w->program, node);
    const hawq_affine *y = add ? map_of_sum(w, i) : NULL;
    for (int j = 0; y && j < 2; j++) {
        const hawq_tensor *t = node->in[j];
        hawq_affine        map = w->program->map[t->id];
        real               scale = scale_in_sum(add, j, *y);
        if (!w->integers[t->id] || w->in[i][j] != w->rounded[t->id] ||
            !near(map.scale, scale))
            continue;
        map.scale = scale;
        const char *to = hawq_qdq_name(w, w->name[t->id], "_addend"), *s;
        if (!to) return HAWQ_ENOMEM;
        HAWQ_TRY(add_scale(w, to, scale, &s));
        const char *in[] = {w->integers[t->id], s, w->zero[t->id], NULL};
        HAWQ_TRY(dequantize(w, to, map, in, to));
        w->in[i][j] = to;
    }
    return HAWQ_OK;
}
