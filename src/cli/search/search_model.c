/* search_model.c -- what hawq-search needs to know of the network itself: its
 * identity, the names of its tensors, and which layers read one tensor.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/model.h"
#include "src/cli/search/search_command.h"
#include "src/graph/groups.h"
#include "src/graph/product.h"

#include <string.h>

static hawq_status copy(hawq_search *s, const char *text, const char **out) {
    *out = hawq_arena_string(&s->cli->arena, text);
    return *out ? HAWQ_OK : HAWQ_ENOMEM;
}

/* The weight as the file calls it. */
static hawq_status describe_weight(hawq_search *s, const hawq_layer *from,
                                   hawq_search_layer *to) {
    const char *name;
    hawq_status status = hawq_layer_in_file(from, &name, &to->axis);
    if (status == HAWQ_OK) return copy(s, name, &to->weight);
    return status == HAWQ_EUNSUPPORTED ? copy(s, hawq_message(), &to->unnamed)
                                       : status;
}

static hawq_status describe_layer(hawq_search *s, const hawq_layer *from,
                                  hawq_search_layer *to) {
    to->dimensions = from->weight->shape.rank;
    to->channels = (int)from->channels;
    to->groups = (int)hawq_attr_int(from->node[0], "group", 1);
    HAWQ_TRY(copy(s, from->op, &to->op));
    HAWQ_TRY(copy(s, from->name, &to->name));
    HAWQ_TRY(describe_weight(s, from, to));
    to->n_nodes = from->n_nodes;
    HAWQ_TAKE(to->node, &s->cli->arena, (size_t)from->n_nodes);
    HAWQ_TAKE(to->output, &s->cli->arena, (size_t)from->n_nodes);
    for (int i = 0; i < from->n_nodes; i++) {
        HAWQ_TRY(copy(s, from->node[i]->name, &to->node[i]));
        HAWQ_TRY(copy(s, from->node[i]->out[0]->name, &to->output[i]));
    }
    return copy(s, hawq_product_input(from->node[0])->name, &to->input);
}

/* Why the layers of a group share the width of their input. */
static hawq_status explain_group(hawq_search *s, int first, int n,
                                 const int *layer, const char **reason) {
    const char *input = s->layer[first].input;
    bool        same = true;
    for (int i = 0; i < n; i++)
        same &= !strcmp(s->layer[layer[i]].input, input);
    *reason = same ? hawq_arena_format(&s->cli->arena,
                                       "all read the tensor '%s'", input)
                   : "their inputs are parts or copies of one buffer";
    return *reason ? HAWQ_OK : HAWQ_ENOMEM;
}

static hawq_status describe_groups(hawq_search *s, const int *group) {
    for (int first = 0; first < s->n_layers; first++) {
        hawq_search_group *g = &s->group[s->n_groups];
        HAWQ_TAKE(g->layer, &s->cli->arena, (size_t)s->n_layers);
        for (int l = first; l < s->n_layers; l++)
            if (group[l] == first) g->layer[g->n++] = l;
        if (g->n < 2) {
            g->n = 0;
            continue;
        }
        HAWQ_TRY(explain_group(s, first, g->n, g->layer, &g->reason));
        s->n_groups++;
    }
    return HAWQ_OK;
}

static hawq_status describe(hawq_search *s, hawq_graph *graph) {
    int *group;
    hawq_graph_hash(graph, s->hash);
    s->n_layers = graph->n_layers;
    s->rest_bytes = hawq_graph_rest_bytes(graph);
    HAWQ_TRY(copy(s, graph->input->name, &s->image));
    HAWQ_TAKE(group, &s->cli->arena, (size_t)graph->n_layers);
    HAWQ_TAKE(s->layer, &s->cli->arena, (size_t)graph->n_layers);
    HAWQ_TAKE(s->group, &s->cli->arena, (size_t)graph->n_layers + 1);
    for (int l = 0; l < graph->n_layers; l++)
        HAWQ_TRY(describe_layer(s, &graph->layer[l], &s->layer[l]));
    HAWQ_TRY(hawq_graph_groups(graph, group));
    return describe_groups(s, group);
}

hawq_status hawq_search_model(hawq_search *s) {
    hawq_graph *graph;
    HAWQ_TRY(hawq_model_load(s->cli, s->cli->arg[0], 1, &graph));
    hawq_status status = describe(s, graph);
    if (status == HAWQ_OK && hawq_search_has_budget(s, "activation-peak"))
        status = hawq_search_find_peak(s, graph);
    hawq_graph_free(graph);
    return status;
}
