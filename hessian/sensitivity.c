/* sensitivity.c -- the metrics of sensitivity.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "hessian/sensitivity.h"

#include "src/graph/score.h"

#include <math.h>
#include <string.h>

double hawq_trace_rise(const hawq_block *block, const double *channel,
                       const double *error) {
    double sum = 0;
    for (size_t c = 0; c < block->channels; c++) sum += channel[c] * error[c];
    /* 1/2 sum_c mean curvature of channel c times |dW_c|^2; block.outer *
     * inner weights are a channel */
    return sum / 2 / (double)(block->outer * block->inner);
}

double hawq_search_value(const hawq_estimate *estimate) {
    return estimate->mean > 0 ? estimate->mean : fmax(0, estimate->high);
}

hawq_estimate hawq_eigen_rise(const hawq_estimate *lambda, double squares) {
    double half = squares / 2;
    return (hawq_estimate){.mean = half * lambda->mean,
                           .stderr1 = half * lambda->stderr1,
                           .low = half * lambda->low,
                           .high = half * lambda->high,
                           .n = lambda->n};
}

double hawq_depth_rise(int layer, int n_layers, int bits) {
    return ldexp(n_layers - layer, -2 * bits);
}

/* Images [b * batch_size, ...) of the study. */
static hawq_batch batch_of(const hawq_study *s, size_t b) {
    return hawq_score_part(s->graph, &s->data, b * s->batch_size,
                           (size_t)s->images[b]);
}

/* Runs the network over all images: outputs, loss per batch; the number of
 * rows it gets right. */
static size_t forward(hawq_study *s, real *outputs, double *loss) {
    size_t per_output = hawq_per_image(s->graph, s->graph->output);
    size_t correct = 0;
    for (size_t b = 0; b < s->n_batches; b++) {
        hawq_batch batch = batch_of(s, b);
        size_t     right = 0;
        hawq_engine_forward(s->engine, &batch,
                            outputs + b * s->batch_size * per_output, &loss[b],
                            batch.labels ? &right : NULL);
        correct += right;
    }
    return correct;
}

static hawq_status take_memory(hawq_study *s) {
    size_t n_outputs = s->data.n * hawq_per_image(s->graph, s->graph->output);
    size_t largest = 0, channels = 0;
    s->n_batches = (s->data.n + s->batch_size - 1) / s->batch_size;
    HAWQ_TAKE(s->images, s->arena, s->n_batches);
    HAWQ_TAKE(s->batch_loss, s->arena, s->n_batches);
    HAWQ_TAKE(s->reading, s->arena, s->n_batches);
    HAWQ_TAKE(s->outputs, s->arena, n_outputs);
    HAWQ_TAKE(s->quantized_outputs, s->arena, n_outputs);
    HAWQ_TAKE(s->layer, s->arena, (size_t)s->graph->n_layers);
    HAWQ_TAKE(s->rounding, s->arena, (size_t)s->graph->n_tensors);
    HAWQ_TRY(hawq_select_weights(s->graph, -1, s->arena, &s->all));
    for (int l = 0; l < s->graph->n_layers; l++) {
        HAWQ_TRY(hawq_select_weights(s->graph, l, s->arena, &s->layer[l]));
        if (s->graph->layer[l].weight->n > largest)
            largest = s->graph->layer[l].weight->n;
        if (s->graph->layer[l].channels > channels)
            channels = s->graph->layer[l].channels;
    }
    HAWQ_TAKE(s->saved, s->arena, largest);
    HAWQ_TAKE(s->saved_bias, s->arena, channels);
    for (size_t b = 0; b < s->n_batches; b++)
        s->images[b] = (double)s->batch_size;
    s->images[s->n_batches - 1] =
        (double)(s->data.n - (s->n_batches - 1) * s->batch_size);
    return HAWQ_OK;
}

/* Norm of the gradient of the mean loss over all images. */
static hawq_status find_gradient_norm(hawq_study *s) {
    hawq_mark mark = hawq_arena_mark(s->arena);
    size_t    n = hawq_selection_total(&s->all);
    double   *g, squares = 0;
    HAWQ_TAKE(g, s->arena, n);
    hawq_engine_gradient(s->engine, &s->data, &s->all, g, NULL, NULL);
    for (size_t i = 0; i < n; i++) squares += g[i] * g[i];
    s->gradient_norm = sqrt(squares);
    hawq_arena_reset(s->arena, mark);
    return HAWQ_OK;
}

