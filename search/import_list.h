/* import_list.h -- lists of mean bits, as programs print them: one line a
 * layer, its name and a number.
 *
 *     # a remark            passed over, like empty lines and a first line
 *     layer,bits            whose second field is no number
 *     conv1,4.25            fields are divided by blanks, tabs, commas,
 *     layer1.0.conv1: 3     semicolons, colons or =
 *     fc = 8 bits           a unit may follow: bit, bits or bpw
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_IMPORT_LIST_H
#define HAWQ_IMPORT_LIST_H
#include "src/base/arena.h"
#include "src/base/status.h"

#include <stdbool.h>

typedef struct hawq_import_mean {
    const char *name;
    double      bits; /* as given, finite */
} hawq_import_mean;

/* Whether the text begins like such a list. */
bool hawq_import_is_list(const char *text);

/* Its lines, into the arena. EFORMAT: a line that is none, by its number. */
HAWQ_NODISCARD hawq_status hawq_import_list(const char *text, hawq_arena *arena,
                                            int *n, hawq_import_mean **out);

/* The width that stands for a mean: the nearest whole number, halves down, for
 * a fraction is mostly what scales take; never beyond -1000 ... 1000. */
int hawq_import_round(double bits);

#endif
