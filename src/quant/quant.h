/* quant.h -- the symmetric weight quantizer: the one definition that the
 * analysis, the search and the integer network share.
 *
 * For b bits, n = 2^(b-1) - 1 and a scale s per output channel:
 *     q    = clamp(round_half_even(w / s), -n, n)
 *     Q(w) = s q,   dW = Q(w) - w
 * Range `max`: s = max|w| / n. A channel without a representable scale (all
 * zero) has s = 1 and q = 0.
 *
 * Arithmetic: s, w / s, s q - w and all sums are in double whatever `real` is:
 * a network whose weights already lie on a grid has many quotients that are
 * ties up to rounding, and a scale rounded to float would turn them all one
 * way.
 *
 * Nothing here allocates or fails: a quantizer's bits must be valid, which
 * hawq_quantizer_check tells.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_QUANT_H
#define HAWQ_QUANT_H
#include "src/graph/graph.h"

typedef enum hawq_range {
    HAWQ_RANGE_MAX,       /* the largest magnitude: nothing is clipped */
    HAWQ_RANGE_MSE,       /* the clip with the smallest sum of dW^2 */
    HAWQ_RANGE_PERCENTILE /* the smallest clip that covers 99 % of |w| */
} hawq_range;

typedef enum hawq_granularity {
    HAWQ_PER_CHANNEL, /* one scale per output channel */
    HAWQ_PER_TENSOR   /* the same scale in every channel */
} hawq_granularity;

typedef struct hawq_quantizer {
    int              bits; /* 2 .. 8 */
    hawq_range       range;
    hawq_granularity granularity;
} hawq_quantizer;

/* "max", "mse", "percentile"; -1 if unknown. */
int         hawq_range_find(const char *name);
const char *hawq_range_name(hawq_range range);

/* "channel", "tensor"; -1 if unknown. */
int         hawq_granularity_find(const char *name);
const char *hawq_granularity_name(hawq_granularity granularity);

/* EINVAL unless bits is in 2 .. 8. */
HAWQ_NODISCARD hawq_status hawq_quantizer_check(const hawq_quantizer *how);

/* scale[c] > 0 for every output channel c < layer->channels; per tensor, all
 * are equal. */
void hawq_quant_scales(const hawq_layer *layer, const hawq_quantizer *how,
                       double *scale);

/* q[i] in -n .. n for every weight element i, in the weight's own order. */
void hawq_quant_integers(const hawq_layer *layer, int bits, const double *scale,
                         int8_t *q);

/* values[i] = s q, rounded to real: what a forward sweep with quantized
 * weights puts in place of layer->weight->data. */
void hawq_quant_values(const hawq_layer *layer, int bits, const double *scale,
                       real *values);

/* dw[i] = s q - w (unless dw is NULL), per_channel[c] = sum of its squares
 * over channel c (unless NULL); returns the sum over the layer, in channel
 * order. */
double hawq_quant_error(const hawq_layer *layer, int bits, const double *scale,
                        real *dw, double *per_channel);

#endif
