/* lower.c -- emits the steps of an integer program, node by node.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/deploy/lower.h"

#include "kernels/arith.h"

#include <math.h>
#include <string.h>

/* --- layers ------------------------------------------------------------ */

/* A fully-connected layer is a 1 x 1 convolution over its rows. */
static hawq_conv rows_shape(size_t rows, size_t k, size_t channels) {
    return (hawq_conv){.h = (int)rows,
                       .w = 1,
                       .c = (int)k,
                       .oh = (int)rows,
                       .ow = 1,
                       .oc = (int)channels,
                       .kh = 1,
                       .kw = 1,
                       .stride_h = 1,
                       .stride_w = 1,
                       .dilation_h = 1,
                       .dilation_w = 1,
                       .groups = 1};
}

/* Shape, input value, order of the weight rows and of the output. */
static hawq_status layer_input(lowering *low, const hawq_node *node,
                               const hawq_layer *layer, hawq_conv *shape,
                               value *x, size_t *row_channels,
                               size_t *out_channels) {
    const hawq_tensor *t = node->in[0];
    if (hawq_is(node, "Conv")) {
        HAWQ_TRY(hawq_lower_conv_shape(node, shape));
        HAWQ_TRY(hawq_lower_reorder(low, node, t, (size_t)shape->c, x));
        *row_channels = (size_t)(shape->c / shape->groups);
        *out_channels = (size_t)shape->oc;
    } else {
        size_t k = layer->outer * layer->inner, n = low->value[t->id].n;
        HAWQ_TRY(hawq_lower_reorder(
            low, node, t, n == k ? low->value[t->id].channels : 1, x));
        *row_channels = x->channels;
        *out_channels = 1; /* (row, channel) is row-major already */
        *shape = rows_shape(n / k, k, layer->channels);
    }
    shape->zero = x->q.zero;
    return HAWQ_OK;
}

/* The layer's int32 accumulators, outliers included, in a slot of n. */
static hawq_status emit_accumulators(lowering *low, hawq_step *step, size_t n,
                                     int *out) {
    HAWQ_TRY(hawq_lower_slot(low, n * sizeof(int32_t), out));
    step->kind = HAWQ_STEP_CONV_S32;
    step->out = (size_t)*out;
    HAWQ_TRY(hawq_lower_emit(low, step, 0));
    if (!hawq_lower_has_outliers(low, step->layer)) return HAWQ_OK;
    step->kind = HAWQ_STEP_OUTLIERS;
    return hawq_lower_emit(low, step, 0);
}

/* Accumulators scaled by the next step: to the outputs, or to the floats of
 * tensor t. */
static hawq_status emit_scaled(lowering *low, const hawq_node *node,
                               hawq_step *step, size_t out_channels,
                               const float *scale, const hawq_tensor *t) {
    size_t n = hawq_per_image(low->graph, node->out[0]);
    int    accumulators;
    HAWQ_TRY(emit_accumulators(low, step, n, &accumulators));
    hawq_step last = {
        .kind = HAWQ_STEP_SCALE,
        .name = t ? t->name : "output",
        .layer = t ? step->layer : -1,
        .in = (size_t)accumulators,
        .u.boundary = {.n = n,
                       .outside = !t,
                       .channels = hawq_lower_order(n, out_channels),
                       .n_scales = (size_t)step->u.weights.shape.oc,
                       .scale = scale}};
    if (t) HAWQ_TRY(hawq_lower_take_floats(low, t));
    if (t) last.out = (size_t)low->floats[t->id];
    return hawq_lower_emit(low, &last, 0);
}

/* u8 values of tensor t: in one step or, with outliers, in three. */
static hawq_status emit_quantized(lowering *low, hawq_step *step,
                                  size_t out_channels, hawq_affine map,
                                  const hawq_tensor *t) {
    const hawq_weights *w = &step->u.weights;
    size_t              n = hawq_per_image(low->graph, t);
    value               y;
    int                 accumulators;
    if (!hawq_lower_has_outliers(low, step->layer)) {
        HAWQ_TRY(hawq_lower_value(low, t, out_channels, map, &y));
        step->out = (size_t)y.slot;
        return hawq_lower_emit(low, step, 0);
    }
    HAWQ_TRY(emit_accumulators(low, step, n, &accumulators));
    HAWQ_TRY(hawq_lower_value(low, t, out_channels, map, &y));
    hawq_step last = {.kind = HAWQ_STEP_REQUANTIZE,
                      .name = step->name,
                      .layer = step->layer,
                      .in = (size_t)accumulators,
                      .out = (size_t)y.slot,
                      .u.requantization = {n / (size_t)w->shape.oc,
                                           (size_t)w->shape.oc, w->requant}};
    return hawq_lower_emit(low, &last, 0);
}

