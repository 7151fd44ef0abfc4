/* graph.c -- building a network: names, constants, folding on the way in.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/graph.h"

#include "src/graph/hash.h"
#include "src/graph/mm.h"
#include "src/graph/origin.h"
#include "src/graph/passes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

hawq_status hawq_graph_new(const hawq_op *(*find_op)(const char *), int opset,
                           hawq_graph **out) {
    if (opset < HAWQ_FIRST_OPSET)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "opset %d: supported are %d and newer; re-export the "
                         "model with one of these",
                         opset, HAWQ_FIRST_OPSET);
    hawq_arena  arena = {0};
    hawq_graph *g;
    HAWQ_TAKE(g, &arena, 1);
    *g = (hawq_graph){.arena = arena,
                      .find_op = find_op,
                      .opset = opset,
                      .room = HAWQ_NODE_ROOM,
                      .digest = {{(uint64_t)opset, 0}}};
    *out = g;
    return HAWQ_OK;
}

void hawq_graph_free(hawq_graph *graph) {
    if (!graph) return;
    hawq_arena arena = graph->arena; /* the graph itself lives in it */
    hawq_arena_free(&arena);
}

/* Room for one more pointer in an arena array that doubles. */
static hawq_status grow(hawq_graph *g, void *array_of_pointers, int n,
                        int *capacity) {
    void ***array = array_of_pointers;
    if (n < *capacity) return HAWQ_OK;
    int    wider = *capacity ? 2 * *capacity : 64;
    void **copy;
    HAWQ_TAKE(copy, &g->arena, (size_t)wider);
    if (n) memcpy(copy, *array, (size_t)n * sizeof *copy);
    *array = copy;
    *capacity = wider;
    return HAWQ_OK;
}

/* --- tensors by name --------------------------------------------------- */

/* The slot of a name, or the free one where it belongs. */
static size_t slot_of(hawq_tensor **named, size_t capacity, const char *name) {
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (const char *c = name; *c; c++)
        h = (h ^ (unsigned char)*c) * 0x100000001b3u;
    size_t at = (h ^ h >> 32) & (capacity - 1);
    while (named[at] && strcmp(named[at]->name, name) != 0)
        at = (at + 1) & (capacity - 1);
    return at;
}

static hawq_status remember(hawq_graph *g, hawq_tensor *t) {
    if (2 * g->n_named >= g->capacity_named) {
        size_t        wider = g->capacity_named ? 2 * g->capacity_named : 64;
        hawq_tensor **named;
        HAWQ_TAKE(named, &g->arena, wider);
        for (size_t i = 0; i < g->capacity_named; i++)
            if (g->named[i])
                named[slot_of(named, wider, g->named[i]->name)] = g->named[i];
        g->named = named;
        g->capacity_named = wider;
    }
    hawq_tensor **slot =
        &g->named[slot_of(g->named, g->capacity_named, t->name)];
    g->n_named += !*slot;
    *slot = t;
    return HAWQ_OK;
}

static bool belongs(const hawq_graph *g, const hawq_tensor *t) {
    return t->id < g->n_tensors && g->tensor[t->id] == t;
}

hawq_tensor *hawq_graph_find(const hawq_graph *g, const char *name) {
    if (!g->n_named) return NULL;
    hawq_tensor *t = g->named[slot_of(g->named, g->capacity_named, name)];
    if (!t || belongs(g, t)) return t;
    /* dropped by a pass, perhaps one of several of that name */
    for (int i = g->n_tensors; i-- > 0;)
        if (strcmp(g->tensor[i]->name, name) == 0) return g->tensor[i];
    return NULL;
}

/* --- building ---------------------------------------------------------- */

hawq_status hawq_tensor_new(hawq_graph *g, const char *name, hawq_role role,
                            hawq_tensor **out) {
    hawq_tensor *t;
    HAWQ_TRY(grow(g, &g->tensor, g->n_tensors, &g->capacity_tensors));
    HAWQ_TAKE(t, &g->arena, 1);
    t->name = hawq_arena_string(&g->arena, name);
    if (!t->name) return HAWQ_ENOMEM;
    t->role = role;
    t->id = g->n_tensors;
    g->tensor[g->n_tensors++] = t;
    HAWQ_TRY(remember(g, t));
    *out = t;
    return HAWQ_OK;
}

