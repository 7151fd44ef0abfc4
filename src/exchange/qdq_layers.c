/* qdq_layers.c -- weights and biases of layers as integers and their scales.
 *
 * A bias b of an integer layer is round(b / (s_x s_w[c])) in the program, and
 * so it is in the file. Where the lowering had to raise a channel's scale for
 * it (hawq_program.halvings), the file has the raised scale and the halved
 * integers, too. Nodes that share a layer may need different ones: there the
 * bias stays in float, and reading it back does the same again. A channel
 * without weights has a free scale; it gets the program's, at which its bias is
 * 2^16, so that it comes back exactly.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/exchange/qdq_write.h"

#include <math.h>
#include <string.h>

static int layer_of(const hawq_graph *g, const hawq_node *node) {
    for (int l = 0; l < g->n_layers; l++)
        for (int i = 0; i < g->layer[l].n_nodes; i++)
            if (g->layer[l].node[i] == node) return l;
    return -1;
}

/* How often the program halved the integers of channel c; 0 for nodes that
 * share a layer. */
static int halvings(const hawq_qdq_writer *w, int layer, size_t c) {
    const uint8_t *h = w->program->halvings[layer];
    return h && w->graph->layer[layer].n_nodes == 1 ? h[c] : 0;
}

static int halved(int v, int times) {
    return times ? (int)rint(ldexp(v, -times)) : v;
}

static double scale_of(const hawq_qdq_writer *w, int layer, size_t c) {
    return ldexp((double)(float)w->quantized[layer].scale[c],
                 halvings(w, layer, c));
}

/* The integers of channel c summed up; *any: is one not zero? */
static int64_t sum_of(const hawq_qdq_writer *w, int layer, size_t c,
                      bool *any) {
    const hawq_quantized *q = &w->quantized[layer];
    int                   times = halvings(w, layer, c);
    int64_t               sum = 0;
    *any = false;
    for (size_t k = 0; k < q->cols; k++) {
        int v = halved(hawq_quantized_integer(q, c, k), times);
        sum += v;
        *any |= v != 0;
    }
    if (!q->outlier_start) return sum;
    for (int32_t i = q->outlier_start[c]; i < q->outlier_start[c + 1]; i++) {
        int v = halved(q->outlier[i], times);
        sum += v;
        *any |= v != 0;
    }
    return sum;
}

/* Are the integers of the program other ones than the file's? */
static bool differs(const hawq_qdq_writer *w, int layer) {
    return w->program->rescaled[layer] && w->graph->layer[layer].n_nodes > 1;
}

/* --- biases -------------------------------------------------------------- */

/* Where the bias of a layer's node stands: input `at` of node `node`. */
typedef struct place {
    int                node, at;
    const hawq_tensor *t; /* NULL: it has none */
} place;

/* An addition of constants that alone reads an integer product, and which
 * nothing rounds in between, is part of the layer. */
static place find_bias(const hawq_qdq_writer *w, int i) {
    const hawq_graph   *g = w->graph;
    const hawq_program *p = w->program;
    const hawq_node    *node = g->node[i];
    const hawq_tensor  *y = node->out[0];
    if (node->n_in > 2) return (place){i, 2, node->in[2]};
    if (y == g->output || y->n_uses != 1 || p->has_map[y->id] ||
        p->float_at[y->id] != HAWQ_NOWHERE)
        return (place){0};
    for (int j = i + 1; j < g->n_nodes; j++)
        for (int k = 0; k < g->node[j]->n_in; k++) {
            const hawq_node *add = g->node[j];
            if (add->in[k] != y || strcmp(add->op->name, "Add") != 0) continue;
            if (add->in[1 - k]->role == HAWQ_CONSTANT)
                return (place){j, 1 - k, add->in[1 - k]};
        }
    return (place){0};
}

/* The accumulators' start in the program: of the k-th integer node of a layer
 * the k-th such step. */
static const int32_t *program_bias(const hawq_qdq_writer *w, int layer,
                                   int node) {
    const hawq_program *p = w->program;
    int                 before = 0;
    for (int i = 0; i < node; i++)
        before +=
            !w->is_float[i] && layer_of(w->graph, w->graph->node[i]) == layer;
    for (int i = 0; i < p->n_steps; i++) {
        const hawq_step *s = &p->step[i];
        bool             starts =
            s->kind == HAWQ_STEP_CONV || s->kind == HAWQ_STEP_CONV_S32;
        if (starts && s->layer == layer && !before--)
            return s->u.weights.requant.bias;
    }
    return NULL;
}

/* Zero points may be left out, but not every runtime believes it. */
static hawq_status add_zeros(hawq_qdq_writer *w, const char *name, size_t n,
                             hawq_number number, const char **out) {
    hawq_shape row = {1, {(int64_t)n}};
    int64_t   *zero;
    HAWQ_TAKE(zero, w->arena, n);
    *out = hawq_qdq_name(w, name, "_zero");
    if (!*out) return HAWQ_ENOMEM;
    return hawq_qdq_integers(w, *out, &row, n, zero, number);
}

