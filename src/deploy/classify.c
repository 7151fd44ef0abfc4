/* classify.c -- what each node of a graph becomes in an integer program.
 *
 * Layers, additions, pools, concatenations and functions of one element are
 * known by name; a node of two activations that are both functions of one
 * tensor's elements is one too: x * Sigmoid(x). Any other node with one
 * activation is asked what it does: it is run on three inputs,
 *     a[i] = i + 1,   b[i] = -a[i],   c[i] = 1 + (i * 2654435761 mod 2^22),
 * and it is an index map if every output is either the same constant in all
 * three or element j of all three, j being read off the first. No list of
 * moving operators is needed, and none can be read wrongly. What is none of
 * these, or does not fit the integer form of its kind, stays in float.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/deploy/lower.h"

#include "src/graph/mm.h"
#include "src/graph/product.h"

#include <math.h>
#include <string.h>

static int count_activations(const hawq_node *node) {
    int n = 0;
    for (int i = 0; i < node->n_in; i++) n += is_activation(node->in[i]);
    return n;
}

/* --- movements --------------------------------------------------------- */

static hawq_status add_planes(const hawq_node *node, hawq_arena *arena,
                              hawq_planes *p) {
    for (int i = 0; i < node->n_in + node->n_out; i++) {
        hawq_tensor *t =
            i < node->n_in ? node->in[i] : node->out[i - node->n_in];
        if (!t || p->val[t->id]) continue;
        p->val[t->id] = t->data;
        if (is_activation(t)) HAWQ_TAKE(p->val[t->id], arena, t->n);
    }
    return HAWQ_OK;
}

hawq_status hawq_lower_planes(const hawq_graph       *graph,
                              const hawq_node *const *node, int n,
                              hawq_arena *arena, hawq_planes *out) {
    hawq_planes p = {0};
    size_t      tensors = (size_t)graph->n_tensors, scratch = 0;
    HAWQ_TAKE(p.val, arena, tensors);
    HAWQ_TAKE(p.bar, arena, tensors);
    for (int i = 0; i < n; i++) {
        HAWQ_TRY(add_planes(node[i], arena, &p));
        if (node[i]->scratch > scratch) scratch = node[i]->scratch;
    }
    HAWQ_TAKE(p.scratch, arena, scratch);
    *out = p;
    return HAWQ_OK;
}

static double probe(int which, size_t i) {
    switch (which) {
    case 0:
        return (double)i + 1;
    case 1:
        return -(double)i - 1;
    default:
        return 1 + (double)(i * 2654435761u % (1u << 22));
    }
}

/* What the three outputs y say about one output element: the input element
 * (>= 0), -1 for the constant y[0], or -2 if neither. */
static int64_t source(const double y[3], size_t n_in) {
    if (y[0] == y[1] && y[0] == y[2]) return -1;
    if (!(y[0] >= 1 && y[0] <= (double)n_in)) return -2;
    size_t j = (size_t)y[0] - 1;
    for (int k = 0; k < 3; k++)
        if (y[k] != probe(k, j)) return -2;
    return (int64_t)j;
}

/* Reads the map of the first image off three outputs of the node. */
static bool read_map(const hawq_graph *graph, const hawq_node *node,
                     real *const y[3], const hawq_tensor *x, int32_t *map,
                     node_plan *plan) {
    size_t n = hawq_per_image(graph, node->out[0]);
    size_t per_image = hawq_per_image(graph, x);
    bool   filled = false;
    plan->identity = n == per_image;
    for (size_t i = 0; i < n; i++) {
        double  at[3] = {y[0][i], y[1][i], y[2][i]};
        int64_t j = source(at, x->n);
        if (j < -1 || j >= (int64_t)per_image) return false;
        if (j < 0 && filled && at[0] != plan->fill) return false;
        if (j < 0) {
            plan->fill = at[0];
            filled = true;
        }
        map[i] = (int32_t)j;
        plan->identity &= j == (int64_t)i;
    }
    return true;
}

