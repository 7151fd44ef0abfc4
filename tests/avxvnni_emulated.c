/* avxvnni_emulated.c -- kernels/avxvnni.c where the processor lacks AVX-VNNI.
 *
 * Its one instruction that AVX2 has not is done here in portable C, and the
 * file linked in place of the real one: test_kernels then compares its table
 * with ref, bit for bit. It proves tiles, layouts and arithmetic; nothing of
 * speed. Without AVX2 it is not usable, and the test says so.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <cpuid.h>
#include <immintrin.h>
#include <stdint.h>

static inline void dot(__m256i *acc, __m256i x, __m256i w) {
    uint8_t a[32];
    int8_t  b[32];
    int32_t sum[8];
    _mm256_storeu_si256((void *)a, x);
    _mm256_storeu_si256((void *)b, w);
    _mm256_storeu_si256((void *)sum, *acc);
    for (int i = 0; i < 32; i++) sum[i / 4] += a[i] * b[i];
    *acc = _mm256_loadu_si256((const void *)sum);
}
#define HAWQ_DOT_EMULATED

/* Whether the processor has it does not matter here. */
#define __get_cpuid_count(leaf, sub, a, b, c, d)                               \
    (*(b) = *(c) = *(d) = 0, *(a) = 1 << 4)

#include "kernels/avxvnni.c"
