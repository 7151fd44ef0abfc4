/* avx512vnni.c -- AVX-512 with VNNI: vpdpbusd adds four products of an unsigned
 * and a signed byte to an int32 lane, without saturation, so sums are exact.
 *
 * Tiles (tiled.h) are 8 pixels x 2 vectors: 32 output channels, or 16 whose
 * lanes are split in two. Sixteen accumulators hide the latency of vpdpbusd,
 * and a step needs 10 loads for its 16 products. Pooling and quantization, a
 * small part of any network, are those of avx2.c.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/tables.h"
#include "kernels/tiled.h"

#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

static bool usable(void) {
    return hawq_kernels_avx2.usable() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni");
}

/* acc += x (unsigned) . w (signed). One instruction of inline assembly: from
 * the intrinsic, gcc 12 moves accumulators of unrolled loops to the stack. */
INLINE void dot(__m512i *acc, __m512i x, __m512i w) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(*acc) : "v"(x), "v"(w));
}

/* --- requantization, arith.h ------------------------------------------- */

/* Parameters of 16 lanes. */
typedef struct scale {
    __m512i multiplier, odd, pre, half, shift;
} scale;

/* Loads a vector once: gcc would rather load it again for each of its uses. */
INLINE __m512i load_once(const int32_t *p) {
    __m512i v = _mm512_load_si512(p);
    __asm__("" : "+v"(v));
    return v;
}

INLINE scale scale_load(const hawq_tile *t, int at) {
    scale s = {.multiplier = load_once(t->multiplier + at),
               .pre = load_once(t->pre + at),
               .half = load_once(t->half + at),
               .shift = load_once(t->shift + at)};
    s.odd = _mm512_srli_epi64(s.multiplier, 32);
    return s;
}

/* ((acc << pre) * multiplier >> 32) + 2^(t-1) >> t. The products of odd lanes
 * already lie where their high words belong. */
INLINE __m512i scaled(__m512i acc, scale s) {
    acc = _mm512_sllv_epi32(acc, s.pre);
    __m512i even = _mm512_mul_epi32(acc, s.multiplier);
    __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(acc, 32), s.odd);
    __m512i high = _mm512_mask_shuffle_epi32(odd, 0x5555, even, 0xF5);
    return _mm512_srav_epi32(_mm512_add_epi32(high, s.half), s.shift);
}

typedef struct bounds {
    __m512i zero, low, high;
} bounds;

INLINE bounds bounds_of(uint8_t zero, uint8_t low, uint8_t high) {
    return (bounds){_mm512_set1_epi16(zero), _mm512_set1_epi8((char)low),
                    _mm512_set1_epi8((char)high)};
}

/* Four vectors of scaled values to bytes; within each 128 bits, four of a,
 * four of b, c, d. Saturation on the way cannot change a clamped result. */
INLINE __m512i narrow(__m512i a, __m512i b, __m512i c, __m512i d, bounds k) {
    __m512i ab = _mm512_adds_epi16(_mm512_packs_epi32(a, b), k.zero);
    __m512i cd = _mm512_adds_epi16(_mm512_packs_epi32(c, d), k.zero);
    __m512i y = _mm512_packus_epi16(ab, cd);
    return _mm512_min_epu8(_mm512_max_epu8(y, k.low), k.high);
}

/* The same in the order a, b, c, d. */
INLINE __m512i narrow_in_order(__m512i a, __m512i b, __m512i c, __m512i d,
                               bounds k) {
    const __m512i order =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, narrow(a, b, c, d, k));
}

/* --- tiles -------------------------------------------------------------- */

INLINE __m512i broadcast4(const uint8_t *p) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_epi32(v);
}

INLINE __m512i broadcast8(const uint8_t *p) {
    int64_t v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_epi64(v);
}

/* Four pixels of 16 channels from one vector, if m are left so many. */
INLINE void store_quarters(uint8_t *to, __m512i out, int m, int n_oc,
                           size_t stride) {
    __mmask16 mask = (__mmask16)(0xFFFFu >> (16 - n_oc));
    if (m >= 4 && n_oc == 16 && stride == 16) {
        _mm512_storeu_si512(to, out);
        return;
    }
    __m128i part[4] = {
        _mm512_castsi512_si128(out), _mm512_extracti32x4_epi32(out, 1),
        _mm512_extracti32x4_epi32(out, 2), _mm512_extracti32x4_epi32(out, 3)};
    HAWQ_UNROLL
    for (int i = 0; i < 4; i++)
        if (i < m) _mm_mask_storeu_epi8(to + (size_t)i * stride, mask, part[i]);
}

