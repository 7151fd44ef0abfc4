/* neon_dotprod.c -- aarch64 with dot products of bytes (ARMv8.2 and later; most
 * phones since 2018).
 *
 * sdot takes signed bytes on both sides, and x is unsigned. So it multiplies
 * x - 128, which is x with its highest bit turned over, and what is missing,
 * 128 sum(w), goes into the bias of each panel before its pixels are computed.
 * Sums may wrap around on the way; their last bits are right all the same.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/tables.h"
#include "kernels/tiled.h"

#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#include "kernels/neon_body.h"

#include <sys/auxv.h>

static bool usable(void) {
    const unsigned long asimddp = 1ul << 20; /* HWCAP_ASIMDDP */
    return getauxval(AT_HWCAP) & asimddp;
}

/* Quarter 0 .. 3 of step i of a panel of these bits. */
INLINE int8x16_t weights_at(const int8_t *w, size_t i, size_t quarter,
                            int8x16_t levels, int bits) {
    size_t        fields = 8 / (size_t)bits;
    const int8_t *p = w + i / fields * 64 + quarter * 16;
    if (bits == 8) return vld1q_s8(p);
    return levels_at((const uint8_t *)p, levels, bits,
                     (int)(i % fields) * bits);
}

/* x - 128 of four values, in all lanes. */
INLINE int8x16_t broadcast4(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return vreinterpretq_s8_u32(vdupq_n_u32(v ^ 0x80808080u));
}

/* bias += 128 sum(w) */
static void prepare(hawq_tile *t, const int8_t *panel) {
    const int8x16_t ones = vdupq_n_s8(1);
    size_t          steps = (size_t)t->n_runs * (size_t)t->run_bytes / 4;
    for (size_t v = 0; v < 4; v++) {
        int32x4_t sum = vdupq_n_s32(0);
        for (size_t i = 0; i < steps; i++)
            sum = vdotq_s32(sum, vld1q_s8(panel + 64 * i + 16 * v), ones);
        int32_t *bias = t->bias + 4 * v;
        vst1q_s32(bias, vaddq_s32(vld1q_s32(bias), vshlq_n_s32(sum, 7)));
    }
}

INLINE void tile(const hawq_tile *t, const int8_t *w, const uint8_t *x,
                 ptrdiff_t next, void *y, int n) {
    int32x4_t acc[PX][4];
    HAWQ_UNROLL
    for (int i = 0; i < n; i++) load_bias(t, acc[i]);
    for (int r = 0; r < t->n_runs; r++) {
        ptrdiff_t k = t->run_at[r], end = k + t->run_bytes;
        for (; k < end; k += 4, w += 64) {
            int8x16_t w0 = vld1q_s8(w), w1 = vld1q_s8(w + 16);
            int8x16_t w2 = vld1q_s8(w + 32), w3 = vld1q_s8(w + 48);
            HAWQ_UNROLL
            for (int i = 0; i < n; i++) {
                int8x16_t v = broadcast4(x + k + i * next);
                acc[i][0] = vdotq_s32(acc[i][0], w0, v);
                acc[i][1] = vdotq_s32(acc[i][1], w1, v);
                acc[i][2] = vdotq_s32(acc[i][2], w2, v);
                acc[i][3] = vdotq_s32(acc[i][3], w3, v);
            }
        }
    }
    HAWQ_UNROLL
    for (int i = 0; i < n; i++)
        store_pixel(t, acc[i], (size_t)i * t->y_stride, t->n_oc, y);
}

/* One pixel, from the panel as it is stored: 128 sum(w) is summed up on the
 * way, for the panel is read no other time. */
INLINE void single(const hawq_tile *t, const int8_t *w, const uint8_t *x,
                   void *y, int bits) {
    const int8x16_t levels = vld1q_s8(t->level), ones = vdupq_n_s8(1);
    int32x4_t       acc[4], sum[4];
    size_t          step = 0;
    load_bias(t, acc);
    HAWQ_UNROLL
    for (int q = 0; q < 4; q++) sum[q] = vdupq_n_s32(0);
    for (int r = 0; r < t->n_runs; r++) {
        ptrdiff_t k = t->run_at[r], end = k + t->run_bytes;
        for (; k < end; k += 4, step++) {
            int8x16_t v = broadcast4(x + k);
            HAWQ_UNROLL
            for (size_t q = 0; q < 4; q++) {
                int8x16_t weights = weights_at(w, step, q, levels, bits);
                acc[q] = vdotq_s32(acc[q], weights, v);
                sum[q] = vdotq_s32(sum[q], weights, ones);
            }
        }
    }
    HAWQ_UNROLL
    for (int q = 0; q < 4; q++)
        acc[q] = vaddq_s32(acc[q], vshlq_n_s32(sum[q], 7));
    store_pixel(t, acc, 0, t->n_oc, y);
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

#define TILE_OF(t, w, x, next, y, n) tile(t, w, x, next, y, n)
#include "kernels/six_tiles_body.h"

static const hawq_tile_kind dots = {
    .names = {"w8_6x16c4_dotprod", "w4_6x16c4_dotprod", "w2_6x16c4_dotprod"},
    .lanes = 8,
    .per = 4,
    .split = 1,
    .x_bytes = 1,
    .pixels = PX,
    .functions = tiles,
    .single = {single_8, single_4, single_2},
    .prepare = prepare};

static const hawq_tile_kind *kind(const hawq_conv *v, int rest) {
    (void)v, (void)rest;
    return &dots;
}

static const hawq_tiled isa = {
    .kind = kind,
    .expand = expand,
    .depthwise_names = {"w8_depthwise16_dotprod", "w4_depthwise16_dotprod",
                        "w2_depthwise16_dotprod"},
    .depthwise_lanes = 4,
    .depthwise_per = 1,
    .depthwise = depthwise,
};

#include "kernels/tiled_body.h"

const hawq_kernels hawq_kernels_neon_dotprod =
    HAWQ_NEON_TABLE("neon-dotprod", usable);
#endif
