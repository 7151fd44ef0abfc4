/* names.c -- a set of strings, and their distance.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/names.h"

#include <stdint.h>
#include <string.h>

enum { LONGEST = 64 }; /* of names whose distance is computed */

/* Where the name is, or the free slot where it belongs. capacity = 2^k. */
static size_t probe(const hawq_names *names, const char *name) {
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *c = name; *c; c++)
        h = (h ^ (unsigned char)*c) * 0x100000001b3u;
    size_t at = (h ^ h >> 32) & (names->capacity - 1);
    while (names->slot[at] && strcmp(names->slot[at], name) != 0)
        at = (at + 1) & (names->capacity - 1);
    return at;
}

bool hawq_names_has(const hawq_names *names, const char *name) {
    return names->capacity && names->slot[probe(names, name)];
}

static hawq_status widen(hawq_names *names, hawq_arena *arena) {
    hawq_names wide = {.n = names->n,
                       .capacity = names->capacity ? 2 * names->capacity : 64};
    HAWQ_TAKE(wide.slot, arena, wide.capacity);
    for (size_t i = 0; i < names->capacity; i++)
        if (names->slot[i])
            wide.slot[probe(&wide, names->slot[i])] = names->slot[i];
    *names = wide;
    return HAWQ_OK;
}

hawq_status hawq_names_add(hawq_names *names, hawq_arena *arena,
                           const char *name) {
    if (hawq_names_has(names, name)) return HAWQ_OK;
    if (2 * names->n >= names->capacity) HAWQ_TRY(widen(names, arena));
    names->slot[probe(names, name)] = name;
    names->n++;
    return HAWQ_OK;
}

/* One row of the table at a time. */
int hawq_names_distance(const char *a, const char *b) {
    int    row[LONGEST + 1];
    size_t n = strlen(a), m = strlen(b);
    if (n > LONGEST || m > LONGEST) return LONGEST;
    for (size_t j = 0; j <= m; j++) row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int change = diagonal + (a[i - 1] != b[j - 1]);
            int skip = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < skip ? change : skip;
        }
    }
    return row[m];
}
