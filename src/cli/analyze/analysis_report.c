/* analysis_report.c -- tables, JSON and notes of an analysis.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/analyze/analysis_report.h"

#include "src/cli/kit/output.h"
#include "src/graph/score.h"

#include <math.h>
#include <stdlib.h>

double hawq_analysis_agreement(const hawq_analysis *a, hawq_metric metric,
                               int i, double *work) {
    size_t  n = (size_t)a->graph->n_layers;
    double *x = work, *y = work + n;
    if (!a->wanted[HAWQ_METRIC_MEASURED]) return NAN;
    for (int l = 0; l < a->graph->n_layers; l++) {
        x[l] = hawq_analysis_value(a, metric, l, i);
        y[l] = hawq_analysis_value(a, HAWQ_METRIC_MEASURED, l, i);
    }
    return hawq_rank_correlation(x, y, n, work + 2 * n);
}

/* Metrics with values of their own for single layers: cross has those of
 * quadratic there, hybrid those of measured. */
static bool has_own_values(const hawq_analysis *a, int metric) {
    if (metric == HAWQ_METRIC_CROSS)
        return a->wanted[metric] && !a->wanted[HAWQ_METRIC_QUADRATIC];
    return a->wanted[metric] && metric != HAWQ_METRIC_HYBRID;
}

/* --- tables -------------------------------------------------------------- */

/* One row a metric, one column a candidate. */
static hawq_status print_agreement(hawq_analysis *a, double *work) {
    const char *column[1 + HAWQ_CANDIDATES_MAX] = {"metric"};
    hawq_table  t;
    for (int i = 0; i < a->n_candidates; i++) {
        column[1 + i] =
            hawq_arena_format(&a->arena, "at %s", hawq_analysis_at(a, i));
        if (!column[1 + i]) return HAWQ_ENOMEM;
    }
    hawq_table_begin(&t, &a->arena, 1 + a->n_candidates, column);
    for (int m = 0; m < HAWQ_METRICS; m++) {
        if (!has_own_values(a, m) || m == HAWQ_METRIC_MEASURED) continue;
        hawq_table_text(&t, hawq_metric_name((hawq_metric)m));
        for (int i = 0; i < a->n_candidates; i++)
            hawq_table_fixed(
                &t, hawq_analysis_agreement(a, (hawq_metric)m, i, work), 3);
    }
    printf("\nRank correlation (Spearman) of the layers' values with the "
           "measured loss rise:\n\n");
    return hawq_table_print(&t, a->cli->format, stdout);
}

/* The first sampled metric, or -1. */
static int first_sampled(const hawq_analysis *a) {
    for (int m = 0; m < HAWQ_METRICS; m++)
        if (a->wanted[m] && a->n_samples[m]) return m;
    return -1;
}

/* Is what can be said of one sampled metric true of all? */
static bool sampled_alike(const hawq_analysis *a) {
    int first = first_sampled(a);
    for (int m = first; m >= 0 && m < HAWQ_METRICS; m++)
        if (a->n_samples[m] && (a->n_samples[m] != a->n_samples[first] ||
                                a->tolerance_met[m] != a->tolerance_met[first]))
            return false;
    return true;
}

/* One line for all sampled metrics, or one for each. */
static void print_samples(const hawq_analysis *a) {
    bool alike = sampled_alike(a);
    for (int m = first_sampled(a); m >= 0 && m < HAWQ_METRICS; m++) {
        if (!a->n_samples[m]) continue;
        printf("%s from %d samples of %d images, each with %s",
               alike ? "curvature" : hawq_metric_name((hawq_metric)m),
               a->n_samples[m], a->batch_size,
               hawq_analysis_estimator(a, (hawq_metric)m));
        if (a->tolerance > 0)
            printf("; --tolerance %g %s", a->tolerance,
                   a->tolerance_met[m] ? "reached" : "not reached");
        printf("; run %lld\n", (long long)a->run);
        if (alike) return;
    }
}

