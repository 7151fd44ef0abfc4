/* test_labels.c -- what the programs make of labels, targets, and neither.
 *
 * Claims: analyse, bench and train take one loss and one accuracy of the same
 * network and data, by rows; labels that do not fit the output are refused by
 * all three, before anything is measured; dimensions of 1 behind the classes
 * change nothing; one output has no cross-entropy; an mse is of the output as
 * the file has it; data without labels is benchmarked, and calibrates; where
 * nothing reaches a weight its trace is called exactly 0; fewer images than the
 * usual batch make a smaller batch.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/onnx.h"
#include "tests/deploying.h"
#include "tests/npz.h"
#include "tests/program.h"

enum { N = 40, ROWS = 7, INPUTS = 6, CLASSES = 4, PIXELS = 2 * 5 * 5 };
static float   tokens[N * ROWS * INPUTS], pixels[N * PIXELS], blank[N * PIXELS];
static int64_t labels[N * ROWS];
static float   outputs[N * ROWS * CLASSES], one_hot[N * CLASSES];

static const npz_array token_x = {"<f4", 3, {N, ROWS, INPUTS}, tokens};
static const npz_array token_y = {"<i8", 2, {N, ROWS}, labels};
static const npz_array image_x = {"<f4", 4, {N, 2, 5, 5}, pixels};
static const npz_array image_y = {"<i8", 1, {N}, labels};

/* --- networks ------------------------------------------------------------ */

/* The outputs of the network on x, which is written as NAME.onnx. */
static void finish(hawq_graph *g, const char *end, const char *name,
                   const float *x, float *out) {
    char          path[64];
    hawq_threads *threads = NULL;
    hawq_engine  *engine = NULL;
    hawq_batch    batch = {N, x, NULL, NULL};
    snprintf(path, sizeof path, "%s.onnx", name);
    CHECK_OK(hawq_graph_finish(g, end));
    if (CHECK_OK(hawq_threads_new(1, &threads)) &&
        CHECK_OK(hawq_engine_new(g, threads, 0, HAWQ_MSE, &engine)))
        hawq_engine_forward(engine, &batch, out, NULL, NULL);
    hawq_engine_free(engine);
    hawq_threads_free(threads);
    CHECK_OK(hawq_onnx_save(path, g, "test"));
    hawq_graph_free(g);
}

/* N x 7 x 4 */
static void put_tokens(void) {
    hawq_graph *g = open_graph(3, (int64_t[]){BATCH, ROWS, INPUTS});
    weight(g, "w1.weight", 0.5, 2, (int64_t[]){INPUTS, 8});
    weight(g, "w2.weight", 0.5, 2, (int64_t[]){8, CLASSES});
    node(g, "MatMul", "x w1.weight", "m1", "");
    node(g, "Relu", "m1", "r", "");
    node(g, "MatMul", "r w2.weight", "z", "");
    finish(g, "z", "tokens", tokens, outputs);
}

/* A convolution, and then `classes` of them by its end: N x classes x 1 x 1,
 * flat, or probabilities. */
static void put_images(const char *name, const char *end, int64_t classes,
                       float *out) {
    hawq_graph *g = open_image(2, 5, 5);
    weight(g, "c1.weight", 0.5, 4, (int64_t[]){6, 2, 3, 3});
    weight(g, "c2.weight", 0.5, 4, (int64_t[]){classes, 6, 1, 1});
    node(g, "Conv", "x c1.weight", "c1", "");
    node(g, "Relu", "c1", "r", "");
    node(g, "Conv", "r c2.weight", "c2", "");
    node(g, "GlobalAveragePool", "c2", "pooled", "");
    node(g, "Flatten", "pooled", "flat", "");
    node(g, "Softmax", "flat", "p", "axis=1");
    finish(g, end, name, pixels, out);
}

