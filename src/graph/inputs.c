/* inputs.c -- what a network is fed, and where it goes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/hash.h"
#include "src/graph/passes.h"

#include <string.h>

static hawq_status append(hawq_graph *g, const hawq_input *input) {
    hawq_input *all;
    HAWQ_TAKE(all, &g->arena, (size_t)g->n_inputs + 1);
    if (g->n_inputs) memcpy(all, g->inputs, (size_t)g->n_inputs * sizeof *all);
    all[g->n_inputs] = *input;
    g->inputs = all;
    g->n_inputs++;
    g->n_row += input->n;
    return HAWQ_OK;
}

static hawq_status check_axis(const hawq_graph *g, const char *name,
                              const hawq_shape *shape, int axis) {
    char text[128];
    if (axis < 0 || axis >= shape->rank || shape->dim[axis] < 1)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "input '%s' of shape %s: expected a batch dimension",
                         name, hawq_shape_text(shape, text));
    if (g->input && shape->dim[axis] != g->batch)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "input '%s' has %lld images along dimension %d, "
                         "expected %d, as input '%s' has",
                         name, (long long)shape->dim[axis], axis, g->batch,
                         g->input->name);
    return HAWQ_OK;
}

hawq_status hawq_graph_add_input(hawq_graph *g, const char *name,
                                 const hawq_shape *shape, int axis,
                                 bool whole) {
    hawq_tensor *t;
    HAWQ_TRY(check_axis(g, name, shape, axis));
    HAWQ_TRY(hawq_tensor_new(g, name, HAWQ_INPUT, &t));
    t->shape = *shape;
    t->whole = whole;
    HAWQ_TRY(hawq_tensor_count(t));
    if (!g->input) {
        g->input = t;
        g->batch = (int)shape->dim[axis];
    }
    t->shape.dim[axis] = 0;
    hawq_digest_constant(&g->digest, t); /* without the number of images */
    t->shape.dim[axis] = g->batch;
    const hawq_input input = {.tensor = t,
                              .axis = axis,
                              .n = hawq_per_image(g, t),
                              .start = g->n_row};
    return append(g, &input);
}

hawq_status hawq_graph_input(hawq_graph *g, const char *name,
                             const hawq_shape *shape) {
    return hawq_graph_add_input(g, name, shape, 0, false);
}

hawq_status hawq_graph_fix_input(hawq_graph *g, const char *name,
                                 hawq_dtype dtype, const hawq_shape *shape,
                                 int axis, int batch, const void *data) {
    hawq_shape  all = *shape;
    hawq_digest before = g->digest;
    HAWQ_TRY(hawq_graph_constant(g, name, dtype, shape, data));
    if (axis < 0 || batch == 1) return HAWQ_OK;
    hawq_digest one = g->digest; /* without the number of images */
    all.dim[axis] = batch;
    size_t outer = (size_t)hawq_shape_count(shape, 0, axis);
    size_t inner = (size_t)hawq_shape_count(shape, axis + 1, shape->rank);
    size_t bytes = inner * (dtype == HAWQ_INT ? sizeof(int64_t) : sizeof(real));
    uint8_t *spread;
    HAWQ_TAKE(spread, &g->arena, outer * (size_t)batch * bytes);
    for (size_t i = 0; i < outer * (size_t)batch; i++)
        memcpy(spread + i * bytes,
               (const uint8_t *)data + i / (size_t)batch * bytes, bytes);
    g->digest = before;
    HAWQ_TRY(hawq_graph_constant(g, name, dtype, &all, spread));
    g->digest = one;
    return HAWQ_OK;
}

void hawq_graph_feed(const hawq_graph *g, size_t i, const real *row,
                     real *const *val) {
    for (int k = 0; k < g->n_inputs; k++) {
        const hawq_input *in = &g->inputs[k];
        const hawq_shape *s = &in->tensor->shape;
        size_t outer = (size_t)hawq_shape_count(s, 0, in->axis), images;
        size_t inner = (size_t)hawq_shape_count(s, in->axis + 1, s->rank);
        images = (size_t)s->dim[in->axis];
        for (size_t o = 0; o < outer; o++) {
            real *to = val[in->tensor->id] + (o * images + i) * inner;
            if (row)
                memcpy(to, row + in->start + o * inner, inner * sizeof *to);
            else
                memset(to, 0, inner * sizeof *to);
        }
    }
}

/* What only gives its input's values another shape. */
static const hawq_tensor *reshaped(const hawq_tensor *t) {
    while (t->producer &&
           (hawq_is(t->producer, "Reshape") ||
            hawq_is(t->producer, "Unsqueeze") ||
            hawq_is(t->producer, "Squeeze") ||
            hawq_is(t->producer, "Flatten") || hawq_is(t->producer, "Cast")))
        t = t->producer->in[0];
    return t;
}

int64_t hawq_graph_input_limit(const hawq_graph *g, int k) {
    int64_t least = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const hawq_node *node = g->node[i];
        if (!hawq_is(node, "Gather") || node->in[1]->role == HAWQ_CONSTANT ||
            reshaped(node->in[1]) != g->inputs[k].tensor)
            continue;
        const hawq_shape *s = &node->in[0]->shape;
        int axis = hawq_axis(hawq_attr_int(node, "axis", 0), s->rank);
        if (least == 0 || s->dim[axis] < least) least = s->dim[axis];
    }
    return least;
}