hawq_status hawq_tensor_count(hawq_tensor *t) {
    char text[128];
    t->n = 1;
    for (int i = 0; i < t->shape.rank; i++) {
        int64_t d = t->shape.dim[i];
        if (d < 0 || (d && t->n > ((size_t)1 << 40) / (size_t)d))
            return hawq_fail(HAWQ_EFORMAT, "tensor '%s': shape %s is too large",
                             t->name, hawq_shape_text(&t->shape, text));
        t->n *= (size_t)d;
    }
    return HAWQ_OK;
}

hawq_status hawq_graph_constant(hawq_graph *g, const char *name,
                                hawq_dtype dtype, const hawq_shape *shape,
                                const void *data) {
    hawq_tensor *t;
    HAWQ_TRY(hawq_tensor_new(g, name, HAWQ_CONSTANT, &t));
    t->dtype = dtype;
    t->shape = *shape;
    HAWQ_TRY(hawq_tensor_count(t));
    hawq_originate(t);
    if (dtype == HAWQ_FLOAT) {
        HAWQ_TAKE(t->data, &g->arena, t->n);
        if (t->n) memcpy(t->data, data, t->n * sizeof *t->data);
    } else {
        HAWQ_TAKE(t->ints, &g->arena, t->n);
        if (t->n) memcpy(t->ints, data, t->n * sizeof *t->ints);
    }
    if (g->output) return HAWQ_OK; /* made by a pass, not read from a file */
    hawq_digest_constant(&g->digest, t);
    g->room += HAWQ_ROOM_PER_BYTE * t->n * sizeof *t->data;
    return HAWQ_OK;
}

static hawq_status check_spec(const hawq_node_spec *spec,
                              const hawq_node      *node) {
    const hawq_op *op = node->op;
    for (int i = 0; i < spec->n_attr; i++)
        if (!hawq_op_has_attribute(op, spec->attr[i].name))
            return hawq_node_fail(
                node, HAWQ_EUNSUPPORTED,
                "attribute '%s' is not supported; supported: %s",
                spec->attr[i].name,
                op->attributes && *op->attributes ? op->attributes : "none");
    if (spec->n_in < op->min_in || spec->n_in > op->max_in)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "%d inputs, expected %d to %d", spec->n_in,
                              op->min_in, op->max_in);
    if (spec->n_out < 1 || !spec->out[0][0])
        return hawq_node_fail(node, HAWQ_EFORMAT, "no output");
    return HAWQ_OK;
}

static hawq_status find_inputs(hawq_graph *g, const hawq_node_spec *spec,
                               hawq_node *node) {
    HAWQ_TAKE(node->in, &g->arena, (size_t)node->op->max_in + 1);
    for (int i = 0; i < spec->n_in; i++) {
        if (!spec->in[i][0]) continue;
        node->in[i] = hawq_graph_find(g, spec->in[i]);
        if (!node->in[i])
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "input '%s' is not defined before this node",
                                  spec->in[i]);
    }
    for (int i = 0; i < node->op->min_in; i++)
        if (!node->in[i])
            return hawq_node_fail(node, HAWQ_EFORMAT, "input %d is missing", i);
    return HAWQ_OK;
}

static hawq_status make_outputs(hawq_graph *g, const hawq_node_spec *spec,
                                hawq_node *node) {
    HAWQ_TAKE(node->out, &g->arena, (size_t)spec->n_out);
    for (int i = 0; i < spec->n_out; i++) {
        if (!spec->out[i][0]) continue;
        HAWQ_TRY(
            hawq_tensor_new(g, spec->out[i], HAWQ_ACTIVATION, &node->out[i]));
        node->out[i]->producer = node;
    }
    return HAWQ_OK;
}

static bool all_constant(const hawq_node *node) {
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i] && node->in[i]->role != HAWQ_CONSTANT) return false;
    return true;
}

static bool any_float_input(const hawq_node *node) {
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i] && node->in[i]->dtype == HAWQ_FLOAT) return true;
    return false;
}

/* Float constants: one forward sweep of this node alone, whose tensors are
 * numbered 0, 1, ... meanwhile, so that its planes are few. */
