/* images.h -- what the readers of data files hand to dataset.c: all images of
 * one specification, bytes as in the file.
 *
 * Sentences of failure do not name the specification: dataset.c prefixes it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_IMAGES_H
#define HAWQ_IMAGES_H
#include "src/load/dataset.h"
#include "src/load/numbers.h"

typedef struct hawq_images {
    size_t         n;
    hawq_shape     item;    /* of one image */
    hawq_number    type;    /* of a pixel */
    const uint8_t *bytes;   /* n items */
    size_t         stride;  /* bytes from one image to the next */
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
 * checked. */
HAWQ_NODISCARD hawq_status hawq_npz_read(const char *path, hawq_labelling want,
                                         size_t most, hawq_arena *arena,
                                         hawq_images *out);
                                         HAWQ_NODISCARD hawq_status
                                         hawq_idx_read(const char    *prefix,
                                                       hawq_labelling want,
                                                       hawq_arena    *arena,
                                                       hawq_images   *out);
                                         /* files: comma-separated */
                                         HAWQ_NODISCARD hawq_status
                                         hawq_cifar_read(const char  *files,
                                                         hawq_arena  *arena,
                                                         hawq_images *out);

                                         /* "1.2.13": of the libraries that the
                                          * readers run with. */
                                         const char *
                                         hawq_idx_zlib_version(void);
                                         const char *
                                         hawq_npz_libzip_version(void);

#endif