/* Is the node an index map of its one activation? Fills plan if so. */
static hawq_status find_move(lowering *low, const hawq_node *node,
                             node_plan *plan, bool *found) {
    const hawq_tensor *x = NULL;
    for (int i = 0; i < node->n_in; i++)
        if (is_activation(node->in[i])) x = node->in[i];
    size_t batch = (size_t)low->graph->batch, n = node->out[0]->n;
    *found = false;
    if (node->n_out != 1 || x->dtype != HAWQ_FLOAT || n % batch != 0 ||
        x->n >= (size_t)1 << 24)
        return HAWQ_OK;
    int32_t *map;
    HAWQ_TAKE(map, low->scratch, n / batch);
    hawq_mark   mark = hawq_arena_mark(low->scratch);
    hawq_planes planes;
    HAWQ_TRY(hawq_lower_planes(low->graph, &node, 1, low->scratch, &planes));
    HAWQ_TRY(hawq_mm_open()); /* any operator may be asked */
    real *y[3];
    for (int k = 0; k < 3; k++) {
        HAWQ_TAKE(y[k], low->scratch, n);
        real *val = hawq_val(&planes, x);
        for (size_t i = 0; i < x->n; i++) val[i] = (real)probe(k, i);
        node->op->forward(node, &planes);
        memcpy(y[k], hawq_val(&planes, node->out[0]), n * sizeof *y[k]);
    }
    *found = read_map(low->graph, node, y, x, map, plan);
    hawq_arena_reset(low->scratch, mark);
    plan->identity &= *found;
    plan->map = map;
    return HAWQ_OK;
}

/* --- kinds ------------------------------------------------------------- */

static int layer_of(const hawq_graph *graph, const hawq_node *node) {
    for (int i = 0; i < graph->n_layers; i++)
        for (int j = 0; j < graph->layer[i].n_nodes; j++)
            if (graph->layer[i].node[j] == node) return i;
    return -1;
}

static const hawq_node *only_reader(const hawq_graph *g, const hawq_tensor *t) {
    if (t == g->output || t->n_uses != 1) return NULL;
    for (int i = 0; i < g->n_nodes; i++)
        for (int j = 0; j < g->node[i]->n_in; j++)
            if (g->node[i]->in[j] == t) return g->node[i];
    return NULL;
}

/* Do all inputs but one activation hold a single number? */
static bool scalar_constants(const hawq_node *node) {
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i] && node->in[i]->role == HAWQ_CONSTANT &&
            node->in[i]->n != 1)
            return false;
    return count_activations(node) == 1;
}

/* A bound of Clip: an attribute before operator set 11, a constant since. */
static double clip_bound(const hawq_node *node, const char *name, int input,
                         double none) {
    if (input < node->n_in && node->in[input]) return node->in[input]->data[0];
    return hawq_attr_float(node, name, none);
}

bool hawq_lower_is_clamp(const hawq_node *node) {
    if (!scalar_constants(node)) return false;
    return hawq_is(node, "Relu") ||
           (hawq_is(node, "Clip") &&
            clip_bound(node, "min", 1, -INFINITY) <= 0 &&
            clip_bound(node, "max", 2, INFINITY) >= 0);
}

/* Is every activation it reads a function of the same elements? */
static bool is_pointwise(const lowering *low, const hawq_node *node) {
    int source = -1;
    if (!node->op->pointwise) return false;
    for (int i = 0; i < node->n_in; i++) {
        const hawq_tensor *t = node->in[i];
        if (t && !is_activation(t) && t->n != 1) return false;
        if (!is_activation(t)) continue;
        if (t->dtype != HAWQ_FLOAT || t->n != node->out[0]->n) return false;
        if (source >= 0 && low->source[t->id] != source) return false;
        source = low->source[t->id];
    }
    return source >= 0;
}

static void find_source(lowering *low, int i) {
    const hawq_node *node = low->graph->node[i];
    low->source[node->out[0]->id] = node->out[0]->id;
    if (low->plan[i].kind != KIND_POINTWISE) return;
    for (int j = 0; j < node->n_in; j++)
        if (is_activation(node->in[j]))
            low->source[node->out[0]->id] = low->source[node->in[j]->id];
}

/* --- what has no integer form ------------------------------------------- */

/* A node that stays in float; what this says of it follows its name. */
static hawq_status keep_float(lowering *low, node_plan *plan, const char *why) {
    plan->kind = KIND_FLOAT;
    plan->why = hawq_arena_string(&low->program->arena, why);
    return plan->why ? HAWQ_OK : HAWQ_ENOMEM;
}

static const char *why_float(const hawq_node *node) {
    if (count_activations(node) > 1) return "it combines several activations";
    if (hawq_is(node, "Add") || hawq_is(node, "Sub") || hawq_is(node, "Mul") ||
        hawq_is(node, "Div"))
        return "its constants differ by channel and follow no layer they could "
               "be folded into";
    return "no integer step computes it";
}

const char *hawq_lower_reason(const hawq_node *node) {
    const char *message = hawq_message();
    size_t      n = strlen(node->name);
    if (strncmp(message, "node '", 6) || strncmp(message + 6, node->name, n))
        return message;
    return message + n + strlen("node '' (): ") + strlen(node->op->name);
}

