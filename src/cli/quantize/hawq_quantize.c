/* hawq_quantize.c -- hawq-quantize: an allocation becomes codes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/data_options.h"
#include "src/cli/kit/input_options.h"
#include "src/cli/kit/output.h"
#include "src/cli/quantize/quantization.h"
#include "src/exchange/c_source.h"

#include <math.h>

static struct {
    hawq_texts  allocations;
    bool        refine;
    int         images, check, activation_range, opset;
    const char *output, *emit_c, *emit_name, *rewrite;
} o = {.images = HAWQ_IMAGES_CHOOSE,
       .check = HAWQ_IMAGES_APART,
       .activation_range = HAWQ_RANGE_MSE};

static const hawq_option options[] = {
    HAWQ_OPTION_TEXTS("allocation", 'a', &o.allocations, "NAME",
                      "what to quantize to: an id in the database, last, "
                      "FILE.json, or a candidate for all layers such as w4, "
                      "w2c, t or k3a4; several are compared, and the one "
                      "nearest to the float network becomes `last` (default "
                      "last)"),
    HAWQ_OPTION_FLAG("refine", 'r', &o.refine,
                     "layer after layer, aim at the float network's outputs "
                     "given what the quantized layers before deliver"),
    HAWQ_OPTION_REWRITE(&o.rewrite),
    HAWQ_OPTION_INT("images", 0, &o.images, 1, 1000000, "N",
                    "images of --data to choose codes by (default 512)"),
    HAWQ_OPTION_INT("check", 0, &o.check, 1, 1000000, "N",
                    "last images of --data, on which codes are compared "
                    "(default 256)"),
    HAWQ_OPTION_CHOICE("activation-range", 0, &o.activation_range,
                       "max|mse|percentile",
                       "range of the activation quantizer (default mse)"),
    HAWQ_OPTION_TEXT("output", 0, &o.output, "FILE.onnx",
                     "write the best of them as an ONNX file of "
                     "QuantizeLinear and DequantizeLinear"),
    HAWQ_OPTION_CHOICE("opset", 0, &o.opset, "13|21|25",
                       "of that file: 13 has integers of 8 bits, 21 packs 4, "
                       "25 packs 2 (default 13)"),
    HAWQ_OPTION_TEXT("emit-c", 0, &o.emit_c, "FOLDER",
                     "write the best of them as C source: net.h, net.c and "
                     "net_check.c"),
    HAWQ_OPTION_TEXT("emit-name", 0, &o.emit_name, "NAME",
                     "of those files and of what they define, in place of "
                     "net: two networks in one firmware"),
    {0}};

static const int opsets[] = {13, 21, 25};

/* --- report -------------------------------------------------------------- */

static const char *const columns[] = {
    "allocation",        "from",     "mean_bits",  "weight_bytes",
    "predicted",         "kl_alone", "kl_refined", "agreement_alone",
    "agreement_refined", "seconds"};
static const char *const short_columns[] = {
    "allocation", "from",    "bits",      "bytes",   "predicted",
    "KL alone",   "refined", "agreement", "refined", "seconds"};
enum { COLUMNS = sizeof columns / sizeof *columns };

static void print_row(hawq_table *t, const hawq_outcome *w) {
    bool refined = w->refined.rows > 0;
    hawq_table_integer(t, w->id);
    hawq_table_text(t, w->from.label);
    hawq_table_fixed(t, w->mean_bits, 2);
    hawq_table_integer(t, w->weight_bytes);
    hawq_table_real(t, w->from.predicted, 4);
    hawq_table_real(t, w->alone.kl, 4);
    hawq_table_real(t, refined ? w->refined.kl : NAN, 4);
    hawq_table_fixed(t, w->alone.agreement, 4);
    hawq_table_fixed(t, refined ? w->refined.agreement : NAN, 4);
    hawq_table_fixed(t, w->seconds, 1);
}

static hawq_status report(hawq_cli *cli, const hawq_quantization *q) {
    hawq_table t;
    hawq_json  w = {.file = stdout};
    bool       people = cli->format == HAWQ_FORMAT_TABLE;
    hawq_table_begin(&t, &cli->arena, COLUMNS,
                     people ? short_columns : columns);
    for (int i = 0; i < q->n; i++) print_row(&t, &q->outcome[i]);
    if (cli->format != HAWQ_FORMAT_JSON)
        return hawq_table_print(&t, cli->format, stdout);
    hawq_json_object(&w, NULL);
    hawq_json_integer(&w, "images", (int64_t)q->n_images);
    hawq_json_integer(&w, "check_images", (int64_t)q->n_check);
    hawq_json_integer(&w, "best", q->outcome[q->best].id);
    HAWQ_TRY(hawq_table_json(&t, &w, "allocations"));
    hawq_json_end(&w);
    return HAWQ_OK;
}

static void say(hawq_cli *cli, const hawq_quantization *q) {
    const hawq_outcome *best = &q->outcome[q->best];
    hawq_cli_note(cli,
                  "KL: mean divergence in nats from the float network's "
                  "outputs, on the last %zu images, which no code was chosen "
                  "by; agreement: of the decisions, there",
                  q->n_check);
    hawq_cli_note(
        cli,
        "%s%sallocation %lld keeps these codes: hawq-bench %s "
        "--allocation %lld",
        q->n > 1 ? "the nearest to the float network is the one from " : "",
        q->n > 1 ? hawq_arena_format(&cli->arena, "%s; ", best->from.label)
                 : "",
        (long long)best->id, q->model_path, (long long)best->id);
}

static hawq_status run(hawq_cli *cli) {
    static const char *last = "last";
    hawq_quantization  q = {.cli = cli,
                            .model_path = cli->arg[0],
                            .allocations = o.allocations,
                            .rewrite = o.rewrite,
                            .refine = o.refine,
                            .images = o.images,
                            .check = o.check,
                            .activation_range = o.activation_range,
                            .output = o.output,
                            .opset = opsets[o.opset],
                            .emit_c = o.emit_c,
                            .emit_name = o.emit_name};
    if (o.emit_name && !o.emit_c)
        return hawq_fail(HAWQ_EINVAL, "--emit-name is of the files of --emit-c "
                                      "FOLDER, which is not given");
    if (o.emit_name) HAWQ_TRY(hawq_c_source_check_name(o.emit_name));
    if (!q.allocations.n) q.allocations = (hawq_texts){1, &last};
    hawq_status status = hawq_quantization_prepare(&q);
    if (status == HAWQ_OK) status = hawq_quantization_run(&q);
    if (status == HAWQ_OK) status = report(cli, &q);
    if (status == HAWQ_OK) say(cli, &q);
    hawq_quantization_close(&q);
    return status;
}

const hawq_command hawq_command_this = {
    .name = "hawq-quantize",
    .summary = "Gives an allocation its codes, refines them, and keeps them.",
    .usage = "MODEL.onnx --allocation NAME --data SPEC [options]",
    .options = {options, hawq_data_rows, hawq_input_rows,
                hawq_network_output_rows},
    .min_args = 1,
    .max_args = 1,
    .args = "MODEL.onnx",
    .run = run};
