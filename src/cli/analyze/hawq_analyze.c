/* hawq_analyze.c -- hawq-analyze: how much each layer suffers from few bits.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/comm.h"
#include "src/cli/analyze/analysis.h"
#include "src/cli/analyze/analysis_report.h"
#include "src/cli/kit/data_options.h"
#include "src/cli/kit/input_options.h"
#include "src/cli/kit/model.h"
#include "src/cli/kit/output.h"
#include "src/cli/kit/page.h"
#include "src/graph/hash.h"
#include "src/load/onnx.h"

static struct {
    const char   *metrics, *candidates, *rewrite, *spectrum_layer, *report;
    hawq_ints     bits, activation_bits;
    int           loss, range, activation_range, samples, batch_size, images;
    int           spectrum;
    double        tolerance;
    hawq_quantity memory, time_limit;
    bool          resume, list_ops;
} o = {.activation_range = HAWQ_RANGE_MSE, .samples = 64, .images = 256};

static const hawq_option options[] = {
    HAWQ_OPTION_TEXT(
        "metric", 'm', &o.metrics, "LIST",
        "depth, sqnr, kl, measured, fisher, trace, gauss-newton, "
        "eigen, quadratic, cross, hybrid; the first ranks the table. Default: "
        "measured, which is right for every candidate at the "
        "price of a pass over the images each, sqnr and depth, "
        "and trace where no method compensates for its errors"),
    HAWQ_OPTION_CHOICE("loss", 0, &o.loss,
                       "cross-entropy|mse|self-distillation",
                       "what is differentiated (default cross-entropy); "
                       "self-distillation needs no labels"),
    HAWQ_OPTION_INTS("bits", 'b', &o.bits, 2, 8, "LIST",
                     "8,4,2 is short for --candidates w8,w4,w2"),
    HAWQ_OPTION_TEXT("candidates", 'c', &o.candidates, "LIST",
                     "what to quantize weights to: formats and, behind a "
                     "colon, how codes are chosen: w4, w2c:gptq, k3+0.5%, "
                     "w4g64:hqq, t:coordinate (default: a list of good ones "
                     "of 8 to 1.6 bits)"),
    HAWQ_OPTION_REWRITE(&o.rewrite),
    HAWQ_OPTION_CHOICE("range", 0, &o.range, "max|mse|percentile",
                       "range of the candidates that name no method (default "
                       "max)"),
    HAWQ_OPTION_INTS("activation-bits", 0, &o.activation_bits, 2, 8, "LIST",
                     "also measure the loss with each activation rounded to "
                     "these widths, 8, 4 or 2 (default: none); what "
                     "hawq-search needs for w4a4; not in csv and tsv"),
    HAWQ_OPTION_CHOICE("activation-range", 0, &o.activation_range,
                       "max|mse|percentile",
                       "range of the activation quantizer (default mse)"),
    HAWQ_OPTION_INT("samples", 'n', &o.samples, 2, 1000000, "N",
                    "mini-batches, for trace, fisher and "
                    "gauss-newton (default 64)"),
    HAWQ_OPTION_REAL("tolerance", 0, &o.tolerance, 1e-6, 10, "T",
                     "instead of --samples: until every layer's 95 % interval "
                     "is within T of its mean (16 to 4096 samples)"),
    HAWQ_OPTION_QUANTITY("time-limit", 0, &o.time_limit, HAWQ_UNIT_TIME, "TIME",
                         "ends the sampling of each metric after so long, as "
                         "60s, with the samples there are"),
    HAWQ_OPTION_INT("batch-size", 0, &o.batch_size, 1, 1000000, "N",
                    "images in a mini-batch (default 32)"),
    HAWQ_OPTION_INT("images", 0, &o.images, 2, 100000000, "N",
                    "first images of the data, for the metrics that are not "
                    "sampled (default 256)"),
    HAWQ_OPTION_INT(
        "spectrum", 0, &o.spectrum, 1, 100, "K",
        "also the K largest eigenvalues of the Hessian, the density "
        "of all of them, and the loss along the top eigenvector, a "
        "random direction and the quantization error"),
    HAWQ_OPTION_TEXT("spectrum-layer", 0, &o.spectrum_layer, "NAME",
                     "the spectrum of one layer's block instead"),
    HAWQ_REPORT_OPTION(&o.report),
    HAWQ_OPTION_QUANTITY("memory", 0, &o.memory, HAWQ_UNIT_BYTES, "SIZE",
                         "what the program may take, as 2GiB: fewer lanes, "
                         "threads or images at once (default: what the "
                         "machine has left)"),
    HAWQ_OPTION_FLAG("resume", 0, &o.resume,
                     "go on with the newest unfinished run of the same model, "
                     "data and options"),
    HAWQ_OPTION_FLAG(
        "list-ops", 0, &o.list_ops,
        "only say which nodes of the model would run, and whether it loads"),
    {0}};

static void print_ops_json(const hawq_onnx_row *row, size_t n) {
    hawq_json w = {.file = stdout};
    hawq_json_array(&w, NULL);
    for (size_t i = 0; i < n; i++) {
        hawq_json_object(&w, NULL);
        hawq_json_text(&w, "node", row[i].name);
        hawq_json_text(&w, "op", row[i].op_type);
        hawq_json_flag(&w, "runs", row[i].runs);
        hawq_json_text(&w, "why_not", row[i].why_not);
        hawq_json_end(&w);
    }
    hawq_json_end(&w);
}

static hawq_status print_ops(hawq_cli *cli, const hawq_onnx_row *row,
                             size_t n) {
    static const char *const columns[] = {"node", "op", "runs", "why_not"};
    hawq_table               t;
    if (cli->format == HAWQ_FORMAT_JSON) {
        print_ops_json(row, n);
        return HAWQ_OK;
    }
    hawq_table_begin(&t, &cli->arena, 4, columns);
    for (size_t i = 0; i < n; i++) {
        hawq_table_text(&t, row[i].name);
        hawq_table_text(&t, row[i].op_type);
        hawq_table_text(&t, row[i].runs ? "yes" : "no");
        hawq_table_text(&t, row[i].why_not);
    }
    return hawq_table_print(&t, cli->format, stdout);
}

/* Nodes are judged one by one; whether they make a network, and one with sound
 * weights, only loading it tells. */
