/* groups.c -- union-find over tensors: what is tied, is one set; and the
 * tensors that layers read, back through what only moves values.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/groups.h"

#include "src/graph/product.h"

static int root(int *parent, int i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
}

static void tie(int *parent, const hawq_tensor *a, const hawq_tensor *b) {
    if (a && b && a->role != HAWQ_CONSTANT && b->role != HAWQ_CONSTANT)
        parent[root(parent, a->id)] = root(parent, b->id);
}

hawq_status hawq_graph_groups(hawq_graph *g, int *group) {
    int *parent, *first;
    HAWQ_TAKE(parent, &g->arena, (size_t)g->n_tensors);
    HAWQ_TAKE(first, &g->arena, (size_t)g->n_tensors);
    for (int i = 0; i < g->n_tensors; i++) parent[i] = i;
    for (int i = 0; i < g->n_tensors; i++) first[i] = -1;
    for (int i = 0; i < g->n_nodes; i++)
        for (int j = 0; g->node[i]->op->moves && j < g->node[i]->n_in; j++)
            tie(parent, g->node[i]->in[j], g->node[i]->out[0]);
    for (int i = 0; i < g->n_layers; i++) /* a shared weight: one layer */
        for (int k = 1; k < g->layer[i].n_nodes; k++)
            tie(parent, hawq_product_input(g->layer[i].node[0]),
                hawq_product_input(g->layer[i].node[k]));
    for (int i = 0; i < g->n_layers; i++) {
        int set = root(parent, hawq_product_input(g->layer[i].node[0])->id);
        if (first[set] < 0) first[set] = i;
        group[i] = first[set];
    }
    return HAWQ_OK;
}

/* --- what layers read ----------------------------------------------------- */

/* The tensor whose values t has, moved or pooled. */
static const hawq_tensor *computed(const hawq_tensor *t) {
    while (t->producer && t->producer->op->moves &&
           !hawq_is(t->producer, "Concat")) {
        const hawq_node   *node = t->producer;
        const hawq_tensor *from = NULL;
        for (int i = 0; i < node->n_in && !from; i++)
            if (node->in[i] && node->in[i]->role != HAWQ_CONSTANT)
                from = node->in[i];
        if (!from) break;
        t = from;
    }
    return t;
}

static hawq_status add_reader(hawq_graph *g, const hawq_tensor *t, int layer,
                              int *n, hawq_activation *all) {
    int i = 0;
    while (i < *n && all[i].tensor != t) i++;
    hawq_activation *a = &all[i];
    if (i == *n) {
        a->tensor = t;
        HAWQ_TAKE(a->layer, &g->arena, (size_t)g->n_layers);
        ++*n;
    }
    if (!a->n_layers || a->layer[a->n_layers - 1] != layer)
        a->layer[a->n_layers++] = layer;
    return HAWQ_OK;
}

hawq_status hawq_graph_activations(hawq_graph *g, int *n,
                                   hawq_activation **out) {
    hawq_activation *all;
    int              most = 0, found = 0;
    for (int l = 0; l < g->n_layers; l++) most += g->layer[l].n_nodes;
    HAWQ_TAKE(all, &g->arena, (size_t)most);
    for (int l = 0; l < g->n_layers; l++)
        for (int k = 0; k < g->layer[l].n_nodes; k++)
            HAWQ_TRY(
                add_reader(g, computed(hawq_product_input(g->layer[l].node[k])),
                           l, &found, all));
    *n = found;
    *out = all;
    return HAWQ_OK;
}

bool hawq_layer_reads_input(const hawq_layer *layer) {
    for (int k = 0; k < layer->n_nodes; k++) {
        const hawq_tensor *x = hawq_product_input(layer->node[k]);
        if (computed(x)->role == HAWQ_INPUT) return true;
    }
    return false;
}
