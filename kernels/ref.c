/* ref.c -- every slot in portable C: the definition of every bit.
 *
 * Written to be read, not to be fast. All other tables are tested for equality
 * with this one, byte for byte. The formulas are those of arith.h and of the
 * comments in kernel.h; nothing is computed in floating point but `quantize`.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/arith.h"
#include "kernels/kernel.h"
#include "kernels/tables.h"

#include <string.h>

static bool usable(void) {
    return true;
}

/* Weights of one output channel. */
static size_t row_size(const hawq_conv *v) {
    return (size_t)v->kh * (size_t)v->kw * (size_t)(v->c / v->groups);
}

static size_t conv_packed_bytes(const hawq_conv *v) {
    return hawq_packed_bytes((size_t)v->oc * row_size(v), v->weight_bits);
}

static void conv_pack(const hawq_conv *v, const uint8_t *canonical,
                      void *packed) {
    memcpy(packed, canonical, conv_packed_bytes(v));
}

/* One output channel's weights, unpacked. */
static size_t conv_scratch_bytes(const hawq_conv *v) {
    return row_size(v);
}

static const char *conv_name(const hawq_conv *v) {
    (void)v;
    return "ref";
}

/* sum w x of one output: x (h, w, c), weights (kh, kw, c / groups), output at
 * row oy, column ox, reading input channels from c0 on. */
static int32_t dot(const hawq_conv *v, const uint8_t *x, const int8_t *weights,
                   int oy, int ox, int c0) {
    int32_t sum = 0;
    int     n = v->c / v->groups;
    for (int ky = 0; ky < v->kh; ky++) {
        int iy = oy * v->stride_h - v->pad_top + ky * v->dilation_h;
        for (int kx = 0; kx < v->kw; kx++, weights += n) {
            int  ix = ox * v->stride_w - v->pad_left + kx * v->dilation_w;
            bool inside = iy >= 0 && iy < v->h && ix >= 0 && ix < v->w;
            const uint8_t *p =
                inside ? x + ((size_t)iy * v->w + ix) * v->c + c0 : NULL;
            for (int i = 0; i < n; i++)
                sum += weights[i] * (inside ? p[i] : v->zero);
        }
    }
    return sum;
}

/* Either y8 by requantization, or y32. */
static void conv_any(const hawq_conv *v, const void *packed,
                     const hawq_requant *q, const int32_t *bias,
                     const uint8_t *x, uint8_t *y8, int32_t *y32,
                     int8_t *weights) {
    size_t n = row_size(v);
    int    group_oc = v->oc / v->groups, group_c = v->c / v->groups;
    for (int o = 0; o < v->oc; o++) {
        for (size_t i = 0; i < n; i++)
            weights[i] = hawq_unpack(packed, (size_t)o * n + i, v->weight_bits);
        for (int p = 0; p < v->oh * v->ow; p++) {
            int32_t acc = bias[o] + dot(v, x, weights, p / v->ow, p % v->ow,
                                        o / group_oc * group_c);
            size_t  at = (size_t)p * (size_t)v->oc + (size_t)o;
            if (y32)
                y32[at] = acc;
            else
                y8[at] = hawq_requantize(acc, q->multiplier[o], q->pre[o],
                                         q->shift[o], q->zero, q->low, q->high);
        }
    }
}

static void conv(const hawq_conv *v, const void *packed, const hawq_requant *q,
                 const uint8_t *x, uint8_t *y, void *scratch) {
    conv_any(v, packed, q, q->bias, x, y, NULL, scratch);
}

static void conv_s32(const hawq_conv *v, const void *packed,
                     const int32_t *bias, const uint8_t *x, int32_t *y,
                     void *scratch) {
    conv_any(v, packed, NULL, bias, x, NULL, y, scratch);
}

static void add(const hawq_add *v, const uint8_t *a, const uint8_t *b,
                uint8_t *y) {
    int32_t half = (int32_t)1 << (v->shift - 1);
    for (size_t i = 0; i < v->n; i++) {
        int32_t sum = (a[i] - v->za) * v->ma + (b[i] - v->zb) * v->mb;
        y[i] = (uint8_t)hawq_clamp(v->zero + ((sum + half) >> v->shift), v->low,
                                   v->high);
    }
}

