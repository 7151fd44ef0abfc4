/* neon_body.h -- what the tables for aarch64 have in common, however they
 * multiply: requantization, weights below 8 bits, the epilogue of a tile, and
 * depthwise convolution. A tile is up to PX pixels x 16 output channels, which
 * are four vectors. Included by the file of an instruction set; a template, not
 * a header of its own.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <arm_neon.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* 32 registers: six times four accumulators, four weights, a value of x. */
enum { PX = 6 };

/* --- requantization, arith.h ------------------------------------------- */

/* ((acc << pre) * multiplier >> 32) + 2^(t-1) >> t of lanes at .. at + 3. */
INLINE int32x4_t scaled(const hawq_tile *t, int at, int32x4_t acc) {
    int32x4_t m = vld1q_s32(t->multiplier + at);
    acc = vshlq_s32(acc, vld1q_s32(t->pre + at));
    int64x2_t lo = vmull_s32(vget_low_s32(acc), vget_low_s32(m));
    int64x2_t hi = vmull_s32(vget_high_s32(acc), vget_high_s32(m));
    int32x4_t high = vcombine_s32(vshrn_n_s64(lo, 32), vshrn_n_s64(hi, 32));
    return vshlq_s32(vaddq_s32(high, vld1q_s32(t->half + at)),
                     vnegq_s32(vld1q_s32(t->shift + at)));
}

/* Sixteen sums to bytes. Saturation on the way cannot change a clamped result.
 */
INLINE uint8x16_t requantized(const hawq_tile *t, const int32x4_t acc[4]) {
    const int16x8_t zero = vdupq_n_s16(t->zero);
    int32x4_t       a = scaled(t, 0, acc[0]), b = scaled(t, 4, acc[1]);
    int32x4_t       c = scaled(t, 8, acc[2]), d = scaled(t, 12, acc[3]);
    int16x8_t       ab = vcombine_s16(vqmovn_s32(a), vqmovn_s32(b));
    int16x8_t       cd = vcombine_s16(vqmovn_s32(c), vqmovn_s32(d));
    uint8x16_t      y = vcombine_u8(vqmovun_s16(vqaddq_s16(ab, zero)),
                                    vqmovun_s16(vqaddq_s16(cd, zero)));
    return vminq_u8(vmaxq_u8(y, vdupq_n_u8(t->low)), vdupq_n_u8(t->high));
}

/* Stores one pixel of n (1 .. 16) channels at element `at`. */
INLINE void store_pixel(const hawq_tile *t, const int32x4_t acc[4], size_t at,
                        int n, void *y) {
    if (t->raw) {
        int32_t all[16];
        for (int v = 0; v < 4; v++) vst1q_s32(all + 4 * v, acc[v]);
        memcpy((int32_t *)y + at, all, (size_t)n * sizeof *all);
        return;
    }
    uint8x16_t out = requantized(t, acc);
    if (n == 16) {
        vst1q_u8((uint8_t *)y + at, out);
    } else {
        uint8_t all[16];
        vst1q_u8(all, out);
        memcpy((uint8_t *)y + at, all, (size_t)n);
    }
}

INLINE void load_bias(const hawq_tile *t, int32x4_t acc[4]) {
    HAWQ_UNROLL
    for (int v = 0; v < 4; v++) acc[v] = vld1q_s32(t->bias + 4 * v);
}

/* --- weights below 8 bits ------------------------------------------------ */

/* The weights whose codes are at bit `at` of every byte. */
INLINE int8x16_t levels_at(const uint8_t *p, int8x16_t levels, int bits,
                           int at) {
    uint8x16_t v = vshlq_u8(vld1q_u8(p), vdupq_n_s8((int8_t)-at));
    return vqtbl1q_s8(levels, vandq_u8(v, vdupq_n_u8(bits == 4 ? 15 : 3)));
}

static void expand(int bits, const int8_t level[16], size_t n,
                   const uint8_t *from, int8_t *to) {
    const int8x16_t levels = vld1q_s8(level);
    for (size_t i = 0; i < n; i += 64)
        for (int at = 0; at < 8; at += bits)
            for (size_t j = 0; j < 64; j += 16, to += 16)
                vst1q_s8(to, levels_at(from + i + j, levels, bits, at));
}

