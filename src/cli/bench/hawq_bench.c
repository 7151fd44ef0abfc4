/* hawq_bench.c -- hawq-bench: allocations on integer kernels, measured.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/bench/benchmark_report.h"
#include "src/cli/kit/data_options.h"
#include "src/cli/kit/input_options.h"
#include "src/cli/kit/page.h"
#include "src/graph/hash.h"

#include <limits.h>
#include <math.h>
#include <string.h>

static struct {
    hawq_texts  allocations, requirements;
    const char *calibrate, *kernels, *outputs, *report;
    int         calibration_limit, batch_size, repeats, verify, baseline;
    int         device, weight_range, activation_range;
} o = {.calibration_limit = 512,
       .batch_size = 1,
       .repeats = 50,
       .verify = 64,
       .weight_range = -1,
       .activation_range = HAWQ_RANGE_MSE};

static const hawq_option options[] = {
    HAWQ_OPTION_TEXTS("allocation", 'a', &o.allocations, "NAME",
                      "an id in the database, last, FILE.json, uniform8 ... "
                      "uniform2 (8-bit activations), a candidate for all "
                      "layers such as w4a4, w2c or k3, w32a32 (layers in "
                      "float, timed one by one), float32, or file (what a "
                      "quantized MODEL.onnx has itself) (default: file for "
                      "such a model, else uniform8)"),
    HAWQ_OPTION_TEXT("calibrate", 0, &o.calibrate, "SPEC",
                     "images that fix the activations' ranges (default: the "
                     "first ones of --data)"),
    HAWQ_OPTION_INT("calibration-limit", 0, &o.calibration_limit, 1, 100000000,
                    "N", "how many of them (default 512)"),
    HAWQ_REPORT_OPTION(&o.report),
    HAWQ_OPTION_TEXT("outputs", 0, &o.outputs, "FILE.npy",
                     "write the first allocation's outputs of all images"),
    HAWQ_OPTION_CHOICE("range", 0, &o.weight_range, "max|mse|percentile",
                       "range of the weight quantizer (default: the one an "
                       "allocation was searched with, else max)"),
    HAWQ_OPTION_CHOICE("activation-range", 0, &o.activation_range,
                       "max|mse|percentile",
                       "range of the activation quantizer (default mse)"),
    HAWQ_OPTION_TEXT("kernels", 'k', &o.kernels, "NAME",
                     "avx512vnni, avxvnni, avx2, neon-dotprod, neon or ref "
                     "(default: the best usable)"),
    HAWQ_OPTION_CHOICE("device", 0, &o.device, "cpu|cuda|opencl",
                       "where the layers run, if it was built (default cpu)"),
    HAWQ_OPTION_INT("batch-size", 0, &o.batch_size, 1, 1000000, "N",
                    "images in a timed batch (default 1, on one thread)"),
    HAWQ_OPTION_INT("repeats", 0, &o.repeats, 3, 100000, "N",
                    "timed rounds (default 50)"),
    HAWQ_OPTION_INT("verify", 0, &o.verify, 1, 100000000, "N",
                    "images whose outputs must be the same bits on the "
                    "reference kernels (default 64)"),
    HAWQ_OPTION_TEXTS("require", 0, &o.requirements, "KIND<=VALUE",
                      "(or >=) ends with exit code 4 where an allocation "
                      "misses it or it cannot be measured: accuracy, "
                      "accuracy-drop (from float32), agreement, loss, "
                      "weight-size, file-size, latency, speedup-vs-float, "
                      "speedup-vs-uniform8; with units such as 60KiB, 900us, "
                      "or 1.1x: times the baseline's figure, without one "
                      "uniform8's"),
    HAWQ_OPTION_INT("baseline", 0, &o.baseline, 1, INT_MAX, "ID",
                    "an earlier benchmark in the database, from which changes "
                    "are reported"),
    {0}};

/* --- notes --------------------------------------------------------------- */

static const char *plural(size_t n) {
    return n == 1 ? "" : "s";
}

/* Whether some of its layers stay in float. */
static bool holds_float_layers(const hawq_program *p) {
    for (int i = 0; i < p->n_layers; i++)
        if (p->choice[i].activation_bits == HAWQ_FLOAT_BITS) return true;
    return false;
}

/* "all 40 images", "the first 512 images", "the only image" */
static const char *images(const hawq_benchmark *b, bool all, size_t n) {
    const char *text = all ? "the only image" : "the first image";
    if (n != 1)
        text = hawq_arena_format(&b->cli->arena, "%s %zu images",
                                 all ? "all" : "the first", n);
    return text ? text : "";
}

/* Is some allocation of fewer than 8 bits, without layers in float, faster than
 * uniform8 by more than both spreads? True also if there is none to ask. */
