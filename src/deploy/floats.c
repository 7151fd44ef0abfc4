/* floats.c -- what stays in float32 inside an integer program, and its steps.
 *
 * A node is in float because the format of its layer's weights has no codes,
 * because only the weights are quantized of its layer, or because it has no
 * integer form (classify.c). In the latter two cases the weights
 * of its layer keep their format: the node reads what the layer's codes stand
 * for, so that bytes and accuracy are those of the choice, and only the
 * arithmetic is float's. Between such nodes a quantization would only cost
 * accuracy, so the following stay in float, too: a function of one element of a
 * float tensor; an addition or concatenation of float tensors only; a move or
 * pool of a float tensor that a float node reads, or that is the output; what
 * only leads from the image, which is there in floats, to float nodes.
 * Everything else reads what is quantized, with the map that calibration found
 * for the tensor. A Relu or Clip between float and integers takes no step of
 * its own: saturating to the ends of its output's map clamps. An integer layer
 * that only float nodes read gives them its exact accumulators, scaled.
 *
 * Steps are of one image, so shapes must be of one, too.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/deploy/lower.h"

#include <string.h>

/* --- which nodes --------------------------------------------------------- */

/* Nodes of layers without codes, or that only the weights are quantized of, are
 * in float; a layer all of whose nodes are reads no rounded input. */
hawq_status hawq_lower_float_layers(lowering *low) {
    const hawq_graph *g = low->graph;
    hawq_program     *p = low->program;
    bool             *integer;
    HAWQ_TAKE(integer, low->scratch, (size_t)g->n_layers);
    for (int i = 0; i < g->n_nodes; i++) {
        node_plan *plan = &low->plan[i];
        if (plan->layer < 0 || plan->kind == KIND_FLOAT) continue;
        const hawq_format *format = &low->format[plan->layer];
        bool               coded = !hawq_format_is_uncoded(format);
        integer[plan->layer] =
            coded && p->choice[plan->layer].activation_bits != HAWQ_FLOAT_BITS;
        if (integer[plan->layer]) continue;
        plan->kind = KIND_FLOAT;
        plan->why = coded                ? "its layer's activations are float"
                    : format->bits == 32 ? "its layer has 32 bits"
                                         : "its layer has 16-bit floats";
    }
    for (int l = 0; l < g->n_layers; l++)
        if (!integer[l]) p->choice[l].activation_bits = HAWQ_FLOAT_BITS;
    return HAWQ_OK;
}

/* Are these the graph's own weights, as they are in 32 bits unless something
 * has changed them? */
static bool are_own(const hawq_quantized *q, const hawq_layer *l) {
    if (!q->values) return false;
    for (size_t c = 0; c < q->rows; c++)
        for (size_t k = 0; k < q->cols; k++)
            if (q->values[c * q->cols + k] !=
                l->weight->data[hawq_weight_at(l, c, k)])
                return false;
    return true;
}

/* What a layer's weights have become, and its bias where it was corrected. */
static hawq_status decode(lowering *low, int index) {
    const hawq_layer     *l = &low->graph->layer[index];
    const hawq_quantized *q = &low->options->quantized[index];
    hawq_program         *p = low->program;
    if (!are_own(q, l)) {
        HAWQ_TAKE(p->decoded[l->weight->id], &p->arena, l->weight->n);
        hawq_quantized_decode(q, l, p->decoded[l->weight->id]);
    }
    if (!q->bias || !l->bias || l->bias->n != q->rows) return HAWQ_OK;
    HAWQ_TAKE(p->decoded[l->bias->id], &p->arena, q->rows);
    memcpy(p->decoded[l->bias->id], q->bias, q->rows * sizeof *q->bias);
    return HAWQ_OK;
}

hawq_status hawq_lower_decode(lowering *low) {
    const hawq_graph *g = low->graph;
    hawq_program     *p = low->program;
    bool             *read;
    HAWQ_TAKE(p->decoded, &p->arena, (size_t)g->n_tensors);
    HAWQ_TAKE(read, low->scratch, (size_t)g->n_tensors);
    for (int i = 0; i < p->n_steps; i++) {
        const hawq_node *node = p->step[i].u.floating.node;
        if (p->step[i].kind != HAWQ_STEP_FLOAT) continue;
        for (int j = 0; j < node->n_in; j++)
            if (node->in[j]) read[node->in[j]->id] = true;
    }
    for (int l = 0; l < g->n_layers && !low->options->places_only; l++)
        if (read[g->layer[l].weight->id]) HAWQ_TRY(decode(low, l));
    return HAWQ_OK;
}

/* Per tensor id. wanted: is it read by a node that runs in float, or would if
 * this were float? needed: by one that does, or passes it on to one? */
typedef struct readers {
    bool *wanted, *needed;
} readers;

