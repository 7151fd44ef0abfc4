/* names.h -- a set of strings: open addressing, at most half full, FNV-1a.
 * Strings are borrowed. {0} is the empty set. And how far two names are apart.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_NAMES_H
#define HAWQ_NAMES_H
#include "src/base/arena.h"

#include <stdbool.h>

typedef struct hawq_names {
    const char **slot; /* capacity pointers, NULL = free */
    size_t       n, capacity;
} hawq_names;

bool hawq_names_has(const hawq_names *names, const char *name);

/* Adds the name if it is not there yet. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_names_add(hawq_names *names, hawq_arena *arena,
                                          const char *name);

/* Characters to insert, delete or change to get from a to b (Levenshtein
 * 1966). 64, as if nothing were alike, if one is longer than that. */
int hawq_names_distance(const char *a, const char *b);

#endif
