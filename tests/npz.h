/* npz.h -- writes NumPy archives, in the current folder, with the members x
 * and y: for tests of programs.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_NPZ_H
#define HAWQ_TESTS_NPZ_H
#include "tests/check.h"

#include <stdint.h>

typedef struct npz_array {
    const char *descr; /* "<f4", "<i8" */
    int         rank;
    int         dim[4];
    const void *data;
} npz_array;

typedef struct npz_file { /* the archive as it grows */
    unsigned char bytes[1 << 18], central[256];
    size_t        n, n_central;
    int           members;
} npz_file;

static inline uint32_t npz_crc(const unsigned char *bytes, size_t n) {
    uint32_t crc = ~0u;
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static inline void npz_word(unsigned char *at, size_t value, int bytes) {
    for (int i = 0; i < bytes; i++) at[i] = (unsigned char)(value >> (8 * i));
}

/* A member's file: the head, a Python dictionary, and the numbers. */
static inline size_t npz_numbers(const npz_array *a, unsigned char *out) {
    char   shape[64] = "", head[256];
    size_t n = (size_t)(a->descr[2] - '0');
    for (int i = 0; i < a->rank; i++) {
        n *= (size_t)a->dim[i];
        snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%d, ",
                 a->dim[i]);
    }
    int length = snprintf(head, sizeof head,
                          "{'descr': '%s', 'fortran_order': False, 'shape': "
                          "(%s), }\n",
                          a->descr, shape);
    memcpy(out, "\x93NUMPY\1\0", 8);
    npz_word(out + 8, (size_t)length, 2);
    memcpy(out + 10, head, (size_t)length);
    memcpy(out + 10 + length, a->data, n);
    return 10 + (size_t)length + n;
}

/* The fields that a member's local and central header share. */
static inline void npz_fields(unsigned char *at, uint32_t crc, size_t n) {
    npz_word(at, 20, 2);
    npz_word(at + 10, crc, 4);
    npz_word(at + 14, n, 4);
    npz_word(at + 18, n, 4);
    npz_word(at + 22, 5, 2);
}

static inline void npz_add(npz_file *z, const char *name, const npz_array *a) {
    unsigned char *local = z->bytes + z->n;
    unsigned char *central = z->central + z->n_central;
    size_t         n = npz_numbers(a, local + 35);
    uint32_t       crc = npz_crc(local + 35, n);
    memcpy(local, "PK\3\4", 4);
    npz_fields(local + 4, crc, n);
    memcpy(local + 30, name, 5);
    memcpy(central, "PK\1\2", 4);
    npz_word(central + 4, 20, 2);
    npz_fields(central + 6, crc, n);
    npz_word(central + 42, z->n, 4);
    memcpy(central + 46, name, 5);
    z->n += 35 + n;
    z->n_central += 51;
    z->members++;
}

/* y may be NULL. */
static inline void put_npz(const char *path, const npz_array *x,
                           const npz_array *y) {
    static npz_file z;
    unsigned char   end[22] = "PK\5\6";
    z = (npz_file){.n = 0};
    npz_add(&z, "x.npy", x);
    if (y) npz_add(&z, "y.npy", y);
    npz_word(end + 8, (size_t)z.members, 2);
    npz_word(end + 10, (size_t)z.members, 2);
    npz_word(end + 12, z.n_central, 4);
    npz_word(end + 16, z.n, 4);
    FILE *f = fopen(path, "wb");
    if (!CHECK(f != NULL)) return;
    CHECK(fwrite(z.bytes, 1, z.n, f) == z.n);
    CHECK(fwrite(z.central, 1, z.n_central, f) == z.n_central);
    CHECK(fwrite(end, 1, 22, f) == 22);
    fclose(f);
}

#endif
