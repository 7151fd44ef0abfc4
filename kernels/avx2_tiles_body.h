/* avx2_tiles_body.h -- what tiles of 256-bit vectors have in common, however
 * they multiply: weights below 8 bits, the epilogue, and depthwise convolution,
 * which is memory and shuffles anyway. A tile is up to PX pixels x 16 output
 * channels; PX is defined by who includes this. A template, not a header of its
 * own. SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/avx2_vectors_body.h"

/* --- weights below 8 bits ------------------------------------------------ */

/* The level table in both halves. */
INLINE __m256i levels_load(const int8_t level[16]) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)level));
}

/* The weights whose codes are at bit `at` of every byte. */
INLINE __m256i levels_at(__m256i v, __m256i levels, int bits, int at) {
    __m256i mask = _mm256_set1_epi8(bits == 4 ? 15 : 3);
    v = _mm256_and_si256(_mm256_srli_epi16(v, at), mask);
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
    for (int kx = 0; kx < kw; kx++, x += r->step_w * r->c) {
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