static hawq_status list_ops(hawq_cli *cli) {
    hawq_onnx_row *row;
    hawq_graph    *graph;
    size_t         n, refused = 0;
    HAWQ_TRY(hawq_onnx_list_ops(cli->arg[0], &cli->arena, &row, &n));
    for (size_t i = 0; i < n; i++) refused += !row[i].runs;
    HAWQ_TRY(print_ops(cli, row, n));
    hawq_status loads = hawq_model_read(cli->arg[0], 0, &graph);
    hawq_cli_note(cli, "%zu of %zu nodes would run%s", n - refused, n,
                  loads == HAWQ_OK ? "; the model loads" : "");
    if (loads == HAWQ_OK) hawq_graph_free(graph);
    return loads;
}

/* The page of the network, with what other programs found before. */
static hawq_status write_page(hawq_analysis *a) {
    char hash[HAWQ_HASH_TEXT];
    if (!o.report) return HAWQ_OK;
    hawq_graph_hash(a->graph, hash);
    return hawq_page_write(a->cli, a->store, hash, o.report);
}

static hawq_status run(hawq_cli *cli) {
    if (o.list_ops) return list_ops(cli);
    if (o.memory.unit && o.memory.value == 0)
        return hawq_fail(HAWQ_EINVAL,
                         "--memory: 0 bytes are too few for any analysis; "
                         "give a size as 2GiB, or leave the option out");
    hawq_analysis a = {.cli = cli,
                       .model_path = cli->arg[0],
                       .data_text = hawq_data_text(&cli->arena),
                       .metrics = o.metrics,
                       .candidates = o.candidates,
                       .rewrite = o.rewrite,
                       .bits = o.bits,
                       .activation_bits = o.activation_bits,
                       .activation_range = o.activation_range,
                       .range = o.range,
                       .loss = o.loss,
                       .samples = o.samples,
                       .batch_size = o.batch_size,
                       .images = o.images,
                       .tolerance = o.tolerance,
                       .spectrum_pairs = o.spectrum,
                       .spectrum_layer = o.spectrum_layer,
                       .memory = o.memory.value,
                       .time_limit = o.time_limit.value / 1e6,
                       .resume = o.resume};
    if (!a.data_text) return HAWQ_ENOMEM;
    if (o.spectrum_layer && !o.spectrum)
        return hawq_fail(HAWQ_EINVAL, "--spectrum-layer says of which layer "
                                      "the spectrum is: give --spectrum K");
    HAWQ_TRY(hawq_page_check(cli, o.report));
    hawq_status status = hawq_analysis_prepare(&a);
    if (status == HAWQ_OK) status = hawq_analysis_run(&a);
    if (status == HAWQ_OK && hawq_comm_rank() == 0)
        status = hawq_analysis_report(&a);
    if (status == HAWQ_OK && hawq_comm_rank() == 0) status = write_page(&a);
    hawq_analysis_close(&a);
    return status;
}

const hawq_command hawq_command_this = {
    .name = "hawq-analyze",
    .summary = "Estimates, with errors, by how much the loss of a network "
               "rises when each of its layers is quantized.",
    .usage = "MODEL.onnx --data SPEC [options]",
    .options = {options, hawq_data_rows, hawq_input_rows, hawq_output_rows},
    .min_args = 1,
    .max_args = 1,
    .args = "MODEL.onnx",
    .ranks = true,
    .run = run};
