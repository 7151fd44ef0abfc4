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

/* Weights are held as they come: one byte each, whatever their width. */
static size_t conv_packed_bytes(const hawq_conv *v) {
    return (size_t)v->oc * row_size(v);
}

static void conv_pack(const hawq_conv *v, const int8_t *weights, void *packed) {
    memcpy(packed, weights, conv_packed_bytes(v));
}

static size_t conv_scratch_bytes(const hawq_conv *v) {
    (void)v;
    return 0;
}

static const char *conv_name(const hawq_conv *v) {
    (void)v;
    return "ref";
}

/* The c input channels at tap (ky, kx) of output row oy, column ox; NULL in
 * the padding, where every channel is the zero point. */
static const uint8_t *input(const hawq_conv *v, const uint8_t *x, int oy,
                            int ox, int ky, int kx) {
    int  iy = oy * v->stride_h - v->pad_top + ky * v->dilation_h;
    int  ix = ox * v->stride_w - v->pad_left + kx * v->dilation_w;
    bool inside = iy >= 0 && iy < v->h && ix >= 0 && ix < v->w;
    return inside ? x + ((size_t)iy * v->w + ix) * v->c : NULL;
}

/* sum w x of one output, whose group's input channels begin at c0; weights
 * (kh, kw, c / groups). */
static int32_t dot(const hawq_conv *v, const uint8_t *x, const int8_t *weights,
                   int oy, int ox, int c0) {
    int32_t sum = 0;
    int     n = v->c / v->groups;
    for (int ky = 0; ky < v->kh; ky++)
        for (int kx = 0; kx < v->kw; kx++, weights += n) {
            const uint8_t *p = input(v, x, oy, ox, ky, kx);
            for (int i = 0; i < n; i++)
                sum += weights[i] * (p ? p[c0 + i] : v->zero);
        }
    return sum;
}

/* First input channel that output channel o reads. */
static int first_input(const hawq_conv *v, int o) {
    return o / (v->oc / v->groups) * (v->c / v->groups);
}

static void conv_s32(const hawq_conv *v, const void *packed,
                     const int32_t *bias, const uint8_t *x, int32_t *y,
                     void *scratch) {
    const int8_t *weights = packed;
    (void)scratch;
    for (int p = 0; p < v->oh * v->ow; p++)
        for (int o = 0; o < v->oc; o++)
            *y++ = bias[o] + dot(v, x, weights + (size_t)o * row_size(v),
                                 p / v->ow, p % v->ow, first_input(v, o));
}

static uint8_t requantized(const hawq_requant *q, int i, int32_t acc) {
    return hawq_requantize(acc, q->multiplier[i], q->pre[i], q->shift[i],
                           q->zero, q->low, q->high);
}

static void conv(const hawq_conv *v, const void *packed, const hawq_requant *q,
                 const uint8_t *x, uint8_t *y, void *scratch) {
    const int8_t *weights = packed;
    (void)scratch;
    for (int p = 0; p < v->oh * v->ow; p++)
        for (int o = 0; o < v->oc; o++) {
            int32_t sum = dot(v, x, weights + (size_t)o * row_size(v),
                              p / v->ow, p % v->ow, first_input(v, o));
            *y++ = requantized(q, o, q->bias[o] + sum);
        }
}

static void conv_outliers(const hawq_conv *v, const hawq_outliers *outliers,
                          const uint8_t *x, int32_t *y) {
    int n = v->c / v->groups;
    for (int p = 0; p < v->oh * v->ow; p++)
        for (int o = 0; o < v->oc; o++, y++)
            for (int i = outliers->start[o]; i < outliers->start[o + 1]; i++) {
                int tap = outliers->at[i] / n, c = outliers->at[i] % n;
                const uint8_t *in =
                    input(v, x, p / v->ow, p % v->ow, tap / v->kw, tap % v->kw);
                *y += outliers->value[i] *
                      (in ? in[first_input(v, o) + c] : v->zero);
            }
}

static void requantize(size_t pixels, size_t channels, const hawq_requant *q,
                       const int32_t *acc, uint8_t *y) {
    for (size_t p = 0; p < pixels; p++)
        for (size_t c = 0; c < channels; c++)
            *y++ = requantized(q, (int)c, *acc++);
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
            *y = n ? requantized(q, n - 1, sum)
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
    .conv_outliers = conv_outliers,
    .requantize = requantize,
    .add = add,
    .max_pool = max_pool,
    .average_pool = average_pool,
    .quantize = quantize,
    .move = move,
};
