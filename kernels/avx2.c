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
#include "kernels/tables.h"
#include "kernels/tiled.h"

#if defined(__AVX2__)
#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { PX = 4 };

static bool usable(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

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

/* --- weights below 8 bits ------------------------------------------------ */

/* The level table in both halves. */
INLINE __m256i levels_load(const int8_t level[16]) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)level));
}

/* The weights whose codes are at bit `at` of every byte. */
INLINE __m256i levels_at(__m256i v, __m256i levels, int bits, int at) {
    __m256i mask = _mm256_set1_epi8(bits == 4 ? 15 : 3);
    v = _mm256_and_si256(_mm256_srl_epi16(v, _mm_cvtsi32_si128(at)), mask);
    return _mm256_shuffle_epi8(levels, v);
}

static void expand(int bits, const int8_t level[16], size_t n,
                   const uint8_t *from, int8_t *to) {
    const __m256i levels = levels_load(level);
    for (size_t i = 0; i < n; i += 64)
        for (int at = 0; at < 8; at += bits, to += 64) {
            store(to, levels_at(load(from + i), levels, bits, at));
            store(to + 32, levels_at(load(from + i + 32), levels, bits, at));
        }
}

/* Half (0, 1) of the weights 64 i .. 64 i + 63 of a panel that is expanded
 * (bits 8) or as it is stored: 64 bytes hold 8 / bits times 64 weights. */
INLINE __m256i weights_at(const int8_t *w, size_t i, size_t half,
                          __m256i levels, int bits) {
    size_t  fields = 8 / (size_t)bits;
    int     at = (int)(i % fields) * bits;
    __m256i v = load(w + i / fields * 64 + half * 32);
    return bits == 8 ? v : levels_at(v, levels, bits, at);
}

/* --- tiles -------------------------------------------------------------- */

INLINE __m256i broadcast4(const uint8_t *p) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_epi32(v);
}

INLINE __m256i widened(const int8_t *p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)p));
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

/* n_steps steps of 4 bytes, so few that their sums fit 16 bits, widened after
 * the last. */
INLINE void narrow_steps(const int8_t *w, size_t step, __m256i levels, int bits,
                         size_t n_steps, const uint8_t *x, ptrdiff_t next,
                         __m256i (*acc)[2], int n) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i       sum[PX][2];
    size_t        end = step + n_steps;
    HAWQ_UNROLL
    for (int i = 0; i < n; i++) sum[i][0] = sum[i][1] = _mm256_setzero_si256();
    for (; step < end; step++, x += 4) {
        __m256i w0 = weights_at(w, step, 0, levels, bits);
        __m256i w1 = weights_at(w, step, 1, levels, bits);
        HAWQ_UNROLL
        for (int i = 0; i < n; i++) {
            __m256i b = broadcast4(x + i * next);
            add_pairs(&sum[i][0], b, w0);
            add_pairs(&sum[i][1], b, w1);
        }
    }
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

