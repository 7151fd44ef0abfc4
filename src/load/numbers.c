/* numbers.c -- little-endian numbers of many types to real and int64.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/numbers.h"

#include <math.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "files are little-endian and are copied as they are");

static const struct {
    size_t     bytes;
    hawq_dtype dtype;
} types[] = {
    [HAWQ_U8] = {1, HAWQ_INT},    [HAWQ_I8] = {1, HAWQ_INT},
    [HAWQ_U16] = {2, HAWQ_INT},   [HAWQ_I16] = {2, HAWQ_INT},
    [HAWQ_U32] = {4, HAWQ_INT},   [HAWQ_I32] = {4, HAWQ_INT},
    [HAWQ_I64] = {8, HAWQ_INT},   [HAWQ_BOOL] = {1, HAWQ_INT},
    [HAWQ_F16] = {2, HAWQ_FLOAT}, [HAWQ_BF16] = {2, HAWQ_FLOAT},
    [HAWQ_F32] = {4, HAWQ_FLOAT}, [HAWQ_F64] = {8, HAWQ_FLOAT},
    [HAWQ_U4] = {1, HAWQ_INT},    [HAWQ_I4] = {1, HAWQ_INT},
    [HAWQ_U2] = {1, HAWQ_INT},    [HAWQ_I2] = {1, HAWQ_INT},
};

size_t hawq_number_bytes(hawq_number type) {
    return types[type].bytes;
}

int hawq_number_bits(hawq_number type) {
    if (type == HAWQ_U4 || type == HAWQ_I4) return 4;
    if (type == HAWQ_U2 || type == HAWQ_I2) return 2;
    return 8 * (int)types[type].bytes;
}

size_t hawq_numbers_size(hawq_number type, size_t n) {
    return (n * (size_t)hawq_number_bits(type) + 7) / 8;
}

hawq_dtype hawq_number_dtype(hawq_number type) {
    return types[type].dtype;
}

float hawq_number_half(uint16_t bits) {
    int   exponent = bits >> 10 & 31;
    float mantissa = (float)(bits & 1023);
    float size = exponent == 0    ? ldexpf(mantissa, -24)
                 : exponent == 31 ? (bits & 1023 ? NAN : INFINITY)
                                  : ldexpf(mantissa + 1024, exponent - 25);
    return bits >> 15 ? -size : size;
}

/* bfloat16 is the upper half of a float */
static float brain(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float    value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/* out[i] = convert(i-th T of bytes); memcpy because bytes are unaligned */
#define READ(T, convert)                                                       \
    for (size_t i = 0; i < n; i++) {                                           \
        T v;                                                                   \
        memcpy(&v, (const char *)bytes + i * sizeof v, sizeof v);              \
        convert;                                                               \
    }

/* Number i of those that share bytes, `bits` each. */
static int64_t packed(const uint8_t *bytes, size_t i, int bits, bool sign) {
    size_t at = i * (size_t)bits;
    int    v = bytes[at / 8] >> at % 8 & ((1 << bits) - 1);
    return sign && v >> (bits - 1) ? v - (1 << bits) : v;
}

void hawq_numbers_write(hawq_number type, const int64_t *value, size_t n,
                        uint8_t *bytes) {
    size_t bits = (size_t)hawq_number_bits(type);
    memset(bytes, 0, hawq_numbers_size(type, n));
    for (size_t i = 0; i < n; i++) {
        uint64_t v = (uint64_t)value[i];
        if (bits < 8)
            bytes[i * bits / 8] |=
                (uint8_t)((v & ((1u << bits) - 1)) << i * bits % 8);
        else
            memcpy(bytes + i * bits / 8, &v, bits / 8);
    }
}

void hawq_numbers_read(hawq_number type, const void *bytes, size_t n,
                       void *out) {
    real    *x = out;
    int64_t *k = out;
    switch (type) {
    case HAWQ_U8:
        READ(uint8_t, k[i] = v);
        break;
    case HAWQ_I8:
        READ(int8_t, k[i] = v);
        break;
    case HAWQ_U16:
        READ(uint16_t, k[i] = v);
        break;
    case HAWQ_I16:
        READ(int16_t, k[i] = v);
        break;
    case HAWQ_U32:
        READ(uint32_t, k[i] = v);
        break;
    case HAWQ_I32:
        READ(int32_t, k[i] = v);
        break;
    case HAWQ_I64:
        READ(int64_t, k[i] = v);
        break;
    case HAWQ_BOOL:
        READ(uint8_t, k[i] = v != 0);
        break;
    case HAWQ_F16:
        READ(uint16_t, x[i] = (real)hawq_number_half(v));
        break;
    case HAWQ_BF16:
        READ(uint16_t, x[i] = (real)brain(v));
        break;
    case HAWQ_F32:
        READ(float, x[i] = (real)v);
        break;
    case HAWQ_F64:
        READ(double, x[i] = (real)v);
        break;
    case HAWQ_U4:
    case HAWQ_U2:
        for (size_t i = 0; i < n; i++)
            k[i] = packed(bytes, i, hawq_number_bits(type), false);
        break;
    case HAWQ_I4:
    case HAWQ_I2:
        for (size_t i = 0; i < n; i++)
            k[i] = packed(bytes, i, hawq_number_bits(type), true);
        break;
    }
}

hawq_status hawq_shape_read(const int64_t *dim, size_t n, hawq_shape *shape,
                            size_t *count) {
    const int64_t most = (int64_t)1 << 40;
    int64_t       product = 1;
    bool          empty = false;
    if (n > HAWQ_MAX_RANK)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "has %zu dimensions, at most %d are supported", n,
                         HAWQ_MAX_RANK);
    *shape = (hawq_shape){.rank = (int)n};
    for (size_t i = 0; i < n; i++) {
        if (dim[i] < 0)
            return hawq_fail(HAWQ_EFORMAT,
                             "has a dimension %zu that is negative (%lld)", i,
                             (long long)dim[i]);
        /* beside a dimension of zero the others count, too: a part of the
           shape may be multiplied out */
        int64_t size = dim[i] ? dim[i] : 1;
        if (size > most || product > most / size)
            return hawq_fail(HAWQ_EFORMAT, "has a shape of too many elements");
        product *= size;
        empty |= dim[i] == 0;
        shape->dim[i] = dim[i];
    }
    *count = empty ? 0 : (size_t)product;
    return HAWQ_OK;
}
