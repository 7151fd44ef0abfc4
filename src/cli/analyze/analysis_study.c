/* analysis_study.c -- metrics computed on a fixed set of images, one layer at
 * a time; a layer is stored when it is done, and skipped when a resumed run
 * has it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/analyze/analysis_parts.h"
#include "src/cli/kit/progress.h"

#include <string.h>

/* --- storing and taking up ----------------------------------------------- */

/* Which layers need no work: all wanted metrics of the list are stored. Their
 * values go to a->rise. */
static hawq_status take_up(hawq_analysis *a, int n_metrics,
                           const hawq_metric *metric, bool **done) {
    int *found, wanted = 0;
    HAWQ_TAKE(found, &a->arena, (size_t)a->graph->n_layers);
    HAWQ_TAKE(*done, &a->arena, (size_t)a->graph->n_layers);
    for (int j = 0; j < n_metrics; j++) {
        hawq_sensitivity_record *row;
        int                      n;
        if (!a->wanted[metric[j]]) continue;
        wanted++;
        HAWQ_TRY(hawq_store_load_sensitivity(a->store, a->run,
                                             hawq_metric_name(metric[j]),
                                             &a->arena, &n, &row));
        for (int k = 0; k < n; k++)
            for (int i = 0; i < a->n_candidates; i++)
                if (!strcmp(row[k].candidate, a->name[i])) {
                    hawq_estimate *e =
                        &a->rise[metric[j]][row[k].layer * a->n_candidates + i];
                    e->mean = row[k].value;
                    e->stderr1 = row[k].stderr1;
                    found[row[k].layer]++;
                }
    }
    for (int l = 0; l < a->graph->n_layers; l++)
        (*done)[l] = found[l] == wanted * a->n_candidates;
    return HAWQ_OK;
}

/* Stores the wanted metrics of the list for one layer. */
static hawq_status put_layer(hawq_analysis *a, int layer, int n_metrics,
                             const hawq_metric *metric) {
    hawq_sensitivity_record row[HAWQ_METRICS * HAWQ_CANDIDATES_MAX];
    int                     n = 0;
    for (int j = 0; j < n_metrics; j++)
        for (int i = 0; a->wanted[metric[j]] && i < a->n_candidates; i++) {
            const hawq_estimate *e =
                &a->rise[metric[j]][layer * a->n_candidates + i];
            row[n++] =
                (hawq_sensitivity_record){.layer = layer,
                                          .metric = hawq_metric_name(metric[j]),
                                          .bits = a->candidate[i].format.bits,
                                          .candidate = a->name[i],
                                          .value = e->mean,
                                          .stderr1 = e->stderr1};
        }
    return hawq_store_put_sensitivity(a->store, a->run, n, row);
}

/* --- depth --------------------------------------------------------------- */

hawq_status hawq_analysis_depth(hawq_analysis *a) {
    static const hawq_metric depth = HAWQ_METRIC_DEPTH;
    if (!a->wanted[depth]) return HAWQ_OK;
    for (int l = 0; l < a->graph->n_layers; l++) {
        for (int i = 0; i < a->n_candidates; i++)
            a->rise[depth][l * a->n_candidates + i].mean = hawq_depth_rise(
                l, a->graph->n_layers, a->candidate[i].format.bits);
        HAWQ_TRY(put_layer(a, l, 1, &depth));
    }
    return HAWQ_OK;
}

/* --- measured and sqnr --------------------------------------------------- */

static const hawq_metric by_measuring[] = {HAWQ_METRIC_MEASURED,
                                           HAWQ_METRIC_SQNR};

static hawq_status measure_layer(hawq_analysis *a, int l) {
    const hawq_layer *layer = &a->graph->layer[l];
    real             *values;
    HAWQ_TAKE(values, &a->arena, layer->weight->n);
    for (int i = 0; i < a->n_candidates; i++) {
        int                   at = l * a->n_candidates + i;
        const hawq_quantized *q = &a->rounded[at].q;
        hawq_quantized_decode(q, layer, values);
        HAWQ_TRY(hawq_study_measure(&a->study, l, values, q->bias,
                                    &a->rise[HAWQ_METRIC_MEASURED][at],
                                    &a->rise[HAWQ_METRIC_SQNR][at].mean));
    }
    return put_layer(a, l, 2, by_measuring);
}

hawq_status hawq_analysis_measure(hawq_analysis *a) {
    hawq_progress p;
    hawq_status   status = HAWQ_OK;
    bool         *done;
    if (!a->wanted[HAWQ_METRIC_MEASURED] && !a->wanted[HAWQ_METRIC_SQNR])
        return HAWQ_OK;
    HAWQ_TRY(take_up(a, 2, by_measuring, &done));
    hawq_progress_begin(&p, a->cli->quiet, "measuring", a->graph->n_layers,
                        "layers");
    for (int l = 0; l < a->graph->n_layers && status == HAWQ_OK; l++) {
        hawq_mark mark = hawq_arena_mark(&a->arena);
        hawq_progress_update(&p, l, NULL);
        if (!done[l]) status = measure_layer(a, l);
        hawq_arena_reset(&a->arena, mark);
    }
    hawq_progress_end(&p);
    return status;
}

/* --- quadratic, cross and hybrid ----------------------------------------- */

static const hawq_metric by_products[] = {
    HAWQ_METRIC_QUADRATIC, HAWQ_METRIC_CROSS, HAWQ_METRIC_HYBRID};

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

static hawq_status product_layer(hawq_analysis *a, int l) {
    int     first = l * a->n_candidates; /* the layer's errors are one array */
    bool    cross = hawq_analysis_any(a).pairs;
    size_t  total = hawq_selection_total(&a->study.all);
    double *products = NULL;
    hawq_estimate *rise = &a->rise[HAWQ_METRIC_QUADRATIC][first];
    if (cross) HAWQ_TAKE(products, &a->arena, (size_t)a->n_candidates * total);
    HAWQ_TRY(hawq_study_quadratic(&a->study, l, a->n_candidates,
                                  a->rounded[first].dw, rise, products));
    for (int i = 0; i < a->n_candidates; i++) {
        a->rise[HAWQ_METRIC_CROSS][first + i] = rise[i];
        a->rise[HAWQ_METRIC_HYBRID][first + i] =
            a->rise[HAWQ_METRIC_MEASURED][first + i];
    }
    if (cross) HAWQ_TRY(put_interactions(a, l, products));
    return put_layer(a, l, 3, by_products); /* last: it marks the layer done */
}

hawq_status hawq_analysis_products(hawq_analysis *a) {
    hawq_progress p;
    hawq_status   status = HAWQ_OK;
    bool         *done;
    if (!hawq_analysis_any(a).products) return HAWQ_OK;
    HAWQ_TRY(take_up(a, 3, by_products, &done));
    hawq_progress_begin(&p, a->cli->quiet, "Hessian products",
                        a->graph->n_layers, "layers");
    for (int l = 0; l < a->graph->n_layers && status == HAWQ_OK; l++) {
        hawq_mark mark = hawq_arena_mark(&a->arena);
        hawq_progress_update(&p, l, NULL);
        if (!done[l]) status = product_layer(a, l);
        hawq_arena_reset(&a->arena, mark);
    }
    hawq_progress_end(&p);
    return status;
}
