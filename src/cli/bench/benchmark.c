/* benchmark.c -- preparing, measuring and storing a benchmark.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/bench/benchmark.h"

#include "src/base/rng.h"
#include "src/cli/kit/data_options.h"
#include "src/cli/kit/model.h"
#include "src/cli/kit/progress.h"
#include "src/graph/convolve.h"
#include "src/graph/score.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

enum { SLICE = 500 }; /* images between progress lines */

/* --- preparing --------------------------------------------------------- */

static hawq_status load_calibration(hawq_benchmark *b) {
    size_t limit = (size_t)b->calibration_limit, n = b->data.n;
    b->calibration_text = b->calibrate    ? b->calibrate
                          : b->times_only ? "random numbers"
                                          : "--data";
    if (b->calibrate) {
        HAWQ_TRY(hawq_data_load_other(b->calibrate, limit, b->graph,
                                      HAWQ_LABELS_IGNORED, &b->other));
        n = b->other.n;
    }
    b->calibration_images = n < limit ? n : limit;
    b->verified = (size_t)b->verify < b->data.n ? (size_t)b->verify : b->data.n;
    return HAWQ_OK;
}

/* What the data knows of the images decides what is measured on them. */
static hawq_status load_images(hawq_benchmark *b) {
    hawq_graph *inputs; /* what is fed does not depend on the loss */
    HAWQ_TRY(hawq_model_read(b->model_path, 0, &inputs));
    hawq_status status = hawq_data_load(inputs, HAWQ_LABELS_OPTIONAL, &b->data);
    hawq_graph_free(inputs);
    HAWQ_TRY(status);
    b->has_answers = b->data.labels || b->data.targets;
    if (b->data.targets) b->loss = HAWQ_MSE;
    return hawq_data_batch(b->cli, b->data.n, b->batch_size, 1, &b->batch_size);
}

static hawq_status check_images(const hawq_benchmark *b) {
    HAWQ_TRY(hawq_dataset_check(&b->data, b->graph, hawq_data_spec()));
    if (!b->has_answers) return HAWQ_OK;
    return hawq_dataset_check_loss(&b->data, b->graph, b->loss,
                                   hawq_data_spec());
}

/* Integer kernels take the same time whatever the numbers: any will do. */
static hawq_status draw_images(hawq_benchmark *b) {
    size_t n = (size_t)b->batch_size, least = (size_t)b->graph->batch;
    if (b->graph->fixed_batch && n < least) n = least;
    size_t   values = n * b->graph->n_row;
    uint64_t key = hawq_rng_key(b->cli->seed, 0, 0, 0);
    HAWQ_TAKE(b->data.x, &b->data.arena, values);
    b->data.n = n;
    b->data.n_inputs = b->graph->n_inputs;
    for (size_t i = 0; i < values; i++)
        b->data.x[i] = (real)hawq_rng_uniform(key, i);
    for (int k = 0; k < b->graph->n_inputs; k++) { /* ids: the first two */
        const hawq_input *in = &b->graph->inputs[k];
        for (size_t i = 0; in->tensor->whole && i < n * in->n; i++) {
            real *x =
                b->data.x + i / in->n * b->graph->n_row + in->start + i % in->n;
            *x = *x < (real)0.5 ? 0 : 1;
        }
    }
    return HAWQ_OK;
}

/* Where nothing is compared by classes, any output of every image does. */
static hawq_status load_model(const hawq_benchmark *b, bool quiet, int batch,
                              hawq_graph **out) {
    hawq_cli cli = *b->cli;
    cli.quiet |= quiet;
    if (b->has_answers)
        return hawq_model_load_for(&cli, b->model_path, batch, b->loss, out);
    HAWQ_TRY(hawq_model_load(&cli, b->model_path, batch, out));
    return hawq_score_check_output(*out, HAWQ_MSE) == HAWQ_OK
               ? HAWQ_OK
               : hawq_prefix("%s: ", b->model_path);
}

