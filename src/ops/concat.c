/* concat.c -- Concat and Split: pieces of one axis put together or taken
 * apart; each is the transpose of the other. A piece is, for every position
 * before the axis, a run of adjacent elements of the whole.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/ops.h"

#include <string.h>

enum { MAX_PIECES = 1024 };

/* Piece k: elements [start[k], start[k+1]) of each of `rows` rows. */
typedef struct pieces {
    size_t  rows, n;
    size_t *start;
} pieces;

static size_t width(const pieces *p, size_t k) {
    return p->start[k + 1] - p->start[k];
}

/* whole <- piece k; a piece that is zero is NULL */
static void put(const pieces *p, size_t k, const real *piece, real *whole) {
    size_t row = p->start[p->n], w = width(p, k);
    for (size_t r = 0; r < p->rows; r++) {
        real *to = whole + r * row + p->start[k];
        if (piece)
            memcpy(to, piece + r * w, w * sizeof *to);
        else
            memset(to, 0, w * sizeof *to);
    }
}

static void put_add(const pieces *p, size_t k, const real *piece, real *whole) {
    size_t row = p->start[p->n], w = width(p, k);
    for (size_t r = 0; r < p->rows; r++)
        for (size_t i = 0; i < w; i++)
            whole[r * row + p->start[k] + i] += piece[r * w + i];
}

/* piece k <- whole; a whole that is zero is NULL */
static void take(const pieces *p, size_t k, const real *whole, real *piece) {
    size_t row = p->start[p->n], w = width(p, k);
    for (size_t r = 0; r < p->rows; r++)
        if (whole)
            memcpy(piece + r * w, whole + r * row + p->start[k],
                   w * sizeof *piece);
        else
            memset(piece + r * w, 0, w * sizeof *piece);
}

static void take_add(const pieces *p, size_t k, const real *whole,
                     real *piece) {
    size_t row = p->start[p->n], w = width(p, k);
    for (size_t r = 0; r < p->rows; r++)
        for (size_t i = 0; i < w; i++)
            piece[r * w + i] += whole[r * row + p->start[k] + i];
}

/* n pieces of lengths length[k] along the axis of a whole of this shape. */
static hawq_status plan(hawq_node *node, hawq_arena *arena,
                        const hawq_shape *whole, int axis, size_t n,
                        const int64_t *length) {
    pieces *p;
    size_t  inner = (size_t)hawq_shape_count(whole, axis + 1, whole->rank);
    HAWQ_TAKE(p, arena, 1);
    HAWQ_TAKE(p->start, arena, n + 1);
    p->rows = (size_t)hawq_shape_count(whole, 0, axis);
    p->n = n;
    for (size_t k = 0; k < n; k++)
        p->start[k + 1] = p->start[k] + (size_t)length[k] * inner;
    node->param = p;
    return HAWQ_OK;
}

static hawq_status read_axis(const hawq_node *node, int64_t given, int *axis) {
    *axis = hawq_axis(given, node->in[0]->shape.rank);
    if (*axis >= 0) return HAWQ_OK;
    return hawq_node_fail(node, HAWQ_EFORMAT,
                          "axis %lld is out of range for rank %d",
                          (long long)given, node->in[0]->shape.rank);
}

/* --- Concat ------------------------------------------------------------ */

static hawq_status check_piece(const hawq_node *node, int k, int axis) {
    char              text[128], first[128];
    const hawq_shape *s = &node->in[0]->shape;
    HAWQ_TRY(hawq_need_value(node, k));
    hawq_shape same = node->in[k]->shape;
    if (same.rank == s->rank) same.dim[axis] = s->dim[axis];
    if (!hawq_shape_equal(&same, s) ||
        hawq_is_integer(node->in[k]) != hawq_is_integer(node->in[0]))
        return hawq_node_fail(
            node, HAWQ_EFORMAT,
            "input '%s' of shape %s does not fit '%s' of "
            "shape %s along axis %d",
            node->in[k]->name, hawq_shape_text(&node->in[k]->shape, text),
            node->in[0]->name, hawq_shape_text(s, first), axis);
    return HAWQ_OK;
}

static hawq_status concat_shape(hawq_node *node, hawq_arena *arena) {
    int      axis;
    int64_t *length;
    HAWQ_TRY(read_axis(node, hawq_attr_int(node, "axis", 1), &axis));
    hawq_shape out = node->in[0]->shape;
    out.dim[axis] = 0;
    HAWQ_TAKE(length, arena, (size_t)node->n_in);
    for (int k = 0; k < node->n_in; k++) {
        HAWQ_TRY(check_piece(node, k, axis));
        length[k] = node->in[k]->shape.dim[axis];
        out.dim[axis] += length[k];
    }
    bool computed = false;
    for (int k = 0; k < node->n_in; k++)
        computed |= node->in[k]->role != HAWQ_CONSTANT;
    for (int k = 0; computed && k < node->n_in; k++)
        HAWQ_TRY(hawq_take_reals(node, arena, k));
    HAWQ_TRY(hawq_set_out(node, 0, computed ? HAWQ_FLOAT : node->in[0]->dtype,
                          &out));
    return plan(node, arena, &out, axis, (size_t)node->n_in, length);
}

