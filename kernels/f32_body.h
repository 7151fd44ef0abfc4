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

#include "kernels/f32_turn_body.h"

#include "kernels/f32_correlate_body.h"

#include "kernels/f32_small_body.h"

#include "kernels/f32_weights_body.h"

static void forward(const hawq_f32_layout *l, size_t images, const float *w,
                    const float *planes, float *y, size_t y_image,
                    float *scratch) {
    correlation j;
    if (small(l, l->s.out)) {
        correlate_small(l, false, images, w, planes, y, y_image, scratch);
        return;
    }
    look_ahead(l, &j);
    correlate(&j, images, w, planes, y, y_image, scratch);
}

static void by_data(const hawq_f32_layout *l, size_t images, const float *w,
                    const float *y, size_t y_image, float *x, size_t x_image,
                    float *scratch) {
    size_t      image = l->s.out * l->behind;
    float      *rest = scratch + images * image;
    correlation j;
    for (size_t m = 0; m < images; m++)
        spread(l, y + m * y_image, scratch + m * image + l->lead, l->behind);
    /* phases with a tap or two do little for what turning costs */
    if (small(l, l->s.in) && (l->n_phases == 1 || l->s.oh * l->s.ow <= 100))
        correlate_small(l, true, images, w, scratch, x, x_image, rest);
    else
        for (size_t p = 0; p < l->n_phases; p++)
            if (look_back(l, p, &j))
                correlate(&j, images, w, scratch, x, x_image, rest);
}

static void by_weights(const hawq_f32_layout *l, size_t images, const float *y,
                       size_t y_image, const float *planes, float *w,
                       float *scratch) {
    if (l->s.out < LANES)
        by_positions(l, images, y, y_image, planes, w, scratch);
    else
        by_lanes(l, images, y, y_image, planes, w, scratch);
}
