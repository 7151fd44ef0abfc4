/* f32_body.h -- the float convolution kernels, written once for a vector width.
 * Included by one file per instruction set, which defines vec, LANES, VECTORS
 * (accumulators that fit the registers), OUT (output channels of a block), the
 * sum of a vector's elements, and loads and stores of the first n elements.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/f32_conv.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef float vec_unaligned
    __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

INLINE vec load(const float *x) {
    return *(const vec_unaligned *)x;
}
INLINE void store(float *y, vec v) {
    *(vec_unaligned *)y = v;
}

#include "kernels/f32_rows_body.h"

#include "kernels/f32_correlate_body.h"

#include "kernels/f32_weights_body.h"
