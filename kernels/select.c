/* select.c -- the list of tables, best first, and the choice among them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/kernel.h"

#include <string.h>

extern const hawq_kernels hawq_kernels_ref;

const hawq_kernels *const hawq_kernels_all[] = {
    &hawq_kernels_ref,
    NULL,
};

const hawq_kernels *hawq_kernels_select(const char *name) {
    for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++)
        if ((!name || !strcmp(name, (*k)->name)) && (*k)->usable()) return *k;
    return NULL;
}

/* Every subset of the list, in its order, is a suffix-free choice of few bits:
 * with at most three tables of which ref is always usable, four texts. */
const char *hawq_kernels_usable_names(void) {
    static const char *const names[4] = {
        "ref",
        "avx2 ref",
        "avx512vnni ref",
        "avx512vnni avx2 ref",
    };
    return names[(hawq_kernels_select("avx2") != NULL) +
                 2 * (hawq_kernels_select("avx512vnni") != NULL)];
}
