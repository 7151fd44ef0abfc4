/* select.c -- the list of tables, best first, and the choice among them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/kernel.h"
#include "kernels/tables.h"

#include <stdio.h>
#include <string.h>

const hawq_kernels *const hawq_kernels_all[] = {
#if defined(__x86_64__)
    &hawq_kernels_avx512vnni, /* best first */
    &hawq_kernels_avxvnni,
    &hawq_kernels_avx2,
#endif
#if defined(__aarch64__)
    &hawq_kernels_neon_dotprod,
    &hawq_kernels_neon,
#endif
#if defined(HAWQ_CUDA)
    &hawq_kernels_cuda,
#endif
#if defined(HAWQ_OPENCL)
    &hawq_kernels_opencl,
#endif
    &hawq_kernels_ref, /* last, always usable */
    NULL};

const hawq_kernels *hawq_kernels_select(const char *name) {
    for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++)
        if ((name ? !strcmp(name, (*k)->name) : !(*k)->by_name) &&
            (*k)->usable())
            return *k;
    return NULL;
}

/* Each thread its own text, so that any may ask. */
const char *hawq_kernels_usable_names(void) {
    static _Thread_local char text[128];
    size_t                    n = 0;
    for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++)
        if ((*k)->usable() && n < sizeof text)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s",
                                  n ? " " : "", (*k)->name);
    return text;
}