static void put_fixtures(void) {
    static float sink[N * CLASSES], probability[N * CLASSES];
    static float numbers[N];
    for (int i = 0; i < N * ROWS * INPUTS; i++)
        tokens[i] = (float)hawq_rng_normal(7, (uint64_t)i);
    for (int i = 0; i < N * PIXELS; i++)
        pixels[i] = (float)hawq_rng_normal(8, (uint64_t)i);
    for (int i = 0; i < N * ROWS; i++)
        labels[i] = (int64_t)hawq_rng_below(9, (uint64_t)i, CLASSES);
    for (int i = 0; i < N; i++) one_hot[i * CLASSES + labels[i]] = 1;
    put_tokens();
    put_images("deep", "pooled", CLASSES, sink);
    put_images("flat", "flat", CLASSES, sink);
    put_images("ends", "p", CLASSES, probability);
    put_images("single", "flat", 1, numbers);
    put_npz("tokens.npz", &token_x, &token_y);
    put_npz("misfit.npz", &token_x, &image_y);
    put_npz("nothing.npz", &token_x, NULL);
    put_npz("images.npz", &image_x, &image_y);
    put_npz("bare.npz", &image_x, NULL);
    put_npz("hot.npz", &image_x, &(npz_array){"<f4", 2, {N, 4}, one_hot});
    put_npz("own.npz", &image_x, &(npz_array){"<f4", 2, {N, 4}, probability});
    put_npz("number.npz", &image_x, &(npz_array){"<f4", 2, {N, 1}, numbers});
    put_npz("few.npz", &(npz_array){"<f4", 4, {5, 2, 5, 5}, pixels},
            &(npz_array){"<i8", 1, {5}, labels});
    put_npz("blank.npz", &(npz_array){"<f4", 4, {N, 2, 5, 5}, blank}, &image_y);
}

/* The first number behind "key": of the last command's JSON; NaN for null. */
static double json(const char *key) {
    char        text[64];
    const char *at;
    snprintf(text, sizeof text, "\"%s\": ", key);
    for (at = strstr(program_out, text); at && at[strlen(text)] == '{';)
        at = strstr(at + 1, text);
    if (!CHECK(at != NULL)) return NAN;
    at += strlen(text);
    return strncmp(at, "null", 4) ? strtod(at, NULL) : NAN;
}

/* --- rows ---------------------------------------------------------------- */

/* From the outputs, row by row; of equals the first counts. */
static void expect(double *loss, double *accuracy) {
    *loss = *accuracy = 0;
    for (int r = 0; r < N * ROWS; r++) {
        const float *z = outputs + r * CLASSES;
        double       sum = 0;
        bool         right = true;
        for (int k = 0; k < CLASSES; k++) {
            sum += exp((double)z[k]);
            right = right && (z[k] < z[labels[r]] ||
                              (z[k] == z[labels[r]] && k >= labels[r]));
        }
        *loss += (log(sum) - (double)z[labels[r]]) / (N * ROWS);
        *accuracy += right / (double)(N * ROWS);
    }
}

static void tokens_have_a_label_each(void) {
    double loss, accuracy;
    expect(&loss, &accuracy);
    if (program_step(
            "hawq-analyze tokens.onnx --bits 8,4,2 --data tokens.npz -n 4 -m "
            "trace,measured,hybrid --format json",
            0)) {
        CHECK_NEAR(json("loss_value"), loss, 1e-5);
        CHECK_NEAR(json("accuracy"), accuracy, 1e-9);
        CHECK(json("trace") > 0);
    }
    if (program_step("hawq-bench tokens.onnx --data tokens.npz --repeats 3 "
                     "--format json",
                     0)) {
        CHECK_NEAR(json("float_loss"), loss, 1e-5);
        CHECK_NEAR(json("float_accuracy"), accuracy, 1e-9);
        CHECK(json("agreement") > 0.9 && json("agreement") <= 1);
    }
    if (program_step("hawq-train --from tokens.onnx --data tokens.npz --test "
                     "tokens.npz --batch-size 40 --epochs 1 --rate 1e-9 -o "
                     "new.onnx --format json",
                     0)) {
        CHECK_NEAR(json("loss"), loss, 1e-5);
        CHECK_NEAR(json("accuracy"), accuracy, 1e-9);
        CHECK_NEAR(json("test_accuracy"), accuracy, 1e-9);
    }
}