INLINE void finish(const hawq_tile *t, __m256i (*acc)[2], int n, void *y) {
    if (t->raw) {
        int32_t *to = y;
        HAWQ_UNROLL
        for (int i = 0; i < n; i++, to += t->y_stride) {
            int32_t all[16];
            store(all, acc[i][0]);
            store(all + 8, acc[i][1]);
            memcpy(to, all, (size_t)t->n_oc * sizeof *all);
        }
        return;
    }
    scale    s0 = scale_load(t, 0), s1 = scale_load(t, 8);
    bounds   k = bounds_of(t->zero, t->low, t->high);
    uint8_t *to = y;
    HAWQ_UNROLL
    for (int i = 0; i < n; i += 2, to += 2 * t->y_stride) {
        int     j = i + 1 < n ? i + 1 : i;
        __m256i out =
            narrow_in_order(scaled(acc[i][0], s0), scaled(acc[i][1], s1),
                            scaled(acc[j][0], s0), scaled(acc[j][1], s1), k);
        __m128i a = _mm256_castsi256_si128(out);
        __m128i b = _mm256_extracti128_si256(out, 1);
        if (t->n_oc == 16) {
            _mm_storeu_si128((void *)to, a);
            if (j > i) _mm_storeu_si128((void *)(to + t->y_stride), b);
        } else {
            uint8_t all[32];
            store(all, out);
            memcpy(to, all, (size_t)t->n_oc);
            if (j > i) memcpy(to + t->y_stride, all + 16, (size_t)t->n_oc);
        }
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
#define KIND(name, per, x_bytes, most, single_w4, single_w2)                   \
    TILE(name##_1, 1, 8, most)                                                 \
    TILE(name##_2, 2, 8, most)                                                 \
    TILE(name##_3, 3, 8, most)                                                 \
    TILE(name##_4, 4, 8, most)                                                 \
    static hawq_tile_function *const name##_pixels[PX] = {name##_1, name##_2,  \
                                                          name##_3, name##_4}; \
    static const hawq_tile_kind      name = {{"w8_4x16c" #per "_avx2",         \
                                              "w4_4x16c" #per "_avx2",         \
                                              "w2_4x16c" #per "_avx2"},        \
                                             8,                                \
                                             per,                              \
                                             1,                                \
                                             x_bytes,                          \
                                             PX,                               \
                                             name##_pixels,                    \
                                             {name##_1, single_w4, single_w2}, \
                                             NULL};
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

/* --- depthwise ---------------------------------------------------------- */

/* Accumulators in depthwise order to channel order. */
static void store_raw(int32_t *to, const __m256i acc[4], int n) {
    int32_t in[32];
    for (int i = 0; i < 4; i++) store(in + 8 * i, acc[i]);
    for (int c = 0; c < n; c++) to[c] = in[c % 16 / 4 * 8 + c / 16 * 4 + c % 4];
}

/* Bytes of two kernel rows at p, interleaved and widened; beyond `rows` left
 * they are zeros. */
INLINE void interleave(const uint8_t *p, size_t row_bytes, int rows,
                       __m256i v[4]) {
    const __m256i none = _mm256_setzero_si256();
    __m256i       a = load(p), b = rows > 1 ? load(p + row_bytes) : none;
    __m256i       lo = _mm256_unpacklo_epi8(a, b);
    __m256i       hi = _mm256_unpackhi_epi8(a, b);
    v[0] = _mm256_unpacklo_epi8(lo, none);
    v[1] = _mm256_unpackhi_epi8(lo, none);
    v[2] = _mm256_unpacklo_epi8(hi, none);
    v[3] = _mm256_unpackhi_epi8(hi, none);
}

/* The sums of one vector of outputs; x is at its first column, w are the
 * widened weights. */
INLINE void depthwise_sums(const hawq_tile *t, const int16_t *w,
                           const hawq_depthwise_row *r, const uint8_t *x,
                           int kh, int kw, __m256i acc[4]) {
    HAWQ_UNROLL
    for (int i = 0; i < 4; i++) acc[i] = load(t->bias + 8 * i);
    HAWQ_UNROLL
    for (int kx = 0; kx < kw; kx++, x += r->step_w * r->c) {
        HAWQ_UNROLL
        for (int ky = 0; ky < kh; ky += 2, w += 64) {
            __m256i v[4];
            interleave(x + (size_t)ky * r->row_bytes, r->row_bytes, kh - ky, v);
            HAWQ_UNROLL
            for (int i = 0; i < 4; i++)
                acc[i] = _mm256_add_epi32(
                    acc[i], _mm256_madd_epi16(v[i], load(w + 16 * i)));
        }
    }
}

/* Requantizes and stores one output, of which n channels are valid. */
INLINE void depthwise_finish(const hawq_tile *t, const __m256i acc[4],
                             size_t at, int n, void *y) {
    const bounds k = bounds_of(t->zero, t->low, t->high);
    uint8_t     *to = (uint8_t *)y + at, all[32];
    if (t->raw) {
        store_raw((int32_t *)y + at, acc, n);
        return;
    }
    __m256i out = narrow(scaled(acc[0], scale_load(t, 0)),
                         scaled(acc[1], scale_load(t, 8)),
                         scaled(acc[2], scale_load(t, 16)),
                         scaled(acc[3], scale_load(t, 24)), k);
    if (n == 32) {
        store(to, out);
    } else {
        store(all, out);
        memcpy(to, all, (size_t)n);
    }
}

/* One row of outputs. */
INLINE void depthwise_outputs(const hawq_tile *t, const int16_t *w,
                              const hawq_depthwise_row *r, int kh, int kw,
                              void *y) {
    size_t step = (size_t)r->stride_w * (size_t)r->c;
    for (int ox = 0; ox < r->ow; ox += r->pixels) {
        int     rest = (r->ow - ox) * r->c;
        __m256i acc[4];
        depthwise_sums(t, w, r, r->x + (size_t)ox * step, kh, kw, acc);
        depthwise_finish(t, acc, (size_t)ox * t->y_stride,
                         rest < t->n_oc ? rest : t->n_oc, y);
    }
}

/* `columns` holds the widened weights: there are no fewer columns than taps. To
 * interleave the columns once for all outputs that see them, as AVX-512 does,
 * takes more stores than it saves. */
static void depthwise(const hawq_tile *t, const int8_t *w,
                      const hawq_depthwise_row *r, void *y, void *columns) {
    int16_t *wide = columns;
    int      n = r->kw * ((r->kh + 1) / 2) * 64;
    for (int i = 0; i < n; i += 16) store(wide + i, widened(w + i));
    if (r->kh == 3 && r->kw == 3)
        depthwise_outputs(t, wide, r, 3, 3, y);
    else
        depthwise_outputs(t, wide, r, r->kh, r->kw, y);
}

static const hawq_tiled isa = {
    .kind = kind,
    .expand = expand,
    .depthwise_names = {"w8_depthwise32_avx2", "w4_depthwise32_avx2",
                        "w2_depthwise32_avx2"},
    .depthwise_lanes = 8,
    .depthwise_per = 2,
    .depthwise = depthwise,
};

/* --- slots -------------------------------------------------------------- */

#include "kernels/tiled_body.h"

/* a ma + b mb + (2^(t-1) - za ma - zb mb), all shifted by t. The constant part
 * is one number: sums stay far below 2^31 either way. */
static void add(const hawq_add *v, const uint8_t *a, const uint8_t *b,
                uint8_t *y) {
    const __m256i factors = _mm256_set1_epi32(
        (int32_t)((uint32_t)(uint16_t)v->mb << 16 | (uint16_t)v->ma));
    const __m256i constant = _mm256_set1_epi32(((int32_t)1 << (v->shift - 1)) -
                                               v->za * v->ma - v->zb * v->mb);
    const __m128i shift = _mm_cvtsi32_si128(v->shift);
    const __m256i none = _mm256_setzero_si256();
    const bounds  k = bounds_of(v->zero, v->low, v->high);
    size_t        i = 0;
    for (; i + 32 <= v->n; i += 32) {
        __m256i p = load(a + i), q = load(b + i);
        __m256i lo = _mm256_unpacklo_epi8(p, q);
        __m256i hi = _mm256_unpackhi_epi8(p, q);
        __m256i r[4] = {
            _mm256_unpacklo_epi8(lo, none), _mm256_unpackhi_epi8(lo, none),
            _mm256_unpacklo_epi8(hi, none), _mm256_unpackhi_epi8(hi, none)};
        for (int j = 0; j < 4; j++)
            r[j] = _mm256_sra_epi32(
                _mm256_add_epi32(_mm256_madd_epi16(r[j], factors), constant),
                shift);
        store(y + i, narrow(r[0], r[1], r[2], r[3], k));
    }
    hawq_add rest = *v;
    rest.n = v->n - i;
    hawq_kernels_ref.add(&rest, a + i, b + i, y + i);
}

/* Parameters of channels c .. c + 7. */
INLINE scale scale_of_channels(const hawq_requant *q, size_t c) {
    int64_t pre, shift;
    memcpy(&pre, q->pre + c, 8);
    memcpy(&shift, q->shift + c, 8);
    __m256i t = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(shift));
    scale   s = {.multiplier = load(q->multiplier + c),
                 .pre = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(pre)),
                 .shift = t};
    s.half = _mm256_sllv_epi32(_mm256_set1_epi32(1),
                               _mm256_sub_epi32(t, _mm256_set1_epi32(1)));
    s.odd = _mm256_srli_epi64(s.multiplier, 32);
    return s;
}

/* Channels c .. c + 7 of all pixels, four pixels at a time. */
static void requantize_eight(size_t pixels, size_t channels,
                             const hawq_requant *q, size_t c,
                             const int32_t *acc, uint8_t *y) {
    scale  s = scale_of_channels(q, c);
    bounds k = bounds_of(q->zero, q->low, q->high);
    for (size_t p = 0; p < pixels; p += 4) {
        size_t  n = pixels - p < 4 ? pixels - p : 4;
        __m256i r[4];
        uint8_t all[32];
        for (size_t i = 0; i < 4; i++) {
            size_t from = p + (i < n ? i : 0);
            r[i] = scaled(load(acc + from * channels + c), s);
        }
        store(all, narrow_in_order(r[0], r[1], r[2], r[3], k));
        for (size_t i = 0; i < n; i++)
            memcpy(y + (p + i) * channels + c, all + 8 * i, 8);
    }
}

/* The last eight channels may overlap those before: they become the same. */
static void requantize(size_t pixels, size_t channels, const hawq_requant *q,
                       const int32_t *acc, uint8_t *y) {
    if (channels < 8) {
        hawq_kernels_ref.requantize(pixels, channels, q, acc, y);
        return;
    }
    for (size_t c = 0; c < channels; c += 8)
        requantize_eight(pixels, channels, q,
                         c + 8 < channels ? c : channels - 8, acc, y);
}

static void max_pool(const hawq_pool *v, const uint8_t *x, uint8_t *y) {
    hawq_kernels_ref.max_pool(v, x, y);
}

/* Sums of n (1 .. 8) channels over rows y0 .. y1 - 1, columns x0 .. x1 - 1. */
INLINE __m256i window_sums(const hawq_pool *v, const uint8_t *x, int y0, int y1,
                           int x0, int x1, int n) {
    __m256i sum = _mm256_setzero_si256();
    for (int iy = y0; iy < y1; iy++)
        for (int ix = x0; ix < x1; ix++) {
            const uint8_t *p = x + ((size_t)iy * v->w + ix) * v->c;
            int64_t        q = 0;
            if (n == 8)
                memcpy(&q, p, 8);
            else
                memcpy(&q, p, (size_t)n);
            sum = _mm256_add_epi32(sum,
                                   _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(q)));
        }
    return sum;
}

static int at_least(int v, int low) {
    return v > low ? v : low;
}

static int at_most(int v, int high) {
    return v < high ? v : high;
}

/* A factor of 0 turns a window without elements into the zero point. */
static scale scale_of_count(const hawq_requant *q, int n) {
    int           t = n ? q->shift[n - 1] : 1;
    const __m256i multiplier = _mm256_set1_epi32(n ? q->multiplier[n - 1] : 0);
    return (scale){.multiplier = multiplier,
                   .odd = multiplier,
                   .pre = _mm256_set1_epi32(n ? q->pre[n - 1] : 0),
                   .half = _mm256_set1_epi32((int32_t)1 << (t - 1)),
                   .shift = _mm256_set1_epi32(t)};
}

static void average_pool(const hawq_pool *v, const uint8_t *x, uint8_t *y) {
    const hawq_requant *q = &v->requant;
    const bounds        k = bounds_of(q->zero, q->low, q->high);
    for (int o = 0; o < v->oh * v->ow; o++, y += v->c) {
        int     iy = o / v->ow * v->stride_h - v->pad_top;
        int     ix = o % v->ow * v->stride_w - v->pad_left;
        int     y0 = at_least(iy, 0), y1 = at_most(iy + v->kh, v->h);
        int     x0 = at_least(ix, 0), x1 = at_most(ix + v->kw, v->w);
        int     inside = y1 > y0 && x1 > x0 ? (y1 - y0) * (x1 - x0) : 0;
        scale   s = scale_of_count(q, v->count_pad ? v->kh * v->kw : inside);
        __m256i zeros = _mm256_set1_epi32(inside * v->zero_in);
        for (int c = 0; c < v->c; c += 8) {
            int     n = at_most(v->c - c, 8);
            __m256i sum = n == 8 ? window_sums(v, x + c, y0, y1, x0, x1, 8)
                                 : window_sums(v, x + c, y0, y1, x0, x1, n);
            sum = scaled(_mm256_sub_epi32(sum, zeros), s);
            uint8_t all[32];
            store(all, narrow_in_order(sum, sum, sum, sum, k));
            memcpy(y + c, all, (size_t)n);
        }
    }
}

/* max and min return their second operand when the first is NaN, as ref. */
static void quantize(size_t n, const float *x, float inverse_scale,
                     uint8_t zero, uint8_t low, uint8_t high, uint8_t *y) {
    const __m256 factor = _mm256_set1_ps(inverse_scale);
    const __m256 least = _mm256_set1_ps(-512.0f);
    const __m256 most = _mm256_set1_ps(512.0f);
    const bounds k = bounds_of(zero, low, high);
    size_t       i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i q[4];
        for (int j = 0; j < 4; j++) {
            __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x + i + 8 * j), factor);
            v = _mm256_min_ps(_mm256_max_ps(v, least), most);
            q[j] = _mm256_cvtps_epi32(v);
        }
        store(y + i, narrow_in_order(q[0], q[1], q[2], q[3], k));
    }
    hawq_kernels_ref.quantize(n - i, x + i, inverse_scale, zero, low, high,
                              y + i);
}

static void move(size_t n, const int32_t *map, uint8_t fill,
                 const uint8_t table[256], const uint8_t *x, uint8_t *y) {
    hawq_kernels_ref.move(n, map, fill, table, x, y);
}

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
    .requantize = requantize,
    .add = add,
    .max_pool = max_pool,
    .average_pool = average_pool,
    .quantize = quantize,
    .move = move,
};
#endif
