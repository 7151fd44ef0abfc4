/* openblas.c -- see openblas.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/openblas.h"

#include <pthread.h>
#include <stdlib.h>

/* The newest core that OpenBLAS 0.3.21 has good kernels for. */
static const char *core_type(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "Haswell";
#endif
    return NULL;
}

static void set(void) {
    const char *core = core_type();
    if (core) setenv("OPENBLAS_CORETYPE", core, 0);
    setenv("OPENBLAS_NUM_THREADS", "1", 0);
}

void hawq_openblas_settings(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set);
}
