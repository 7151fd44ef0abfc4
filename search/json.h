/* json.h -- JSON files for this folder: the one place that knows cJSON, and
 * files read and written whole.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SEARCH_JSON_H
#define HAWQ_SEARCH_JSON_H
#include "src/base/arena.h"
#include "src/base/status.h"

#include <cjson/cJSON.h>

/* The bytes of a file and, not counted in n, a zero, into the arena. EIO;
 * EFORMAT: empty. */
HAWQ_NODISCARD hawq_status hawq_text_read(const char *path, hawq_arena *arena,
                                          char **text, size_t *n);

/* Replaces the file by this text and a line break, only when all is written.
 * EIO. */
HAWQ_NODISCARD hawq_status hawq_text_write(const char *path, const char *text);

#endif
