/* half.h -- IEEE binary16, the format f16 is stored in.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_HALF_H
#define HAWQ_HALF_H
#include <math.h>
#include <stdint.h>

/* x rounded to the nearest binary16, ties to even; beyond 65504 the largest of
 * them. Exact, by the rounding of a float whose last kept bit is at the right
 * place: the spacing of binary16 is 2^(e-10) for 2^e <= |x|, 2^-24 below
 * 2^-14. */
static inline float hawq_half_round(float x) {
    int e;
    frexpf(x, &e); /* |x| in [2^(e-1), 2^e) */
    float step = ldexpf(1, e - 1 < -14 ? -24 : e - 11);
    float y = rintf(x / step) * step;
    return y > 65504 ? 65504 : y < -65504 ? -65504 : y;
}

/* The bits of a float that is a binary16, and back. */
static inline uint16_t hawq_half_bits(float x) {
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    float    a = fabsf(x);
    int      e;
    if (a < 0x1p-14f) return (uint16_t)(sign | (uint16_t)(a * 0x1p24f));
    float m = frexpf(a, &e); /* m in [1/2, 1) */
    return (uint16_t)(sign | (e + 14) << 10 |
                      ((uint16_t)(m * 0x1p11f) & 0x3ff));
}
static inline float hawq_half_value(uint16_t bits) {
    int   e = bits >> 10 & 31, m = bits & 0x3ff;
    float a = e ? ldexpf((float)(m + 1024), e - 25) : ldexpf((float)m, -24);
    return bits & 0x8000 ? -a : a;
}

#endif
