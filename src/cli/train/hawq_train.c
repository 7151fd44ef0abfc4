/* hawq_train.c -- fits a small residual network, or goes on with a given one.
 *
 * The file is written after every epoch, and beside it FILE.onnx.checkpoint
 * until the last one: `--resume` goes on from there, so an interrupted run
 * loses at most one epoch. Same options, data and seed: same bytes, interrupted
 * or not. What can be known to fail fails before the first epoch.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/cli.h"
#include "src/cli/kit/data_options.h"
#include "src/cli/kit/input_options.h"
#include "src/cli/kit/model.h"
#include "src/cli/kit/output.h"
#include "src/cli/kit/progress.h"
#include "src/cli/train/train_checkpoint.h"
#include "src/graph/convolve.h"
#include "src/graph/score.h"
#include "src/load/file.h"
#include "src/load/onnx.h"
#include "src/ops/ops.h"
#include "src/train/model.h"
#include "src/train/train.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CHUNK = 16, /* images per sweep; part of the result: sums' order */
    USUAL_BATCH = 64
};

/* Peak rates where none is given. The larger one would first undo much of what
 * a trained network has learned. */
static const double rate_new = 0.1, rate_from = 0.01;

static struct {
    const char *model, *from, *test, *output;
    int         epochs, batch_size /* 0: the usual */, shift;
    double      rate /* 0: by what is trained */, warm_up;
    bool        flip, resume;

    hawq_sgd_options sgd;
} o = {.epochs = 20,
       .warm_up = 1,
       .sgd = {.momentum = 0.9, .decay = 1e-4, .clip = 1}};

static const hawq_option options[] = {
    HAWQ_OPTION_TEXT("model", 'm', &o.model, "resnet:W,W,...[:BLOCKS]",
                     "a new network: residual stages of these widths, BLOCKS "
                     "blocks each (default 1)"),
    HAWQ_OPTION_TEXT("from", 'f', &o.from, "MODEL.onnx",
                     "go on with this network instead"),
    HAWQ_OPTION_TEXT("output", 'o', &o.output, "FILE.onnx",
                     "the trained network, written after every epoch"),
    HAWQ_OPTION_TEXT("test", 0, &o.test, "SPEC",
                     "images to test on after every epoch; scaled like --data"),
    HAWQ_OPTION_INT("epochs", 'e', &o.epochs, 1, 100000, "N",
                    "passes over the images (default 20)"),
    HAWQ_OPTION_INT("batch-size", 'b', &o.batch_size, 1, 1000000, "N",
                    "images per step (default 64)"),
    HAWQ_OPTION_REAL(
        "rate", 'r', &o.rate, 1e-12, 1e6, "R",
        "peak learning rate; falls along a cosine (default 0.1, with "
        "--from 0.01)"),
    HAWQ_OPTION_REAL("warm-up", 0, &o.warm_up, 0, 100000, "EPOCHS",
                     "epochs over which the rate rises (default 1)"),
    HAWQ_OPTION_REAL("momentum", 0, &o.sgd.momentum, 0, 0.999999, "M",
                     "momentum of the steps (default 0.9)"),
    HAWQ_OPTION_REAL("weight-decay", 0, &o.sgd.decay, 0, 1, "D",
                     "pull of weights, not biases, to 0 (default 1e-4)"),
    HAWQ_OPTION_REAL("clip", 0, &o.sgd.clip, 0, 1e30, "NORM",
                     "shorten gradients longer than this; 0: none (default 1)"),
    HAWQ_OPTION_FLAG("nesterov", 0, &o.sgd.nesterov, "look ahead (Nesterov)"),
    HAWQ_OPTION_FLAG("flip", 0, &o.flip,
                     "mirror half of the images, left to right"),
    HAWQ_OPTION_INT("shift", 0, &o.shift, 0, 1024, "N",
                    "move images by up to N pixels each way (default 0)"),
    HAWQ_OPTION_FLAG("resume", 0, &o.resume,
                     "go on with the training that was writing --output, given "
                     "the same options"),
    {0}};

/* --- what is reported --------------------------------------------------- */

typedef struct report {
    hawq_cli     *cli;
    hawq_graph   *graph;
    hawq_progress progress;
    hawq_json     json;
    bool          begun, headed;
    double        first, last; /* loss at the start, and of the last epoch */
    const char   *checkpoint, *identity; /* its file, and what it must be of */
} report;

static void report_step(void *self, size_t done, size_t steps, double loss) {
    report *r = self;
    char    note[32];
    if (!r->begun)
        hawq_progress_begin(&r->progress, r->cli->quiet, "training",
                            (int64_t)steps, "steps");
    if (!r->begun) r->first = loss;
    r->begun = true;
    snprintf(note, sizeof note, "loss %.4f", loss);
    hawq_progress_update(&r->progress, (int64_t)done, note);
}

