/* images.h -- what the readers of data files hand to dataset.c: all images of
 * one specification, bytes as in the file.
 *
 * Sentences of failure do not name the specification: dataset.c prefixes it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_IMAGES_H
#define HAWQ_IMAGES_H
#include "src/load/dataset.h"
#include "src/load/feeds.h"
#include "src/load/numbers.h"

/* An array of a file. */
typedef struct hawq_array {
    hawq_number    type;
    hawq_shape     shape; /* of what was read */
    size_t         n;     /* numbers that were read */
    size_t         rows;  /* length of the first dimension in the file */
    const uint8_t *bytes;
} hawq_array;

typedef struct hawq_images {
    size_t         n;
    hawq_shape     item;   /* of one image */
    hawq_number    type;   /* of a pixel */
    const uint8_t *bytes;  /* n items */
    size_t         stride; /* bytes from one image to the next */
    size_t         n_more; /* further inputs of the network, in its order */
    hawq_array    *more;
    hawq_shape     y;       /* of one image's labels or targets */
    const int64_t *labels;  /* n times y, or NULL */
    const real    *targets; /* likewise */
} hawq_images;

/* Deflate and gzip never shrink bytes by more than 1032 (zlib manual). What a
 * header claims beyond that is not believed, so nothing absurd is allocated. */
static inline bool hawq_can_inflate(uint64_t packed, uint64_t bytes) {
    return bytes / 1032 <= packed;
}

/* most: images to read from the start, at most; 0: all. What is not read is not
 * checked. graph: the first array feeds its first input, and `more` the others,
 * by their names; NULL: it is x. */
HAWQ_NODISCARD hawq_status hawq_npz_read(const char *path, hawq_labelling want,
                                         size_t most, const hawq_graph *graph,
                                         hawq_arena *arena, hawq_images *out);
HAWQ_NODISCARD hawq_status hawq_idx_read(const char    *prefix,
                                         hawq_labelling want, hawq_arena *arena,
                                         hawq_images *out);
/* files: comma-separated */
HAWQ_NODISCARD hawq_status hawq_cifar_read(const char *files, hawq_arena *arena,
                                           hawq_images *out);

/* Windows of `window` ids each. */
HAWQ_NODISCARD hawq_status hawq_tokens_read(const char *path, size_t window,
                                            size_t most, hawq_arena *arena,
                                            hawq_images *out);

/* Names and shapes of all arrays of an .npz archive, and the numbers of those
 * of at most 1 MiB, but of y. One that is no array is left out. */
HAWQ_NODISCARD hawq_status hawq_npz_list(const char *path, hawq_arena *arena,
                                         const hawq_member **out, size_t *n);
/* A file of one array, .npy. */
HAWQ_NODISCARD hawq_status hawq_npy_read(const char *path, hawq_arena *arena,
                                         hawq_array *out);

/* out->value: the array's numbers as a tensor, in the arena. */
HAWQ_NODISCARD hawq_status hawq_array_value(const hawq_array *array,
                                            hawq_arena       *arena,
                                            hawq_member      *out);

/* "1.2.13": of the libraries that the readers run with. */
const char *hawq_idx_zlib_version(void);
const char *hawq_npz_libzip_version(void);

#endif
