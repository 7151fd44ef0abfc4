/* pool.c -- MaxPool and AveragePool over one to three spatial axes.
 *
 * AveragePool is the mean of those elements of a window that lie in the input
 * or, with count_include_pad, in the padded input. What a last window that
 * ceil_mode added overhangs on the right is never counted.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/ops.h"
#include "src/ops/taps.h"

/* Reads the window, sets the output's shape (n, c, out...), plans the taps. */
static hawq_status plan(const hawq_node *node, hawq_arena *arena,
                        hawq_window *w, hawq_taps **out) {
    HAWQ_TRY(hawq_need_float(node, 0));
    const hawq_shape *s = &node->in[0]->shape;
    if (s->rank < 3)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "the input has %d axes, expected images, "
                              "channels and at least one spatial axis",
                              s->rank);
    HAWQ_TRY(hawq_window_read(node, s->rank - 2, s->dim + 2, NULL, w));
    hawq_shape y = *s;
    for (int a = 0; a < w->rank; a++) y.dim[2 + a] = w->out[a];
    HAWQ_TRY(hawq_set_out(node, 0, HAWQ_FLOAT, &y));
    return hawq_taps_window(node, arena, w, (size_t)hawq_shape_count(s, 0, 2),
                            out);
}

static hawq_status max_shape(hawq_node *node, hawq_arena *arena) {
    hawq_window w;
    hawq_taps  *t;
    if (node->n_out > 1 && node->out[1])
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "the output of indices ('%s') is not supported",
                              node->out[1]->name);
    HAWQ_TRY(plan(node, arena, &w, &t));
    node->param = t;
    return HAWQ_OK;
}

const hawq_op hawq_op_max_pool = {
    .name = "MaxPool",
    .attributes = "auto_pad ceil_mode dilations kernel_shape pads "
                  "storage_order strides",
    .min_in = 1,
    .max_in = 1,
    .shape = max_shape,
    .forward = hawq_taps_max_forward,
    .tangent = hawq_taps_max_tangent,
    .adjoint = hawq_taps_max_adjoint,
    .adjoint_tangent = hawq_taps_max_adjoint_tangent,
    .piecewise_linear = true,
    .moves = true};

/* Window elements of position o that lie in the padded axis. */
static int64_t padded_count(const hawq_window *w, int axis, int64_t o) {
    hawq_window padded = *w;
    int64_t     first, last;
    padded.in[axis] += w->pad_begin[axis] + w->pad_end[axis];
    padded.pad_begin[axis] = 0;
    hawq_window_range(&padded, axis, o, &first, &last);
    return last - first;
}

static hawq_status average_shape(hawq_node *node, hawq_arena *arena) {
    hawq_window w;
    hawq_taps  *t;
    bool        pads = hawq_attr_int(node, "count_include_pad", 0) != 0;
    HAWQ_TRY(plan(node, arena, &w, &t));
    double *weight = t->weight;
    for (int64_t i = 0; i < w.out[0]; i++)
        for (int64_t j = 0; j < w.out[1]; j++)
            for (int64_t k = 0; k < w.out[2]; k++, weight++)
                *weight = 1.0 / (pads ? (double)(padded_count(&w, 0, i) *
                                                 padded_count(&w, 1, j) *
                                                 padded_count(&w, 2, k))
                                      : (double)hawq_taps_count(
                                            t, (size_t)(weight - t->weight)));
    node->param = t;
    return HAWQ_OK;
}

const hawq_op hawq_op_average_pool = {
    .name = "AveragePool",
    .attributes = "auto_pad ceil_mode count_include_pad dilations kernel_shape "
                  "pads strides",
    .min_in = 1,
    .max_in = 1,
    .shape = average_shape,
    .forward = hawq_taps_sum_forward,
    .adjoint = hawq_taps_sum_adjoint};
