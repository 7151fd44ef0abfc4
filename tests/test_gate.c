/* test_gate.c -- what a build server asks of hawq-bench, from outside.
 *
 * Claims: requirements that all allocations keep end with 0, one that any of
 * them misses with 4 and one line that says by how much, also with --quiet; a
 * figure that was not measured is a miss; JSON has every verdict; a multiple is
 * of the uniform 8-bit network or, with --baseline, of that benchmark; what
 * cannot be read is refused before anything is measured; and the tables fit
 * 100 columns.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/onnx.h"
#include "src/ops/ops.h"
#include "src/train/model.h"
#include "tests/images.h"
#include "tests/program.h"

#include <cjson/cJSON.h>

enum { SIDE = 8, CLASSES = 4, IMAGES = 50 };
#define BENCH "hawq-bench net.onnx --data idx:img --scale 0.004 --repeats 3 "

static void put_network(void) {
    const int64_t image[3] = {1, SIDE, SIDE};
    hawq_model    model;
    hawq_graph   *g;
    if (!CHECK_OK(hawq_model_parse("resnet:4", &model)) ||
        !CHECK_OK(
            hawq_model_build(&model, 1, 16, image, CLASSES, hawq_op_find, &g)))
        return;
    hawq_tensor *fc = g->layer[g->n_layers - 1].weight; /* zero when built */
    for (size_t i = 0; i < fc->n; i++)
        fc->data[i] = (float)((int)(7 * i % 11) - 5) / 50;
    CHECK_OK(hawq_onnx_save("net.onnx", g, "test"));
    hawq_graph_free(g);
}

static void put_images(const char *prefix) {
    static unsigned char x[16 + IMAGES * SIDE * SIDE], y[8 + IMAGES];
    for (int i = 0; i < IMAGES; i++) {
        y[8 + i] = (unsigned char)(i * 3 % CLASSES);
        for (int p = 0; p < SIDE * SIDE; p++)
            x[16 + i * SIDE * SIDE + p] = striped_pixel(i, p, SIDE, y[8 + i]);
    }
    put_idx(prefix, IMAGES, SIDE, x, y);
}