static hawq_status load(hawq_benchmark *b) {
    if (!b->times_only) HAWQ_TRY(load_images(b));
    /* Who only wants times has read the notes before. */
    HAWQ_TRY(load_model(b, b->times_only, 0, &b->graph));
    if (b->graph->n_layers == 0)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "%s: no Conv, Gemm or MatMul with constant weights: "
                         "there is nothing to quantize",
                         b->model_path);
    HAWQ_TRY(load_model(b, true, 1, &b->image_graph));
    HAWQ_TRY(b->times_only ? draw_images(b) : check_images(b));
    return load_calibration(b);
}

/* What is there already is read before anything is measured; a database that is
 * not there is made only once all input has been found good. */
static hawq_status open_to_read(hawq_benchmark *b) {
    if (access(b->cli->db, F_OK) != 0) return HAWQ_OK;
    return hawq_store_open(b->cli->db, HAWQ_STORE_WRITE, &b->store);
}

static hawq_status open_to_write(hawq_benchmark *b) {
    if (b->store) return HAWQ_OK;
    return hawq_store_open(b->cli->db, HAWQ_STORE_WRITE, &b->store);
}

/* Float network and uniform8 first: they are the baselines of every speed-up,
 * and reported only if asked for. A name given twice is one row. */
static hawq_status resolve(hawq_benchmark *b) {
    static const char *own[] = {"file"}, *uniform8[] = {"uniform8"};
    if (b->allocations.n == 0)
        b->allocations = (hawq_texts){
            1, hawq_qdq_is_quantized(b->image_graph) ? own : uniform8};
    int n = b->allocations.n + 2;
    HAWQ_TAKE(b->contender, &b->arena, (size_t)n);
    for (int i = 0; i < n; i++) {
        const char     *name = i == 0   ? "float32"
                               : i == 1 ? "uniform8"
                                        : b->allocations.item[i - 2];
        hawq_contender *next = &b->contender[b->n];
        HAWQ_TRY(hawq_benchmark_allocation(b, name, next));
        int same = 0;
        while (strcmp(b->contender[same].label, next->label) != 0) same++;
        if (same == b->n) b->n++;
        if (i >= 2 && !b->contender[same].asked)
            b->contender[same].asked = ++b->n_asked;
    }
    return HAWQ_OK;
}

/* All programs are made of one network: as the allocations want it. */
static hawq_status rewrite(hawq_benchmark *b) {
    const hawq_allocation **a;
    HAWQ_TAKE(a, &b->arena, (size_t)b->n);
    for (int i = 0; i < b->n; i++) a[i] = &b->contender[i].allocation;
    HAWQ_TRY(hawq_rewriting_agree(b->n, a, NULL, &b->rewriting));
    HAWQ_TRY(hawq_rewriting_apply(&b->rewriting, b->graph));
    return hawq_rewriting_apply(&b->rewriting, b->image_graph);
}

const hawq_contender *hawq_benchmark_row(const hawq_benchmark *b, int row) {
    int i = 0;
    while (b->contender[i].asked != row) i++;
    return &b->contender[i];
}

/* A batch is spread over the threads: this many images for each. */
static hawq_status start_timing(hawq_benchmark *b) {
    int n = hawq_latency_threads(b->cli, b->batch_size);
    HAWQ_TRY(hawq_threads_new(n, &b->timing_threads));
    int chunk = (b->batch_size + n - 1) / n;
    b->small_graph = b->image_graph;
    if (chunk > 1) {
        HAWQ_TRY(load_model(b, true, chunk < 32 ? chunk : 32, &b->small_graph));
        HAWQ_TRY(hawq_rewriting_apply(&b->rewriting, b->small_graph));
    }
    return hawq_engine_new(b->small_graph, b->timing_threads, 0,
                           HAWQ_CROSS_ENTROPY, &b->engine);
}

