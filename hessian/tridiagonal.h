/* tridiagonal.h -- all eigenpairs of a small symmetric tridiagonal matrix.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TRIDIAGONAL_H
#define HAWQ_TRIDIAGONAL_H
#include "src/base/arena.h"
#include "src/base/status.h"

/* T has diagonal a[0 .. m-1] and b[0 .. m-2] beside it; m >= 1. value[i]: its
 * eigenvalues, falling; vector[r * m + i]: component r of the i-th unit
 * eigenvector. ENOMEM; ENONFINITE if a number of T is not finite. */
HAWQ_NODISCARD hawq_status hawq_tridiagonal_solve(int m, const double *a,
                                                  const double *b,
                                                  double       *value,
                                                  double       *vector);

#endif
