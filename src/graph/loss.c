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

static double log_sum_exp(size_t n, const real *z) {
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        if (z[i] > largest) largest = z[i];
    for (size_t i = 0; i < n; i++) sum += exp(z[i] - largest);
    return largest + log(sum);
}

static double row_cross_entropy(size_t n, const real *z, int64_t label,
                                double weight, real *bar) {
    double total = log_sum_exp(n, z);
    for (size_t i = 0; bar && i < n; i++)
        bar[i] =
            (real)(weight * (exp(z[i] - total) - (i == (size_t)label ? 1 : 0)));
    return total - z[label];
}

static double row_distillation(size_t n, const real *z, const real *teacher,
                               double weight, real *bar) {
    double total = log_sum_exp(n, z), teacher_total = log_sum_exp(n, teacher);
    double value = 0;
    for (size_t i = 0; i < n; i++) {
        double log_t = teacher[i] - teacher_total, log_p = z[i] - total;
        value += exp(log_t) * (log_t - log_p);
        if (bar) bar[i] = (real)(weight * (exp(log_p) - exp(log_t)));
    }
    return value;
}

static double row_mse(size_t n, const real *z, const int64_t *label,
                      const real *target, double weight, real *bar) {
    double value = 0;
    for (size_t i = 0; i < n; i++) {
        double y = target ? target[i] : (i == (size_t)*label ? 1 : 0);
        double error = z[i] - y;
        value += error * error;
        if (bar) bar[i] = (real)(weight * 2 * error / (double)n);
    }
    return value / (double)n;
}

double hawq_loss_value(hawq_loss loss, hawq_rows shape, const real *z,
                       const int64_t *label, const real *target, double weight,
                       real *bar) {
    double sum = 0, each = weight / (double)shape.rows;
    for (size_t r = 0; r < shape.rows; r++) {
        size_t         at = r * shape.classes;
        const real    *t = target ? target + at : NULL;
        const int64_t *y = label ? label + r : NULL;
        real          *b = bar ? bar + at : NULL;
        if (loss == HAWQ_CROSS_ENTROPY)
            sum += row_cross_entropy(shape.classes, z + at, *y, each, b);
        else if (loss == HAWQ_SELF_DISTILLATION)
            sum += row_distillation(shape.classes, z + at, t, each, b);
        else
            sum += row_mse(shape.classes, z + at, y, t, each, b);
    }
    return sum / (double)shape.rows;
}

static void row_softmax_curvature(size_t n, const real *z, double weight,
                                  const real *dot, real *bardot) {
    double total = log_sum_exp(n, z), mean = 0;
    for (size_t i = 0; i < n; i++) mean += exp(z[i] - total) * dot[i];
    for (size_t i = 0; i < n; i++)
        bardot[i] = (real)(weight * exp(z[i] - total) * (dot[i] - mean));
}

void hawq_loss_curvature(hawq_loss loss, hawq_rows shape, const real *z,
                         double weight, const real *dot, real *bardot) {
    size_t n = shape.classes;
    double each = weight / (double)shape.rows;
    for (size_t at = 0; at < n * shape.rows; at += n) {
        if (loss != HAWQ_MSE) {
            row_softmax_curvature(n, z + at, each, dot + at, bardot + at);
            continue;
        }
        for (size_t i = at; i < at + n; i++)
            bardot[i] = (real)(each * 2 * dot[i] / (double)n);
    }
}

enum { LIKELY = 16 }; /* classes put in order; the others come as they are */

/* Indices of the largest n_likely entries of z, largest first. */
static void find_likely(size_t n, const real *z, int n_likely, size_t *likely) {
    int found = 0;
    for (size_t i = 0; i < n; i++) {
        int at = found < n_likely ? found++ : n_likely;
        for (; at > 0 && z[i] > z[likely[at - 1]]; at--)
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

static void row_softmax_factor(size_t n, const real *z, double root,
                               uint64_t key, uint64_t at, real *bar) {
    size_t likely[LIKELY];
    int    n_likely = n < LIKELY ? (int)n : LIKELY;
    double total = log_sum_exp(n, z), rest = 0;
    find_likely(n, z, n_likely, likely);
    for (size_t i = 0; i < n; i++)
        if (!is_among(i, n_likely, likely)) rest += exp(z[i] - total);
    factor f = {.root = root, .key = key};
    for (int k = 0; k < n_likely; k++) {
        size_t i = likely[k];
        f.later = rest; /* summed from the small ones up: no cancellation */
        for (int j = n_likely; j-- > k;) f.later += exp(z[likely[j]] - total);
        bar[i] = next_class(&f, exp(z[i] - total), at + i);
    }
    f.later = rest;
    for (size_t i = 0; i < n; i++)
        if (!is_among(i, n_likely, likely))
            bar[i] = next_class(&f, exp(z[i] - total), at + i);
}

void hawq_loss_factor(hawq_loss loss, hawq_rows shape, const real *z,
                      double weight, uint64_t key, real *bar) {
    size_t n = shape.classes;
    double root = sqrt(weight / (double)shape.rows);
    for (size_t at = 0; at < n * shape.rows; at += n) {
        if (loss != HAWQ_MSE) {
            row_softmax_factor(n, z + at, root, key, at, bar + at);
            continue;
        }
        for (size_t i = at; i < at + n; i++)
            bar[i] = (real)(root * sqrt(2 / (double)n) * hawq_rng_sign(key, i));
    }
}