/* Ranges of the activations of the graph that is lowered. */
static hawq_status calibrate(hawq_benchmark *b) {
    const hawq_dataset *images = b->calibrate ? &b->other : &b->data;
    hawq_batch          batch = {b->calibration_images, images->x, NULL, NULL};
    hawq_engine        *engine;
    HAWQ_TRY(hawq_engine_new(b->image_graph, b->threads, 1, HAWQ_CROSS_ENTROPY,
                             &engine));
    hawq_status status = hawq_calibrate(engine, b->image_graph, &batch,
                                        &b->arena, &b->calibration);
    hawq_engine_free(engine);
    return status;
}

/* Float outputs of all images. */
static hawq_status run_float(hawq_benchmark *b) {
    hawq_engine *engine;
    size_t       n_out = hawq_per_image(b->graph, b->graph->output);
    HAWQ_TAKE(b->float_output, &b->arena, b->data.n * n_out);
    HAWQ_TAKE(b->output, &b->arena, b->data.n * n_out);
    HAWQ_TRY(hawq_threads_new(b->cli->threads, &b->threads));
    HAWQ_TRY(
        hawq_engine_new(b->graph, b->threads, 0, HAWQ_CROSS_ENTROPY, &engine));
    hawq_progress p;
    hawq_progress_begin(&p, b->cli->quiet, "float network", (int64_t)b->data.n,
                        "images");
    for (size_t i = 0; i < b->data.n; i += SLICE) {
        size_t     n = b->data.n - i < SLICE ? b->data.n - i : SLICE;
        size_t     n_in = b->graph->n_row;
        hawq_batch batch = {.n = n, .x = b->data.x + i * n_in};
        hawq_engine_forward(engine, &batch, b->float_output + i * n_out, NULL,
                            NULL);
        hawq_progress_update(&p, (int64_t)(i + n), NULL);
    }
    hawq_progress_end(&p);
    hawq_engine_free(engine);
    return calibrate(b);
}

/* As stored: five ternary codes are a byte. */
static double mean_bits(const hawq_graph *g, const hawq_choice *choice,
                        const hawq_quantized *q) {
    double bits = 0, params = 0;
    for (int i = 0; i < g->n_layers; i++) {
        double n = (double)g->layer[i].weight->n;
        bool   coded = choice[i].weight_bits != HAWQ_FLOAT_BITS && q[i].rows;
        bits += n * (coded ? hawq_format_stored_bits(&q[i].format)
                           : choice[i].weight_bits);
        params += n;
    }
    return bits / params;
}

static hawq_status lower(hawq_benchmark *b, hawq_contender *c) {
    hawq_arena         weights = {0};
    hawq_quantized    *quantized = NULL;
    hawq_lower_options options = {.n_choices = c->n_choices,
                                  .choice = c->choice,
                                  .activation_range =
                                      (hawq_range)b->activation_range};
    hawq_status        status = HAWQ_OK;
    if (!c->own)
        status = hawq_allocation_codes(b->store, b->image_graph, &c->allocation,
                                       b->threads, &weights, NULL, &quantized);
    options.quantized = c->own ? c->own->quantized : quantized;
    if (c->own) {
        options.map = c->own->map;
        options.has_map = c->own->has_map;
    }
    if (status == HAWQ_OK)
        status = hawq_program_lower(b->image_graph, &b->calibration, &options,
                                    &c->program);
    if (status == HAWQ_OK)
        c->mean_bits =
            mean_bits(b->graph, c->program->choice, options.quantized);
    hawq_arena_free(&weights);
    if (status == HAWQ_EUNSUPPORTED) return hawq_prefix("%s: ", b->model_path);
    if (status != HAWQ_OK) return hawq_prefix("%s: ", c->label);
    return hawq_runner_new(c->program, b->table, b->timing_threads, &c->runner);
}

/* Where the float network alone was asked for, uniform8 is a baseline that may
 * be missing. */
static hawq_status lower_all(hawq_benchmark *b) {
    for (int i = 0; i < b->n; i++) {
        hawq_contender *c = &b->contender[i];
        HAWQ_TAKE(c->sample, &b->arena, (size_t)b->repeats);
        if (!c->choice) continue;
        hawq_status status = lower(b, c);
        if (status == HAWQ_EUNSUPPORTED && b->n == 2 && !c->asked) {
            hawq_cli_note(b->cli, "no uniform8 to compare with: %s",
                          hawq_message());
            b->n = 1;
        } else if (status != HAWQ_OK) {
            return status;
        }
    }
    return HAWQ_OK;
}

