/* onednn.h -- the three products of a convolution by oneDNN, where the build
 * has it (HAWQ_ONEDNN) and `real` is float.
 *
 * A plan is made while a graph is built and may fail: then there is none, and
 * the caller has its other means. In sweeps nothing is made but a few handles,
 * and whoever cannot get them reports how far it came; see hawq_onednn_run.
 *
 * Plans live as long as the process, one for each geometry and number of
 * images: networks repeat few shapes, and nothing has to say who frees them.
 * Many threads may run one plan, each with its own scratch. oneDNN's own
 * threads (OpenMP) are held to one in every thread that comes here, when a plan
 * is made and when it runs, so that results do not depend on their number.
 *
 * What it brings. Ours / oneDNN 2.6.3, processor time of one thread with
 * AVX-512 (Zen 5), 8 images, 2 operands, OpenBLAS on its SkylakeX kernels:
 *                                        forward  by data  by weights
 *     depthwise 3x3, 64 to 128 channels  2.9-4.1  1.8-2.2   6.9-8.1
 *     3x3 of stride 2, 16 to 512         1.0-1.5  0.9-1.0   0.8-2.0
 *     3x3 of dilation 2, 64 to 256       1.2      1.2       1.1-1.5
 *     3x3, groups of 16 to 32 channels   1.3-1.7  1.2-1.3   2.0-3.0
 *     3x3, what the float kernels take   0.7-1.2  0.8-1.3   1.5-2.0
 *     few channels in, 3x3 to 10x4       0.4-0.7  0.1-0.3   1.3-2.5
 *     3x3, groups of 4 channels          0.5      0.6       0.2
 *     1x1, any stride                    0.2-1.2  0.2-1.1   0.6-1.1
 * convolve.c chooses by this table, product by product. A whole analysis
 * (trace, one thread) takes 0.40 of the processor time for DS-CNN, which is
 * depthwise, 0.79 for ResNet8, 0.74 for ResNet20. The price is scratch: all
 * images of the chunk in oneDNN's layouts.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_ONEDNN_H
#define HAWQ_ONEDNN_H
#include "src/graph/convolve.h"

typedef struct hawq_onednn hawq_onednn;

typedef enum hawq_onednn_product {
    HAWQ_ONEDNN_FORWARD,    /* y += w * x */
    HAWQ_ONEDNN_BY_DATA,    /* x += w^T * y */
    HAWQ_ONEDNN_BY_WEIGHTS, /* w += y * x */
    HAWQ_ONEDNN_PRODUCTS
} hawq_onednn_product;

/* wanted: a bit, 1 << product, for each that is to be run. NULL where oneDNN is
 * not built in, has no fast way for one of them, or has no memory. */
const hawq_onednn *hawq_onednn_plan(const hawq_conv_shape *s, size_t images,
                                    unsigned wanted);

/* Reals of scratch that any product of the plan wants. */
size_t hawq_onednn_scratch(const hawq_onednn *plan);

/* "oneDNN 2.6.3"; NULL where it is not built in. */
const char *hawq_onednn_name(void);

/* The product for n pairs w[i], y[i] and the one x, all `images` of them. What
 * is read is not written, const or not. Returns for how many pairs it was done,
 * in order: 0 if the plan is not for the product or the number of images, else
 * fewer than n only where memory ran out. */
int hawq_onednn_run(const hawq_onednn *plan, hawq_onednn_product product,
                    size_t images, int n, real *const *w, real *x,
                    real *const *y, real *scratch);

#endif