static void print_spectrum(const hawq_analysis *a) {
    const hawq_spectrum *s = &a->spectrum;
    if (!s->n) return;
    printf("\nLargest eigenvalues of the Hessian (%s%s), each within its "
           "residual:\n\n",
           *s->name ? "layer " : "all layers", s->name);
    for (int i = 0; i < s->n; i++)
        printf("%12.6g  +- %.2g\n", s->eigenvalue[i].value,
               s->eigenvalue[i].residual);
}

static double perplexity(const hawq_analysis *a) {
    return hawq_score_perplexity(a->graph, (hawq_loss)a->loss, a->study.loss);
}

static void print_summary(const hawq_analysis *a) {
    printf("%s: %d layers, %s loss %.6g", a->model_path, a->graph->n_layers,
           hawq_loss_name((hawq_loss)a->loss), a->study.loss);
    if (!isnan(a->study.accuracy))
        printf(", accuracy %.2f %%", 100 * a->study.accuracy);
    if (!isnan(perplexity(a))) printf(", perplexity %.6g", perplexity(a));
    printf(", gradient norm %.4g on %zu images\n", a->study.gradient_norm,
           a->study.data.n);
    print_samples(a);
    printf("\n");
}

/* --- JSON ---------------------------------------------------------------- */

/* "gauss_newton_low": a key of a metric's curvature. */
static const char *json_key(hawq_metric metric, const char *suffix,
                            char key[48]) {
    snprintf(key, 48, "%s%s", hawq_metric_name(metric), suffix);
    for (char *c = key; *c; c++)
        if (*c == '-') *c = '_';
    return key;
}

static void json_estimate(hawq_json *w, hawq_metric metric,
                          const hawq_estimate *e) {
    char key[48];
    hawq_json_real(w, json_key(metric, "", key), e->mean);
    hawq_json_real(w, json_key(metric, "_stderr", key), e->stderr1);
    hawq_json_real(w, json_key(metric, "_low", key), e->low);
    hawq_json_real(w, json_key(metric, "_high", key), e->high);
}

/* {"8": .., "4": ..}: values, or their standard errors. */
static void json_widths(const hawq_analysis *a, hawq_json *w, int metric,
                        int layer, bool errors) {
    hawq_json_object(w, hawq_metric_name((hawq_metric)metric));
    for (int i = 0; i < a->n_candidates; i++) {
        hawq_json_real(
            w, a->key[i],
            errors ? a->rise[metric][layer * a->n_candidates + i].stderr1
                   : hawq_analysis_value(a, (hawq_metric)metric, layer, i));
    }
    hawq_json_end(w);
}

static void json_layer(const hawq_analysis *a, hawq_json *w, int l) {
    const hawq_layer *layer = &a->graph->layer[l];
    hawq_json_object(w, NULL);
    hawq_json_text(w, "name", layer->name);
    hawq_json_text(w, "node", layer->node[0]->name);
    hawq_json_text(w, "op", layer->op);
    hawq_json_integer(w, "params", (int64_t)layer->weight->n);
    hawq_json_integer(w, "macs", layer->macs);
    hawq_json_text(w, "group", hawq_analysis_group(a, l));
    for (int m = 0; m < HAWQ_METRICS; m++)
        if (a->wanted[m] && a->trace[m])
            json_estimate(w, (hawq_metric)m, &a->trace[m][l]);
    if (a->wanted[HAWQ_METRIC_SQNR]) {
        hawq_json_object(w, "sqnr_db");
        for (int i = 0; i < a->n_candidates; i++)
            hawq_json_real(w, a->key[i], hawq_analysis_decibel(a, l, i));
        hawq_json_end(w);
    }
    for (int errors = 0; errors < 2; errors++) {
        hawq_json_object(w, errors ? "sensitivity_stderr" : "sensitivity");
        for (int m = 0; m < HAWQ_METRICS; m++)
            if (a->wanted[m]) json_widths(a, w, m, l, errors);
        hawq_json_end(w);
    }
    hawq_json_end(w);
}

