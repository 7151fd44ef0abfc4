/* avx2_slots.c -- see avx2_slots.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/avx2_slots.h"

#include "kernels/tables.h"
#include "kernels/tiled.h"

#if defined(__AVX2__)
#include "kernels/avx2_vectors_body.h"

/* a ma + b mb + (2^(t-1) - za ma - zb mb), all shifted by t. The constant part
 * is one number: sums stay far below 2^31 either way. */
void hawq_avx2_add(const hawq_add *v, const uint8_t *a, const uint8_t *b,
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
void hawq_avx2_requantize(size_t pixels, size_t channels, const hawq_requant *q,
                          const int32_t *acc, uint8_t *y) {
    if (channels < 8) {
        hawq_kernels_ref.requantize(pixels, channels, q, acc, y);
        return;
    }
    for (size_t c = 0; c < channels; c += 8)
        requantize_eight(pixels, channels, q,
                         c + 8 < channels ? c : channels - 8, acc, y);
}

static int at_least(int v, int low) {
    return v > low ? v : low;
}

static int at_most(int v, int high) {
    return v < high ? v : high;
}

/* What of a window lies inside the image. */
typedef struct window {
    int y0, y1, x0, x1;
} window;

INLINE window window_of(const hawq_pool *v, int output) {
    int iy = output / v->ow * v->stride_h - v->pad_top;
    int ix = output % v->ow * v->stride_w - v->pad_left;
    return (window){at_least(iy, 0), at_most(iy + v->kh, v->h), at_least(ix, 0),
                    at_most(ix + v->kw, v->w)};
}

/* Maxima of 32 channels. */
INLINE __m256i maxima(const hawq_pool *v, const uint8_t *x, window w) {
    __m256i most = _mm256_setzero_si256();
    for (int iy = w.y0; iy < w.y1; iy++)
        for (int ix = w.x0; ix < w.x1; ix++)
            most = _mm256_max_epu8(
                most, load(x + ((size_t)iy * (size_t)v->w + (size_t)ix) *
                                   (size_t)v->c));
    return most;
}

/* The last 32 channels may overlap those before: they become the same. */
void hawq_avx2_max_pool(const hawq_pool *v, const uint8_t *x, uint8_t *y) {
    if (v->c < 32) {
        hawq_kernels_ref.max_pool(v, x, y);
        return;
    }
    for (int o = 0; o < v->oh * v->ow; o++, y += v->c) {
        window w = window_of(v, o);
        for (int c = 0; c < v->c; c += 32) {
            int from = at_most(c, v->c - 32);
            store(y + from, maxima(v, x + from, w));
        }
    }
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

void hawq_avx2_average_pool(const hawq_pool *v, const uint8_t *x, uint8_t *y) {
    const hawq_requant *q = &v->requant;
    const bounds        k = bounds_of(q->zero, q->low, q->high);
    for (int o = 0; o < v->oh * v->ow; o++, y += v->c) {
        window  w = window_of(v, o);
        int     y0 = w.y0, y1 = w.y1, x0 = w.x0, x1 = w.x1;
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
void hawq_avx2_quantize(size_t n, const float *x, float inverse_scale,
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

static void move_some(size_t n, const int32_t *map, uint8_t fill,
                      const uint8_t table[256], const uint8_t *x, uint8_t *y) {
    for (size_t i = 0; i < n; i++) y[i] = map[i] < 0 ? fill : table[x[map[i]]];
}

/* Slices and padding are mostly made of eight neighbours, or eight times the
 * fill; and what only moves has a table that changes nothing. */
void hawq_avx2_move(size_t n, const int32_t *map, uint8_t fill,
                    const uint8_t table[256], const uint8_t *x, uint8_t *y) {
    const __m256i count = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    bool          same = true;
    size_t        i = 0;
    for (int k = 0; k < 256; k++) same &= table[k] == k;
    for (; i + 8 <= n; i += 8) {
        __m256i at = load(map + i);
        __m256i row = _mm256_add_epi32(_mm256_set1_epi32(map[i]), count);
        __m256i is = _mm256_cmpeq_epi32(at, row);
        int     fills = _mm256_movemask_ps(_mm256_castsi256_ps(at));
        bool    neighbours = _mm256_movemask_epi8(is) == -1;
        if (fills == 0xFF)
            memset(y + i, fill, 8);
        else if (fills == 0 && neighbours && same)
            memcpy(y + i, x + map[i], 8);
        else if (fills == 0 && same)
            for (size_t k = i; k < i + 8; k++) y[k] = x[map[k]];
        else
            move_some(8, map + i, fill, table, x, y + i);
    }
    move_some(n - i, map + i, fill, table, x, y + i);
}
#endif
