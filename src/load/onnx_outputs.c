/* onnx_outputs.c -- see onnx_outputs.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/onnx_outputs.h"

#include <string.h>

hawq_status hawq_onnx_choose_outputs(const hawq_proto *m, const hawq_feeds *f,
                                     hawq_arena        *arena,
                                     hawq_onnx_outputs *out) {
    const char **name;
    if (f->n_outputs > 0) {
        *out = (hawq_onnx_outputs){f->n_outputs, f->output, f->output[0], true};
        if (f->n_outputs > 1) out->joined = HAWQ_JOINED;
        return HAWQ_OK;
    }
    if (m->n_outputs == 0)
        return hawq_fail(HAWQ_EFORMAT, "the graph has no output");
    HAWQ_TAKE(name, arena, 1);
    *name = m->output[0].name;
    for (size_t i = m->n_outputs; i-- > 0;)
        if (m->output[i].is_float) *name = m->output[i].name;
    *out = (hawq_onnx_outputs){1, name, *name, false};
    return HAWQ_OK;
}

/* T rows of C numbers; rows 0: not of that form. */
static void read_rows(const hawq_shape *s, int64_t *rows, int64_t *classes) {
    bool fits = s->rank == 2 || s->rank == 3;
    *rows = !fits ? 0 : s->rank == 2 ? 1 : s->dim[1];
    *classes = fits ? s->dim[s->rank - 1] : 0;
}

static hawq_status find(const hawq_graph *g, const char *name,
                        hawq_tensor **out) {
    char text[128];
    *out = hawq_graph_find(g, name);
    if (!*out || (*out)->role != HAWQ_ACTIVATION)
        return hawq_fail(HAWQ_EFORMAT,
                         "output '%s' is not computed from the network's input",
                         name);
    if ((*out)->shape.rank > 0 && (*out)->shape.dim[0] == g->batch)
        return HAWQ_OK;
    return hawq_fail(HAWQ_EUNSUPPORTED,
                     "output '%s' has shape %s for a batch of %d, expected the "
                     "batch as its first dimension",
                     name, hawq_shape_text(&(*out)->shape, text), g->batch);
}

/* Reshape of `from` to N x rows x classes, or N x all if rows is 0. */
static hawq_status add_part(hawq_graph *g, const char *from, size_t k,
                            int64_t rows, int64_t classes, const char **out) {
    const int64_t    to[3] = {0, rows ? rows : -1, classes};
    const hawq_shape shape = {1, {rows ? 3 : 2}};
    const char      *target =
        hawq_arena_format(&g->arena, "%s.shape_%zu", HAWQ_JOINED, k);
    *out = hawq_arena_format(&g->arena, "%s_%zu", HAWQ_JOINED, k);
    if (!target || !*out) return HAWQ_ENOMEM;
    HAWQ_TRY(hawq_graph_constant(g, target, HAWQ_INT, &shape, to));
    return hawq_graph_add(
        g, &(hawq_node_spec){.op_type = "Reshape",
                             .name = *out,
                             .n_in = 2,
                             .n_out = 1,
                             .in = (const char *const[]){from, target},
                             .out = (const char *const[]){*out}});
}

hawq_status hawq_onnx_join_outputs(const hawq_onnx_outputs *all,
                                   hawq_graph              *g) {
    static const hawq_attr axis = {
        .name = "axis", .type = HAWQ_ATTR_INT, .i = 1};
    int64_t      common = 0, rows, classes;
    bool         alike = true;
    const char **part;
    hawq_tensor *t = NULL;
    if (all->n == 1) return HAWQ_OK;
    HAWQ_TAKE(part, &g->arena, all->n);
    for (size_t k = 0; k < all->n; k++) {
        HAWQ_TRY(find(g, all->name[k], &t));
        read_rows(&t->shape, &rows, &classes);
        if (k == 0) common = classes;
        alike &= rows > 0 && classes == common && classes > 1;
    }
    for (size_t k = 0; k < all->n; k++) {
        HAWQ_TRY(find(g, all->name[k], &t));
        read_rows(&t->shape, &rows, &classes);
        HAWQ_TRY(
            add_part(g, all->name[k], k, alike ? rows : 0, classes, &part[k]));
    }
    if (!alike) g->class_axis = HAWQ_NO_CLASSES;
    return hawq_graph_add(
        g, &(hawq_node_spec){.op_type = "Concat",
                             .name = HAWQ_JOINED,
                             .n_in = (int)all->n,
                             .n_out = 1,
                             .in = part,
                             .out = (const char *const[]){HAWQ_JOINED},
                             .n_attr = 1,
                             .attr = &axis});
}
