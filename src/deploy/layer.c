/* layer.c -- the constants of one integer layer, from its quantized weights.
 *
 * With x = s_x (q_x - z_x), w = s_w[c] (q_w + o_w), where q_w is the int8
 * integer of a weight's code and o_w what an outlier adds to it, and bias b
 * (see kernels/arith.h)
 *     acc[c] = B[c] + sum (q_w + o_w) q_x
 *     B[c]   = round(b / (s_x s_w)) - z_x sum (q_w + o_w)
 *     y      = z_y + acc M[c],       M[c] = s_x s_w[c] / s_y
 * and |B| + 255 (sum |q_w| + sum |o_w|) < 2^31 for every channel, in 64-bit
 * arithmetic. Where B is too large for that, its weights being tiny, the
 * channel's integers are divided by 2^j and its scale is multiplied by it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/deploy/lower.h"

#include "kernels/arith.h"

#include <math.h>
#include <stdlib.h>

/* One channel of a layer as the kernels get it. */
typedef struct channel {
    const hawq_quantized *q;
    size_t                c;
    int                   halvings;  /* j */
    int64_t               magnitude; /* sum |q_w| + sum |o_w| */
    double                scale;     /* s_w as used: see channel_scale */
    double                bias;      /* B, still a real number */
} channel;

static int shifted(const channel *ch, int v) {
    return ch->halvings ? (int)rint(ldexp(v, -ch->halvings)) : v;
}

static int integer(const channel *ch, size_t k) {
    return shifted(ch, hawq_quantized_integer(ch->q, ch->c, k));
}

/* Without weights the scale is free: one at which the bias is 2^16. */
static double channel_scale(const channel *ch, double bias, double x_scale) {
    double scale = ldexp((double)(float)ch->q->scale[ch->c], ch->halvings);
    if (ch->magnitude || bias == 0) return scale;
    return fabs(bias) / (x_scale * 0x1p16);
}

static channel channel_read(const hawq_quantized *q, size_t c, int halvings,
                            double bias, hawq_affine x) {
    channel ch = {.q = q, .c = c, .halvings = halvings};
    int64_t sum = 0;
    for (size_t k = 0; k < q->cols; k++) {
        int w = integer(&ch, k);
        sum += w;
        ch.magnitude += w < 0 ? -w : w;
    }
    if (q->outlier_start)
        for (int32_t i = q->outlier_start[c]; i < q->outlier_start[c + 1];
             i++) {
            int w = shifted(&ch, q->outlier[i]);
            sum += w;
            ch.magnitude += w < 0 ? -w : w;
        }
    ch.scale = channel_scale(&ch, bias, x.scale);
    ch.bias = rint(bias / (x.scale * ch.scale)) - (double)(x.zero * sum);
    return ch;
}

static double largest_accumulator(const channel *ch) {
    return fabs(ch->bias) + 255.0 * (double)ch->magnitude;
}

/* The channel, halved until its bias fits. */
static channel channel_fit(const hawq_quantized *q, size_t c, double bias,
                           hawq_affine x) {
    channel ch = channel_read(q, c, 0, bias, x);
    while (!(largest_accumulator(&ch) < 0x1p31))
        ch = channel_read(q, c, ch.halvings + 1, bias, x);
    return ch;
}

/* A layer of several nodes counts with the largest of their numbers. */
static hawq_status note_raised(hawq_program *p, int layer, const channel *ch,
                               size_t n, int raised) {
    if (!raised) return HAWQ_OK;
    HAWQ_TAKE(p->halvings[layer], &p->arena, n);
    for (size_t c = 0; c < n; c++)
        p->halvings[layer][c] = (uint8_t)ch[c].halvings;
    if (raised <= p->rescaled[layer]) return HAWQ_OK;
    p->n_rescaled += raised - p->rescaled[layer];
    p->rescaled[layer] = raised;
    return HAWQ_OK;
}

/* --- weights ------------------------------------------------------------- */

/* A row for each channel, element p of the row being row-major element
 * value_logical(p) of the channel. Returns the largest magnitude. */
static int fill_rows(const channel *ch, size_t n, size_t row_channels,
                     int8_t *rows) {
    size_t row = ch->q->cols;
    int    largest = 0;
    for (size_t c = 0; c < n; c++)
        for (size_t p = 0; p < row; p++) {
            int w = integer(&ch[c], value_logical(row, row_channels, p));
            rows[c * row + p] = (int8_t)w;
            largest = abs(w) > largest ? abs(w) : largest;
        }
    return largest;
}

/* The outliers at their places in those rows. */
static hawq_status fill_outliers(hawq_arena *arena, const channel *ch, size_t n,
                                 size_t row_channels, hawq_outliers *out) {
    const hawq_quantized *q = ch->q;
    int32_t              *start, *at, total = q->outlier_start[n];
    int16_t              *value;
    HAWQ_TAKE(start, arena, n + 1);
    HAWQ_TAKE(at, arena, (size_t)total);
    HAWQ_TAKE(value, arena, (size_t)total);
    for (size_t c = 0; c < n; c++) {
        start[c] = q->outlier_start[c];
        for (int32_t i = start[c]; i < q->outlier_start[c + 1]; i++) {
            size_t k = (size_t)q->outlier_at[i];
            at[i] = (int32_t)value_position(q->cols, row_channels, k);
            value[i] = (int16_t)shifted(&ch[c], q->outlier[i]);
        }
    }
    start[n] = total;
    *out = (hawq_outliers){start, at, value};
    return HAWQ_OK;
}

/* Kernels hold codes of 2 or 4 bits where one table of levels serves the whole
 * layer and is small enough; everything else they hold as int8. */