static hawq_status lower_layer(lowering *low, const hawq_node *node,
                               const node_plan *plan) {
    const hawq_layer *layer = &low->graph->layer[plan->layer];
    hawq_step         step = {
                .kind = HAWQ_STEP_CONV, .name = node->name, .layer = plan->layer};
    hawq_weights      *w = &step.u.weights;
    value              x;
    hawq_affine        y = {.scale = 1}; /* for what is not requantized */
    size_t             row_channels, out_channels;
    float             *scale;
    const hawq_tensor *bias = plan->bias       ? plan->bias
                              : node->n_in > 2 ? node->in[2]
                                               : NULL;
    const hawq_tensor *t = (plan->end ? plan->end : node)->out[0];
    HAWQ_TRY(layer_input(low, node, layer, &w->shape, &x, &row_channels,
                         &out_channels));
    HAWQ_TAKE(scale, &low->program->arena, layer->channels);
    w->row_channels = row_channels;
    step.in = (size_t)x.slot;
    bool is_scaled = plan->logits || plan->scaled;
    if (!is_scaled) HAWQ_TRY(hawq_lower_affine(low, t, &y));
    HAWQ_TRY(hawq_lower_weights(low, plan->layer, bias, row_channels, x.q, y, w,
                                scale));
    if (!is_scaled) return emit_quantized(low, &step, out_channels, y, t);
    return emit_scaled(low, node, &step, out_channels, scale,
                       plan->logits ? NULL : t);
}

/* --- additions and pools ----------------------------------------------- */

static hawq_status lower_add(lowering *low, const hawq_node *node,
                             const node_plan *plan) {
    const hawq_tensor *t = (plan->end ? plan->end : node)->out[0];
    size_t             order = low->value[node->in[0]->id].channels;
    value              a, b, y = {0};
    HAWQ_TRY(hawq_lower_reorder(low, node, node->in[1], order, &b));
    HAWQ_TRY(hawq_lower_reorder(low, node, node->in[0], order, &a));
    HAWQ_TRY(hawq_lower_affine(low, t, &y.q));
    hawq_step step = {.kind = HAWQ_STEP_ADD,
                      .name = node->name,
                      .layer = -1,
                      .in = (size_t)a.slot,
                      .in2 = (size_t)b.slot};
    hawq_add *add = &step.u.add;
    *add = (hawq_add){.n = a.n,
                      .za = a.q.zero,
                      .zb = b.q.zero,
                      .zero = y.q.zero,
                      .high = y.q.high};
    if (!hawq_add_multipliers((double)a.q.scale / (double)y.q.scale,
                              (double)b.q.scale / (double)y.q.scale, &add->ma,
                              &add->mb, &add->shift))
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "the ranges of inputs and output differ by more "
                              "than a factor of 2^14");
    HAWQ_TRY(hawq_lower_value(low, t, order, y.q, &y));
    step.out = (size_t)y.slot;
    return hawq_lower_emit(low, &step, 0);
}

/* Requantization of a sum of n elements, n = 1 .. kh kw. */
static hawq_status average_requant(lowering *low, const hawq_node *node,
                                   hawq_affine x, hawq_affine y,
                                   hawq_pool *pool) {
    size_t   n = (size_t)pool->kh * (size_t)pool->kw;
    int32_t *multiplier;
    uint8_t *pre, *shift;
    HAWQ_TAKE(multiplier, &low->program->arena, n);
    HAWQ_TAKE(pre, &low->program->arena, n);
    HAWQ_TAKE(shift, &low->program->arena, n);
    for (size_t i = 0; i < n; i++) {
        double M = (double)x.scale / ((double)y.scale * (double)(i + 1));
        if (!hawq_multiplier(M, 255 * (int64_t)n, &multiplier[i], &pre[i],
                             &shift[i]))
            return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                                  "the range of its input is %.3g times that "
                                  "of its output: too far apart for integers",
                                  M);
    }
    pool->requant = (hawq_requant){.multiplier = multiplier,
                                   .pre = pre,
                                   .shift = shift,
                                   .zero = y.zero,
                                   .high = y.high};
    return HAWQ_OK;
}

