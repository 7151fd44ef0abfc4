/* arith.h -- the one definition of every bit of the integer arithmetic.
 *
 * Requantization. A real factor M = s_x s_w / s_y is written as
 *     M ~ m * 2^-(31 - e),  m in [2^30, 2^31),
 * and an accumulator becomes, with s = 31 - e + pre and t = s - 32,
 *     h = floor((acc * 2^pre) * m / 2^32)           signed high word
 *     y = clamp(zero + ((h + 2^(t-1)) >> t), low, high)
 * which equals (acc * 2^pre * m + 2^(s-1)) >> s: one rounding, half toward
 * +infinity (the single-rounding form of gemmlowp's successor ruy and of
 * TensorFlow Lite). It is computable with the same bits on every backend.
 *
 * Packing. b-bit two's complement, little end first: 4-bit values two per
 * byte, low nibble first; 2-bit four per byte. Rows are not padded.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_ARITH_H
#define HAWQ_ARITH_H
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Largest magnitude of a symmetric b-bit weight: 127, 7, 1. */
static inline int hawq_weight_max(int bits) {
    return (1 << (bits - 1)) - 1;
}

static inline int32_t hawq_clamp(int32_t v, int32_t low, int32_t high) {
    return v < low ? low : v > high ? high : v;
}

static inline uint8_t hawq_requantize(int32_t acc, int32_t multiplier,
                                      uint8_t pre, uint8_t shift, uint8_t zero,
                                      uint8_t low, uint8_t high) {
    int32_t h =
        (int32_t)(((int64_t)acc * ((int64_t)1 << pre) * multiplier) >> 32);
    int32_t r = (h + ((int32_t)1 << (shift - 1))) >> shift;
    return (uint8_t)hawq_clamp(zero + r, low, high);
}

/* The multiplier of a real factor M >= 0 for accumulators |acc| <= bound.
 * False if M is not finite, negative, or so large that acc * 2^pre would leave
 * 32 bits. M = 0 or M below 2^-63 gives multiplier 0; for M below 2^-32, where
 * every result is 0, the multiplier is shifted below 2^30 to keep t <= 30. */
static inline bool hawq_multiplier(double M, int64_t bound, int32_t *multiplier,
                                   uint8_t *pre, uint8_t *shift) {
    *multiplier = 0;
    *pre = 0;
    *shift = 1;
    if (!(M >= 0) || isinf(M)) return false;
    if (M < 0x1p-63) return true;
    int     e;
    double  f = frexp(M, &e);
    int64_t m = (int64_t)floor(f * 0x1p31 + 0.5);
    if (m == (int64_t)1 << 31) {
        m >>= 1;
        e += 1;
    }
    int t = -1 - e; /* s - 32 with pre = 0 */
    if (t < 1) {
        if (1 - t > 30 || bound >= (int64_t)1 << 31 >> (1 - t)) return false;
        *pre = (uint8_t)(1 - t);
        t = 1;
    }
    for (; t > 30; t--) m >>= 1;
    *multiplier = (int32_t)m;
    *shift = (uint8_t)t;
    return true;
}

/* Bytes of n packed b-bit values. */
static inline size_t hawq_packed_bytes(size_t n, int bits) {
    return (n * (size_t)bits + 7) / 8;
}

/* Value i of a packed array, sign-extended. bits is 8, 4 or 2. */
static inline int8_t hawq_unpack(const uint8_t *packed, size_t i, int bits) {
    size_t  per_byte = 8 / (size_t)bits;
    int     at = (int)(i % per_byte) * bits;
    uint8_t v = (uint8_t)(packed[i / per_byte] >> at << (8 - bits));
    return (int8_t)((int8_t)v >> (8 - bits));
}

/* Stores value i; the byte's other values are kept. */
static inline void hawq_pack(uint8_t *packed, size_t i, int bits,
                             int8_t value) {
    size_t  per_byte = 8 / (size_t)bits;
    int     at = (int)(i % per_byte) * bits;
    uint8_t mask = (uint8_t)(((1u << bits) - 1) << at);
    packed[i / per_byte] = (uint8_t)((packed[i / per_byte] & ~mask) |
                                     (((uint8_t)value << at) & mask));
}

/* ma, mb, shift of a residual addition: y - zero = a sa/sy + b sb/sy with
 * ma = round(sa/sy 2^shift), the largest shift <= 22 with both below 2^15.
 * False if a ratio is negative, not finite or not below 2^14. */
static inline bool hawq_add_multipliers(double a_ratio, double b_ratio,
                                        int16_t *ma, int16_t *mb,
                                        uint8_t *shift) {
    double largest = a_ratio > b_ratio ? a_ratio : b_ratio;
    if (!(a_ratio >= 0 && b_ratio >= 0) || !(largest < 0x1p14)) return false;
    int t = 22; /* 255 * 2^15 * 2 + 2^(t-1) stays far below 2^31 */
    while (t > 1 && floor(largest * ldexp(1, t) + 0.5) >= 0x1p15) t--;
    *ma = (int16_t)floor(a_ratio * ldexp(1, t) + 0.5);
    *mb = (int16_t)floor(b_ratio * ldexp(1, t) + 0.5);
    *shift = (uint8_t)t;
    return floor(largest * ldexp(1, t) + 0.5) < 0x1p15;
}

#endif
