/* mm.h -- dense products, single-threaded: the only door to BLAS.
 *
 * OpenBLAS is loaded at first use, not linked: Debian's build misdetects recent
 * processors and reads OPENBLAS_CORETYPE only while it is being loaded, so the
 * processor is detected here and the variable set first (unless the user set
 * it). Its pthread build is preferred, with one thread: the executor
 * parallelises over images.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_MM_H
#define HAWQ_MM_H
#include "src/graph/op.h"

/* Loads the provider. EIO if no OpenBLAS can be loaded (names what to
 * install), ENOMEM if there is no room for it. Called by hawq_engine_new;
 * calling again is free. */
HAWQ_NODISCARD hawq_status hawq_mm_open(void);

/* "openblas SkylakeX": what computes, for reports. "" before hawq_mm_open. */
const char *hawq_mm_provider(void);

/* "OpenBLAS 0.3.21 ... SkylakeX ...": all it says of itself. "" before
 * hawq_mm_open. */
const char *hawq_mm_library(void);

/* c = alpha op(a) op(b) + beta c, row-major; op(a) is m x k, op(b) k x n;
 * lda, ldb, ldc are row strides of the stored matrices. */
void hawq_mm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
             real alpha, const real *a, size_t lda, const real *b, size_t ldb,
             real beta, real *c, size_t ldc);

/* a (n x n, row-major, double): the lower triangle of a symmetric positive
 * definite matrix A = L L' becomes the inverse of L; the upper triangle becomes
 * 0. ENONFINITE if A is not positive definite. */
HAWQ_NODISCARD hawq_status hawq_mm_invert_factor(size_t n, double *a);

#endif
