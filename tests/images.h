/* images.h -- small sets of grey images for tests of programs, in the IDX
 * format, in the current folder.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_IMAGES_H
#define HAWQ_TESTS_IMAGES_H
#include "tests/check.h"

static inline void put_bytes(const char *name, const void *bytes, size_t n) {
    FILE *f = fopen(name, "wb");
    if (!CHECK(f != NULL)) return;
    CHECK(fwrite(bytes, 1, n, f) == n);
    fclose(f);
}

/* A big-endian word of 4 bytes. */
static inline void put_u32(unsigned char *at, unsigned value) {
    for (int i = 0; i < 4; i++) at[i] = (unsigned char)(value >> (24 - 8 * i));
}

/* PREFIX-images-idx3-ubyte and PREFIX-labels-idx1-ubyte. x: 16 bytes for the
 * head, then n images of side x side; y: 8 bytes, then n labels. */
static inline void put_idx(const char *prefix, int n, int side,
                           unsigned char *x, unsigned char *y) {
    char name[64];
    put_u32(x, 0x803);
    put_u32(x + 4, (unsigned)n);
    put_u32(x + 8, (unsigned)side);
    put_u32(x + 12, (unsigned)side);
    put_u32(y, 0x801);
    put_u32(y + 4, (unsigned)n);
    snprintf(name, sizeof name, "%s-images-idx3-ubyte", prefix);
    put_bytes(name, x, 16 + (size_t)(n * side * side));
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte", prefix);
    put_bytes(name, y, 8 + (size_t)n);
}

/* Pixel p of image i: noise in which a bright row stands at the label's place.
 */
static inline unsigned char striped_pixel(int i, int p, int side, int label) {
    return (unsigned char)((i * 31 + p * p * 17 + p * i * 5) % 97 +
                           (p / side == 2 * label ? 120 : 0));
}

#endif