/* Two pixels of 32 channels, if m are left so many. */
INLINE void store_halves(uint8_t *to, __m512i out, int m, int n_oc,
                         size_t stride) {
    __m256i a = _mm512_castsi512_si256(out);
    __m256i b = _mm512_extracti64x4_epi64(out, 1);
    if (n_oc == 32) {
        _mm256_storeu_si256((void *)to, a);
        if (m >= 2) _mm256_storeu_si256((void *)(to + stride), b);
    } else {
        __mmask32 mask = 0xFFFFFFFFu >> (32 - n_oc);
        _mm256_mask_storeu_epi8(to, mask, a);
        if (m >= 2) _mm256_mask_storeu_epi8(to + stride, mask, b);
    }
}

/* Requantizes and stores four waiting vectors: 2 pixels x 32 channels, or 4 x
 * 16 (split 2). */
INLINE void finish_four(hawq_tile *t, int split) {
    int            m = t->n_waiting;
    const int32_t *from = t->waiting_at;
    uint8_t       *to = t->waiting_y;
    scale          s0 = scale_load(t, 0);
    scale          s1 = split == 1 ? scale_load(t, 16) : s0;
    __m512i        out = narrow_in_order(scaled(_mm512_load_si512(from), s0),
                                         scaled(_mm512_load_si512(from + 16), s1),
                                         scaled(_mm512_load_si512(from + 32), s0),
                                         scaled(_mm512_load_si512(from + 48), s1),
                                         bounds_of(t->zero, t->low, t->high));
    t->waiting_at = from + 64;
    t->waiting_y = to + 2 * (size_t)split * t->y_stride;
    t->n_waiting = m - 2 * split;
    if (split == 1)
        store_halves(to, out, m, t->n_oc, t->y_stride);
    else
        store_quarters(to, out, m, t->n_oc, t->y_stride);
}

INLINE void finish_all(hawq_tile *t, int split) {
    while (t->n_waiting > 0) finish_four(t, split);
}

/* acc += the windows of n pixels times the panel; k in steps of 4 * split.
 * Between steps the previous tile is requantized, four vectors at a time: alone
 * that would leave the multipliers idle, and the processor does not look far
 * enough ahead to begin with the next tile meanwhile. */
INLINE void accumulate(hawq_tile *t, const int8_t *w, const uint8_t *x,
                       ptrdiff_t next, __m512i (*acc)[2], int n, int split) {
    int steps = t->n_runs * t->run_bytes / (4 * split);
    int pause = steps / (4 / split + 1) + 1, countdown = pause;
    for (int r = 0; r < t->n_runs; r++) {
        const uint8_t *p = x + t->run_at[r], *end = p + t->run_bytes;
        const uint8_t *far = p + 4 * next;
        for (; p < end; p += 4 * split, far += 4 * split, w += 128) {
            __m512i w0 = _mm512_loadu_si512(w), w1 = _mm512_loadu_si512(w + 64);
            HAWQ_UNROLL
            for (int i = 0; i < n; i++) {
                const uint8_t *at = i < 4 ? p + i * next : far + (i - 4) * next;
                __m512i value = split == 1 ? broadcast4(at) : broadcast8(at);
                dot(&acc[i][0], value, w0);
                dot(&acc[i][1], value, w1);
            }
            if (--countdown == 0) {
                countdown = pause;
                if (t->n_waiting > 0) finish_four(t, split);
            }
        }
    }
    finish_all(t, split);
}

/* Sums of neighbouring lanes: 16 output channels from 2 x 8 split ones. */
INLINE __m512i joined(__m512i a, __m512i b, __m512i bias) {
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18,
                                           20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21,
                                          23, 25, 27, 29, 31);
    return _mm512_add_epi32(
        _mm512_add_epi32(bias, _mm512_permutex2var_epi32(a, even, b)),
        _mm512_permutex2var_epi32(a, odd, b));
}

/* Leaves the sums of n pixels waiting, or stores them if they are wanted raw.
 */
