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

/* h(x), chosen without a branch; NaN stays NaN. */
static inline double held(const line *p, real x) {
    double h = p->alpha * (double)x + p->beta;
    h = h < 0 ? 0 : h;
    return h > 1 ? 1 : h;
}

/* h(x) has a slope */
static inline bool slopes(double h) {
    return (h > 0) & (h < 1);
}

static inline hawq_jet hard_sigmoid(real x, const void *param) {
    const line *p = param;
    double      h = held(p, x);
    return (hawq_jet){(real)h, slopes(h) ? (real)p->alpha : 0, 0};
}
KINKED_SWEEPS(hard_sigmoid)

/* x h(x); 0 where h is, for x may be infinite */
static inline hawq_jet hard_swish(real x, const void *param) {
    const line *p = param;
    double      v = (double)x, h = held(p, x), f = v * h;
    return (hawq_jet){(real)(h == 0 ? 0 : f),
                      (real)(h + (slopes(h) ? p->alpha * v : 0)),
                      slopes(h) ? (real)(2 * p->alpha) : 0};
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
