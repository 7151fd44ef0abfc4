/* gather.c -- Gather: the slices of `axis` that an index tensor names, a
 * constant, or computed (the tokens of an embedding): then
 *     forward   y[a, i, :] = x[a, index[i], :]
 *     adjoint   bar x[a, index[i], :] += bar y[a, i, :]
 * and the index, an integer, has no derivative. One out of range reads the
 * nearest slice: nothing can fail in a sweep, and who feeds the network checks
 * what he feeds (hawq_graph_input_limit).
 * GatherElements: y[..., i, ...] = x[..., index[..., i, ...], ...]; GatherND:
 * the last axis of the index is a position on leading axes of x.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/move.h"
#include "src/ops/ops.h"

#include <string.h>

static hawq_status index_route(const hawq_node *node, hawq_arena *arena,
                               int64_t dim, int64_t stride, hawq_route *out) {
    const hawq_tensor *index = node->in[1];
    int64_t           *from;
    HAWQ_TAKE(from, arena, index->n);
    for (size_t i = 0; i < index->n; i++) {
        int64_t at = index->ints[i];
        if (at < -dim || at >= dim)
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "index %lld is out of range for length %lld",
                                  (long long)at, (long long)dim);
        from[i] = (at < 0 ? at + dim : at) * stride;
    }
    *out = (hawq_route){(int64_t)index->n, from};
    return HAWQ_OK;
}

static hawq_status computed_shape(hawq_node *node, hawq_arena *arena, int axis,
                                  const hawq_shape *out);

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    const int64_t *index;
    size_t         n;
    hawq_route     route[3]; /* before the axis, the indices, after it */
    HAWQ_TRY(hawq_need_value(node, 0));
    HAWQ_TRY(hawq_need_value(node, 1));
    bool computed = node->in[1]->role != HAWQ_CONSTANT;
    if (!computed) HAWQ_TRY(hawq_read_ints(node, NULL, 1, &index, &n));
    const hawq_shape *s = &node->in[0]->shape, *q = &node->in[1]->shape;
    int64_t           given = hawq_attr_int(node, "axis", 0);
    int               axis = hawq_axis(given, s->rank);
    if (axis < 0)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "axis %lld is out of range for rank %d",
                              (long long)given, s->rank);
    hawq_shape out = {.rank = s->rank - 1 + q->rank};
    if (out.rank > HAWQ_MAX_RANK)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "the output has %d axes; up to %d are supported",
                              out.rank, HAWQ_MAX_RANK);
    for (int a = 0, o = 0; a < s->rank; a++)
        if (a == axis)
            for (int b = 0; b < q->rank; b++) out.dim[o++] = q->dim[b];
        else
            out.dim[o++] = s->dim[a];
    if (computed) return computed_shape(node, arena, axis, &out);
    HAWQ_TRY(hawq_set_out(node, 0, node->in[0]->dtype, &out));
    node->out[0]->whole = node->in[0]->whole;
    int64_t inner = hawq_shape_count(s, axis + 1, s->rank);
    HAWQ_TRY(hawq_route_stride(arena, hawq_shape_count(s, 0, axis), 0,
                               inner * s->dim[axis], &route[0]));
    HAWQ_TRY(index_route(node, arena, s->dim[axis], inner, &route[1]));
    HAWQ_TRY(hawq_route_stride(arena, inner, 0, 1, &route[2]));
    return hawq_move_set(node, arena, 3, route);
}

const hawq_op hawq_op_gather = {.name = "Gather",
                                .attributes = "axis",
                                .min_in = 2,
                                .max_in = 2,
                                .shape = shape,
                                .fold = hawq_move_fold,
                                .forward = hawq_move_forward,
                                .adjoint = hawq_move_adjoint,
                                .retypes = true,
                                .moves = true};

/* --- Gather by computed indices ------------------------------------------ */

/* param: x is outer x n slices of `block` elements; `count` indices. */
typedef struct lookup {
    size_t outer, n, block, count;
} lookup;

static const hawq_op computed_gather;

static hawq_status computed_shape(hawq_node *node, hawq_arena *arena, int axis,
                                  const hawq_shape *out) {
    const hawq_tensor *x = node->in[0], *index = node->in[1];
    lookup            *t;
    if (!index->whole)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "the index '%s' holds floating point, expected "
                              "integers",
                              index->name);
    if (x->shape.dim[axis] < 1)
        return hawq_node_fail(node, HAWQ_EFORMAT, "there is nothing to read");
    HAWQ_TRY(hawq_take_reals(node, arena, 0));
    HAWQ_TRY(hawq_set_out(node, 0, HAWQ_FLOAT, out));
    node->out[0]->whole = hawq_is_integer(x);
    HAWQ_TAKE(t, arena, 1);
    *t = (lookup){(size_t)hawq_shape_count(&x->shape, 0, axis),
                  (size_t)x->shape.dim[axis],
                  (size_t)hawq_shape_count(&x->shape, axis + 1, x->shape.rank),
                  index->n};
    node->param = t;
    node->op = &computed_gather;
    return HAWQ_OK;
}

