/* benchmark_report.c -- tables and JSON on stdout.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/bench/benchmark_report.h"

#include "src/cli/kit/output.h"
#include "src/graph/score.h"

#include <math.h>

/* Median times of the layers alone, added up: what a latency budget counts. */
static double layers_latency(const hawq_benchmark_record *r) {
    double sum = r->n_layers ? 0 : NAN;
    for (int i = 0; i < r->n_layers; i++) sum += r->layer[i].latency_us;
    return sum;
}

/* How far the predicted time is above the measured one. */
static double latency_error(const hawq_contender *c) {
    return 100 * (c->predicted_us / c->record.latency_us - 1);
}

static double loss_rise(const hawq_benchmark_record *r) {
    return r->loss - r->float_loss;
}

/* Of a loss of the benchmark. */
static double perplexity(const hawq_benchmark *b, double loss) {
    if (!b->has_answers) return NAN;
    return hawq_score_perplexity(b->graph, b->loss, loss);
}

/* --- for people: what the networks are worth, then their times ---------- */

static void worth_cells(hawq_table *t, const hawq_benchmark *b,
                        const hawq_contender *c) {
    const hawq_benchmark_record *r = &c->record;
    hawq_table_text(t, c->label);
    hawq_table_fixed(t, c->mean_bits, 2);
    hawq_table_integer(t, r->weight_bytes);
    hawq_table_fixed(t, r->accuracy, 4);
    hawq_table_fixed(t, r->agreement, 4);
    hawq_table_fixed(t, r->loss, 4);
    hawq_table_fixed(t, c->program ? loss_rise(r) : NAN, 4);
    hawq_table_fixed(t, c->predicted, 4);
    hawq_table_text(t, r->bit_exact ? "yes" : "NO");
    if (!b->has_answers) hawq_table_real(t, c->output_mse, 4);
    if (!isnan(perplexity(b, 1))) hawq_table_real(t, perplexity(b, r->loss), 6);
}

static void time_cells(hawq_table *t, const hawq_benchmark *b,
                       const hawq_contender *c) {
    const hawq_benchmark_record *r = &c->record;
    (void)b;
    hawq_table_text(t, c->label);
    hawq_table_fixed(t, r->latency_us / 1e3, 4);
    hawq_table_fixed(t, r->latency_spread_us / 1e3, 4);
    hawq_table_fixed(t, c->predicted_us / 1e3, 4);
    hawq_table_fixed(t, latency_error(c), 1);
    hawq_table_fixed(t, r->speedup_vs_float, 2);
    hawq_table_fixed(t, r->speedup_vs_uniform8, 2);
    hawq_table_text(t, c->program ? r->kernels : "float32"); /* more: a note */
}

/* People also see the float network, which all is compared with. */
static hawq_status
print_part(const hawq_benchmark *b, int n, const char *const *column,
           void (*cells)(hawq_table *, const hawq_benchmark *,
                         const hawq_contender *)) {
    hawq_table t;
    hawq_table_begin(&t, &b->cli->arena, n, column);
    if (!b->contender[0].asked) cells(&t, b, &b->contender[0]);
    for (int row = 1; row <= b->n_asked; row++)
        cells(&t, b, hawq_benchmark_row(b, row));
    return hawq_table_print(&t, b->cli->format, stdout);
}

static hawq_status print_changes(const hawq_benchmark *b,
                                 const hawq_gate      *gate) {
    const char *column[1 + HAWQ_GATE_COLUMNS];
    hawq_table  t;
    column[0] = hawq_arena_format(&b->cli->arena, "change from benchmark %lld",
                                  (long long)gate->baseline);
    if (!column[0]) return HAWQ_ENOMEM;
    hawq_gate_columns(true, column + 1);
    hawq_table_begin(&t, &b->cli->arena, 1 + HAWQ_GATE_COLUMNS, column);
    for (int row = 1; row <= b->n_asked; row++) {
        const hawq_contender *c = hawq_benchmark_row(b, row);
        hawq_table_text(&t, c->label);
        hawq_gate_cells(gate, c, &t);
    }
    fputc('\n', stdout);
    return hawq_table_print(&t, b->cli->format, stdout);
}

