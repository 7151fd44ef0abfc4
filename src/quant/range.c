/* range.c -- see range.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/range.h"

#include <string.h>

static const char *const range_names[] = {"max", "mse", "percentile"};

int hawq_range_find(const char *name) {
    for (int i = 0; i < 3; i++)
        if (strcmp(range_names[i], name) == 0) return i;
    return -1;
}

const char *hawq_range_name(hawq_range range) {
    return range_names[range];
}
