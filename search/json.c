/* json.c -- files read and written whole.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/json.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

hawq_status hawq_text_read(const char *path, hawq_arena *arena, char **text,
                           size_t *n) {
    FILE *file = fopen(path, "rb");
    if (!file) return hawq_fail(HAWQ_EIO, "%s: %s", path, strerror(errno));
    size_t capacity = 1 << 16;
    char  *buffer = hawq_arena_take(arena, capacity, 1);
    *n = 0;
    while (buffer) {
        *n += fread(buffer + *n, 1, capacity - 1 - *n, file);
        if (*n < capacity - 1) break; /* the arena's memory is zero */
        char *grown = hawq_arena_take(arena, capacity *= 2, 1);
        if (grown) memcpy(grown, buffer, *n);
        buffer = grown;
    }
    int failed = ferror(file) ? errno : 0;
    fclose(file);
    if (!buffer) return HAWQ_ENOMEM;
    if (failed) return hawq_fail(HAWQ_EIO, "%s: %s", path, strerror(failed));
    if (!*n) return hawq_fail(HAWQ_EFORMAT, "%s: the file is empty", path);
    *text = buffer;
    return HAWQ_OK;
}

hawq_status hawq_text_write(const char *path, const char *text) {
    hawq_arena  arena = {0};
    char       *part = hawq_arena_format(&arena, "%s.part", path);
    FILE       *file = part ? fopen(part, "wb") : NULL;
    bool        ok = file && fputs(text, file) >= 0 && fputc('\n', file) >= 0;
    hawq_status status = HAWQ_OK;
    if (file && fclose(file)) ok = false;
    if (!ok || rename(part, path)) {
        status = hawq_fail(HAWQ_EIO, "%s: cannot be written: %s", path,
                           strerror(errno));
        if (file) remove(part);
    }
    hawq_arena_free(&arena);
    return status;
}
