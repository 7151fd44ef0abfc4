/* cbc.c -- see cbc.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/cbc.h"

#include "src/base/openblas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

static hawq_cbc cbc;
static bool     complete;

/* POSIX asks for this conversion through an object of the right size. */
static void load(void) {
    void *library = dlopen("libCbcSolver.so.3", RTLD_NOW | RTLD_LOCAL);
    if (!library) library = dlopen("libCbcSolver.so", RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    complete = true;
#define FIND(name)                                                             \
    *(void **)&cbc.name = dlsym(library, "Cbc_" #name);                        \
    complete &= cbc.name != NULL;
    HAWQ_CBC_FUNCTIONS(FIND)
}

hawq_status hawq_cbc_open(const hawq_cbc **out) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    HAWQ_TRY(hawq_openblas_prepare());
    pthread_once(&once, load);
    if (!complete)
        return hawq_fail(HAWQ_EIO, "cannot load CBC: install coinor-libcbc3, "
                                   "or choose another solver");
    *out = &cbc;
    return HAWQ_OK;
}

const char *hawq_cbc_version(void) {
    const hawq_cbc *library;
    return hawq_cbc_open(&library) == HAWQ_OK ? library->getVersion() : NULL;
}