/* The first epoch opens the document, so a run that fails before leaves
 * stdout empty; `fit` closes it. */
static void print_json(hawq_json *w, const hawq_train_epoch *e, bool first) {
    if (first) {
        hawq_json_object(w, NULL);
        hawq_json_text(w, "output", o.output);
        hawq_json_array(w, "epochs");
    }
    hawq_json_object(w, NULL);
    hawq_json_integer(w, "epoch", e->epoch);
    hawq_json_real(w, "rate", e->rate);
    hawq_json_real(w, "loss", e->loss);
    hawq_json_real(w, "accuracy", e->accuracy);
    hawq_json_real(w, "test_loss", e->test_loss);
    hawq_json_real(w, "test_accuracy", e->test_accuracy);
    hawq_json_real(w, "seconds", e->seconds);
    hawq_json_end(w);
}

static void print_separated(const hawq_train_epoch *e, bool first, bool csv) {
    static const char *const name[] = {"epoch",    "rate",      "loss",
                                       "accuracy", "test_loss", "test_accuracy",
                                       "seconds"};
    const double value[] = {e->rate,      e->loss,          e->accuracy,
                            e->test_loss, e->test_accuracy, e->seconds};
    const char   comma = csv ? ',' : '\t', *end = csv ? "\r\n" : "\n";
    char         text[32];
    for (int i = 0; first && i < 7; i++)
        printf("%s%s", name[i], i < 6 ? (char[]){comma, 0} : end);
    printf("%d", e->epoch);
    for (size_t i = 0; i < sizeof value / sizeof *value; i++)
        printf("%c%s", comma,
               isfinite(value[i]) ? hawq_number_text(value[i], text) : "");
    fputs(end, stdout);
}

/* "  95.34 %" in so many columns, "-" if it is not known. */
static void print_share(int width, double share) {
    if (isfinite(share))
        printf("  %*.2f %%", width - 2, 100 * share);
    else
        printf("  %*s", width, "-");
}

static void print_row(const hawq_train_epoch *e, bool first) {
    if (first)
        puts("epoch      rate     loss  accuracy  test loss  test accuracy  "
             "seconds");
    printf("%5d  %8.5f  %7.4f", e->epoch, e->rate, e->loss);
    print_share(9, e->accuracy);
    if (isfinite(e->test_loss))
        printf("  %9.4f", e->test_loss);
    else
        printf("  %9s", "-");
    print_share(13, e->test_accuracy);
    printf("  %7.1f\n", e->seconds);
}

/* What an interrupt leaves behind. */
static void keeps(const report *r, int epoch) {
    hawq_cli_stored(r->cli, true, "%s keeps the training up to epoch %d of %d",
                    r->checkpoint, epoch, o.epochs);
}

/* One line per epoch as it ends, and the network and where it stands on disk;
 * behind the last epoch there is nothing to go on with. */
static hawq_status report_epoch(void *self, const hawq_train_epoch *e) {
    report *r = self;
    bool    first = !r->headed;
    hawq_progress_end(&r->progress);
    if (first && o.epochs > e->epoch) r->first = e->loss;
    r->headed = true;
    r->last = e->loss;
    if (r->cli->format == HAWQ_FORMAT_JSON)
        print_json(&r->json, e, first);
    else if (r->cli->format == HAWQ_FORMAT_TABLE)
        print_row(e, first);
    else
        print_separated(e, first, r->cli->format == HAWQ_FORMAT_CSV);
    fflush(stdout);
    HAWQ_TRY(hawq_onnx_save(o.output, r->graph, "hawq-train " HAWQ_VERSION));
    if (e->epoch == o.epochs) {
        unlink(r->checkpoint);
        hawq_cli_stored(r->cli, false, "%s is complete", o.output);
        return HAWQ_OK;
    }
    HAWQ_TRY(
        hawq_checkpoint_write(r->checkpoint, r->identity, r->graph, &e->state));
    keeps(r, e->epoch);
    return HAWQ_OK;
}

/* --- from options to a run ---------------------------------------------- */

/* Outputs that the data ask for: targets, or one per class. */
static hawq_status count_outputs(const hawq_dataset *data, int64_t *out) {
    int64_t n = data->targets ? (int64_t)hawq_dataset_answers(data) : 0;
    if (data->labels && hawq_dataset_answers(data) != 1)
        return hawq_fail(HAWQ_EINVAL,
                         "%s: y has %zu labels an image; the networks of "
                         "--model are trained with one",
                         hawq_data_spec(), hawq_dataset_answers(data));
    for (size_t i = 0; data->labels && i < data->n; i++) {
        if (data->labels[i] < 0 || data->labels[i] > 65535)
            return hawq_fail(HAWQ_EFORMAT,
                             "%s: image %zu has label %lld, expected 0 to "
                             "65535",
                             hawq_data_spec(), i, (long long)data->labels[i]);
        if (data->labels[i] >= n) n = data->labels[i] + 1;
    }
    *out = n;
    return HAWQ_OK;
}

