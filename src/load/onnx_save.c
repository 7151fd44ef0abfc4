/* onnx_save.c -- a graph to an ONNX file that other programs load.
 *
 * A node keeps the attributes and inputs of the opset it was read under, so
 * the file is written in that opset: no form needs translation. Two things
 * are not as a file wants them. Tensors that passes made may share a name:
 * later ones get a number, but weights the name of their layer. And a free
 * batch dimension has been made concrete: a Reshape's target starts with the
 * batch times something. Written back it starts with -1, which is that product
 * for any batch. SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/onnx.h"

#include "src/load/file.h"
#include "src/load/names.h"
#include "src/load/proto.h"

#include <string.h>

typedef struct writer {
    const hawq_graph *graph;
    hawq_arena       *arena;
    hawq_names        used;
    const char      **name; /* in the file, by tensor id; NULL: not yet */
    const char      **wish; /* the same, if it can be; NULL: as in the graph */
    hawq_proto        file;
    bool              fixed; /* the batch is the graph's */
} writer;

/* A constant joined with an activation has a row for each image. */
static bool joins_rows(const hawq_graph *g) {
    for (int i = 0; i < g->n_nodes; i++) {
        const hawq_node *node = g->node[i];
        bool             constant = false, other = false;
        if (strcmp(node->op->name, "Concat") != 0) continue;
        for (int j = 0; j < node->n_in; j++) {
            constant |= node->in[j]->role == HAWQ_CONSTANT;
            other |= node->in[j]->role != HAWQ_CONSTANT;
        }
        if (constant && other) return true;
    }
    return false;
}

/* `wish`, or the first of wish_2, wish_3, ... that is free. */
static const char *unique(writer *w, const char *wish) {
    const char *name = wish[0] ? wish : "tensor";
    for (int k = 2; name && hawq_names_has(&w->used, name); k++)
        name = hawq_arena_format(w->arena, "%s_%d", wish, k);
    if (!name || hawq_names_add(&w->used, w->arena, name) != HAWQ_OK)
        return NULL;
    return name;
}

static hawq_status add_constant(writer *w, const char *name,
                                const hawq_tensor *t) {
    hawq_tensor *c = &w->file.constant[w->file.n_constants++];
    *c = *t;
    c->name = name;
    return HAWQ_OK;
}

/* The name of a tensor; constants become initializers at their first use. */
static hawq_status name_of(writer *w, const hawq_tensor *t, const char **out) {
    *out = "";
    if (!t) return HAWQ_OK;
    if (!w->name[t->id]) {
        const char *wish = w->wish[t->id];
        w->name[t->id] = unique(w, wish ? wish : t->name);
        if (!w->name[t->id]) return HAWQ_ENOMEM;
        if (t->role == HAWQ_CONSTANT)
            HAWQ_TRY(add_constant(w, w->name[t->id], t));
    }
    *out = w->name[t->id];
    return HAWQ_OK;
}

/* The target of a Reshape for any batch, as an initializer of its own. */
static hawq_status add_target(writer *w, const hawq_node *node,
                              const char **out) {
    const hawq_shape *to = &node->out[0]->shape;
    hawq_tensor       target = {.role = HAWQ_CONSTANT, .dtype = HAWQ_INT};
    target.shape = (hawq_shape){1, {to->rank}};
    target.n = (size_t)to->rank;
    HAWQ_TAKE(target.ints, w->arena, target.n);
    memcpy(target.ints, to->dim, target.n * sizeof *target.ints);
    if (to->rank) target.ints[0] = -1;
    const char *wish = hawq_arena_format(w->arena, "%s.shape", node->name);
    if (!wish || !(*out = unique(w, wish))) return HAWQ_ENOMEM;
    return add_constant(w, *out, &target);
}

static bool restores_batch(const writer *w, const hawq_node *node) {
    return !w->fixed && hawq_is(node, "Reshape");
}

static hawq_status add_node(writer *w, const hawq_node *node) {
    hawq_node_spec *spec = &w->file.node[w->file.n_nodes++].spec;
    const char    **in, **out;
    *spec = (hawq_node_spec){.op_type = node->op->name,
                             .name = node->name,
                             .n_in = node->n_in,
                             .n_out = node->n_out,
                             .n_attr = node->n_attr,
                             .attr = node->attr};
    HAWQ_TAKE(in, w->arena, (size_t)node->n_in);
    HAWQ_TAKE(out, w->arena, (size_t)node->n_out);
    for (int i = 0; i < node->n_in; i++)
        if (i == 1 && restores_batch(w, node))
            HAWQ_TRY(add_target(w, node, &in[i]));
        else
            HAWQ_TRY(name_of(w, node->in[i], &in[i]));
    for (int i = 0; i < node->n_out; i++)
        HAWQ_TRY(name_of(w, node->out[i], &out[i]));
    spec->in = in;
    spec->out = out;
    return HAWQ_OK;
}

