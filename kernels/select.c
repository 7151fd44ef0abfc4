/* select.c -- the list of tables, best first, and the choice among them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/kernel.h"
#include "kernels/tables.h"

#include <string.h>

const hawq_kernels *const hawq_kernels_all[] = {
#if defined(__x86_64__)
    &hawq_kernels_avx512vnni,
    &hawq_kernels_avx2,
#endif
    &hawq_kernels_ref,
    NULL,
};

const hawq_kernels *hawq_kernels_select(const char *name) {
    for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++)
        if ((!name || !strcmp(name, (*k)->name)) && (*k)->usable()) return *k;
    return NULL;
}

/* Constant texts, so that any thread may ask: ref is always usable. */
const char *hawq_kernels_usable_names(void) {
    static const char *const names[] = {"ref", "avx2 ref", "avx512vnni ref",
                                        "avx512vnni avx2 ref"};
    return names[(hawq_kernels_select("avx2") != NULL) +
                 2 * (hawq_kernels_select("avx512vnni") != NULL)];
}
