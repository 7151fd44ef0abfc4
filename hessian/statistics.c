/* statistics.c -- the only file that calls GSL.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "hessian/statistics.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_statistics_double.h>
#include <gsl/gsl_version.h>
#include <math.h>

/* Puts the 95 % interval around e->mean. */
static void add_interval(hawq_estimate *e) {
    double half = INFINITY;
    if (e->n > 1) half = gsl_cdf_tdist_Pinv(0.975, e->n - 1) * e->stderr1;
    e->low = e->mean - half;
    e->high = e->mean + half;
}

hawq_estimate hawq_estimate_of(const double *x, size_t stride, size_t n) {
    hawq_estimate e = {.n = (int)n, .stderr1 = INFINITY};
    double        sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += x[i * stride];
    e.mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        double d = x[i * stride] - e.mean;
        squares += d * d;
    }
    if (n > 1) e.stderr1 = sqrt(squares / ((double)n * (double)(n - 1)));
    add_interval(&e);
    return e;
}

hawq_estimate hawq_estimate_weighted(const double *x, const double *weight,
                                     size_t n) {
    hawq_estimate e = {.n = (int)n, .stderr1 = INFINITY};
    double        total = 0, sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        total += weight[i];
        sum += weight[i] * x[i];
    }
    e.mean = sum / total;
    for (size_t i = 0; i < n; i++) {
        double d = weight[i] * (x[i] - e.mean);
        squares += d * d;
    }
    if (n > 1) e.stderr1 = sqrt(squares * (double)n / (double)(n - 1)) / total;
    add_interval(&e);
    return e;
}

bool hawq_estimate_within(const hawq_estimate *estimate, size_t n,
                          double tolerance) {
    for (size_t i = 0; i < n; i++) {
        double half = (estimate[i].high - estimate[i].low) / 2;
        if (!(half <= tolerance * fabs(estimate[i].mean))) return false;
    }
    return true;
}

static bool all_equal(const double *x, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (x[i] != x[0]) return false;
    return true;
}

double hawq_rank_correlation(const double *x, const double *y, size_t n,
                             double *work) {
    if (n < 3 || all_equal(x, n) || all_equal(y, n)) return NAN;
    return gsl_stats_spearman(x, 1, y, 1, n, work);
}

const char *hawq_statistics_gsl_version(void) {
    return gsl_version;
}