static void set_levels(const hawq_format *format, const int8_t *level, int n,
                       hawq_conv *shape) {
    bool one_table = format->family != HAWQ_FITTED && !format->group;
    shape->weight_bits = !one_table || n > 16 ? 8 : n > 4 ? 4 : 2;
    for (int i = 0; shape->weight_bits < 8 && i < 1 << shape->weight_bits; i++)
        shape->level[i] = level[i < n ? i : n - 1];
}

bool hawq_lower_has_outliers(const lowering *low, int layer) {
    const hawq_layer     *l = &low->graph->layer[layer];
    const hawq_quantized *q = low->options->quantized;
    if (low->options->places_only)
        return hawq_format_outliers(&low->format[layer], l->channels,
                                    l->outer * l->inner) > 0;
    return q[layer].outlier_start && q[layer].outlier_start[q[layer].rows] > 0;
}

/* --- requantization ------------------------------------------------------ */

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

static hawq_status requant(const hawq_layer *layer, const channel *ch, double M,
                           requant_arrays *r) {
    size_t  c = ch->c;
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

static hawq_status fill_requant(lowering *low, const hawq_layer *layer,
                                const channel *ch, hawq_affine x, hawq_affine y,
                                hawq_requant *out, float *scale) {
    requant_arrays r;
    HAWQ_TRY(take_arrays(&low->program->arena, layer->channels, &r));
    for (size_t c = 0; c < layer->channels; c++) {
        scale[c] = (float)(x.scale * ch[c].scale);
        HAWQ_TRY(requant(layer, &ch[c], x.scale * ch[c].scale / y.scale, &r));
    }
    *out = (hawq_requant){.bias = r.bias,
                          .multiplier = r.multiplier,
                          .pre = r.pre,
                          .shift = r.shift,
                          .zero = y.zero,
                          .high = y.high};
    return HAWQ_OK;
}

/* --- the whole ----------------------------------------------------------- */

static bool has_weights(const hawq_quantized *q, size_t c) {
    if (q->outlier_start && q->outlier_start[c + 1] > q->outlier_start[c])
        return true;
    for (size_t k = 0; k < q->cols; k++)
        if (hawq_quantized_integer(q, c, k)) return true;
    return false;
}

/* The file's own integer times s_x s_w, where that is the unit it has there:
 * dividing by the same number gives it back, which its float might not. */
static bool integer_bias(const hawq_quantized *q, const hawq_tensor *b,
                         size_t c, double x_scale, double *out) {
    const hawq_integers *i = b->integers;
    double               unit = x_scale * (double)(float)q->scale[c];
    if (!i || b->n != q->rows || !has_weights(q, c)) return false;
    double stored = (double)i->scale[c % i->n_scales];
    if (!(fabs(stored - unit) <= 0x1p-20 * unit)) return false;
    *out = i->value[c] * unit;
    return true;
}

/* A corrected bias takes the place of the layer's own; what a node adds
 * besides stays. */
static double bias_of(const hawq_layer *l, const hawq_quantized *q,
                      const hawq_tensor *b, size_t c, double x_scale) {
    double exact;
    if (!b) return 0;
    if (b == l->bias && q->bias) return (double)q->bias[c];
    if (integer_bias(q, b, c, x_scale, &exact)) return exact;
    return (double)b->data[c % b->n];
}

static hawq_status fill_weights(lowering *low, int index,
                                const hawq_tensor *bias, size_t row_channels,
                                hawq_affine x, channel *ch,
                                hawq_weights *what) {
    const hawq_layer     *layer = &low->graph->layer[index];
    const hawq_quantized *q = &low->options->quantized[index];
    hawq_arena           *arena = &low->program->arena;
    int                   raised = 0;
    int8_t               *rows;
    for (size_t c = 0; c < layer->channels; c++) {
        ch[c] =
            channel_fit(q, c, bias_of(layer, q, bias, c, (double)x.scale), x);
        raised += ch[c].halvings > 0;
    }
    HAWQ_TRY(note_raised(low->program, index, ch, layer->channels, raised));
    HAWQ_TAKE(rows, arena, layer->weight->n);
    int largest = fill_rows(ch, layer->channels, row_channels, rows);
    what->weights = rows;
    /* halved integers are no levels any more */
    if (raised) what->shape.weight_bits = 8;
    if (what->shape.weight_bits == 8) what->shape.largest = (uint8_t)largest;
    if (!hawq_lower_has_outliers(low, index)) return HAWQ_OK;
    return fill_outliers(arena, ch, layer->channels, row_channels,
                         &what->outliers);
}

hawq_status hawq_lower_weights(lowering *low, int index,
                               const hawq_tensor *bias, size_t row_channels,
                               hawq_affine x, hawq_affine y, hawq_weights *what,
                               float *scale) {
    const hawq_layer     *layer = &low->graph->layer[index];
    const hawq_quantized *q = low->options->quantized;
    hawq_mark             mark = hawq_arena_mark(low->scratch);
    int8_t                level[HAWQ_LEVELS_MAX];
    channel              *ch;
    if (low->options->places_only) {
        set_levels(&low->format[index], level,
                   hawq_format_levels(&low->format[index], level),
                   &what->shape);
        return HAWQ_OK;
    }
    set_levels(&q[index].format, q[index].level, q[index].n_levels,
               &what->shape);
    HAWQ_TAKE(ch, low->scratch, layer->channels);
    HAWQ_TRY(fill_weights(low, index, bias, row_channels, x, ch, what));
    HAWQ_TRY(fill_requant(low, layer, ch, x, y, &what->requant, scale));
    hawq_arena_reset(low->scratch, mark);
    return HAWQ_OK;
}
