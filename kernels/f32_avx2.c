/* f32_avx2.c -- float convolutions on AVX2 and FMA: 12 accumulators of 16
 * registers.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#if defined(__x86_64__)
#include <immintrin.h>

enum { LANES = 8, VECTORS = 12, OUT = 4, WIDE = 2 };
typedef __m256 vec;

static inline vec splat(float x) {
    return _mm256_set1_ps(x);
}
static inline float sum(vec v) {
    __m128 x =
        _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
static inline __m256i some_of(size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vec load_some(const float *x, size_t n) {
    return _mm256_maskload_ps(x, some_of(n));
}
static inline void store_some(float *y, vec v, size_t n) {
    _mm256_maskstore_ps(y, some_of(n), v);
}
/* The two vectors of a0 b0 a1 b1 .. a7 b7. */
static inline vec zip_low(vec a, vec b) {
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b),
                                  _mm256_unpackhi_ps(a, b), 0x20);
}
static inline vec zip_high(vec a, vec b) {
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b),
                                  _mm256_unpackhi_ps(a, b), 0x31);
}

/* a0 a2 a4 a6 b0 b2 b4 b6 */
static inline vec even(vec a, vec b) {
    __m256 v = _mm256_shuffle_ps(a, b, 0x88);
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(v), 0xd8));
}

static inline vec low(vec a, vec b) {
    return _mm256_unpacklo_ps(a, b);
}
static inline vec high(vec a, vec b) {
    return _mm256_unpackhi_ps(a, b);
}
static inline vec low_pair(vec a, vec b) {
    return _mm256_shuffle_ps(a, b, 0x44);
}
static inline vec high_pair(vec a, vec b) {
    return _mm256_shuffle_ps(a, b, 0xee);
}

#include "kernels/f32_body.h"
#include "kernels/f32_winograd_body.h"

static bool usable(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

const hawq_f32_kernels hawq_f32_avx2 = {"avx2",  usable,     pad,      forward,
                                        by_data, by_weights, &winograd};
#else
typedef int nothing_on_this_processor;
#endif
