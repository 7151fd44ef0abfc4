/* activation.c -- Relu, LeakyRelu, Clip, Sigmoid, Tanh, Exp, Log, Sqrt, Neg,
 * Abs, Sign: each is its jet, see unary.h. The last three also serve integer
 * constants.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/exponential.h"
#include "src/ops/unary.h"

hawq_status hawq_unary_shape(hawq_node *node, hawq_arena *arena) {
    (void)arena;
    HAWQ_TRY(hawq_need_float(node, 0));
    return hawq_set_out(node, 0, HAWQ_FLOAT, &node->in[0]->shape);
}

static inline hawq_jet relu(real x, const void *param) {
    (void)param;
    return x > 0 ? (hawq_jet){x, 1, 0} : (hawq_jet){0, 0, 0};
}
KINKED_SWEEPS(relu)
const hawq_op hawq_op_relu =
    HOMOGENEOUS_OP("Relu", "", 1, hawq_unary_shape, relu);

static hawq_status leaky_shape(hawq_node *node, hawq_arena *arena) {
    real *alpha;
    HAWQ_TAKE(alpha, arena, 1);
    *alpha = (real)hawq_attr_float(node, "alpha", 0.01);
    node->param = alpha;
    return hawq_unary_shape(node, arena);
}
static inline hawq_jet leaky_relu(real x, const void *param) {
    real alpha = *(const real *)param;
    return x > 0 ? (hawq_jet){x, 1, 0} : (hawq_jet){alpha * x, alpha, 0};
}
KINKED_SWEEPS(leaky_relu)
const hawq_op hawq_op_leaky_relu =
    HOMOGENEOUS_OP("LeakyRelu", "alpha", 1, leaky_shape, leaky_relu);

/* Clip: bounds are attributes before operator set 11, constants since. */
typedef struct bounds {
    real low, high;
} bounds;

static hawq_status read_bound(const hawq_node *node, const char *attr,
                              int input, real *bound) {
    const hawq_tensor *t = hawq_in(node, input);
    if (hawq_attr_find(node, attr))
        *bound = (real)hawq_attr_float(node, attr, 0);
    if (!t) return HAWQ_OK;
    if (t->role != HAWQ_CONSTANT || !t->data || t->n != 1)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "bound '%s' must be a constant scalar", t->name);
    *bound = t->data[0];
    return HAWQ_OK;
}

static hawq_status clip_shape(hawq_node *node, hawq_arena *arena) {
    bounds *b;
    HAWQ_TAKE(b, arena, 1);
    *b = (bounds){-(real)INFINITY, (real)INFINITY};
    for (int i = 1; i < node->n_in && node->in[0]->whole; i++)
        HAWQ_TRY(hawq_take_reals(node, arena, i));
    HAWQ_TRY(read_bound(node, "min", 1, &b->low));
    HAWQ_TRY(read_bound(node, "max", 2, &b->high));
    if (isnan(b->low) || isnan(b->high))
        return hawq_node_fail(node, HAWQ_ENONFINITE,
                              "a bound is NaN, expected a number");
    /* ONNX: min(high, max(low, x)), so that high wins */
    if (b->low > b->high) b->low = b->high;
    node->param = b;
    return hawq_unary_shape(node, arena);
}
static inline hawq_jet clip(real x, const void *param) {
    const bounds *b = param;
    real          y = x <= b->low ? b->low : x;
    y = y >= b->high ? b->high : y;
    return (hawq_jet){y, (x > b->low) & (x < b->high), 0};
}
KINKED_SWEEPS(clip)
const hawq_op hawq_op_clip = KINKED_OP("Clip", "max min", 3, clip_shape, clip);

static inline hawq_jet sigmoid(real x, const void *param) {
    (void)param;
    real s = hawq_sigmoid(x);
    return (hawq_jet){s, s * (1 - s), s * (1 - s) * (1 - 2 * s)};
}
UNARY_SWEEPS(sigmoid)
const hawq_op hawq_op_sigmoid =
    UNARY_OP("Sigmoid", "", 1, hawq_unary_shape, sigmoid);

static inline hawq_jet tanh_jet(real x, const void *param) {
    (void)param;
    real t = hawq_tanh(x), d = 1 - t * t;
    return (hawq_jet){t, d, -2 * t * d};
}
UNARY_SWEEPS(tanh_jet)
const hawq_op hawq_op_tanh =
    UNARY_OP("Tanh", "", 1, hawq_unary_shape, tanh_jet);

