/* statistics.h -- from numbers to a mean with its error, and rank correlation.
 *
 * The interval is Student's (Gosset 1908): mean +- t(n-1, 0.975) stderr1, with
 * stderr1 = sqrt(sum (x - mean)^2 / (n (n - 1))).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_STATISTICS_H
#define HAWQ_STATISTICS_H
#include "src/base/record.h"
#include "src/base/status.h"

/* Of x[0], x[stride], ..., n >= 1 of them. One number has an unknown error:
 * stderr1 and the interval are then infinite. */
hawq_estimate hawq_estimate_of(const double *x, size_t stride, size_t n);

/* Of n >= 1 means x[i] over groups of weight[i] > 0 items each: the mean over
 * all items. stderr1^2 = n/(n-1) sum w_i^2 (x_i - mean)^2 / (sum w_i)^2, which
 * is the formula above for equal weights. */
hawq_estimate hawq_estimate_weighted(const double *x, const double *weight,
                                     size_t n);

/* Whether every one of n estimates has (high - low) / 2 <= tolerance |mean|. */
bool hawq_estimate_within(const hawq_estimate *estimate, size_t n,
                          double tolerance);

/* Spearman's (1904) rank correlation of n pairs, ties sharing their mean rank.
 * work: 2 n doubles. NAN if n < 3 or one side has all values equal. */
double hawq_rank_correlation(const double *x, const double *y, size_t n,
                             double *work);

/* "2.7.1": of the GSL it runs with. */
const char *hawq_statistics_gsl_version(void);

#endif
