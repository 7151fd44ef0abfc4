/* avx2_slots.h -- slots of kernel.h in 256-bit vectors that need no
 * multiply-add of bytes, for every table whose processors have AVX2.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_AVX2_SLOTS_H
#define HAWQ_AVX2_SLOTS_H
#include "kernels/kernel.h"

void hawq_avx2_add(const hawq_add *add, const uint8_t *a, const uint8_t *b,
                   uint8_t *y);
void hawq_avx2_requantize(size_t pixels, size_t channels,
                          const hawq_requant *requant, const int32_t *acc,
                          uint8_t *y);
void hawq_avx2_max_pool(const hawq_pool *pool, const uint8_t *x, uint8_t *y);
void hawq_avx2_average_pool(const hawq_pool *pool, const uint8_t *x,
                            uint8_t *y);
void hawq_avx2_quantize(size_t n, const float *x, float inverse_scale,
                        uint8_t zero, uint8_t low, uint8_t high, uint8_t *y);
void hawq_avx2_move(size_t n, const int32_t *map, uint8_t fill,
                    const uint8_t table[256], const uint8_t *x, uint8_t *y);

#endif
