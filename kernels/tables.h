/* tables.h -- the tables themselves, for select.c and for tables that take a
 * slot from another, and a slot that several share.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TABLES_H
#define HAWQ_TABLES_H
#include "kernels/kernel.h"

extern const hawq_kernels hawq_kernels_ref; /* ref.c */
#if defined(__x86_64__)
extern const hawq_kernels hawq_kernels_avx2;       /* avx2.c */
extern const hawq_kernels hawq_kernels_avxvnni;    /* avxvnni.c */
extern const hawq_kernels hawq_kernels_avx512vnni; /* avx512vnni.c */
#endif
#if defined(__aarch64__)
extern const hawq_kernels hawq_kernels_neon;         /* neon.c */
extern const hawq_kernels hawq_kernels_neon_dotprod; /* neon_dotprod.c */
#endif
#if defined(HAWQ_CUDA)
extern const hawq_kernels hawq_kernels_cuda; /* cuda.cu */
#endif
#if defined(HAWQ_OPENCL)
extern const hawq_kernels hawq_kernels_opencl; /* opencl.c */
#endif

/* The slot conv_outliers in portable C, faster than ref's (outliers.c). */
void hawq_outliers_by_rectangles(const hawq_conv     *conv,
                                 const hawq_outliers *outliers,
                                 const uint8_t *x, int32_t *y);

#endif
