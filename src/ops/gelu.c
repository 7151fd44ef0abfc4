/* gelu.c -- Erf, and Gelu (Hendrycks and Gimpel 2016) in its two forms, with
 * Phi and phi the normal distribution and its density:
 *     none   x Phi(x)                 Gelu' = Phi + x phi
 *                                     Gelu'' = (2 - x^2) phi
 *     tanh   x (1 + tanh u) / 2,      u = sqrt(2/pi) (x + 0.044715 x^3)
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/exponential.h"
#include "src/ops/unary.h"

#include <string.h>

static inline hawq_jet erf_jet(real x, const void *param) {
    (void)param;
    real gauss, y = hawq_erf(x, &gauss), d = (real)M_2_SQRTPI * gauss;
    return (hawq_jet){y, d, -2 * x * d};
}
UNARY_SWEEPS(erf_jet)
const hawq_op hawq_op_erf = UNARY_OP("Erf", "", 1, hawq_unary_shape, erf_jet);

static inline hawq_jet gelu_erf(real x) {
    real pdf, cdf = hawq_normal(x, &pdf);
    return (hawq_jet){x * cdf, cdf + x * pdf, (2 - x * x) * pdf};
}

/* (1 + tanh u) / 2 = s(2u), the sigmoid; s' = s (1 - s), s'' = s' (1 - 2s) */
static inline hawq_jet gelu_tanh(real x) {
    const real c = (real)(2 * M_2_SQRTPI * M_SQRT1_2), k = (real)0.044715;
    real       s = hawq_sigmoid(c * (x + k * x * x * x));
    real       du = c * (1 + 3 * k * x * x), ddu = 6 * c * k * x;
    real       slope = s * (1 - s), d = slope * du;
    real       dd = slope * ddu + slope * (1 - 2 * s) * du * du;
    return (hawq_jet){x * s, s + x * d, 2 * d + x * dd};
}

static inline hawq_jet gelu(real x, const void *param) {
    return param ? gelu_tanh(x) : gelu_erf(x);
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