/* Where slice `at` begins in its part of x. */
static size_t slice(const lookup *t, real at) {
    double i = at < 0 ? (double)at + (double)t->n : (double)at;
    double last = (double)(t->n - 1);
    i = i > 0 ? i : 0;
    return (size_t)(i < last ? i : last) * t->block;
}

/* y from x, overwritten; x NULL: zero. */
static void look_up(const lookup *t, const real *index, const real *x,
                    real *y) {
    for (size_t a = 0; a < t->outer; a++)
        for (size_t i = 0; i < t->count; i++, y += t->block)
            if (x)
                memcpy(y, x + a * t->n * t->block + slice(t, index[i]),
                       t->block * sizeof *y);
            else
                memset(y, 0, t->block * sizeof *y);
}

static void add_back(const lookup *t, const real *index, const real *by,
                     real *bx) {
    for (size_t a = 0; a < t->outer; a++)
        for (size_t i = 0; i < t->count; i++, by += t->block) {
            real *to = bx + a * t->n * t->block + slice(t, index[i]);
            for (size_t b = 0; b < t->block; b++) to[b] += by[b];
        }
}

static void computed_forward(const hawq_node *node, const hawq_planes *p) {
    look_up(node->param, hawq_val(p, node->in[1]), hawq_val(p, node->in[0]),
            hawq_val(p, node->out[0]));
}

static void computed_tangent(const hawq_node *node, const hawq_planes *p) {
    for (int l = 0; l < p->lanes; l++) {
        real *dy = hawq_dot(p, l, node->out[0]);
        if (dy)
            look_up(node->param, hawq_val(p, node->in[1]),
                    hawq_dot(p, l, node->in[0]), dy);
    }
}

static void computed_adjoint(const hawq_node *node, const hawq_planes *p) {
    const real *by = hawq_bar(p, node->out[0]);
    real       *bx = hawq_bar(p, node->in[0]);
    if (by && bx) add_back(node->param, hawq_val(p, node->in[1]), by, bx);
}

static void computed_adjoint_tangent(const hawq_node   *node,
                                     const hawq_planes *p) {
    for (int l = 0; l < p->lanes; l++) {
        const real *by = hawq_bardot(p, l, node->out[0]);
        real       *bx = hawq_bardot(p, l, node->in[0]);
        if (by && bx) add_back(node->param, hawq_val(p, node->in[1]), by, bx);
    }
}

static const hawq_op computed_gather = {
    .name = "Gather",
    .attributes = "axis",
    .min_in = 2,
    .max_in = 2,
    .shape = shape,
    .forward = computed_forward,
    .tangent = computed_tangent,
    .adjoint = computed_adjoint,
    .adjoint_tangent = computed_adjoint_tangent,
    .retypes = true,
    .piecewise_linear = true,
};

/* Offset into x of element i of the index: its own position, but for `axis`
 * where it is `at`. */
static size_t element_offset(const hawq_shape *x, const hawq_shape *index,
                             int axis, size_t i, int64_t at) {
    size_t offset = 0, stride = 1;
    for (int a = x->rank; a-- > 0;) {
        size_t own = i % (size_t)index->dim[a];
        offset += (a == axis ? (size_t)at : own) * stride;
        i /= (size_t)index->dim[a];
        stride *= (size_t)x->dim[a];
    }
    return offset;
}