static bool passes(node_kind kind) {
    return kind == KIND_MOVE || kind == KIND_MAX_POOL ||
           kind == KIND_AVERAGE_POOL;
}

static bool combines(node_kind kind) {
    return kind == KIND_POINTWISE || kind == KIND_ADD || kind == KIND_CONCAT;
}

static hawq_status find_readers(const lowering *low, readers *out) {
    const hawq_graph *g = low->graph;
    HAWQ_TAKE(out->wanted, low->scratch, (size_t)g->n_tensors);
    HAWQ_TAKE(out->needed, low->scratch, (size_t)g->n_tensors);
    out->wanted[g->output->id] = true;
    for (int i = g->n_nodes; i-- > 0;) {
        const hawq_node *node = g->node[i];
        node_kind        kind = low->plan[i].kind;
        int              y = node->out[0]->id;
        bool             is_float = kind == KIND_FLOAT;
        bool             wants = is_float || kind == KIND_POINTWISE ||
                     (passes(kind) && out->wanted[y]);
        bool needs =
            is_float || ((passes(kind) || combines(kind)) && out->needed[y]);
        for (int j = 0; j < node->n_in; j++) {
            if (!is_activation(node->in[j])) continue;
            out->wanted[node->in[j]->id] |= wants;
            out->needed[node->in[j]->id] |= needs;
        }
    }
    return HAWQ_OK;
}

static bool reads_floats(const hawq_node *node, const bool *is_float,
                         bool all) {
    bool any = false;
    for (int i = 0; i < node->n_in; i++) {
        if (!is_activation(node->in[i])) continue;
        any |= is_float[node->in[i]->id];
        if (all && !is_float[node->in[i]->id]) return false;
    }
    return any;
}

/* Does it read floats and the image, which is there in floats, and no more? */
static bool reads_exact(const hawq_node *node, const bool *is_float) {
    for (int i = 0; i < node->n_in; i++)
        if (is_activation(node->in[i]) && !is_float[node->in[i]->id] &&
            !hawq_is_input(node->in[i]))
            return false;
    return true;
}

/* The kind of a node among floats. */
static node_kind follow(const lowering *low, int i, const bool *is_float,
                        const readers *by) {
    const hawq_node *node = low->graph->node[i];
    node_kind        kind = low->plan[i].kind;
    bool             leaves = !by->wanted[node->out[0]->id];
    if (!passes(kind) && !combines(kind)) return kind;
    if (by->needed[node->out[0]->id] && reads_exact(node, is_float))
        return KIND_FLOAT;
    if (kind == KIND_POINTWISE) {
        if (!reads_floats(node, is_float, false)) return kind;
        return leaves && hawq_lower_is_clamp(node) ? KIND_CLAMP : KIND_FLOAT;
    }
    if (combines(kind))
        return reads_floats(node, is_float, true) ? KIND_FLOAT : kind;
    return reads_floats(node, is_float, false) && !leaves ? KIND_FLOAT : kind;
}

static hawq_status check_batch(const lowering *low, int i) {
    const hawq_graph *g = low->graph;
    if (g->batch == 1) return HAWQ_OK;
    return hawq_node_fail(
        g->node[i], HAWQ_EUNSUPPORTED,
        "runs in float32, one image at a time (%s), but the network is built "
        "for batches of %d%s",
        low->plan[i].why, g->batch,
        g->fixed_batch ? ", which the file fixes: re-export it with a free "
                         "batch dimension"
                       : "");
}

hawq_status hawq_lower_find_floats(lowering *low) {
    const hawq_graph *g = low->graph;
    bool             *is_float;
    readers           by;
    HAWQ_TRY(find_readers(low, &by));
    HAWQ_TAKE(is_float, low->scratch, (size_t)g->n_tensors);
    for (int i = 0; i < g->n_nodes; i++) {
        const hawq_node *node = g->node[i];
        node_plan       *plan = &low->plan[i];
        node_kind        kind = follow(low, i, is_float, &by);
        if (kind == KIND_FLOAT && plan->kind != KIND_FLOAT)
            plan->why = "it lies between nodes in float";
        plan->kind = kind;
        if (kind != KIND_FLOAT) continue;
        HAWQ_TRY(check_batch(low, i));
        for (int j = 0; j < node->n_out; j++)
            if (node->out[j]) is_float[node->out[j]->id] = true;
    }
    return HAWQ_OK;
}

/* Is t read, and by float nodes alone? */
static bool only_floats_read(const lowering *low, const hawq_tensor *t) {
    const hawq_graph *g = low->graph;
    bool              any = false;
    if (t == g->output) return false;
    for (int i = 0; i < g->n_nodes; i++)
        for (int j = 0; j < g->node[i]->n_in; j++) {
            if (g->node[i]->in[j] != t) continue;
            if (low->plan[i].kind != KIND_FLOAT) return false;
            any = true;
        }
    return any;
}

