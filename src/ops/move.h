/* move.h -- the one implementation of operators that only move values.
 *
 * Each output element is an input element or a fill value:
 *     forward   y[i] = x[map[i]], or fill where map[i] < 0
 *     adjoint   bar x[map[i]] += bar y[i]
 * The map is worked out once, by the operator's shape function, and compressed
 * at both ends: leading axes that are copied as they are become `copies`,
 * trailing ones a `block` of adjacent elements.
 *
 * An operator file parses its ONNX forms, describes where each position of
 * each output axis comes from (hawq_route), calls hawq_move_plan, and uses the
 * sweeps below. A move without fill is linear: tangent and adjoint_tangent
 * stay NULL.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_MOVE_H
#define HAWQ_MOVE_H
#include "src/graph/op.h"

typedef struct hawq_move {
    size_t         copies;      /* leading repetitions */
    size_t         n_in, n_map; /* per repetition: input elements, entries */
    size_t         block;       /* elements per entry */
    const int32_t *map;         /* input offset of each entry, or -1: fill */
    double         fill;
} hawq_move;

/* One axis of the output: position i adds from[i] elements to the offset into
 * the input; a negative one makes the whole element a fill. */
typedef struct hawq_route {
    int64_t        n;
    const int64_t *from;
} hawq_route;

/* from[i] = start + i * step, i < n, in the arena. */
HAWQ_NODISCARD hawq_status hawq_route_stride(hawq_arena *arena, int64_t n,
                                             int64_t start, int64_t step,
                                             hawq_route *out);

/* The move from a tensor of n_in elements to the product of the axes. Any
 * output shape of that many elements will do. */
HAWQ_NODISCARD hawq_status hawq_move_plan(hawq_arena *arena, size_t n_in,
                                          int n_axes, const hawq_route *axis,
                                          double fill, hawq_move *out);

/* The move y = x of n elements. */
hawq_move hawq_move_whole(size_t n);

/* hawq_move_plan into node->param, from in[0]; without a fill. */
HAWQ_NODISCARD hawq_status hawq_move_set(hawq_node *node, hawq_arena *arena,
                                         int n_axes, const hawq_route *axis);
/* hawq_move_whole into node->param, and output 0 of this shape. */
HAWQ_NODISCARD hawq_status hawq_move_reshape(hawq_node *node, hawq_arena *arena,
                                             const hawq_shape *shape);

/* y from x, overwritten; x NULL: read as zero. */
void hawq_move_apply(const hawq_move *move, const real *x, real *y,
                     double fill);
/* xbar += the adjoint of ybar. */
void hawq_move_add_back(const hawq_move *move, const real *ybar, real *xbar);

/* Sweeps of an operator whose param is a hawq_move from in[0] to out[0]. */
void        hawq_move_forward(const hawq_node *node, const hawq_planes *p);
void        hawq_move_adjoint(const hawq_node *node, const hawq_planes *p);
hawq_status hawq_move_fold(hawq_node *node, hawq_arena *arena);

/* For a move with a fill: the fill has no derivative. */
void hawq_move_tangent(const hawq_node *node, const hawq_planes *p);
void hawq_move_adjoint_tangent(const hawq_node *node, const hawq_planes *p);

/* --- numpy's broadcasting ---------------------------------------------- */

/* Shape of a combined with b. EFORMAT if they do not combine. */
HAWQ_NODISCARD hawq_status hawq_broadcast_shape(const hawq_node  *node,
                                                const hawq_shape *a,
                                                const hawq_shape *b,
                                                hawq_shape       *out);
/* The move from a tensor of shape `from` to the broadcast shape `to`. */
HAWQ_NODISCARD hawq_status hawq_broadcast_plan(hawq_arena       *arena,
                                               const hawq_shape *from,
                                               const hawq_shape *to,
                                               hawq_move        *out);

/* out[0]->ints = fn(a, b) element by element, a and b the broadcast integer
 * constants in[0] and in[1]. The shape of out[0] must be set. */
typedef int64_t            hawq_int_fn(int64_t a, int64_t b);
HAWQ_NODISCARD hawq_status hawq_fold_binary_ints(hawq_node   *node,
                                                 hawq_arena  *arena,
                                                 hawq_int_fn *fn);

/* ints[i] of the moved constant, n_map * copies * block of them. */
void hawq_move_ints(const hawq_move *move, const int64_t *x, int64_t *y);

#endif
