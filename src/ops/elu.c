/* elu.c -- smooth and shifted rectifiers: Elu (Clevert et al. 2016), Selu
 * (Klambauer et al. 2017), Celu (Barron 2017), ThresholdedRelu, Softplus,
 * Softsign, Mish (Misra 2020): each is its jet, see unary.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/unary.h"

#include <math.h>

/* y = scale * (x > 0 ? x : alpha (e^(x / width) - 1)) */
typedef struct elu_param {
    double scale, alpha, width;
} elu_param;

static inline hawq_jet elu(real x, const void *param) {
    const elu_param *p = param;
    if (x > 0)
        return (hawq_jet){(real)(p->scale * (double)x), (real)p->scale, 0};
    double a = p->scale * p->alpha, m = expm1((double)x / p->width);
    double d = a * (m + 1) / p->width;
    return (hawq_jet){(real)(a * m), (real)d, (real)(d / p->width)};
}
UNARY_SWEEPS(elu)

static hawq_status elu_plan(hawq_node *node, hawq_arena *arena,
                            elu_param given) {
    elu_param *p;
    HAWQ_TAKE(p, arena, 1);
    *p = given;
    node->param = p;
    return hawq_unary_shape(node, arena);
}

static hawq_status elu_shape(hawq_node *node, hawq_arena *arena) {
    return elu_plan(node, arena,
                    (elu_param){1, hawq_attr_float(node, "alpha", 1), 1});
}

static hawq_status selu_shape(hawq_node *node, hawq_arena *arena) {
    return elu_plan(
        node, arena,
        (elu_param){hawq_attr_float(node, "gamma", 1.05070102214813232421875),
                    hawq_attr_float(node, "alpha", 1.67326319217681884765625),
                    1});
}

static hawq_status celu_shape(hawq_node *node, hawq_arena *arena) {
    double alpha = hawq_attr_float(node, "alpha", 1);
    return elu_plan(node, arena, (elu_param){1, alpha, alpha});
}

const hawq_op hawq_op_elu = UNARY_OP("Elu", "alpha", 1, elu_shape, elu);
const hawq_op hawq_op_selu =
    UNARY_OP("Selu", "alpha gamma", 1, selu_shape, elu);
const hawq_op hawq_op_celu = UNARY_OP("Celu", "alpha", 1, celu_shape, elu);

static hawq_status thresholded_shape(hawq_node *node, hawq_arena *arena) {
    real *alpha;
    HAWQ_TAKE(alpha, arena, 1);
    *alpha = (real)hawq_attr_float(node, "alpha", 1);
    node->param = alpha;
    return hawq_unary_shape(node, arena);
}
static inline hawq_jet thresholded(real x, const void *param) {
    return x > *(const real *)param ? (hawq_jet){x, 1, 0} : (hawq_jet){0, 0, 0};
}
KINKED_SWEEPS(thresholded)
const hawq_op hawq_op_thresholded_relu =
    KINKED_OP("ThresholdedRelu", "alpha", 1, thresholded_shape, thresholded);

/* log(1 + e^x) and its derivative, without overflow at either end */
static inline double log1p_exp(double x) {
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}
static inline double logistic(double x) {
    return 1 / (1 + exp(-x));
}

static inline hawq_jet softplus(real x, const void *param) {
    (void)param;
    double s = logistic((double)x);
    return (hawq_jet){(real)log1p_exp((double)x), (real)s, (real)(s * (1 - s))};
}
UNARY_SWEEPS(softplus)
const hawq_op hawq_op_softplus =
    UNARY_OP("Softplus", "", 1, hawq_unary_shape, softplus);

static inline hawq_jet softsign(real x, const void *param) {
    (void)param;
    real r = 1 / (1 + (x < 0 ? -x : x));
    return (hawq_jet){x * r, r * r, (x < 0 ? 2 : -2) * r * r * r};
}
UNARY_SWEEPS(softsign)
const hawq_op hawq_op_softsign =
    UNARY_OP("Softsign", "", 1, hawq_unary_shape, softsign);

/* x tanh(log(1 + e^x)) */
static inline hawq_jet mish(real x, const void *param) {
    (void)param;
    double v = (double)x, s = logistic(v), t = tanh(log1p_exp(v));
    double d = (1 - t * t) * s;                             /* t' */
    double dd = -2 * t * d * s + (1 - t * t) * s * (1 - s); /* t'' */
    return (hawq_jet){(real)(v * t), (real)(t + v * d), (real)(2 * d + v * dd)};
}
UNARY_SWEEPS(mish)
const hawq_op hawq_op_mish = UNARY_OP("Mish", "", 1, hawq_unary_shape, mish);