static void json_agreement(const hawq_analysis *a, hawq_json *w, double *work) {
    hawq_json_object(w, "rank_correlation");
    for (int m = 0; m < HAWQ_METRICS; m++) {
        if (!has_own_values(a, m) || m == HAWQ_METRIC_MEASURED) continue;
        hawq_json_object(w, hawq_metric_name((hawq_metric)m));
        for (int i = 0; i < a->n_candidates; i++) {
            hawq_json_real(w, a->key[i],
                           hawq_analysis_agreement(a, (hawq_metric)m, i, work));
        }
        hawq_json_end(w);
    }
    hawq_json_end(w);
}

/* "samples" and "estimator" are the first sampled metric's; here is each with
 * its own. */
static void json_samples(const hawq_analysis *a, hawq_json *w, int first) {
    hawq_json_text(w, "estimator",
                   hawq_analysis_estimator(a, (hawq_metric)first));
    hawq_json_object(w, "sampled");
    for (int m = first; m < HAWQ_METRICS; m++) {
        if (!a->n_samples[m]) continue;
        hawq_json_object(w, hawq_metric_name((hawq_metric)m));
        hawq_json_integer(w, "samples", a->n_samples[m]);
        if (a->tolerance > 0)
            hawq_json_flag(w, "tolerance_reached", a->tolerance_met[m]);
        hawq_json_end(w);
    }
    hawq_json_end(w);
}

/* Seconds are in the database: what is printed here repeats. */
static void json_candidates(const hawq_analysis *a, hawq_json *w) {
    hawq_json_array(w, "bits");
    for (int i = 0; i < a->n_candidates; i++)
        hawq_json_integer(w, NULL, a->candidate[i].format.bits);
    hawq_json_end(w);
    hawq_json_array(w, "candidates");
    for (int i = 0; i < a->n_candidates; i++)
        hawq_json_text(w, NULL, a->name[i]);
    hawq_json_end(w);
}

static void json_spectrum(const hawq_analysis *a, hawq_json *w) {
    const hawq_spectrum *s = &a->spectrum;
    hawq_json_object(w, "spectrum");
    hawq_json_text(w, "layer", *s->name ? s->name : NULL);
    hawq_json_array(w, "eigenvalues");
    for (int i = 0; i < s->n; i++) {
        hawq_json_object(w, NULL);
        hawq_json_real(w, "value", s->eigenvalue[i].value);
        hawq_json_real(w, "residual", s->eigenvalue[i].residual);
        hawq_json_end(w);
    }
    hawq_json_end(w);
    hawq_json_array(w, "density");
    for (int i = 0; i < s->n_densities; i++) {
        hawq_json_object(w, NULL);
        hawq_json_integer(w, "start", s->density[i].start);
        hawq_json_real(w, "value", s->density[i].value);
        hawq_json_real(w, "weight", s->density[i].weight);
        hawq_json_end(w);
    }
    hawq_json_end(w);
    hawq_json_end(w);
}

static void print_json(const hawq_analysis *a, double *work) {
    hawq_json w = {.file = stdout};
    hawq_json_object(&w, NULL);
    hawq_json_text(&w, "model", a->model_path);
    hawq_json_text(&w, "loss", hawq_loss_name((hawq_loss)a->loss));
    hawq_json_real(&w, "loss_value", a->study.loss);
    hawq_json_real(&w, "accuracy", a->study.accuracy);
    if (!isnan(perplexity(a))) hawq_json_real(&w, "perplexity", perplexity(a));
    hawq_json_real(&w, "gradient_norm", a->study.gradient_norm);
    hawq_json_integer(&w, "images", (int64_t)a->study.data.n);
    int sampled = first_sampled(a);
    hawq_json_integer(&w, "samples", sampled < 0 ? 0 : a->n_samples[sampled]);
    hawq_json_integer(&w, "batch_size", a->batch_size);
    if (sampled >= 0) json_samples(a, &w, sampled);
    hawq_json_integer(&w, "run", a->run);
    json_candidates(a, &w);
    hawq_json_integer(&w, "not_quantized_bytes",
                      hawq_graph_rest_bytes(a->graph));
    hawq_json_array(&w, "layers");
    for (int l = 0; l < a->graph->n_layers; l++) json_layer(a, &w, l);
    hawq_json_end(&w);
    hawq_analysis_json_activations(a, &w);
    if (a->wanted[HAWQ_METRIC_MEASURED]) json_agreement(a, &w, work);
    if (a->spectrum.n) json_spectrum(a, &w);
    hawq_json_end(&w);
}