static inline hawq_jet exp_jet(real x, const void *param) {
    (void)param;
    real e = hawq_exp(x);
    return (hawq_jet){e, e, e};
}
UNARY_SWEEPS(exp_jet)
const hawq_op hawq_op_exp = UNARY_OP("Exp", "", 1, hawq_unary_shape, exp_jet);

static inline hawq_jet log_jet(real x, const void *param) {
    (void)param;
    return (hawq_jet){(real)log((double)x), 1 / x, -1 / (x * x)};
}
UNARY_SWEEPS(log_jet)
const hawq_op hawq_op_log = UNARY_OP("Log", "", 1, hawq_unary_shape, log_jet);

static inline hawq_jet sqrt_jet(real x, const void *param) {
    (void)param;
    real r = (real)sqrt((double)x);
    return (hawq_jet){r, (real)0.5 / r, (real)-0.25 / (x * r)};
}
UNARY_SWEEPS(sqrt_jet)
const hawq_op hawq_op_sqrt =
    UNARY_OP("Sqrt", "", 1, hawq_unary_shape, sqrt_jet);

static hawq_status value_shape(hawq_node *node, hawq_arena *arena) {
    (void)arena;
    HAWQ_TRY(hawq_need_value(node, 0));
    return hawq_set_out(node, 0, node->in[0]->dtype, &node->in[0]->shape);
}

/* out[0]->ints = factor(x) * x, in two's complement */
static hawq_status fold_ints(hawq_node *node, hawq_arena *arena,
                             int64_t factor(int64_t x)) {
    const hawq_tensor *x = node->in[0];
    hawq_tensor       *y = node->out[0];
    HAWQ_TAKE(y->ints, arena, y->n);
    for (size_t i = 0; i < y->n; i++)
        y->ints[i] =
            (int64_t)((uint64_t)factor(x->ints[i]) * (uint64_t)x->ints[i]);
    return HAWQ_OK;
}

#define SIGNED_OP(onnx_name, jet)                                              \
    {                                                                          \
        .name = (onnx_name), .attributes = "", .min_in = 1, .max_in = 1,       \
        .shape = value_shape, .fold = jet##_fold, .forward = jet##_forward,    \
        .tangent = jet##_tangent, .adjoint = jet##_adjoint,                    \
        .adjoint_tangent = jet##_adjoint_tangent, .pointwise = true            \
    }

static inline hawq_jet neg(real x, const void *param) {
    (void)param;
    return (hawq_jet){-x, -1, 0};
}
KINKED_SWEEPS(neg)
static int64_t minus_one(int64_t x) {
    (void)x;
    return -1;
}
static hawq_status neg_fold(hawq_node *node, hawq_arena *arena) {
    return fold_ints(node, arena, minus_one);
}
const hawq_op hawq_op_neg = SIGNED_OP("Neg", neg);

static inline hawq_jet abs_jet(real x, const void *param) {
    (void)param;
    return x > 0   ? (hawq_jet){x, 1, 0}
           : x < 0 ? (hawq_jet){-x, -1, 0}
                   : (hawq_jet){0, 0, 0};
}
KINKED_SWEEPS(abs_jet)
static int64_t sign_of(int64_t x) {
    return (x > 0) - (x < 0);
}
static hawq_status abs_jet_fold(hawq_node *node, hawq_arena *arena) {
    return fold_ints(node, arena, sign_of);
}
const hawq_op hawq_op_abs = SIGNED_OP("Abs", abs_jet);

static inline hawq_jet sign(real x, const void *param) {
    (void)param;
    return (hawq_jet){(real)((x > 0) - (x < 0)), 0, 0};
}
KINKED_SWEEPS(sign)
static hawq_status sign_fold(hawq_node *node, hawq_arena *arena) {
    const hawq_tensor *x = node->in[0];
    hawq_tensor       *y = node->out[0];
    HAWQ_TAKE(y->ints, arena, y->n);
    for (size_t i = 0; i < y->n; i++) y->ints[i] = sign_of(x->ints[i]);
    return HAWQ_OK;
}
const hawq_op hawq_op_sign = SIGNED_OP("Sign", sign);
