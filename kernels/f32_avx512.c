/* f32_avx512.c -- float convolutions on AVX-512: 8 channels x 3 vectors are 24
 * accumulators of 32 registers.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#if defined(__x86_64__)
#include <immintrin.h>

enum { LANES = 16, OUT = 8, ROWS = 8 };
typedef __m512 vec;

static inline float sum(vec v) {
    return _mm512_reduce_add_ps(v);
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

const hawq_f32_kernels hawq_f32_avx512 = {"avx512", usable, correlate,
                                          correlate_weights, &winograd};
#else
typedef int nothing_on_this_processor;
#endif
