/* kernel.h -- integer kernels: one table of functions per instruction set.
 *
 * `ref` fills every slot in portable C and defines every bit of every result;
 * an ISA's table is a copy of ref's with some slots overridden, and equality
 * with ref is exact. Tables are found by name or chosen by CPUID at run time.
 *
 * Activations are unsigned 8-bit, one image at a time, NHWC (channels fastest),
 * value = scale * (q - zero). An activation of b < 8 bits uses the values
 * 0 .. 2^b - 1 of its bytes. Weights are int8 (-128 .. 127) times a scale per
 * output channel, in OHWI rows with the last index fastest. Whatever format
 * they come from (a grid, a codebook, groups with multipliers), here they are
 * these integers; where at most 16 or 4 different ones occur, a table of
 * functions may hold them as codes of 4 or 2 bits. Accumulators are exact
 * int32: whoever builds a layer proves that |bias| + sum |w| * 255 < 2^31, the
 * outliers counted among the w.
 *
 * Set-up may fail (NULL, false); compute functions cannot. Arrays need no bytes
 * beyond their ends. Packed weights may lie anywhere, but are read faster at a
 * 64-byte boundary. This folder depends on nothing but libc.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_KERNEL_H
#define HAWQ_KERNEL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Requantization of one accumulator per output channel; see arith.h:
 *   y = clamp(zero + (((acc << pre) * multiplier >> 32) + 2^(t-1) >> t)) */
typedef struct hawq_requant {
    const int32_t *bias;       /* per channel; contains -z_x * sum(w) */
    const int32_t *multiplier; /* per channel, in [0, 2^31); see arith.h */
    const uint8_t *pre;        /* per channel, left shift of the accumulator */
    const uint8_t *shift;      /* per channel t, 1 <= t <= 30 */
    uint8_t        zero, low, high; /* zero point and clamp of the output */
} hawq_requant;

/* A convolution (or a fully-connected layer: h = w = kh = kw = 1). */
typedef struct hawq_conv {
    int h, w, c;    /* input; c over all groups */
    int oh, ow, oc; /* output */
    int kh, kw, stride_h, stride_w, dilation_h, dilation_w;
    int pad_top, pad_left; /* bottom and right follow from oh, ow */
    int groups; /* c and oc divisible by it; depthwise: groups == c */
    /* 8: weights are any int8. 4 or 2: each is one of level[0 .. 2^weight_bits
     * - 1], any int8 in ascending order; spare entries repeat one. */
    int     weight_bits;
    int8_t  level[16];
    uint8_t largest; /* at 8 bits: no |weight| exceeds it; 0: not known */
    uint8_t zero;    /* input zero point = padding value */
} hawq_conv;

/* Few weights of a layer that are added to the others, in compressed rows:
 * those of output channel o are the entries start[o] .. start[o + 1] - 1. */
typedef struct hawq_outliers {
    const int32_t *start; /* oc + 1, ascending from 0 */
    const int32_t *at;    /* place in the channel's OHWI row */
    const int16_t *value;
} hawq_outliers;

/* y = clamp(zero + ((a - za) * ma + (b - zb) * mb + 2^(t-1) >> t)) */
typedef struct hawq_add {
    size_t  n;
    int16_t ma, mb;
    uint8_t za, zb, shift;
    uint8_t zero, low, high;
} hawq_add;

/* Pooling over windows; padding never takes part in a maximum, and in an
 * average it counts in the divisor only if count_pad. Average: the window's sum
 * of (q - zero_in) is requantized with the multiplier of its number of
 * elements: multiplier, pre, shift, zero, low, high are per count n = 1 ..
 * kh * kw (arrays of kh * kw entries, entry n - 1). */
typedef struct hawq_pool {
    int          h, w, c, oh, ow, kh, kw, stride_h, stride_w, pad_top, pad_left;
    uint8_t      zero_in;
    bool         count_pad;
    hawq_requant requant; /* average only; bias is NULL */
} hawq_pool;

typedef struct hawq_kernels {
    const char *name;
    bool (*usable)(void); /* can this processor run it? */
    bool by_name; /* a device's table: taken only if asked for by its name */

    /* Bytes of a layer's weights in this table's own arrangement (but for ref,
     * at their width in bits, plus padding to full tiles). */
    size_t (*conv_packed_bytes)(const hawq_conv *conv);
    /* From OHWI rows, one output channel after another without gaps, I =
     * c/groups. Below 8 bits a weight that is no level is the caller's error.
     */
    void (*conv_pack)(const hawq_conv *conv, const int8_t *weights,
                      void *packed);
    /* Gives back what conv_pack took outside of `packed` (a device's memory);
     * after it `packed` must not be used. NULL: it took nothing. */
    void (*conv_release)(void *packed);
    /* Bytes of 64-byte aligned scratch wanted by conv and conv_s32. */
    size_t (*conv_scratch_bytes)(const hawq_conv *conv);
    /* y[oh][ow][oc] = requant(bias + sum w x). */
    void (*conv)(const hawq_conv *conv, const void *packed,
                 const hawq_requant *requant, const uint8_t *x, uint8_t *y,
                 void *scratch);
    /* The same with raw accumulators: y[oh][ow][oc] = bias + sum w x. */
    void (*conv_s32)(const hawq_conv *conv, const void *packed,
                     const int32_t *bias, const uint8_t *x, int32_t *y,
                     void *scratch);
    /* Name of the inner kernel this shape runs on, for reports. */
    const char *(*conv_name)(const hawq_conv *conv);

    /* What conv_s32 leaves is completed by these: y[oh][ow][oc] += sum over the
     * outliers of channel oc of value * x at their taps, */
    void (*conv_outliers)(const hawq_conv *conv, const hawq_outliers *outliers,
                          const uint8_t *x, int32_t *y);
    /* and y[pixel][channel] = requant(acc), whose bias is in acc already. */
    void (*requantize)(size_t pixels, size_t channels,
                       const hawq_requant *requant, const int32_t *acc,
                       uint8_t *y);

    /* y may be a or b. */
    void (*add)(const hawq_add *add, const uint8_t *a, const uint8_t *b,
                uint8_t *y);
    void (*max_pool)(const hawq_pool *pool, const uint8_t *x, uint8_t *y);
    void (*average_pool)(const hawq_pool *pool, const uint8_t *x, uint8_t *y);
    /* y = clamp(round_half_even(x * inverse_scale) + zero, low, high); NaN
     * counts as minus infinity. */
    void (*quantize)(size_t n, const float *x, float inverse_scale,
                     uint8_t zero, uint8_t low, uint8_t high, uint8_t *y);
    /* y[i] = map[i] < 0 ? fill : table[x[map[i]]]: slices, padding, transposes
     * and changes of scale in one. */
    void (*move)(size_t n, const int32_t *map, uint8_t fill,
                 const uint8_t table[256], const uint8_t *x, uint8_t *y);
} hawq_kernels;

/* All tables compiled in, best first, ref last; NULL-terminated. */
extern const hawq_kernels *const hawq_kernels_all[];

/* The table of that name, or NULL if unknown or not usable here; name NULL:
 * the first usable one that is not by_name. */
const hawq_kernels *hawq_kernels_select(const char *name);

/* "avx512vnni avx2 ref": names of the usable tables, for messages. */
const char *hawq_kernels_usable_names(void);

#endif
