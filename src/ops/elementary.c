/* elementary.c -- Reciprocal, the trigonometric and hyperbolic functions and
 * their inverses, and the steps Sign, Floor, Ceil, Round, whose derivatives
 * are zero: each is its jet, see unary.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/unary.h"

#include <math.h>

/* Defines jet_x and its operator from f, f' and f'' as doubles of v, with y
 * the value f. */
#define FUNCTION(x, onnx_name, f, df, ddf)                                     \
    static inline hawq_jet jet_##x(real at, const void *param) {               \
        (void)param;                                                           \
        double v = (double)at, y = (f), d = (df);                              \
        (void)v;                                                               \
        return (hawq_jet){(real)y, (real)d, (real)(ddf)};                      \
    }                                                                          \
    UNARY_SWEEPS(jet_##x)                                                      \
    const hawq_op hawq_op_##x =                                                \
        UNARY_OP(onnx_name, "", 1, hawq_unary_shape, jet_##x);

/* clang-format off */
FUNCTION(reciprocal, "Reciprocal", 1 / v, -y * y, -2 * y * d)
FUNCTION(sin, "Sin", sin(v), cos(v), -y)
FUNCTION(cos, "Cos", cos(v), -sin(v), -y)
FUNCTION(tan, "Tan", tan(v), 1 + y * y, 2 * y * d)
FUNCTION(asin, "Asin", asin(v), 1 / sqrt(1 - v * v), v * d * d * d)
FUNCTION(acos, "Acos", acos(v), -1 / sqrt(1 - v * v), v * d * d * d)
FUNCTION(atan, "Atan", atan(v), 1 / (1 + v * v), -2 * v * d * d)
FUNCTION(sinh, "Sinh", sinh(v), cosh(v), y)
FUNCTION(cosh, "Cosh", cosh(v), sinh(v), y)
FUNCTION(asinh, "Asinh", asinh(v), 1 / sqrt(v * v + 1), -v * d * d * d)
FUNCTION(acosh, "Acosh", acosh(v), 1 / sqrt(v * v - 1), -v * d * d * d)
FUNCTION(atanh, "Atanh", atanh(v), 1 / (1 - v * v), 2 * v * d * d)
FUNCTION(floor, "Floor", floor(v), 0, 0 * d)
FUNCTION(ceil, "Ceil", ceil(v), 0, 0 * d)
FUNCTION(round, "Round", rint(v), 0, 0 * d) /* halves to even */
/* clang-format on */