static bool ends_in_weight(const char *name) {
    size_t n = strlen(name);
    return n > 7 && strcmp(name + n - 7, ".weight") == 0;
}

/* A weight whose name would not give its layer's name again is called after the
 * layer: the file read back has the same layers. */
static hawq_status name_weights(writer *w) {
    const hawq_graph *g = w->graph;
    HAWQ_TAKE(w->wish, w->arena, (size_t)g->n_tensors);
    for (int l = 0; l < g->n_layers; l++) {
        const char *layer = g->layer[l].name;
        const char *own = g->layer[l].weight->name;
        const char *full = hawq_arena_format(w->arena, "%s.weight", layer);
        if (!full) return HAWQ_ENOMEM;
        bool plain = strcmp(own, layer) == 0 && !ends_in_weight(own);
        if (strcmp(own, full) != 0 && !plain)
            w->wish[g->layer[l].weight->id] = full;
    }
    return HAWQ_OK;
}

static hawq_status add_value(writer *w, const hawq_tensor *t,
                             hawq_proto_value **out, size_t *n) {
    HAWQ_TAKE(*out, w->arena, 1);
    **out = (hawq_proto_value){.shape = t->shape};
    if (!w->fixed) (*out)->shape.dim[0] = -1;
    *n = 1;
    return name_of(w, t, &(*out)->name);
}

static hawq_status add_inputs(writer *w) {
    const hawq_graph *g = w->graph;
    hawq_proto_value *v;
    HAWQ_TAKE(v, w->arena, (size_t)g->n_inputs);
    for (int k = 0; k < g->n_inputs; k++) {
        const hawq_input *in = &g->inputs[k];
        v[k] = (hawq_proto_value){.shape = in->tensor->shape,
                                  .is_whole = in->tensor->whole};
        if (!w->fixed) v[k].shape.dim[in->axis] = -1;
        HAWQ_TRY(name_of(w, in->tensor, &v[k].name));
    }
    w->file.input = v;
    w->file.n_inputs = (size_t)g->n_inputs;
    return HAWQ_OK;
}

static hawq_status fill(writer *w, const char *producer) {
    const hawq_graph *g = w->graph;
    size_t            most = (size_t)g->n_tensors + (size_t)g->n_nodes;
    w->fixed = g->fixed_batch || joins_rows(g);
    w->file.producer = producer;
    w->file.opset = g->opset;
    HAWQ_TAKE(w->name, w->arena, (size_t)g->n_tensors);
    HAWQ_TRY(name_weights(w));
    HAWQ_TAKE(w->file.constant, w->arena, most);
    HAWQ_TAKE(w->file.node, w->arena, (size_t)g->n_nodes);
    HAWQ_TRY(add_inputs(w));
    HAWQ_TRY(add_value(w, g->output, &w->file.output, &w->file.n_outputs));
    for (int i = 0; i < g->n_nodes; i++) HAWQ_TRY(add_node(w, g->node[i]));
    return HAWQ_OK;
}

hawq_status hawq_onnx_describe(const hawq_graph *graph, const char *producer,
                               hawq_arena *arena, hawq_proto *out,
                               const char ***name) {
    writer w = {.graph = graph, .arena = arena};
    HAWQ_TRY(fill(&w, producer));
    *out = w.file;
    *name = w.name;
    return HAWQ_OK;
}

static hawq_status save(const char *path, const hawq_graph *graph,
                        const char *producer, hawq_arena *arena) {
    hawq_proto   file;
    const char **name;
    uint8_t     *bytes = NULL;
    size_t       n = 0;
    HAWQ_TRY(hawq_onnx_describe(graph, producer, arena, &file, &name));
    HAWQ_TRY(hawq_proto_pack(&file, arena, &bytes, &n));
    return hawq_file_write(path, bytes, n);
}

hawq_status hawq_onnx_save(const char *path, const hawq_graph *graph,
                           const char *producer) {
    hawq_arena  arena = {0};
    hawq_status status = save(path, graph, producer, &arena);
    hawq_arena_free(&arena);
    return status == HAWQ_OK ? status : hawq_prefix("%s: ", path);
}
