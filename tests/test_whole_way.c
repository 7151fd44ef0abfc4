/* test_whole_way.c -- from a network to a benchmark, program after program.
 *
 * Claims: the whole way works and gives the same bytes for any number of
 * threads; operators are listed, training is reported, labels may be missing.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/commanding.h"

/* --- the whole way ------------------------------------------------------ */

/* Same options: the same bytes on stdout, but for the number of the run. */
static void same_for_any_threads(const char *command) {
    static char first[TEXT];
    char        text[1024];
    snprintf(text, sizeof text, "%s --threads 1", command);
    remove_database();
    if (!step(text, 0)) return;
    memcpy(first, out_text, sizeof first);
    CHECK(strlen(first) > 100);
    for (int threads = 2; threads <= 5; threads += 3) {
        snprintf(text, sizeof text, "%s --threads %d", command, threads);
        remove_database();
        if (step(text, 0) && !CHECK(!strcmp(first, out_text))) {
            show(text, 0);
            printf("    one thread: %.2000s\n", first);
        }
    }
}

/* A network that goes astray is no failure, but it is said; and no form of
 * failure leaves half a document. */
static void training_is_reported(void) {
    static const char begins[] =
        "{\n  \"output\": \"new.onnx\",\n  \"epochs\": [";
    if (!built("hawq-train")) return;
    if (step("hawq-train --from net.onnx --data idx:img --scale 0.004 -o "
             "new.onnx --epochs 3 --format json",
             0)) {
        CHECK(!strncmp(out_text, begins, sizeof begins - 1));
        CHECK(strstr(out_text, "]\n}\n") && !*err_text);
    }
    if (step("hawq-train --from net.onnx --data idx:img -o new.onnx --format "
             "json --rate 1e6 --warm-up 0 --clip 0",
             1))
        CHECK(strstr(out_text, "]\n}\n") && strstr(err_text, "in epoch 2"));
    if (step("hawq-train --from net.onnx --data idx:img --scale 0.004 -o "
             "new.onnx --epochs 3 --rate 20 --warm-up 0",
             0))
        CHECK(!strncmp(err_text, "hawq-train: note: the loss ended at ", 36) &&
              strstr(err_text, "it began with; lower --rate 20\n"));
}

/* What each node is worth, and then whether the whole loads. */
static void operators_are_listed(void) {
    if (!built("hawq-analyze")) return;
    if (step("hawq-analyze --list-ops net.onnx --format json", 0)) {
        CHECK(strstr(out_text, "\"runs\": true,") != NULL);
        CHECK(strstr(err_text, " nodes would run; the model loads\n") != NULL);
    }
    if (step("hawq-analyze --list-ops nan.onnx --quiet", 1)) {
        CHECK(strstr(out_text, "yes") != NULL);
        CHECK(!strncmp(err_text, "hawq-analyze: nan.onnx: ", 24));
    }
}

/* What a network says by itself needs no labels; how often it is right does. */
static void labels_are_optional(void) {
    static char with[TEXT];
    const char *metric = "sensitivity\": {";
    if (!built("hawq-analyze")) return;
    remove_database();
    if (!step("hawq-analyze net.onnx --data idx:img --scale 0.004 -n 4 --loss "
              "self-distillation --format json",
              0))
        return;
    CHECK(!strstr(out_text, "\"accuracy\": null"));
    memcpy(with, out_text, sizeof with);
    if (!step("hawq-analyze net.onnx --data idx:bare --scale 0.004 -n 4 --loss "
              "self-distillation --format json",
              0))
        return;
    CHECK(strstr(out_text, "\"accuracy\": null") != NULL);
    char *a = strstr(with, metric), *b = strstr(out_text, metric);
    CHECK(a && b && strcmp(a, b) == 0);
    if (step("hawq-analyze net.onnx --data idx:bare --scale 0.004 -m depth "
             "--loss self-distillation",
             0))
        CHECK(!strstr(out_text, "accuracy"));
}

static void whole_way(void) {
    if (!built("hawq-analyze") || !built("hawq-search") || !built("hawq-bench"))
        return;
    remove_database();
    step("hawq-search net.onnx --budget weight-size=0.6x", 1);
    CHECK(no_row());
    if (!step(
            "hawq-analyze net.onnx --data idx:img --scale 0.004 -n 4 --images "
            "64 --bits 8,4,2 --format json",
            0))
        return;
    CHECK(out_text[0] == '{' && strstr(out_text, "\"trace_stderr\": "));
    CHECK(sql_number("SELECT count(DISTINCT name) FROM layer_sensitivity") ==
          4);
    CHECK(sql_number("SELECT count(*) FROM run WHERE sampling LIKE '%trace by "
                     "random signs%' AND sampling NOT LIKE '%gauss-newton%'") ==
          1);
    step("hawq-search net.onnx --budget weight-size=1000", 2);
    CHECK(!strcmp(err_text,
                  "hawq-search: --budget weight-size: the number 1000 needs a "
                  "unit: B, KiB, MiB, GiB, KB, MB, GB, x (times the uniform "
                  "8-bit network)\n"));
    step("hawq-search net.onnx --budget weight-size=1B", 3);
    CHECK(strstr(err_text, "weight-size") != NULL &&
          strchr(err_text, '\n') == strrchr(err_text, '\n'));
    CHECK(sql_number("SELECT count(*) FROM run WHERE program = 'hawq-search'"
                     " AND state = 'running'") == 0);
    step("hawq-search net.onnx --budget weight-size=0.6x --format json", 0);
    CHECK(strstr(out_text, "\"state\": \"optimal\"") != NULL);
    CHECK(sql_number("SELECT count(*) FROM allocation_layers") == 4);
    step("hawq-search net.onnx --metric trace --pareto weight-size --format "
         "json",
         0);
    CHECK(strstr(out_text, "\"front\": [") != NULL);
    CHECK(sql_number("SELECT count(*) FROM pareto_front") > 2);
    step("hawq-bench net.onnx --allocation last --data idx:img --scale 0.004 "
         "--repeats 3 --format json",
         0);
    CHECK(strstr(out_text, "\"bit_exact\": true") != NULL);
    CHECK(sql_number("SELECT bit_exact FROM benchmark_summary") == 1);
    CHECK(sql_number("SELECT count(*) FROM latency_table") >= 4);
    CHECK(strstr(out_text, "\"predicted_latency_us\": null") != NULL);
    step("hawq-bench net.onnx --allocation last --data idx:img --scale 0.004 "
         "--repeats 3 --format json",
         0); /* what the first run measured predicts the second */
    CHECK(strstr(out_text, "\"predicted_latency_us\": ") &&
          !strstr(out_text, "\"predicted_latency_us\": null") &&
          strstr(out_text, "\"latency_error_percent\": "));
    CHECK(sql_number("SELECT totals FROM latency_constant") == 1);
    CHECK(sql_number("SELECT count(*) FROM run WHERE state = 'running'") == 0);
}

int main(void) {
    if (!open_folder()) return 1;
    if (built("hawq-analyze"))
        same_for_any_threads("hawq-analyze net.onnx --data idx:img --scale "
                             "0.004 -n 6 --images 64 --format tsv");
    operators_are_listed();
    training_is_reported();
    whole_way();
    labels_are_optional();
    remove_folder();
    DONE();
}
