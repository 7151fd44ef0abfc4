/* tridiagonal.c -- the only file that calls GSL's eigenvalues.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "hessian/tridiagonal.h"

#include <gsl/gsl_eigen.h>
#include <gsl/gsl_errno.h>
#include <math.h>

static bool is_finite(int m, const double *a, const double *b) {
    for (int i = 0; i < m; i++)
        if (!isfinite(a[i]) || (i + 1 < m && !isfinite(b[i]))) return false;
    return true;
}

typedef struct work {
    gsl_matrix                *t, *vector;
    gsl_vector                *value;
    gsl_eigen_symmv_workspace *space;
} work;

static bool take(work *w, size_t m) {
    w->t = gsl_matrix_calloc(m, m);
    w->vector = gsl_matrix_alloc(m, m);
    w->value = gsl_vector_alloc(m);
    w->space = gsl_eigen_symmv_alloc(m);
    return w->t && w->vector && w->value && w->space;
}

static void give_back(work *w) {
    gsl_matrix_free(w->t);
    gsl_matrix_free(w->vector);
    gsl_vector_free(w->value);
    gsl_eigen_symmv_free(w->space);
}

static void solve(work *w, int m, const double *a, const double *b,
                  double *value, double *vector) {
    for (int i = 0; i < m; i++) {
        gsl_matrix_set(w->t, (size_t)i, (size_t)i, a[i]);
        if (i + 1 < m) {
            gsl_matrix_set(w->t, (size_t)i + 1, (size_t)i, b[i]);
            gsl_matrix_set(w->t, (size_t)i, (size_t)i + 1, b[i]);
        }
    }
    gsl_eigen_symmv(w->t, w->value, w->vector, w->space);
    gsl_eigen_symmv_sort(w->value, w->vector, GSL_EIGEN_SORT_VAL_DESC);
    for (int i = 0; i < m; i++) {
        value[i] = gsl_vector_get(w->value, (size_t)i);
        for (int r = 0; r < m; r++)
            vector[r * m + i] = gsl_matrix_get(w->vector, (size_t)r, (size_t)i);
    }
}

hawq_status hawq_tridiagonal_solve(int m, const double *a, const double *b,
                                   double *value, double *vector) {
    work w = {0};
    if (!is_finite(m, a, b))
        return hawq_fail(HAWQ_ENONFINITE,
                         "the curvature is not a finite number; look for "
                         "overflow in the network or its data");
    /* GSL's own handler aborts the program. */
    gsl_error_handler_t *handler = gsl_set_error_handler_off();
    bool                 enough = take(&w, (size_t)m);
    if (enough) solve(&w, m, a, b, value, vector);
    give_back(&w);
    gsl_set_error_handler(handler);
    return enough ? HAWQ_OK : HAWQ_ENOMEM;
}