hawq_status hawq_study_init(hawq_study *s) {
    if (s->data.n < 1 || s->batch_size < 1)
        return hawq_fail(HAWQ_EINVAL, "the data has no images to measure on");
    HAWQ_TRY(take_memory(s));
    size_t correct = forward(s, s->outputs, s->batch_loss);
    s->accuracy = hawq_score_accuracy(s->graph, &s->data, correct);
    s->loss =
        hawq_estimate_weighted(s->batch_loss, s->images, s->n_batches).mean;
    size_t n = s->data.n * hawq_per_image(s->graph, s->graph->output);
    s->signal = 0;
    for (size_t i = 0; i < n; i++)
        s->signal += (double)s->outputs[i] * (double)s->outputs[i];
    HAWQ_TRY(find_gradient_norm(s));
    if (!isfinite(s->loss) || !isfinite(s->signal) ||
        !isfinite(s->gradient_norm))
        return hawq_fail(HAWQ_ENONFINITE,
                         "the float network's loss or gradient on the data is "
                         "not a finite number; check --scale, --mean, --std");
    return HAWQ_OK;
}

/* Of the losses in `reading` over those of the float network. */
static hawq_estimate rise_of_readings(hawq_study *s) {
    for (size_t b = 0; b < s->n_batches; b++) s->reading[b] -= s->batch_loss[b];
    return hawq_estimate_weighted(s->reading, s->images, s->n_batches);
}

/* The tensor's values go to `saved` and others in their place. */
static void replace(hawq_tensor *t, const real *values, real *saved) {
    memcpy(saved, t->data, t->n * sizeof *saved);
    memcpy(t->data, values, t->n * sizeof *saved);
}

/* |z_q - z|^2 / |z|^2 */
static double noise_of(const hawq_study *s) {
    size_t n = s->data.n * hawq_per_image(s->graph, s->graph->output);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)s->quantized_outputs[i] - (double)s->outputs[i];
        sum += d * d;
    }
    return s->signal > 0 ? sum / s->signal : 0;
}

/* The mean over images of KL(softmax(z) || softmax(z_q)). */
static hawq_estimate divergence_of(hawq_study *s) {
    hawq_rows shape = hawq_score_rows(s->graph);
    size_t    per = hawq_per_image(s->graph, s->graph->output), image = 0;
    if (!hawq_score_has_classes(s->graph))
        return (hawq_estimate){NAN, NAN, NAN, NAN, 0};
    for (size_t b = 0; b < s->n_batches; b++) {
        double sum = 0;
        for (size_t i = 0; i < (size_t)s->images[b]; i++, image++)
            sum += hawq_loss_value(HAWQ_SELF_DISTILLATION, shape,
                                   s->quantized_outputs + image * per, NULL,
                                   s->outputs + image * per, 0, NULL);
        s->reading[b] = sum / s->images[b];
    }
    return hawq_estimate_weighted(s->reading, s->images, s->n_batches);
}

hawq_status hawq_study_measure(hawq_study *s, int layer, const real *values,
                               const real *bias, hawq_passed *out) {
    hawq_tensor *w = s->graph->layer[layer].weight;
    hawq_tensor *b = s->graph->layer[layer].bias;
    if (!bias || (b && b->n != s->graph->layer[layer].channels)) b = NULL;
    replace(w, values, s->saved);
    if (b) replace(b, bias, s->saved_bias);
    forward(s, s->quantized_outputs, s->reading);
    /* The graph is as it was before anything can fail. */
    memcpy(w->data, s->saved, w->n * sizeof *w->data);
    if (b) memcpy(b->data, s->saved_bias, b->n * sizeof *b->data);

    hawq_passed p = {.rise = rise_of_readings(s), .noise = noise_of(s)};
    if (!isfinite(p.rise.mean) || !isfinite(p.noise))
        return hawq_fail(HAWQ_ENONFINITE,
                         "layer '%s': with quantized weights the loss is not "
                         "a finite number; leave out its narrowest width",
                         s->graph->layer[layer].name);
    p.divergence = divergence_of(s);
    *out = p;
    return HAWQ_OK;
}