static hawq_status add_dequantized(hawq_qdq_writer *w, const char *name,
                                   const hawq_shape *shape, size_t n,
                                   int64_t *ints, hawq_number number,
                                   size_t channels, const real *scale,
                                   int axis) {
    hawq_shape  row = {1, {(int64_t)channels}};
    const char *integers = hawq_qdq_name(w, name, "_quantized");
    const char *scales = hawq_qdq_name(w, name, "_scale");
    const char *zeros = NULL;
    if (!integers || !scales) return HAWQ_ENOMEM;
    HAWQ_TRY(hawq_qdq_integers(w, integers, shape, n, ints, number));
    HAWQ_TRY(hawq_qdq_floats(w, scales, &row, channels, scale));
    if (number != HAWQ_I32)
        HAWQ_TRY(add_zeros(w, name, channels, number, &zeros));
    const char *in[] = {integers, scales, zeros, NULL};
    return hawq_qdq_node(w, "DequantizeLinear", name, in, axis);
}

/* The scale of a channel without weights whose bias is b. */
static double free_scale(double b, double x_scale) {
    return fabs(b) / (x_scale * 0x1p16);
}

/* b of channel c, as the layer has it after a correction. */
static double bias_value(const hawq_layer *l, const hawq_quantized *q,
                         const hawq_tensor *b, size_t c) {
    return (double)(b == l->bias && q->bias ? q->bias[c] : b->data[c % b->n]);
}

static hawq_status write_bias(hawq_qdq_writer *w, int layer, int node,
                              place where) {
    const hawq_layer     *l = &w->graph->layer[layer];
    const hawq_quantized *q = &w->quantized[layer];
    const hawq_tensor    *x = w->graph->node[node]->in[0], *b = where.t;
    const hawq_affine     map = w->program->map[x->id];
    const int32_t        *start = program_bias(w, layer, node);
    int64_t              *ints;
    real                 *scale;
    if (!start) return HAWQ_OK;
    HAWQ_TAKE(ints, w->arena, l->channels);
    HAWQ_TAKE(scale, w->arena, l->channels);
    for (size_t c = 0; c < l->channels; c++) {
        bool any;
        ints[c] = start[c] + map.zero * sum_of(w, layer, c, &any);
        scale[c] = (real)((double)map.scale * scale_of(w, layer, c));
        double value = bias_value(l, q, b, c);
        if (!any && value != 0) scale[c] = (real)(fabs(value) * 0x1p-16);
    }
    bool        only = b->n_uses == 1;
    const char *name = w->name[b->id];
    if (!only) name = hawq_qdq_name(w, name, "_of");
    if (!name) return HAWQ_ENOMEM;
    if (only) w->gone[b->id] = true;
    w->in[where.node][where.at] = name;
    hawq_shape row = {1, {(int64_t)l->channels}};
    return add_dequantized(w, name, &row, l->channels, ints, HAWQ_I32,
                           l->channels, scale, 0);
}

/* A bias that is to stay in float, corrected if it was. */
static void keep_bias(hawq_qdq_writer *w, int layer, const hawq_tensor *b) {
    const hawq_quantized *q = &w->quantized[layer];
    if (b == w->graph->layer[layer].bias && q->bias && b->n == q->rows)
        w->data[b->id] = q->bias;
}

static bool is_integer(const hawq_qdq_writer *w, int layer, int node) {
    return !w->is_float[node] &&
           !hawq_format_is_uncoded(&w->quantized[layer].format);
}

/* Does a layer of several nodes have a channel that has a bias and no weights?
 * Its scale would be another at each of them. */
static bool has_free_channels(const hawq_qdq_writer *w, int layer) {
    const hawq_layer *l = &w->graph->layer[layer];
    bool              any = true;
    for (size_t c = 0; c < l->channels && any && l->n_nodes > 1; c++)
        (void)sum_of(w, layer, c, &any);
    return !any;
}

static hawq_status write_biases(hawq_qdq_writer *w) {
    const hawq_graph *g = w->graph;
    for (int i = 0; i < g->n_nodes; i++) {
        int layer = layer_of(g, g->node[i]);
        if (layer < 0) continue;
        const hawq_layer *l = &g->layer[layer];
        place             b = find_bias(w, i);
        if (!b.t || b.t->role != HAWQ_CONSTANT) continue;
        bool fits = b.t->n == 1 || b.t->n == l->channels;
        if (fits && is_integer(w, layer, i) && !differs(w, layer) &&
            !has_free_channels(w, layer))
            HAWQ_TRY(write_bias(w, layer, i, b));
        else
            keep_bias(w, layer, b.t);
    }
    return HAWQ_OK;
}

/* --- weights ------------------------------------------------------------- */