hawq_status hawq_benchmark_prepare(hawq_benchmark *b) {
    HAWQ_TRY(hawq_latency_kernels(b->device, b->kernels, &b->table));
    HAWQ_TRY(load(b));
    HAWQ_TRY(open_to_read(b));
    HAWQ_TRY(resolve(b));
    HAWQ_TRY(rewrite(b));
    if (!b->times_only) HAWQ_TRY(hawq_benchmark_predict(b));
    HAWQ_TRY(run_float(b));
    HAWQ_TRY(start_timing(b));
    HAWQ_TRY(lower_all(b));
    return open_to_write(b);
}

/* --- outputs ------------------------------------------------------------ */

/* Of outputs y of all images; nothing is known without data. */
static void score(const hawq_benchmark *b, const float *y, hawq_contender *c) {
    hawq_batch images = {b->data.n, b->data.x, b->data.labels, b->data.targets};
    hawq_score found = {NAN, NAN, NAN, NAN};
    if (!b->times_only)
        found =
            hawq_score_outputs(b->graph, b->loss, &images, y, b->float_output);
    c->record.accuracy = found.accuracy;
    c->record.loss = found.loss;
    c->record.agreement = found.agreement;
    c->output_mse = found.mse;
}

/* Are the first outputs the same bits on the reference kernels? */
static hawq_status verify(hawq_benchmark *b, const hawq_contender *c,
                          bool *same) {
    size_t       n = b->verified;
    hawq_runner *ref;
    float       *y;
    HAWQ_TAKE(y, &b->arena, n * c->program->n_out);
    HAWQ_TRY(hawq_runner_new(c->program, hawq_kernels_select("ref"), b->threads,
                             &ref));
    hawq_runner_run(ref, n, b->data.x, y);
    hawq_runner_free(ref);
    *same = memcmp(y, b->output, n * c->program->n_out * sizeof *y) == 0;
    return HAWQ_OK;
}

static hawq_status measure_outputs(hawq_benchmark *b, hawq_contender *c) {
    hawq_runner *all;
    HAWQ_TRY(hawq_runner_new(c->program, b->table, b->threads, &all));
    hawq_runner_run(all, b->data.n, b->data.x, b->output);
    hawq_runner_free(all);
    if (b->outputs && c->asked == 1) HAWQ_TRY(hawq_benchmark_write_outputs(b));
    score(b, b->output, c);
    return verify(b, c, &c->record.bit_exact);
}

/* --- records ----------------------------------------------------------- */

static int64_t float_bytes(const hawq_graph *g, bool biases) {
    int64_t bytes = hawq_graph_rest_bytes(g);
    for (int i = 0; i < g->n_layers; i++) {
        const hawq_layer *l = &g->layer[i];
        bytes += 4 * (int64_t)l->weight->n;
        if (biases && l->bias) bytes += 4 * (int64_t)l->bias->n;
    }
    return bytes;
}

static void fill_record(hawq_benchmark *b, hawq_contender *c) {
    hawq_benchmark_record *r = &c->record;
    r->label = c->label;
    r->device = c->program ? b->device : "cpu";
    r->kernels = c->program ? b->table->name : hawq_conv_provider();
    r->batch_size = b->batch_size;
    r->threads = hawq_threads_count(b->timing_threads);
    r->repeats = b->repeats;
    r->samples = b->times_only ? 0 : (int64_t)b->data.n;
    if (c->program) {
        r->weight_bytes = c->program->weight_bytes;
        r->file_bytes = c->program->file_bytes;
        return;
    }
    c->mean_bits = 32;
    r->weight_bytes = float_bytes(b->graph, false);
    r->file_bytes = float_bytes(b->graph, true);
    r->bit_exact = true; /* it is its own reference */
}