static hawq_status print_for_people(const hawq_benchmark *b,
                                    const hawq_gate      *gate) {
    static const char *const worth[] = {
        "allocation", "bits", "bytes",     "accuracy", "agreement",
        "loss",       "rise", "predicted", "exact",    "mse"};
    static const char *const times[] = {"allocation",   "ms",      "spread",
                                        "predicted ms", "error %", "x float",
                                        "x uniform8",   "kernels"};
    /* the mean square error is shown where nothing else tells outputs apart */
    static const char *const rows[] = {
        "allocation", "bits", "bytes",     "accuracy", "agreement",
        "loss",       "rise", "predicted", "exact",    "perplexity"};
    bool by_rows = !isnan(perplexity(b, 1));
    HAWQ_TRY(print_part(b, b->has_answers && !by_rows ? 9 : 10,
                        by_rows ? rows : worth, worth_cells));
    fputc('\n', stdout);
    HAWQ_TRY(print_part(b, 8, times, time_cells));
    return gate->baseline ? print_changes(b, gate) : HAWQ_OK;
}

/* --- for programs: the names of the JSON keys --------------------------- */

static const char *const all_columns[] = {"allocation",
                                          "mean_bits",
                                          "weight_bytes",
                                          "predicted_loss",
                                          "accuracy",
                                          "agreement",
                                          "loss",
                                          "latency_us",
                                          "latency_spread_us",
                                          "speedup_vs_float",
                                          "speedup_vs_uniform8",
                                          "bit_exact",
                                          "kernels",
                                          "layers_latency_us",
                                          "file_bytes",
                                          "loss_rise",
                                          "predicted_latency_us",
                                          "latency_error_percent",
                                          "output_mse",
                                          "benchmark_id"};
enum { N_ALL = sizeof all_columns / sizeof *all_columns };

static void print_all(hawq_table *t, const hawq_contender *c) {
    const hawq_benchmark_record *r = &c->record;
    hawq_table_text(t, c->label);
    hawq_table_real(t, c->mean_bits, 4);
    hawq_table_integer(t, r->weight_bytes);
    hawq_table_real(t, c->predicted, 4);
    hawq_table_real(t, r->accuracy, 4);
    hawq_table_real(t, r->agreement, 4);
    hawq_table_real(t, r->loss, 4);
    hawq_table_real(t, r->latency_us, 4);
    hawq_table_real(t, r->latency_spread_us, 4);
    hawq_table_real(t, r->speedup_vs_float, 4);
    hawq_table_real(t, r->speedup_vs_uniform8, 4);
    hawq_table_text(t, r->bit_exact ? "yes" : "NO");
    hawq_table_text(t, r->kernels);
    hawq_table_real(t, layers_latency(r), 4);
    hawq_table_integer(t, r->file_bytes);
    hawq_table_real(t, loss_rise(r), 4);
    hawq_table_real(t, c->predicted_us, 4);
    hawq_table_real(t, latency_error(c), 4);
    hawq_table_real(t, c->output_mse, 4);
    hawq_table_integer(t, c->benchmark_id);
}

static hawq_status print_for_programs(const hawq_benchmark *b,
                                      const hawq_gate      *gate) {
    const char *column[N_ALL + HAWQ_GATE_COLUMNS];
    hawq_table  t;
    int         n = gate->baseline ? N_ALL + HAWQ_GATE_COLUMNS : N_ALL;
    for (int i = 0; i < N_ALL; i++) column[i] = all_columns[i];
    hawq_gate_columns(false, column + N_ALL);
    hawq_table_begin(&t, &b->cli->arena, n, column);
    for (int row = 1; row <= b->n_asked; row++) {
        const hawq_contender *c = hawq_benchmark_row(b, row);
        print_all(&t, c);
        if (gate->baseline) hawq_gate_cells(gate, c, &t);
    }
    return hawq_table_print(&t, b->cli->format, stdout);
}

/* --- JSON --------------------------------------------------------------- */

/* With the bits that each really has. */
static void json_layers(hawq_json *w, const hawq_contender *c) {
    hawq_json_array(w, "layers");
    for (int i = 0; i < c->record.n_layers; i++) {
        const hawq_layer_timing *l = &c->record.layer[i];
        const hawq_choice       *used = &c->program->choice[i];
        hawq_json_object(w, NULL);
        hawq_json_text(w, "name", l->layer);
        hawq_json_integer(w, "weight_bits", used->weight_bits);
        hawq_json_integer(w, "activation_bits", used->activation_bits);
        hawq_json_text(w, "candidate", used->candidate);
        hawq_json_text(w, "kernel", l->kernel);
        hawq_json_real(w, "latency_us", l->latency_us);
        hawq_json_end(w);
    }
    hawq_json_end(w);
}

