/* avx2.c -- AVX2, exactly.
 *
 * The instruction usual for bytes, vpmaddubsw, saturates its sum of two
 * products to 16 bits: 2 * 255 * 127 does not fit. So x and weights that may be
 * larger than 64 are widened to 16 bits (x once, when the image is copied) and
 * multiplied by vpmaddwd, which is exact. If no weight is larger than L in
 * magnitude, n vpmaddubsw may be summed in 16 bits while n * 2 * 255 * L <=
 * 32767: eight for L <= 8, two for L <= 32, one for L <= 64 (each time 32640 at
 * most; four for L <= 16 are not faster than two). Such layers use the byte
 * tiles, whatever their width in bits: half the multiplications, on half the
 * bytes of x.
 *
 * Tiles (tiled.h) are 4 pixels x 16 output channels.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/avx2_slots.h"
#include "kernels/tables.h"
#include "kernels/tiled.h"

#if defined(__AVX2__)
enum { PX = 4 };

#include "kernels/avx2_tiles_body.h"

static bool usable(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

/* Any weights, expanded: a step is 2 values of 16 bits. */
INLINE void accumulate_words(const hawq_tile *t, const int8_t *w,
                             const uint8_t *x, ptrdiff_t next,
                             __m256i (*acc)[2], int      n) {
    for (int r = 0; r < t->n_runs; r++) {
        ptrdiff_t k = t->run_at[r], end = k + t->run_bytes;
        for (; k < end; k += 4, w += 32) {
            __m256i w0 = widened(w), w1 = widened(w + 16);
            HAWQ_UNROLL
            for (int i = 0; i < n; i++) {
                __m256i v = broadcast4(x + k + i * next);
                acc[i][0] =
                    _mm256_add_epi32(acc[i][0], _mm256_madd_epi16(v, w0));
                acc[i][1] =
                    _mm256_add_epi32(acc[i][1], _mm256_madd_epi16(v, w1));
            }
        }
    }
}

/* sum += the products of b (unsigned) and w (signed), added in pairs. Inline
 * assembly: from the intrinsics, gcc 12 copies the sums of a loop from register
 * to register. */
INLINE void add_pairs(__m256i *sum, __m256i b, __m256i w) {
    __m256i product;
    __asm__("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0"
            : "+x"(*sum), "=&x"(product)
            : "x"(b), "x"(w));
}

/* One step of 4 bytes. */
INLINE void narrow_step(__m256i w0, __m256i w1, const uint8_t *x,
                        ptrdiff_t next, __m256i (*sum)[2], int n) {
    HAWQ_UNROLL
    for (int i = 0; i < n; i++) {
        __m256i b = broadcast4(x + i * next);
        add_pairs(&sum[i][0], b, w0);
        add_pairs(&sum[i][1], b, w1);
    }
}

/* n_steps steps, so few that their sums fit 16 bits, widened after the last. As
 * stored, the weights of 8 / bits steps lie in the same 64 bytes. */
INLINE void narrow_steps(const int8_t *w, size_t step, __m256i levels, int bits,
                         size_t n_steps, const uint8_t *x, ptrdiff_t next,
                         __m256i (*acc)[2], int n) {
    const __m256i ones = _mm256_set1_epi16(1);
    const int     fields = 8 / bits;
    __m256i       sum[PX][2];
    size_t        end = step + n_steps;
    HAWQ_UNROLL
    for (int i = 0; i < n; i++) sum[i][0] = sum[i][1] = _mm256_setzero_si256();
    for (; step % (size_t)fields == 0 && step + (size_t)fields <= end;
         step += (size_t)fields) {
        const int8_t *p = w + step / (size_t)fields * 64;
        __m256i       v0 = load(p), v1 = load(p + 32);
        for (int f = 0; f < fields; f++, x += 4)
            narrow_step(bits == 8 ? v0 : levels_at(v0, levels, bits, f * bits),
                        bits == 8 ? v1 : levels_at(v1, levels, bits, f * bits),
                        x, next, sum, n);
    }
    for (; step < end; step++, x += 4)
        narrow_step(weights_at(w, step, 0, levels, bits),
                    weights_at(w, step, 1, levels, bits), x, next, sum, n);
    HAWQ_UNROLL
    for (int i = 0; i < n; i++)
        for (int v = 0; v < 2; v++)
            acc[i][v] =
                _mm256_add_epi32(acc[i][v], _mm256_madd_epi16(sum[i][v], ones));
}

/* Weights up to 64, expanded or (bits < 8) as stored: every step of 4 bytes is
 * widened at once. */