static bool few_bits_are_fast(const hawq_benchmark *b) {
    const hawq_benchmark_record *eight = &b->contender[1].record;
    bool                         asked = false;
    for (int row = 1; row <= b->n_asked; row++) {
        const hawq_contender        *c = hawq_benchmark_row(b, row);
        const hawq_benchmark_record *r = &c->record;
        if (!c->program || !(c->mean_bits < 8)) continue;
        if (holds_float_layers(c->program)) continue;
        asked = true;
        if (r->latency_us + r->latency_spread_us + eight->latency_spread_us <
            eight->latency_us)
            return true;
    }
    return !asked;
}

/* Layers with channels whose bias did not fit, and how many: "a 3, b 1". */
static void note_rescaled(const hawq_benchmark *b, const hawq_contender *c) {
    const hawq_program *p = c->program;
    const char         *list = "";
    for (int i = 0; i < p->n_layers && list; i++)
        if (p->rescaled[i])
            list = hawq_arena_format(&b->cli->arena, "%s%s%s %d", list,
                                     *list ? ", " : "", p->choice[i].layer,
                                     p->rescaled[i]);
    hawq_cli_note(b->cli,
                  "%s: %d channel%s with a bias far larger than their weights "
                  "got larger weight scales, so that it fits 32 bits (layer "
                  "and channels: %s)",
                  c->label, p->n_rescaled, plural((size_t)p->n_rescaled),
                  list ? list : "");
}

/* Networks with layers in float have another constant than all-integer ones. */
static bool some_hold_float_layers(const hawq_benchmark *b) {
    for (int row = 1; row <= b->n_asked; row++) {
        const hawq_program *p = hawq_benchmark_row(b, row)->program;
        if (p && holds_float_layers(p)) return true;
    }
    return false;
}

static void note_latency(const hawq_benchmark *b) {
    const hawq_estimate *c = &b->latency.constant;
    const char          *error = "";
    if (c->n >= 3)
        error = hawq_arena_format(&b->cli->arena, ", standard error %.2g",
                                  c->stderr1);
    hawq_cli_note(b->cli,
                  "a batch takes its layers' times and a constant of %.3g us "
                  "(fitted to %d network%s%s); \"predicted ms\" adds up what "
                  "earlier runs and the other rows measured, and the row's own "
                  "layers where they did not",
                  c->mean, c->n, plural((size_t)c->n), error ? error : "");
    if (some_hold_float_layers(b))
        hawq_cli_note(b->cli,
                      "networks with layers in float and all-integer ones "
                      "share that constant, though theirs differ: where it "
                      "comes from the other kind, \"predicted ms\" can be far "
                      "off");
}

static bool same_cause(const hawq_floating *a, const hawq_floating *b) {
    return a->node->op == b->node->op && !strcmp(a->why, b->why);
}

/* "Mul 2 (it combines several activations), Softmax 1 (...)" */
static void note_floats(const hawq_benchmark *b, const hawq_contender *c) {
    const char *list = "";
    int         n = c->program->n_floats;
    for (int i = 0; i < n && list; i++) {
        const hawq_floating *what = c->float_node[i].what;
        int                  before = 0, count = 0;
        for (int j = 0; j < n; j++) {
            bool same = same_cause(what, c->float_node[j].what);
            before += same && j < i;
            count += same;
        }
        if (before) continue;
        list = hawq_arena_format(&b->cli->arena, "%s%s%s %d (%s)", list,
                                 *list ? ", " : "", what->node->op->name, count,
                                 what->why);
    }
    hawq_cli_note(b->cli, "%s: %d node%s in float32: %s", c->label, n,
                  n == 1 ? " runs" : "s run", list ? list : "");
}

static void note_integers(const hawq_benchmark *b) {
    size_t n = b->calibration_images;
    hawq_cli_note(b->cli, "activation ranges (%s) from %s of %s",
                  hawq_range_name((hawq_range)b->activation_range),
                  images(b, n < (size_t)b->calibration_limit, n),
                  b->calibration_text);
    n = b->verified;
    hawq_cli_note(
        b->cli,
        "\"exact\": compared bit by bit with the reference kernels on "
        "%s",
        images(b, n == b->data.n, n));
    if (b->predicted_by)
        hawq_cli_note(b->cli,
                      "\"predicted\" of what no search made: the sum of the "
                      "newest analysis' '%s' sensitivities",
                      b->predicted_by);
    if (b->other_loss)
        hawq_cli_note(b->cli,
                      "\"predicted\" is missing where no search made it: the "
                      "loss of the newest analysis is %s, that of these images "
                      "%s",
                      b->other_loss, hawq_loss_name(b->loss));
    if (b->other_range)
        hawq_cli_note(b->cli,
                      "\"predicted\" is missing where weights are quantized in "
                      "another range than the newest analysis' (%s): --range "
                      "%s compares like with like",
                      b->other_range, b->other_range);
    note_latency(b);
    if (!few_bits_are_fast(b))
        hawq_cli_note(b->cli,
                      "no network of fewer bits is faster than uniform8 "
                      "by more than the spread of the times: what they "
                      "surely save is bytes");
}

