/* avx2_vectors_body.h -- requantization in vectors of 256 bits. Included by the
 * files of such instruction sets; a template, not a header of its own.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

INLINE __m256i load(const void *p) {
    return _mm256_loadu_si256(p);
}

INLINE void store(void *p, __m256i v) {
    _mm256_storeu_si256(p, v);
}

/* --- requantization, arith.h ------------------------------------------- */

/* Parameters of 8 lanes. */
typedef struct scale {
    __m256i multiplier, odd, pre, half, shift;
} scale;

INLINE scale scale_load(const hawq_tile *t, int at) {
    scale s = {.multiplier = load(t->multiplier + at),
               .pre = load(t->pre + at),
               .half = load(t->half + at),
               .shift = load(t->shift + at)};
    s.odd = _mm256_srli_epi64(s.multiplier, 32);
    return s;
}

/* ((acc << pre) * multiplier >> 32) + 2^(t-1) >> t. The products of odd lanes
 * already lie where their high words belong. */
INLINE __m256i scaled(__m256i acc, scale s) {
    acc = _mm256_sllv_epi32(acc, s.pre);
    __m256i even = _mm256_mul_epi32(acc, s.multiplier);
    __m256i odd = _mm256_mul_epi32(_mm256_srli_epi64(acc, 32), s.odd);
    __m256i high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    return _mm256_srav_epi32(_mm256_add_epi32(high, s.half), s.shift);
}

typedef struct bounds {
    __m256i zero, low, high;
} bounds;

INLINE bounds bounds_of(uint8_t zero, uint8_t low, uint8_t high) {
    return (bounds){_mm256_set1_epi16(zero), _mm256_set1_epi8((char)low),
                    _mm256_set1_epi8((char)high)};
}

/* Four vectors of scaled values to bytes; within each 128 bits, four of a,
 * four of b, c, d. Saturation on the way cannot change a clamped result. */
INLINE __m256i narrow(__m256i a, __m256i b, __m256i c, __m256i d, bounds k) {
    __m256i ab = _mm256_adds_epi16(_mm256_packs_epi32(a, b), k.zero);
    __m256i cd = _mm256_adds_epi16(_mm256_packs_epi32(c, d), k.zero);
    __m256i y = _mm256_packus_epi16(ab, cd);
    return _mm256_min_epu8(_mm256_max_epu8(y, k.low), k.high);
}

/* The same in the order a, b, c, d. */
INLINE __m256i narrow_in_order(__m256i a, __m256i b, __m256i c, __m256i d,
                               bounds k) {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    return _mm256_permutevar8x32_epi32(narrow(a, b, c, d, k), order);
}