INLINE void accumulate_pairs(const hawq_tile *t, const int8_t *w, int bits,
                             const uint8_t *x, ptrdiff_t next,
                             __m256i (*acc)[2], int      n) {
    const __m256i levels = levels_load(t->level), ones = _mm256_set1_epi16(1);
    size_t        step = 0;
    for (int r = 0; r < t->n_runs; r++) {
        ptrdiff_t k = t->run_at[r], end = k + t->run_bytes;
        for (; k < end; k += 4, step++) {
            __m256i w0 = weights_at(w, step, 0, levels, bits);
            __m256i w1 = weights_at(w, step, 1, levels, bits);
            HAWQ_UNROLL
            for (int i = 0; i < n; i++) {
                __m256i b = broadcast4(x + k + i * next);
                __m256i p0 =
                    _mm256_madd_epi16(_mm256_maddubs_epi16(b, w0), ones);
                __m256i p1 =
                    _mm256_madd_epi16(_mm256_maddubs_epi16(b, w1), ones);
                acc[i][0] = _mm256_add_epi32(acc[i][0], p0);
                acc[i][1] = _mm256_add_epi32(acc[i][1], p1);
            }
        }
    }
}

/* Smaller weights, of which `most` steps of 4 bytes may be summed in 16 bits.
 */
INLINE void accumulate_bytes(const hawq_tile *t, const int8_t *w, int bits,
                             size_t most, const uint8_t *x, ptrdiff_t next,
                             __m256i (*acc)[2], int n) {
    const __m256i levels = levels_load(t->level);
    size_t        step = 0, steps = (size_t)t->run_bytes / 4;
    for (int r = 0; r < t->n_runs; r++) {
        const uint8_t *p = x + t->run_at[r];
        size_t         end = step + steps;
        for (; step + most <= end; step += most, p += 4 * most)
            narrow_steps(w, step, levels, bits, most, p, next, acc, n);
        if (step < end)
            narrow_steps(w, step, levels, bits, end - step, p, next, acc, n);
        step = end;
    }
}

/* bits: of the panel; most: 0 for 16-bit products, else the number of steps
 * whose byte products may be summed in 16 bits. */
INLINE void tile(const hawq_tile *t, const int8_t *w, const uint8_t *x,
                 ptrdiff_t next, void *y, int n, int bits, int most) {
    __m256i acc[PX][2];
    HAWQ_UNROLL
    for (int i = 0; i < n; i++) {
        acc[i][0] = load(t->bias);
        acc[i][1] = load(t->bias + 8);
    }
    if (most == 0)
        accumulate_words(t, w, x, next, acc, n);
    else if (most == 1)
        accumulate_pairs(t, w, bits, x, next, acc, n);
    else
        accumulate_bytes(t, w, bits, most, x, next, acc, n);
    finish(t, acc, n, y);
}

#define TILE(name, n, bits, most)                                              \
    static void name(hawq_tile *t, const int8_t *w, const uint8_t *x,          \
                     ptrdiff_t next, void *y) {                                \
        tile(t, w, x, next, y, n, bits, most);                                 \
    }
#define KIND(name, k, bytes, most, single_w4, single_w2)                       \
    TILE(name##_1, 1, 8, most)                                                 \
    TILE(name##_2, 2, 8, most)                                                 \
    TILE(name##_3, 3, 8, most)                                                 \
    TILE(name##_4, 4, 8, most)                                                 \
    static hawq_tile_function *const name##_pixels[PX] = {name##_1, name##_2,  \
                                                          name##_3, name##_4}; \
    static const hawq_tile_kind      name = {                                  \
             .names = {"w8_4x16c" #k "_avx2", "w4_4x16c" #k "_avx2",           \
                       "w2_4x16c" #k "_avx2"},                                 \
             .lanes = 8,                                                       \
             .per = k,                                                         \
             .split = 1,                                                       \
             .x_bytes = bytes,                                                 \
             .pixels = PX,                                                     \
             .functions = name##_pixels,                                       \
             .single = {name##_1, single_w4, single_w2}};
#define BYTES(name, most)                                                      \
    TILE(name##_w4, 1, 4, most)                                                \
    TILE(name##_w2, 1, 2, most)                                                \
    KIND(name, 4, 1, most, name##_w4, name##_w2)
KIND(words, 2, 2, 0, NULL, NULL)
BYTES(bytes64, 1)
BYTES(bytes32, 2)
BYTES(bytes8, 8)

static const hawq_tile_kind *kind(const hawq_conv *v, int rest) {
    int largest = hawq_tiled_largest(v);
    (void)rest;
    return largest <= 8    ? &bytes8
           : largest <= 32 ? &bytes32
           : largest <= 64 ? &bytes64
                           : &words;
}

static void widen(size_t n, const uint8_t *from, uint16_t *to) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        store(to + i,
              _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)(from + i))));
    for (; i < n; i++) to[i] = from[i];
}

static const hawq_tiled isa = {
    .kind = kind,
    .expand = expand,
    .widen = widen,
    .depthwise_names = {"w8_depthwise32_avx2", "w4_depthwise32_avx2",
                        "w2_depthwise32_avx2"},
    .depthwise_lanes = 8,
    .depthwise_per = 2,
    .depthwise = depthwise,
};

#include "kernels/tiled_body.h"

const hawq_kernels hawq_kernels_avx2 = {
    .name = "avx2",
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
