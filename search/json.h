/* json.h -- JSON files for this folder: the one place that knows cJSON, and
 * files read and written whole.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SEARCH_JSON_H
#define HAWQ_SEARCH_JSON_H
#include "src/base/arena.h"
#include "src/base/status.h"

#include <cjson/cJSON.h>
#include <stdbool.h>

/* The bytes of a file and, not counted in n, a zero, into the arena. EIO;
 * EFORMAT: empty. */
HAWQ_NODISCARD hawq_status hawq_text_read(const char *path, hawq_arena *arena,
                                          char **text, size_t *n);

/* Parses n bytes, the whole of them; *out is the caller's to cJSON_Delete. NaN,
 * Infinity and -Infinity, which Python writes and JSON does not have, become
 * texts of these names: hawq_json_number reads them back. EFORMAT names the
 * line and shows what stands there. */
HAWQ_NODISCARD hawq_status hawq_json_parse(const char *text, size_t n,
                                           hawq_arena *arena, cJSON **out);

/* Whether the item is a number, or one of those texts; then *out is it. */
bool hawq_json_number(const cJSON *item, double *out);

/* Replaces the file by this text and a line break, only when all is written.
 * EIO. */
HAWQ_NODISCARD hawq_status hawq_text_write(const char *path, const char *text);

#endif