INLINE void leave(hawq_tile *t, __m512i (*acc)[2], int n, int split, void *y) {
    __mmask32 mask = 0xFFFFFFFFu >> (32 - t->n_oc);
    HAWQ_UNROLL
    for (int i = 0; i < n && split == 2; i++)
        acc[i][0] = joined(acc[i][0], acc[i][1], _mm512_load_si512(t->bias));
    if (t->raw) {
        int32_t *to = y;
        HAWQ_UNROLL
        for (int i = 0; i < n; i++, to += t->y_stride) {
            _mm512_mask_storeu_epi32(to, (__mmask16)mask, acc[i][0]);
            if (split == 1)
                _mm512_mask_storeu_epi32(to + 16, (__mmask16)(mask >> 16),
                                         acc[i][1]);
        }
        return;
    }
    HAWQ_UNROLL
    for (int i = 0; i < n; i++) {
        _mm512_store_si512(t->waiting + i * 32 / split, acc[i][0]);
        if (split == 1) _mm512_store_si512(t->waiting + i * 32 + 16, acc[i][1]);
    }
    t->waiting_at = t->waiting;
    t->waiting_y = y;
    t->n_waiting = n;
}

INLINE void tile(hawq_tile *t, const int8_t *w, const uint8_t *x,
                 ptrdiff_t next, void *y, int n, int split) {
    __m512i acc[8][2];
    HAWQ_UNROLL
    for (int i = 0; i < n; i++) {
        acc[i][0] =
            split == 1 ? _mm512_load_si512(t->bias) : _mm512_setzero_si512();
        acc[i][1] = split == 1 ? _mm512_load_si512(t->bias + 16)
                               : _mm512_setzero_si512();
    }
    accumulate(t, w, x, next, acc, n, split);
    leave(t, acc, n, split, y);
}

static void flush_wide(hawq_tile *t) {
    finish_all(t, 1);
}

static void flush_slim(hawq_tile *t) {
    finish_all(t, 2);
}

#define TILE(name, n, split)                                                   \
    static void name(hawq_tile *t, const int8_t *w, const uint8_t *x,          \
                     ptrdiff_t next, void *y) {                                \
        tile(t, w, x, next, y, n, split);                                      \
    }
