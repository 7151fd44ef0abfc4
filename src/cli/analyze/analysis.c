/* analysis.c -- preparing and running an analysis; the metrics themselves are
 * in analysis_sample.c, analysis_study.c and analysis_activations.c.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/analyze/analysis.h"
#include "src/cli/kit/model.h"

#include "src/base/comm.h"
#include "src/cli/analyze/analysis_parts.h"
#include "src/graph/convolve.h"
#include "src/graph/groups.h"
#include "src/graph/reading.h"
#include "src/graph/score.h"

#include <string.h>

enum { USUAL_BATCH = 32 };

double hawq_analysis_value(const hawq_analysis *a, hawq_metric metric,
                           int layer, int i) {
    const hawq_estimate *e = &a->rise[metric][layer * a->n_candidates + i];
    bool                 sampled = a->trace[metric] != NULL;
    return sampled ? hawq_search_value(e) : e->mean;
}

const char *hawq_analysis_group(const hawq_analysis *a, int layer) {
    return a->graph->layer[a->group[layer]].name;
}

/* --- options ------------------------------------------------------------- */

static hawq_status want(hawq_analysis *a, const char *name, size_t length) {
    hawq_metric metric;
    const char *text = hawq_arena_string_n(&a->arena, name, length);
    if (!text) return HAWQ_ENOMEM;
    HAWQ_TRY(hawq_metric_find(text, &metric));
    if (a->ranking == HAWQ_METRICS) a->ranking = metric;
    a->wanted[metric] = true;
    return HAWQ_OK;
}

static hawq_status read_metrics(hawq_analysis *a) {
    if (!a->metrics)
        a->metrics = hawq_analysis_compensates(a) ? "measured,sqnr,depth"
                                                  : "measured,trace,sqnr,depth";
    a->ranking = HAWQ_METRICS;
    for (const char *at = a->metrics;;) {
        size_t length = strcspn(at, ",");
        HAWQ_TRY(want(a, at, length));
        if (!at[length]) break;
        at += length + 1;
    }
    if (a->wanted[HAWQ_METRIC_HYBRID]) a->wanted[HAWQ_METRIC_MEASURED] = true;
    return HAWQ_OK;
}

/* Widest first, none twice. */
static hawq_status sort_bits(hawq_ints *bits, const char *option) {
    for (int i = 0; i < bits->n; i++)
        for (int j = i; j > 0 && bits->item[j - 1] <= bits->item[j]; j--) {
            int swap = bits->item[j];
            if (bits->item[j - 1] == swap)
                return hawq_fail(HAWQ_EINVAL, "%s: %d is given twice", option,
                                 swap);
            bits->item[j] = bits->item[j - 1];
            bits->item[j - 1] = swap;
        }
    return HAWQ_OK;
}

static hawq_status read_activation_bits(hawq_analysis *a) {
    for (int i = 0; i < a->activation_bits.n; i++) {
        int bits = a->activation_bits.item[i];
        if (bits != 8 && bits != 4 && bits != 2)
            return hawq_fail(HAWQ_EINVAL,
                             "--activation-bits: %d; activations have 8, 4 or "
                             "2 bits",
                             bits);
    }
    return sort_bits(&a->activation_bits, "--activation-bits");
}

/* --- preparing ----------------------------------------------------------- */

hawq_status hawq_analysis_load_again(const hawq_analysis *a, int batch,
                                     hawq_graph **out) {
    hawq_cli silent = *a->cli;
    silent.quiet = true;
    return hawq_model_load_for(&silent, a->model_path, batch,
                               (hawq_loss)a->loss, out);
}

/* For readings image by image, if the file allows any number of images. */
static hawq_status load_single(hawq_analysis *a) {
    if (!hawq_analysis_samples(a)) return HAWQ_OK;
    if (a->graph->fixed_batch || a->graph->batch == 1) return HAWQ_OK;
    return hawq_analysis_load_again(a, 1, &a->single_graph);
}

/* The images, and what the loss compares outputs with. Self-distillation
 * compares with nothing: labels that do not fit are left out there. */
static hawq_status load_data(hawq_analysis *a) {
    bool alone = a->loss == HAWQ_SELF_DISTILLATION;
    HAWQ_TRY(hawq_data_load(a->graph, HAWQ_LABELS_OPTIONAL, &a->data));
    if (a->data.n < 2)
        return hawq_fail(HAWQ_EINVAL,
                         "the data has one image; at least 2 are needed to "
                         "tell an error from a result");
    hawq_status status = hawq_dataset_check_loss(
        &a->data, a->graph, (hawq_loss)a->loss, hawq_data_spec());
    if (status == HAWQ_OK || !alone) return status;
    hawq_cli_note(a->cli, "no accuracy, for y is left out: %s", hawq_message());
    a->data.labels = NULL;
    return HAWQ_OK;
}

