/* where.c -- Where: y = condition ? a : b with a constant condition, so y is
 * linear in (a, b): the sum of two moves that are zero where the other counts.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/move.h"
#include "src/ops/ops.h"

/* param: one move per operand, of n_map entries of one element. */
typedef struct choice {
    size_t    n;
    hawq_move from[2]; /* in[1], in[2] */
} choice;

/* The move of in[k] to the output's shape, where pick[i] equals `wanted`. */
static hawq_status plan(const hawq_node *node, hawq_arena *arena, int k,
                        const int64_t *pick, bool wanted, hawq_move *out) {
    const hawq_tensor *x = node->in[k], *y = node->out[0];
    hawq_route         all;
    hawq_move          m;
    int32_t           *map;
    int64_t           *at;
    HAWQ_TRY(hawq_broadcast_plan(arena, &x->shape, &y->shape, &m));
    HAWQ_TRY(hawq_route_stride(arena, (int64_t)x->n, 0, 1, &all));
    HAWQ_TAKE(at, arena, y->n);
    HAWQ_TAKE(map, arena, y->n);
    hawq_move_ints(&m, all.from, at);
    for (size_t i = 0; i < y->n; i++)
        map[i] = (pick[i] != 0) == wanted ? (int32_t)at[i] : -1;
    *out = (hawq_move){
        .copies = 1, .n_in = x->n, .n_map = y->n, .block = 1, .map = map};
    return HAWQ_OK;
}

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    const int64_t *condition;
    size_t         n;
    hawq_shape     out;
    hawq_move      m;
    int64_t       *pick;
    choice        *c;
    HAWQ_TRY(hawq_need_value(node, 1));
    HAWQ_TRY(hawq_need_value(node, 2));
    HAWQ_TRY(hawq_read_ints(node, NULL, 0, &condition, &n));
    if (node->in[1]->dtype != node->in[2]->dtype)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "'%s' and '%s' are of different types",
                              node->in[1]->name, node->in[2]->name);
    HAWQ_TRY(hawq_broadcast_shape(node, &node->in[1]->shape,
                                  &node->in[2]->shape, &out));
    HAWQ_TRY(hawq_broadcast_shape(node, &node->in[0]->shape, &out, &out));
    HAWQ_TRY(hawq_set_out(node, 0, node->in[1]->dtype, &out));
    HAWQ_TAKE(c, arena, 1);
    c->n = node->out[0]->n;
    HAWQ_TAKE(pick, arena, c->n);
    HAWQ_TRY(hawq_broadcast_plan(arena, &node->in[0]->shape, &out, &m));
    hawq_move_ints(&m, condition, pick);
    HAWQ_TRY(plan(node, arena, 1, pick, true, &c->from[0]));
    HAWQ_TRY(plan(node, arena, 2, pick, false, &c->from[1]));
    node->param = c;
    return HAWQ_OK;
}

static hawq_status fold(hawq_node *node, hawq_arena *arena) {
    const choice *c = node->param;
    int64_t      *y, *other;
    HAWQ_TAKE(y, arena, c->n);
    HAWQ_TAKE(other, arena, c->n);
    hawq_move_ints(&c->from[0], node->in[1]->ints, y);
    hawq_move_ints(&c->from[1], node->in[2]->ints, other);
    for (size_t i = 0; i < c->n; i++) y[i] += other[i];
    node->out[0]->ints = y;
    return HAWQ_OK;
}

static void forward(const hawq_node *node, const hawq_planes *p) {
    const choice *c = node->param;
    const real   *a = hawq_val(p, node->in[1]), *b = hawq_val(p, node->in[2]);
    real         *y = hawq_val(p, node->out[0]);
    for (size_t i = 0; y && i < c->n; i++) {
        int32_t from_a = c->from[0].map[i], from_b = c->from[1].map[i];
        y[i] = from_a >= 0 ? (a ? a[from_a] : 0) : (b ? b[from_b] : 0);
    }
}

static void adjoint(const hawq_node *node, const hawq_planes *p) {
    const choice *c = node->param;
    const real   *ybar = hawq_bar(p, node->out[0]);
    for (int k = 0; ybar && k < 2; k++) {
        real *xbar = hawq_bar(p, node->in[1 + k]);
        if (xbar) hawq_move_add_back(&c->from[k], ybar, xbar);
    }
}

const hawq_op hawq_op_where = {.name = "Where",
                               .attributes = "",
                               .min_in = 3,
                               .max_in = 3,
                               .shape = shape,
                               .fold = fold,
                               .forward = forward,
                               .adjoint = adjoint};
