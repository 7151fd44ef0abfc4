/* test_tolerance.c -- hawq-analyze --tolerance with two sampled metrics.
 *
 * Claims: each metric says its own number of samples and whether it reached the
 * tolerance, in every form, whether the other one did or not; samples that are
 * as many are said once.
 *
 * The network bends (Tanh), so that the curvature of the loss is not that of
 * Gauss-Newton, whose readings are never negative and so need fewer samples.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/graph.h"
#include "src/load/onnx.h"
#include "src/ops/ops.h"
#include "tests/images.h"
#include "tests/program.h"

enum { SIDE = 4, IMAGES = 40, CLASSES = 4, WIDE = 6 };

#define ANALYSE                                                                \
    "hawq-analyze net.onnx --data idx:img --scale 0.004 --batch-size 8 "       \
    "--bits 4 --threads 1 "

static void put_gemm(hawq_graph *g, const char *name, const char *in,
                     const char *out, int n_in, int n_out) {
    const hawq_attr trans_b = {.name = "transB", .type = HAWQ_ATTR_INT, .i = 1};
    hawq_shape      shape = {2, {n_out, n_in}};
    float           data[SIDE * SIDE * WIDE];
    char            weight[32];
    const char     *from[2] = {in, weight};
    hawq_node_spec  spec = {.op_type = "Gemm",
                            .name = name,
                            .n_in = 2,
                            .n_out = 1,
                            .in = from,
                            .out = &out,
                            .n_attr = 1,
                            .attr = &trans_b};
    snprintf(weight, sizeof weight, "%s.weight", name);
    for (int i = 0; i < n_in * n_out; i++)
        data[i] = (float)((i * 37 + n_in * 11) % 29 - 14) / 14;
    CHECK_OK(hawq_graph_constant(g, weight, HAWQ_FLOAT, &shape, data));
    CHECK_OK(hawq_graph_add(g, &spec));
}

static void put_node(hawq_graph *g, const char *op, const char *in,
                     const char *out) {
    hawq_node_spec spec = {.op_type = op,
                           .name = out,
                           .n_in = 1,
                           .n_out = 1,
                           .in = &in,
                           .out = &out};
    CHECK_OK(hawq_graph_add(g, &spec));
}

static void put_network(void) {
    hawq_graph *g;
    hawq_shape  shape = {4, {4, 1, SIDE, SIDE}};
    CHECK_OK(hawq_graph_new(hawq_op_find, 13, &g));
    CHECK_OK(hawq_graph_input(g, "x", &shape));
    put_node(g, "Flatten", "x", "flat");
    put_gemm(g, "a", "flat", "a.out", SIDE * SIDE, WIDE);
    put_node(g, "Tanh", "a.out", "a.tanh");
    put_gemm(g, "b", "a.tanh", "b.out", WIDE, WIDE);
    put_node(g, "Tanh", "b.out", "b.tanh");
    put_gemm(g, "fc", "b.tanh", "logits", WIDE, CLASSES);
    CHECK_OK(hawq_graph_finish(g, "logits"));
    CHECK_OK(hawq_onnx_save("net.onnx", g, "test"));
    hawq_graph_free(g);
}

static void put_images(void) {
    static unsigned char x[16 + IMAGES * SIDE * SIDE], y[8 + IMAGES];
    for (int i = 0; i < IMAGES; i++) {
        y[8 + i] = (unsigned char)(i * 7 % CLASSES);
        for (int p = 0; p < SIDE * SIDE; p++)
            x[16 + i * SIDE * SIDE + p] =
                striped_pixel(i, p, SIDE, i % CLASSES);
    }
    put_idx("img", IMAGES, SIDE, x, y);
}

/* The number before " samples" of the line that begins so, or of the JSON
 * object of that name; -1: none. */
static int samples_of(const char *begins, const char *after) {
    const char *at = strstr(program_out, begins);
    at = at ? strstr(at, after) : NULL;
    return at ? (int)strtol(at + strlen(after), NULL, 10) : -1;
}

static void each_metric_says_its_own(void) {
    static const char both[] =
        ANALYSE "--metric trace,gauss-newton --tolerance 0.03 ";
    program_step(ANALYSE "--metric trace --tolerance 0.03", 0);
    int trace = samples_of("curvature from ", "from ");
    CHECK(strstr(program_out, "--tolerance 0.03 not reached"));
    program_step(ANALYSE "--metric gauss-newton --tolerance 0.03", 0);
    int gauss_newton = samples_of("curvature from ", "from ");
    CHECK(strstr(program_out, "--tolerance 0.03 reached"));
    CHECK(trace == 4096 && gauss_newton >= 16 && gauss_newton < trace);
    if (!program_step(both, 0)) return;
    CHECK(samples_of("\ntrace from ", "from ") == trace);
    CHECK(samples_of("\ngauss-newton from ", "from ") == gauss_newton);
    CHECK(strstr(program_out, "--tolerance 0.03 not reached"));
    CHECK(strstr(program_out, "--tolerance 0.03 reached"));
    CHECK(strstr(program_err, "trace: --tolerance 0.03 was not reached within "
                              "4096 samples"));
    CHECK(!strstr(program_err, "gauss-newton: --tolerance"));
    char json[256];
    snprintf(json, sizeof json, "%s--format json", both);
    if (!program_step(json, 0)) return;
    CHECK(samples_of("\"sampled\"", "\"trace\": {\n      \"samples\": ") ==
          trace);
    CHECK(
        samples_of("\"sampled\"", "\"gauss-newton\": {\n      \"samples\": ") ==
        gauss_newton);
    CHECK(samples_of("{", "\n  \"samples\": ") == trace);
    CHECK(strstr(program_out, "\"tolerance_reached\": false"));
    CHECK(strstr(program_out, "\"tolerance_reached\": true"));
}

static void as_many_are_said_once(void) {
    program_step(ANALYSE "--metric trace,gauss-newton -n 8", 0);
    CHECK(samples_of("\ncurvature from ", "from ") == 8);
    CHECK(!strstr(program_out, "tolerance"));
    CHECK(!strstr(program_out, "gauss-newton from"));
}

int main(void) {
    if (!program_open()) return 1;
    put_network();
    put_images();
    if (program_built("hawq-analyze")) {
        each_metric_says_its_own();
        as_many_are_said_once();
    }
    program_close();
    DONE();
}
