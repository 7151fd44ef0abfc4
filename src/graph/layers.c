/* layers.c -- which nodes are products with constant weights, and the list of
 * layers they make.
 *
 * A layer is one weight tensor. Nodes that read the same numbers of one
 * constant of the file are one layer, whether they read it as it is or
 * transposed; where folding made its numbers differ, each version is a layer.
 *
 * Its name is what the node says, where it was rewritten from one that has
 * several weights ("lstm.W"); else that of the constant in the file without
 * ".weight"; where the exporter lost that name, the path of the module the
 * first node belongs to, or the node's own name. Of several layers with one
 * name the first keeps it, the second takes the constant's whole name if that
 * is another, and further ones add their first node's: shared, shared.weight,
 * shared@node_conv2d_3.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/passes.h"
#include "src/graph/product.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* --- products ------------------------------------------------------------ */

static bool is_weight(const hawq_tensor *t) {
    return t && t->role == HAWQ_CONSTANT && t->dtype == HAWQ_FLOAT && t->n &&
           t->shape.rank >= 2;
}

static bool find_convolution(hawq_product *p) {
    const int64_t *d = p->weight->shape.dim;
    bool           transpose = hawq_is(p->node, "ConvTranspose");
    int64_t        groups = hawq_attr_int(p->node, "group", 1);
    p->channels = (size_t)d[0];
    p->axis = 1;
    p->folds = true;
    if (transpose && groups == 1) {
        p->outer = (size_t)d[0];
        p->channels = (size_t)d[1];
    } else if (transpose && (groups != d[0] || d[1] != 1)) {
        p->axis = -1; /* scales of the input's channels */
        p->folds = false;
    }
    p->inner = p->weight->n / p->outer / p->channels;
    const hawq_tensor *each = transpose ? p->input : p->node->out[0];
    p->macs = (int64_t)each->n * (int64_t)(p->weight->n / (size_t)d[0]);
    return true;
}

static bool find_matrix(hawq_product *p) {
    const hawq_shape *s = &p->weight->shape;
    bool              gemm = hawq_is(p->node, "Gemm");
    bool              left = p->weight == p->node->in[0];
    size_t            last = (size_t)s->dim[s->rank - 1];
    int               rank = p->node->out[0]->shape.rank;
    bool              turned =
        gemm && hawq_attr_int(p->node, left ? "transA" : "transB", 0) != 0;
    if (p->input->shape.rank < (left ? 2 : 1)) return false;
    bool by_rows = left != turned; /* a channel is a row of the tensor */
    p->channels = by_rows ? p->weight->n / last : last;
    p->outer = by_rows ? 1 : p->weight->n / last;
    p->inner = by_rows ? last : 1;
    p->axis = !left ? rank - 1 : s->rank == 2 ? rank - 2 : -1;
    p->folds = !left && s->rank == 2;
    size_t depth = by_rows ? last : (size_t)s->dim[s->rank - 2];
    p->macs = (int64_t)p->node->out[0]->n * (int64_t)depth;
    return true;
}

bool hawq_product_find(hawq_node *node, int batch, hawq_product *out) {
    bool convolution =
        node && (hawq_is(node, "Conv") || hawq_is(node, "ConvTranspose"));
    bool matrix = node && (hawq_is(node, "Gemm") || hawq_is(node, "MatMul"));
    if (!convolution && !matrix) return false;
    int w = is_weight(node->in[1])             ? 1
            : matrix && is_weight(node->in[0]) ? 0
                                               : -1;
    if (w < 0 || node->in[1 - w]->role == HAWQ_CONSTANT) return false;
    hawq_product p = {.node = node,
                      .weight = node->in[w],
                      .input = node->in[1 - w],
                      .outer = 1};
    if (!(convolution ? find_convolution(&p) : find_matrix(&p))) return false;
    p.macs /= batch;
    *out = p;
    return true;
}

/* --- names --------------------------------------------------------------- */

/* Names that exporters make up when they lose the real one: numbers, and
 * outputs of nodes ("/fc/Transpose_output_0"). */
