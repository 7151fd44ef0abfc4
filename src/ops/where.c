/* where.c -- Where: y = condition ? a : b. The condition is constant, or
 * numbers computed from the data, of which all but zero are true; it has no
 * derivative, so y is linear in (a, b) where it stands.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/binary.h"
#include "src/ops/move.h"
#include "src/ops/ops.h"

enum { IF, A, B };

typedef struct choice {
    const int32_t *index[3]; /* see hawq_broadcast_index */
    const int64_t *fixed;    /* the condition, or NULL if it is computed */
} choice;

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    hawq_shape out;
    choice    *c;
    for (int k = IF; k <= B; k++) HAWQ_TRY(hawq_need_value(node, k));
    const hawq_tensor *condition = node->in[IF];
    if (condition->role == HAWQ_CONSTANT && condition->dtype != HAWQ_INT)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "the condition '%s' holds floating point",
                              condition->name);
    const hawq_tensor *a = node->in[A], *b = node->in[B];
    bool computed = a->role != HAWQ_CONSTANT || b->role != HAWQ_CONSTANT ||
                    condition->role != HAWQ_CONSTANT;
    bool integer = hawq_is_integer(a) && hawq_is_integer(b);
    if (a->dtype != b->dtype && !integer)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "'%s' and '%s' are of different types",
                              node->in[A]->name, node->in[B]->name);
    HAWQ_TRY(hawq_broadcast_shape(node, &node->in[A]->shape,
                                  &node->in[B]->shape, &out));
    HAWQ_TRY(hawq_broadcast_shape(node, &condition->shape, &out, &out));
    for (int k = A; computed && k <= B; k++)
        HAWQ_TRY(hawq_take_reals(node, arena, k));
    HAWQ_TRY(hawq_set_out(node, 0, computed ? HAWQ_FLOAT : a->dtype, &out));
    node->out[0]->whole = computed && integer;
    HAWQ_TAKE(c, arena, 1);
    c->fixed = condition->ints;
    for (int k = IF; k <= B; k++)
        HAWQ_TRY(hawq_broadcast_index(arena, &node->in[k]->shape, &out,
                                      &c->index[k]));
    node->param = c;
    return HAWQ_OK;
}

static inline size_t at(const choice *c, int k, size_t i) {
    return c->index[k] ? (size_t)c->index[k][i] : i;
}

/* The input element i is taken from; condition: its plane. */
static inline int source(const choice *c, const real *condition, size_t i) {
    size_t k = at(c, IF, i);
    return (c->fixed ? c->fixed[k] != 0 : condition[k] != 0) ? A : B;
}

static hawq_status fold(hawq_node *node, hawq_arena *arena) {
    const choice *c = node->param;
    hawq_tensor  *y = node->out[0];
    HAWQ_TAKE(y->ints, arena, y->n);
    for (size_t i = 0; i < y->n; i++) {
        int k = source(c, NULL, i);
        y->ints[i] = node->in[k]->ints[at(c, k, i)];
    }
    return HAWQ_OK;
}

/* y = the chosen of from[A] and from[B], of which one that is zero is NULL */
static void choose(const hawq_node *node, const hawq_planes *p,
                   const real *const from[3], real *y) {
    const choice *c = node->param;
    const real   *condition = hawq_val(p, node->in[IF]);
    for (size_t i = 0; y && i < node->out[0]->n; i++) {
        int k = source(c, condition, i);
        y[i] = from[k] ? from[k][at(c, k, i)] : 0;
    }
}

static void hand_back(const hawq_node *node, const hawq_planes *p,
                      const real *by, real *const to[3]) {
    const choice *c = node->param;
    const real   *condition = hawq_val(p, node->in[IF]);
    for (size_t i = 0; by && i < node->out[0]->n; i++) {
        int k = source(c, condition, i);
        if (to[k]) to[k][at(c, k, i)] += by[i];
    }
}

static void forward(const hawq_node *node, const hawq_planes *p) {
    const real *const from[3] = {NULL, hawq_val(p, node->in[A]),
                                 hawq_val(p, node->in[B])};
    choose(node, p, from, hawq_val(p, node->out[0]));
}

static void tangent(const hawq_node *node, const hawq_planes *p) {
    for (int l = 0; l < p->lanes; l++) {
        const real *const from[3] = {NULL, hawq_dot(p, l, node->in[A]),
                                     hawq_dot(p, l, node->in[B])};
        choose(node, p, from, hawq_dot(p, l, node->out[0]));
    }
}

static void adjoint(const hawq_node *node, const hawq_planes *p) {
    real *const to[3] = {NULL, hawq_bar(p, node->in[A]),
                         hawq_bar(p, node->in[B])};
    hand_back(node, p, hawq_bar(p, node->out[0]), to);
}

static void adjoint_tangent(const hawq_node *node, const hawq_planes *p) {
    for (int l = 0; l < p->lanes; l++) {
        real *const to[3] = {NULL, hawq_bardot(p, l, node->in[A]),
                             hawq_bardot(p, l, node->in[B])};
        hand_back(node, p, hawq_bardot(p, l, node->out[0]), to);
    }
}

const hawq_op hawq_op_where = {.name = "Where",
                               .attributes = "",
                               .min_in = 3,
                               .max_in = 3,
                               .shape = shape,
                               .fold = fold,
                               .retypes = true,
                               .forward = forward,
                               .tangent = tangent,
                               .adjoint = adjoint,
                               .adjoint_tangent = adjoint_tangent};
