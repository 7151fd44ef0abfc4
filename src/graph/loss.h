/* loss.h -- losses on the network's output z, one row of classes at a time.
 *
 * With p = softmax(z):
 *   cross-entropy      L = -log p_y            dL/dz = p - e_y
 *   self-distillation  L = sum t log(t / p)    dL/dz = p - t,  t = softmax(z0)
 *   mse                L = |z - y|^2 / C       dL/dz = 2 (z - y) / C
 * and for a tangent u: d2L/dz2 u = p * u - p (p . u) for the first two, 2 u / C
 * for the last.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_LOSS_H
#define HAWQ_LOSS_H
#include "src/graph/sweep.h"

/* How an output tensor is read: `rows` per image, `classes` each; score.h says
 * which. Class c of row r is element
 * (r / inner * classes + c) * inner + r % inner of the image; inner 0 is 1:
 * classes side by side. */
typedef struct hawq_rows {
    size_t rows, classes, inner;
} hawq_rows;

static inline size_t hawq_class_step(hawq_rows s) {
    return s.inner ? s.inner : 1;
}
static inline size_t hawq_row_start(hawq_rows s, size_t r) {
    size_t inner = hawq_class_step(s);
    return r / inner * s.classes * inner + r % inner;
}

/* The label of a row that has none: it adds nothing to the loss, nor to the
 * number of rows. */
enum { HAWQ_IGNORED = -100 };

/* Sum over the rows of one image of the loss, divided by the number of all
 * rows. label: one per row, or NULL; target: as z, or NULL. bar (may be NULL):
 * gains weight / rows * dL/dz (overwritten). */
double hawq_loss_value(hawq_loss loss, hawq_rows shape, const real *z,
                       const int64_t *label, const real *target, double weight,
                       real *bar);

/* bardot = weight / rows * d2L/dz2 dot. label: as above; only that it may be
 * HAWQ_IGNORED matters. */
void hawq_loss_curvature(hawq_loss loss, hawq_rows shape, const real *z,
                         const int64_t *label, double weight, const real *dot,
                         real *bardot);

/* bar = S e with S S' = weight / rows * d2L/dz2, e random signs from the key,
 * row by row: the mean of bar bar' is the loss's curvature. For the softmax
 * losses S is the Cholesky factor of diag(p) - p p' with the likely classes
 * first, which is known in closed form: column k tells class k from all later
 * ones, s_k = sqrt(p_k r_k / r_{k-1}) (e_k - sum_{j>k} p_j e_j / r_k), r_k =
 * sum_{j>k} p_j. An image that wavers between two classes has one column that
 * matters, and so no noise. */
void hawq_loss_factor(hawq_loss loss, hawq_rows shape, const real *z,
                      const int64_t *label, double weight, uint64_t key,
                      real *bar);

#endif
