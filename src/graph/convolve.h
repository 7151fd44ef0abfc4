/* convolve.h -- the three products of a convolution, single-threaded, behind
 * which providers may change.
 *
 * With y = w * x (cross-correlation, as in ONNX), x (n, c, h, w), w (o,
 * c/groups, kh, kw), y (n, o, oh, ow) of `images` = n images:
 *     forward      y    += w * x
 *     by data      bx   += w^T * by     (transposed convolution)
 *     by weights   bw   += by * x
 * Each takes `n` of them, for lanes: pointers may repeat, and what lanes share
 * (an unfolded or padded image, transformed weights) is prepared once.
 *
 * Providers, the first that fits: kernels/f32_winograd.h for forward and by
 * data where the kernel is 3x3 of stride 1 and channels are many; the float
 * kernels of kernels/f32_conv.h for any other kernel larger than 1x1, and
 * whatever is depthwise; otherwise the image is unfolded to a (c/groups kh kw)
 * x (oh ow) matrix (im2col, Chellapilla et al. 2006; skipped for 1x1 of stride
 * 1) and BLAS multiplies.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_CONVOLVE_H
#define HAWQ_CONVOLVE_H
#include "src/graph/op.h"

typedef struct hawq_conv_shape {
    size_t c, h, w;   /* input image */
    size_t o, oh, ow; /* output image */
    size_t kh, kw, stride_h, stride_w, dilation_h, dilation_w;
    size_t pad_top, pad_left;
    size_t groups;
    size_t without; /* ways not to be taken, HAWQ_CONV_..; 0: all are open */
    const struct hawq_onednn
        *plan; /* hawq_conv_scratch sets it; see onednn.h */
} hawq_conv_shape;

/* Bits of `without`, by which tests and benchmarks reach the other ways. */
enum { HAWQ_CONV_ONEDNN = 1, HAWQ_CONV_NATIVE = 2, HAWQ_CONV_WINOGRAD = 4 };

/* Reals of scratch that any of the three wants for as many images. Once,
 * before any of them; may choose a provider that is prepared here. */
size_t hawq_conv_scratch(hawq_conv_shape *s, size_t images);

/* "native avx512 + winograd + openblas SkylakeX": what computes, for reports.
 */
const char *hawq_conv_provider(void);

/* y[i] += w[i] * x[i], i < n */
void hawq_conv_forward(const hawq_conv_shape *s, size_t images, int n,
                       const real *const *w, const real *const *x,
                       real *const *y, real *scratch);

/* bx[i] += w[i]^T * by[i], i < n */
void hawq_conv_by_data(const hawq_conv_shape *s, size_t images, int n,
                       const real *const *w, const real *const *by,
                       real *const *bx, real *scratch);

/* bw[i] += by[i] * x, i < n */
void hawq_conv_by_weights(const hawq_conv_shape *s, size_t images, int n,
                          const real *const *by, const real *x, real *const *bw,
                          real *scratch);

#endif