/* --- notes --------------------------------------------------------------- */

/* "conv1, fc (2 of 20 layers)": those for which `is` holds; NULL if none. */
static const char *layer_list(hawq_analysis *a, const hawq_estimate *e,
                              bool (*is)(const hawq_estimate *)) {
    const char *text = NULL;
    int         n = 0;
    for (int l = 0; l < a->graph->n_layers; l++) {
        if (!is(&e[l])) continue;
        text = hawq_arena_format(&a->arena, "%s%s%s", n ? text : "",
                                 n ? ", " : "", a->graph->layer[l].name);
        n++;
        if (!text) return NULL;
    }
    return n ? hawq_arena_format(&a->arena, "%s (%d of %d layers)", text, n,
                                 a->graph->n_layers)
             : NULL;
}

/* Every reading was exactly 0: no chance is in that. */
static bool is_nothing(const hawq_estimate *e) {
    return e->low == 0 && e->high == 0;
}

static bool is_unresolved(const hawq_estimate *e) {
    return hawq_is_unresolved(e) && !is_nothing(e);
}

static bool is_negative(const hawq_estimate *e) {
    return e->mean < 0;
}

static void note_estimates(hawq_analysis *a, hawq_metric metric) {
    const hawq_estimate *e = a->trace[metric];
    const char          *name = hawq_metric_name(metric);
    const char          *list = layer_list(a, e, is_nothing);
    if (list)
        hawq_cli_note(a->cli,
                      "%s is exactly 0 for %s: nothing reaches these weights "
                      "on this data (all their inputs are 0), or nothing of "
                      "them reaches the loss",
                      name, list);
    list = layer_list(a, e, is_unresolved);
    if (list)
        hawq_cli_note(
            a->cli,
            "%s not resolved from zero (95 %%) for %s; more --samples "
            "or a larger --batch-size narrow the interval",
            name, list);
    list = layer_list(a, e, is_negative);
    if (list)
        hawq_cli_note(a->cli,
                      "the mean %s is negative for %s; where a predicted rise "
                      "is not positive, a search uses its upper confidence "
                      "limit, or 0 if that is negative too",
                      name, list);
    if (a->out_of_time[metric])
        hawq_cli_note(a->cli,
                      "--time-limit ended the sampling of %s after %d samples: "
                      "how many there are depends on the machine, what each "
                      "of them is does not",
                      name, a->n_samples[metric]);
    else if (a->tolerance > 0 && !a->tolerance_met[metric])
        hawq_cli_note(a->cli,
                      "%s: --tolerance %g was not reached within %d samples",
                      name, a->tolerance, a->n_samples[metric]);
}

/* Layers whose measured rise with candidate i is within two errors of zero. */
static int count_unclear(const hawq_analysis *a, int i) {
    int n = 0;
    for (int l = 0; l < a->graph->n_layers; l++) {
        const hawq_estimate *e =
            &a->rise[HAWQ_METRIC_MEASURED][l * a->n_candidates + i];
        n += fabs(e->mean) < 2 * e->stderr1;
    }
    return n;
}

