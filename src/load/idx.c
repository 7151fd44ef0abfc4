/* idx.c -- the format of MNIST and Fashion-MNIST (LeCun, "The MNIST database",
 * section FILE FORMATS): big-endian magic 0x0000 08 dd (unsigned bytes, dd
 * dimensions), dd sizes of 32 bits, then the bytes. Plain or gzip: zlib's
 * gzread takes both.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/file.h"
#include "src/load/images.h"

#include <zlib.h>

#include <string.h>
#include <unistd.h>

enum { MOST_DIMS = 3 };

typedef struct idx {
    const char *path;
    int64_t     dim[MOST_DIMS];
    size_t      n; /* bytes */
    uint8_t    *bytes;
} idx;

static uint32_t big_endian(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 |
           b[3];
}

/* Up to n bytes; fewer at the end of the file. EIO if zlib objects. */
static hawq_status inflate_some(gzFile file, uint8_t *bytes, size_t n,
                                size_t *got) {
    *got = 0;
    while (*got < n) {
        size_t step = n - *got < 1 << 24 ? n - *got : 1 << 24;
        int    some = gzread(file, bytes + *got, (unsigned)step);
        if (some < 0) {
            int         code;
            const char *why = gzerror(file, &code);
            return hawq_fail(HAWQ_EFORMAT, "cannot be decompressed: %s", why);
        }
        if (some == 0) break;
        *got += (size_t)some;
    }
    return HAWQ_OK;
}

static hawq_status truncated(size_t found, size_t expected) {
    return hawq_fail(HAWQ_EFORMAT, "truncated: found %zu bytes, expected %zu",
                     found, expected);
}

static hawq_status read_header(gzFile file, uint64_t size, size_t n_dims,
                               idx *out) {
    uint8_t    head[4 + 4 * MOST_DIMS];
    size_t     got, n_head = 4 + 4 * n_dims;
    hawq_shape shape;
    HAWQ_TRY(inflate_some(file, head, n_head, &got));
    if (got < n_head) return truncated(got, n_head);
    if (big_endian(head) != 0x800 + n_dims)
        return hawq_fail(HAWQ_EFORMAT,
                         "is not an idx file of bytes: magic number 0x%08x, "
                         "expected 0x%08zx",
                         (unsigned)big_endian(head), 0x800 + n_dims);
    for (size_t i = 0; i < n_dims; i++)
        out->dim[i] = big_endian(head + 4 + 4 * i);
    HAWQ_TRY(hawq_shape_read(out->dim, n_dims, &shape, &out->n));
    if (!hawq_can_inflate(size, out->n))
        return truncated(size, out->n + n_head);
    return HAWQ_OK;
}

static hawq_status read_open(gzFile file, uint64_t size, size_t n_dims,
                             hawq_arena *arena, idx *out) {
    size_t  got, n_head = 4 + 4 * n_dims;
    uint8_t more;
    HAWQ_TRY(read_header(file, size, n_dims, out));
    HAWQ_TAKE(out->bytes, arena, out->n);
    HAWQ_TRY(inflate_some(file, out->bytes, out->n, &got));
    if (got < out->n) return truncated(n_head + got, n_head + out->n);
    HAWQ_TRY(inflate_some(file, &more, 1, &got));
    if (got)
        return hawq_fail(HAWQ_EFORMAT,
                         "has more bytes than the %zu its header announces",
                         n_head + out->n);
    return HAWQ_OK;
}

static hawq_status read_file(const char *path, size_t n_dims, hawq_arena *arena,
                             idx *out) {
    uint64_t size = 0;
    HAWQ_TRY(hawq_file_size(path, &size));
    if (size == 0) return hawq_fail(HAWQ_EFORMAT, "is empty");
    gzFile file = gzopen(path, "rb");
    if (!file) return hawq_fail(HAWQ_EIO, "cannot be opened");
    hawq_status status = read_open(file, size, n_dims, arena, out);
    gzclose(file);
    return status;
}

/* PREFIX-images-idx3-ubyte, plain or .gz; out->path stays NULL if it is not
 * there and need not be. */
static hawq_status read_idx(const char *prefix, const char *what, size_t n_dims,
                            bool optional, hawq_arena *arena, idx *out) {
    const char *path =
        hawq_arena_format(arena, "%s-%s-idx%zu-ubyte", prefix, what, n_dims);
    if (!path) return HAWQ_ENOMEM;
    if (access(path, F_OK) != 0) {
        const char *packed = hawq_arena_format(arena, "%s.gz", path);
        if (!packed) return HAWQ_ENOMEM;
        if (access(packed, F_OK) != 0 && optional) return HAWQ_OK;
        if (access(packed, F_OK) != 0)
            return hawq_fail(HAWQ_EIO, "neither %s nor %s is there", path,
                             packed);
        path = packed;
    }
    out->path = path;
    hawq_status status = read_file(path, n_dims, arena, out);
    return status == HAWQ_OK ? status : hawq_prefix("%s: ", path);
}

hawq_status hawq_idx_read(const char *prefix, hawq_labelling want,
                          hawq_arena *arena, hawq_images *out) {
    idx      images = {0}, labels = {0};
    int64_t *values;
    HAWQ_TRY(read_idx(prefix, "images", 3, false, arena, &images));
    if (want != HAWQ_LABELS_IGNORED)
        HAWQ_TRY(read_idx(prefix, "labels", 1, want == HAWQ_LABELS_OPTIONAL,
                          arena, &labels));
    if (labels.path && images.dim[0] != labels.dim[0])
        return hawq_fail(HAWQ_EFORMAT, "%s has %lld images, %s has %lld labels",
                         images.path, (long long)images.dim[0], labels.path,
                         (long long)labels.dim[0]);
    *out = (hawq_images){.n = (size_t)images.dim[0],
                         .item = {2, {images.dim[1], images.dim[2]}},
                         .type = HAWQ_U8,
                         .bytes = images.bytes,
                         .stride = (size_t)(images.dim[1] * images.dim[2])};
    if (!labels.path) return HAWQ_OK;
    HAWQ_TAKE(values, arena, labels.n);
    hawq_numbers_read(HAWQ_U8, labels.bytes, labels.n, values);
    out->labels = values;
    return HAWQ_OK;
}

const char *hawq_idx_zlib_version(void) {
    return zlibVersion();
}
