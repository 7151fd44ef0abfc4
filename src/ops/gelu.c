/* gelu.c -- Erf, and Gelu (Hendrycks and Gimpel 2016) in its two forms, with
 * Phi and phi the normal distribution and its density:
 *     none   x Phi(x)                 Gelu' = Phi + x phi
 *                                     Gelu'' = (2 - x^2) phi
 *     tanh   x (1 + tanh u) / 2,      u = sqrt(2/pi) (x + 0.044715 x^3)
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/unary.h"

#include <math.h>
#include <string.h>

static inline hawq_jet erf_jet(real x, const void *param) {
    (void)param;
    double v = (double)x, d = M_2_SQRTPI * exp(-v * v);
    return (hawq_jet){(real)erf(v), (real)d, (real)(-2 * v * d)};
}
UNARY_SWEEPS(erf_jet)
const hawq_op hawq_op_erf = UNARY_OP("Erf", "", 1, hawq_unary_shape, erf_jet);

static inline hawq_jet gelu_erf(double v) {
    double cdf = 0.5 * erfc(-v * M_SQRT1_2);
    double pdf = 0.5 * M_2_SQRTPI * M_SQRT1_2 * exp(-0.5 * v * v);
    return (hawq_jet){(real)(v * cdf), (real)(cdf + v * pdf),
                      (real)((2 - v * v) * pdf)};
}

static inline hawq_jet gelu_tanh(double v) {
    const double c = M_2_SQRTPI * M_SQRT1_2, k = 0.044715;
    double       t = tanh(c * (v + k * v * v * v));
    double       du = c * (1 + 3 * k * v * v), ddu = 6 * c * k * v;
    double       d = (1 - t * t) * du;
    double       dd = (1 - t * t) * ddu - 2 * t * d * du;
    return (hawq_jet){(real)(0.5 * v * (1 + t)),
                      (real)(0.5 * (1 + t) + 0.5 * v * d),
                      (real)(d + 0.5 * v * dd)};
}

static inline hawq_jet gelu(real x, const void *param) {
    return param ? gelu_tanh((double)x) : gelu_erf((double)x);
}
UNARY_SWEEPS(gelu)

/* param: NULL for the exact form */
static hawq_status gelu_shape(hawq_node *node, hawq_arena *arena) {
    static char tanh_form;
    const char *form = hawq_attr_string(node, "approximate", "none");
    if (strcmp(form, "none") != 0 && strcmp(form, "tanh") != 0)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "approximate '%s'; supported are none and tanh",
                              form);
    node->param = strcmp(form, "tanh") == 0 ? &tanh_form : NULL;
    return hawq_unary_shape(node, arena);
}

const hawq_op hawq_op_gelu =
    UNARY_OP("Gelu", "approximate", 1, gelu_shape, gelu);
