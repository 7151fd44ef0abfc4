/* f32_avx2.c -- float convolutions on AVX2 and FMA: 4 channels x 3 vectors are
 * 12 accumulators of 16 registers.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#if defined(__x86_64__)
#include <immintrin.h>

enum { LANES = 8, OUT = 4, ROWS = 4 };
typedef __m256 vec;

static inline float sum(vec v) {
    __m128 x =
        _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
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

const hawq_f32_kernels hawq_f32_avx2 = {"avx2", usable, correlate,
                                        correlate_weights, &winograd};
#else
typedef int nothing_on_this_processor;
#endif
