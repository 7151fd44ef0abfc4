/* f32_avx512.c -- float convolutions on AVX-512: 24 accumulators of 32
 * registers.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#if defined(__x86_64__)
#include <immintrin.h>

enum { LANES = 16, VECTORS = 24, OUT = 8, WIDE = 4 };
typedef __m512 vec;

static inline vec splat(float x) {
    return _mm512_set1_ps(x);
}
static inline float sum(vec v) {
    return _mm512_reduce_add_ps(v);
}
static inline __mmask16 some_of(size_t n) {
    return (__mmask16)((1U << n) - 1);
}
static inline vec load_some(const float *x, size_t n) {
    return _mm512_maskz_loadu_ps(some_of(n), x);
}
static inline void store_some(float *y, vec v, size_t n) {
    _mm512_mask_storeu_ps(y, some_of(n), v);
}
/* The two vectors of a0 b0 a1 b1 .. a15 b15. */
static inline vec zip_low(vec a, vec b) {
    return _mm512_permutex2var_ps(a,
                                  _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19,
                                                    4, 20, 5, 21, 6, 22, 7, 23),
                                  b);
}
static inline vec zip_high(vec a, vec b) {
    return _mm512_permutex2var_ps(a,
                                  _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11,
                                                    27, 12, 28, 13, 29, 14, 30,
                                                    15, 31),
                                  b);
}

/* a0 a2 .. a14 b0 .. b14 */
static inline vec even(vec a, vec b) {
    return _mm512_permutex2var_ps(a,
                                  _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14,
                                                    16, 18, 20, 22, 24, 26, 28,
                                                    30),
                                  b);
}

static inline vec low(vec a, vec b) {
    return _mm512_unpacklo_ps(a, b);
}
static inline vec high(vec a, vec b) {
    return _mm512_unpackhi_ps(a, b);
}
static inline vec low_pair(vec a, vec b) {
    return _mm512_shuffle_ps(a, b, 0x44);
}
static inline vec high_pair(vec a, vec b) {
    return _mm512_shuffle_ps(a, b, 0xee);
}

#include "kernels/f32_body.h"
#include "kernels/f32_winograd_body.h"

static bool usable(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f");
}

const hawq_f32_kernels hawq_f32_avx512 = {
    "avx512", usable, pad, forward, by_data, by_weights, &winograd};
#else
typedef int nothing_on_this_processor;
#endif