static hawq_status elements_shape(hawq_node *node, hawq_arena *arena) {
    const int64_t *index;
    size_t         n;
    hawq_move     *move;
    int32_t       *map;
    HAWQ_TRY(hawq_need_value(node, 0));
    HAWQ_TRY(hawq_read_ints(node, NULL, 1, &index, &n));
    const hawq_shape *s = &node->in[0]->shape, *q = &node->in[1]->shape;
    int               axis = hawq_axis(hawq_attr_int(node, "axis", 0), s->rank);
    bool              fits = axis >= 0 && s->rank == q->rank;
    for (int a = 0; fits && a < s->rank; a++)
        fits = a == axis || q->dim[a] <= s->dim[a];
    if (!fits)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "the index of rank %d does not fit the input of "
                              "rank %d along axis %lld",
                              q->rank, s->rank,
                              (long long)hawq_attr_int(node, "axis", 0));
    HAWQ_TRY(hawq_set_out(node, 0, node->in[0]->dtype, q));
    HAWQ_TAKE(move, arena, 1);
    HAWQ_TAKE(map, arena, n);
    for (size_t i = 0; i < n; i++) {
        int64_t at = index[i] < 0 ? index[i] + s->dim[axis] : index[i];
        if (at < 0 || at >= s->dim[axis])
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "index %lld is out of range for length %lld",
                                  (long long)index[i], (long long)s->dim[axis]);
        map[i] = (int32_t)element_offset(s, q, axis, i, at);
    }
    *move = (hawq_move){.copies = 1,
                        .n_in = node->in[0]->n,
                        .n_map = n,
                        .block = 1,
                        .map = map};
    node->param = move;
    return HAWQ_OK;
}

const hawq_op hawq_op_gather_elements = {.name = "GatherElements",
                                         .attributes = "axis",
                                         .min_in = 2,
                                         .max_in = 2,
                                         .shape = elements_shape,
                                         .fold = hawq_move_fold,
                                         .forward = hawq_move_forward,
                                         .adjoint = hawq_move_adjoint,
                                         .moves = true};

/* --- GatherND ------------------------------------------------------------ */

/* How many leading axes x and index share, and how many an index covers. */
static hawq_status read_depth(const hawq_node *node, int *batch, int *depth) {
    const hawq_shape *s = &node->in[0]->shape, *q = &node->in[1]->shape;
    int64_t           b = hawq_attr_int(node, "batch_dims", 0);
    int64_t           k = q->rank > 0 ? q->dim[q->rank - 1] : 0;
    bool              fits = b >= 0 && b < q->rank && b < s->rank && k >= 1 &&
                k <= s->rank - b &&
                q->rank - 1 + s->rank - b - k <= HAWQ_MAX_RANK;
    for (int a = 0; fits && a < b; a++) fits = q->dim[a] == s->dim[a];
    if (!fits)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "an index of %lld positions does not fit an "
                              "input of rank %d with batch_dims %lld",
                              (long long)k, s->rank, (long long)b);
    *batch = (int)b;
    *depth = (int)k;
    return HAWQ_OK;
}

static hawq_status nd_shape(hawq_node *node, hawq_arena *arena) {
    const int64_t *index;
    size_t         n;
    int            batch = 0, depth = 1;
    hawq_move     *move;
    int32_t       *map;
    HAWQ_TRY(hawq_need_value(node, 0));
    HAWQ_TRY(hawq_read_ints(node, NULL, 1, &index, &n));
    HAWQ_TRY(read_depth(node, &batch, &depth));
    const hawq_shape *s = &node->in[0]->shape, *q = &node->in[1]->shape;
    hawq_shape        out = *q;
    out.rank = q->rank - 1;
    for (int a = batch + depth; a < s->rank; a++)
        out.dim[out.rank++] = s->dim[a];
    HAWQ_TRY(hawq_set_out(node, 0, node->in[0]->dtype, &out));
    size_t tuples = n / (size_t)depth;
    size_t shared = (size_t)hawq_shape_count(s, 0, batch);
    HAWQ_TAKE(move, arena, 1);
    HAWQ_TAKE(map, arena, tuples);
    *move = (hawq_move){.copies = 1,
                        .n_in = node->in[0]->n,
                        .n_map = tuples,
                        .block =
                            (size_t)hawq_shape_count(s, batch + depth, s->rank),
                        .map = map};
    for (size_t i = 0; i < tuples; i++) {
        int64_t offset = (int64_t)(i / (tuples / shared));
        for (int k = 0; k < depth; k++, index++) {
            int64_t d = s->dim[batch + k],
                    at = *index < 0 ? *index + d : *index;
            if (at < 0 || at >= d)
                return hawq_node_fail(
                    node, HAWQ_EFORMAT,
                    "index %lld is out of range for length %lld",
                    (long long)*index, (long long)d);
            offset = offset * d + at;
        }
        map[i] = (int32_t)(offset * (int64_t)move->block);
    }
    node->param = move;
    return HAWQ_OK;
}

const hawq_op hawq_op_gather_nd = {.name = "GatherND",
                                   .attributes = "batch_dims",
                                   .min_in = 2,
                                   .max_in = 2,
                                   .shape = nd_shape,
                                   .fold = hawq_move_fold,
                                   .forward = hawq_move_forward,
                                   .adjoint = hawq_move_adjoint,
                                   .moves = true};
