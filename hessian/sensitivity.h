/* sensitivity.h -- by how much the loss rises when one layer is quantized.
 *
 * For layer l with weights w, a candidate's error dW = Q(w) - w, gradient g
 * and Hessian H of the mean loss:
 *     trace      1/2 sum_c tr(H_cc)/n_c |dW_c|^2, c the output channels of l,
 *                n_c the weights of one. HAWQ-V2 (Dong et al. 2020) has
 *                tr(H_ll)/n_l |dW|^2, without the 1/2; summed by channel it is
 *                in units of the loss, and does not change when BatchNorm
 *                is folded.
 *     quadratic  g . dW + 1/2 dW' H dW: exact to second order, no probe noise
 *     cross      quadratic, and dW_i' H dW_j between layers i and j
 *     measured   L(w + dW) - L(w): the truth for one layer at a time; likewise
 *                for one activation, where a tensor is rounded in its place
 *     sqnr       |z_q - z|^2 / |z|^2 at the network's output, the inverse of
 *                the signal to quantization noise ratio: larger is worse
 *     kl         sum p log(p / q) at the output, p = softmax(z), q = that of
 *                z_q: ZeroQ's (Cai et al. 2020), needs no labels
 *     eigen      1/2 lambda |dW|^2, lambda the largest eigenvalue of H_ll
 *                (HAWQ, Dong et al. 2019): no error of that length costs more
 *     fisher     the trace metric with E[g g'] for H, g the gradient of one
 *                image: the same at a minimum that fits the data
 *     depth      (L - l) 4^-bits: earlier layers count more
 *
 * A study is a set of images on which quadratic, cross, measured and sqnr are
 * computed, batch by batch: mean and standard error are over the batches.
 *
 * Legal order: hawq_study_init; then any of the others, any number of times.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SENSITIVITY_H
#define HAWQ_SENSITIVITY_H
#include "hessian/spectrum.h"
#include "hessian/statistics.h"
#include "hessian/trace.h"
#include "src/graph/sweep.h"

/* --- from traces --------------------------------------------------------- */

/* One sample's reading of the `trace` metric: channel[c] is what
 * hawq_tracer_sample read for the block's channels, error[c] = |dW_c|^2. */
double hawq_trace_rise(const hawq_block *block, const double *channel,
                       const double *error);

/* 1/2 lambda |dW|^2, with the error of lambda. */
hawq_estimate hawq_eigen_rise(const hawq_estimate *lambda, double squares);

/* What a search may use of an estimated curvature, which is >= 0 at a minimum
 * but whose estimate need not be: the mean if that is positive, else
 * max(0, upper confidence limit). */
double hawq_search_value(const hawq_estimate *estimate);

/* The interval contains zero: the sign is not known. */
static inline bool hawq_is_unresolved(const hawq_estimate *e) {
    return !(e->low > 0 || e->high < 0);
}

/* --- the baseline -------------------------------------------------------- */

/* (n_layers - layer) 4^-bits; unitless. */
double hawq_depth_rise(int layer, int n_layers, int bits);

/* --- on a set of images -------------------------------------------------- */

typedef struct hawq_study {
    hawq_graph  *graph;  /* set these five before init; all borrowed */
    hawq_engine *engine; /* of that graph, lanes >= 1 */
    hawq_batch   data;
    size_t       batch_size;
    hawq_arena  *arena; /* for what init and the studies take */

    double  loss, accuracy, gradient_norm; /* of the float network */
    size_t  n_batches;                     /* the last may be shorter */
    double *images;                        /* in each batch */
    double *batch_loss;                    /* float network, per batch */
    real   *outputs;                       /* float network, all images */
    double  signal;                        /* sum of outputs^2 */
    /* private */
    hawq_selection all, *layer; /* one selection per layer */
    real          *quantized_outputs, *saved, *saved_bias;
    double        *reading;
    hawq_rounding *rounding; /* by tensor id */
} hawq_study;

/* Runs the float network: fills in the second half. accuracy is NaN without
 * labels. EINVAL without images; ENONFINITE if the loss is not finite. */
HAWQ_NODISCARD hawq_status hawq_study_init(hawq_study *s);

/* What a pass over the images with one layer quantized tells. */
typedef struct hawq_passed {
    hawq_estimate rise;       /* of the loss */
    hawq_estimate divergence; /* from the float outputs; NaN without classes */
    double        noise;      /* see sqnr */
} hawq_passed;

/* Puts `values` (as many as the layer has weights) in place of the layer's
 * weights and, unless it is NULL, `bias` (one for each channel) in place of its
 * bias if it has one of as many, runs the network and puts all back, bit for
 * bit.
 * ENONFINITE names the layer. */
HAWQ_NODISCARD hawq_status hawq_study_measure(hawq_study *s, int layer,
                                              const real  *values,
                                              const real  *bias,
                                              hawq_passed *out);

/* Runs the network with tensor t rounded, and then with none: the same for an
 * activation. */
HAWQ_NODISCARD hawq_status hawq_study_round(hawq_study *s, const hawq_tensor *t,
                                            const hawq_rounding *how,
                                            hawq_estimate       *rise);

/* rise[j] = g . dW_j + 1/2 dW_j' H dW_j for m errors of one layer, dw = m rows
 * of as many numbers as the layer has weights. products: NULL, or m rows of
 * hawq_selection_total(&s->all) doubles that receive H dW_j, the mean over all
 * images, on the weights of all layers (costs more). ENOMEM; ENONFINITE names
 * the layer. */
HAWQ_NODISCARD hawq_status hawq_study_quadratic(hawq_study *s, int layer, int m,
                                                const real    *dw,
                                                hawq_estimate *rise,
                                                double        *products);

/* dW' (H v)_layer: an entry of `cross` from a row of products above. */
double hawq_study_interaction(const hawq_study *s, const double *product,
                              int layer, const real *dw);

/* The k largest eigenvalues of H_ll, the mean over all images (layer < 0: of
 * the whole Hessian), by at most `steps` products, to a residual of `tolerance`
 * of each; vectors as hawq_select_weights lays the weights out. In s->arena.
 * ENOMEM; ENONFINITE. */
HAWQ_NODISCARD hawq_status hawq_study_eigen(hawq_study *s, int layer, int k,
                                            int steps, double tolerance,
                                            uint64_t         seed,
                                            hawq_eigenpairs *out);

/* The same matrix's spectral density from start number `probe` (spectrum.h). */
HAWQ_NODISCARD hawq_status hawq_study_density(hawq_study *s, int layer,
                                              int steps, uint64_t seed,
                                              uint64_t         probe,
                                              hawq_quadrature *out);

/* *first = g . v and *second = 1/2 v' H v for all layers' v: at a minimum the
 * second is what the loss rises by, and the first is small beside it. ENOMEM;
 * ENONFINITE. */
HAWQ_NODISCARD hawq_status hawq_study_terms(hawq_study *s, const real *v,
                                            double *first, double *second);

/* loss[i] at the weights w + step[i] v, all layers' v; puts w back bit for
 * bit. */
HAWQ_NODISCARD hawq_status hawq_study_walk(hawq_study *s, const real *v, int n,
                                           const double *step, double *loss);

#endif
