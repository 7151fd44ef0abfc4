/* linop.h -- a symmetric operator known only by its products A v.
 *
 * The operator may itself be random: apply(k, v) is the product with the k-th
 * draw A_k, E[A_k] = A (the Hessian of the loss on the k-th mini-batch). An
 * operator that is not random ignores k. Every draw can be repeated: A_k is a
 * function of k alone.
 *
 * v is `real`, as the executor takes it; A v is double, so that whoever forms
 * v' A v sums in double.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_LINOP_H
#define HAWQ_LINOP_H
#include "src/graph/op.h"

typedef struct hawq_linop {
    size_t n; /* rows = columns */
    void (*apply)(void *self, uint64_t k, const real *v, double *av);
    void *self;
    /* NULL, or something cheaper than a product: reading[c] is sum_{i in c}
     * v_i (B v)_i over the elements of channel c, channels as the blocks of a
     * tracer (trace.h) number them, for a B whose blocks B_cc are A's. Where v
     * has independent elements of mean zero, that has the mean of v (A v). */
    void (*read)(void *self, uint64_t k, const real *v, double *reading);
    /* NULL, or an unbiased reading of the trace of every T_cc without a probe,
     * T a part of A; what is random in it is a function of (seed, k). Then
     * `read` is of the rest, A - T, and NULL if there is none. */
    void (*trace)(void *self, uint64_t k, uint64_t seed, double *reading);
} hawq_linop;

#endif
