/* f32_portable.c -- float convolutions on vectors of 4, which the compiler maps
 * to what every processor of its target has (SSE2, NEON): 12 accumulators of 16
 * registers or more.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <stddef.h>
#include <string.h>

enum { LANES = 4, VECTORS = 12, OUT = 4, WIDE = 2 };
typedef float vec __attribute__((vector_size(LANES * sizeof(float))));

static inline vec splat(float x) {
    return (vec){x, x, x, x};
}
static inline float sum(vec v) {
    return v[0] + v[1] + (v[2] + v[3]);
}
static inline vec load_some(const float *x, size_t n) {
    vec v = {0};
    for (size_t i = 0; i < LANES; i++)
        if (i < n) v[i] = x[i];
    return v;
}
static inline void store_some(float *y, vec v, size_t n) {
    for (size_t i = 0; i < LANES; i++)
        if (i < n) y[i] = v[i];
}
/* The two vectors of a0 b0 a1 b1 a2 b2 a3 b3. */
static inline vec zip_low(vec a, vec b) {
    return __builtin_shufflevector(a, b, 0, 4, 1, 5);
}
static inline vec zip_high(vec a, vec b) {
    return __builtin_shufflevector(a, b, 2, 6, 3, 7);
}
/* a0 a2 b0 b2 */
static inline vec even(vec a, vec b) {
    return __builtin_shufflevector(a, b, 0, 2, 4, 6);
}
/* What f32_winograd_body.h asks for: with one group of 4, that is. */
static inline vec low(vec a, vec b) {
    return zip_low(a, b);
}
static inline vec high(vec a, vec b) {
    return zip_high(a, b);
}
static inline vec low_pair(vec a, vec b) {
    return __builtin_shufflevector(a, b, 0, 1, 4, 5);
}
static inline vec high_pair(vec a, vec b) {
    return __builtin_shufflevector(a, b, 2, 3, 6, 7);
}

#include "kernels/f32_body.h"
#include "kernels/f32_winograd_body.h"

static bool usable(void) {
    return true;
}

const hawq_f32_kernels hawq_f32_portable = {
    "portable", usable, pad, forward, by_data, by_weights, &winograd};
