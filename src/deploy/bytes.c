/* bytes.c -- what a program takes in a file.
 *
 * Weights are stored once a layer, however many nodes read them: as
 * hawq_quantized_bytes counts them, codes whatever computes the layer.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/deploy/lower.h"

static bool is_identity(const uint8_t table[256]) {
    for (int i = 0; i < 256; i++)
        if (table[i] != i) return false;
    return true;
}

/* What belongs to a step alone. Index maps are not in the file: like packed
 * weights, they follow from shapes and attributes. */
static int64_t step_bytes(const hawq_step *s) {
    int64_t pool_entries = (int64_t)s->u.pool.kh * s->u.pool.kw;
    switch (s->kind) {
    case HAWQ_STEP_CONV: /* bias, multiplier, two shifts */
        return (int64_t)s->u.weights.shape.oc * (4 + 4 + 1 + 1);
    case HAWQ_STEP_CONV_S32: /* bias; the scale or the rest comes later */
        return (int64_t)s->u.weights.shape.oc * 4;
    case HAWQ_STEP_SCALE:
        return (int64_t)s->u.boundary.n_scales * 4;
    case HAWQ_STEP_REQUANTIZE:
        return (int64_t)s->u.requantization.channels * (4 + 1 + 1);
    case HAWQ_STEP_AVERAGE_POOL:
        return pool_entries * (4 + 1 + 1);
    case HAWQ_STEP_MOVE:
        return is_identity(s->u.gather.table) ? 0 : 256;
    default:
        return 0;
    }
}

/* The float constants of the float nodes, each once; of a layer's weights,
 * which are counted already, only the scales, which integer steps have in their
 * multipliers. */
static hawq_status count_constants(lowering *low) {
    const hawq_graph *g = low->graph;
    hawq_program     *p = low->program;
    int64_t          *bytes; /* per tensor id, 0: counted */
    HAWQ_TAKE(bytes, low->scratch, (size_t)g->n_tensors);
    for (int i = 0; i < g->n_tensors; i++)
        bytes[i] = (int64_t)(g->tensor[i]->n * sizeof(float));
    for (int l = 0; l < g->n_layers; l++)
        bytes[g->layer[l].weight->id] = hawq_format_is_uncoded(&low->format[l])
                                            ? 0
                                            : 4 * (int64_t)g->layer[l].channels;
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
    const hawq_graph     *g = low->graph;
    const hawq_quantized *q = low->options->quantized;
    hawq_program         *p = low->program;
    if (low->options->places_only) return HAWQ_OK;
    p->weight_bytes = hawq_graph_rest_bytes(g);
    for (int l = 0; l < g->n_layers; l++) {
        int64_t bytes = hawq_quantized_bytes(&q[l]);
        p->weight_bytes += bytes;
        if (!hawq_format_is_uncoded(&q[l].format))
            bytes -= 4 * (int64_t)g->layer[l].channels;
        p->file_bytes += bytes;
    }
    for (int i = 0; i < p->n_steps; i++)
        p->file_bytes += step_bytes(&p->step[i]);
    return count_constants(low);
}
