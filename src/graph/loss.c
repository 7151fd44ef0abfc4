/* loss.c -- see loss.h; everything inside a row is done in double.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/loss.h"

#include "src/base/rng.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {"cross-entropy", "mse",
                                    "self-distillation"};

int hawq_loss_find(const char *name) {
    for (int i = 0; i < 3; i++)
        if (strcmp(names[i], name) == 0) return i;
    return -1;
}

const char *hawq_loss_name(hawq_loss loss) {
    return names[loss];
}

/* Of a row, element i is z[i * step]. */
static double log_sum_exp(size_t n, size_t step, const real *z) {
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        if (z[i * step] > largest) largest = z[i * step];
    for (size_t i = 0; i < n; i++) sum += exp(z[i * step] - largest);
    return largest + log(sum);
}

static double row_cross_entropy(size_t n, size_t step, const real *z,
                                int64_t label, double weight, real *bar) {
    double total = log_sum_exp(n, step, z);
    for (size_t i = 0; bar && i < n; i++)
        bar[i * step] = (real)(weight * (exp(z[i * step] - total) -
                                         (i == (size_t)label ? 1 : 0)));
    return total - z[(size_t)label * step];
}

static double row_distillation(size_t n, size_t step, const real *z,
                               const real *teacher, double weight, real *bar) {
    double total = log_sum_exp(n, step, z);
    double teacher_total = log_sum_exp(n, step, teacher);
    double value = 0;
    for (size_t k = 0; k < n; k++) {
        size_t i = k * step;
        double log_t = teacher[i] - teacher_total, log_p = z[i] - total;
        value += exp(log_t) * (log_t - log_p);
        if (bar) bar[i] = (real)(weight * (exp(log_p) - exp(log_t)));
    }
    return value;
}

static double row_mse(size_t n, size_t step, const real *z,
                      const int64_t *label, const real *target, double weight,
                      real *bar) {
    double value = 0;
    for (size_t k = 0; k < n; k++) {
        size_t i = k * step;
        double y = target ? target[i] : (k == (size_t)*label ? 1 : 0);
        double error = z[i] - y;
        value += error * error;
        if (bar) bar[i] = (real)(weight * 2 * error / (double)n);
    }
    return value / (double)n;
}

static void zero_row(size_t n, size_t step, real *row) {
    for (size_t i = 0; row && i < n; i++) row[i * step] = 0;
}

static bool is_ignored(const int64_t *label, size_t row) {
    return label && label[row] == HAWQ_IGNORED;
}

double hawq_loss_value(hawq_loss loss, hawq_rows shape, const real *z,
                       const int64_t *label, const real *target, double weight,
                       real *bar) {
    double sum = 0, each = weight / (double)shape.rows;
    size_t n = shape.classes, step = hawq_class_step(shape);
    for (size_t r = 0; r < shape.rows; r++) {
        size_t         at = hawq_row_start(shape, r);
        const real    *t = target ? target + at : NULL;
        const int64_t *y = label ? label + r : NULL;
        real          *b = bar ? bar + at : NULL;
        if (is_ignored(label, r))
            zero_row(n, step, b);
        else if (loss == HAWQ_CROSS_ENTROPY)
            sum += row_cross_entropy(n, step, z + at, *y, each, b);
        else if (loss == HAWQ_SELF_DISTILLATION)
            sum += row_distillation(n, step, z + at, t, each, b);
        else
            sum += row_mse(n, step, z + at, y, t, each, b);
    }
    return sum / (double)shape.rows;
}

static void row_softmax_curvature(size_t n, size_t step, const real *z,
                                  double weight, const real *dot,
                                  real *bardot) {
    double total = log_sum_exp(n, step, z), mean = 0;
    for (size_t i = 0; i < n * step; i += step)
        mean += exp(z[i] - total) * dot[i];
    for (size_t i = 0; i < n * step; i += step)
        bardot[i] = (real)(weight * exp(z[i] - total) * (dot[i] - mean));
}