static hawq_status lower_pool(lowering *low, const hawq_node *node,
                              bool average) {
    const hawq_tensor *t = node->out[0];
    hawq_pool          pool;
    value              x, y = {0};
    HAWQ_TRY(hawq_lower_pool_shape(node, &pool));
    HAWQ_TRY(hawq_lower_reorder(low, node, node->in[0], (size_t)pool.c, &x));
    y.q = x.q;
    pool.zero_in = x.q.zero;
    if (average) {
        HAWQ_TRY(hawq_lower_affine(low, t, &y.q));
        HAWQ_TRY(average_requant(low, node, x.q, y.q, &pool));
    }
    HAWQ_TRY(hawq_lower_value(low, t, (size_t)pool.c, y.q, &y));
    hawq_step step = {.kind =
                          average ? HAWQ_STEP_AVERAGE_POOL : HAWQ_STEP_MAX_POOL,
                      .name = node->name,
                      .layer = -1,
                      .in = (size_t)x.slot,
                      .out = (size_t)y.slot,
                      .u.pool = pool};
    return hawq_lower_emit(low, &step, 0);
}

/* --- whole programs ---------------------------------------------------- */

/* What an integer step reads may be there in floats only. */
static hawq_status quantize_inputs(lowering *low, int i) {
    const hawq_graph *g = low->graph;
    const hawq_node  *node = g->node[i];
    node_kind         kind = low->plan[i].kind;
    if (kind == KIND_FLOAT || kind == KIND_CLAMP || kind == KIND_FUSED)
        return HAWQ_OK;
    if (kind == KIND_POINTWISE) /* looked up from where its chain begins */
        return hawq_lower_quantized(low,
                                    g->tensor[low->source[node->out[0]->id]]);
    for (int j = 0; j < node->n_in; j++)
        if (is_activation(node->in[j]))
            HAWQ_TRY(hawq_lower_quantized(low, node->in[j]));
    return HAWQ_OK;
}

/* Are the outputs there already? What follows gives them another shape. */
static bool has_outputs(const hawq_program *p) {
    const hawq_step *end = p->n_steps ? &p->step[p->n_steps - 1] : NULL;
    return end && end->kind == HAWQ_STEP_SCALE && end->u.boundary.outside;
}

static hawq_status lower_node(lowering *low, int i) {
    const hawq_node *node = low->graph->node[i];
    const node_plan *plan = &low->plan[i];
    if (has_outputs(low->program)) return HAWQ_OK;
    HAWQ_TRY(quantize_inputs(low, i));
    switch (plan->kind) {
    case KIND_LAYER:
        return lower_layer(low, node, plan);
    case KIND_ADD:
        return lower_add(low, node, plan);
    case KIND_FUSED:
        return HAWQ_OK;
    case KIND_CONCAT:
        return hawq_lower_concat(low, node);
    case KIND_MAX_POOL:
        return lower_pool(low, node, false);
    case KIND_AVERAGE_POOL:
        return lower_pool(low, node, true);
    case KIND_POINTWISE:
        return hawq_lower_pointwise(low, i);
    case KIND_FLOAT:
        return hawq_lower_float(low, i);
    case KIND_CLAMP:
        return hawq_lower_clamp(low, node);
    default:
        return hawq_lower_move(low, node, plan);
    }
}

static hawq_status lower_output(lowering *low) {
    const hawq_tensor *t = low->graph->output;
    hawq_program      *p = low->program;
    p->n_out = hawq_per_image(low->graph, t);
    if (has_outputs(p)) return HAWQ_OK;
    value     y = low->value[t->id];
    bool      is_float = low->floats[t->id] >= 0;
    hawq_step step = {.kind =
                          is_float ? HAWQ_STEP_OUTPUT : HAWQ_STEP_DEQUANTIZE,
                      .name = "output",
                      .layer = -1,
                      .in = (size_t)(is_float ? low->floats[t->id] : y.slot),
                      .u.boundary = {.n = p->n_out,
                                     .outside = true,
                                     .factor = y.q.scale,
                                     .zero = y.q.zero,
                                     .channels = y.channels}};
    return hawq_lower_emit(low, &step, 0);
}

