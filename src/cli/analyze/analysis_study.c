/* analysis_study.c -- metrics computed on a fixed set of images, one layer at
 * a time; a layer is stored when it is done, and skipped when a resumed run
 * has it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/analyze/analysis_parts.h"
#include "src/cli/kit/progress.h"

#include <string.h>

/* A metric belongs to the costliest thing it needs: those of one stage are
 * computed together. Samples are no stage. */
static bool is_of_stage(const hawq_analysis *a, int metric, int need) {
    int needs = hawq_metric_table[metric].needs;
    if (!a->wanted[metric] || needs & HAWQ_FROM_SAMPLES) return false;
    return need ? (needs & need) && needs < 2 * need : !needs;
}

/* --- storing and taking up ----------------------------------------------- */

static hawq_status take_up_metric(hawq_analysis *a, hawq_metric metric,
                                  int *found) {
    hawq_sensitivity_record *row;
    int                      n;
    HAWQ_TRY(hawq_store_load_sensitivity(
        a->store, a->run, hawq_metric_name(metric), &a->arena, &n, &row));
    for (int k = 0; k < n; k++)
        for (int i = 0; i < a->n_candidates; i++)
            if (!strcmp(row[k].candidate, a->name[i])) {
                hawq_estimate *e =
                    &a->rise[metric][row[k].layer * a->n_candidates + i];
                e->mean = row[k].value;
                e->stderr1 = row[k].stderr1;
                found[row[k].layer]++;
            }
    return HAWQ_OK;
}

/* Which layers need no work: all metrics of the stage are stored. Their values
 * go to a->rise. */
static hawq_status take_up(hawq_analysis *a, int need, bool **done) {
    int *found, wanted = 0;
    HAWQ_TAKE(found, &a->arena, (size_t)a->graph->n_layers);
    HAWQ_TAKE(*done, &a->arena, (size_t)a->graph->n_layers);
    for (int m = 0; m < HAWQ_METRICS; m++)
        if (is_of_stage(a, m, need)) {
            wanted++;
            HAWQ_TRY(take_up_metric(a, (hawq_metric)m, found));
        }
    for (int l = 0; l < a->graph->n_layers; l++)
        (*done)[l] = found[l] == wanted * a->n_candidates;
    return HAWQ_OK;
}

/* Values of the stage's metrics for one layer, found and stored. */
static hawq_status put_layer(hawq_analysis *a, int need,
                             const hawq_layer_evidence *e) {
    hawq_sensitivity_record row[HAWQ_METRICS * HAWQ_CANDIDATES_MAX];
    int                     n = 0;
    for (int m = 0; m < HAWQ_METRICS; m++)
        for (int i = 0; is_of_stage(a, m, need) && i < a->n_candidates; i++) {
            hawq_estimate *rise = &a->rise[m][e->layer * a->n_candidates + i];
            *rise = hawq_metric_table[m].value(e, i);
            row[n++] = (hawq_sensitivity_record){
                .layer = e->layer,
                .metric = hawq_metric_name((hawq_metric)m),
                .bits = a->candidate[i].format.bits,
                .candidate = a->name[i],
                .value = hawq_analysis_value(a, (hawq_metric)m, e->layer, i),
                .stderr1 = rise->stderr1};
        }
    return hawq_store_put_sensitivity(a->store, a->run, n, row);
}

/* --- the stages ---------------------------------------------------------- */

static hawq_status pass(hawq_analysis *a, hawq_layer_evidence *e,
                        hawq_passed *passed) {
    const hawq_layer *layer = &a->graph->layer[e->layer];
    real             *values;
    HAWQ_TAKE(values, &a->arena, layer->weight->n);
    for (int i = 0; i < a->n_candidates; i++) {
        const hawq_quantized *q = &a->rounded[e->layer * a->n_candidates + i].q;
        hawq_quantized_decode(q, layer, values);
        HAWQ_TRY(hawq_study_measure(&a->study, e->layer, values, q->bias,
                                    &passed[i]));
    }
    return HAWQ_OK;
}

/* An eigenvalue of the layer is within the residual of what Lanczos found. */
static hawq_status eigenvalue(hawq_analysis *a, int l) {
    const double    tolerance = 1e-3;
    hawq_eigenpairs top;
    HAWQ_TRY(hawq_study_eigen(&a->study, l, 1, HAWQ_EIGEN_STEPS, tolerance,
                              a->cli->seed, &top));
    a->trace[HAWQ_METRIC_EIGEN][l] =
        (hawq_estimate){.mean = top.value[0],
                        .low = top.value[0] - top.residual[0],
                        .high = top.value[0] + top.residual[0],
                        .n = top.products};
    return HAWQ_OK;
}

