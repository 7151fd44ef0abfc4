/* slice.c -- Slice: x[start:end:step] on some axes, as in Python. Starts, ends
 * and axes are attributes up to operator set 9, constant inputs from 10 on.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/move.h"
#include "src/ops/ops.h"

typedef struct list {
    const int64_t *ints;
    size_t         n;
} list;

static int64_t clamp(int64_t x, int64_t low, int64_t high) {
    return x < low ? low : x > high ? high : x;
}

/* Python's rule: negative positions count from the end, then all are clamped
 * to where a walk in the direction of the step can begin and end. */
static hawq_status cut(hawq_arena *arena, int64_t dim, int64_t start,
                       int64_t end, int64_t step, int64_t stride,
                       hawq_route *out) {
    step = clamp(step, -INT32_MAX, INT32_MAX);
    if (start < 0) start += dim;
    if (end < 0) end += dim;
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? dim - 1 : dim;
    start = clamp(start, low, high);
    end = clamp(end, low, high);
    int64_t length = step < 0 ? start - end : end - start;
    int64_t size = step < 0 ? -step : step;
    int64_t n = length > 0 ? (length + size - 1) / size : 0;
    return hawq_route_stride(arena, n, start * stride, step * stride, out);
}

static hawq_status read_lists(const hawq_node *node, list *starts, list *ends,
                              list *axes, list *steps) {
    bool used[HAWQ_MAX_RANK];
    HAWQ_TRY(hawq_read_ints(node, "starts", 1, &starts->ints, &starts->n));
    HAWQ_TRY(hawq_read_ints(node, "ends", 2, &ends->ints, &ends->n));
    HAWQ_TRY(hawq_read_ints(node, "axes", 3, &axes->ints, &axes->n));
    HAWQ_TRY(hawq_read_ints(node, NULL, 4, &steps->ints, &steps->n));
    size_t n = starts->n;
    if (!starts->ints || !ends->ints || ends->n != n ||
        (axes->ints && axes->n != n) || (steps->ints && steps->n != n) ||
        n > (size_t)node->in[0]->shape.rank)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "%zu starts, %zu ends, %zu axes and %zu steps "
                              "for an input of rank %d",
                              n, ends->n, axes->n, steps->n,
                              node->in[0]->shape.rank);
    return hawq_read_axes(node, axes->ints, axes->n, node->in[0]->shape.rank,
                          used);
}

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    list       starts, ends, axes, steps;
    hawq_route axis[HAWQ_MAX_RANK];
    HAWQ_TRY(hawq_need_value(node, 0));
    const hawq_shape *s = &node->in[0]->shape;
    HAWQ_TRY(read_lists(node, &starts, &ends, &axes, &steps));
    for (int a = 0; a < s->rank; a++)
        HAWQ_TRY(hawq_route_stride(arena, s->dim[a], 0,
                                   hawq_shape_count(s, a + 1, s->rank),
                                   &axis[a]));
    for (size_t i = 0; i < starts.n; i++) {
        int     a = axes.ints ? hawq_axis(axes.ints[i], s->rank) : (int)i;
        int64_t step = steps.ints ? steps.ints[i] : 1;
        if (step == 0) return hawq_node_fail(node, HAWQ_EFORMAT, "a step is 0");
        HAWQ_TRY(cut(arena, s->dim[a], starts.ints[i], ends.ints[i], step,
                     hawq_shape_count(s, a + 1, s->rank), &axis[a]));
    }
    hawq_shape out = {.rank = s->rank};
    for (int a = 0; a < s->rank; a++) out.dim[a] = axis[a].n;
    HAWQ_TRY(hawq_set_out(node, 0, node->in[0]->dtype, &out));
    return hawq_move_set(node, arena, out.rank, axis);
}

const hawq_op hawq_op_slice = {.name = "Slice",
                               .attributes = "axes starts ends",
                               .min_in = 1,
                               .max_in = 5,
                               .shape = shape,
                               .fold = hawq_move_fold,
                               .forward = hawq_move_forward,
                               .adjoint = hawq_move_adjoint,
                               .moves = true};
