/* rewrite.c -- see rewrite.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/rewrite.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MOST_TENSORS = 1 << 18, MOST_JOINED = 1024 };

static bool is_recurrent(const char *op_type) {
    return strcmp(op_type, "LSTM") == 0 || strcmp(op_type, "GRU") == 0 ||
           strcmp(op_type, "RNN") == 0;
}

bool hawq_is_rewritten(const char *op_type) {
    return is_recurrent(op_type) || strcmp(op_type, "If") == 0 ||
           strcmp(op_type, "Loop") == 0 || strcmp(op_type, "Scan") == 0;
}

hawq_status hawq_rewrite(hawq_graph *g, const hawq_proto_node *node) {
    if (node->defect)
        return hawq_fail(HAWQ_EUNSUPPORTED, "node '%s' (%s): %s",
                         node->spec.name, node->spec.op_type, node->defect);
    return is_recurrent(node->spec.op_type) ? hawq_rewrite_recurrent(g, node)
                                            : hawq_rewrite_control(g, node);
}

/* --- what is rewritten --------------------------------------------------- */

hawq_status hawq_write_fail(const hawq_writer *w, hawq_status code,
                            const char *format, ...) {
    char    text[768];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return hawq_fail(code, "node '%s' (%s): %s", w->from->spec.name,
                     w->from->spec.op_type, text);
}

const hawq_attr *hawq_write_attr(const hawq_writer *w, const char *name) {
    const hawq_node_spec *s = &w->from->spec;
    for (int i = 0; i < s->n_attr; i++)
        if (strcmp(s->attr[i].name, name) == 0) return &s->attr[i];
    return NULL;
}

int64_t hawq_write_int(const hawq_writer *w, const char *name, int64_t def) {
    const hawq_attr *a = hawq_write_attr(w, name);
    return a && a->type == HAWQ_ATTR_INT ? a->i : def;
}

hawq_tensor *hawq_write_input(const hawq_writer *w, int i) {
    const hawq_node_spec *s = &w->from->spec;
    return i < s->n_in && s->in[i][0] ? hawq_graph_find(w->graph, s->in[i])
                                      : NULL;
}

/* --- adding -------------------------------------------------------------- */

hawq_status hawq_write_made_up(hawq_writer *w, const char **out) {
    *out = NULL;
    if (w->graph->n_tensors >= MOST_TENSORS)
        return hawq_write_fail(w, HAWQ_EUNSUPPORTED,
                               "written out step by step the network has more "
                               "than %d tensors: give it shorter sequences",
                               MOST_TENSORS);
    *out = hawq_arena_format(&w->graph->arena, "%.48s:%d", w->from->spec.name,
                             w->graph->n_tensors);
    return *out ? HAWQ_OK : HAWQ_ENOMEM;
}

hawq_status hawq_write(hawq_writer *w, const hawq_call *call,
                       const char **out) {
    const char *made = NULL;
    int         before = w->graph->n_nodes, n_attr = 0;
    HAWQ_TRY(hawq_write_made_up(w, &made));
    const char *name = call->out ? call->out : made;
    while (n_attr < 2 && call->attr[n_attr].name) n_attr++;
    hawq_node_spec spec = {.op_type = call->op,
                           .name = made,
                           .n_in = call->n_in,
                           .n_out = 1,
                           .in = call->in,
                           .out = &name,
                           .n_attr = n_attr,
                           .attr = call->attr};
    if (hawq_graph_add(w->graph, &spec) != HAWQ_OK)
        return hawq_prefix("node '%s' (%s), written out: ", w->from->spec.name,
                           w->from->spec.op_type);
    if (w->graph->n_nodes > before) w->graph->node[before]->layer = call->layer;
    if (out) *out = name;
    return HAWQ_OK;
}

hawq_status hawq_write_ints(hawq_writer *w, const hawq_shape *shape,
                            const int64_t *ints, const char **out) {
    const hawq_shape one = {0};
    HAWQ_TRY(hawq_write_made_up(w, out));
    return hawq_graph_constant(w->graph, *out, HAWQ_INT, shape ? shape : &one,
                               ints);
}

hawq_status hawq_write_reals(hawq_writer *w, const hawq_shape *shape,
                             const real *data, const char **out) {
    const hawq_shape one = {0};
    HAWQ_TRY(hawq_write_made_up(w, out));
    return hawq_graph_constant(w->graph, *out, HAWQ_FLOAT, shape ? shape : &one,
                               data);
}

hawq_status hawq_write_entry(hawq_writer *w, const char *x, int64_t at,
                             int axis, const char **out) {
    const char *index = NULL;
    HAWQ_TRY(hawq_write_ints(w, NULL, &at, &index));
    return hawq_write(
        w,
        &(hawq_call){.op = "Gather", HAWQ_IN(x, index), HAWQ_SET("axis", axis)},
        out);
}

/* The axes are an attribute up to operator set 12. */
hawq_status hawq_write_unsqueeze(hawq_writer *w, const char *x, int axis,
                                 const char **out) {
    int64_t    *axes;
    const char *input = NULL;
    HAWQ_TAKE(axes, &w->graph->arena, 1);
    axes[0] = axis;
    hawq_call call = {.op = "Unsqueeze", HAWQ_IN(x)};
    if (w->graph->opset < 13) {
        call.attr[0] = (hawq_attr){
            .name = "axes", .type = HAWQ_ATTR_INTS, .n = 1, .ints = axes};
        return hawq_write(w, &call, out);
    }
    HAWQ_TRY(hawq_write_ints(w, &(hawq_shape){1, {1}}, axes, &input));
    return hawq_write(w, &(hawq_call){.op = "Unsqueeze", HAWQ_IN(x, input)},
                      out);
}

hawq_status hawq_write_name(hawq_writer *w, const char *x, const char *name) {
    return hawq_write(
        w, &(hawq_call){.op = "Identity", HAWQ_IN(x), .out = name}, NULL);
}

static hawq_status join(hawq_writer *w, int n, const char *const *part,
                        int axis, const char *name, const char **out) {
    return hawq_write(w,
                      &(hawq_call){.op = "Concat",
                                   .n_in = n,
                                   .in = part,
                                   .out = name,
                                   HAWQ_SET("axis", axis)},
                      out);
}

/* Concat takes so many at a time. */
hawq_status hawq_write_joined(hawq_writer *w, int n, const char *const *part,
                              int axis, const char *name) {
    const char **group;
    int          groups = (n + MOST_JOINED - 1) / MOST_JOINED;
    if (n == 1) return hawq_write_name(w, part[0], name);
    if (groups == 1) return join(w, n, part, axis, name, NULL);
    HAWQ_TAKE(group, &w->graph->arena, (size_t)groups);
    for (int i = 0; i < groups; i++) {
        int first = i * MOST_JOINED;
        int each = n - first < MOST_JOINED ? n - first : MOST_JOINED;
        HAWQ_TRY(join(w, each, part + first, axis, NULL, &group[i]));
    }
    return hawq_write_joined(w, groups, group, axis, name);
}
