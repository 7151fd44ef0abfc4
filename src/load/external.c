/* external.c -- weights in files beside the model.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/external.h"

#include "src/load/file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Does the path stay below where it starts? */
static bool stays_inside(const char *location) {
    if (!location[0] || location[0] == '/' || location[0] == '\\') return false;
    for (const char *part = location; *part;) {
        size_t n = strcspn(part, "/\\");
        if (n == 2 && part[0] == '.' && part[1] == '.') return false;
        part += n + (part[n] != 0);
    }
    return true;
}

/* "4096" to 4096; digits only */
static bool decimal(const char *text, uint64_t *value) {
    if (!text[0] || text[strspn(text, "0123456789")]) return false;
    errno = 0;
    *value = strtoull(text, NULL, 10);
    return errno == 0;
}

static hawq_status read_part(const hawq_external *where, const char *path,
                             size_t need, hawq_arena *arena,
                             const void **bytes) {
    uint64_t offset = 0, length = need, size;
    if (where->offset && !decimal(where->offset, &offset))
        return hawq_fail(HAWQ_EFORMAT, "offset '%s' is not a number",
                         where->offset);
    if (where->length && !decimal(where->length, &length))
        return hawq_fail(HAWQ_EFORMAT, "length '%s' is not a number",
                         where->length);
    if (length != need)
        return hawq_fail(HAWQ_EFORMAT,
                         "length %llu, expected %zu for the shape and type",
                         (unsigned long long)length, need);
    HAWQ_TRY(hawq_file_size(path, &size));
    if (offset > size || size - offset < need)
        return hawq_fail(HAWQ_EFORMAT,
                         "truncated: found %llu bytes, expected %zu from "
                         "offset %llu",
                         (unsigned long long)size, need,
                         (unsigned long long)offset);
    char *memory;
    HAWQ_TAKE(memory, arena, need);
    *bytes = memory;
    return hawq_file_read(path, offset, need, memory);
}

/* Does `path` lie in the folder once all links are followed? A path that does
 * not exist does, and cannot be read. */
static bool resolves_inside(const char *folder, const char *path) {
    char  *root = realpath(folder[0] ? folder : ".", NULL);
    char  *file = realpath(path, NULL);
    size_t n = root ? strlen(root) : 0;
    if (n == 1) n = 0; /* "/" holds everything */
    bool inside =
        !root || !file || (strncmp(file, root, n) == 0 && file[n] == '/');
    free(root);
    free(file);
    return inside;
}

hawq_status hawq_external_read(const hawq_external *where, size_t need,
                               hawq_arena *arena, const void **bytes) {
    if (!where->location)
        return hawq_fail(HAWQ_EFORMAT, "external data without a location");
    if (!stays_inside(where->location))
        return hawq_fail(HAWQ_EFORMAT,
                         "external file '%s' is not inside the model's folder",
                         where->location);
    const char *path =
        hawq_arena_format(arena, "%s%s", where->folder, where->location);
    if (!path) return HAWQ_ENOMEM;
    if (!resolves_inside(where->folder, path))
        return hawq_fail(HAWQ_EFORMAT,
                         "external file '%s' is a link that leaves the model's "
                         "folder; put the file itself there",
                         where->location);
    hawq_status status = read_part(where, path, need, arena, bytes);
    return status == HAWQ_OK
               ? status
               : hawq_prefix("external file '%s': ", where->location);
}