/* A kind whose shapes or attributes may not fit: what the check says against it
 * is the reason for float. */
static hawq_status take_kind(lowering *low, const hawq_node *node,
                             node_plan *plan, node_kind kind,
                             hawq_status checked) {
    plan->kind = kind;
    if (checked != HAWQ_EUNSUPPORTED) return checked;
    return keep_float(low, plan, hawq_lower_reason(node));
}

static hawq_status check_layer(const lowering *low, const hawq_node *node,
                               const node_plan *plan) {
    const hawq_layer *layer = &low->graph->layer[plan->layer];
    hawq_conv         shape;
    hawq_product      p;
    bool known = hawq_product_find((hawq_node *)node, low->graph->batch, &p);
    if (!known || p.outer != layer->outer || p.channels != layer->channels)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "its weights have the scales of '%s', which "
                              "reads them along another axis",
                              layer->node[0]->name);
    if (hawq_is(node, "Conv")) return hawq_lower_conv_shape(node, &shape);
    if (!p.folds || hawq_is(node, "ConvTranspose"))
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "no integer step computes it");
    return hawq_lower_check_product(node,
                                    hawq_per_image(low->graph, node->in[0]),
                                    layer->outer * layer->inner);
}

static hawq_status check_concat(const hawq_node *node) {
    int rank = node->out[0]->shape.rank;
    if (hawq_axis(hawq_attr_int(node, "axis", 1), rank) > 0) return HAWQ_OK;
    return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                          "concatenation along axis 0");
}

/* Does it read or make integers or truth values? They have no map. */
static bool handles_whole(const hawq_node *node) {
    for (int i = 0; i < node->n_in; i++)
        if (is_activation(node->in[i]) && node->in[i]->whole) return true;
    return node->out[0]->whole;
}

static hawq_status classify(lowering *low, int i) {
    const hawq_node *node = low->graph->node[i];
    node_plan       *plan = &low->plan[i];
    int              activations = count_activations(node);
    bool             found = false;
    hawq_pool        pool;
    plan->layer = layer_of(low->graph, node);
    if (low->failed[i]) return keep_float(low, plan, low->failed[i]);
    if (handles_whole(node))
        return keep_float(low, plan,
                          "it works on integers of the data, which are not "
                          "quantized");
    if (plan->layer >= 0)
        return take_kind(low, node, plan, KIND_LAYER,
                         check_layer(low, node, plan));
    if (is_pointwise(low, node))
        plan->kind = KIND_POINTWISE;
    else if (hawq_is(node, "Add") && activations == 2 &&
             hawq_shape_equal(&node->in[0]->shape, &node->in[1]->shape))
        plan->kind = KIND_ADD;
    else if (hawq_is(node, "Concat") && activations == node->n_in)
        return take_kind(low, node, plan, KIND_CONCAT, check_concat(node));
    else if (activations != 1)
        return keep_float(low, plan, why_float(node));
    else if (hawq_is(node, "MaxPool") || hawq_is(node, "GlobalMaxPool"))
        return take_kind(low, node, plan, KIND_MAX_POOL,
                         hawq_lower_pool_shape(node, &pool));
    else if (hawq_is(node, "AveragePool") ||
             hawq_is(node, "GlobalAveragePool") || hawq_is(node, "ReduceMean"))
        return take_kind(low, node, plan, KIND_AVERAGE_POOL,
                         hawq_lower_pool_shape(node, &pool));
    else {
        HAWQ_TRY(find_move(low, node, plan, &found));
        if (!found) return keep_float(low, plan, why_float(node));
        plan->kind = KIND_MOVE;
    }
    return HAWQ_OK;
}

/* --- what a layer takes along --------------------------------------------- */

static void fuse_node(lowering *low, node_plan *plan, const hawq_node *node) {
    const hawq_graph *g = low->graph;
    for (int i = 0; i < g->n_nodes; i++)
        if (g->node[i] == node) low->plan[i].kind = KIND_FUSED;
    plan->end = node;
}

/* A constant for each output channel, or one for all, that alone reads a MatMul
 * is its bias. (What follows a Conv or a matrix is folded in the graph.) */