/* dW_j' H dW_l for every later layer j, for all candidates of both. */
static hawq_status put_interactions(hawq_analysis *a, int l,
                                    const double *products) {
    hawq_interaction_record *row;
    size_t                   total = hawq_selection_total(&a->study.all);
    int                      n = 0, m = a->n_candidates;
    HAWQ_TAKE(row, &a->arena,
              (size_t)(a->graph->n_layers - l) * (size_t)(m * m));
    for (int i = 0; i < m; i++)
        for (int j = l + 1; j < a->graph->n_layers; j++)
            for (int k = 0; k < m; k++)
                row[n++] = (hawq_interaction_record){
                    .layer_i = l,
                    .bits_i = a->candidate[i].format.bits,
                    .candidate_i = a->name[i],
                    .layer_j = j,
                    .bits_j = a->candidate[k].format.bits,
                    .candidate_j = a->name[k],
                    .value = hawq_study_interaction(
                        &a->study, products + (size_t)i * total, j,
                        a->rounded[j * m + k].dw)};
    return hawq_store_put_interactions(a->store, a->run, n, row);
}

static hawq_status multiply(hawq_analysis *a, int l, hawq_estimate *rise) {
    int     first = l * a->n_candidates; /* the layer's errors are one array */
    bool    cross = hawq_analysis_pairs(a);
    size_t  total = hawq_selection_total(&a->study.all);
    double *products = NULL;
    if (cross) HAWQ_TAKE(products, &a->arena, (size_t)a->n_candidates * total);
    HAWQ_TRY(hawq_study_quadratic(&a->study, l, a->n_candidates,
                                  a->rounded[first].dw, rise, products));
    return cross ? put_interactions(a, l, products) : HAWQ_OK;
}

static double squares_of(const hawq_analysis *a, int l, int i) {
    const double *error = a->rounded[l * a->n_candidates + i].error;
    double        sum = 0;
    for (size_t c = 0; c < a->graph->layer[l].channels; c++) sum += error[c];
    return sum;
}

static hawq_status study_layer(hawq_analysis *a, int need, int l) {
    int                 bits[HAWQ_CANDIDATES_MAX];
    double              squares[HAWQ_CANDIDATES_MAX];
    hawq_passed         passed[HAWQ_CANDIDATES_MAX];
    hawq_estimate       quadratic[HAWQ_CANDIDATES_MAX];
    hawq_layer_evidence e = {l,      a->graph->n_layers, bits, squares,
                             passed, quadratic,          NULL};
    for (int i = 0; i < a->n_candidates; i++) {
        bits[i] = a->candidate[i].format.bits;
        squares[i] = squares_of(a, l, i);
        passed[i].rise = a->rise[HAWQ_METRIC_MEASURED][l * a->n_candidates + i];
    }
    if (need == HAWQ_FROM_PASSES) HAWQ_TRY(pass(a, &e, passed));
    if (need == HAWQ_FROM_EIGENVALUES) HAWQ_TRY(eigenvalue(a, l));
    if (need == HAWQ_FROM_PRODUCTS) HAWQ_TRY(multiply(a, l, quadratic));
    e.eigenvalue = &a->trace[HAWQ_METRIC_EIGEN][l];
    return put_layer(a, need, &e); /* last: it marks the layer done */
}

static const char *title_of(int need) {
    return need == HAWQ_FROM_PASSES        ? "measuring"
           : need == HAWQ_FROM_EIGENVALUES ? "eigenvalues"
                                           : "Hessian products";
}

static hawq_status study_layers(hawq_analysis *a, int need) {
    hawq_progress p;
    hawq_status   status = HAWQ_OK;
    bool         *done;
    HAWQ_TRY(take_up(a, need, &done));
    hawq_progress_begin(&p, a->cli->quiet || !need, title_of(need),
                        a->graph->n_layers, "layers");
    for (int l = 0; l < a->graph->n_layers && status == HAWQ_OK; l++) {
        hawq_mark mark = hawq_arena_mark(&a->arena);
        hawq_progress_update(&p, l, NULL);
        /* Eigenvalues are stored when all layers have theirs. */
        if (!done[l] || need == HAWQ_FROM_EIGENVALUES)
            status = study_layer(a, need, l);
        hawq_arena_reset(&a->arena, mark);
    }
    hawq_progress_end(&p);
    HAWQ_TRY(status);
    return need == HAWQ_FROM_EIGENVALUES
               ? hawq_store_put_estimates(
                     a->store, a->run, hawq_metric_name(HAWQ_METRIC_EIGEN),
                     a->graph->n_layers, a->trace[HAWQ_METRIC_EIGEN])
               : HAWQ_OK;
}

hawq_status hawq_analysis_study(hawq_analysis *a, int need) {
    for (int m = 0; m < HAWQ_METRICS; m++)
        if (is_of_stage(a, m, need)) return study_layers(a, need);
    return HAWQ_OK;
}