static void misfits_are_refused(void) {
    const char *says = "misfit.npz: y has labels of shape N, and the output is "
                       "N x 7 x 4, 7 rows of 4 classes an image: y must hold "
                       "one integer a row, N x 7\n";
    program_says(
        "hawq-analyze tokens.onnx --bits 8,4,2 --data misfit.npz -m trace", 2,
        says);
    program_says("hawq-bench tokens.onnx --data misfit.npz", 2, says);
    program_says("hawq-train --from tokens.onnx --data misfit.npz -o new.onnx",
                 2, says);
    program_says("hawq-train --from tokens.onnx --data tokens.npz --test "
                 "misfit.npz -o new.onnx",
                 2, says);
    if (program_says("hawq-analyze tokens.onnx --bits 8,4,2 --data misfit.npz "
                     "-m measured "
                     "--loss self-distillation --format json",
                     0, "note: no accuracy, for y is left out"))
        CHECK(isnan(json("accuracy")));
    program_says("hawq-analyze flat.onnx --bits 8,4,2 --data hot.npz", 2,
                 "hot.npz: y holds targets (floating point, N x 4; one-hot?), "
                 "not labels (integers, N): save y.argmax(-1), or use --loss "
                 "mse\n");
}

static void ones_change_nothing(void) {
    static char flat[PROGRAM_TEXT];
    if (!program_step("hawq-analyze flat.onnx --bits 8,4,2 --data images.npz "
                      "-n 4 --format "
                      "csv -q",
                      0))
        return;
    memcpy(flat, program_out, sizeof flat);
    if (program_step("hawq-analyze deep.onnx --bits 8,4,2 --data images.npz -n "
                     "4 --format "
                     "csv -q",
                     0))
        CHECK(strcmp(flat, program_out) == 0);
    double loss = 0;
    if (program_step("hawq-bench flat.onnx --data images.npz --repeats 3 "
                     "--format json",
                     0))
        loss = json("loss");
    if (program_step("hawq-bench deep.onnx --data images.npz --repeats 3 "
                     "--format json",
                     0))
        CHECK_NEAR(json("loss"), loss, 1e-9);
}

/* --- losses -------------------------------------------------------------- */

static void one_output_has_no_classes(void) {
    const char *says = "single.onnx: the output 'flat' has shape N x 1, one "
                       "number an image: its %s is always 0; use --loss mse";
    char        text[256];
    snprintf(text, sizeof text, says, "cross-entropy");
    program_says("hawq-analyze single.onnx --bits 8,4,2 --data images.npz", 2,
                 text);
    program_says("hawq-bench single.onnx --data images.npz", 2, text);
    program_says("hawq-train --from single.onnx --data images.npz -o new.onnx",
                 2, text);
    snprintf(text, sizeof text, says, "self-distillation");
    program_says("hawq-analyze single.onnx --bits 8,4,2 --data bare.npz --loss "
                 "self-distillation",
                 2, text);
    if (program_step("hawq-analyze single.onnx --bits 8,4,2 --data number.npz "
                     "--loss mse "
                     "-n 4 --format json",
                     0)) {
        CHECK_NEAR(json("loss_value"), 0, 1e-9);
        CHECK(json("trace") > 0);
    }
}

/* The probabilities against themselves. All programs find the analysis. */
static void an_mse_is_of_the_output_as_it_is(void) {
    if (program_step("hawq-analyze ends.onnx --bits 8,4,2 --data own.npz "
                     "--loss mse -n 4 "
                     "--format json --db own.db",
                     0)) {
        CHECK_NEAR(json("loss_value"), 0, 1e-10);
        CHECK(!strstr(program_err, "logits"));
    }
    program_step("hawq-search ends.onnx --budget weight-size=0.6x --db own.db",
                 0);
    if (program_step("hawq-bench ends.onnx --data own.npz --allocation last "
                     "--repeats 3 --format json --db own.db",
                     0)) {
        CHECK_NEAR(json("float_loss"), 0, 1e-10);
        CHECK(json("loss") > 0 && json("loss") < 0.1);
        CHECK(isnan(json("accuracy")) && isnan(json("agreement")));
    }
    program_says("hawq-bench ends.onnx --data images.npz --repeats 3 --db "
                 "own.db",
                 0, "the loss of the newest analysis is mse");
}

