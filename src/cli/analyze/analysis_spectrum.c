/* analysis_spectrum.c -- eigenvalues and density of the Hessian, the loss along
 * directions, and weights over their grids: what the page of a network shows
 * beside its sensitivities.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/page.h"
#include "src/base/rng.h"
#include "src/cli/analyze/analysis_parts.h"
#include "src/cli/kit/progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STARTS = 4, DENSITY_STEPS = 32, WALK_STEPS = 21, WALKS = 3 };
enum { DIRECTION_STREAM = 6 }; /* of keys */
static const double tolerance = 1e-3;

static int steps_of(const hawq_analysis *a) {
    return 40 + 2 * a->spectrum_pairs;
}

size_t hawq_analysis_spectrum_bytes(const hawq_analysis *a, size_t weights) {
    size_t steps = (size_t)steps_of(a), pairs = (size_t)a->spectrum_pairs;
    size_t each = (steps + 1) * sizeof(double) + (pairs + 4) * sizeof(real);
    if (!a->spectrum_pairs) return 0;
    return weights * each + steps * (steps + 8) * sizeof(double) +
           STARTS * DENSITY_STEPS * 64;
}

/* The candidate with about 4 bits a code: what is usual to look at. */
static int usual_candidate(const hawq_analysis *a) {
    int best = 0;
    for (int i = 1; i < a->n_candidates; i++)
        if (abs(a->candidate[i].format.bits - 4) <
            abs(a->candidate[best].format.bits - 4))
            best = i;
    return best;
}

/* dW of all layers with one candidate. */
static void fill_error(const hawq_analysis *a, int candidate, real *v) {
    for (int l = 0; l < a->graph->n_layers; l++) {
        const hawq_layer *layer = &a->graph->layer[l];
        real             *dw = v + a->study.all.offset[l];
        hawq_quantized_error(&a->rounded[l * a->n_candidates + candidate].q,
                             layer, dw, NULL);
    }
}

/* --- weights over their grids --------------------------------------------- */

/* Integer points of the grid, where one grid serves all channels. */
static void fill_levels(const hawq_quantized *q, hawq_histogram_record *h) {
    bool one = q->format.family != HAWQ_FITTED && !q->multiplier;
    for (int i = 0; one && i < q->n_levels && i < HAWQ_PAGE_LEVELS; i++)
        h->level[h->n_levels++] = q->level[i];
}

/* In units of s[c]: a grid of integers, and outliers where they are. */
static void fill_histogram(const hawq_layer *layer, const hawq_quantized *q,
                           hawq_histogram_record *h) {
    double most = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t c = 0; c < q->rows; c++)
            for (size_t k = 0; k < q->cols; k++) {
                real   w = layer->weight->data[hawq_weight_at(layer, c, k)];
                double x = (double)w / (double)q->scale[c];
                if (!pass)
                    most = fmax(most, fabs(x));
                else {
                    int bin = (int)((x - h->low) / h->width);
                    h->count[bin < HAWQ_PAGE_BINS ? bin : HAWQ_PAGE_BINS - 1]++;
                }
            }
        h->low = -most;
        h->width = most > 0 ? 2 * most / HAWQ_PAGE_BINS : 1;
    }
    h->n_bins = HAWQ_PAGE_BINS;
}

hawq_status hawq_analysis_put_histograms(hawq_analysis *a) {
    int usual = usual_candidate(a);
    for (int l = 0; l < a->graph->n_layers; l++) {
        const hawq_quantized *q = &a->rounded[l * a->n_candidates + usual].q;
        hawq_histogram_record h = {.layer = l, .candidate = a->name[usual]};
        if (!q->code) continue;
        fill_levels(q, &h);
        fill_histogram(&a->graph->layer[l], q, &h);
        HAWQ_TRY(hawq_store_put_histogram(a->store, a->run, &h));
    }
    return HAWQ_OK;
}

hawq_status hawq_analysis_put_study(hawq_analysis *a) {
    hawq_study_record row = {.images = (int64_t)a->study.data.n,
                             .loss = a->study.loss,
                             .accuracy = a->study.accuracy,
                             .gradient_norm = a->study.gradient_norm,
                             .rest_bytes = hawq_graph_rest_bytes(a->graph)};
    return hawq_store_put_study(a->store, a->run, &row);
}

/* Second order is all there is at a minimum; far from one the gradient's part
 * rules, whose sign no search should rely on. */
hawq_status hawq_analysis_note_minimum(hawq_analysis *a) {
    hawq_mark mark = hawq_arena_mark(&a->arena);
    int       usual = usual_candidate(a);
    real     *v;
    double    first, second;
    HAWQ_TAKE(v, &a->arena, hawq_selection_total(&a->study.all));
    fill_error(a, usual, v);
    HAWQ_TRY(hawq_study_terms(&a->study, v, &first, &second));
    if (fabs(first) > fabs(second))
        hawq_cli_note(a->cli,
                      "the network is not at a minimum of this loss on this "
                      "data: along the error of %s the gradient changes it by "
                      "%.3g, the curvature by %.3g; check --scale, --mean and "
                      "--std, train on, or use --loss self-distillation, whose "
                      "minimum the network is",
                      a->name[usual], first, second);
    hawq_arena_reset(&a->arena, mark);
    return HAWQ_OK;
}

/* --- the spectrum --------------------------------------------------------- */

