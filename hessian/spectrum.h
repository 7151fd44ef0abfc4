/* spectrum.h -- eigenvalues of an operator known by its products.
 *
 * Lanczos (1950), every new direction made orthogonal to all before it, twice:
 * A V = V T + r e', V' V = I, T tridiagonal. The eigenvalues of T approach
 * those of A from inside, the largest first; (theta, V s) for T s = theta s has
 * the residual |A V s - theta V s| = |r| |s_m|. For a symmetric A there is an
 * eigenvalue within the residual of theta.
 *
 * Spectral density by stochastic Lanczos quadrature (Golub, Welsch 1969; Ubaru,
 * Chen, Saad 2017; PyHessian's picture): from a random start v with E[v v'] =
 * I/n, sum_i s_i1^2 delta(t - theta_i) has the moments of v' delta(t - A) v,
 * whose mean over v is the density of A's eigenvalues, 1/n sum_j delta(t -
 * lambda_j).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SPECTRUM_H
#define HAWQ_SPECTRUM_H
#include "hessian/linop.h"
#include "src/base/arena.h"
#include "src/base/status.h"

typedef struct hawq_eigenpairs {
    int     n;        /* found: at most what was asked for, or A.n */
    int     products; /* that it took */
    double *value;    /* algebraically largest first */
    double *residual; /* |A x - value x| of the unit vector, by a product */
    real   *vector;   /* n rows of A.n */
} hawq_eigenpairs;

typedef struct hawq_lanczos {
    hawq_linop A;         /* not random: draw 0 is used */
    int        most;      /* steps; bounds memory, too: most * A.n doubles */
    double     tolerance; /* stop when every residual <= tolerance * |value| */
    uint64_t   seed;      /* of the start */
} hawq_lanczos;

/* The k >= 1 largest eigenvalues, as far as `most` steps go: look at the
 * residuals. Results live in the arena, work space is given back. ENOMEM;
 * ENONFINITE. */
HAWQ_NODISCARD hawq_status hawq_lanczos_largest(const hawq_lanczos *how, int k,
                                                hawq_arena      *arena,
                                                hawq_eigenpairs *out);

/* One start's quadrature: weights sum to 1. */
typedef struct hawq_quadrature {
    int     n;
    double *node, *weight; /* nodes falling */
} hawq_quadrature;

/* The quadrature of start `probe` by at most how->most steps; how->tolerance
 * is not used, and the probe is also the operator's draw. Averages over probes
 * estimate the density. ENOMEM; ENONFINITE. */
HAWQ_NODISCARD hawq_status hawq_lanczos_quadrature(const hawq_lanczos *how,
                                                   uint64_t            probe,
                                                   hawq_arena         *arena,
                                                   hawq_quadrature    *out);

#endif