#define TILES(name, split)                                                     \
    TILE(name##1, 1, split)                                                    \
    TILE(name##2, 2, split)                                                    \
    TILE(name##3, 3, split)                                                    \
    TILE(name##4, 4, split)                                                    \
    TILE(name##5, 5, split)                                                    \
    TILE(name##6, 6, split)                                                    \
    TILE(name##7, 7, split)                                                    \
    TILE(name##8, 8, split)                                                    \
    static hawq_tile_function *const name##s[8] = {name##1, name##2, name##3,  \
                                                   name##4, name##5, name##6,  \
                                                   name##7, name##8};
TILES(wide, 1)
TILES(slim, 2)

/* --- weights below 8 bits ------------------------------------------------ */

/* The level table in all four quarters. */
INLINE __m512i levels_load(const int8_t level[16]) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)level));
}

static void expand(int bits, const int8_t level[16], size_t n,
                   const uint8_t *from, int8_t *to) {
    const __m512i levels = levels_load(level);
    const __m512i mask = _mm512_set1_epi8(bits == 4 ? 15 : 3);
    for (size_t i = 0; i < n; i += 64) {
        __m512i v = _mm512_loadu_si512(from + i);
        for (int at = 0; at < 8; at += bits, to += 64) {
            __m512i code = _mm512_and_si512(
                _mm512_srl_epi16(v, _mm_cvtsi32_si128(at)), mask);
            _mm512_storeu_si512(to, _mm512_shuffle_epi8(levels, code));
        }
    }
}

/* --- one pixel ---------------------------------------------------------- */

/* Both vectors of a step, from the panel as it is stored. */
INLINE void step_weights(const int8_t *w, size_t step, __m512i levels, int bits,
                         __m512i out[2]) {
    if (bits == 8) {
        out[0] = _mm512_loadu_si512(w + 128 * step);
        out[1] = _mm512_loadu_si512(w + 128 * step + 64);
        return;
    }
    __m512i mask = _mm512_set1_epi8(bits == 4 ? 15 : 3);
    __m512i v = _mm512_loadu_si512(w + (bits == 4 ? step : step / 2) * 64);
    if (bits == 2)
        v = _mm512_srl_epi16(v, _mm_cvtsi32_si128((int)(step % 2 * 4)));
    out[0] = _mm512_shuffle_epi8(levels, _mm512_and_si512(v, mask));
    v = _mm512_srli_epi16(v, (unsigned)bits);
    out[1] = _mm512_shuffle_epi8(levels, _mm512_and_si512(v, mask));
}

INLINE void step_dot(const int8_t *w, size_t step, __m512i levels, int bits,
                     int split, const uint8_t *x, __m512i acc[2]) {
    __m512i weights[2], value = split == 1 ? broadcast4(x) : broadcast8(x);
    step_weights(w, step, levels, bits, weights);
    dot(&acc[0], value, weights[0]);
    dot(&acc[1], value, weights[1]);
}

/* Four sums side by side hide the latency that eight pixels hide elsewhere. */
INLINE void single(hawq_tile *t, const int8_t *w, const uint8_t *x, void *y,
                   int split, int bits) {
    __m512i   acc[1][2], part[4][2], levels = levels_load(t->level);
    ptrdiff_t size = 4 * split;
    size_t    step = 0;
    HAWQ_UNROLL
    for (int i = 0; i < 4; i++)
        part[i][0] = part[i][1] = _mm512_setzero_si512();
    for (int r = 0; r < t->n_runs; r++) {
        ptrdiff_t k = t->run_at[r], end = k + t->run_bytes;
        for (; k + 4 * size <= end; k += 4 * size, step += 4) HAWQ_UNROLL
        for (int i = 0; i < 4; i++)
            step_dot(w, step + (size_t)i, levels, bits, split, x + k + i * size,
                     part[i]);
        for (; k < end; k += size, step++)
            step_dot(w, step, levels, bits, split, x + k, part[0]);
    }
    HAWQ_UNROLL
    for (int v = 0; v < 2; v++) {
        acc[0][v] = _mm512_add_epi32(_mm512_add_epi32(part[0][v], part[1][v]),
                                     _mm512_add_epi32(part[2][v], part[3][v]));
        if (split == 1)
            acc[0][v] = _mm512_add_epi32(acc[0][v],
                                         _mm512_load_si512(t->bias + 16 * v));
    }
    leave(t, acc, 1, split, y);
    finish_all(t, split);
}

#define SINGLE(name, split, bits)                                              \
    static void name(hawq_tile *t, const int8_t *w, const uint8_t *x,          \
                     ptrdiff_t next, void *y) {                                \
        (void)next;                                                            \
        single(t, w, x, y, split, bits);                                       \
    }
SINGLE(wide_w8, 1, 8)
SINGLE(wide_w4, 1, 4)
SINGLE(wide_w2, 1, 2)
SINGLE(slim_w8, 2, 8)
SINGLE(slim_w4, 2, 4)
SINGLE(slim_w2, 2, 2)

static const hawq_tile_kind wide_kind = {.names = {"w8_8x32c4_avx512vnni",
                                                   "w4_8x32c4_avx512vnni",
                                                   "w2_8x32c4_avx512vnni"},
                                         .lanes = 16,
                                         .per = 4,
                                         .split = 1,
                                         .x_bytes = 1,
                                         .pixels = 8,
                                         .functions = wides,
                                         .single = {wide_w8, wide_w4, wide_w2},
                                         .flush = flush_wide};
static const hawq_tile_kind slim_kind = {.names = {"w8_8x16c8_avx512vnni",
                                                   "w4_8x16c8_avx512vnni",
                                                   "w2_8x16c8_avx512vnni"},
                                         .lanes = 16,
                                         .per = 4,
                                         .split = 2,
                                         .x_bytes = 1,
                                         .pixels = 8,
                                         .functions = slims,
                                         .single = {slim_w8, slim_w4, slim_w2},
                                         .flush = flush_slim};

static const hawq_tile_kind *kind(const hawq_conv *v, int rest) {
    (void)v;
    return rest > 16 ? &wide_kind : &slim_kind;
}

/* --- depthwise ---------------------------------------------------------- */

/* Interleaves four kernel rows of every column: columns[ix][quad][vector]. */
INLINE void interleave(const hawq_depthwise_row *r, uint8_t *to, int kh) {
    int quads = (kh + 3) / 4;
    for (int ix = 0; ix < r->width; ix++)
        for (int q = 0; q < quads; q++, to += 256) {
            const uint8_t *p = r->x + (size_t)ix * (size_t)r->c +
                               (size_t)(4 * q) * r->row_bytes;
            __m512i v[4];
            HAWQ_UNROLL
            for (int j = 0; j < 4; j++, p += r->row_bytes)
                v[j] = 4 * q + j < kh ? _mm512_loadu_si512(p)
                                      : _mm512_setzero_si512();
            __m512i ab0 = _mm512_unpacklo_epi8(v[0], v[1]);
            __m512i ab1 = _mm512_unpackhi_epi8(v[0], v[1]);
            __m512i cd0 = _mm512_unpacklo_epi8(v[2], v[3]);
            __m512i cd1 = _mm512_unpackhi_epi8(v[2], v[3]);
            _mm512_store_si512(to, _mm512_unpacklo_epi16(ab0, cd0));
            _mm512_store_si512(to + 64, _mm512_unpackhi_epi16(ab0, cd0));
            _mm512_store_si512(to + 128, _mm512_unpacklo_epi16(ab1, cd1));
            _mm512_store_si512(to + 192, _mm512_unpackhi_epi16(ab1, cd1));
        }
}

/* Accumulators in depthwise order to channel order. */
static void store_raw(int32_t *to, const __m512i acc[4], int n) {
    _Alignas(64) int32_t in[64];
    for (int i = 0; i < 4; i++) _mm512_store_si512(in + 16 * i, acc[i]);
    for (int c = 0; c < n; c++)
        to[c] = in[c % 16 / 4 * 16 + c / 16 * 4 + c % 4];
}

/* acc[o] of n neighbouring outputs from interleaved columns; x is at the first
 * one's first column. Each weight is loaded once for all n. */
INLINE void depthwise_sums(const hawq_tile *t, const int8_t *w,
                           const uint8_t *x, size_t next_output,
                           size_t next_tap, int kw, int quads,
                           __m512i (*acc)[4], int n) {
    HAWQ_UNROLL
    for (int i = 0; i < 4; i++) HAWQ_UNROLL
    for (int o = 0; o < n; o++) acc[o][i] = _mm512_load_si512(t->bias + 16 * i);
    for (int kx = 0; kx < kw; kx++, x += next_tap)
        for (int q = 0; q < quads; q++, w += 256) HAWQ_UNROLL
    for (int i = 0; i < 4; i++) {
        __m512i weights = _mm512_loadu_si512(w + i * 64);
        HAWQ_UNROLL
        for (int o = 0; o < n; o++)
            dot(&acc[o][i],
                _mm512_load_si512(x + (size_t)o * next_output + q * 256 +
                                  i * 64),
                weights);
    }
}

/* Requantizes and stores n outputs, of which `lanes` channels are valid. */
INLINE void depthwise_finish(const hawq_tile *t, __m512i (*acc)[4], int n,
                             size_t at, size_t next, int lanes, void *y) {
    bounds k = bounds_of(t->zero, t->low, t->high);
    if (t->raw) {
        for (int o = 0; o < n; o++, at += next)
            store_raw((int32_t *)y + at, acc[o], lanes);
        return;
    }
    uint8_t *to = (uint8_t *)y + at;
    HAWQ_UNROLL
    for (int i = 0; i < 4; i++) {
        scale s = scale_load(t, 16 * i);
        HAWQ_UNROLL
        for (int o = 0; o < n; o++) acc[o][i] = scaled(acc[o][i], s);
    }
    HAWQ_UNROLL
    for (int o = 0; o < n; o++, to += next) {
        __m512i out = narrow(acc[o][0], acc[o][1], acc[o][2], acc[o][3], k);
        if (lanes == 64)
            _mm512_storeu_si512(to, out);
        else
            _mm512_mask_storeu_epi8(to, ~0ull >> (64 - lanes), out);
    }
}

/* One row of outputs, in fours where all lanes of four are valid. */
INLINE void depthwise_outputs(const hawq_tile *t, const int8_t *w,
                              const hawq_depthwise_row *r, void *y,
                              const uint8_t *columns, int kw, int quads) {
    size_t  column = (size_t)quads * 256, tap = (size_t)r->step_w * column;
    size_t  next = (size_t)(r->pixels * r->stride_w) * column;
    size_t  next_y = (size_t)r->pixels * t->y_stride;
    int     ox = 0;
    __m512i acc[4][4];
    for (; ox + 4 * r->pixels <= r->ow; ox += 4 * r->pixels) {
        const uint8_t *x = columns + (size_t)(ox * r->stride_w) * column;
        depthwise_sums(t, w, x, next, tap, kw, quads, acc, 4);
        depthwise_finish(t, acc, 4, (size_t)ox * t->y_stride, next_y, t->n_oc,
                         y);
    }
    for (; ox < r->ow; ox += r->pixels) {
        const uint8_t *x = columns + (size_t)(ox * r->stride_w) * column;
        int            rest = (r->ow - ox) * r->c;
        depthwise_sums(t, w, x, next, tap, kw, quads, acc, 1);
        depthwise_finish(t, acc, 1, (size_t)ox * t->y_stride, next_y,
                         rest < t->n_oc ? rest : t->n_oc, y);
    }
}

static void depthwise(const hawq_tile *t, const int8_t *w,
                      const hawq_depthwise_row *r, void *y, void *columns) {
    if (r->kw == 3 && r->kh == 3) {
        interleave(r, columns, 3);
        depthwise_outputs(t, w, r, y, columns, 3, 1);
    } else {
        interleave(r, columns, r->kh);
        depthwise_outputs(t, w, r, y, columns, r->kw, (r->kh + 3) / 4);
    }
}

static const hawq_tiled isa = {
    .kind = kind,
    .expand = expand,
    .depthwise_names = {"w8_depthwise64_avx512vnni",
                        "w4_depthwise64_avx512vnni",
                        "w2_depthwise64_avx512vnni"},
    .depthwise_lanes = 16,
    .depthwise_per = 4,
    .depthwise = depthwise,
};

/* --- slots -------------------------------------------------------------- */

#include "kernels/tiled_body.h"

/* a ma + b mb + (2^(t-1) - za ma - zb mb), all shifted by t. The constant part
 * is one number: sums stay far below 2^31 either way. */
static void add(const hawq_add *v, const uint8_t *a, const uint8_t *b,
                uint8_t *y) {
    const __m512i factors = _mm512_set1_epi32(
        (int32_t)((uint32_t)(uint16_t)v->mb << 16 | (uint16_t)v->ma));
    const __m512i constant = _mm512_set1_epi32(((int32_t)1 << (v->shift - 1)) -
                                               v->za * v->ma - v->zb * v->mb);
    const __m128i shift = _mm_cvtsi32_si128(v->shift);
    const __m512i none = _mm512_setzero_si512();
    const bounds  k = bounds_of(v->zero, v->low, v->high);
    for (size_t i = 0; i < v->n; i += 64) {
        size_t    rest = v->n - i;
        __mmask64 mask = rest >= 64 ? ~0ull : ~0ull >> (64 - rest);
        __m512i   p = _mm512_maskz_loadu_epi8(mask, a + i);
        __m512i   q = _mm512_maskz_loadu_epi8(mask, b + i);
        __m512i   lo = _mm512_unpacklo_epi8(p, q);
        __m512i   hi = _mm512_unpackhi_epi8(p, q);
        __m512i   r[4] = {
              _mm512_unpacklo_epi8(lo, none), _mm512_unpackhi_epi8(lo, none),
              _mm512_unpacklo_epi8(hi, none), _mm512_unpackhi_epi8(hi, none)};
        for (int j = 0; j < 4; j++)
            r[j] = _mm512_sra_epi32(
                _mm512_add_epi32(_mm512_madd_epi16(r[j], factors), constant),
                shift);
        __m512i out = narrow(r[0], r[1], r[2], r[3], k);
        if (rest >= 64)
            _mm512_storeu_si512(y + i, out);
        else
            _mm512_mask_storeu_epi8(y + i, mask, out);
    }
}

static void requantize(size_t pixels, size_t channels, const hawq_requant *q,
                       const int32_t *acc, uint8_t *y) {
    hawq_kernels_avx2.requantize(pixels, channels, q, acc, y);
}

static void max_pool(const hawq_pool *v, const uint8_t *x, uint8_t *y) {
    hawq_kernels_ref.max_pool(v, x, y);
}

static void average_pool(const hawq_pool *v, const uint8_t *x, uint8_t *y) {
    hawq_kernels_avx2.average_pool(v, x, y);
}

static void quantize(size_t n, const float *x, float inverse_scale,
                     uint8_t zero, uint8_t low, uint8_t high, uint8_t *y) {
    hawq_kernels_avx2.quantize(n, x, inverse_scale, zero, low, high, y);
}

static void move(size_t n, const int32_t *map, uint8_t fill,
                 const uint8_t table[256], const uint8_t *x, uint8_t *y) {
    hawq_kernels_ref.move(n, map, fill, table, x, y);
}

const hawq_kernels hawq_kernels_avx512vnni = {
    .name = "avx512vnni",
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
