/* refine.c -- see refine.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/refine.h"

#include "src/graph/mm.h"
#include "src/graph/score.h"

#include <math.h>
#include <string.h>

static const double RIDGE = 0.05;

/* --- the target ---------------------------------------------------------- */

/* Block b: the lower factor's inverse V of C + L I, (C + L I)^-1 = V'V. */
static hawq_status invert(const hawq_moments *m, size_t b, double *v,
                          double *ridge) {
    size_t        n = m->cols;
    const double *c = m->moment + b * n * n;
    double        mean = 0;
    for (size_t j = 0; j < n; j++) mean += c[j * n + j] / (double)n;
    *ridge = mean > 0 ? RIDGE * mean : 1;
    memcpy(v, c, n * n * sizeof *v);
    for (size_t j = 0; j < n; j++) v[j * n + j] += *ridge;
    return hawq_mm_invert_factor(n, v);
}

/* row = row V'V, through w = V row'. */
static void solve_row(size_t n, const double *v, double *row, double *w) {
    for (size_t i = 0; i < n; i++) {
        w[i] = 0;
        for (size_t j = 0; j <= i; j++) w[i] += v[i * n + j] * row[j];
    }
    memset(row, 0, n * sizeof *row);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) row[j] += v[i * n + j] * w[i];
}

typedef struct rows {
    const hawq_layer   *layer;
    const hawq_moments *m;
    double             *v, *ridge; /* one for each block */
    double             *target;
    double             *w; /* one row for each worker */
} rows;

static void solve(void *self, size_t c, int worker) {
    const rows *r = self;
    size_t      n = r->m->cols, b = c / (r->m->rows / r->m->blocks);
    double     *t = r->target + c * n;
    for (size_t k = 0; k < n; k++) {
        double w =
            (double)r->layer->weight->data[hawq_weight_at(r->layer, c, k)];
        t[k] = r->m->cross[c * n + k] + r->ridge[b] * w;
    }
    solve_row(n, r->v + b * n * n, t, r->w + (size_t)worker * n);
}

static hawq_status find_target(const hawq_layer *layer, const hawq_moments *m,
                               hawq_threads *threads, hawq_arena *arena,
                               double **out) {
    rows   r = {.layer = layer, .m = m};
    size_t n = m->cols;
    HAWQ_TAKE(r.v, arena, m->blocks * n * n);
    HAWQ_TAKE(r.ridge, arena, m->blocks);
    HAWQ_TAKE(r.target, arena, m->rows * n);
    HAWQ_TAKE(r.w, arena, (size_t)hawq_threads_count(threads) * n);
    for (size_t b = 0; b < m->blocks; b++)
        HAWQ_TRY(invert(m, b, r.v + b * n * n, &r.ridge[b]));
    hawq_threads_run(threads, m->rows, solve, NULL, &r);
    *out = r.target;
    return HAWQ_OK;
}

/* --- layers -------------------------------------------------------------- */

/* Without rows of inputs there is nothing to aim at. */
static hawq_status quantize_alone(const hawq_refine *r, int l,
                                  hawq_quantized *out) {
    hawq_candidate how = hawq_candidate_possible(&r->candidate[l], NULL);
    return hawq_quantize(&r->graph->layer[l], &how, NULL, NULL, r->threads,
                         r->arena, out);
}

static hawq_status refine_layer(const hawq_refine *r, int l,
                                hawq_arena *scratch, hawq_quantized *out) {
    hawq_candidate    how;
    hawq_moments      m;
    double           *target;
    const hawq_layer *layer = &r->graph->layer[l];
    if (hawq_format_is_uncoded(&r->candidate[l].format))
        return quantize_alone(r, l, out);
    HAWQ_TRY(hawq_moments_collect(r->twin, r->graph, r->threads, l, 1, r->n,
                                  r->x, true, scratch, &m));
    if (!m.cols) return quantize_alone(r, l, out);
    HAWQ_TRY(find_target(layer, &m, r->threads, scratch, &target));
    m.curvature = r->curvature ? r->curvature[l] : NULL;
    how = hawq_candidate_possible(&r->candidate[l], &m);
    if (how.method->needs != HAWQ_NEEDS_CURVATURE)
        HAWQ_TRY(hawq_method_find("coordinate", &how.method));
    return hawq_quantize(layer, &how, &m, target, r->threads, r->arena, out);
}

hawq_status hawq_refine_run(const hawq_refine *r, hawq_quantized *out) {
    for (int l = 0; l < r->graph->n_layers; l++)
        HAWQ_TRY(hawq_twin_put(r->twin, l, NULL));
    for (int l = 0; l < r->graph->n_layers; l++) {
        hawq_arena scratch = {0};
        if (r->progress) r->progress(r->self, l);
        hawq_status status = refine_layer(r, l, &scratch, &out[l]);
        hawq_arena_free(&scratch);
        HAWQ_TRY(status);
        HAWQ_TRY(hawq_twin_put(r->twin, l, &out[l]));
    }
    return HAWQ_OK;
}

/* --- divergence ---------------------------------------------------------- */

typedef struct difference {
    const hawq_graph *graph;
    hawq_rows         shape;
    hawq_loss         loss;
    size_t            agree;
    double            sum;
} difference;

static void compare(void *self, const hawq_chunk *chunk) {
    difference *d = self;
    int         y = d->graph->output->id;
    size_t      each = d->shape.rows * d->shape.classes;
    for (size_t i = 0; i < chunk->n; i++) {
        const real *z = chunk->floats->val[y] + i * each;
        const real *q = chunk->quantized->val[y] + i * each;
        d->sum += hawq_loss_value(d->loss, d->shape, q, NULL, z, 1, NULL);
        d->agree += hawq_score_agreeing(d->shape, z, q);
    }
}

void hawq_twin_diverge(hawq_twin *twin, const hawq_graph *graph, size_t n,
                       const real *x, hawq_divergence *out) {
    bool         classes = hawq_score_has_classes(graph);
    difference   d = {.graph = graph,
                      .shape = hawq_score_rows(graph),
                      .loss = classes ? HAWQ_SELF_DISTILLATION : HAWQ_MSE};
    hawq_visitor visitor = {.commit = compare, .self = &d};
    hawq_twin_visit(twin, n, x, -1, &visitor);
    size_t rows = n * d.shape.rows;
    *out = (hawq_divergence){.kl = d.sum / (double)n,
                             .agreement =
                                 classes ? (double)d.agree / (double)rows : NAN,
                             .rows = rows};
}
