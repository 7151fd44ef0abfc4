/* json.c -- see json.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/json.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
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

/* --- JSON, and what Python adds to it -------------------------------------
 */

static const struct constant {
    const char *name;
    double      value;
} constants[] = {
    {"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
enum { CONSTANTS = sizeof constants / sizeof *constants };

/* Length of the constant that stands at `at`, or 0. */
static size_t constant_length(const char *at) {
    for (int i = 0; i < CONSTANTS; i++) {
        size_t length = strlen(constants[i].name);
        if (!strncmp(at, constants[i].name, length)) return length;
    }
    return 0;
}

/* The string at `at`, whose first byte is a quote, ends where? */
static const char *string_end(const char *at) {
    for (at++; *at && *at != '"'; at++)
        if (*at == '\\' && at[1]) at++;
    return *at ? at + 1 : at;
}

/* Copies the text and puts the constants outside strings in quotes. Each has
 * three bytes at least, so twice the room is enough. */
static char *quote_constants(const char *text, size_t n, hawq_arena *arena) {
    char *copy = hawq_arena_string_n(arena, text, n);
    char *out = copy ? hawq_arena_take(arena, 2 * n + 1, 1) : NULL, *to = out;
    if (!out) return NULL;
    for (const char *at = copy; *at;) {
        size_t constant = constant_length(at);
        size_t length = *at == '"' ? (size_t)(string_end(at) - at)
                        : constant ? constant
                                   : 1;
        if (constant) *to++ = '"';
        memcpy(to, at, length);
        to += length;
        at += length;
        if (constant) *to++ = '"';
    }
    return out;
}

/* The next few characters, none of which breaks the line. */
static hawq_status refuse(const char *text, const char *end) {
    enum { MOST = 24 };
    int line = 1, length = 0;
    for (const char *at = text; at < end; at++) line += *at == '\n';
    while (length < MOST && isprint((unsigned char)end[length])) length++;
    if (!length)
        return hawq_fail(HAWQ_EFORMAT, "line %d: not valid JSON", line);
    return hawq_fail(HAWQ_EFORMAT, "line %d: not valid JSON at: %.*s", line,
                     length, end);
}

hawq_status hawq_json_parse(const char *text, size_t n, hawq_arena *arena,
                            cJSON **out) {
    char *copy = quote_constants(text, n, arena);
    if (!copy) return HAWQ_ENOMEM;
    size_t      length = strlen(copy);
    const char *end = copy;
    *out = cJSON_ParseWithLengthOpts(copy, length + 1, &end, true);
    if (*out) return HAWQ_OK;
    return refuse(copy,
                  end < copy || end > copy + length ? copy + length : end);
}

bool hawq_json_number(const cJSON *item, double *out) {
    if (cJSON_IsNumber(item)) {
        *out = item->valuedouble;
        return true;
    }
    for (int i = 0; i < CONSTANTS && cJSON_IsString(item); i++)
        if (!strcmp(item->valuestring, constants[i].name)) {
            *out = constants[i].value;
            return true;
        }
    return false;
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
