/* tokens.c -- a stream of token ids cut into windows, each with the ids that
 * follow its own as labels:
 *     x[i][t] = id[i T + t]       y[i][t] = id[i T + t + 1]
 * The file holds little-endian numbers and nothing else: of 32 bits if its name
 * ends in .u32, else of 16. What is left at the end is too short for a window.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/file.h"
#include "src/load/images.h"

#include <string.h>

static hawq_number number_type(const char *path) {
    size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".u32") == 0 ? HAWQ_U32 : HAWQ_U16;
}

hawq_status hawq_tokens_read(const char *path, size_t window, size_t most,
                             hawq_arena *arena, hawq_images *out) {
    hawq_number type = number_type(path);
    size_t      each = hawq_number_bytes(type);
    uint64_t    size = 0;
    uint8_t    *bytes;
    int64_t    *labels;
    HAWQ_TRY(hawq_file_size(path, &size));
    size_t ids = (size_t)size / each;
    if (size % each || ids <= window)
        return hawq_fail(HAWQ_EFORMAT,
                         "holds %llu bytes, expected more than %zu ids of %zu "
                         "bytes each%s",
                         (unsigned long long)size, window, each,
                         type == HAWQ_U16 ? " (or of 4, in a file .u32)" : "");
    size_t n = (ids - 1) / window;
    if (most && most < n) n = most;
    HAWQ_TAKE(bytes, arena, (n * window + 1) * each);
    HAWQ_TRY(hawq_file_read(path, 0, (n * window + 1) * each, bytes));
    HAWQ_TAKE(labels, arena, n * window);
    hawq_numbers_read(type, bytes + each, n * window, labels);
    *out = (hawq_images){.n = n,
                         .item = {1, {(int64_t)window}},
                         .type = type,
                         .bytes = bytes,
                         .stride = window * each,
                         .y = {1, {(int64_t)window}},
                         .labels = labels};
    return HAWQ_OK;
}