/* A grey image of height x width is one of a single channel. */
static hawq_status image_shape(const hawq_dataset *data, int64_t shape[3]) {
    const hawq_shape *item = &data->item;
    char              text[128];
    if (item->rank != 2 && item->rank != 3)
        return hawq_fail(HAWQ_EINVAL,
                         "%s: images of shape %s; --model needs (channels, "
                         "height, width)",
                         hawq_data_spec(), hawq_shape_text(item, text));
    shape[0] = item->rank == 3 ? item->dim[0] : 1;
    shape[1] = item->dim[item->rank - 2];
    shape[2] = item->dim[item->rank - 1];
    return HAWQ_OK;
}

static hawq_loss loss_of(const hawq_dataset *data) {
    return data->labels ? HAWQ_CROSS_ENTROPY : HAWQ_MSE;
}

static hawq_status open_graph(const hawq_cli *cli, const hawq_dataset *data,
                              hawq_graph **out) {
    hawq_model model;
    int64_t    shape[3], outputs = 0;
    if (o.from)
        return hawq_model_load_for(cli, o.from, CHUNK, loss_of(data), out);
    HAWQ_TRY(hawq_model_parse(o.model, &model));
    HAWQ_TRY(image_shape(data, shape));
    HAWQ_TRY(count_outputs(data, &outputs));
    HAWQ_TRY(hawq_model_build(&model, cli->seed, CHUNK, shape, outputs,
                              hawq_op_find, out));
    return hawq_score_check_output(*out, loss_of(data));
}

static double peak_rate(void) {
    return o.rate > 0 ? o.rate : o.from ? rate_from : rate_new;
}

/* All that the bits of the result depend on, as the checkpoint's lines. */
static hawq_status describe(hawq_cli *cli, const hawq_graph *graph,
                            const hawq_dataset *data, const char **out) {
    char        hash[HAWQ_HASH_TEXT];
    const char *images = hawq_data_text(&cli->arena);
    hawq_graph_hash(graph, hash);
    *out = images ? hawq_arena_format(
                        &cli->arena,
                        "network %s\ndata %s\nimages %zu\nseed %llu\n"
                        "epochs %d\nbatch-size %d\nrate %.17g\n"
                        "warm-up %.17g\nmomentum %.17g\nweight-decay %.17g\n"
                        "clip %.17g\nnesterov %d\nflip %d\nshift %d\n"
                        "products by %s\n",
                        hash, images, data->n, (unsigned long long)cli->seed,
                        o.epochs, o.batch_size, peak_rate(), o.warm_up,
                        o.sgd.momentum, o.sgd.decay, o.sgd.clip, o.sgd.nesterov,
                        o.flip, o.shift, hawq_conv_provider())
                  : NULL;
    return *out ? HAWQ_OK : HAWQ_ENOMEM;
}

/* Takes up the checkpoint, if there is one; state->epoch = 0 if not. */
static hawq_status resume(hawq_cli *cli, const report *r, hawq_graph *graph,
                          hawq_train_state *state) {
    state->epoch = 0;
    if (access(r->checkpoint, F_OK)) {
        hawq_cli_note(cli, "%s: there is none; starting a new training",
                      r->checkpoint);
        return HAWQ_OK;
    }
    HAWQ_TRY(hawq_checkpoint_read(r->checkpoint, r->identity, graph,
                                  &cli->arena, state));
    hawq_cli_note(cli, "%s: going on after epoch %d of %d", r->checkpoint,
                  state->epoch, o.epochs);
    keeps(r, state->epoch);
    return HAWQ_OK;
}

static hawq_status train(hawq_cli *cli, report *r, const hawq_batch *images,
                         hawq_loss loss, const hawq_batch *tests,
                         const hawq_train_options *f) {
    hawq_train_report calls = {r, report_step, report_epoch};
    hawq_threads     *threads;
    HAWQ_TRY(hawq_threads_new(cli->threads, &threads));
    hawq_status s =
        hawq_train(r->graph, threads, loss, images, tests, f, &calls);
    hawq_progress_end(&r->progress);
    while (r->json.depth) hawq_json_end(&r->json);
    if (s == HAWQ_OK && r->last > r->first)
        hawq_cli_note(cli,
                      "the loss ended at %.4g, above the %.4g it began with; "
                      "lower --rate %g",
                      r->last, r->first, f->rate);
    hawq_threads_free(threads);
    return s;
}

