/* hard.c -- HardSigmoid and HardSwish (Howard et al. 2019): each is its jet,
 * see unary.h. SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/unary.h"

/* h(x) = alpha x + beta held to [0, 1] */
typedef struct line {
    double alpha, beta;
} line;

static hawq_status line_plan(hawq_node *node, hawq_arena *arena, line given) {
    line *p;
    HAWQ_TAKE(p, arena, 1);
    *p = given;
    node->param = p;
    return hawq_unary_shape(node, arena);
}

static inline hawq_jet hard_sigmoid(real x, const void *param) {
    const line *p = param;
    double      h = p->alpha * (double)x + p->beta;
    return h <= 0   ? (hawq_jet){0, 0, 0}
           : h >= 1 ? (hawq_jet){1, 0, 0}
                    : (hawq_jet){(real)h, (real)p->alpha, 0};
}
KINKED_SWEEPS(hard_sigmoid)

/* x h(x) */
static inline hawq_jet hard_swish(real x, const void *param) {
    const line *p = param;
    double      v = (double)x, h = p->alpha * v + p->beta;
    return h <= 0   ? (hawq_jet){0, 0, 0}
           : h >= 1 ? (hawq_jet){x, 1, 0}
                    : (hawq_jet){(real)(v * h), (real)(h + p->alpha * v),
                                 (real)(2 * p->alpha)};
}
UNARY_SWEEPS(hard_swish)

static hawq_status hard_sigmoid_shape(hawq_node *node, hawq_arena *arena) {
    return line_plan(node, arena,
                     (line){hawq_attr_float(node, "alpha", 0.2),
                            hawq_attr_float(node, "beta", 0.5)});
}

static hawq_status hard_swish_shape(hawq_node *node, hawq_arena *arena) {
    return line_plan(node, arena, (line){1.0 / 6, 0.5});
}

const hawq_op hawq_op_hard_sigmoid =
    KINKED_OP("HardSigmoid", "alpha beta", 1, hard_sigmoid_shape, hard_sigmoid);
const hawq_op hawq_op_hard_swish =
    UNARY_OP("HardSwish", "", 1, hard_swish_shape, hard_swish);
