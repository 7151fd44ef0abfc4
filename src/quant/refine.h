/* refine.h -- sequential refinement: every layer makes up for what the
 * quantized layers before it deliver.
 *
 * Layers in the order they run. With u what the quantized network as it stands
 * feeds the layer and z what the float network's layer puts out (plus, before a
 * residual addition, what the quantized network lacks of the other operand),
 * the rows aim at the ridge regression of z on u around the layer's own weights
 *     T = (Z + L W) (C + L I)^-1,   L = RIDGE mean diag C
 * (C, Z: moments.h), are quantized to it by coordinate descent (or by the
 * candidate's method if that looks at the loss's curvature), and the bias
 * takes up the means, zbar - q m. At two bits this is most of what there is to
 * gain: nothing else sees that errors of earlier layers add up.
 *
 * The idea of aiming at the float output given quantized inputs is that of
 * AdaRound's asymmetric reconstruction (Nagel et al. 2020) and of OBC (Frantar
 * and Alistarh 2022).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_REFINE_H
#define HAWQ_REFINE_H
#include "src/quant/quantize.h"

typedef struct hawq_refine {
    const hawq_graph     *graph; /* set these; all borrowed */
    hawq_threads         *threads;
    hawq_twin            *twin;      /* of that graph; its rounding is used */
    const hawq_candidate *candidate; /* one for each layer */
    size_t                n;         /* images, */
    const real           *x;         /* input-per-image numbers each */
    hawq_arena           *arena;     /* for the results */
    /* of every layer (curvature.h), for those whose candidate's method looks at
     * it; NULL: none is known */
    double *const *curvature;
    /* called before every layer; may be NULL */
    void (*progress)(void *self, int layer);
    void *self;
} hawq_refine;

/* Quantizes all layers into out[0 .. n_layers), one after the other, and leaves
 * them in the twin. Layers in float stay as they are; those whose inputs are
 * not rows (hawq_moments.cols 0) are quantized on their own. The same bits for
 * any number of threads. ENOMEM; ENONFINITE. */
HAWQ_NODISCARD hawq_status hawq_refine_run(const hawq_refine *refine,
                                           hawq_quantized    *out);

/* How far the quantized copy of a twin is from the float one on n images; rows
 * and classes are those of score.h. */
typedef struct hawq_divergence {
    double kl; /* mean KL(softmax(float) || softmax(quantized)) over the rows,
                  in nats; without classes the mean squared difference */
    double agreement; /* share of the rows with the same largest output; NaN
                         without classes */
    size_t rows;
} hawq_divergence;

void hawq_twin_diverge(hawq_twin *twin, const hawq_graph *graph, size_t n,
                       const real *x, hawq_divergence *out);

#endif