static hawq_status evaluate(hawq_graph *g, hawq_node *node) {
    real **val, *scratch;
    int   *id, n = node->n_in + node->n_out;
    HAWQ_TRY(hawq_mm_open());
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i])
            HAWQ_TAKE(node->out[i]->data, &g->arena, node->out[i]->n);
    hawq_mark mark = hawq_arena_mark(&g->arena);
    HAWQ_TAKE(val, &g->arena, (size_t)n);
    HAWQ_TAKE(id, &g->arena, (size_t)n);
    HAWQ_TAKE(scratch, &g->arena, node->scratch);
    for (int i = 0; i < n; i++) {
        hawq_tensor *t =
            i < node->n_in ? node->in[i] : node->out[i - node->n_in];
        if (!t) continue;
        id[i] = t->id;
        t->id = i; /* the last place of a tensor that is read twice */
        val[i] = t->data;
    }
    hawq_planes planes = {.val = val, .scratch = scratch};
    node->op->forward(node, &planes);
    for (int i = n; i-- > 0;) { /* backwards: its first place knows best */
        hawq_tensor *t =
            i < node->n_in ? node->in[i] : node->out[i - node->n_in];
        if (t) t->id = id[i];
    }
    hawq_arena_reset(&g->arena, mark);
    return HAWQ_OK;
}

static hawq_status fold_constant(hawq_graph *g, hawq_node *node) {
    if (node->out[0]->dtype == HAWQ_FLOAT && any_float_input(node) &&
        node->op->forward)
        HAWQ_TRY(evaluate(g, node));
    else if (node->op->fold)
        HAWQ_TRY(node->op->fold(node, &g->arena));
    else
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "is not supported on integer tensors");
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i]) node->out[i]->role = HAWQ_CONSTANT;
    return hawq_trace_origin(node, &g->arena);
}

/* The node's shapes, or its value, within the room that is left. */
static hawq_status in_room(hawq_graph *g, hawq_node *node, bool fold) {
    g->arena.limited = true;
    g->arena.left = g->room;
    hawq_status status =
        fold ? fold_constant(g, node) : node->op->shape(node, &g->arena);
    g->room = g->arena.left;
    g->arena.limited = false;
    if (status != HAWQ_ENOMEM) return status;
    return hawq_prefix("node '%s' (%s): ", node->name, node->op->name);
}

/* Of what a node reads: are all of it integers or truth values, and some of it
 * not constant? */
static bool reads_whole(const hawq_node *node) {
    bool any = false;
    for (int i = 0; i < node->n_in; i++) {
        const hawq_tensor *t = node->in[i];
        if (!t || t->dtype == HAWQ_INT) continue;
        if (!t->whole) return false;
        any = true;
    }
    return any;
}

static hawq_status check_activations(const hawq_node *node) {
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] && node->out[i]->dtype != HAWQ_FLOAT)
            return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                                  "computes integers from the network's input; "
                                  "integer tensors must be constant");
    if (!node->op->forward)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "is supported on constants only");
    return HAWQ_OK;
}

hawq_status hawq_graph_add(hawq_graph *g, const hawq_node_spec *spec) {
    const hawq_op *op = g->find_op(spec->op_type);
    if (!op)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "node '%s': operator %s is not supported; --list-ops "
                         "shows every node that would not run",
                         spec->name, spec->op_type);
    hawq_node *node;
    HAWQ_TAKE(node, &g->arena, 1);
    *node = (hawq_node){.name = hawq_arena_string(&g->arena, spec->name),
                        .op = op,
                        .n_in = spec->n_in,
                        .n_out = spec->n_out,
                        .n_attr = spec->n_attr,
                        .opset = g->opset};
    if (!node->name) return HAWQ_ENOMEM;
    hawq_attr *attr;
    HAWQ_TAKE(attr, &g->arena, (size_t)spec->n_attr);
    if (spec->n_attr)
        memcpy(attr, spec->attr, (size_t)spec->n_attr * sizeof *attr);
    node->attr = attr;
    hawq_digest_node(&g->digest, spec);
    HAWQ_TRY(check_spec(spec, node));
    HAWQ_TRY(find_inputs(g, spec, node));
    HAWQ_TRY(make_outputs(g, spec, node));
    HAWQ_TRY(in_room(g, node, false));
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] && hawq_tensor_count(node->out[i]) != HAWQ_OK)
            return hawq_prefix("node '%s' (%s): ", node->name, op->name);
    if (node->out[0]->role == HAWQ_CONSTANT) {
        hawq_originate(node->out[0]); /* its numbers are in the node */
        return HAWQ_OK;
    }
    if (all_constant(node)) return in_room(g, node, true);
    for (int i = 0; i < node->n_out && !node->op->retypes; i++)
        if (node->out[i]) node->out[i]->whole = reads_whole(node);
    HAWQ_TRY(check_activations(node));
    HAWQ_TRY(grow(g, &g->node, g->n_nodes, &g->capacity_nodes));
    g->node[g->n_nodes++] = node;
    return HAWQ_OK;
}