static hawq_status find_layer(const hawq_analysis *a, int *layer) {
    *layer = -1;
    if (!a->spectrum_layer) return HAWQ_OK;
    for (int l = 0; l < a->graph->n_layers; l++)
        if (!strcmp(a->graph->layer[l].name, a->spectrum_layer)) {
            *layer = l;
            return HAWQ_OK;
        }
    return hawq_fail(HAWQ_EINVAL,
                     "--spectrum-layer: %s has no layer '%s'; the table of "
                     "layers has their names",
                     a->model_path, a->spectrum_layer);
}

hawq_status hawq_analysis_check_spectrum(const hawq_analysis *a) {
    int layer;
    return find_layer(a, &layer);
}

static hawq_status put_eigenvalues(hawq_analysis *a, int layer,
                                   hawq_eigenpairs *top) {
    hawq_spectrum          *s = &a->spectrum;
    hawq_eigenvalue_record *row;
    HAWQ_TRY(hawq_study_eigen(&a->study, layer, a->spectrum_pairs, steps_of(a),
                              tolerance, a->cli->seed, top));
    HAWQ_TAKE(row, &a->arena, (size_t)top->n);
    for (int i = 0; i < top->n; i++)
        row[i] =
            (hawq_eigenvalue_record){s->name, top->value[i], top->residual[i]};
    s->n = top->n;
    s->eigenvalue = row;
    return hawq_store_put_eigenvalues(a->store, a->run, top->n, row);
}

static hawq_status put_density(hawq_analysis *a, int layer) {
    hawq_spectrum *s = &a->spectrum;
    HAWQ_TAKE(s->density, &a->arena, STARTS * DENSITY_STEPS);
    for (int k = 0; k < STARTS; k++) {
        hawq_quadrature      q;
        hawq_density_record *row = s->density + s->n_densities;
        HAWQ_TRY(hawq_study_density(&a->study, layer, DENSITY_STEPS,
                                    a->cli->seed, (uint64_t)k, &q));
        for (int i = 0; i < q.n; i++)
            row[i] = (hawq_density_record){s->name, k, q.node[i], q.weight[i]};
        s->n_densities += q.n;
        HAWQ_TRY(hawq_store_put_density(a->store, a->run, q.n, row));
    }
    return HAWQ_OK;
}

/* --- the loss along directions -------------------------------------------- */

static double norm_of(const real *v, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)v[i] * (double)v[i];
    return sqrt(sum);
}

static hawq_status walk(hawq_analysis *a, const char *name, real *v, size_t n,
                        double length) {
    hawq_walk_record row[WALK_STEPS];
    double           step[WALK_STEPS], loss[WALK_STEPS];
    double           norm = norm_of(v, n);
    if (!(norm > 0)) return HAWQ_OK;
    for (size_t i = 0; i < n; i++) v[i] = (real)((double)v[i] * length / norm);
    for (int i = 0; i < WALK_STEPS; i++)
        step[i] = 2.0 * i / (WALK_STEPS - 1) - 1;
    HAWQ_TRY(hawq_study_walk(&a->study, v, WALK_STEPS, step, loss));
    for (int i = 0; i < WALK_STEPS; i++)
        row[i] = (hawq_walk_record){name, step[i], loss[i]};
    return hawq_store_put_walk(a->store, a->run, WALK_STEPS, row);
}

/* All directions have the length of the error of about 4 bits everywhere. */
static hawq_status put_walks(hawq_analysis *a, int layer,
                             const hawq_eigenpairs *top) {
    size_t      n = hawq_selection_total(&a->study.all);
    int         usual = usual_candidate(a);
    real       *v;
    uint64_t    key = hawq_rng_key(a->cli->seed, 0, 0, DIRECTION_STREAM);
    const char *error =
        hawq_arena_format(&a->arena, "error of %s", a->name[usual]);
    if (!error) return HAWQ_ENOMEM;
    HAWQ_TAKE(v, &a->arena, n);
    fill_error(a, usual, v);
    double length = norm_of(v, n);
    HAWQ_TRY(walk(a, error, v, n, length));
    for (size_t i = 0; i < n; i++) v[i] = (real)hawq_rng_normal(key, i);
    HAWQ_TRY(walk(a, "random direction", v, n, length));
    memset(v, 0, n * sizeof *v);
    memcpy(v + (layer < 0 ? 0 : a->study.all.offset[layer]), top->vector,
           sizeof *v * (layer < 0 ? n : a->graph->layer[layer].weight->n));
    return walk(a, "top eigenvector", v, n, length);
}

hawq_status hawq_analysis_find_spectrum(hawq_analysis *a) {
    hawq_progress   p;
    hawq_eigenpairs top;
    int             layer;
    if (!a->spectrum_pairs) return HAWQ_OK;
    HAWQ_TRY(find_layer(a, &layer));
    a->spectrum.name = layer < 0 ? "" : a->graph->layer[layer].name;
    hawq_progress_begin(&p, a->cli->quiet, "spectrum", 3, "parts");
    hawq_status status = put_eigenvalues(a, layer, &top);
    hawq_progress_update(&p, 1, NULL);
    if (status == HAWQ_OK) status = put_density(a, layer);
    hawq_progress_update(&p, 2, NULL);
    if (status == HAWQ_OK) status = put_walks(a, layer, &top);
    hawq_progress_end(&p);
    return status;
}
