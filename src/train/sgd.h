/* sgd.h -- stochastic gradient descent with momentum (Polyak 1964) and its
 * cosine schedule (Loshchilov and Hutter 2017).
 *
 *     g = dL/dw min(1, clip / |dL/dw|)      |.| over all parameters
 *     g = g + decay w                 decay on weights, not on biases
 *     v = momentum v + g
 *     w = w - rate v                  or, with Nesterov's correction,
 *     w = w - rate (g + momentum v)   (Sutskever et al. 2013)
 *
 * A network without normalisation has steep places where one step at full rate
 * would throw it out of every valley; clipping the gradient's norm (Pascanu,
 * Mikolov, Bengio 2013) keeps the step bounded.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SGD_H
#define HAWQ_SGD_H
#include "src/graph/sweep.h"

typedef struct hawq_sgd_options {
    double momentum; /* in [0, 1) */
    double decay;    /* L2 penalty decay/2 |w|^2, >= 0 */
    double clip;     /* longest gradient, > 0; 0 = any */
    bool   nesterov;
} hawq_sgd_options;

typedef struct hawq_sgd {
    hawq_sgd_options      o;
    const hawq_selection *at;
    double               *velocity; /* total(at), zero at the start */
} hawq_sgd;

/* Takes the velocity from the arena; `at` is borrowed. EINVAL if an option is
 * out of range. */
HAWQ_NODISCARD hawq_status hawq_sgd_init(hawq_sgd               *sgd,
                                         const hawq_sgd_options *options,
                                         const hawq_selection   *at,
                                         hawq_arena             *arena);

/* One step along `gradient` (total(at) numbers), in place in the tensors. */
void hawq_sgd_step(hawq_sgd *sgd, double rate, const double *gradient);

/* Rate of step in [0, n_steps): a straight rise to `peak` over the first
 * `warm_up` steps, then peak (1 + cos(pi t)) / 2 with t from 0 to 1 over the
 * others. */
double hawq_cosine_rate(double peak, size_t step, size_t n_steps,
                        size_t warm_up);

#endif
