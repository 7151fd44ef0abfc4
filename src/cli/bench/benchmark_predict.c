/* benchmark_predict.c -- what was expected of a network before it ran: its loss
 * and its time.
 *
 * The loss rise of candidates that no search chose, uniform ones and those of a
 * file, is predicted by an analysis in the database: as in the search, the sum
 * over the layers of the stored sensitivities of their candidates and, for the
 * metrics cross and hybrid, of the interactions of all pairs; and over the
 * tensors that layers read of the rises at their widths, if they are stored, as
 * hawq_rises_use has them; all in float32 cost nothing.
 * Activations below 8 bits have no prediction without those; nor have
 * candidates that were not analysed, or a network whose scales were moved
 * otherwise.
 *
 * The time is that of latency.h, from all that was measured elsewhere: earlier
 * runs, and the other networks of this one; its own only where a layer was
 * measured in none of them. A layer's time is that of its format and of the
 * bits of its activations.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/records.h"
#include "src/cli/bench/benchmark.h"
#include "src/cli/kit/metrics.h"
#include "src/quant/method.h"

#include <math.h>
#include <string.h>

typedef struct analysis {
    const char              *metric;
    hawq_run_record          run;
    hawq_layer_record       *layer;
    hawq_sensitivity_record *sensitivity;
    hawq_interaction_record *interaction;
    hawq_activation_record  *activation;
    int n_layers, n_sensitivities, n_interactions, n_activations;
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
    a->metric = metric;
    HAWQ_TRY(hawq_store_load_run(b->store, run, &b->arena, &a->run));
    HAWQ_TRY(hawq_store_load_layers(b->store, run, &b->arena, &a->n_layers,
                                    &a->layer));
    if (a->n_layers != b->graph->n_layers)
        return hawq_store_incomplete(b->store, run,
                                     "its layers are not those of the model");
    HAWQ_TRY(hawq_store_load_sensitivity(b->store, run, metric, &b->arena,
                                         &a->n_sensitivities, &a->sensitivity));
    HAWQ_TRY(hawq_store_load_activations(b->store, run, &b->arena,
                                         &a->n_activations, &a->activation));
    HAWQ_TRY(hawq_rises_use(a->activation, a->n_activations,
                            b->graph->input->name, &b->arena));
    if (strcmp(metric, "cross") != 0 && strcmp(metric, "hybrid") != 0)
        return HAWQ_OK;
    return hawq_store_load_interactions(b->store, run, &b->arena,
                                        &a->n_interactions, &a->interaction);
}

/* What the contender has for the analysis' layer l, or bits of 0. */
static hawq_choice choice_of(const analysis *a, const hawq_contender *c,
                             int l) {
    for (int i = 0; i < c->n_choices; i++)
        if (strcmp(c->choice[i].layer, a->layer[l].name) == 0)
            return c->choice[i];
    return (hawq_choice){0};
}

static bool is_float(const analysis *a, const hawq_contender *c, int l) {
    return choice_of(a, c, l).weight_bits == HAWQ_FLOAT_BITS;
}

/* Is this what the contender has for layer l? */
static bool is_candidate(const analysis *a, const hawq_contender *c, int l,
                         const char *name) {
    hawq_choice    choice = choice_of(a, c, l);
    hawq_candidate candidate;
    char           text[HAWQ_CANDIDATE_TEXT];
    return choice.weight_bits &&
           hawq_candidate_of(&choice, &candidate) == HAWQ_OK &&
           !strcmp(hawq_candidate_text(&candidate, text), name);
}

/* The sum over tensors, each at the largest width its readers ask for. Without
 * rises 8 bits cost nothing, and less cannot be told: NaN. */
static double predict_activations(const hawq_benchmark *b, const analysis *a,
                                  const hawq_contender *c) {
    double sum = 0;
    bool   loss = hawq_metric_named(a->metric)->in_loss;
    for (int i = 0; i < c->n_choices; i++)
        if (c->choice[i].activation_bits < 8 && (!a->n_activations || !loss))
            return NAN;
    for (int t = 0; t < a->n_activations && loss; t++) {
        const hawq_activation_record *row = &a->activation[t];
        int                           bits = 0;
        for (int i = 0; i < row->n_layers; i++) {
            int wish = choice_of(a, c, row->layer[i]).activation_bits;
            if (wish > bits) bits = wish;
        }
        const hawq_rise *r = hawq_rise_find(row, bits);
        bool             other = strcmp(row->range,
                                        hawq_range_name((hawq_range)b->activation_range));
        if (bits < 8 && (!r || other)) return NAN;
        if (r) sum += r->value;
    }
    return sum;
}

static int count_floats(const analysis *a, const hawq_contender *c) {
    int n = 0;
    for (int l = 0; l < a->n_layers; l++) n += is_float(a, c, l);
    return n;
}

/* NaN if a layer's candidate was not analysed. Weights in float32 cost nothing.
 */