static void fuse_bias(lowering *low, int i) {
    const hawq_graph *g = low->graph;
    node_plan        *plan = &low->plan[i];
    const hawq_node  *node = g->node[i];
    if (plan->kind != KIND_LAYER || !hawq_is(node, "MatMul")) return;
    const hawq_node *add = only_reader(g, node->out[0]);
    if (!add || !hawq_is(add, "Add") || count_activations(add) != 1) return;
    hawq_tensor *b = is_activation(add->in[0]) ? add->in[1] : add->in[0];
    size_t       last = b->shape.rank ? (size_t)b->shape.rank - 1 : 0;
    bool         rows = b->shape.rank && b->n == (size_t)b->shape.dim[last];
    if (!b->data ||
        !hawq_shape_equal(&add->out[0]->shape, &node->out[0]->shape))
        return;
    if (b->n != 1 && !(rows && b->n == g->layer[plan->layer].channels)) return;
    plan->bias = b;
    fuse_node(low, plan, add);
}

/* A Relu or Clip that alone reads a layer or an addition is part of it. */
static void fuse(lowering *low, int i) {
    const hawq_graph *g = low->graph;
    node_plan        *plan = &low->plan[i];
    const hawq_node  *end = plan->end ? plan->end : g->node[i];
    if (plan->kind != KIND_LAYER && plan->kind != KIND_ADD) return;
    const hawq_node *reader = only_reader(g, end->out[0]);
    if (reader && hawq_lower_is_clamp(reader)) fuse_node(low, plan, reader);
}

/* The layer whose plain accumulators are the network's output, through its bias
 * and moves that change nothing. */
static void mark_logits(lowering *low) {
    const hawq_graph  *g = low->graph;
    const hawq_tensor *t = g->output;
    for (int i = g->n_nodes; i-- > 0;) {
        if (g->node[i]->out[0] != t) continue;
        if (t->n_uses > (t != g->output)) return;
        node_plan *plan = &low->plan[i];
        plan->logits = plan->kind == KIND_LAYER;
        bool bias = plan->kind == KIND_FUSED && hawq_is(g->node[i], "Add");
        if (!bias && (plan->kind != KIND_MOVE || !plan->identity)) return;
        t = g->node[i]->in[bias && !is_activation(g->node[i]->in[0])];
    }
}

/* --- activation maps --------------------------------------------------- */

static void find_roots(lowering *low) {
    const hawq_graph *g = low->graph;
    for (int i = 0; i < g->n_tensors; i++) low->root[i] = i;
    for (int i = 0; i < g->n_nodes; i++) {
        node_kind kind = low->plan[i].kind;
        if (kind != KIND_MOVE && kind != KIND_MAX_POOL) continue;
        const hawq_node *node = g->node[i];
        for (int j = 0; j < node->n_in; j++)
            if (is_activation(node->in[j]))
                low->root[node->out[0]->id] = low->root[node->in[j]->id];
    }
}

static void find_bits(lowering *low) {
    const hawq_graph *g = low->graph;
    for (int i = 0; i < g->n_nodes; i++) {
        if (low->plan[i].layer < 0) continue;
        int *bits = &low->bits[low->root[hawq_product_input(g->node[i])->id]];
        int  wish = low->program->choice[low->plan[i].layer].activation_bits;
        if (wish > 8) wish = 8; /* a float layer reads what 8 bits leave */
        if (wish > *bits) *bits = wish;
    }
    for (int i = 0; i < g->n_tensors; i++)
        if (!low->bits[i]) low->bits[i] = 8;
    for (int i = 0; i < g->n_nodes; i++)
        if (low->plan[i].kind == KIND_LAYER)
            low->program->choice[low->plan[i].layer].activation_bits =
                low->bits[low->root[g->node[i]->in[0]->id]];
}

hawq_status hawq_lower_classify(lowering *low) {
    const hawq_graph *g = low->graph;
    HAWQ_TAKE(low->plan, low->scratch, (size_t)g->n_nodes);
    HAWQ_TAKE(low->root, low->scratch, (size_t)g->n_tensors);
    HAWQ_TAKE(low->bits, low->scratch, (size_t)g->n_tensors);
    HAWQ_TAKE(low->source, low->scratch, (size_t)g->n_tensors);
    for (int i = 0; i < g->n_tensors; i++) low->source[i] = i;
    for (int i = 0; i < g->n_nodes; i++) {
        HAWQ_TRY(classify(low, i));
        find_source(low, i);
    }
    HAWQ_TRY(hawq_lower_float_layers(low));
    for (int i = 0; i < g->n_nodes; i++) fuse_bias(low, i);
    HAWQ_TRY(hawq_lower_find_floats(low));
    for (int i = 0; i < g->n_nodes; i++) fuse(low, i);
    for (int i = 0; i < g->n_nodes; i++) find_source(low, i); /* anew */
    mark_logits(low);
    hawq_lower_find_scaled(low);
    find_roots(low);
    find_bits(low);
    return HAWQ_OK;
}
