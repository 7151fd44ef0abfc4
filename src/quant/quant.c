/* quant.c -- scales, integers and errors of the symmetric weight quantizer.
 *
 * Searches are over clips below the largest magnitude; the first (largest) of
 * equal candidates wins.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/quant.h"

#include "kernels/arith.h"

#include <math.h>

hawq_status hawq_quantizer_check(const hawq_quantizer *how) {
    if (how->bits < 2 || how->bits > 8)
        return hawq_fail(HAWQ_EINVAL,
                         "weights of %d bits are not supported: choose 2 to 8",
                         how->bits);
    return HAWQ_OK;
}

/* --- channels ---------------------------------------------------------- */

/* Channels first .. last - 1 of a layer's weights. */
typedef struct span {
    const hawq_layer *layer;
    size_t            first, last;
} span;

/* Element b of part a of channel c. */
static size_t at(const hawq_layer *l, size_t a, size_t c, size_t b) {
    return (a * l->channels + c) * l->inner + b;
}

static double largest(span s) {
    const hawq_layer *l = s.layer;
    double            m = 0;
    for (size_t c = s.first; c < s.last; c++)
        for (size_t a = 0; a < l->outer; a++)
            for (size_t b = 0; b < l->inner; b++)
                m = fmax(m, fabs((double)l->weight->data[at(l, a, c, b)]));
    return m;
}

/* Number of elements with |w| <= clip. */
static size_t covered(span s, double clip) {
    const hawq_layer *l = s.layer;
    size_t            n = 0;
    for (size_t c = s.first; c < s.last; c++)
        for (size_t a = 0; a < l->outer; a++)
            for (size_t b = 0; b < l->inner; b++)
                n += fabs((double)l->weight->data[at(l, a, c, b)]) <= clip;
    return n;
}

/* rint rounds half to even: the default rounding mode is never changed. */
static double round_clamp(double w, double scale, int n) {
    double q = rint(w / scale);
    return q < -n ? -n : q > n ? n : q;
}

static double squared_error(span s, double scale, int n) {
    const hawq_layer *l = s.layer;
    double            sum = 0;
    for (size_t c = s.first; c < s.last; c++)
        for (size_t a = 0; a < l->outer; a++)
            for (size_t b = 0; b < l->inner; b++) {
                double w = (double)l->weight->data[at(l, a, c, b)];
                double d = scale * round_clamp(w, scale, n) - w;
                sum += d * d;
            }
    return sum;
}

/* --- ranges ------------------------------------------------------------ */

static double scale_of(double clip, int n) {
    double scale = clip / n;
    return scale > 0 ? scale : 1;
}

/* The best of the clips max, 0.99 max, ..., 0.21 max. */
static double scale_mse(span s, int n) {
    double max = largest(s), least = INFINITY;
    double best = 1;
    for (int k = 0; k < 80; k++) {
        double scale = scale_of(max * (100 - k) / 100, n);
        double error = squared_error(s, scale, n);
        if (error < least) {
            least = error;
            best = scale;
        }
    }
    return best;
}

/* Bisection for the smallest clip covering 99 %, to 2^-30 of the maximum. */
static double scale_percentile(span s, int n) {
    size_t total = (s.last - s.first) * s.layer->outer * s.layer->inner;
    size_t want = total - total / 100;
    double low = 0, high = largest(s);
    for (int i = 0; i < 30; i++) {
        double middle = (low + high) / 2;
        if (covered(s, middle) >= want)
            high = middle;
        else
            low = middle;
    }
    return scale_of(high, n);
}

static double scale_find(span s, const hawq_quantizer *how) {
    int n = hawq_weight_max(how->bits);
    switch (how->range) {
    case HAWQ_RANGE_MSE:
        return scale_mse(s, n);
    case HAWQ_RANGE_PERCENTILE:
        return scale_percentile(s, n);
    default:
        return scale_of(largest(s), n);
    }
}

void hawq_quant_scales(const hawq_layer *layer, const hawq_quantizer *how,
                       double *scale) {
    for (size_t c = 0; c < layer->channels; c++)
        scale[c] = scale_find((span){layer, c, c + 1}, how);
}

/* --- values ------------------------------------------------------------ */

void hawq_quant_values(const hawq_layer *layer, int bits, const double *scale,
                       real *values) {
    const real *w = layer->weight->data;
    int         n = hawq_weight_max(bits);
    for (size_t i = 0; i < layer->weight->n; i++) {
        double s = scale[i / layer->inner % layer->channels];
        values[i] = (real)(s * round_clamp(w[i], s, n));
    }
}

double hawq_quant_error(const hawq_layer *layer, int bits, const double *scale,
                        real *dw, double *per_channel) {
    const real *w = layer->weight->data;
    int         n = hawq_weight_max(bits);
    double      total = 0;
    for (size_t c = 0; c < layer->channels; c++) {
        double s = scale[c], sum = 0;
        for (size_t a = 0; a < layer->outer; a++)
            for (size_t b = 0; b < layer->inner; b++) {
                size_t i = at(layer, a, c, b);
                double d = s * round_clamp(w[i], s, n) - w[i];
                if (dw) dw[i] = (real)d;
                sum += d * d;
            }
        if (per_channel) per_channel[c] = sum;
        total += sum;
    }
    return total;
}
