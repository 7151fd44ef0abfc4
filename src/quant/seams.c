/* seams.c -- see seams.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/seams.h"

#include "src/graph/convolve.h"
#include "src/quant/quantized.h"

#include <math.h>
#include <string.h>

/* --- finding -------------------------------------------------------------- */

static const hawq_layer *layer_of(const hawq_graph *g, const hawq_node *node) {
    for (int l = 0; l < g->n_layers; l++)
        if (g->layer[l].node[0] == node) return &g->layer[l];
    return NULL;
}

static bool is_conv(const hawq_layer *l) {
    return strcmp(l->op, "Conv") == 0;
}

static bool used_once(const hawq_layer *l) {
    return l->n_nodes == 1 && l->weight->n_uses == 1;
}

/* The layer reads t's channels, along this axis, as inputs of its rows. */
static bool reads(const hawq_layer *l, const hawq_tensor *t,
                  const hawq_seam *s) {
    const hawq_node *n = l->node[0];
    if (!used_once(l) || n->in[0] != t || n->in[1] != l->weight) return false;
    if (is_conv(l))
        return s->axis == 1 &&
               ((const hawq_conv_shape *)n->param)->c == s->channels;
    if (strcmp(l->op, "Gemm") != 0 && strcmp(l->op, "MatMul") != 0)
        return false;
    return l->weight->shape.rank == 2 && !hawq_attr_int(n, "transA", 0) &&
           s->axis == t->shape.rank - 1 && l->outer * l->inner == s->channels;
}

/* Follows t to its readers; false if any of them is none. */
static bool follow(const hawq_graph *g, const hawq_tensor *t, hawq_seam *s) {
    if (t == g->output) return false;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i]->n_in; k++) {
            const hawq_node *n = g->node[i];
            if (n->in[k] != t) continue;
            const hawq_layer *l = layer_of(g, n);
            bool goes_on = n->op->homogeneous && follow(g, n->out[0], s);
            bool ends =
                k == 0 && l && reads(l, t, s) && (!s->n_to || s->at == t);
            if (ends) {
                s->to[s->n_to++] = l;
                s->at = t;
            }
            if (!goes_on && !ends) return false;
        }
    return true;
}

/* A layer whose rows can be scaled, or a normalization over its last axis. */
static bool begins(const hawq_graph *g, const hawq_node *n, hawq_seam *s) {
    const hawq_tensor *y = n->out[0];
    s->from = layer_of(g, n);
    if (s->from) {
        const hawq_tensor *b = s->from->bias;
        s->axis = s->from->axis;
        s->channels = s->from->channels;
        return used_once(s->from) && s->axis >= 0 &&
               (!b || (b->n_uses == 1 && b->n == s->channels));
    }
    if (strcmp(n->op->name, "LayerNormalization") != 0) return false;
    s->norm = n;
    s->axis = y->shape.rank - 1;
    s->channels = (size_t)y->shape.dim[s->axis];
    for (int i = 1; i < n->n_in; i++)
        if (n->in[i] && (!n->in[i]->data || n->in[i]->n_uses != 1 ||
                         n->in[i]->n != s->channels))
            return false;
    return n->n_in > 1;
}

hawq_status hawq_seams_find(const hawq_graph *g, bool norms, hawq_arena *arena,
                            int *n, hawq_seam **out) {
    HAWQ_TAKE(*out, arena, (size_t)g->n_nodes);
    *n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        hawq_seam s = {0};
        if (!begins(g, g->node[i], &s) || (s.norm && !norms)) continue;
        HAWQ_TAKE(s.to, arena, (size_t)g->n_layers);
        if (!follow(g, g->node[i]->out[0], &s) || !s.n_to) continue;
        HAWQ_TAKE(s.largest, arena, s.channels);
        HAWQ_TAKE(s.mean, arena, s.channels);
        HAWQ_TAKE(s.total, arena, s.channels);
        for (size_t j = 0; j < s.channels; j++) s.total[j] = 1;
        (*out)[(*n)++] = s;
    }
    return HAWQ_OK;
}

/* --- weights ------------------------------------------------------------- */

/* The seam's channel that meets input k of row r. */
size_t hawq_seam_channel(const hawq_layer *l, size_t r, size_t k) {
    if (!is_conv(l)) return k;
    const hawq_conv_shape *s = l->node[0]->param;
    size_t block = r / (l->channels / s->groups), per = s->c / s->groups;
    return block * per + k / (s->kh * s->kw);
}

/* Every input times its channel's factor. */
void hawq_seam_scale_inputs(const hawq_layer *l, const double *factor) {
    for (size_t r = 0; r < l->channels; r++)
        for (size_t k = 0; k < l->outer * l->inner; k++) {
            real *w = &l->weight->data[hawq_weight_at(l, r, k)];
            *w = (real)((double)*w * factor[hawq_seam_channel(l, r, k)]);
        }
}

static void divide(const hawq_tensor *t, const double *factor) {
    for (size_t i = 0; t && i < t->n; i++)
        t->data[i] = (real)((double)t->data[i] / factor[i]);
}

/* y_j / s_j for every channel j: row j of the weights, and the bias; or scale
 * and shift of a normalization, whose own statistics do not change. */
static void divide_maker(const hawq_seam *s, const double *factor) {
    if (!s->from) {
        for (int i = 1; i < s->norm->n_in; i++) divide(s->norm->in[i], factor);
        return;
    }
    for (size_t r = 0; r < s->channels; r++)
        for (size_t k = 0; k < s->from->outer * s->from->inner; k++) {
            real *w = &s->from->weight->data[hawq_weight_at(s->from, r, k)];
            *w = (real)((double)*w / factor[r]);
        }
    divide(s->from->bias, factor);
}

void hawq_seam_apply(const hawq_seam *s, const double *factor) {
    divide_maker(s, factor);
    for (int i = 0; i < s->n_to; i++) hawq_seam_scale_inputs(s->to[i], factor);
    for (size_t j = 0; j < s->channels; j++) s->total[j] *= factor[j];
}

/* The largest weight of each of the maker's rows. */
void hawq_seam_largest_out(const hawq_seam *s, double *out) {
    for (size_t r = 0; r < s->channels; r++) {
        out[r] = 0;
        for (size_t k = 0; k < s->from->outer * s->from->inner; k++)
            out[r] =
                fmax(out[r], fabs((double)s->from->weight
                                      ->data[hawq_weight_at(s->from, r, k)]));
    }
}

/* The largest weight of the readers that meets each channel. */
void hawq_seam_largest_in(const hawq_seam *s, double *out) {
    for (size_t j = 0; j < s->channels; j++) out[j] = 0;
    for (int i = 0; i < s->n_to; i++) {
        const hawq_layer *l = s->to[i];
        for (size_t r = 0; r < l->channels; r++)
            for (size_t k = 0; k < l->outer * l->inner; k++) {
                double *most = &out[hawq_seam_channel(l, r, k)];
                *most = fmax(
                    *most,
                    fabs((double)l->weight->data[hawq_weight_at(l, r, k)]));
            }
    }
}