void hawq_graph_replace(hawq_graph *g, const hawq_tensor *from,
                        hawq_tensor *to) {
    for (int i = 0; i < g->n_nodes; i++)
        for (int j = 0; j < g->node[i]->n_in; j++)
            if (g->node[i]->in[j] == from) g->node[i]->in[j] = to;
    if (g->output == from) g->output = to;
}

hawq_status hawq_graph_finish(hawq_graph *g, const char *output) {
    g->output = hawq_graph_find(g, output);
    if (!g->output || g->output->role != HAWQ_ACTIVATION)
        return hawq_fail(HAWQ_EFORMAT,
                         "output '%s' is not computed from the network's input",
                         output);
    HAWQ_TRY(hawq_pass_identities(g));
    hawq_pass_guards(g);
    hawq_pass_unused(g);
    HAWQ_TRY(hawq_pass_scale(g));
    HAWQ_TRY(hawq_pass_fold(g));
    HAWQ_TRY(hawq_pass_merge(g));
    hawq_pass_unused(g);
    HAWQ_TRY(hawq_pass_check_finite(g));
    return hawq_pass_layers(g);
}

/* The Softmax or LogSoftmax over the last axis that makes t, which at most
 * `readers` nodes read, or NULL. */
static const hawq_node *last_softmax(const hawq_tensor *t, int readers) {
    const hawq_node *node = t->producer;
    int              rank = t->shape.rank;
    if (!node || t->n_uses > readers ||
        (!hawq_is(node, "Softmax") && !hawq_is(node, "LogSoftmax")))
        return NULL;
    int64_t last = node->opset < 13 ? 1 : -1; /* ONNX's default axis */
    int     axis = hawq_axis(hawq_attr_int(node, "axis", last), rank);
    return axis == rank - 1 ? node : NULL;
}

static bool take_joined(hawq_node *join) {
    bool any = false;
    for (int i = 0; i < join->n_in; i++) {
        hawq_node       *part = join->in[i]->producer;
        const hawq_node *node = part ? last_softmax(part->in[0], 1) : NULL;
        if (!node) continue;
        part->in[0] = node->in[0];
        any = true;
    }
    return any;
}

bool hawq_graph_take_logits(hawq_graph *g) {
    const hawq_node *node = last_softmax(g->output, 0);
    hawq_node       *end = g->output->producer;
    bool             joined = end && strcmp(end->name, HAWQ_JOINED) == 0;
    if (joined ? !take_joined(end) : !node) return false;
    if (!joined) g->output = node->in[0];
    hawq_pass_unused(g);
    return true;
}

int hawq_graph_find_layer(const hawq_graph *g, const char *name) {
    for (int i = 0; i < g->n_layers; i++)
        if (strcmp(g->layer[i].name, name) == 0) return i;
    return -1;
}

size_t hawq_tensor_distinct(const hawq_tensor *t) {
    size_t rows = t->shape.rank < 2 ? 1 : (size_t)t->shape.dim[0];
    size_t each = rows ? t->n / rows : 0;
    for (size_t r = 1; r < rows; r++)
        if (memcmp(t->data, t->data + r * each, each * sizeof *t->data))
            return t->n;
    return rows ? each : t->n;
}

static hawq_digest digest_of(const hawq_graph *g) {
    hawq_digest digest = g->digest;
    for (int i = 0; !g->digest_is_kept && i < g->n_nodes; i++)
        for (int j = 0; j < g->node[i]->n_in; j++) {
            const hawq_tensor *t = g->node[i]->in[j];
            if (t && t->data)
                hawq_digest_reals(&digest, t->data, hawq_tensor_distinct(t));
        }
    return digest;
}

void hawq_graph_hash(const hawq_graph *g, char text[HAWQ_HASH_TEXT]) {
    hawq_digest digest = digest_of(g);
    hawq_digest_text(&digest, text);
}

void hawq_graph_keep_hash(hawq_graph *g) {
    g->digest = digest_of(g);
    g->digest_is_kept = true;
}
