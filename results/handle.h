/* handle.h -- what is behind a hawq_store. For results/ only.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_HANDLE_H
#define HAWQ_HANDLE_H
#include "results/sql.h"
#include "results/store.h"

struct hawq_store {
    hawq_arena  arena; /* holds this struct, too */
    hawq_sql   *db;
    const char *path;
};

/* NULL for 0. */
hawq_value hawq_value_id(int64_t id);

/* The candidate's text or, where none is given, the plain one's of so many
 * bits, which is written into `text`. */
enum { HAWQ_PLAIN_TEXT = 16 };
hawq_value hawq_value_candidate(const char *given, int bits,
                                char text[HAWQ_PLAIN_TEXT]);

#endif
