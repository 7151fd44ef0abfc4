/* pad.c -- Pad: elements added (or, with negative pads, taken away) at both
 * ends of axes: a constant, the mirror image without the border element
 * (reflect), the border element (edge), or the other end (wrap). Pads are an
 * attribute up to operator set 10, a constant input from 11 on; from 18 on
 * they may name their axes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/move.h"
#include "src/ops/ops.h"

#include <string.h>

typedef enum mode { CONSTANT, REFLECT, EDGE, WRAP } mode;

static hawq_status read_mode(const hawq_node *node, mode *out) {
    static const char *const names[] = {"constant", "reflect", "edge", "wrap"};
    const char              *given = hawq_attr_string(node, "mode", "constant");
    for (int i = 0; i < 4; i++)
        if (strcmp(given, names[i]) == 0) {
            *out = (mode)i;
            return HAWQ_OK;
        }
    return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                          "mode '%s'; constant, reflect, edge and wrap are "
                          "supported",
                          given);
}

/* Where position i, counted from the first input element, comes from; -1: the
 * constant. */
static int64_t source(mode m, int64_t i, int64_t dim) {
    int64_t period = m == REFLECT ? (dim > 1 ? 2 * dim - 2 : 1) : dim;
    if (i >= 0 && i < dim) return i;
    if (m == CONSTANT) return -1;
    if (m == EDGE) return i < 0 ? 0 : dim - 1;
    i = (i % period + period) % period;
    return i < dim ? i : period - i; /* only a reflection goes past dim */
}

/* begin and end of every axis; zero where not named. */
static hawq_status read_pads(const hawq_node *node,
                             int64_t          begin[HAWQ_MAX_RANK],
                             int64_t          end[HAWQ_MAX_RANK]) {
    const int64_t *pads, *axes;
    size_t         n, n_axes;
    bool           used[HAWQ_MAX_RANK];
    int            rank = node->in[0]->shape.rank;
    HAWQ_TRY(hawq_read_ints(node, "pads", 1, &pads, &n));
    HAWQ_TRY(hawq_read_ints(node, NULL, 3, &axes, &n_axes));
    HAWQ_TRY(hawq_read_axes(node, axes, n_axes, rank, used));
    if (!axes) n_axes = (size_t)rank;
    if (!pads || n != 2 * n_axes)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "%zu pads for %zu axes, expected two for each", n,
                              n_axes);
    for (size_t i = 0; i < n_axes; i++) {
        int a = axes ? hawq_axis(axes[i], rank) : (int)i;
        begin[a] = pads[i];
        end[a] = pads[n_axes + i];
        if (begin[a] < -INT32_MAX || begin[a] > INT32_MAX ||
            end[a] < -INT32_MAX || end[a] > INT32_MAX)
            return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                                  "the pads of axis %d are too large", a);
    }
    return HAWQ_OK;
}

static hawq_status read_value(const hawq_node *node, double *out) {
    const hawq_tensor *t = hawq_in(node, 2);
    *out = hawq_attr_float(node, "value", 0);
    if (!t) return HAWQ_OK;
    if (t->role != HAWQ_CONSTANT || t->n != 1)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "the fill '%s' is not a constant scalar",
                              t->name);
    *out = t->data ? (double)t->data[0] : (double)t->ints[0];
    return HAWQ_OK;
}

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    int64_t    begin[HAWQ_MAX_RANK] = {0}, end[HAWQ_MAX_RANK] = {0};
    hawq_route axis[HAWQ_MAX_RANK];
    hawq_move *move;
    mode       m = CONSTANT;
    double     value;
    HAWQ_TRY(hawq_need_value(node, 0));
    const hawq_shape *s = &node->in[0]->shape;
    HAWQ_TRY(read_mode(node, &m));
    HAWQ_TRY(read_pads(node, begin, end));
    HAWQ_TRY(read_value(node, &value));
    hawq_shape out = {.rank = s->rank};
    for (int a = 0; a < s->rank; a++) {
        out.dim[a] = begin[a] + s->dim[a] + end[a];
        if (m != CONSTANT && s->dim[a] == 0 && out.dim[a] > 0)
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "axis %d is empty: it has nothing to repeat",
                                  a);
    }
    HAWQ_TRY(hawq_set_out(node, 0, node->in[0]->dtype, &out));
    for (int a = 0; a < s->rank; a++) {
        int64_t *from, stride = hawq_shape_count(s, a + 1, s->rank);
        HAWQ_TAKE(from, arena, (size_t)out.dim[a]);
        for (int64_t i = 0; i < out.dim[a]; i++) {
            int64_t at = source(m, i - begin[a], s->dim[a]);
            from[i] = at < 0 ? -1 : at * stride;
        }
        axis[a] = (hawq_route){out.dim[a], from};
    }
    HAWQ_TAKE(move, arena, 1);
    node->param = move;
    return hawq_move_plan(arena, node->in[0]->n, s->rank, axis, value, move);
}

/* The fill is a constant, so the tangent is the move without it. */
const hawq_op hawq_op_pad = {.name = "Pad",
                             .attributes = "mode pads value",
                             .min_in = 1,
                             .max_in = 4,
                             .shape = shape,
                             .fold = hawq_move_fold,
                             .forward = hawq_move_forward,
                             .tangent = hawq_move_tangent,
                             .adjoint = hawq_move_adjoint,
                             .adjoint_tangent = hawq_move_adjoint_tangent,
                             .moves = true};
