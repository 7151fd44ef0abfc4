/* dense.h -- small known matrices as linear operators.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_DENSE_H
#define HAWQ_TESTS_DENSE_H
#include "hessian/linop.h"
#include "src/base/rng.h"

/* A, row-major n x n. With noise > 0 the k-th draw is A + noise z_k I, z_k
 * standard normal: an operator that differs from batch to batch. */
typedef struct dense {
    size_t        n;
    const double *a;
    double        noise;
    uint64_t      seed;
} dense;

static inline void dense_apply(void *self, uint64_t k, const real *v,
                               double *av) {
    const dense *m = self;
    double       z = hawq_rng_normal(hawq_rng_key(m->seed, k, 0, 7), 0);
    for (size_t i = 0; i < m->n; i++) {
        av[i] = m->noise * z * (double)v[i];
        for (size_t j = 0; j < m->n; j++)
            av[i] += m->a[i * m->n + j] * (double)v[j];
    }
}

static inline hawq_linop dense_linop(dense *m) {
    return (hawq_linop){m->n, dense_apply, m, NULL, NULL};
}

#endif