static double predict(const hawq_benchmark *b, const analysis *a,
                      const hawq_contender *c) {
    int    found = count_floats(a, c);
    bool   rounds = found < a->n_layers;
    double sum = rounds ? predict_activations(b, a, c) : 0;
    for (int i = 0; i < a->n_sensitivities; i++) {
        const hawq_sensitivity_record *s = &a->sensitivity[i];
        if (!is_candidate(a, c, s->layer, s->candidate)) continue;
        sum += s->value;
        found++;
    }
    for (int i = 0; i < a->n_interactions; i++) {
        const hawq_interaction_record *r = &a->interaction[i];
        if (is_candidate(a, c, r->layer_i, r->candidate_i) &&
            is_candidate(a, c, r->layer_j, r->candidate_j))
            sum += r->value;
    }
    return found == a->n_layers ? sum : NAN;
}

/* Rises of an mse and of a loss of classes are of different units. */
static bool has_unit(const hawq_benchmark *b, const analysis *a) {
    bool squares = strcmp(a->run.loss, hawq_loss_name(HAWQ_MSE)) == 0;
    return !b->has_answers || squares == (b->loss == HAWQ_MSE);
}

static bool has_range(const analysis *a, const hawq_contender *c) {
    return strcmp(a->run.weight_range, hawq_range_name(c->weight_range)) == 0;
}

/* No search has done so, and its weights are made of the network's own. */
static bool is_to_predict(const hawq_contender *c) {
    return c->choice && !c->metric && !c->own;
}

hawq_status hawq_benchmark_predict(hawq_benchmark *b) {
    analysis    a = {0};
    int64_t     run = 0;
    char        hash[HAWQ_HASH_TEXT];
    const char *metric = find_metric(b);
    if (!b->store) return HAWQ_OK;
    hawq_graph_hash(b->graph, hash);
    HAWQ_TRY(hawq_store_find_analysis(b->store, hash, metric, &run));
    if (!run) return HAWQ_OK;
    HAWQ_TRY(load(b, run, metric, &a));
    const hawq_rewriting moved = hawq_rewriting_of(&a.run);
    if (!hawq_rewriting_same(&moved, &b->rewriting)) return HAWQ_OK;
    if (!has_unit(b, &a)) {
        b->other_loss = a.run.loss;
        return HAWQ_OK;
    }
    for (int i = 0; i < b->n; i++) {
        hawq_contender *c = &b->contender[i];
        if (!is_to_predict(c)) continue;
        c->predicted = predict(b, &a, c);
        if (c->asked && isnan(c->predicted) && !has_range(&a, c))
            b->other_range = a.run.weight_range;
        if (c->asked && !isnan(c->predicted)) b->predicted_by = metric;
    }
    return HAWQ_OK;
}

/* --- time ---------------------------------------------------------------- */

/* What the database and this run measured, but for the total of contender
 * `but`; its layers count where no others are known. */
static hawq_status collect(hawq_benchmark *b, const hawq_latency *known,
                           int but, hawq_latency *out) {
    hawq_latency l = {0};
    size_t       timings = (size_t)known->n_timings;
    for (int i = 0; i < b->n; i++)
        timings += (size_t)b->contender[i].record.n_layers;
    HAWQ_TAKE(l.timing, &b->arena, timings);
    HAWQ_TAKE(l.total, &b->arena, (size_t)(known->n_totals + b->n));
    for (int i = 0; i < b->n; i++) {
        const hawq_benchmark_record *r = &b->contender[i].record;
        if (i == but || !r->n_layers) continue;
        hawq_total_timing *total = &l.total[l.n_totals++];
        *total = (hawq_total_timing){r->latency_us, r->latency_spread_us, 0};
        for (int k = 0; k < r->n_layers; k++) {
            l.timing[l.n_timings++] = r->layer[k];
            total->layers_us += r->layer[k].latency_us;
        }
    }
    for (int i = 0; i < known->n_timings; i++)
        l.timing[l.n_timings++] = known->timing[i];
    for (int k = 0; k < b->contender[but].record.n_layers; k++)
        l.timing[l.n_timings++] = b->contender[but].record.layer[k];
    for (int i = 0; i < known->n_totals; i++)
        l.total[l.n_totals++] = known->total[i];
    HAWQ_TRY(hawq_latency_set_constant(&l, &b->arena));
    *out = l;
    return HAWQ_OK;
}

/* hash: 17 bytes that the key refers to. */
static hawq_latency_key key_of(hawq_benchmark *b, char *hash) {
    hawq_run_record run;
    hawq_cli_record(b->cli, &run);
    hawq_graph_hash(b->graph, hash);
    return (hawq_latency_key){hash, run.host, b->table->name,
                              hawq_latency_threads(b->cli, b->batch_size),
                              b->batch_size};
}

hawq_status hawq_benchmark_predict_times(hawq_benchmark *b) {
    char             hash[HAWQ_HASH_TEXT];
    hawq_latency     known, rest;
    hawq_latency_key key = key_of(b, hash);
    HAWQ_TRY(hawq_latency_load(b->store, &key, &b->arena, &known));
    for (int i = 0; i < b->n; i++) {
        hawq_contender *c = &b->contender[i];
        if (!c->record.n_layers) continue;
        HAWQ_TRY(collect(b, &known, i, &rest));
        c->predicted_us = hawq_latency_predict(&rest, c->program->n_layers,
                                               c->program->choice);
    }
    return HAWQ_OK;
}

hawq_status hawq_benchmark_fit_times(hawq_benchmark *b) {
    char             hash[HAWQ_HASH_TEXT];
    hawq_latency_key key = key_of(b, hash);
    return hawq_latency_load(b->store, &key, &b->arena, &b->latency);
}