/* --- depthwise, 16 channels ----------------------------------------------- */

/* panel[kx][ky][channel]: one vector of outputs, x at its first tap. */
INLINE void depthwise_sums(const hawq_tile *t, const int8_t *w,
                           const hawq_depthwise_row *r, const uint8_t *x,
                           int32x4_t acc[4]) {
    load_bias(t, acc);
    for (int kx = 0; kx < r->kw; kx++, x += r->step_w * r->c)
        for (int ky = 0; ky < r->kh; ky++, w += 16) {
            uint8x16_t in = vld1q_u8(x + (size_t)ky * r->row_bytes);
            int8x16_t  weights = vld1q_s8(w);
            int16x8_t  a = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(in)));
            int16x8_t  b = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(in)));
            int16x8_t  wa = vmovl_s8(vget_low_s8(weights));
            int16x8_t  wb = vmovl_s8(vget_high_s8(weights));
            acc[0] = vmlal_s16(acc[0], vget_low_s16(a), vget_low_s16(wa));
            acc[1] = vmlal_s16(acc[1], vget_high_s16(a), vget_high_s16(wa));
            acc[2] = vmlal_s16(acc[2], vget_low_s16(b), vget_low_s16(wb));
            acc[3] = vmlal_s16(acc[3], vget_high_s16(b), vget_high_s16(wb));
        }
}

/* One row of outputs; columns are not interleaved. */
static void depthwise(const hawq_tile *t, const int8_t *w,
                      const hawq_depthwise_row *r, void *y, void *columns) {
    size_t step = (size_t)r->stride_w * (size_t)r->c;
    (void)columns;
    for (int ox = 0; ox < r->ow; ox += r->pixels) {
        int       rest = (r->ow - ox) * r->c;
        int32x4_t acc[4];
        depthwise_sums(t, w, r, r->x + (size_t)ox * step, acc);
        store_pixel(t, acc, (size_t)ox * t->y_stride,
                    rest < t->n_oc ? rest : t->n_oc, y);
    }
}

/* --- the other slots ---------------------------------------------------- */

/* Plain C, which compilers turn into NEON here: it needs no flag. */
static void requantize(size_t pixels, size_t channels, const hawq_requant *q,
                       const int32_t *acc, uint8_t *y) {
    hawq_kernels_ref.requantize(pixels, channels, q, acc, y);
}

static void add(const hawq_add *v, const uint8_t *a, const uint8_t *b,
                uint8_t *y) {
    hawq_kernels_ref.add(v, a, b, y);
}

static void max_pool(const hawq_pool *v, const uint8_t *x, uint8_t *y) {
    hawq_kernels_ref.max_pool(v, x, y);
}

static void average_pool(const hawq_pool *v, const uint8_t *x, uint8_t *y) {
    hawq_kernels_ref.average_pool(v, x, y);
}

static void quantize(size_t n, const float *x, float inverse_scale,
                     uint8_t zero, uint8_t low, uint8_t high, uint8_t *y) {
    hawq_kernels_ref.quantize(n, x, inverse_scale, zero, low, high, y);
}

static void move(size_t n, const int32_t *map, uint8_t fill,
                 const uint8_t table[256], const uint8_t *x, uint8_t *y) {
    hawq_kernels_ref.move(n, map, fill, table, x, y);
}

/* The table of the file that includes this. */
#define HAWQ_NEON_TABLE(text, is_usable)                                       \
    {                                                                          \
        .name = text, .usable = is_usable,                                     \
        .conv_packed_bytes = conv_packed_bytes, .conv_pack = conv_pack,        \
        .conv_scratch_bytes = conv_scratch_bytes, .conv = conv,                \
        .conv_s32 = conv_s32, .conv_name = conv_name,                          \
        .conv_outliers = hawq_outliers_by_rectangles,                          \
        .requantize = requantize, .add = add, .max_pool = max_pool,            \
        .average_pool = average_pool, .quantize = quantize, .move = move       \
    }
