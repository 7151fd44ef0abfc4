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

#endif
