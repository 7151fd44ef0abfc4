/* device.h -- what a call tells a device: the arguments of every kernel.
 *
 * Read by C, CUDA C++ and OpenCL C alike (the text is compiled in front of
 * opencl.cl), so it holds nothing but ints. A kernel gets its arguments by
 * value; one buffer, the arena, with all inputs and the output of the call; and
 * for convolutions the layer's weights. Members called x, y, bias, ... are
 * positions in the arena in bytes, multiples of 64.
 *
 * Weights. Four of one output channel make an element of 4 * bits bits, first
 * value lowest, so that one 4-wide dot product uses one element. Below 8 bits
 * they are codes, places in a table of levels. Elements are
 * ordered [group][word][output channel of the group]: neighbouring threads
 * compute neighbouring channels and read neighbouring elements. Word k holds
 *     4 channels of one tap   k = tap * ceil(C / 4) + c / 4     C = c / groups
 *     4 taps, if C = 1        k = tap / 4
 * and beyond the last channel or tap anything: there x is taken as 0.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_DEVICE_H
#define HAWQ_DEVICE_H

/* The kernels of a device, by what they compute. */
enum {
    HAWQ_DEVICE_CONV,      /* more than one input channel per group */
    HAWQ_DEVICE_CONV_TAPS, /* one: depthwise, or a gray image */
    HAWQ_DEVICE_ADD,
    HAWQ_DEVICE_MAX_POOL,
    HAWQ_DEVICE_AVERAGE_POOL,
    HAWQ_DEVICE_QUANTIZE,
    HAWQ_DEVICE_MOVE,
    HAWQ_DEVICE_KERNELS
};

/* kernel.h's hawq_requant; int32 bias and multiplier, bytes pre and shift. */
typedef struct hawq_device_requant {
    int bias, multiplier, pre, shift; /* in the arena */
    int zero, low, high;
} hawq_device_requant;

/* kernel.h's hawq_conv and the arrangement of its weights. */
typedef struct hawq_device_conv {
    int                 h, w, c, oh, ow, oc, kh, kw, stride_h, stride_w;
    int                 dilation_h, dilation_w, pad_top, pad_left, groups;
    int                 bits, zero;
    int                 level[4];          /* 16 int8, the first one lowest */
    int                 group_c, group_oc; /* channels of one group */
    int                 tap_words;         /* words of one tap, if C > 1 */
    int                 words;             /* words of an output channel */
    int                 raw;               /* y is int32 and not requantized */
    int                 x, y;
    hawq_device_requant requant;
} hawq_device_conv;

typedef struct hawq_device_add {
    int n, ma, mb, za, zb, shift, zero, low, high;
    int a, b, y;
} hawq_device_add;

typedef struct hawq_device_pool {
    int h, w, c, oh, ow, kh, kw, stride_h, stride_w, pad_top, pad_left;
    int zero_in, count_pad;
    int x, y;
    hawq_device_requant requant; /* bias is not used */
} hawq_device_pool;

typedef struct hawq_device_quantize {
    int   n;
    float inverse_scale;
    int   zero, low, high;
    int   x, y;
} hawq_device_quantize;

typedef struct hawq_device_move {
    int n, fill;
    int map, table, x, y;
} hawq_device_move;

#endif