static bool made_up(const char *name) {
    if (strncmp(name, "onnx::", 6) == 0 || name[0] == '/') return true;
    const char *c = strncmp(name, "val_", 4) == 0 ? name + 4 : name;
    while (isdigit((unsigned char)*c)) c++;
    return *c == 0;
}

static const hawq_tensor *in_file(const hawq_tensor *t) {
    return t->origin ? t->origin : t;
}

static const char *base_name(hawq_graph *g, const hawq_layer *layer) {
    const hawq_node *node = layer->node[0];
    const char      *name = in_file(layer->weight)->name;
    if (node->layer) return node->layer;
    if (made_up(name)) return node->scope ? node->scope : node->name;
    size_t n = strlen(name);
    if (n > 7 && strcmp(name + n - 7, ".weight") == 0) n -= 7;
    return hawq_arena_string_n(&g->arena, name, n);
}

typedef struct named {
    const char *name;
    int         layer;
} named;

static int by_name(const void *a, const void *b) {
    const named *x = a, *y = b;
    int          order = strcmp(x->name, y->name);
    return order ? order : (x->layer > y->layer) - (x->layer < y->layer);
}

/* Another name for a layer whose own is taken. */
static const char *other_name(hawq_graph *g, const hawq_layer *layer) {
    const char *base = layer->name;
    const char *whole = in_file(layer->weight)->name;
    const char *name = whole;
    if (made_up(whole) || hawq_graph_find_layer(g, whole) >= 0)
        name =
            hawq_arena_format(&g->arena, "%s@%s", base, layer->node[0]->name);
    for (int k = 2; name && hawq_graph_find_layer(g, name) >= 0; k++)
        name = hawq_arena_format(&g->arena, "%s@%s_%d", base,
                                 layer->node[0]->name, k);
    return name;
}

static hawq_status name_layers(hawq_graph *g) {
    named *all;
    HAWQ_TAKE(all, &g->arena, (size_t)g->n_layers);
    for (int i = 0; i < g->n_layers; i++) {
        g->layer[i].name = base_name(g, &g->layer[i]);
        if (!g->layer[i].name) return HAWQ_ENOMEM;
        all[i] = (named){g->layer[i].name, i};
    }
    qsort(all, (size_t)g->n_layers, sizeof *all, by_name);
    for (int i = 1; i < g->n_layers; i++) {
        hawq_layer *layer = &g->layer[all[i].layer];
        if (strcmp(all[i].name, all[i - 1].name) != 0) continue;
        layer->name = other_name(g, layer);
        if (!layer->name) return HAWQ_ENOMEM;
    }
    return HAWQ_OK;
}

/* --- the list ------------------------------------------------------------ */

/* Starts the layers in the order of their first nodes; layer_of[tensor id] is
 * a layer's index + 1. */
static hawq_status start_layers(hawq_graph *g, int *layer_of) {
    hawq_product p;
    for (int i = 0; i < g->n_nodes; i++) {
        if (!hawq_product_find(g->node[i], g->batch, &p)) continue;
        int *at = &layer_of[p.weight->id];
        if (!*at) {
            *at = ++g->n_layers;
            g->layer[*at - 1] = (hawq_layer){.op = g->node[i]->op->name,
                                             .weight = p.weight,
                                             .outer = p.outer,
                                             .channels = p.channels,
                                             .inner = p.inner,
                                             .axis = p.axis};
        }
        g->layer[*at - 1].n_nodes++;
        g->layer[*at - 1].macs += p.macs;
    }
    for (int l = 0; l < g->n_layers; l++) {
        HAWQ_TAKE(g->layer[l].node, &g->arena, (size_t)g->layer[l].n_nodes);
        g->layer[l].n_nodes = 0;
    }
    return HAWQ_OK;
}