static int lines(const char *text) {
    int n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

static double number(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItem(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

static bool is(const cJSON *object, const char *key, const char *want) {
    const cJSON *item = cJSON_GetObjectItem(object, key);
    return CHECK(item && item->valuestring && !strcmp(item->valuestring, want));
}

/* --- verdicts ----------------------------------------------------------- */

static void all_kinds_can_be_met(void) {
    program_step(BENCH "--quiet --require accuracy>=0 --require "
                       "accuracy-drop<=1 --require loss<=1000 --require "
                       "weight-size<=1MiB --require file-size<=1x --require "
                       "latency<=10s --require agreement>=0.01 --require "
                       "speedup-vs-float>=0.00001x --require "
                       "speedup-vs-uniform8>=0.00001",
                 0);
    CHECK(!*program_err);
}

/* The bytes of uniform8 are those of 8 bits; 1 B more than allowed is said. */
static void a_miss_says_by_how_much(void) {
    char command[512], want[256];
    program_step(BENCH "--quiet --format json", 0);
    cJSON *json = cJSON_Parse(program_out);
    int    bytes = (int)number(json, "weight_bytes");
    CHECK(bytes > 100 && !cJSON_GetObjectItem(json, "requirements"));
    cJSON_Delete(json);
    snprintf(command, sizeof command,
             BENCH "--quiet --require weight-size<=%dB --allocation float32 "
                   "--allocation uniform8 --allocation uniform4",
             bytes);
    program_step(command, 4); /* only float32 is larger */
    CHECK(
        !strncmp(program_err, "hawq-bench: float32 misses weight-size<=", 40) &&
        lines(program_err) == 1);
    CHECK(strstr(program_out, "uniform4") != NULL);
    snprintf(command, sizeof command,
             BENCH "--quiet --require weight-size<=%dB --require "
                   "weight-size>=%dB",
             bytes - 1, bytes);
    snprintf(want, sizeof want,
             "hawq-bench: uniform8 misses weight-size<=%dB by 1 B: weight-size "
             "is ",
             bytes - 1);
    program_step(command, 4);
    CHECK(!strncmp(program_err, want, strlen(want)) && lines(program_err) == 1);
}

static void json_has_the_verdicts(void) {
    program_step(BENCH "--quiet --format json --require weight-size<=300B "
                       "--require agreement>=0 --allocation uniform8 "
                       "--allocation uniform2",
                 4);
    cJSON       *json = cJSON_Parse(program_out);
    const cJSON *row;
    int          rows = 0;
    cJSON_ArrayForEach(row, json) {
        const cJSON *all = cJSON_GetObjectItem(row, "requirements");
        const cJSON *size = cJSON_GetArrayItem(all, 0);
        const cJSON *same = cJSON_GetArrayItem(all, 1);
        double       bytes = number(row, "weight_bytes");
        CHECK(cJSON_GetArraySize(all) == 2);
        is(size, "kind", "weight-size");
        is(size, "op", "<=");
        is(same, "kind", "agreement");
        is(same, "op", ">=");
        CHECK(number(size, "limit") == 300);
        CHECK(number(size, "value") == bytes);
        CHECK(number(same, "value") == number(row, "agreement"));
        CHECK(cJSON_IsTrue(cJSON_GetObjectItem(size, "met")) == (bytes <= 300));
        CHECK(cJSON_IsTrue(cJSON_GetObjectItem(same, "met")));
        CHECK(number(row, "benchmark_id") > 0);
        rows++;
    }
    CHECK(rows == 2);
    cJSON_Delete(json);
}

/* Without labels nobody knows the accuracy, whatever the limit. */
static void what_is_not_measured_is_a_miss(void) {
    program_step("hawq-bench net.onnx --data idx:bare --scale 0.004 --repeats "
                 "3 --quiet --require accuracy>=0 --require accuracy-drop<=1 "
                 "--require loss<=100 --require latency<=10s --format json",
                 4);
    CHECK(lines(program_err) == 3);
    CHECK(strstr(program_err,
                 "hawq-bench: uniform8 misses accuracy>=0: there is no "
                 "accuracy, it could not be measured\n") != NULL);
    CHECK(strstr(program_out, "\"value\": null") != NULL);
}

/* --- a baseline
 * --------------------------------------------------------------- */

static void a_multiple_is_of_the_baseline(void) {
    if (!program_step("hawq-bench net.onnx --data idx:img --scale 0.004 "
                      "--repeats 3 --db base.db --allocation uniform4 "
                      "--allocation uniform8",
                      0))
        return;
    CHECK(strstr(program_err, "stored in base.db as benchmarks 1 to 2; ") !=
          NULL);
    program_step(BENCH "--db base.db --quiet --require weight-size<=1x", 0);
    program_step(BENCH "--db base.db --quiet --require weight-size<=1x "
                       "--require accuracy>=0.5x --baseline 1 --format json",
                 4);
    CHECK(strstr(program_err, "uniform8 misses weight-size<=1x by ") &&
          strstr(program_err, "(a multiple of the baseline's)\n"));
    cJSON       *json = cJSON_Parse(program_out);
    const cJSON *then = cJSON_GetObjectItem(json, "baseline");
    const cJSON *size =
        cJSON_GetArrayItem(cJSON_GetObjectItem(json, "requirements"), 0);
    CHECK(number(then, "benchmark_id") == 1);
    is(then, "allocation", "uniform4");
    CHECK(number(size, "limit") == number(then, "weight_bytes"));
    CHECK(number(then, "weight_bytes_change") ==
          number(json, "weight_bytes") - number(then, "weight_bytes"));
    CHECK(number(then, "accuracy_change") ==
          number(json, "accuracy") - number(then, "accuracy"));
    CHECK(number(then, "latency_ratio") > 0);
    cJSON_Delete(json);
    program_step(BENCH "--db base.db --quiet --baseline 2", 0);
    CHECK(strstr(program_out, "\n\nchange from benchmark 2  accuracy  ") &&
          strstr(program_out, "\nuniform8 ") && !*program_err);
    program_step(BENCH "--db base.db --quiet --baseline 2 --format csv", 0);
    CHECK(strstr(program_out, ",latency_us_change,latency_ratio\r\n") != NULL);
    program_says(BENCH "--db base.db --baseline 2 --limit 20", 0,
                 "note: benchmark 2, the baseline, had another: data\n");
    program_says(BENCH "--db base.db --baseline 2 --batch-size 2", 2,
                 "hawq-bench: --baseline: benchmark 2 was timed in batches of "
                 "1, this one in batches of 2; --batch-size 1 makes them "
                 "alike\n");
    program_says(BENCH "--db base.db --baseline 99", 2,
                 "hawq-bench: --baseline: base.db: there is no benchmark "
                 "99\n");
}

/* --- what cannot be read
 * ------------------------------------------------------- */

static void what_cannot_be_read_is_refused(void) {
    program_says(BENCH "--require latency<=900", 2,
                 "--require latency: the number 900 needs a unit: us, ms, s");
    program_says(BENCH "--require weight-size<=3us", 2, "unknown unit 'us'");
    program_says(BENCH "--require accuracy>=0.9x", 2,
                 "--require accuracy: '0.9x' is not a plain number");
    program_says(BENCH "--require latency=3us", 2,
                 "--require: 'latency=3us' is not of the form KIND<=VALUE or "
                 "KIND>=VALUE\n");
    program_says(BENCH "--require latncy<=3us", 2,
                 "--require: unknown 'latncy'; did you mean 'latency'?\n");
    program_says(BENCH "--require colour<=3", 2, "what can be required is ");
    program_says(BENCH "--require accuracy<=1", 0,
                 "note: --require 'accuracy<=1': accuracy is better the larger "
                 "it is; was >= meant?\n");
}

static void tables_fit(void) {
    program_step(BENCH "--quiet --allocation float32 --allocation uniform8 "
                       "--allocation w4a4",
                 0);
    for (const char *at = program_out; *at;) {
        size_t n = strcspn(at, "\n");
        if (!CHECK(n <= 100)) printf("    %.*s\n", (int)n, at);
        at += n + (at[n] == '\n');
    }
}

int main(void) {
    if (!program_open()) return 1;
    if (!program_built("hawq-bench")) {
        program_close();
        return 77;
    }
    put_network();
    put_images("img");
    put_images("bare");
    CHECK(unlink("bare-labels-idx1-ubyte") == 0);
    all_kinds_can_be_met();
    a_miss_says_by_how_much();
    json_has_the_verdicts();
    what_is_not_measured_is_a_miss();
    a_multiple_is_of_the_baseline();
    what_cannot_be_read_is_refused();
    tables_fit();
    program_close();
    DONE();
}
