/* benchmark_predict.c -- the loss rise that an analysis in the database
 * predicts for bits that no search chose: uniform ones and those of a file.
 *
 * As in the search, the sum over the layers of the stored sensitivities at
 * their weight bits and, for the metrics cross and hybrid, of the interactions
 * of all pairs. Activations below 8 bits are not in an analysis, so bits with
 * such have no prediction; nor have weights quantized in another range than
 * the analysis'.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/benchmark.h"

#include <math.h>
#include <string.h>

typedef struct analysis {
    hawq_run_record          run;
    hawq_layer_record       *layer;
    hawq_sensitivity_record *sensitivity;
    hawq_interaction_record *interaction;
    int                      n_layers, n_sensitivities, n_interactions;
} analysis;

/* The metric of the newest allocation asked for, or trace. */
static const char *find_metric(const hawq_benchmark *b) {
    const hawq_contender *newest = NULL;
    for (int i = 0; i < b->n; i++) {
        const hawq_contender *c = &b->contender[i];
        if (c->metric &&
            (!newest || c->record.allocation > newest->record.allocation))
            newest = c;
    }
    return newest ? newest->metric : "trace";
}

static hawq_status load(hawq_benchmark *b, int64_t run, const char *metric,
                        analysis *a) {
    HAWQ_TRY(hawq_store_load_run(b->store, run, &b->arena, &a->run));
    HAWQ_TRY(hawq_store_load_layers(b->store, run, &b->arena, &a->n_layers,
                                    &a->layer));
    HAWQ_TRY(hawq_store_load_sensitivity(b->store, run, metric, &b->arena,
                                         &a->n_sensitivities, &a->sensitivity));
    if (strcmp(metric, "cross") != 0 && strcmp(metric, "hybrid") != 0)
        return HAWQ_OK;
    return hawq_store_load_interactions(b->store, run, &b->arena,
                                        &a->n_interactions, &a->interaction);
}

/* Weight bits of the analysis' layer l, or 0. */
static int bits_of(const analysis *a, const hawq_contender *c, int l) {
    for (int i = 0; i < c->n_choices; i++)
        if (strcmp(c->choice[i].layer, a->layer[l].name) == 0)
            return c->choice[i].weight_bits;
    return 0;
}

/* NaN if a layer's bits were not analysed. */
static double predict(const analysis *a, const hawq_contender *c) {
    double sum = 0;
    int    found = 0;
    for (int i = 0; i < a->n_sensitivities; i++) {
        const hawq_sensitivity_record *s = &a->sensitivity[i];
        if (bits_of(a, c, s->layer) != s->bits) continue;
        sum += s->value;
        found++;
    }
    for (int i = 0; i < a->n_interactions; i++) {
        const hawq_interaction_record *r = &a->interaction[i];
        if (bits_of(a, c, r->layer_i) == r->bits_i &&
            bits_of(a, c, r->layer_j) == r->bits_j)
            sum += r->value;
    }
    return found == a->n_layers ? sum : NAN;
}

static bool is_predictable(const analysis *a, const hawq_contender *c) {
    for (int i = 0; i < c->n_choices; i++)
        if (c->choice[i].activation_bits != 8) return false;
    return c->choice && !c->metric &&
           strcmp(a->run.weight_range, hawq_range_name(c->weight_range)) == 0;
}

hawq_status hawq_benchmark_predict(hawq_benchmark *b) {
    analysis    a = {0};
    int64_t     run = 0;
    char        hash[17];
    const char *metric = find_metric(b);
    if (!b->store) return HAWQ_OK;
    hawq_graph_hash(b->graph, hash);
    HAWQ_TRY(hawq_store_find_analysis(b->store, hash, metric, &run));
    if (!run) return HAWQ_OK;
    HAWQ_TRY(load(b, run, metric, &a));
    for (int i = 0; i < b->n; i++) {
        hawq_contender *c = &b->contender[i];
        if (!is_predictable(&a, c)) continue;
        c->predicted = predict(&a, c);
        if (c->asked && !isnan(c->predicted)) b->predicted_by = metric;
    }
    return HAWQ_OK;
}