static hawq_status load(hawq_analysis *a) {
    HAWQ_TRY(hawq_model_load_for(a->cli, a->model_path, 0, (hawq_loss)a->loss,
                                 &a->graph));
    if (a->graph->n_layers == 0)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "%s: no Conv, Gemm or MatMul with constant weights: "
                         "there is nothing to quantize",
                         a->model_path);
    if (a->wanted[HAWQ_METRIC_KL] && !hawq_score_has_classes(a->graph))
        return hawq_fail(HAWQ_EINVAL,
                         "--metric kl: the output of %s has no classes whose "
                         "probabilities could be compared; measured and sqnr "
                         "need none",
                         a->model_path);
    HAWQ_TRY(hawq_analysis_check_spectrum(a));
    HAWQ_TRY(load_single(a));
    HAWQ_TAKE(a->group, &a->arena, (size_t)a->graph->n_layers);
    HAWQ_TRY(hawq_graph_groups(a->graph, a->group));
    HAWQ_TRY(load_data(a));
    if (hawq_analysis_samples(a))
        return hawq_data_batch(a->cli, a->data.n, a->batch_size, USUAL_BATCH,
                               &a->batch_size);
    if (!a->batch_size) a->batch_size = USUAL_BATCH; /* at most: start_study */
    return HAWQ_OK;
}

/* The engine, and the batch of all images with what the loss compares to: for
 * self-distillation the float network's own outputs. */
static hawq_status start_engine(hawq_analysis *a) {
    HAWQ_TRY(hawq_engine_new(a->graph, a->threads, a->lanes, (hawq_loss)a->loss,
                             &a->engine));
    a->batch = (hawq_batch){a->data.n, a->data.x, a->data.labels, NULL};
    if (a->loss == HAWQ_MSE) a->batch.targets = a->data.targets;
    if (a->loss == HAWQ_SELF_DISTILLATION) {
        real *targets;
        HAWQ_TAKE(targets, &a->arena,
                  a->data.n * hawq_per_image(a->graph, a->graph->output));
        hawq_engine_forward(a->engine, &a->batch, targets, NULL, NULL);
        a->batch.targets = targets;
    }
    return HAWQ_OK;
}

/* At least eight batches, so that their spread tells the error. */
static hawq_status start_study(hawq_analysis *a) {
    size_t images = hawq_analysis_images(a);
    size_t batch = images / 8 > 0 ? images / 8 : 1;
    if (batch > (size_t)a->batch_size) batch = (size_t)a->batch_size;
    a->study = (hawq_study){.graph = a->graph,
                            .engine = a->engine,
                            .data = a->batch,
                            .batch_size = batch,
                            .arena = &a->arena};
    a->study.data.n = images;
    return hawq_study_init(&a->study);
}

static hawq_status take_results(hawq_analysis *a) {
    size_t layers = (size_t)a->graph->n_layers;
    for (int m = 0; m < HAWQ_METRICS; m++)
        HAWQ_TAKE(a->rise[m], &a->arena, layers * (size_t)a->n_candidates);
    HAWQ_TRY(
        hawq_graph_activations(a->graph, &a->n_activations, &a->activation));
    HAWQ_TAKE(a->activation_rise, &a->arena,
              (size_t)a->n_activations * (size_t)a->activation_bits.n);
    for (int m = 0; m < HAWQ_METRICS; m++)
        if (hawq_metric_is_blind(&hawq_metric_table[m]))
            HAWQ_TAKE(a->trace[m], &a->arena, layers);
    return HAWQ_OK;
}

/* "8,4,2" */
static const char *list(hawq_arena *arena, const hawq_ints *bits) {
    const char *text = "";
    for (int i = 0; i < bits->n && text; i++)
        text = hawq_arena_format(arena, "%s%s%d", text, i ? "," : "",
                                 bits->item[i]);
    return text;
}

/* ", activations 8,4 in range mse", or nothing. */
static const char *describe_activations(hawq_analysis *a) {
    const char *bits = list(&a->arena, &a->activation_bits);
    if (!bits || !*bits) return bits;
    return hawq_arena_format(&a->arena, ", activations %s in range %s", bits,
                             hawq_range_name((hawq_range)a->activation_range));
}