hawq_status hawq_study_round(hawq_study *s, const hawq_tensor *t,
                             const hawq_rounding *how, hawq_estimate *rise) {
    s->rounding[t->id] = *how;
    hawq_engine_round(s->engine, s->rounding);
    forward(s, s->quantized_outputs, s->reading);
    hawq_engine_round(s->engine, NULL);
    s->rounding[t->id] = (hawq_rounding){NULL, NULL};
    hawq_estimate e = rise_of_readings(s);
    if (!isfinite(e.mean))
        return hawq_fail(HAWQ_ENONFINITE,
                         "tensor '%s': with quantized activations the loss is "
                         "not a finite number; leave out its narrowest width",
                         t->name);
    *rise = e;
    return HAWQ_OK;
}

static double dot(const real *x, const double *y, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * y[i];
    return sum;
}

double hawq_study_interaction(const hawq_study *s, const double *product,
                              int layer, const real *dw) {
    return dot(dw, product + s->all.offset[layer],
               s->graph->layer[layer].weight->n);
}

/* Work space of hawq_study_quadratic; n numbers per product. */
typedef struct quadratic {
    const hawq_selection *at;
    size_t                n, own; /* own: where the layer begins in a product */
    double               *product, *gradient, *reading;
} quadratic;

/* The products of batch b, and the readings of its m rises. */
static void quadratic_batch(hawq_study *s, quadratic *q, int layer, size_t b,
                            int m, const real *dw) {
    hawq_batch batch = batch_of(s, b);
    size_t     n = s->graph->layer[layer].weight->n;
    hawq_engine_products(s->engine, &batch, HAWQ_HESSIAN, m, &s->layer[layer],
                         dw, q->at, q->product, q->gradient);
    for (int j = 0; j < m; j++) {
        const real   *v = dw + (size_t)j * n;
        const double *hv = q->product + (size_t)j * q->n + q->own;
        q->reading[(size_t)j * s->n_batches + b] =
            /* g.dW + 1/2 dW'H dW */
            dot(v, q->gradient + q->own, n) + dot(v, hv, n) / 2;
    }
}

static hawq_status run_quadratic(hawq_study *s, int layer, int m,
                                 const real *dw, hawq_estimate *rise,
                                 double *products) {
    quadratic q = {.at = products ? &s->all : &s->layer[layer]};
    q.n = hawq_selection_total(q.at);
    q.own = products ? s->all.offset[layer] : 0;
    HAWQ_TAKE(q.product, s->arena, (size_t)m * q.n);
    HAWQ_TAKE(q.gradient, s->arena, q.n);
    HAWQ_TAKE(q.reading, s->arena, (size_t)m * s->n_batches);
    if (products) memset(products, 0, (size_t)m * q.n * sizeof *products);
    for (size_t b = 0; b < s->n_batches; b++) {
        quadratic_batch(s, &q, layer, b, m, dw);
        if (!products) continue;
        /* H of the mean loss is the mean of the H of batches, by their
         * images. */
        double share = s->images[b] / (double)s->data.n;
        for (size_t i = 0; i < (size_t)m * q.n; i++)
            products[i] += share * q.product[i];
    }
    for (size_t i = 0; i < (size_t)m * s->n_batches; i++)
        if (!isfinite(q.reading[i]))
            return hawq_fail(HAWQ_ENONFINITE,
                             "layer '%s': its curvature along the quantization "
                             "error is not a finite number",
                             s->graph->layer[layer].name);
    for (int j = 0; j < m; j++)
        rise[j] = hawq_estimate_weighted(q.reading + (size_t)j * s->n_batches,
                                         s->images, s->n_batches);
    return HAWQ_OK;
}

hawq_status hawq_study_quadratic(hawq_study *s, int layer, int m,
                                 const real *dw, hawq_estimate *rise,
                                 double *products) {
    hawq_mark   mark = hawq_arena_mark(s->arena);
    hawq_status status = run_quadratic(s, layer, m, dw, rise, products);
    hawq_arena_reset(s->arena, mark);
    return status;
}