/* Weights of one layer as they will be: the format that its choice names, and
 * the quantized weights in it. */
static hawq_status read_weights(lowering *low, int layer,
                                const hawq_choice *choice) {
    const hawq_layer     *l = &low->graph->layer[layer];
    const hawq_quantized *q = low->options->quantized;
    hawq_format           named;
    char                  asked[HAWQ_FORMAT_TEXT], given[HAWQ_FORMAT_TEXT];
    HAWQ_TRY(hawq_choice_format(choice, &named));
    low->format[layer] = named;
    if (low->options->places_only) return HAWQ_OK;
    q += layer;
    if (q->rows != l->channels || q->cols != l->outer * l->inner)
        return hawq_fail(HAWQ_EINVAL,
                         "layer '%s': quantized weights of %zu rows of %zu, "
                         "but it has %zu of %zu: were they made for another "
                         "network?",
                         l->name, q->rows, q->cols, l->channels,
                         l->outer * l->inner);
    if (hawq_format_equal(&q->format, &named)) return HAWQ_OK;
    return hawq_fail(HAWQ_EINVAL,
                     "layer '%s': the allocation has %s, but its quantized "
                     "weights are %s",
                     l->name, hawq_format_text(&named, asked),
                     hawq_format_text(&q->format, given));
}

static hawq_status check_activation_bits(const hawq_choice *c,
                                         const hawq_format *format) {
    int  a = c->activation_bits;
    bool integer = a == 8 || a == 4 || a == 2;
    bool real = hawq_format_is_uncoded(format);
    if (a == HAWQ_FLOAT_BITS || (integer && (!real || format->bits == 16)))
        return HAWQ_OK;
    return hawq_fail(HAWQ_EINVAL,
                     "layer '%s': weights of %d and activations of %d bits; "
                     "activations have 8, 4 or 2 bits, or 32 where they stay "
                     "in float",
                     c->layer, format->bits, a);
}

/* The caller's choice for layer `at`, made complete. */
static hawq_status read_choice(lowering *low, int at, const hawq_choice *c) {
    hawq_arena        *arena = &low->program->arena;
    const hawq_format *format = &low->format[at];
    hawq_choice       *to = &low->program->choice[at];
    char               text[HAWQ_FORMAT_TEXT];
    HAWQ_TRY(read_weights(low, at, c));
    HAWQ_TRY(check_activation_bits(c, format));
    const char *name =
        c->candidate ? c->candidate : hawq_format_text(format, text);
    *to = (hawq_choice){.layer = hawq_arena_string(arena, c->layer),
                        .weight_bits = format->bits,
                        .activation_bits = c->activation_bits,
                        .candidate = hawq_arena_string(arena, name)};
    return to->layer && to->candidate ? HAWQ_OK : HAWQ_ENOMEM;
}

/* The caller's choices, one per layer in the graph's order. */
static hawq_status read_choices(lowering *low) {
    const hawq_graph         *g = low->graph;
    const hawq_lower_options *o = low->options;
    hawq_program             *p = low->program;
    p->n_layers = g->n_layers;
    HAWQ_TAKE(p->choice, &p->arena, (size_t)g->n_layers);
    HAWQ_TAKE(p->rescaled, &p->arena, (size_t)g->n_layers);
    HAWQ_TAKE(p->halvings, &p->arena, (size_t)g->n_layers);
    HAWQ_TAKE(low->format, low->scratch, (size_t)g->n_layers);
    for (int i = 0; i < o->n_choices; i++) {
        const hawq_choice *c = &o->choice[i];
        int                at = hawq_graph_find_layer(g, c->layer);
        if (at < 0)
            return hawq_fail(HAWQ_EINVAL,
                             "the allocation names a layer '%s' that the "
                             "network does not have: was it made for another "
                             "network?",
                             c->layer);
        if (p->choice[at].layer)
            return hawq_fail(HAWQ_EINVAL,
                             "the allocation names layer '%s' twice", c->layer);
        HAWQ_TRY(read_choice(low, at, c));
    }
    for (int i = 0; i < g->n_layers; i++)
        if (!p->choice[i].layer)
            return hawq_fail(HAWQ_EINVAL,
                             "the allocation has no bits for layer '%s'",
                             g->layer[i].name);
    return HAWQ_OK;
}