static void targets_have_no_accuracy(void) {
    const char *train = "hawq-train --from flat.onnx --data hot.npz --test "
                        "hot.npz --batch-size 40 --epochs 1 -o new.onnx";
    char        command[256];
    snprintf(command, sizeof command, "%s --format json", train);
    if (program_says(command, 0, "the loss is the mean squared error"))
        CHECK(isnan(json("accuracy")) && isnan(json("test_accuracy")) &&
              json("test_loss") > 0);
    if (program_step(train, 0))
        CHECK(strstr(program_out, "       -  ") && !strchr(program_out, '%'));
    program_says("hawq-train --from flat.onnx --data images.npz --test hot.npz "
                 "-o new.onnx",
                 2, "hot.npz: y holds targets (floating point), and that of");
}

/* --- neither -------------------------------------------------------------- */

static void benchmarks_need_no_labels(void) {
    if (program_says("hawq-bench flat.onnx --data bare.npz --repeats 3 "
                     "--format json",
                     0, "the data has no y")) {
        CHECK(isnan(json("accuracy")) && isnan(json("loss")));
        CHECK(json("agreement") > 0.8 && json("agreement") <= 1);
        CHECK(json("output_mse") > 0 && json("output_mse") < 1);
        CHECK(json("weight_bytes") > 0 && json("latency_us") > 0);
    }
    if (program_step("hawq-bench single.onnx --data bare.npz --repeats 3 "
                     "--format json",
                     0))
        CHECK(isnan(json("agreement")) && json("output_mse") > 0);
    if (program_step("hawq-bench flat.onnx --data bare.npz --repeats 3", 0))
        CHECK(strstr(program_out, "loss") && strstr(program_out, "  mse"));
    if (program_step("hawq-bench flat.onnx --data images.npz --repeats 3", 0))
        CHECK(!strstr(program_out, "  mse"));
    program_step("hawq-bench flat.onnx --data images.npz --calibrate bare.npz "
                 "--repeats 3",
                 0);
    program_step("hawq-bench tokens.onnx --data tokens.npz --calibrate "
                 "misfit.npz --repeats 3",
                 0);
    program_says("hawq-analyze flat.onnx --bits 8,4,2 --data bare.npz", 2,
                 "--loss self-distillation needs none");
}

/* --- what the numbers say ------------------------------------------------- */

static void nothing_is_not_negative(void) {
    if (!program_says("hawq-analyze flat.onnx --bits 8,4,2 --data blank.npz -n "
                      "8 -m trace",
                      0,
                      "trace is exactly 0 for c1, c2 (2 of 2 layers): "
                      "nothing reaches these weights on this data"))
        return;
    CHECK(!strstr(program_err, "negative"));
    CHECK(!strstr(program_err, "not resolved"));
}

static void defaults_adapt(void) {
    if (program_says("hawq-analyze flat.onnx --bits 8,4,2 --data few.npz -n 4 "
                     "--format json",
                     0,
                     "the data has 5 images, fewer than the usual batch of "
                     "32: --batch-size is 5\n"))
        CHECK_NEAR(json("batch_size"), 5, 0);
    if (program_step(
            "hawq-analyze flat.onnx --bits 8,4,2 --data few.npz -m depth", 0))
        CHECK(!strstr(program_err, "batch"));
    program_says(
        "hawq-analyze flat.onnx --bits 8,4,2 --data few.npz --batch-size 6", 2,
        "fewer than --batch-size 6");
    program_says("hawq-train --from flat.onnx --data few.npz --epochs 1 -o "
                 "new.onnx",
                 0, "usual batch of 64: --batch-size is 5\n");
}

int main(void) {
    if (!program_open()) return 77;
    if (!program_built("hawq-analyze") || !program_built("hawq-bench") ||
        !program_built("hawq-train") || !program_built("hawq-search"))
        return 77;
    put_fixtures();
    tokens_have_a_label_each();
    misfits_are_refused();
    ones_change_nothing();
    one_output_has_no_classes();
    an_mse_is_of_the_output_as_it_is();
    targets_have_no_accuracy();
    benchmarks_need_no_labels();
    nothing_is_not_negative();
    defaults_adapt();
    program_close();
    DONE();
}