hawq_status hawq_benchmark_measure(hawq_benchmark *b) {
    const hawq_benchmark_record *f = &b->contender[0].record;
    score(b, b->float_output, &b->contender[0]);
    if (b->outputs && !hawq_benchmark_row(b, 1)->choice) {
        memcpy(b->output, b->float_output,
               b->data.n * hawq_per_image(b->graph, b->graph->output) *
                   sizeof *b->output);
        HAWQ_TRY(hawq_benchmark_write_outputs(b));
    }
    for (int i = 0; i < b->n; i++) {
        hawq_contender *c = &b->contender[i];
        if (c->program && c->asked) HAWQ_TRY(measure_outputs(b, c));
        if (c->program && c->asked) HAWQ_TRY(hawq_benchmark_time_layers(b, c));
        fill_record(b, c);
        c->record.float_accuracy = f->accuracy;
        c->record.float_loss = f->loss;
    }
    HAWQ_TRY(hawq_benchmark_time_rounds(b));
    return hawq_benchmark_predict_times(b);
}

/* --- storing ----------------------------------------------------------- */

static hawq_status put_layers(hawq_benchmark *b, int64_t run) {
    hawq_layer_record *row;
    HAWQ_TAKE(row, &b->arena, (size_t)b->graph->n_layers);
    for (int i = 0; i < b->graph->n_layers; i++) {
        const hawq_layer *l = &b->graph->layer[i];
        row[i] = (hawq_layer_record){.name = l->name,
                                     .op = l->op,
                                     .params = (int64_t)l->weight->n,
                                     .macs = l->macs,
                                     .channels = (int64_t)l->channels,
                                     .group = l->name};
    }
    return hawq_store_put_layers(b->store, run, b->graph->n_layers, row);
}

static hawq_status put_all(hawq_benchmark *b, int64_t run) {
    HAWQ_TRY(put_layers(b, run));
    for (int row = 1; row <= b->n_asked; row++) {
        hawq_contender *c =
            &b->contender[hawq_benchmark_row(b, row) - b->contender];
        HAWQ_TRY(hawq_store_put_benchmark(b->store, run, &c->record,
                                          &c->benchmark_id));
    }
    return hawq_store_finish_run(b->store, run);
}

hawq_status hawq_benchmark_store(hawq_benchmark *b) {
    hawq_run_record record;
    char            hash[HAWQ_HASH_TEXT];
    int64_t         run;
    hawq_graph_hash(b->graph, hash);
    hawq_cli_record(b->cli, &record);
    record.model_path = b->model_path;
    record.model_hash = hash;
    record.data = hawq_data_text(&b->arena);
    record.loss = b->has_answers ? hawq_loss_name(b->loss) : "none";
    record.provider = hawq_conv_provider();
    record.sampling = hawq_arena_format(
        &b->arena,
        "calibrated on the first %zu images of %s, activation range %s",
        b->calibration_images, b->calibration_text,
        hawq_range_name((hawq_range)b->activation_range));
    hawq_rewriting_put(&b->rewriting, &record);
    if (!record.data || !record.sampling) return HAWQ_ENOMEM;
    HAWQ_TRY(hawq_store_begin_run(b->store, &record, &run));
    hawq_status status = put_all(b, run);
    if (status == HAWQ_OK) return hawq_benchmark_fit_times(b);
    hawq_status dropped = hawq_store_drop_run(b->store, run);
    return dropped == HAWQ_OK ? status : dropped;
}

void hawq_benchmark_close(hawq_benchmark *b) {
    for (int i = 0; i < b->n; i++) {
        hawq_runner_free(b->contender[i].runner);
        hawq_program_free(b->contender[i].program);
    }
    hawq_engine_free(b->engine);
    hawq_threads_free(b->timing_threads);
    hawq_threads_free(b->threads);
    if (b->small_graph != b->image_graph) hawq_graph_free(b->small_graph);
    hawq_graph_free(b->image_graph);
    hawq_graph_free(b->graph);
    hawq_dataset_free(&b->data);
    hawq_dataset_free(&b->other);
    hawq_store_close(b->store);
    hawq_arena_free(&b->arena);
}