void hawq_loss_curvature(hawq_loss loss, hawq_rows shape, const real *z,
                         const int64_t *label, double weight, const real *dot,
                         real *bardot) {
    size_t n = shape.classes, step = hawq_class_step(shape);
    double each = weight / (double)shape.rows;
    for (size_t r = 0; r < shape.rows; r++) {
        size_t at = hawq_row_start(shape, r);
        if (is_ignored(label, r)) {
            zero_row(n, step, bardot + at);
            continue;
        }
        if (loss != HAWQ_MSE) {
            row_softmax_curvature(n, step, z + at, each, dot + at, bardot + at);
            continue;
        }
        for (size_t i = at; i < at + n * step; i += step)
            bardot[i] = (real)(each * 2 * dot[i] / (double)n);
    }
}

enum { LIKELY = 16 }; /* classes put in order; the others come as they are */

/* Indices of the largest n_likely entries of z, largest first. */
static void find_likely(size_t n, size_t step, const real *z, int n_likely,
                        size_t *likely) {
    int found = 0;
    for (size_t i = 0; i < n; i++) {
        int at = found < n_likely ? found++ : n_likely;
        for (; at > 0 && z[i * step] > z[likely[at - 1] * step]; at--)
            if (at < n_likely) likely[at] = likely[at - 1];
        if (at < n_likely) likely[at] = i;
    }
}

static bool is_among(size_t i, int n, const size_t *list) {
    for (int k = 0; k < n; k++)
        if (list[k] == i) return true;
    return false;
}

/* Walks down the classes; `later` is the probability of those to come. */
typedef struct factor {
    double   root, later, carried; /* carried: sum of a_k / r_k so far */
    uint64_t key;
} factor;

static real next_class(factor *f, double p, uint64_t sign) {
    double before = f->later, a = 0;
    f->later = fmax(f->later - p, 0);
    double own = p * f->carried;
    if (before > 0 && f->later > 0) {
        a = sqrt(p * f->later / before) * hawq_rng_sign(f->key, sign);
        f->carried += a / f->later;
    }
    return (real)(f->root * (a - own));
}

static void row_softmax_factor(size_t n, size_t step, const real *z,
                               double root, uint64_t key, uint64_t at,
                               real *bar) {
    size_t likely[LIKELY];
    int    n_likely = n < LIKELY ? (int)n : LIKELY;
    double total = log_sum_exp(n, step, z), rest = 0;
    find_likely(n, step, z, n_likely, likely);
    for (size_t i = 0; i < n; i++)
        if (!is_among(i, n_likely, likely)) rest += exp(z[i * step] - total);
    factor f = {.root = root, .key = key};
    for (int k = 0; k < n_likely; k++) {
        size_t i = likely[k];
        f.later = rest; /* summed from the small ones up: no cancellation */
        for (int j = n_likely; j-- > k;)
            f.later += exp(z[likely[j] * step] - total);
        bar[i * step] = next_class(&f, exp(z[i * step] - total), at + i);
    }
    f.later = rest;
    for (size_t i = 0; i < n; i++)
        if (!is_among(i, n_likely, likely))
            bar[i * step] = next_class(&f, exp(z[i * step] - total), at + i);
}

void hawq_loss_factor(hawq_loss loss, hawq_rows shape, const real *z,
                      const int64_t *label, double weight, uint64_t key,
                      real *bar) {
    size_t n = shape.classes, step = hawq_class_step(shape);
    double root = sqrt(weight / (double)shape.rows);
    for (size_t r = 0; r < shape.rows; r++) {
        size_t at = hawq_row_start(shape, r), first = r * n;
        if (is_ignored(label, r)) {
            zero_row(n, step, bar + at);
            continue;
        }
        if (loss != HAWQ_MSE) {
            row_softmax_factor(n, step, z + at, root, key, first, bar + at);
            continue;
        }
        for (size_t i = 0; i < n; i++)
            bar[at + i * step] = (real)(root * sqrt(2 / (double)n) *
                                        hawq_rng_sign(key, first + i));
    }
}