/* "accuracy 0.9367", "mse 0.0123", or that nothing is known. */
static const char *worth(const hawq_benchmark        *b,
                         const hawq_benchmark_record *r) {
    const char *text = "no y to compare with";
    if (b->data.labels)
        text = hawq_arena_format(&b->cli->arena, "accuracy %.4f", r->accuracy);
    else if (b->data.targets)
        text = hawq_arena_format(&b->cli->arena, "mse %.4g", r->loss);
    return text ? text : "";
}

static void note_stored(const hawq_benchmark *b) {
    long long first = (long long)hawq_benchmark_row(b, 1)->benchmark_id;
    long long last = (long long)hawq_benchmark_row(b, b->n_asked)->benchmark_id;
    const char *to = "";
    if (b->n_asked > 1)
        to = hawq_arena_format(&b->cli->arena, " to %lld", last);
    hawq_cli_note(b->cli,
                  "stored in %s as benchmark%s %lld%s; --baseline compares "
                  "later ones with %s",
                  b->cli->db, plural((size_t)b->n_asked), first, to ? to : "",
                  b->n_asked > 1 ? "one of them" : "it");
}

static void say_notes(const hawq_benchmark *b) {
    const hawq_benchmark_record *f = &b->contender[0].record;
    bool                         integers = false;
    hawq_cli_note(b->cli,
                  "float network: %s on %lld image%s, %.4f ms a batch of %d on "
                  "%d thread%s (%s)",
                  worth(b, f), (long long)f->samples,
                  plural((size_t)f->samples), f->latency_us / 1e3,
                  f->batch_size, f->threads, plural((size_t)f->threads),
                  f->kernels);
    if (!b->has_answers)
        hawq_cli_note(b->cli, "the data has no y, so there is no accuracy and "
                              "no loss: \"mse\" is the mean squared "
                              "difference from the float network's outputs");
    for (int row = 1; row <= b->n_asked; row++) {
        const hawq_contender *c = hawq_benchmark_row(b, row);
        if (!c->program) continue;
        integers = true;
        if (c->program->n_floats) note_floats(b, c);
        if (c->program->n_rescaled) note_rescaled(b, c);
        if (!c->record.bit_exact)
            hawq_cli_note(b->cli,
                          "%s: outputs DIFFER from the reference kernels' on "
                          "%s: please report this",
                          c->label,
                          images(b, b->verified == b->data.n, b->verified));
    }
    if (integers) note_integers(b);
    note_stored(b);
}

static hawq_status write_page(const hawq_benchmark *b) {
    char hash[HAWQ_HASH_TEXT];
    if (!o.report) return HAWQ_OK;
    hawq_graph_hash(b->graph, hash);
    return hawq_page_write(b->cli, b->store, hash, o.report);
}

/* Verdicts come last: where both streams are one, results stand before them. */
static hawq_status measure_and_report(hawq_benchmark *b) {
    hawq_gate gate;
    HAWQ_TRY(hawq_page_check(b->cli, o.report));
    HAWQ_TRY(hawq_gate_open(b->cli, &o.requirements, o.baseline, &gate));
    HAWQ_TRY(hawq_benchmark_prepare(b));
    HAWQ_TRY(hawq_gate_compare(&gate, b));
    HAWQ_TRY(hawq_benchmark_measure(b));
    HAWQ_TRY(hawq_benchmark_store(b));
    say_notes(b);
    HAWQ_TRY(hawq_benchmark_report(b, &gate));
    hawq_gate_judge(&gate, b);
    return write_page(b);
}

static hawq_status run(hawq_cli *cli) {
    static const char *const devices[] = {"cpu", "cuda", "opencl"};
    hawq_benchmark           b = {.cli = cli,
                                  .model_path = cli->arg[0],
                                  .allocations = o.allocations,
                                  .outputs = o.outputs,
                                  .calibrate = o.calibrate,
                                  .calibration_limit = o.calibration_limit,
                                  .device = devices[o.device],
                                  .kernels = o.kernels,
                                  .batch_size = o.batch_size,
                                  .repeats = o.repeats,
                                  .verify = o.verify,
                                  .weight_range = o.weight_range,
                                  .activation_range = o.activation_range};
    hawq_status              status = measure_and_report(&b);
    hawq_benchmark_close(&b);
    return status;
}

const hawq_command hawq_command_this = {
    .name = "hawq-bench",
    .summary = "Runs a network with the bits of an allocation on integer "
               "kernels: accuracy, bytes, time.",
    .usage = "MODEL.onnx --allocation ID|last|uniform8|... --data SPEC "
             "[options]",
    .options = {options, hawq_data_rows, hawq_input_rows, hawq_output_rows},
    .min_args = 1,
    .max_args = 1,
    .args = "MODEL.onnx",
    .run = run};