/* The part of a window that lies inside 0 .. limit - 1. */
static void window(int out, int stride, int pad, int size, int limit, int *from,
                   int *to) {
    *from = out * stride - pad;
    *to = *from + size;
    if (*from < 0) *from = 0;
    if (*to > limit) *to = limit;
}

/* A window without any element gives 0. */
static void max_pool(const hawq_pool *v, const uint8_t *x, uint8_t *y) {
    size_t c = (size_t)v->c;
    for (int o = 0; o < v->oh * v->ow; o++, y += c) {
        int y0, y1, x0, x1;
        window(o / v->ow, v->stride_h, v->pad_top, v->kh, v->h, &y0, &y1);
        window(o % v->ow, v->stride_w, v->pad_left, v->kw, v->w, &x0, &x1);
        memset(y, 0, c);
        for (int iy = y0; iy < y1; iy++)
            for (int ix = x0; ix < x1; ix++) {
                const uint8_t *p = x + ((size_t)iy * v->w + ix) * c;
                for (size_t i = 0; i < c; i++) y[i] = y[i] > p[i] ? y[i] : p[i];
            }
    }
}

/* A window without any element gives the zero point (clamped). */
static void average_pool(const hawq_pool *v, const uint8_t *x, uint8_t *y) {
    const hawq_requant *q = &v->requant;
    for (int o = 0; o < v->oh * v->ow; o++) {
        int y0, y1, x0, x1;
        window(o / v->ow, v->stride_h, v->pad_top, v->kh, v->h, &y0, &y1);
        window(o % v->ow, v->stride_w, v->pad_left, v->kw, v->w, &x0, &x1);
        int inside = y1 > y0 && x1 > x0 ? (y1 - y0) * (x1 - x0) : 0;
        int n = v->count_pad ? v->kh * v->kw : inside;
        for (int c = 0; c < v->c; c++, y++) {
            int32_t sum = 0;
            for (int iy = y0; iy < y1; iy++)
                for (int ix = x0; ix < x1; ix++)
                    sum += x[((size_t)iy * v->w + ix) * v->c + c] - v->zero_in;
            *y = n ? hawq_requantize(sum, q->multiplier[n - 1], q->pre[n - 1],
                                     q->shift[n - 1], q->zero, q->low, q->high)
                   : (uint8_t)hawq_clamp(q->zero, q->low, q->high);
        }
    }
}

/* Beyond +-512 every value is clamped anyway, and NaN counts as -512: so the
 * conversion to an integer is always defined. Rounding is the processor's
 * default mode, to nearest even. */
static void quantize(size_t n, const float *x, float inverse_scale,
                     uint8_t zero, uint8_t low, uint8_t high, uint8_t *y) {
    for (size_t i = 0; i < n; i++) {
        float v = x[i] * inverse_scale;
        v = v > -512.0f ? v : -512.0f;
        v = v < 512.0f ? v : 512.0f;
        y[i] = (uint8_t)hawq_clamp((int32_t)lrintf(v) + zero, low, high);
    }
}

static void move(size_t n, const int32_t *map, uint8_t fill,
                 const uint8_t table[256], const uint8_t *x, uint8_t *y) {
    for (size_t i = 0; i < n; i++) y[i] = map[i] < 0 ? fill : table[x[map[i]]];
}

const hawq_kernels hawq_kernels_ref = {
    .name = "ref",
    .usable = usable,
    .conv_packed_bytes = conv_packed_bytes,
    .conv_pack = conv_pack,
    .conv_scratch_bytes = conv_scratch_bytes,
    .conv = conv,
    .conv_s32 = conv_s32,
    .conv_name = conv_name,
    .add = add,
    .max_pool = max_pool,
    .average_pool = average_pool,
    .quantize = quantize,
    .move = move,
};
