/* blocks.c -- DepthToSpace and SpaceToDepth, which trade channels for b x b
 * blocks of pixels, and Tile, which repeats along axes. All are moves.
 *     DepthToSpace  DCR  y[n, c, h b + i, w b + j] = x[n, (i b + j) C + c, h,
 * w] CRD                            = x[n, (c b + i) b + j, h, w] SpaceToDepth
 * y[n, (i b + j) C + c, h, w] = x[n, c, h b + i, w b + j]
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/move.h"
#include "src/ops/ops.h"

#include <string.h>

/* Sizes n c h w b of the smaller image. */
typedef struct geometry {
    int64_t n, c, h, w, b;
} geometry;

static hawq_status read_block(const hawq_node *node, bool to_depth,
                              geometry *out) {
    char text[128];
    HAWQ_TRY(hawq_need_value(node, 0));
    const hawq_shape *s = &node->in[0]->shape;
    int64_t           b = hawq_attr_int(node, "blocksize", 0);
    bool              fits = s->rank == 4 && b > 0 && b <= INT32_MAX &&
                (to_depth ? s->dim[2] % b == 0 && s->dim[3] % b == 0
                          : s->dim[1] % (b * b) == 0);
    if (!fits)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "input %s is not cut into blocks of %lld",
                              hawq_shape_text(s, text), (long long)b);
    *out = to_depth ? (geometry){s->dim[0], s->dim[1], s->dim[2] / b,
                                 s->dim[3] / b, b}
                    : (geometry){s->dim[0], s->dim[1] / (b * b), s->dim[2],
                                 s->dim[3], b};
    return HAWQ_OK;
}

/* The move whose axis k has length n[k] and goes step[k] through the input. */
static hawq_status move_steps(hawq_node *node, hawq_arena *arena, int axes,
                              const int64_t *n, const int64_t *step) {
    hawq_route route[HAWQ_MAX_RANK];
    for (int k = 0; k < axes; k++)
        HAWQ_TRY(hawq_route_stride(arena, n[k], 0, step[k], &route[k]));
    return hawq_move_set(node, arena, axes, route);
}

static hawq_status to_space_shape(hawq_node *node, hawq_arena *arena) {
    geometry    g;
    const char *mode = hawq_attr_string(node, "mode", "DCR");
    HAWQ_TRY(read_block(node, false, &g));
    if (strcmp(mode, "DCR") != 0 && strcmp(mode, "CRD") != 0)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "mode '%s'; supported are DCR and CRD", mode);
    bool    dcr = mode[0] == 'D';
    int64_t plane = g.h * g.w;
    int64_t c = dcr ? plane : g.b * g.b * plane;
    int64_t i = (dcr ? g.b * g.c : g.b) * plane, j = (dcr ? g.c : 1) * plane;
    HAWQ_TRY(hawq_set_out(node, 0, node->in[0]->dtype,
                          &(hawq_shape){4, {g.n, g.c, g.h * g.b, g.w * g.b}}));
    /* n, c, h, i, w, j */
    const int64_t n[] = {g.n, g.c, g.h, g.b, g.w, g.b};
    const int64_t step[] = {g.c * g.b * g.b * plane, c, g.w, i, 1, j};
    return move_steps(node, arena, 6, n, step);
}

static hawq_status to_depth_shape(hawq_node *node, hawq_arena *arena) {
    geometry g;
    HAWQ_TRY(read_block(node, true, &g));
    int64_t row = g.w * g.b, plane = g.h * g.b * row;
    HAWQ_TRY(hawq_set_out(node, 0, node->in[0]->dtype,
                          &(hawq_shape){4, {g.n, g.c * g.b * g.b, g.h, g.w}}));
    /* n, i, j, c, h, w */
    const int64_t n[] = {g.n, g.b, g.b, g.c, g.h, g.w};
    const int64_t step[] = {g.c * plane, row, 1, plane, g.b * row, g.b};
    return move_steps(node, arena, 6, n, step);
}

static hawq_status tile_shape(hawq_node *node, hawq_arena *arena) {
    const int64_t *times;
    size_t         n;
    hawq_route     route[HAWQ_MAX_RANK];
    HAWQ_TRY(hawq_need_value(node, 0));
    HAWQ_TRY(hawq_read_ints(node, NULL, 1, &times, &n));
    hawq_shape out = node->in[0]->shape;
    if (n != (size_t)out.rank)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "%zu repetitions for an input of rank %d", n,
                              out.rank);
    for (int a = 0; a < out.rank; a++) {
        if (times[a] < 0 || times[a] > INT32_MAX)
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "axis %d is repeated %lld times", a,
                                  (long long)times[a]);
        out.dim[a] *= times[a];
    }
    HAWQ_TRY(hawq_set_out(node, 0, node->in[0]->dtype, &out));
    for (int a = 0; a < out.rank; a++) {
        const hawq_shape *s = &node->in[0]->shape;
        int64_t          *from, step = hawq_shape_count(s, a + 1, s->rank);
        HAWQ_TAKE(from, arena, (size_t)out.dim[a]);
        for (int64_t i = 0; i < out.dim[a]; i++) from[i] = i % s->dim[a] * step;
        route[a] = (hawq_route){out.dim[a], from};
    }
    return hawq_move_set(node, arena, out.rank, route);
}

#define MOVE_OP(onnx_name, attribute_list, inputs, shape_fn)                   \
    {                                                                          \
        .name = (onnx_name), .attributes = (attribute_list),                   \
        .min_in = (inputs), .max_in = (inputs), .shape = (shape_fn),           \
        .fold = hawq_move_fold, .forward = hawq_move_forward,                  \
        .adjoint = hawq_move_adjoint, .moves = true                            \
    }

const hawq_op hawq_op_depth_to_space =
    MOVE_OP("DepthToSpace", "blocksize mode", 1, to_space_shape);
const hawq_op hawq_op_space_to_depth =
    MOVE_OP("SpaceToDepth", "blocksize", 1, to_depth_shape);
const hawq_op hawq_op_tile = MOVE_OP("Tile", "", 2, tile_shape);