const char *hawq_analysis_estimator(const hawq_analysis *a,
                                    hawq_metric          metric) {
    if (metric == HAWQ_METRIC_FISHER) return "the gradient of each image";
    bool by_image =
        metric == HAWQ_METRIC_GAUSS_NEWTON || hawq_can_read(a->graph);
    if (!a->single || !by_image) return "a random probe";
    return a->rest_vanishes[metric]
               ? "random signs for each image"
               : "random signs for each image, a probe for second-order terms";
}

/* ", trace by a random probe" of every sampled metric that is wanted. */
static const char *describe_estimators(hawq_analysis *a) {
    const char *text = "";
    for (int m = 0; m < HAWQ_METRICS && text; m++)
        if (a->wanted[m] && hawq_metric_is_sampled((hawq_metric)m))
            text =
                hawq_arena_format(&a->arena, "%s, %s by %s", text,
                                  hawq_metric_name((hawq_metric)m),
                                  hawq_analysis_estimator(a, (hawq_metric)m));
    return text;
}

/* "w8,w4:gptq" */
static const char *list_names(hawq_analysis *a) {
    const char *text = "";
    for (int i = 0; i < a->n_candidates && text; i++)
        text = hawq_arena_format(&a->arena, "%s%s%s", text, i ? "," : "",
                                 a->name[i]);
    return text;
}

/* ", rewrite smooth:0.5", or nothing. */
static const char *describe_rewrite(hawq_analysis *a) {
    return a->rewrite ? hawq_arena_format(&a->arena, ", rewrite %s", a->rewrite)
                      : "";
}

/* Everything a sample depends on beyond model, data, loss and seed. */
static hawq_status describe_sampling(hawq_analysis *a) {
    const char *names = list_names(a);
    const char *estimators = describe_estimators(a);
    const char *activations = describe_activations(a);
    const char *rewrite = describe_rewrite(a);
    if (!rewrite || !names || !estimators || !activations) return HAWQ_ENOMEM;
    a->sampling = hawq_arena_format(
        &a->arena,
        "batch-size %d, images %d, chunk %d, candidates %s, range %s%s, "
        "%s%s%s",
        a->batch_size, a->images, a->graph->batch, names,
        hawq_range_name((hawq_range)a->range), estimators, hawq_conv_provider(),
        activations, rewrite);
    return a->sampling ? HAWQ_OK : HAWQ_ENOMEM;
}

static hawq_status prepare(hawq_analysis *a) {
    size_t available = hawq_memory_available();
    a->program_bytes = hawq_memory_resident();
    HAWQ_TRY(hawq_analysis_candidates(a));
    HAWQ_TRY(read_metrics(a));
    HAWQ_TRY(read_activation_bits(a));
    HAWQ_TRY(load(a));
    HAWQ_TRY(hawq_analysis_fit_memory(a, available));
    HAWQ_TRY(take_results(a));
    HAWQ_TRY(hawq_threads_new(a->n_threads, &a->threads));
    HAWQ_TRY(hawq_analysis_rewrite(a));
    HAWQ_TRY(hawq_analysis_quantize(a));
    hawq_memory_trim(); /* the evidence */
    HAWQ_TRY(start_engine(a));
    HAWQ_TRY(hawq_analysis_start_sampling(a));
    HAWQ_TRY(start_study(a));
    HAWQ_TRY(describe_sampling(a));
    hawq_cli_detail(a->cli, "%d threads, %d lanes; %s", a->n_threads, a->lanes,
                    a->sampling);
    return HAWQ_OK;
}

hawq_status hawq_analysis_prepare(hawq_analysis *a) {
    return hawq_comm_agree(prepare(a));
}

/* --- running ------------------------------------------------------------- */

static hawq_status put_layers(hawq_analysis *a) {
    hawq_layer_record *row, *stored;
    int                n;
    HAWQ_TRY(hawq_store_load_layers(a->store, a->run, &a->arena, &n, &stored));
    if (n == a->graph->n_layers) return HAWQ_OK; /* resumed */
    if (n > 0)
        return hawq_store_incomplete(a->store, a->run,
                                     "its layers are not those of the model");
    HAWQ_TAKE(row, &a->arena, (size_t)a->graph->n_layers);
    for (int l = 0; l < a->graph->n_layers; l++) {
        const hawq_layer *layer = &a->graph->layer[l];
        row[l] = (hawq_layer_record){.name = layer->name,
                                     .op = layer->op,
                                     .params = (int64_t)layer->weight->n,
                                     .macs = layer->macs,
                                     .channels = (int64_t)layer->channels,
                                     .group = hawq_analysis_group(a, l)};
    }
    return hawq_store_put_layers(a->store, a->run, a->graph->n_layers, row);
}

