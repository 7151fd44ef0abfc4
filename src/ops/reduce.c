/* reduce.c -- ReduceMean, ReduceSum, ReduceMax over any axes, and the global
 * pools, which reduce all spatial axes. Axes are an attribute in old operator
 * sets (ReduceSum up to 12, the others up to 17), then a constant input. The
 * reductions that are not linear or a maximum are in reduce_power.c.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/reduce.h"

#include "src/ops/ops.h"

static hawq_status reduce(hawq_node *node, hawq_arena *arena,
                          const bool *reduced, bool keep, bool mean) {
    hawq_taps        *t;
    const hawq_shape *s = &node->in[0]->shape;
    hawq_shape        out = {0};
    for (int a = 0; a < s->rank; a++)
        if (keep || !reduced[a])
            out.dim[out.rank++] = reduced[a] ? 1 : s->dim[a];
    HAWQ_TRY(hawq_set_out(node, 0, node->in[0]->dtype, &out));
    HAWQ_TRY(hawq_taps_axes(node, arena, s, reduced, &t));
    for (size_t o = 0; mean && o < t->n_out; o++)
        t->weight[o] = 1.0 / (double)hawq_taps_count(t, o);
    node->param = t;
    return HAWQ_OK;
}

hawq_status hawq_reduce_axes(hawq_node *node, hawq_arena *arena, bool mean) {
    const int64_t *axes;
    size_t         n;
    bool           reduced[HAWQ_MAX_RANK];
    HAWQ_TRY(hawq_need_value(node, 0));
    int rank = node->in[0]->shape.rank;
    HAWQ_TRY(hawq_read_ints(node, "axes", 1, &axes, &n));
    HAWQ_TRY(hawq_read_axes(node, axes, n, rank, reduced));
    bool none = hawq_attr_int(node, "noop_with_empty_axes", 0) != 0;
    for (int a = 0; n == 0 && a < rank; a++) reduced[a] = !none;
    return reduce(node, arena, reduced, hawq_attr_int(node, "keepdims", 1) != 0,
                  mean);
}

static hawq_status mean_shape(hawq_node *node, hawq_arena *arena) {
    HAWQ_TRY(hawq_need_float(node, 0));
    return hawq_reduce_axes(node, arena, true);
}

static hawq_status plain_shape(hawq_node *node, hawq_arena *arena) {
    return hawq_reduce_axes(node, arena, false);
}

hawq_status hawq_reduce_fold(hawq_node *node, hawq_arena *arena,
                             int64_t combine(int64_t, int64_t)) {
    const hawq_taps *t = node->param;
    const int64_t   *x = node->in[0]->ints;
    int64_t         *y;
    HAWQ_TAKE(y, arena, node->out[0]->n);
    node->out[0]->ints = y;
    for (size_t q = 0; q < t->planes; q++, x += t->n_in, y += t->n_out)
        for (size_t o = 0; o < t->n_out; o++) {
            y[o] = x[t->tap[t->start[o]]];
            for (int32_t i = t->start[o] + 1; i < t->start[o + 1]; i++)
                y[o] = combine(y[o], x[t->tap[i]]);
        }
    return HAWQ_OK;
}

static int64_t sum(int64_t a, int64_t b) { /* in two's complement */
    return (int64_t)((uint64_t)a + (uint64_t)b);
}
static hawq_status sum_fold(hawq_node *node, hawq_arena *arena) {
    return hawq_reduce_fold(node, arena, sum);
}

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}
static hawq_status max_fold(hawq_node *node, hawq_arena *arena) {
    return hawq_reduce_fold(node, arena, larger);
}

const hawq_op hawq_op_reduce_mean = {.name = "ReduceMean",
                                     .attributes = HAWQ_REDUCE_ATTRIBUTES,
                                     .min_in = 1,
                                     .max_in = 2,
                                     .shape = mean_shape,
                                     .forward = hawq_taps_sum_forward,
                                     .adjoint = hawq_taps_sum_adjoint};

const hawq_op hawq_op_reduce_sum = {.name = "ReduceSum",
                                    .attributes = HAWQ_REDUCE_ATTRIBUTES,
                                    .min_in = 1,
                                    .max_in = 2,
                                    .shape = plain_shape,
                                    .fold = sum_fold,
                                    .forward = hawq_taps_sum_forward,
                                    .adjoint = hawq_taps_sum_adjoint};

const hawq_op hawq_op_reduce_max = {.name = "ReduceMax",
                                    .attributes = HAWQ_REDUCE_ATTRIBUTES,
                                    .min_in = 1,
                                    .max_in = 2,
                                    .shape = plain_shape,
                                    .fold = max_fold,
                                    .forward = hawq_taps_max_forward,
                                    .tangent = hawq_taps_max_tangent,
                                    .adjoint = hawq_taps_max_adjoint,
                                    .adjoint_tangent =
                                        hawq_taps_max_adjoint_tangent};

/* --- global pools ------------------------------------------------------ */

static hawq_status global(hawq_node *node, hawq_arena *arena, bool mean) {
    static const bool spatial[HAWQ_MAX_RANK] = {false, false, true, true,
                                                true,  true,  true, true};
    HAWQ_TRY(hawq_need_float(node, 0));
    if (node->in[0]->shape.rank < 3)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "the input has %d axes, expected images, "
                              "channels and at least one spatial axis",
                              node->in[0]->shape.rank);
    return reduce(node, arena, spatial, true, mean);
}

static hawq_status global_average_shape(hawq_node *node, hawq_arena *arena) {
    return global(node, arena, true);
}

static hawq_status global_max_shape(hawq_node *node, hawq_arena *arena) {
    return global(node, arena, false);
}

const hawq_op hawq_op_global_average_pool = {.name = "GlobalAveragePool",
                                             .attributes = "",
                                             .min_in = 1,
                                             .max_in = 1,
                                             .shape = global_average_shape,
                                             .forward = hawq_taps_sum_forward,
                                             .adjoint = hawq_taps_sum_adjoint};

const hawq_op hawq_op_global_max_pool = {.name = "GlobalMaxPool",
                                         .attributes = "",
                                         .min_in = 1,
                                         .max_in = 1,
                                         .shape = global_max_shape,
                                         .forward = hawq_taps_max_forward,
                                         .tangent = hawq_taps_max_tangent,
                                         .adjoint = hawq_taps_max_adjoint,
                                         .adjoint_tangent =
                                             hawq_taps_max_adjoint_tangent,
                                         .moves = true};
