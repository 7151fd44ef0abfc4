/* quantize.c -- see quantize.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/quantize.h"

#include "src/quant/half.h"

#include <math.h>
#include <stdlib.h>

/* --- what the method sees ------------------------------------------------ */

static hawq_status own_target(const hawq_layer *l, size_t cols,
                              hawq_arena *arena, double **out) {
    HAWQ_TAKE(*out, arena, l->channels * cols);
    for (size_t c = 0; c < l->channels; c++)
        for (size_t k = 0; k < cols; k++)
            (*out)[c * cols + k] =
                (double)l->weight->data[hawq_weight_at(l, c, k)];
    return HAWQ_OK;
}

/* Variance of input k as row c meets it; 1 where unknown. */
static double variance(const hawq_evidence *e, size_t c, size_t k) {
    size_t block = c / (e->rows / e->blocks);
    return e->moment ? e->moment[(block * e->cols + k) * e->cols + k] : 1;
}

typedef struct scored {
    double score;
    size_t at;
} scored;

static int by_falling_score(const void *a, const void *b) {
    const scored *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return (x->at > y->at) - (x->at < y->at);
}

/* Kept apart are the weights that move their output most: t^2 C_kk. */
static hawq_status choose_apart(const hawq_evidence *e, size_t n,
                                hawq_arena *arena, uint8_t **out) {
    size_t  total = e->rows * e->cols;
    scored *s;
    HAWQ_TAKE(*out, arena, total);
    HAWQ_TAKE(s, arena, total);
    for (size_t i = 0; i < total; i++)
        s[i] = (scored){e->target[i] * e->target[i] *
                            variance(e, i / e->cols, i % e->cols),
                        i};
    qsort(s, total, sizeof *s, by_falling_score);
    for (size_t i = 0; i < n && i < total; i++) (*out)[s[i].at] = 1;
    return HAWQ_OK;
}

/* --- what the method leaves ---------------------------------------------- */

/* What the codes miss of the weights kept apart, as multiples of the scale. */
static hawq_status keep_apart(const hawq_evidence *e, hawq_arena *arena,
                              hawq_quantized *q) {
    int32_t n = 0;
    HAWQ_TRY(hawq_quantized_keep_apart(q, arena));
    for (size_t c = 0; c < q->rows; c++) {
        q->outlier_start[c] = n;
        for (size_t k = 0; k < q->cols; k++) {
            if (!e->apart[c * q->cols + k]) continue;
            double rest =
                rint(e->target[c * q->cols + k] / (double)q->scale[c]) -
                hawq_quantized_integer(q, c, k);
            q->outlier_at[n] = (int32_t)k;
            q->outlier[n++] = (int16_t)fmax(-32767, fmin(32767, rest));
        }
    }
    q->outlier_start[q->rows] = n;
    return HAWQ_OK;
}

/* b + sum_k (t - q) m, or zbar - sum_k q m where the outputs are to have a mean
 * of their own. */
static hawq_status correct_bias(const hawq_layer *l, const hawq_evidence *e,
                                hawq_arena *arena, hawq_quantized *q) {
    HAWQ_TAKE(q->bias, arena, q->rows);
    for (size_t c = 0; c < q->rows; c++) {
        const double *m = e->mean + c / (e->rows / e->blocks) * e->cols;
        double bias = (double)l->bias->data[c % l->bias->n], of_target = 0;
        double of_codes = 0;
        for (size_t k = 0; k < q->cols; k++) {
            of_target += e->target[c * e->cols + k] * m[k];
            of_codes += hawq_quantized_value(q, c, k) * m[k];
        }
        if (e->output_mean)
            bias = e->output_mean[c] - of_codes;
        else
            bias += of_target - of_codes;
        q->bias[c] = (real)bias;
    }
    return HAWQ_OK;
}

static hawq_status check_finite(const hawq_layer *l, const hawq_quantized *q) {
    for (size_t c = 0; c < q->rows; c++)
        if (!(q->scale[c] > 0) || !isfinite((double)q->scale[c]))
            return hawq_fail(HAWQ_ENONFINITE,
                             "layer '%s': channel %zu got the scale %g",
                             l->name, c, (double)q->scale[c]);
    return HAWQ_OK;
}

/* --- what is possible ------------------------------------------------------
 */

extern const hawq_method hawq_method_mse, hawq_method_coordinate;

static bool knows_inputs(const hawq_moments *m) {
    return m && m->cols && m->positions > 0;
}

hawq_candidate hawq_candidate_possible(const hawq_candidate *candidate,
                                       const hawq_moments   *moments) {
    hawq_candidate how = *candidate;
    bool           curved = knows_inputs(moments) && moments->curvature;
    if (how.method->needs == HAWQ_NEEDS_CURVATURE && !curved)
        how.method = &hawq_method_coordinate;
    if (how.method->needs != HAWQ_NEEDS_NOTHING && !knows_inputs(moments))
        how.method = &hawq_method_mse;
    return how;
}

/* --- the whole ------------------------------------------------------------ */

