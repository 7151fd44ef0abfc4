/* openblas.c -- see openblas.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/openblas.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Itself, and a buffer of 128 MiB, which a thread takes at its first product.
 */
enum { NEEDED_MIB = 224 };

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

/* Whether that many bytes of addresses are left. */
static bool is_room(size_t bytes) {
    void *at = mmap(NULL, bytes, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at != MAP_FAILED && munmap(at, bytes) == 0;
}

static bool room;

static void prepare(void) {
    const char *core = core_type();
    if (core) setenv("OPENBLAS_CORETYPE", core, 0);
    setenv("OPENBLAS_NUM_THREADS", "1", 0);
    room = is_room((size_t)NEEDED_MIB << 20);
}

hawq_status hawq_openblas_prepare(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare);
    if (room) return HAWQ_OK;
    return hawq_fail(HAWQ_ENOMEM,
                     "OpenBLAS needs %d MiB of address space, which the limit "
                     "(ulimit -v) does not leave; raise it",
                     NEEDED_MIB);
}
