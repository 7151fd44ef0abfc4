/* quant.h -- the symmetric weight quantizer as the analysis still uses it; the
 * candidates of quantize.h take its place.
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
#include "src/quant/range.h"

typedef struct hawq_quantizer {
    int        bits; /* 2 .. 8 */
    hawq_range range;
} hawq_quantizer;

/* EINVAL unless bits is in 2 .. 8. */
HAWQ_NODISCARD hawq_status hawq_quantizer_check(const hawq_quantizer *how);

/* scale[c] > 0 for every output channel c < layer->channels. */
void hawq_quant_scales(const hawq_layer *layer, const hawq_quantizer *how,
                       double *scale);

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