static hawq_status concat_fold(hawq_node *node, hawq_arena *arena) {
    const pieces *p = node->param;
    int64_t      *y;
    HAWQ_TAKE(y, arena, node->out[0]->n);
    node->out[0]->ints = y;
    for (size_t r = 0; r < p->rows; r++)
        for (size_t k = 0; k < p->n; k++)
            for (size_t i = 0; i < width(p, k); i++)
                *y++ = node->in[k]->ints[r * width(p, k) + i];
    return HAWQ_OK;
}

static void concat_forward(const hawq_node *node, const hawq_planes *p) {
    real *y = hawq_val(p, node->out[0]);
    for (int k = 0; y && k < node->n_in; k++)
        put(node->param, (size_t)k, hawq_val(p, node->in[k]), y);
}

static void concat_adjoint(const hawq_node *node, const hawq_planes *p) {
    const real *ybar = hawq_bar(p, node->out[0]);
    for (int k = 0; ybar && k < node->n_in; k++) {
        real *xbar = hawq_bar(p, node->in[k]);
        if (xbar) take_add(node->param, (size_t)k, ybar, xbar);
    }
}

const hawq_op hawq_op_concat = {.name = "Concat",
                                .attributes = "axis",
                                .min_in = 1,
                                .max_in = MAX_PIECES,
                                .shape = concat_shape,
                                .fold = concat_fold,
                                .forward = concat_forward,
                                .adjoint = concat_adjoint,
                                .moves = true};

/* --- Split ------------------------------------------------------------- */

/* Lengths from the attribute (up to operator set 12) or input 1; else equal
 * ones, of which from 18 on the last may be shorter. */
static hawq_status split_lengths(const hawq_node *node, int64_t dim,
                                 int64_t *length) {
    const int64_t *given;
    size_t         n;
    int64_t        parts = node->n_out, sum = 0;
    HAWQ_TRY(hawq_read_ints(node, "split", 1, &given, &n));
    if (given && n != (size_t)parts)
        return hawq_node_fail(node, HAWQ_EFORMAT, "%zu lengths for %d outputs",
                              n, node->n_out);
    if (hawq_attr_int(node, "num_outputs", parts) != parts)
        return hawq_node_fail(
            node, HAWQ_EFORMAT, "num_outputs is %lld, the node has %d",
            (long long)hawq_attr_int(node, "num_outputs", 0), node->n_out);
    int64_t chunk = (dim + parts - 1) / parts;
    for (int64_t k = 0; k < parts; k++) {
        int64_t left = dim - sum;
        length[k] = given ? given[k] : left < chunk ? left : chunk;
        if (length[k] < 0 || length[k] > left) sum = -1;
        if (sum < 0) break;
        sum += length[k];
    }
    if (sum != dim || (!given && dim % parts && node->opset < 18))
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "an axis of length %lld is not cut into these %d "
                              "pieces",
                              (long long)dim, node->n_out);
    return HAWQ_OK;
}

static hawq_status split_shape(hawq_node *node, hawq_arena *arena) {
    int      axis;
    int64_t *length;
    HAWQ_TRY(hawq_need_value(node, 0));
    HAWQ_TRY(read_axis(node, hawq_attr_int(node, "axis", 0), &axis));
    HAWQ_TAKE(length, arena, (size_t)node->n_out);
    hawq_shape out = node->in[0]->shape;
    HAWQ_TRY(split_lengths(node, out.dim[axis], length));
    for (int k = 0; k < node->n_out; k++) {
        out.dim[axis] = length[k];
        HAWQ_TRY(hawq_set_out(node, k, node->in[0]->dtype, &out));
    }
    return plan(node, arena, &node->in[0]->shape, axis, (size_t)node->n_out,
                length);
}

static hawq_status split_fold(hawq_node *node, hawq_arena *arena) {
    const pieces *p = node->param;
    for (size_t k = 0; k < p->n; k++) {
        hawq_tensor *y = node->out[k];
        size_t       w = width(p, k);
        if (!y) continue;
        HAWQ_TAKE(y->ints, arena, y->n);
        for (size_t i = 0; i < y->n; i++)
            y->ints[i] =
                node->in[0]->ints[i / w * p->start[p->n] + p->start[k] + i % w];
    }
    return HAWQ_OK;
}

static void split_forward(const hawq_node *node, const hawq_planes *p) {
    const real *x = hawq_val(p, node->in[0]);
    for (int k = 0; k < node->n_out; k++) {
        real *y = hawq_val(p, node->out[k]);
        if (y) take(node->param, (size_t)k, x, y);
    }
}

static void split_adjoint(const hawq_node *node, const hawq_planes *p) {
    real *xbar = hawq_bar(p, node->in[0]);
    for (int k = 0; xbar && k < node->n_out; k++) {
        const real *ybar = hawq_bar(p, node->out[k]);
        if (ybar) put_add(node->param, (size_t)k, ybar, xbar);
    }
}

const hawq_op hawq_op_split = {.name = "Split",
                               .attributes = "axis split num_outputs",
                               .min_in = 1,
                               .max_in = 2,
                               .shape = split_shape,
                               .fold = split_fold,
                               .forward = split_forward,
                               .adjoint = split_adjoint,
                               .moves = true};
