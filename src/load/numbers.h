/* numbers.h -- numbers as files hold them: little-endian, of many types.
 *
 * Floating types become `real`, all others int64_t.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_NUMBERS_H
#define HAWQ_NUMBERS_H
#include "src/graph/op.h"

typedef enum hawq_number {
    HAWQ_U8,
    HAWQ_I8,
    HAWQ_U16,
    HAWQ_I16,
    HAWQ_U32,
    HAWQ_I32,
    HAWQ_I64,
    HAWQ_BOOL, /* one byte, not 0 is true */
    HAWQ_F16,
    HAWQ_BF16,
    HAWQ_F32,
    HAWQ_F64,
    HAWQ_U4, /* two a byte, the low half first */
    HAWQ_I4,
    HAWQ_U2, /* four a byte, the lowest first */
    HAWQ_I2
} hawq_number;

/* Bytes of one number, or 1 if several share one; its bits; bytes of n of them;
 * whether it is a floating type. */
size_t     hawq_number_bytes(hawq_number type);
int        hawq_number_bits(hawq_number type);
size_t     hawq_numbers_size(hawq_number type, size_t n);
hawq_dtype hawq_number_dtype(hawq_number type);

/* n numbers from unaligned bytes into out: real[] if hawq_number_dtype says
 * HAWQ_FLOAT, else int64_t[]. */
void hawq_numbers_read(hawq_number type, const void *bytes, size_t n,
                       void *out);

/* The other way, for integers of the type's range: hawq_numbers_size bytes. */
void hawq_numbers_write(hawq_number type, const int64_t *value, size_t n,
                        uint8_t *bytes);

/* float16 bits to the number they stand for (IEEE 754-2019, binary16). */
float hawq_number_half(uint16_t bits);

/* Product of n dimensions into *count and, if they are at most HAWQ_MAX_RANK,
 * into *shape. EFORMAT for a negative dimension or more than 2^40 elements,
 * EUNSUPPORTED for more dimensions. */
HAWQ_NODISCARD hawq_status hawq_shape_read(const int64_t *dim, size_t n,
                                           hawq_shape *shape, size_t *count);

#endif
