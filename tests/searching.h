/* searching.h -- hawq-search from outside: a network of ResNet18's shape, its
 * images and analysis in an empty folder, and how its answers are read.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_SEARCHING_H
#define HAWQ_TESTS_SEARCHING_H
#include "src/load/onnx.h"
#include "src/ops/ops.h"
#include "tests/images.h"
#include "tests/program.h"

#include <math.h>

enum { SIDE = 8, IMAGES = 32, CLASSES = 4 };

/* --- a network of ResNet18's shape -----------------------------------------
 */

static hawq_graph *graph;

static inline void constant(const char *name, hawq_shape s) {
    static float data[1 << 15];
    size_t       n = (size_t)hawq_shape_count(&s, 0, s.rank);
    unsigned     state = (unsigned)strlen(name) * 40503u + (unsigned)n;
    for (size_t i = 0; i < n; i++) { /* variance 1 / fan-in */
        state = state * 1664525u + 1013904223u;
        data[i] = ((float)(state >> 8) / (1 << 24) - 0.5f) *
                  sqrtf(12 * (float)s.dim[0] / (float)n);
    }
    CHECK_OK(hawq_graph_constant(graph, name, HAWQ_FLOAT, &s, data));
}

static inline void node(const char *op, const char *a, const char *b,
                        const char *out, int n_attr, const hawq_attr *attr) {
    const char    *in[2] = {a, b};
    hawq_node_spec spec = {.op_type = op,
                           .name = out,
                           .n_in = b ? 2 : 1,
                           .n_out = 1,
                           .in = in,
                           .out = &out,
                           .n_attr = n_attr,
                           .attr = attr};
    CHECK_OK(hawq_graph_add(graph, &spec));
}

/* out = conv of in, k x k, padded to keep the size at stride 1. */
static inline void conv(const char *name, const char *in, const char *out,
                        int c_in, int c_out, int k, int stride) {
    static int64_t  pads[2][4] = {{0, 0, 0, 0}, {1, 1, 1, 1}};
    static int64_t  strides[3][2] = {{0, 0}, {1, 1}, {2, 2}};
    const hawq_attr attr[2] = {
        {.name = "pads", .type = HAWQ_ATTR_INTS, .n = 4, .ints = pads[k == 3]},
        {.name = "strides",
         .type = HAWQ_ATTR_INTS,
         .n = 2,
         .ints = strides[stride]}};
    char weight[128];
    snprintf(weight, sizeof weight, "%s.weight", name);
    constant(weight, (hawq_shape){4, {c_out, c_in, k, k}});
    node("Conv", in, weight, out, 2, attr);
}

static inline void block(const char *name, const char *in, const char *out,
                         int c_in, int c_out, int stride) {
    static const char *const part[] = {"conv1", "a", "b",   "conv2",
                                       "c",     "d", "sum", "downsample.0"};
    char                     n[8][96];
    for (int i = 0; i < 8; i++)
        snprintf(n[i], sizeof n[i], "%.40s.%s", name, part[i]);
    conv(n[0], in, n[1], c_in, c_out, 3, stride);
    node("Relu", n[1], NULL, n[2], 0, NULL);
    conv(n[3], n[2], n[4], c_out, c_out, 3, 1);
    if (stride > 1) conv(n[7], in, n[5], c_in, c_out, 1, stride);
    node("Add", n[4], stride > 1 ? n[5] : in, n[6], 0, NULL);
    node("Relu", n[6], NULL, out, 0, NULL);
}

static inline void put_resnet18(void) {
    hawq_shape      shape = {4, {4, 1, SIDE, SIDE}};
    const hawq_attr trans_b = {.name = "transB", .type = HAWQ_ATTR_INT, .i = 1};
    char            in[64] = "stem.relu", out[64], name[64];
    CHECK_OK(hawq_graph_new(hawq_op_find, 13, &graph));
    CHECK_OK(hawq_graph_input(graph, "x", &shape));
    conv("conv1", "x", "stem", 1, 4, 3, 1);
    node("Relu", "stem", NULL, in, 0, NULL);
    for (int stage = 1; stage <= 4; stage++)
        for (int b = 0; b < 2; b++) {
            int c = 4 << (stage - 1), first = stage > 1 && b == 0;
            snprintf(name, sizeof name, "layer%d.%d", stage, b);
            snprintf(out, sizeof out, "layer%d.%d.relu", stage, b);
            block(name, in, out, first ? c / 2 : c, c, first ? 2 : 1);
            snprintf(in, sizeof in, "%s", out);
        }
    node("GlobalAveragePool", in, NULL, "pool", 0, NULL);
    node("Flatten", "pool", NULL, "flat", 0, NULL);
    constant("fc.weight", (hawq_shape){2, {CLASSES, 32}});
    node("Gemm", "flat", "fc.weight", "logits", 1, &trans_b);
    CHECK_OK(hawq_graph_finish(graph, "logits"));
    CHECK(graph->n_layers == 21);
    CHECK_OK(hawq_onnx_save("net.onnx", graph, "test"));
    hawq_graph_free(graph);
}

static inline void put_text(const char *name, const char *text) {
    put_bytes(name, text, strlen(text));
}

static inline void put_images(void) {
    static unsigned char x[16 + IMAGES * SIDE * SIDE], y[8 + IMAGES];
    for (int i = 0; i < IMAGES; i++) {
        y[8 + i] = (unsigned char)(i % CLASSES);
        for (int p = 0; p < SIDE * SIDE; p++)
            x[16 + i * SIDE * SIDE + p] =
                striped_pixel(i, p, SIDE, i % CLASSES);
    }
    put_idx("img", IMAGES, SIDE, x, y);
}

/* --- counting ---------------------------------------------------------------
 */

static inline int count(const char *text, const char *what) {
    int n = 0;
    for (; (text = strstr(text, what)); text += strlen(what)) n++;
    return n;
}

/* Rows of TSV whose weight_bits column is this. */
static inline int rows_with(const char *bits) {
    char what[32];
    snprintf(what, sizeof what, "\t%s\t", bits);
    return count(program_out, what);
}

#define SEARCH "hawq-search net.onnx --metric measured "
#define TRACE "hawq-search net.onnx --metric trace --resamples 0 "

/* The number behind a JSON key, at its n-th place (from 0). */
static inline double number(const char *key, int n) {
    char        what[64];
    const char *at = program_out;
    snprintf(what, sizeof what, "\"%s\": ", key);
    for (at = strstr(at, what); at && n-- > 0;) at = strstr(at + 1, what);
    return at ? strtod(at + strlen(what), NULL) : NAN;
}

/* The folder with the network and its images. */
static inline bool open_search(void) {
    if (!program_open()) return false;
    put_resnet18();
    put_images();
    put_text("note.txt", "words");
    return true;
}

/* And run 1, an analysis of it; false where the programs are not built. */
static inline bool analyse(void) {
    return program_built("hawq-search") && program_built("hawq-analyze") &&
           program_step(
               "hawq-analyze net.onnx --data idx:img --scale 0.004 "
               "--metric measured,trace,cross --images 32 --bits 8,4,2 -n 8 "
               "--batch-size 8 --quiet",
               0);
}

#endif
