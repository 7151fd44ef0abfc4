/* bytes.c -- what a program takes in a file.
 *
 * Weights are stored once a layer, however many nodes read them: its packed
 * codes, or its floats. Only where a node's bias made it take other scales
 * (hawq_program.rescaled) has every use of the layer codes of its own.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/deploy/lower.h"

#include "kernels/arith.h"

static bool is_identity(const uint8_t table[256]) {
    for (int i = 0; i < 256; i++)
        if (table[i] != i) return false;
    return true;
}

static bool is_product(const hawq_step *s) {
    return s->kind == HAWQ_STEP_CONV || s->kind == HAWQ_STEP_CONV_S32;
}

/* What belongs to a step alone. Index maps are not in the file: like packed
 * weights, they follow from shapes and attributes. */
static int64_t step_bytes(const hawq_step *s) {
    int64_t pool_entries = (int64_t)s->u.pool.kh * s->u.pool.kw;
    switch (s->kind) {
    case HAWQ_STEP_CONV: /* bias, multiplier, two shifts */
        return (int64_t)s->u.weights.shape.oc * (4 + 4 + 1 + 1);
    case HAWQ_STEP_CONV_S32: /* bias, scale */
        return (int64_t)s->u.weights.shape.oc * (4 + 4);
    case HAWQ_STEP_AVERAGE_POOL:
        return pool_entries * (4 + 1 + 1);
    case HAWQ_STEP_MOVE:
        return is_identity(s->u.gather.table) ? 0 : 256;
    default:
        return 0;
    }
}

/* Packed codes of the layers' weights that integer steps read. */
static int64_t packed_bytes(const hawq_program *p, bool *counted) {
    int64_t sum = 0;
    for (int i = 0; i < p->n_steps; i++) {
        const hawq_step *s = &p->step[i];
        if (!is_product(s)) continue;
        if (counted[s->layer] && !p->rescaled[s->layer]) continue;
        counted[s->layer] = true;
        sum += (int64_t)hawq_packed_bytes(p->graph->layer[s->layer].weight->n,
                                          s->u.weights.shape.weight_bits);
    }
    return sum;
}

/* The float constants of the float nodes, each once; of a layer's weights the
 * codes, unless an integer step has them, and the scales. */
static hawq_status count_constants(lowering *low, const bool *packed) {
    const hawq_graph *g = low->graph;
    hawq_program     *p = low->program;
    int64_t          *bytes; /* per tensor id, 0: counted */
    HAWQ_TAKE(bytes, low->scratch, (size_t)g->n_tensors);
    for (int i = 0; i < g->n_tensors; i++)
        bytes[i] = (int64_t)(g->tensor[i]->n * sizeof(float));
    for (int l = 0; l < g->n_layers; l++) {
        int64_t n = (int64_t)g->layer[l].weight->n;
        int64_t channels = (int64_t)g->layer[l].channels;
        bytes[g->layer[l].weight->id] = hawq_weight_bytes(
            packed[l] ? 0 : n, channels, p->choice[l].weight_bits);
    }
    for (int i = 0; i < p->n_steps; i++) {
        const hawq_node *node = p->step[i].u.floating.node;
        if (p->step[i].kind != HAWQ_STEP_FLOAT) continue;
        for (int j = 0; j < node->n_in; j++) {
            const hawq_tensor *t = node->in[j];
            if (!t || !t->data) continue;
            p->file_bytes += bytes[t->id];
            bytes[t->id] = 0;
        }
    }
    return HAWQ_OK;
}

hawq_status hawq_lower_count_bytes(lowering *low) {
    const hawq_graph *g = low->graph;
    hawq_program     *p = low->program;
    bool             *packed;
    HAWQ_TAKE(packed, low->scratch, (size_t)g->n_layers);
    p->weight_bytes = hawq_graph_rest_bytes(g);
    for (int i = 0; i < g->n_layers; i++)
        p->weight_bytes += hawq_weight_bytes((int64_t)g->layer[i].weight->n,
                                             (int64_t)g->layer[i].channels,
                                             p->choice[i].weight_bits);
    for (int i = 0; i < p->n_steps; i++)
        p->file_bytes += step_bytes(&p->step[i]);
    p->file_bytes += packed_bytes(p, packed);
    return count_constants(low, packed);
}
