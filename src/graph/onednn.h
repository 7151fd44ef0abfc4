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
 * AVX-512 (Zen 5), 8 images, one operand:
 *                                          forward   by data  by weights
 *     depthwise 3x3, 7x7 to 14x14 out      0.7-2.0   0.7-1.1  1.2-2.8
 *     depthwise 3x3, 28x28 to 112x112      0.3-1.1   0.3-0.6  0.4-1.8
 *     depthwise 5x5, 7x7 to 28x28          0.9-1.9   0.6-1.4  0.05-0.13
 *     3x3 of stride 2, 7x7 to 14x14        0.9-1.3   1.1-1.3  0.8-1.1
 *     3x3 of stride 2, 16x16 to 28x28      0.9       0.7-0.9  0.9-1.0
 *     3x3 of dilation 2, 64 channels       1.1       1.1      1.0
 *     3x3, groups of 16 channels           0.9       0.9      1.2
 *     3x3, groups of 4 channels            0.3       0.3      0.4
 *     3x3 of stride 1, 16 to 512 channels  0.3-0.7   0.1-0.6  0.9-1.1
 *     7x7 of stride 2, 3 channels          0.6       1.1      0.8
 * convolve.c chooses by this table, product by product: it is for small images,
 * depthwise or strided. The price is scratch: all images of the chunk in
 * oneDNN's layouts.
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