static hawq_status begin(hawq_analysis *a) {
    hawq_run_record record;
    char            hash[HAWQ_HASH_TEXT];
    hawq_graph_hash(a->graph, hash);
    hawq_cli_record(a->cli, &record);
    record.model_path = a->model_path;
    record.model_hash = hash;
    record.data = a->data_text;
    record.loss = hawq_loss_name((hawq_loss)a->loss);
    record.provider = hawq_conv_provider();
    record.sampling = a->sampling;
    record.weight_range = hawq_range_name((hawq_range)a->range);
    hawq_rewriting_put(&a->rewriting, &record);
    HAWQ_TRY(hawq_store_open(a->cli->db, HAWQ_STORE_WRITE, &a->store));
    if (a->resume) {
        HAWQ_TRY(hawq_store_find_unfinished(a->store, &record, &a->run));
        if (a->run == 0)
            hawq_cli_note(a->cli,
                          "%s has no unfinished run with this model, "
                          "data and options; starting a new one",
                          a->cli->db);
    }
    if (a->run == 0) HAWQ_TRY(hawq_store_begin_run(a->store, &record, &a->run));
    hawq_cli_stored(a->cli, true, "run %lld in %s keeps what was found so far",
                    (long long)a->run, a->cli->db);
    return put_layers(a);
}

static hawq_status sample(hawq_analysis *a, hawq_metric metric) {
    hawq_mark   mark = hawq_arena_mark(&a->arena);
    hawq_status status = hawq_analysis_sample(a, metric);
    hawq_arena_reset(&a->arena, mark);
    return status;
}

static hawq_status start_storing(hawq_analysis *a) {
    HAWQ_TRY(hawq_analysis_put_quantized(a));
    HAWQ_TRY(hawq_analysis_put_study(a));
    HAWQ_TRY(hawq_analysis_put_histograms(a));
    return hawq_analysis_study(a, 0);
}

/* Ranks other than 0 take part in the sampled metrics only. */
static hawq_status run_metrics(hawq_analysis *a) {
    bool first = hawq_comm_rank() == 0;
    HAWQ_TRY(hawq_comm_agree(first ? start_storing(a) : HAWQ_OK));
    for (int m = 0; m < HAWQ_METRICS; m++)
        if (a->wanted[m] && hawq_metric_is_sampled((hawq_metric)m))
            HAWQ_TRY(sample(a, (hawq_metric)m));
    if (!first) return HAWQ_OK;
    HAWQ_TRY(hawq_analysis_study(a, HAWQ_FROM_PASSES));
    HAWQ_TRY(hawq_analysis_study(a, HAWQ_FROM_EIGENVALUES));
    HAWQ_TRY(hawq_analysis_study(a, HAWQ_FROM_PRODUCTS));
    HAWQ_TRY(hawq_analysis_activations(a));
    HAWQ_TRY(hawq_analysis_find_spectrum(a));
    HAWQ_TRY(hawq_analysis_note_minimum(a));
    HAWQ_TRY(hawq_store_finish_run(a->store, a->run));
    hawq_cli_stored(a->cli, false, "run %lld in %s is complete",
                    (long long)a->run, a->cli->db);
    return HAWQ_OK;
}

hawq_status hawq_analysis_run(hawq_analysis *a) {
    bool first = hawq_comm_rank() == 0;
    HAWQ_TRY(hawq_comm_agree(first ? begin(a) : HAWQ_OK));
    hawq_status status = run_metrics(a);
    if (first && status == HAWQ_ENONFINITE) {
        hawq_status dropped = hawq_store_drop_run(a->store, a->run);
        return dropped == HAWQ_OK ? status : dropped;
    }
    return status;
}

void hawq_analysis_close(hawq_analysis *a) {
    hawq_store_close(a->store);
    if (a->single != a->engine) hawq_engine_free(a->single);
    hawq_graph_free(a->single_graph);
    hawq_engine_free(a->engine);
    hawq_threads_free(a->threads);
    hawq_dataset_free(&a->data);
    hawq_graph_free(a->graph);
    hawq_arena_free(&a->arena);
}