static void json_floats(hawq_json *w, const hawq_contender *c) {
    hawq_json_array(w, "float_nodes");
    for (int i = 0; i < c->program->n_floats; i++) {
        const hawq_floating *what = c->float_node[i].what;
        hawq_json_object(w, NULL);
        hawq_json_text(w, "name", what->node->name);
        hawq_json_text(w, "op", what->node->op->name);
        hawq_json_text(w, "reason", what->why);
        hawq_json_real(w, "latency_us", c->float_node[i].latency_us);
        hawq_json_end(w);
    }
    hawq_json_end(w);
}

static void json_row(hawq_json *w, const hawq_benchmark *b,
                     const hawq_gate *gate, const hawq_contender *c) {
    const hawq_benchmark_record *r = &c->record;
    hawq_json_object(w, NULL);
    hawq_json_text(w, "model", b->model_path);
    hawq_json_text(w, "allocation", c->label);
    if (r->allocation) hawq_json_integer(w, "allocation_id", r->allocation);
    hawq_json_integer(w, "benchmark_id", c->benchmark_id);
    hawq_json_text(w, "device", r->device);
    hawq_json_text(w, "kernels", r->kernels);
    hawq_json_integer(w, "batch_size", r->batch_size);
    hawq_json_integer(w, "threads", r->threads);
    hawq_json_integer(w, "repeats", r->repeats);
    hawq_json_integer(w, "samples", r->samples);
    hawq_json_integer(w, "calibration_samples", (int64_t)b->calibration_images);
    hawq_json_text(w, "calibration", b->calibration_text);
    hawq_json_real(w, "mean_bits", c->mean_bits);
    hawq_json_real(w, "predicted_loss", c->predicted);
    hawq_json_real(w, "accuracy", r->accuracy);
    hawq_json_real(w, "loss", r->loss);
    hawq_json_real(w, "float_accuracy", r->float_accuracy);
    hawq_json_real(w, "float_loss", r->float_loss);
    hawq_json_real(w, "loss_rise", loss_rise(r));
    if (!isnan(perplexity(b, 1))) {
        hawq_json_real(w, "perplexity", perplexity(b, r->loss));
        hawq_json_real(w, "float_perplexity", perplexity(b, r->float_loss));
    }
    hawq_json_real(w, "agreement", r->agreement);
    hawq_json_real(w, "output_mse", c->output_mse);
    hawq_json_integer(w, "weight_bytes", r->weight_bytes);
    hawq_json_integer(w, "not_quantized_bytes",
                      hawq_graph_rest_bytes(b->graph));
    hawq_json_integer(w, "file_bytes", r->file_bytes);
    hawq_json_real(w, "latency_us", r->latency_us);
    hawq_json_real(w, "latency_spread_us", r->latency_spread_us);
    hawq_json_real(w, "speedup_vs_float", r->speedup_vs_float);
    hawq_json_real(w, "speedup_vs_uniform8", r->speedup_vs_uniform8);
    hawq_json_real(w, "layers_latency_us", layers_latency(r));
    hawq_json_real(w, "predicted_latency_us", c->predicted_us);
    hawq_json_real(w, "latency_error_percent", latency_error(c));
    hawq_json_real(w, "latency_constant_us",
                   b->latency.n_totals ? b->latency.constant.mean : NAN);
    if (b->latency.n_totals >= 3)
        hawq_json_real(w, "latency_constant_stderr_us",
                       b->latency.constant.stderr1);
    hawq_json_flag(w, "bit_exact", r->bit_exact);
    if (c->program)
        hawq_json_integer(w, "verified_samples", (int64_t)b->verified);
    hawq_gate_json(gate, b, c, w);
    json_layers(w, c);
    if (c->program) json_floats(w, c);
    hawq_json_end(w);
}

/* One allocation is one object; several are an array of them. */
static void print_json(const hawq_benchmark *b, const hawq_gate *gate) {
    hawq_json w = {.file = stdout};
    if (b->n_asked > 1) hawq_json_array(&w, NULL);
    for (int row = 1; row <= b->n_asked; row++)
        json_row(&w, b, gate, hawq_benchmark_row(b, row));
    if (b->n_asked > 1) hawq_json_end(&w);
}

hawq_status hawq_benchmark_report(const hawq_benchmark *b,
                                  const hawq_gate      *gate) {
    if (b->cli->format == HAWQ_FORMAT_TABLE) return print_for_people(b, gate);
    if (b->cli->format != HAWQ_FORMAT_JSON) return print_for_programs(b, gate);
    print_json(b, gate);
    return HAWQ_OK;
}
