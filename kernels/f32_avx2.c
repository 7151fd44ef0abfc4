/* f32_avx2.c -- float convolutions on AVX2 and FMA: 4 channels x 3 vectors are
 * 12 accumulators of 16 registers.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#if defined(__x86_64__)
enum { LANES = 8, OUT = 4, RUN = 3, ROWS = 4 };
#include "kernels/f32_body.h"

static bool usable(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

const hawq_f32_kernels hawq_f32_avx2 = {"avx2", usable, correlate,
                                        correlate_weights};
#else
typedef int nothing_on_this_processor;
#endif
