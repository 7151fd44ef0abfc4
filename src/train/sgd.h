/* sgd.h -- stochastic gradient descent with momentum (Polyak 1964) and its
 * cosine schedule (Loshchilov and Hutter 2017).
 *
 *     g = dL/dw + decay w             decay on weights, not on biases
 *     v = momentum v + g
 *     w = w - rate v                  or, with Nesterov's correction,
 *     w = w - rate (g + momentum v)   (Sutskever et al. 2013)
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SGD_H
#define HAWQ_SGD_H
#include "src/graph/sweep.h"

typedef struct hawq_sgd {
    double                momentum; /* in [0, 1) */
    double                decay;    /* L2 penalty decay/2 |w|^2, >= 0 */
    bool                  nesterov;
    const hawq_selection *at;
    double               *velocity; /* total(at), zero at the start */
} hawq_sgd;

/* Takes the velocity from the arena; `at` is borrowed. EINVAL if momentum or
 * decay is out of range. */
HAWQ_NODISCARD hawq_status hawq_sgd_init(hawq_sgd *sgd, double momentum,
                                         double decay, bool nesterov,
                                         const hawq_selection *at,
                                         hawq_arena           *arena);

/* One step along `gradient` (total(at) numbers), in place in the tensors. */
void hawq_sgd_step(hawq_sgd *sgd, double rate, const double *gradient);

/* Rate of step in [0, n_steps): a straight rise to `peak` over the first
 * `warm_up` steps, then peak (1 + cos(pi t)) / 2 with t from 0 to 1 over the
 * others. */
double hawq_cosine_rate(double peak, size_t step, size_t n_steps,
                        size_t warm_up);

#endif
