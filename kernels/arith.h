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
 * Packing. Codes of b bits, 1 <= b <= 8, are unsigned and lie densely in a
 * stream of bits, little end first: code i is bits i b .. i b + b - 1, bit k of
 * the stream being bit k % 8 of byte k / 8. Codes of three levels lie five to a
 * byte, sum code_j 3^j over j = i % 5. Rows are not padded.
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

/* Bytes of n packed b-bit codes. */
static inline size_t hawq_packed_bytes(size_t n, int bits) {
    return (n * (size_t)bits + 7) / 8;
}

/* Code i of a packed array. */
static inline uint8_t hawq_unpack(const uint8_t *packed, size_t i, int bits) {
    size_t   at = i * (size_t)bits;
    int      from = (int)(at % 8);
    unsigned v = (unsigned)packed[at / 8] >> from;
    if (from + bits > 8) v |= (unsigned)packed[at / 8 + 1] << (8 - from);
    return (uint8_t)(v & ((1u << bits) - 1));
}

/* Stores code i; all other codes are kept. */
static inline void hawq_pack(uint8_t *packed, size_t i, int bits,
                             uint8_t code) {
    size_t   at = i * (size_t)bits;
    int      from = (int)(at % 8);
    unsigned mask = ((1u << bits) - 1) << from, v = (unsigned)code << from;
    uint8_t *to = packed + at / 8;
    to[0] = (uint8_t)((to[0] & ~mask) | (v & mask));
    if (from + bits > 8)
        to[1] = (uint8_t)((to[1] & ~(mask >> 8)) | ((v & mask) >> 8));
}

/* The code of every int8 weight w, at (uint8_t)w: its place among the 2^bits
 * levels, the first if it occurs twice; at 8 bits the weight itself. What is no
 * level has code 0. */
static inline void hawq_level_codes(const int8_t *level, int bits,
                                    uint8_t code[256]) {
    for (int w = 0; w < 256; w++) code[w] = bits == 8 ? (uint8_t)w : 0;
    for (int i = (1 << bits) - 1; bits < 8 && i >= 0; i--)
        code[(uint8_t)level[i]] = (uint8_t)i;
}

/* As hawq_pack and the others, for codes 0, 1, 2, five to a byte. An array
 * starts as zeros. */
static inline size_t hawq_trit_bytes(size_t n) {
    return (n + 4) / 5;
}

static inline int hawq_trit_place(size_t i) {
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    return power[i % 5];
}

static inline uint8_t hawq_unpack_trit(const uint8_t *packed, size_t i) {
    return (uint8_t)(packed[i / 5] / hawq_trit_place(i) % 3);
}

static inline void hawq_pack_trit(uint8_t *packed, size_t i, uint8_t code) {
    int change = code - hawq_unpack_trit(packed, i);
    packed[i / 5] = (uint8_t)(packed[i / 5] + change * hawq_trit_place(i));
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