void hawq_lower_find_scaled(lowering *low) {
    const hawq_graph *g = low->graph;
    for (int i = 0; i < g->n_nodes; i++) {
        node_plan *plan = &low->plan[i];
        bool       clamps = plan->end && hawq_lower_is_clamp(plan->end);
        if (plan->kind != KIND_LAYER || clamps) continue;
        plan->scaled =
            only_floats_read(low, (plan->end ? plan->end : g->node[i])->out[0]);
    }
}

/* --- their steps --------------------------------------------------------- */

hawq_status hawq_lower_take_floats(lowering *low, const hawq_tensor *t) {
    return hawq_lower_slot(low, t->n * sizeof(real), &low->floats[t->id]);
}

static const hawq_tensor *activation_in(const hawq_node *node) {
    int i = 0;
    while (!is_activation(node->in[i])) i++;
    return node->in[i];
}

/* The float layer that the floats of t come from, through a clamp; or -1. */
static int layer_behind(const lowering *low, const hawq_tensor *t) {
    for (int i = low->graph->n_nodes; i-- > 0;) {
        const hawq_node *node = low->graph->node[i];
        if (node != t->producer) continue;
        if (low->plan[i].kind != KIND_CLAMP) return low->plan[i].layer;
        t = activation_in(node);
    }
    return -1;
}

/* Where an input's numbers begin in the row of an image. */
static size_t start_of(const hawq_graph *g, const hawq_tensor *t) {
    for (int k = 0; k < g->n_inputs; k++)
        if (g->inputs[k].tensor == t) return g->inputs[k].start;
    return 0;
}

hawq_status hawq_lower_quantized(lowering *low, const hawq_tensor *t) {
    value     x = {0};
    int       from = low->floats[t->id];
    hawq_step step = {.kind = HAWQ_STEP_QUANTIZE, .name = t->name, .layer = -1};
    if (low->value[t->id].n) return HAWQ_OK;
    HAWQ_TRY(hawq_lower_affine(low, t, &x.q));
    HAWQ_TRY(hawq_lower_value(low, t, 1, x.q, &x));
    if (from >= 0) step.in = (size_t)from;
    step.out = (size_t)x.slot;
    step.u.boundary = (hawq_boundary){.n = x.n,
                                      .outside = from == IMAGE,
                                      .first = start_of(low->graph, t),
                                      .factor = 1 / x.q.scale,
                                      .zero = x.q.zero,
                                      .high = x.q.high};
    step.layer = layer_behind(low, t);
    return hawq_lower_emit(low, &step, 0);
}

/* The floats of t, which may be there only quantized; for `layer`, or -1. */
static hawq_status dequantized(lowering *low, const hawq_tensor *t, int layer) {
    value x = low->value[t->id];
    if (low->floats[t->id] != NO_SLOT) return HAWQ_OK;
    HAWQ_TRY(hawq_lower_take_floats(low, t));
    hawq_step step = {.kind = HAWQ_STEP_DEQUANTIZE,
                      .name = t->name,
                      .layer = layer,
                      .in = (size_t)x.slot,
                      .out = (size_t)low->floats[t->id],
                      .u.boundary = {.n = x.n,
                                     .factor = x.q.scale,
                                     .zero = x.q.zero,
                                     .channels = x.channels}};
    return hawq_lower_emit(low, &step, 0);
}

hawq_status hawq_lower_float(lowering *low, int i) {
    const hawq_node *node = low->graph->node[i];
    const node_plan *plan = &low->plan[i];
    hawq_program    *p = low->program;
    for (int j = 0; j < node->n_in; j++)
        if (is_activation(node->in[j]))
            HAWQ_TRY(dequantized(low, node->in[j], plan->layer));
    int from = low->floats[activation_in(node)->id];
    if (plan->identity && from >= 0) { /* another shape of the same floats */
        low->floats[node->out[0]->id] = from;
        return HAWQ_OK;
    }
    for (int j = 0; j < node->n_out; j++)
        if (node->out[j]) HAWQ_TRY(hawq_lower_take_floats(low, node->out[j]));
    if (node->scratch > p->scratch_reals) p->scratch_reals = node->scratch;
    p->n_floats++;
    hawq_step step = {.kind = HAWQ_STEP_FLOAT,
                      .name = node->name,
                      .layer = plan->layer,
                      .u.floating = {node, plan->why}};
    return hawq_lower_emit(low, &step, 0);
}

hawq_status hawq_lower_clamp(lowering *low, const hawq_node *node) {
    low->floats[node->out[0]->id] = low->floats[activation_in(node)->id];
    HAWQ_TRY(hawq_lower_quantized(low, node->out[0]));
    low->floats[node->out[0]->id] = NO_SLOT; /* those are not clamped */
    return HAWQ_OK;
}