/* Formats without codes: the weights rounded to their 16 or 32 bits. */
static void store_values(const hawq_evidence *e, hawq_quantized *q) {
    bool half = q->format.bits == 16;
    for (size_t i = 0; i < e->rows * e->cols; i++)
        q->values[i] = half ? (real)hawq_half_round((float)e->target[i])
                            : (real)e->target[i];
}

static hawq_status fill_evidence(const hawq_layer     *layer,
                                 const hawq_candidate *candidate,
                                 const hawq_moments *m, const double *target,
                                 hawq_arena *scratch, hawq_evidence *e) {
    *e = (hawq_evidence){.rows = layer->channels,
                         .cols = layer->outer * layer->inner,
                         .blocks = 1,
                         .target = target};
    if (knows_inputs(m)) {
        e->blocks = m->blocks;
        e->moment = m->moment;
        e->mean = m->mean;
        e->output_mean = m->output_mean;
        e->output_curvature = m->curvature;
    }
    if (candidate->method->needs != HAWQ_NEEDS_NOTHING && !e->moment)
        return hawq_fail(HAWQ_EINVAL,
                         "layer '%s': method %s looks at the layer's inputs, "
                         "which are not known here",
                         layer->name, candidate->method->name);
    if (candidate->method->needs == HAWQ_NEEDS_CURVATURE &&
        !e->output_curvature)
        return hawq_fail(HAWQ_EINVAL,
                         "layer '%s': method %s looks at the curvature of the "
                         "loss at the layer's outputs, which is not known here",
                         layer->name, candidate->method->name);
    double *own;
    if (target) return HAWQ_OK;
    HAWQ_TRY(own_target(layer, e->cols, scratch, &own));
    e->target = own;
    return HAWQ_OK;
}

static hawq_status run(const hawq_layer *layer, const hawq_candidate *candidate,
                       hawq_evidence *e, hawq_threads *threads,
                       hawq_arena *scratch, hawq_arena *arena,
                       hawq_quantized *out) {
    const hawq_format *f = &candidate->format;
    size_t             apart = hawq_format_outliers(f, e->rows, e->cols);
    uint8_t           *mask;
    HAWQ_TRY(hawq_quantized_new(f, e->rows, e->cols, arena, out));
    if (hawq_format_is_uncoded(f)) {
        store_values(e, out);
        return HAWQ_OK;
    }
    if (apart) HAWQ_TRY(choose_apart(e, apart, scratch, &mask));
    if (apart) e->apart = mask;
    HAWQ_TRY(candidate->method->run(e, threads, out));
    if (apart) HAWQ_TRY(keep_apart(e, arena, out));
    HAWQ_TRY(check_finite(layer, out));
    bool corrects = candidate->method->needs != HAWQ_NEEDS_NOTHING;
    if (e->mean && layer->bias && (corrects || e->output_mean))
        return correct_bias(layer, e, arena, out);
    return HAWQ_OK;
}

hawq_status hawq_quantize(const hawq_layer     *layer,
                          const hawq_candidate *candidate,
                          const hawq_moments *moments, const double *target,
                          hawq_threads *threads, hawq_arena *arena,
                          hawq_quantized *out) {
    hawq_arena    scratch = {0};
    hawq_evidence e;
    hawq_status   status =
        fill_evidence(layer, candidate, moments, target, &scratch, &e);
    if (status == HAWQ_OK)
        status = run(layer, candidate, &e, threads, &scratch, arena, out);
    hawq_arena_free(&scratch);
    return status;
}

/* Pieces of a row are decoded once for many products. */
enum { PIECE = 64 };

/* d = q - w of inputs from .. from + n - 1 of row c. */
static void errors(const hawq_layer *l, const hawq_quantized *q, size_t c,
                   size_t from, size_t n, double *d) {
    for (size_t k = 0; k < n; k++)
        d[k] = hawq_quantized_value(q, c, from + k) -
               (double)l->weight->data[hawq_weight_at(l, c, from + k)];
}

static double row_error(const hawq_layer *l, const hawq_quantized *q, size_t c,
                        const double *moment) {
    double a[PIECE], b[PIECE], total = 0;
    size_t n = q->cols;
    for (size_t i = 0; i < n; i += PIECE) {
        size_t ni = n - i < PIECE ? n - i : PIECE;
        errors(l, q, c, i, ni, a);
        for (size_t k = 0; k < n; k += PIECE) {
            size_t nk = n - k < PIECE ? n - k : PIECE;
            errors(l, q, c, k, nk, b);
            for (size_t r = 0; r < ni; r++)
                for (size_t s = 0; s < nk; s++)
                    total += a[r] * b[s] * moment[(i + r) * n + k + s];
        }
    }
    return total;
}

double hawq_quantize_output_error(const hawq_layer *l, const hawq_quantized *q,
                                  const hawq_moments *m) {
    double total = 0;
    if (!m || !m->cols) return 0;
    for (size_t c = 0; c < q->rows; c++)
        total += row_error(
            l, q, c, m->moment + c / (m->rows / m->blocks) * m->cols * m->cols);
    return total;
}
