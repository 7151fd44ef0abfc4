/* raise.c -- see raise.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/raise.h"

#include <string.h>

/* How an operator changed in an opset. */
typedef enum change {
    AXES_INPUT,   /* attribute `axes` became input 1 */
    BOUNDS_INPUT, /* min and max became inputs 1 and 2 */
    ONE_AXIS,     /* all axes from `axis` on became `axis` alone */
    OTHER         /* not written anew */
} change;

static const struct {
    const char *op;
    int         opset;
    change      how;
} changes[] = {
    {"Clip", 11, BOUNDS_INPUT},
    {"Squeeze", 13, AXES_INPUT},
    {"Unsqueeze", 13, AXES_INPUT},
    {"ReduceSum", 13, AXES_INPUT},
    {"ReduceMean", 18, AXES_INPUT},
    {"ReduceMax", 18, AXES_INPUT},
    {"ReduceMin", 18, AXES_INPUT},
    {"ReduceProd", 18, AXES_INPUT},
    {"ReduceL1", 18, AXES_INPUT},
    {"ReduceL2", 18, AXES_INPUT},
    {"ReduceLogSum", 18, AXES_INPUT},
    {"ReduceLogSumExp", 18, AXES_INPUT},
    {"ReduceSumSquare", 18, AXES_INPUT},
    {"Softmax", 13, ONE_AXIS},
    {"LogSoftmax", 13, ONE_AXIS},
    {"Hardmax", 13, OTHER},
    {"Pad", 11, OTHER},
    {"Slice", 10, OTHER},
    {"Upsample", 10, OTHER},
    {"Resize", 11, OTHER},
    {"TopK", 10, OTHER},
    {"Split", 13, OTHER},
};
enum { CHANGES = sizeof changes / sizeof *changes };

static int attribute(const hawq_node_spec *spec, const char *name) {
    for (int i = 0; i < spec->n_attr; i++)
        if (strcmp(spec->attr[i].name, name) == 0) return i;
    return -1;
}

/* The node without attribute i. */
static hawq_status drop(hawq_node_spec *spec, int i, hawq_arena *arena) {
    hawq_attr *kept;
    HAWQ_TAKE(kept, arena, (size_t)spec->n_attr);
    memcpy(kept, spec->attr, (size_t)i * sizeof *kept);
    memcpy(kept + i, spec->attr + i + 1,
           (size_t)(spec->n_attr - i - 1) * sizeof *kept);
    spec->attr = kept;
    spec->n_attr--;
    return HAWQ_OK;
}

/* Input `at` of the node becomes a constant named after node and role. */
static hawq_status put_input(hawq_proto *m, hawq_node_spec *spec, int at,
                             const char *role, hawq_tensor *constant,
                             hawq_arena *arena) {
    const char **in;
    char        *name = hawq_arena_format(arena, "%s:%s", spec->out[0], role);
    if (!name) return HAWQ_ENOMEM;
    HAWQ_TAKE(in, arena, (size_t)at + 1);
    for (int i = 0; i < at; i++) in[i] = i < spec->n_in ? spec->in[i] : "";
    in[at] = constant->name = name;
    spec->in = in;
    spec->n_in = at + 1;
    m->constant[m->n_constants] = *constant;
    m->number[m->n_constants++] =
        constant->dtype == HAWQ_FLOAT ? HAWQ_F32 : HAWQ_I64;
    return HAWQ_OK;
}

static hawq_status raise_axes(hawq_proto *m, hawq_node_spec *spec,
                              hawq_arena *arena) {
    int at = attribute(spec, "axes");
    if (at < 0) return HAWQ_OK;
    const hawq_attr *a = &spec->attr[at];
    hawq_tensor      t = {.role = HAWQ_CONSTANT,
                          .dtype = HAWQ_INT,
                          .shape = {1, {(int64_t)a->n}},
                          .n = a->n};
    HAWQ_TAKE(t.ints, arena, a->n);
    if (a->n) memcpy(t.ints, a->ints, a->n * sizeof *t.ints);
    HAWQ_TRY(drop(spec, at, arena));
    return put_input(m, spec, 1, "axes", &t, arena);
}

static hawq_status raise_bounds(hawq_proto *m, hawq_node_spec *spec,
                                hawq_arena *arena) {
    static const char *const role[] = {"min", "max"};
    for (int i = 0; i < 2; i++) {
        int at = attribute(spec, role[i]);
        if (at < 0) continue;
        hawq_tensor t = {.role = HAWQ_CONSTANT, .dtype = HAWQ_FLOAT, .n = 1};
        HAWQ_TAKE(t.data, arena, 1);
        t.data[0] = (real)spec->attr[at].f;
        HAWQ_TRY(drop(spec, at, arena));
        HAWQ_TRY(put_input(m, spec, i + 1, role[i], &t, arena));
    }
    return HAWQ_OK;
}

/* The last axis is all axes from it on. */
static hawq_status raise_axis(hawq_node_spec *spec, int rank,
                              hawq_arena *arena) {
    int        at = attribute(spec, "axis");
    int64_t    axis = at < 0 ? 1 : spec->attr[at].i;
    hawq_attr *a;
    if (axis != -1 && axis != rank - 1)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "node '%s' (%s) of an opset below 13 takes all axes "
                         "from %lld on, which newer opsets do not: export the "
                         "network in opset 13 or newer",
                         spec->name, spec->op_type, (long long)axis);
    if (at >= 0) HAWQ_TRY(drop(spec, at, arena));
    HAWQ_TAKE(a, arena, (size_t)spec->n_attr + 1);
    if (spec->n_attr) memcpy(a, spec->attr, (size_t)spec->n_attr * sizeof *a);
    a[spec->n_attr++] =
        (hawq_attr){.name = "axis", .type = HAWQ_ATTR_INT, .i = -1};
    spec->attr = a;
    return HAWQ_OK;
}

static hawq_status raise_node(hawq_proto *m, hawq_node_spec *spec, change how,
                              int rank, hawq_arena *arena) {
    switch (how) {
    case AXES_INPUT:
        return raise_axes(m, spec, arena);
    case BOUNDS_INPUT:
        return raise_bounds(m, spec, arena);
    case ONE_AXIS:
        return raise_axis(spec, rank, arena);
    default:
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "node '%s' (%s) is written as before opset %d and "
                         "cannot be written anew: export the network in opset "
                         "13 or newer",
                         spec->name, spec->op_type, m->opset + 1);
    }
}

hawq_status hawq_proto_raise(hawq_proto *m, int opset, const int *rank_of,
                             hawq_arena *arena) {
    for (size_t i = 0; i < m->n_nodes; i++)
        for (int k = 0; k < CHANGES; k++)
            if (m->opset < changes[k].opset && changes[k].opset <= opset &&
                strcmp(m->node[i].spec.op_type, changes[k].op) == 0)
                HAWQ_TRY(raise_node(m, &m->node[i].spec, changes[k].how,
                                    rank_of[i], arena));
    if (opset > m->opset) m->opset = opset;
    return HAWQ_OK;
}