/* A metric that a trivial baseline beats is not worth its time: say so. */
static void note_baselines(hawq_analysis *a, int i, double *work) {
    static const hawq_metric baseline[] = {HAWQ_METRIC_DEPTH, HAWQ_METRIC_SQNR};
    for (int b = 0; b < 2; b++) {
        if (!a->wanted[baseline[b]] || a->ranking == baseline[b]) continue;
        double base = hawq_analysis_agreement(a, baseline[b], i, work);
        double ours = hawq_analysis_agreement(a, a->ranking, i, work);
        if (base > ours + 0.005) /* as printed */
            hawq_cli_note(a->cli,
                          "at %s the baseline %s ranks the layers better "
                          "than %s (%.2f against %.2f)",
                          hawq_analysis_at(a, i), hawq_metric_name(baseline[b]),
                          hawq_metric_name(a->ranking), base, ours);
    }
}

/* What the correlations with `measured` are worth; of the candidates where that
 * is little, the example has the most unclear layers. */
static void note_agreement(hawq_analysis *a, double *work) {
    int worst = 0, most = 0, n = 0;
    for (int i = 0; i < a->n_candidates; i++) {
        int unclear = count_unclear(a, i);
        if (2 * unclear <= a->graph->n_layers) {
            note_baselines(a, i, work);
            continue;
        }
        n++;
        if (unclear > most) worst = i;
        if (unclear > most) most = unclear;
    }
    if (!n) return;
    hawq_cli_note(a->cli,
                  "at %d of %d candidates the measured loss rise is within two "
                  "standard errors of zero for most layers (at %s for %d of "
                  "%d): its order says little about other data there (more "
                  "--images help)",
                  n, a->n_candidates, hawq_analysis_at(a, worst), most,
                  a->graph->n_layers);
}

/* A method that compensates makes |dW|^2 larger and the loss smaller: what
 * multiplies the one with a curvature says nothing about the other. */
static void note_curvatures(hawq_analysis *a) {
    for (int m = 0; m < HAWQ_METRICS; m++) {
        if (hawq_metric_is_blind(&hawq_metric_table[m]) && a->wanted[m] &&
            hawq_analysis_compensates(a))
            hawq_cli_note(a->cli,
                          "%s takes the loss for proportional to |dW|^2, which "
                          "rises while the loss falls where the codes make up "
                          "for each other's errors: hawq-search does not use "
                          "it for such candidates; measured, quadratic, cross "
                          "and hybrid are right for all",
                          hawq_metric_name((hawq_metric)m));
    }
}

/* What methods took that look at data, all layers together. */
static void note_seconds(hawq_analysis *a) {
    const char *list = "";
    for (int i = 0; i < a->n_candidates && list; i++)
        if (a->candidate[i].method->needs != HAWQ_NEEDS_NOTHING)
            list =
                hawq_arena_format(&a->arena, "%s%s%s %.2g", list,
                                  *list ? ", " : "", a->name[i], a->seconds[i]);
    if (list && *list)
        hawq_cli_note(a->cli, "seconds to choose the codes: %s", list);
}

hawq_status hawq_analysis_report(hawq_analysis *a) {
    double *work;
    HAWQ_TAKE(work, &a->arena, 4 * (size_t)a->graph->n_layers);
    if (a->cli->format == HAWQ_FORMAT_JSON) {
        print_json(a, work);
    } else {
        bool table = a->cli->format == HAWQ_FORMAT_TABLE;
        if (table) print_summary(a);
        HAWQ_TRY(hawq_analysis_table(a));
        if (table && a->wanted[HAWQ_METRIC_MEASURED])
            HAWQ_TRY(print_agreement(a, work));
        if (table) print_spectrum(a);
        HAWQ_TRY(hawq_analysis_print_activations(a));
    }
    note_curvatures(a);
    note_seconds(a);
    for (int m = 0; m < HAWQ_METRICS; m++)
        if (a->wanted[m] && hawq_metric_is_sampled((hawq_metric)m))
            note_estimates(a, (hawq_metric)m);
    if (a->wanted[HAWQ_METRIC_MEASURED]) note_agreement(a, work);
    return HAWQ_OK;
}
