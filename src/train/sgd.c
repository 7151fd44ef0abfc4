/* sgd.c -- element by element, in the order of the selection.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/train/sgd.h"

#include <math.h>

hawq_status hawq_sgd_init(hawq_sgd *sgd, const hawq_sgd_options *o,
                          const hawq_selection *at, hawq_arena *arena) {
    if (!(o->momentum >= 0 && o->momentum < 1))
        return hawq_fail(HAWQ_EINVAL,
                         "momentum %g: expected 0 or more and less than 1",
                         o->momentum);
    if (!(o->decay >= 0 && isfinite(o->decay)))
        return hawq_fail(HAWQ_EINVAL, "weight decay %g: expected 0 or more",
                         o->decay);
    if (!(o->clip >= 0))
        return hawq_fail(HAWQ_EINVAL, "clip %g: expected 0 or more", o->clip);
    hawq_sgd s = {*o, at, NULL};
    HAWQ_TAKE(s.velocity, arena, hawq_selection_total(at));
    *sgd = s;
    return HAWQ_OK;
}

/* What the gradient is multiplied by. */
static double clip_factor(const hawq_sgd *sgd, const double *gradient) {
    double sum = 0;
    if (sgd->o.clip == 0) return 1;
    for (size_t i = 0; i < hawq_selection_total(sgd->at); i++)
        sum += gradient[i] * gradient[i];
    double norm = sqrt(sum);
    return norm > sgd->o.clip ? sgd->o.clip / norm : 1;
}

void hawq_sgd_step(hawq_sgd *sgd, double rate, const double *gradient) {
    double factor = clip_factor(sgd, gradient), momentum = sgd->o.momentum;
    for (int t = 0; t < sgd->at->n; t++) {
        hawq_tensor  *w = sgd->at->tensor[t];
        double        decay = w->shape.rank > 1 ? sgd->o.decay : 0;
        double       *v = sgd->velocity + sgd->at->offset[t];
        const double *dw = gradient + sgd->at->offset[t];
        for (size_t i = 0; i < w->n; i++) {
            double g = factor * dw[i] + decay * (double)w->data[i];
            v[i] = momentum * v[i] + g;
            double along = sgd->o.nesterov ? g + momentum * v[i] : v[i];
            w->data[i] = (real)((double)w->data[i] - rate * along);
        }
    }
}

double hawq_cosine_rate(double peak, size_t step, size_t n_steps,
                        size_t warm_up) {
    if (step < warm_up) return peak * (double)(step + 1) / (double)warm_up;
    double t = (double)(step - warm_up) / (double)(n_steps - warm_up);
    return peak * 0.5 * (1 + cos(3.141592653589793 * t));
}
