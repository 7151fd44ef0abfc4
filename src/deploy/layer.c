/* layer.c -- the constants of one integer layer.
 *
 * With x = s_x (q_x - z_x), w = s_w[c] q_w and bias b (DESIGN: kernels/arith.h)
 *     acc[c] = B[c] + sum q_w q_x,   B[c] = round(b / (s_x s_w)) - z_x sum q_w
 *     y      = z_y + acc M[c],       M[c] = s_x s_w[c] / s_y
 * and |B| + 255 sum |q_w| < 2^31 for every channel, in 64-bit arithmetic.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/deploy/lower.h"

#include "kernels/arith.h"

#include <math.h>
#include <string.h>

/* Sums over one channel's integers, and the bias they are given. */
typedef struct channel {
    int64_t sum, magnitude;
    double  scale; /* s_w as used: see channel_scale */
    double  bias;  /* B, still a real number */
} channel;

static double bias_of(const hawq_tensor *b, size_t c) {
    return b ? (double)b->data[c % b->n] : 0;
}

/* Without weights the scale is free: one at which the bias is 2^16. */
static double channel_scale(const channel *ch, double scale, double bias,
                            double x_scale) {
    if (ch->magnitude || bias == 0) return scale;
    return fabs(bias) / (x_scale * 0x1p16);
}

static channel channel_read(const hawq_layer *l, const int8_t *q,
                            const double *scale, size_t c, double bias,
                            hawq_affine x) {
    channel ch = {0};
    for (size_t a = 0; a < l->outer; a++)
        for (size_t b = 0; b < l->inner; b++) {
            int w = q[(a * l->channels + c) * l->inner + b];
            ch.sum += w;
            ch.magnitude += w < 0 ? -w : w;
        }
    ch.scale = channel_scale(&ch, scale[c], bias, x.scale);
    ch.bias = rint(bias / (x.scale * ch.scale)) - (double)(x.zero * ch.sum);
    return ch;
}

static double largest_accumulator(const channel *ch) {
    return fabs(ch->bias) + 255.0 * (double)ch->magnitude;
}

/* The layer's integers, at scales raised until every bias fits; returns the
 * number of channels raised. `first` receives their scales before. */
static int quantize(lowering *low, const hawq_layer *layer, int bits,
                    const hawq_tensor *bias, hawq_affine x, double *first,
                    double *scale, int8_t *q) {
    hawq_quantizer how = {bits, low->options->weight_range,
                          low->options->granularity};
    bool           changed;
    int            raised = 0;
    hawq_quant_scales(layer, &how, scale);
    memcpy(first, scale, layer->channels * sizeof *scale);
    do {
        changed = false;
        hawq_quant_integers(layer, bits, scale, q);
        for (size_t c = 0; c < layer->channels; c++) {
            channel ch = channel_read(layer, q, scale, c, bias_of(bias, c), x);
            if (largest_accumulator(&ch) < 0x1p31) continue;
            scale[c] *= 2;
            changed = true;
        }
    } while (changed);
    for (size_t c = 0; c < layer->channels; c++) raised += scale[c] != first[c];
    return raised;
}

/* A layer of several nodes counts with the largest of their numbers. */
static void count_raised(hawq_program *p, int layer, int raised) {
    if (raised <= p->rescaled[layer]) return;
    p->n_rescaled += raised - p->rescaled[layer];
    p->rescaled[layer] = raised;
}

/* A row for each channel, element p of the row being row-major element
 * value_logical(p) of the channel. */
static hawq_status arrange(hawq_arena *arena, const hawq_layer *l,
                           const int8_t *q, size_t row_channels,
                           const int8_t **out) {
    size_t  row = l->outer * l->inner;
    int8_t *rows;
    HAWQ_TAKE(rows, arena, l->weight->n);
    for (size_t c = 0; c < l->channels; c++)
        for (size_t p = 0; p < row; p++) {
            size_t k = value_logical(row, row_channels, p);
            size_t at = (k / l->inner * l->channels + c) * l->inner;
            rows[c * row + p] = q[at + k % l->inner];
        }
    *out = rows;
    return HAWQ_OK;
}

/* The levels of the narrow grid, and below them the one it does not use. */
static void set_levels(hawq_conv *shape, int bits) {
    shape->weight_bits = bits;
    for (int i = 0; bits < 8 && i < 1 << bits; i++)
        shape->level[i] = (int8_t)(i - (1 << (bits - 1)));
}

typedef struct requant_arrays {
    int32_t *bias, *multiplier;
    uint8_t *pre, *shift;
} requant_arrays;

static hawq_status take_arrays(hawq_arena *arena, size_t n,
                               requant_arrays *out) {
    HAWQ_TAKE(out->bias, arena, n);
    HAWQ_TAKE(out->multiplier, arena, n);
    HAWQ_TAKE(out->pre, arena, n);
    HAWQ_TAKE(out->shift, arena, n);
    return HAWQ_OK;
}

static hawq_status requant(const hawq_layer *layer, size_t c, const channel *ch,
                           double M, requant_arrays *r) {
    int64_t bound = (int64_t)largest_accumulator(ch);
    r->bias[c] = (int32_t)ch->bias;
    if (hawq_multiplier(M, bound, &r->multiplier[c], &r->pre[c], &r->shift[c]))
        return HAWQ_OK;
    return hawq_fail(HAWQ_EUNSUPPORTED,
                     "layer '%s': output channel %zu would be multiplied by "
                     "%.3g, which 32-bit integers cannot hold; its outputs on "
                     "the calibration images are far smaller than its weights "
                     "allow: calibrate on more images",
                     layer->name, c, M);
}

hawq_status hawq_lower_weights(lowering *low, int index,
                               const hawq_tensor *bias, size_t row_channels,
                               hawq_affine x, hawq_affine y, hawq_weights *what,
                               float *scale_out) {
    const hawq_layer *layer = &low->graph->layer[index];
    hawq_arena       *arena = &low->program->arena;
    hawq_mark         mark = hawq_arena_mark(low->scratch);
    int               bits = low->program->choice[index].weight_bits;
    double           *scale, *first;
    int8_t           *q;
    set_levels(&what->shape, bits);
    if (low->options->places_only) return HAWQ_OK;
    HAWQ_TAKE(scale, low->scratch, layer->channels);
    HAWQ_TAKE(first, low->scratch, layer->channels);
    HAWQ_TAKE(q, low->scratch, layer->weight->n);
    count_raised(low->program, index,
                 quantize(low, layer, bits, bias, x, first, scale, q));
    HAWQ_TRY(arrange(arena, layer, q, row_channels, &what->weights));
    requant_arrays r;
    HAWQ_TRY(take_arrays(arena, layer->channels, &r));
    for (size_t c = 0; c < layer->channels; c++) {
        channel ch = channel_read(layer, q, scale, c, bias_of(bias, c), x);
        scale_out[c] = (float)(x.scale * ch.scale);
        HAWQ_TRY(requant(layer, c, &ch, x.scale * ch.scale / y.scale, &r));
    }
    what->requant.bias = r.bias;
    what->requant.multiplier = r.multiplier;
    what->requant.pre = r.pre;
    what->requant.shift = r.shift;
    what->requant.zero = y.zero;
    what->requant.high = y.high;
    hawq_arena_reset(low->scratch, mark);
    return HAWQ_OK;
}
