/* avxvnni.c -- AVX2 with VNNI in its 256-bit form, which processors have that
 * lack AVX-512: vpdpbusd adds four products of an unsigned and a signed byte to
 * an int32 lane, without saturation, so sums are exact whatever the weights.
 *
 * Tiles (tiled.h) are 6 pixels x 16 output channels: twelve accumulators hide
 * the latency of vpdpbusd, and two weights and a value of x fill the rest of
 * the registers. All else is as in avx2.c.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/avx2_slots.h"
#include "kernels/tables.h"
#include "kernels/tiled.h"

#if defined(__AVX2__)
#include <cpuid.h>

enum { PX = 6 };

#include "kernels/avx2_tiles_body.h"

/* Leaf 7, 1 of CPUID says AVX-VNNI in bit 4 of EAX; clang 14 has no name for
 * it.
 */
static bool usable(void) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return hawq_kernels_avx2.usable() &&
           __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 4 & 1;
}

/* acc += x (unsigned) . w (signed). Inline assembly: from the intrinsic, gcc 12
 * moves accumulators of unrolled loops to the stack. */
#if !defined(HAWQ_DOT_EMULATED)
INLINE void dot(__m256i *acc, __m256i x, __m256i w) {
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(*acc) : "x"(x), "x"(w));
}
#endif

/* Step `step` of a panel of these bits. */
INLINE void step_dots(const int8_t *w, size_t step, __m256i levels, int bits,
                      const uint8_t *x, ptrdiff_t next, __m256i (*acc)[2],
                      int n) {
    __m256i w0 = weights_at(w, step, 0, levels, bits);
    __m256i w1 = weights_at(w, step, 1, levels, bits);
    HAWQ_UNROLL
    for (int i = 0; i < n; i++) {
        __m256i b = broadcast4(x + i * next);
        dot(&acc[i][0], b, w0);
        dot(&acc[i][1], b, w1);
    }
}

INLINE void tile(const hawq_tile *t, const int8_t *w, const uint8_t *x,
                 ptrdiff_t next, void *y, int n, int bits) {
    const __m256i levels = levels_load(t->level);
    __m256i       acc[PX][2];
    size_t        step = 0;
    HAWQ_UNROLL
    for (int i = 0; i < n; i++) {
        acc[i][0] = load(t->bias);
        acc[i][1] = load(t->bias + 8);
    }
    for (int r = 0; r < t->n_runs; r++) {
        ptrdiff_t k = t->run_at[r], end = k + t->run_bytes;
        for (; k < end; k += 4, step++)
            step_dots(w, step, levels, bits, x + k, next, acc, n);
    }
    finish(t, acc, n, y);
}

/* One pixel: the steps' sums take turns in four accumulators of each half,
 * which hides the latency that several pixels hide elsewhere. */
INLINE void single(const hawq_tile *t, const int8_t *w, const uint8_t *x,
                   void *y, int bits) {
    const __m256i levels = levels_load(t->level);
    __m256i       part[4][2];
    size_t        step = 0;
    HAWQ_UNROLL
    for (int i = 0; i < 4; i++) {
        part[i][0] = i ? _mm256_setzero_si256() : load(t->bias);
        part[i][1] = i ? _mm256_setzero_si256() : load(t->bias + 8);
    }
    for (int r = 0; r < t->n_runs; r++) {
        ptrdiff_t k = t->run_at[r], end = k + t->run_bytes;
        for (; k + 16 <= end; k += 16, step += 4) {
            HAWQ_UNROLL
            for (int i = 0; i < 4; i++)
                step_dots(w, step + (size_t)i, levels, bits, x + k + 4 * i, 0,
                          part + i, 1);
        }
        for (; k < end; k += 4, step++)
            step_dots(w, step, levels, bits, x + k, 0, part, 1);
    }
    HAWQ_UNROLL
    for (int v = 0; v < 2; v++)
        part[0][v] = _mm256_add_epi32(_mm256_add_epi32(part[0][v], part[1][v]),
                                      _mm256_add_epi32(part[2][v], part[3][v]));
    finish(t, part, 1, y);
}

#define SINGLE(bits)                                                           \
    static void single_##bits(hawq_tile *t, const int8_t *w, const uint8_t *x, \
                              ptrdiff_t next, void *y) {                       \
        (void)next;                                                            \
        single(t, w, x, y, bits);                                              \
    }
SINGLE(8)
SINGLE(4)
SINGLE(2)

#define TILE_OF(t, w, x, next, y, n) tile(t, w, x, next, y, n, 8)
#include "kernels/six_tiles_body.h"

static const hawq_tile_kind dots = {
    .names = {"w8_6x16c4_avxvnni", "w4_6x16c4_avxvnni", "w2_6x16c4_avxvnni"},
    .lanes = 8,
    .per = 4,
    .split = 1,
    .x_bytes = 1,
    .pixels = PX,
    .functions = tiles,
    .single = {single_8, single_4, single_2}};

static const hawq_tile_kind *kind(const hawq_conv *v, int rest) {
    (void)v, (void)rest;
    return &dots;
}

static const hawq_tiled isa = {
    .kind = kind,
    .expand = expand,
    .depthwise_names = {"w8_depthwise32_avxvnni", "w4_depthwise32_avxvnni",
                        "w2_depthwise32_avxvnni"},
    .depthwise_lanes = 8,
    .depthwise_per = 2,
    .depthwise = depthwise,
};

#include "kernels/tiled_body.h"

const hawq_kernels hawq_kernels_avxvnni = {
    .name = "avxvnni",
    .usable = usable,
    .conv_packed_bytes = conv_packed_bytes,
    .conv_pack = conv_pack,
    .conv_scratch_bytes = conv_scratch_bytes,
    .conv = conv,
    .conv_s32 = conv_s32,
    .conv_name = conv_name,
    .conv_outliers = hawq_outliers_by_rectangles,
    .requantize = hawq_avx2_requantize,
    .add = hawq_avx2_add,
    .max_pool = hawq_avx2_max_pool,
    .average_pool = hawq_avx2_average_pool,
    .quantize = hawq_avx2_quantize,
    .move = hawq_avx2_move,
};
#endif