static hawq_status list_maps(lowering *low) {
    hawq_program *p = low->program;
    size_t        n = (size_t)low->graph->n_tensors;
    hawq_affine  *map;
    bool         *has_map;
    HAWQ_TAKE(map, &p->arena, n);
    HAWQ_TAKE(has_map, &p->arena, n);
    for (size_t i = 0; i < n; i++) {
        has_map[i] = low->value[i].n > 0;
        if (has_map[i]) map[i] = low->value[i].q;
    }
    p->map = map;
    p->has_map = has_map;
    return HAWQ_OK;
}

static hawq_status lower_graph(lowering *low) {
    const hawq_graph *g = low->graph;
    hawq_program     *p = low->program;
    HAWQ_TRY(read_choices(low));
    HAWQ_TRY(hawq_lower_classify(low));
    HAWQ_TAKE(low->value, low->scratch, (size_t)g->n_tensors);
    HAWQ_TAKE(low->floats, low->scratch, (size_t)g->n_tensors);
    for (int i = 0; i < g->n_tensors; i++) low->floats[i] = NO_SLOT;
    for (int k = 0; k < g->n_inputs; k++)
        low->floats[g->inputs[k].tensor->id] = IMAGE;
    p->graph = g;
    p->n_in = g->n_row;
    for (low->node = 0; low->node < g->n_nodes; low->node++)
        HAWQ_TRY(lower_node(low, low->node));
    HAWQ_TRY(lower_output(low));
    HAWQ_TRY(hawq_lower_place(low));
    HAWQ_TRY(hawq_lower_decode(low));
    HAWQ_TRY(hawq_lower_count_bytes(low));
    HAWQ_TRY(list_maps(low));
    hawq_step *steps;
    HAWQ_TAKE(steps, &p->arena, (size_t)p->n_steps);
    memcpy(steps, p->step, (size_t)p->n_steps * sizeof *steps);
    p->step = steps;
    return HAWQ_OK;
}

/* One attempt; *node is the one whose ranges do not fit integers, or -1. */
static hawq_status attempt(const hawq_graph         *graph,
                           const hawq_calibration   *calibration,
                           const hawq_lower_options *options,
                           const char **failed, int *node, hawq_program **out) {
    hawq_arena    arena = {0}, scratch = {0};
    hawq_program *p;
    *node = -1;
    HAWQ_TAKE(p, &arena, 1);
    p->arena = arena;
    lowering    low = {.graph = graph,
                       .calibration = calibration,
                       .options = options,
                       .program = p,
                       .scratch = &scratch,
                       .failed = failed,
                       .node = -1};
    hawq_status status = lower_graph(&low);
    bool        fits = status != HAWQ_EUNSUPPORTED || low.node < 0 ||
                low.node >= graph->n_nodes ||
                low.plan[low.node].kind == KIND_FLOAT;
    if (!fits) *node = low.node;
    hawq_arena_free(&scratch);
    if (status == HAWQ_OK)
        *out = p;
    else
        hawq_program_free(p);
    return status;
}

/* Until nothing fails but what float cannot help. */
static hawq_status attempt_all(const hawq_graph         *graph,
                               const hawq_calibration   *calibration,
                               const hawq_lower_options *options,
                               hawq_arena *arena, hawq_program **out) {
    const char **failed;
    int          node;
    HAWQ_TAKE(failed, arena, (size_t)graph->n_nodes);
    for (;;) {
        hawq_status status =
            attempt(graph, calibration, options, failed, &node, out);
        if (node < 0 || graph->batch > 1) return status;
        failed[node] =
            hawq_arena_string(arena, hawq_lower_reason(graph->node[node]));
        if (!failed[node]) return HAWQ_ENOMEM;
    }
}

hawq_status hawq_program_lower(const hawq_graph         *graph,
                               const hawq_calibration   *calibration,
                               const hawq_lower_options *options,
                               hawq_program            **out) {
    hawq_arena  arena = {0};
    hawq_status status = attempt_all(graph, calibration, options, &arena, out);
    hawq_arena_free(&arena);
    return status;
}

void hawq_program_free(hawq_program *program) {
    if (!program) return;
    hawq_arena arena = program->arena; /* the program lives in it */
    hawq_arena_free(&arena);
}
