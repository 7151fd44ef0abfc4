/* direct.h -- the three products of a convolution by the float kernels of
 * kernels/f32_conv.h, straight from the image: any stride, dilation and groups,
 * depthwise included, where `real` is float. Arguments as in convolve.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_DIRECT_H
#define HAWQ_DIRECT_H
#include "src/graph/convolve.h"

/* Whether the others may be called: `real` is float, and the kernel has no more
 * taps than they take. */
bool hawq_direct_fits(const hawq_conv_shape *s);

/* "avx512"; NULL where no shape fits. */
const char *hawq_direct_name(void);

/* Reals of scratch that any of the three wants. */
size_t hawq_direct_scratch(const hawq_conv_shape *s, size_t images);

void hawq_direct_forward(const hawq_conv_shape *s, size_t images, int n,
                         const real *const *w, const real *x, real *const *y,
                         real *scratch);
void hawq_direct_by_data(const hawq_conv_shape *s, size_t images, int n,
                         const real *const *w, const real *const *by, real *bx,
                         real *scratch);
void hawq_direct_by_weights(const hawq_conv_shape *s, size_t images, int n,
                            const real *const *by, const real *x,
                            real *const *bw, real *scratch);

#endif