static void add_nodes(hawq_graph *g, const int *layer_of) {
    hawq_product p;
    for (int i = 0; i < g->n_nodes; i++) {
        if (!hawq_product_find(g->node[i], g->batch, &p)) continue;
        hawq_layer  *layer = &g->layer[layer_of[p.weight->id] - 1];
        hawq_tensor *b = g->node[i]->n_in > 2 ? g->node[i]->in[2] : NULL;
        if (b && b->role == HAWQ_CONSTANT) layer->bias = b;
        layer->node[layer->n_nodes++] = g->node[i];
    }
}

/* A constant for each channel, a bound or an epsilon is no weight. */
static bool is_matrix(const hawq_tensor *t) {
    int wide = 0;
    if (!t || !t->data || t->dtype != HAWQ_FLOAT) return false;
    const hawq_shape *s = &in_file(t)->shape;
    for (int i = 0; i < s->rank; i++) wide += s->dim[i] > 1;
    return wide >= 2;
}

static hawq_status list_rest(hawq_graph *g, int *layer_of) {
    HAWQ_TAKE(g->rest, &g->arena, (size_t)g->n_tensors);
    for (int i = 0; i < g->n_nodes; i++)
        for (int j = 0; j < g->node[i]->n_in; j++) {
            const hawq_tensor *t = g->node[i]->in[j];
            if (!is_matrix(t) || layer_of[t->id]) continue;
            layer_of[t->id] = -1;
            g->rest[g->n_rest++] = t;
        }
    return HAWQ_OK;
}

hawq_status hawq_pass_layers(hawq_graph *g) {
    int *layer_of;
    g->n_layers = g->n_rest = 0;
    HAWQ_TAKE(g->layer, &g->arena, (size_t)g->n_nodes);
    HAWQ_TAKE(layer_of, &g->arena, (size_t)g->n_tensors);
    HAWQ_TRY(start_layers(g, layer_of));
    add_nodes(g, layer_of);
    HAWQ_TRY(name_layers(g));
    return list_rest(g, layer_of);
}

/* --- what is in the file ------------------------------------------------- */

size_t hawq_graph_rest_elements(const hawq_graph *g) {
    size_t n = 0;
    for (int i = 0; i < g->n_rest; i++) {
        size_t held = in_file(g->rest[i])->n;
        size_t own = hawq_tensor_distinct(g->rest[i]);
        n += held < own ? held : own;
    }
    return n;
}

const char *hawq_graph_rest_names(const hawq_graph *g, hawq_arena *arena) {
    enum { MOST = 6 };
    const char *list = "";
    for (int i = 0; i < g->n_rest && i < MOST && list; i++)
        list = hawq_arena_format(arena, "%s%s%s", list, i ? ", " : "",
                                 in_file(g->rest[i])->name);
    if (list && g->n_rest > MOST)
        list =
            hawq_arena_format(arena, "%s and %d more", list, g->n_rest - MOST);
    return list;
}

/* Axis of the channels in the layer's own tensor. */
static int channel_axis(const hawq_layer *layer) {
    const hawq_shape *s = &layer->weight->shape;
    size_t            before = 1;
    int               axis = 0;
    while (axis < s->rank - 1 &&
           (before < layer->outer || (size_t)s->dim[axis] != layer->channels))
        before *= (size_t)s->dim[axis++];
    bool found =
        before == layer->outer && (size_t)s->dim[axis] == layer->channels;
    return found ? axis : -1;
}

/* An axis of one element is none in particular. */
static int unit_axis(const hawq_shape *s) {
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] == 1) return i;
    return -1;
}

hawq_status hawq_layer_in_file(const hawq_layer *layer, const char **name,
                               int *axis) {
    const hawq_tensor *from = layer->weight->origin;
    if (!from)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "layer '%s': its weight is computed from several "
                         "constants of the file, none of which has its "
                         "numbers",
                         layer->name);
    int own = channel_axis(layer);
    int at = own < 0 ? -1 : layer->weight->axis[own];
    if (at < 0 && layer->channels == 1) at = unit_axis(&from->shape);
    if (at < 0)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "layer '%s': no axis of the file's constant '%s' "
                         "holds its output channels",
                         layer->name, from->name);
    *name = from->name;
    *axis = at;
    return HAWQ_OK;
}
