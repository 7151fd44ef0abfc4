/* mm.c -- OpenBLAS behind dlopen.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/mm.h"

#include "src/base/openblas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 }; /* cblas.h's values */

typedef void gemm_fn(int, int, int, int, int, int, real, const real *, int,
                     const real *, int, real, real *, int);

/* LAPACK's dpotrf and dtrtri, which OpenBLAS brings; column-major. */
typedef void potrf_fn(const char *, const int *, double *, const int *, int *);
typedef void trtri_fn(const char *, const char *, const int *, double *,
                      const int *, int *);

static gemm_fn       *gemm;
static potrf_fn      *potrf;
static trtri_fn      *trtri;
static char           provider[64], library_text[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
    static const char *const names[] = {
        "/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0",
        "/usr/lib/aarch64-linux-gnu/openblas-pthread/libopenblas.so.0",
        "libopenblas.so.0", "libopenblas.so"};
    void *library = NULL;
    for (size_t i = 0; !library && i < sizeof names / sizeof *names; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    /* POSIX asks for this conversion through an object of the right size. */
    void (*set_threads)(int) = NULL;
    char *(*core_name)(void) = NULL, *(*config)(void) = NULL;
    *(void **)&set_threads = dlsym(library, "openblas_set_num_threads");
    *(void **)&core_name = dlsym(library, "openblas_get_corename");
    *(void **)&config = dlsym(library, "openblas_get_config");
    if (config) snprintf(library_text, sizeof library_text, "%s", config());
    if (set_threads) set_threads(1); /* products are the caller's alone */
    snprintf(provider, sizeof provider, "openblas %s",
             core_name ? core_name() : "unknown core");
    *(void **)&gemm = dlsym(
        library, sizeof(real) == sizeof(float) ? "cblas_sgemm" : "cblas_dgemm");
    *(void **)&potrf = dlsym(library, "dpotrf_");
    *(void **)&trtri = dlsym(library, "dtrtri_");
}

hawq_status hawq_mm_open(void) {
    HAWQ_TRY(hawq_openblas_prepare());
    pthread_once(&once, load);
    if (!gemm || !potrf || !trtri)
        return hawq_fail(HAWQ_EIO, "cannot load OpenBLAS: install "
                                   "libopenblas0-pthread");
    return HAWQ_OK;
}

const char *hawq_mm_provider(void) {
    return provider;
}

const char *hawq_mm_library(void) {
    return library_text;
}

void hawq_mm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
             real alpha, const real *a, size_t lda, const real *b, size_t ldb,
             real beta, real *c, size_t ldc) {
    gemm(ROW_MAJOR, transpose_a ? TRANS : NO_TRANS,
         transpose_b ? TRANS : NO_TRANS, (int)m, (int)n, (int)k, alpha, a,
         (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

/* Row-major's lower triangle is column-major's upper one: A = U'U, U = L'. */
hawq_status hawq_mm_invert_factor(size_t n, double *a) {
    int size = (int)n, info = 0;
    potrf("U", &size, a, &size, &info);
    if (!info) trtri("U", "N", &size, a, &size, &info);
    if (info)
        return hawq_fail(HAWQ_ENONFINITE,
                         "a matrix of %zu second moments is not positive "
                         "definite",
                         n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++) a[i * n + j] = 0;
    return HAWQ_OK;
}