static hawq_status fit(hawq_cli *cli, hawq_graph *graph,
                       const hawq_dataset *data, const hawq_dataset *test) {
    hawq_shape        *shape = &graph->input->shape;
    hawq_batch         batch = {data->n, data->x, data->labels, data->targets};
    hawq_batch         tests = {test->n, test->x, test->labels, test->targets};
    hawq_train_options f = {.epochs = o.epochs,
                            .batch_size = (size_t)o.batch_size,
                            .rate = peak_rate(),
                            .warm_up = o.warm_up,
                            .sgd = o.sgd,
                            .augment = {.flip = o.flip, .shift = o.shift},
                            .seed = cli->seed};
    report             r = {cli, graph, .json = {.file = stdout}};
    hawq_train_state   state = {0};
    real              *fill;
    if (shape->rank == 4) {
        HAWQ_TAKE(fill, &cli->arena, (size_t)shape->dim[1]);
        hawq_data_black((int)shape->dim[1], fill);
        f.augment.fill = fill;
    }
    r.checkpoint = hawq_arena_format(&cli->arena, "%s.checkpoint", o.output);
    if (!r.checkpoint) return HAWQ_ENOMEM;
    HAWQ_TRY(describe(cli, graph, data, &r.identity));
    if (o.resume) HAWQ_TRY(resume(cli, &r, graph, &state));
    if (state.epoch) f.start = &state;
    return train(cli, &r, &batch, loss_of(data), o.test ? &tests : NULL, &f);
}

/* What can be known to fail without reading the images. */
static hawq_status check_options(void) {
    struct stat from, output;
    if (!o.model == !o.from)
        return hawq_fail(HAWQ_EINVAL, "give either --model, for a new network, "
                                      "or --from, to go on with one");
    if (!o.output)
        return hawq_fail(HAWQ_EINVAL, "--output is missing: FILE.onnx");
    if (o.from && !stat(o.from, &from) && !stat(o.output, &output) &&
        from.st_dev == output.st_dev && from.st_ino == output.st_ino)
        return hawq_fail(HAWQ_EINVAL,
                         "--output %s is the network given by --from and would "
                         "replace it; choose another name",
                         o.output);
    if (hawq_file_probe(o.output) != HAWQ_OK)
        return hawq_prefix("%s: ", o.output);
    return HAWQ_OK;
}

/* The images to train on and the network, which fit each other. */
static hawq_status open_training(hawq_cli *cli, hawq_dataset *data,
                                 hawq_graph **graph) {
    HAWQ_TRY(hawq_data_load(NULL, HAWQ_LABELS_NEEDED, data));
    HAWQ_TRY(hawq_data_batch(cli, data->n, o.batch_size, USUAL_BATCH,
                             &o.batch_size));
    HAWQ_TRY(open_graph(cli, data, graph));
    HAWQ_TRY(hawq_dataset_check(data, *graph, hawq_data_spec()));
    if (data->targets)
        hawq_cli_note(cli, "y holds targets (floating point): the loss is the "
                           "mean squared error, and there is no accuracy");
    return hawq_dataset_check_loss(data, *graph, loss_of(data),
                                   hawq_data_spec());
}

/* The same loss is taken of both. */
static hawq_status open_test(const hawq_dataset *data, const hawq_graph *graph,
                             hawq_dataset *test) {
    if (!o.test) return HAWQ_OK;
    HAWQ_TRY(hawq_data_load_other(o.test, 0, graph, HAWQ_LABELS_NEEDED, test));
    if (!test->labels != !data->labels)
        return hawq_fail(HAWQ_EINVAL,
                         "%s: y holds %s, and that of --data %s: save both as "
                         "integers, or both as floating point",
                         o.test,
                         test->labels ? "labels (integers)"
                                      : "targets (floating point)",
                         data->labels ? "labels" : "targets");
    return hawq_dataset_check_loss(test, graph, loss_of(data), o.test);
}

static hawq_status run(hawq_cli *cli) {
    hawq_dataset data = {0}, test = {0};
    hawq_graph  *graph = NULL;
    HAWQ_TRY(check_options());
    hawq_status s = open_training(cli, &data, &graph);
    if (s == HAWQ_OK) s = open_test(&data, graph, &test);
    if (s == HAWQ_OK) s = fit(cli, graph, &data, &test);
    hawq_graph_free(graph);
    hawq_dataset_free(&test);
    hawq_dataset_free(&data);
    return s;
}

const hawq_command hawq_command_this = {
    .name = "hawq-train",
    .summary = "Trains a network by stochastic gradient descent and writes it "
               "as ONNX.",
    .usage = "--model resnet:16,32,64 --data SPEC --output FILE.onnx [options]",
    .options = {options, hawq_data_rows, hawq_input_rows,
                hawq_network_output_rows},
    .no_db = true,
    .run = run};
