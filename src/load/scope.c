/* scope.c -- see scope.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/scope.h"

#include <stdbool.h>
#include <string.h>

/* The last string but one is the innermost module. */
hawq_status hawq_scope_of_list(const char *list, hawq_arena *arena,
                               const char **out) {
    const char *last = NULL, *before = NULL;
    size_t      n_last = 0, n_before = 0;
    *out = NULL;
    for (const char *at = list; (at = strpbrk(at, "'\""));) {
        const char *end = strchr(at + 1, *at);
        if (!end) return HAWQ_OK;
        before = last;
        n_before = n_last;
        last = at + 1;
        n_last = (size_t)(end - last);
        at = end + 1;
    }
    if (!before || !n_before) return HAWQ_OK;
    *out = hawq_arena_string_n(arena, before, n_before);
    return *out ? HAWQ_OK : HAWQ_ENOMEM;
}

/* Does the part of n characters go on where the last one, of m, ended:
 * "layer1" "layer1.0"? */
static bool repeats(const char *last, size_t m, const char *part, size_t n) {
    return m && n > m + 1 && memcmp(last, part, m) == 0 && part[m] == '.';
}

hawq_status hawq_scope_of_name(const char *name, hawq_arena *arena,
                               const char **out) {
    const char *end = strrchr(name, '/');
    char       *path;
    size_t      at = 0, start = 0;
    *out = NULL;
    if (name[0] != '/' || end == name) return HAWQ_OK;
    HAWQ_TAKE(path, arena, strlen(name) + 1);
    for (const char *part = name + 1; part < end; part++) {
        size_t n = strcspn(part, "/");
        if (repeats(path + start, at - start, part, n)) {
            at = start;
        } else {
            if (at) path[at++] = '.';
            start = at;
        }
        memcpy(path + at, part, n);
        at += n;
        part += n;
    }
    path[at] = 0;
    if (at) *out = path;
    return HAWQ_OK;
}
