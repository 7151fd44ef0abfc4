/* exponential.h -- exp and what is made of it, in loops that vectorize.
 *
 * In float these are polynomials without branches or table look-ups; largest
 * errors over all floats, in units of the last place (test_exponential):
 *     hawq_exp 1, hawq_tanh 2, hawq_sigmoid and hawq_erf 3, hawq_normal 6
 * (results below FLT_MIN: within FLT_MIN). In double they are the C library's.
 *
 *     exp     2^n e^r, |r| <= ln(2) / 2 (Cody and Waite 1980)
 *     erf     x p(x^2) near 0, else 1 - e^(-x^2) t q(t), t = 1 / (1 + 0.35 |x|)
 *     tanh    x + x^3 p(x^2) near 0, else 1 - 2 / (e^(2|x|) + 1)
 * with p and q minimax polynomials (Remez 1934).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_EXPONENTIAL_H
#define HAWQ_EXPONENTIAL_H
#include "src/base/wide.h"
#include "src/graph/op.h"

#include <math.h>
#include <string.h>

HAWQ_INLINE bool hawq_is_double(void) {
    return sizeof(real) == sizeof(double);
}

HAWQ_INLINE uint32_t hawq_float_bits(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}
HAWQ_INLINE float hawq_bits_float(uint32_t u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* e^(x + low), low much smaller than x: a square spelled out exactly. */
HAWQ_INLINE float hawq_exp_float(float x, float low) {
    const float round = 0x1.8p23f; /* + round: to the nearest integer */
    x = x < -104 ? -104 : x;
    x = x > 89 ? 89 : x;
    float at = x * 1.44269504f + round, n = at - round;
    float r = x - n * 0.693359375f - n * -2.12194440e-4f + low;
    float q = 1.381446390e-3f * r + 8.368780382e-3f;
    q = q * r + 4.166839426e-2f;
    q = q * r + 1.666652011e-1f;
    q = q * r + 4.999999341e-1f;
    /* 2^n in two factors: beyond the normal range one would not do */
    uint32_t k = hawq_float_bits(at) - hawq_float_bits(round) + 256;
    uint32_t half = k >> 1;
    return (q * (r * r) + r + 1) * hawq_bits_float((half - 1) << 23) *
           hawq_bits_float((k - half - 1) << 23);
}

/* e^(-s x^2), s a power of two: x^2 to twice the digits */
HAWQ_INLINE float hawq_gauss_float(float x, float s) {
    x = fabsf(x) > 16 ? 16 : x;
    float top = hawq_bits_float(hawq_float_bits(x) & 0xfffff000u);
    return hawq_exp_float(-s * (top * top), -s * ((x - top) * (x + top)));
}

/* e^(z^2) erfc(z), z >= 0 */
HAWQ_INLINE float hawq_erfcx_float(float z) {
    float t = 1 / (1 + 0.35f * z), s = t - 0.625f;
    float q = 3.908192836e-2f * s + 5.710433183e-2f;
    q = q * s - 7.338296482e-2f;
    q = q * s - 1.845753562e-1f;
    q = q * s + 3.714845864e-2f;
    q = q * s + 5.701116179e-1f;
    q = q * s + 1.033531189f;
    q = q * s + 1.112372747f;
    q = q * s + 8.387377943e-1f;
    q = q * s + 4.635553837e-1f;
    return t * q;
}

/* erf(v), |v| <= 0.875 */
HAWQ_INLINE float hawq_erf_near(float v) {
    float u = v * v;
    float p = 8.675391768e-5f * u - 8.211103959e-4f;
    p = p * u + 5.206747433e-3f;
    p = p * u - 2.686158471e-2f;
    p = p * u + 1.128373300e-1f;
    p = p * u - 3.761263607e-1f;
    p = p * u + 1.128379167f;
    return p * v;
}

HAWQ_INLINE real hawq_exp(real x) {
    if (hawq_is_double()) return (real)exp((double)x);
    return (real)hawq_exp_float((float)x, 0);
}

/* 1 / (1 + e^-x); below -88 zero */
HAWQ_INLINE real hawq_sigmoid(real x) {
    return 1 / (1 + hawq_exp(-x));
}

HAWQ_INLINE real hawq_tanh(real x) {
    if (hawq_is_double()) return (real)tanh((double)x);
    float v = (float)x, u = v * v, a = fabsf(v);
    float p = -5.717045068e-3f * u + 2.065058713e-2f;
    p = p * u - 5.374349794e-2f;
    p = p * u + 1.333149128e-1f;
    p = p * u - 3.333328393e-1f;
    float near = (p * u + 1) * v;
    float far = 1 - 2 / (hawq_exp_float(2 * a, 0) + 1);
    return (real)(a < 0.625f ? near : v < 0 ? -far : far);
}

/* erf, and e^(-x^2) */
HAWQ_INLINE real hawq_erf(real x, real *gauss) {
    if (hawq_is_double()) {
        *gauss = (real)exp(-(double)x * (double)x);
        return (real)erf((double)x);
    }
    float v = (float)x, a = fabsf(v), e = hawq_gauss_float(v, 1);
    float far = 1 - e * hawq_erfcx_float(a);
    *gauss = (real)e;
    return (real)(a < 0.875f ? hawq_erf_near(v) : v < 0 ? -far : far);
}

/* The normal distribution at x, and its density. */
HAWQ_INLINE real hawq_normal(real x, real *density) {
    const double root = 0.39894228040143267794; /* 1 / sqrt(2 pi) */
    if (hawq_is_double()) {
        *density = (real)(root * exp(-0.5 * (double)x * (double)x));
        return (real)(0.5 * erfc(-(double)x * M_SQRT1_2));
    }
    float v = (float)x, z = v * (float)M_SQRT1_2, e = hawq_gauss_float(v, 0.5f);
    float tail = 0.5f * e * hawq_erfcx_float(fabsf(z));
    float far = v < 0 ? tail : 1 - tail;
    *density = (real)((float)root * e);
    return (real)(fabsf(z) < 0.4f ? 0.5f + 0.5f * hawq_erf_near(z) : far);
}

#endif