/* The axis of the weight tensor along which its channels lie; -1: none. */
static int channel_axis(const hawq_layer *l) {
    const hawq_shape *s = &l->weight->shape;
    for (int a = 0; a < s->rank; a++)
        if ((size_t)s->dim[a] == l->channels &&
            (size_t)hawq_shape_count(s, 0, a) == l->outer)
            return a;
    return -1;
}

static hawq_status integers_of(hawq_qdq_writer *w, int layer, int64_t **out,
                               int64_t *low, int64_t *high) {
    const hawq_layer     *l = &w->graph->layer[layer];
    const hawq_quantized *q = &w->quantized[layer];
    int64_t              *v;
    HAWQ_TAKE(v, w->arena, l->weight->n);
    for (size_t c = 0; c < q->rows; c++) {
        int times = halvings(w, layer, c);
        for (size_t k = 0; k < q->cols; k++)
            v[hawq_weight_at(l, c, k)] =
                halved(hawq_quantized_integer(q, c, k), times);
        if (!q->outlier_start) continue;
        for (int32_t i = q->outlier_start[c]; i < q->outlier_start[c + 1]; i++)
            v[hawq_weight_at(l, c, (size_t)q->outlier_at[i])] +=
                halved(q->outlier[i], times);
    }
    for (size_t i = 0; i < l->weight->n; i++) {
        *low = v[i] < *low ? v[i] : *low;
        *high = v[i] > *high ? v[i] : *high;
    }
    *out = v;
    return HAWQ_OK;
}

/* The narrowest type of the opset that holds low .. high. */
static hawq_number choose_number(int opset, int64_t low, int64_t high) {
    if (opset >= 25 && low >= -2 && high <= 1) return HAWQ_I2;
    if (opset >= 21 && low >= -8 && high <= 7) return HAWQ_I4;
    if (low >= -128 && high <= 127) return HAWQ_I8;
    return opset >= 21 && low >= -32768 && high <= 32767 ? HAWQ_I16 : HAWQ_I32;
}

static hawq_status note_unpacked(hawq_qdq_writer *w, const char *layer) {
    w->unpacked =
        hawq_arena_format(w->arena, "%s%s%s", w->unpacked ? w->unpacked : "",
                          w->unpacked ? ", " : "", layer);
    return w->unpacked ? HAWQ_OK : HAWQ_ENOMEM;
}

/* Scales as the program uses them, see the head. */
static void fill_scales(const hawq_qdq_writer *w, int layer, real *scale) {
    const hawq_graph     *g = w->graph;
    const hawq_layer     *l = &g->layer[layer];
    const hawq_quantized *q = &w->quantized[layer];
    int                   node = 0;
    bool                  any;
    while (g->node[node] != l->node[0]) node++;
    for (size_t c = 0; c < q->rows; c++) scale[c] = (real)scale_of(w, layer, c);
    place b = find_bias(w, node);
    if (l->n_nodes > 1 || !b.t || b.t->role != HAWQ_CONSTANT ||
        (b.t->n != 1 && b.t->n != l->channels) || !is_integer(w, layer, node))
        return;
    double x_scale = (double)w->program->map[g->node[node]->in[0]->id].scale;
    for (size_t c = 0; c < q->rows; c++) {
        double value = bias_value(l, q, b.t, c);
        (void)sum_of(w, layer, c, &any);
        if (!any && value != 0) scale[c] = (real)free_scale(value, x_scale);
    }
}

/* The layer's weights as floats. */
static hawq_status keep_floats(hawq_qdq_writer *w, int layer) {
    const hawq_tensor *t = w->graph->layer[layer].weight;
    HAWQ_TAKE(w->data[t->id], w->arena, t->n);
    hawq_quantized_decode(&w->quantized[layer], &w->graph->layer[layer],
                          w->data[t->id]);
    return HAWQ_OK;
}

static hawq_status write_weights(hawq_qdq_writer *w, int layer) {
    const hawq_layer     *l = &w->graph->layer[layer];
    const hawq_quantized *q = &w->quantized[layer];
    int                   axis = channel_axis(l);
    int64_t              *ints, low = 0, high = 0;
    real                 *scale;
    if (hawq_format_is_uncoded(&q->format)) return keep_floats(w, layer);
    if (axis < 0) {
        HAWQ_TRY(note_unpacked(w, l->name));
        return keep_floats(w, layer);
    }
    HAWQ_TRY(integers_of(w, layer, &ints, &low, &high));
    hawq_number number = choose_number(w->options->opset, low, high);
    if (hawq_number_bits(number) > q->format.bits)
        HAWQ_TRY(note_unpacked(w, l->name));
    HAWQ_TAKE(scale, w->arena, q->rows);
    fill_scales(w, layer, scale);
    w->gone[l->weight->id] = true;
    return add_dequantized(w, w->name[l->weight->id], &l->weight->shape,
                           l->weight->n, ints, number, q->rows, scale, axis);
}

hawq_status hawq_qdq_layers(hawq_qdq_writer *w) {
    for (int l = 0; l < w->graph->n_layers; l++) HAWQ_TRY(write_weights(w, l));
    return write_biases(w);
}
