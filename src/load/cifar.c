/* cifar.c -- CIFAR-10's binary version (Krizhevsky 2009, cs.toronto.edu/~kriz/
 * cifar.html): per image one byte of label, then 3 x 32 x 32 bytes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/file.h"
#include "src/load/images.h"

#include <string.h>

enum { PIXELS = 3 * 32 * 32, RECORD = 1 + PIXELS, CLASSES = 10 };

typedef struct part {
    const char *path;
    size_t      bytes;
} part;

static hawq_status measure(part *p) {
    uint64_t size = 0;
    HAWQ_TRY(hawq_file_size(p->path, &size));
    if (size == 0) return hawq_fail(HAWQ_EFORMAT, "is empty");
    if (size % RECORD)
        return hawq_fail(HAWQ_EFORMAT,
                         "truncated or not CIFAR-10: found %llu bytes, "
                         "expected %llu (a multiple of %d)",
                         (unsigned long long)size,
                         (unsigned long long)(size / RECORD + 1) * RECORD,
                         RECORD);
    p->bytes = (size_t)size;
    return HAWQ_OK;
}

/* A failure with the name of the one of n files; the caller names them all. */
static hawq_status named(hawq_status status, const part *p, size_t n) {
    return status == HAWQ_OK || n == 1 ? status : hawq_prefix("%s: ", p->path);
}

/* "a.bin,b.bin" to its parts and their sizes */
static hawq_status split(const char *files, hawq_arena *arena, part **parts,
                         size_t *n) {
    size_t most = 1;
    for (const char *c = files; *c; c++) most += *c == ',';
    HAWQ_TAKE(*parts, arena, most);
    *n = most;
    for (size_t i = 0; i < most; i++) {
        size_t length = strcspn(files, ",");
        part  *p = &(*parts)[i];
        p->path = hawq_arena_string_n(arena, files, length);
        if (!p->path) return HAWQ_ENOMEM;
        if (!length)
            return hawq_fail(HAWQ_EINVAL, "the name of file %zu is empty",
                             i + 1);
        HAWQ_TRY(named(measure(p), p, most));
        files += length + (files[length] == ',');
    }
    return HAWQ_OK;
}

static hawq_status read_labels(const uint8_t *bytes, size_t n,
                               hawq_arena *arena, const int64_t **out) {
    int64_t *labels;
    HAWQ_TAKE(labels, arena, n);
    for (size_t i = 0; i < n; i++) {
        labels[i] = bytes[i * RECORD];
        if (labels[i] >= CLASSES)
            return hawq_fail(HAWQ_EFORMAT,
                             "image %zu has label %lld, CIFAR-10 has 0 to %d",
                             i, (long long)labels[i], CLASSES - 1);
    }
    *out = labels;
    return HAWQ_OK;
}

hawq_status hawq_cifar_read(const char *files, hawq_arena *arena,
                            hawq_images *out) {
    part    *parts = NULL;
    size_t   n = 0, total = 0, at = 0;
    uint8_t *bytes;
    HAWQ_TRY(split(files, arena, &parts, &n));
    for (size_t i = 0; i < n; i++) total += parts[i].bytes;
    HAWQ_TAKE(bytes, arena, total);
    for (size_t i = 0; i < n; at += parts[i++].bytes)
        HAWQ_TRY(
            named(hawq_file_read(parts[i].path, 0, parts[i].bytes, bytes + at),
                  &parts[i], n));
    *out = (hawq_images){.n = total / RECORD,
                         .item = {3, {3, 32, 32}},
                         .type = HAWQ_U8,
                         .bytes = bytes + 1,
                         .stride = RECORD};
    return read_labels(bytes, out->n, arena, &out->labels);
}
