/* neon.c -- every aarch64 processor: x and weights widened to 16 bits (x once,
 * when the image is copied), products added up in 32 by smlal, which is exact.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/tables.h"
#include "kernels/tiled.h"

#if defined(__aarch64__)
#include "kernels/neon_body.h"

static bool usable(void) {
    return true;
}

/* A step is one value of 16 bits. */
INLINE void tile(const hawq_tile *t, const int8_t *w, const uint8_t *x,
                 ptrdiff_t next, void *y, int n) {
    int32x4_t acc[PX][4];
    HAWQ_UNROLL
    for (int i = 0; i < n; i++) load_bias(t, acc[i]);
    for (int r = 0; r < t->n_runs; r++) {
        ptrdiff_t k = t->run_at[r], end = k + t->run_bytes;
        for (; k < end; k += 2, w += 16) {
            int8x16_t weights = vld1q_s8(w);
            int16x8_t a = vmovl_s8(vget_low_s8(weights));
            int16x8_t b = vmovl_s8(vget_high_s8(weights));
            HAWQ_UNROLL
            for (int i = 0; i < n; i++) {
                int16_t value;
                memcpy(&value, x + k + i * next, sizeof value);
                int16x4_t v = vdup_n_s16(value);
                acc[i][0] = vmlal_s16(acc[i][0], vget_low_s16(a), v);
                acc[i][1] = vmlal_s16(acc[i][1], vget_high_s16(a), v);
                acc[i][2] = vmlal_s16(acc[i][2], vget_low_s16(b), v);
                acc[i][3] = vmlal_s16(acc[i][3], vget_high_s16(b), v);
            }
        }
    }
    HAWQ_UNROLL
    for (int i = 0; i < n; i++)
        store_pixel(t, acc[i], (size_t)i * t->y_stride, t->n_oc, y);
}

#define TILE_OF(t, w, x, next, y, n) tile(t, w, x, next, y, n)
#include "kernels/six_tiles_body.h"

static const hawq_tile_kind words = {
    .names = {"w8_6x16c1_neon", "w4_6x16c1_neon", "w2_6x16c1_neon"},
    .lanes = 8,
    .per = 1,
    .split = 1,
    .x_bytes = 2,
    .pixels = PX,
    .functions = tiles,
    .single = {tile_1, NULL, NULL}};

static const hawq_tile_kind *kind(const hawq_conv *v, int rest) {
    (void)v, (void)rest;
    return &words;
}

static const hawq_tiled isa = {
    .kind = kind,
    .expand = expand,
    .depthwise_names = {"w8_depthwise16_neon", "w4_depthwise16_neon",
                        "w2_depthwise16_neon"},
    .depthwise_lanes = 4,
    .depthwise_per = 1,
    .depthwise = depthwise,
};

#include "kernels/tiled_body.h"

const hawq_kernels hawq_kernels_neon = HAWQ_NEON_TABLE("neon", usable);
#endif
