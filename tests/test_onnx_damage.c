/* test_onnx_damage.c -- reading ONNX files that are no good.
 *
 * Claim: no damage to a file, no nesting and no failed allocation does more
 * than produce a sentence.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/proto.h"
#include "tests/onnx_files.h"

/* Loads and lists; whatever comes, a failure has a sentence with the path. */
static int survives(void) {
    hawq_graph    *g;
    hawq_arena     arena = {0};
    hawq_onnx_row *rows;
    size_t         n;
    hawq_status    status = hawq_onnx_load(scratch_path, 2, &g);
    if (status == HAWQ_OK) hawq_graph_free(g);
    int ok = status == HAWQ_OK || strstr(hawq_message(), scratch_path);
    if (hawq_onnx_list_ops(scratch_path, &arena, &rows, &n) != HAWQ_OK)
        ok &= strstr(hawq_message(), scratch_path) != NULL;
    hawq_arena_free(&arena);
    return ok;
}

static void truncations(const char *name) {
    size_t         n, bad = 0;
    hawq_graph    *g;
    unsigned char *bytes = contents(fixture("%s.onnx", name), &n);
    char           text[80];
    put(bytes, n / 2); /* the cut is inside the graph, which tells its length */
    snprintf(text, sizeof text, "truncated: found %zu bytes, expected at least",
             n / 2);
    CHECK(hawq_onnx_load(scratch_path, 1, &g) == HAWQ_EFORMAT &&
          strstr(hawq_message(), text));
    for (size_t cut = 1; bytes && cut < n; cut += cut < 64 ? 1 : 7) {
        put(bytes, cut);
        bad += !survives();
        /* a whole network is never found in a part of one */
        if (hawq_onnx_load(scratch_path, 1, &g) == HAWQ_OK && cut + 16 < n) {
            bad++;
            hawq_graph_free(g);
        }
    }
    CHECK(bad == 0);
    free(bytes);
}

static uint32_t chance(uint32_t *state) { /* xorshift, Marsaglia 2003 */
    *state ^= *state << 13;
    *state ^= *state >> 17;
    return *state ^= *state << 5;
}

static void bit_flips(const char *name, int n_trials) {
    size_t         n, bad = 0;
    uint32_t       state = 2463534242u;
    unsigned char *bytes = contents(fixture("%s.onnx", name), &n);
    unsigned char *damaged = malloc(n);
    for (int trial = 0; bytes && damaged && trial < n_trials; trial++) {
        memcpy(damaged, bytes, n);
        int n_flips = 1 + (int)(chance(&state) % 3);
        for (int k = 0; k < n_flips; k++)
            damaged[chance(&state) % n] ^=
                (unsigned char)(1u << chance(&state) % 8);
        put(damaged, n);
        bad += !survives();
    }
    CHECK(bad == 0);
    free(bytes);
    free(damaged);
}

/* A subgraph in a subgraph in ..., built from the inside: 30,000 levels. */
static void deep_nesting(void) {
    enum { LEVELS = 30000, ROOM = LEVELS * 16 };
    static unsigned char bytes[ROOM];
    size_t               at = ROOM;
    for (int i = 0; i < 3 * LEVELS; i++) {
        /* node.attribute = 5, attribute.g = 6, graph.node = 1; 7 = model.graph
         */
        int    field = i == 3 * LEVELS - 1 ? 7
                       : i % 3 == 0        ? 5
                       : i % 3 == 1        ? 1
                                           : 6;
        size_t length = ROOM - at;
        bytes[--at] = (unsigned char)(length >> 14 & 127);
        bytes[--at] = (unsigned char)(128 | (length >> 7 & 127));
        bytes[--at] = (unsigned char)(128 | (length & 127));
        if (length >> 21) break;
        bytes[--at] = (unsigned char)(field << 3 | 2);
    }
    hawq_graph *g;
    put(bytes + at, ROOM - at);
    CHECK_FAILS(hawq_onnx_load(scratch_path, 1, &g), HAWQ_EFORMAT,
                "not an ONNX model");
}

/* A network of Relu nodes, "from to" each; its sentence when loaded. */
static hawq_status load_chain(size_t n, const char *const name[][2],
                              size_t n_constants, hawq_tensor *constant) {
    hawq_arena       arena = {0};
    hawq_proto_value x = {.name = "x", .shape = {2, {-1, 3}}};
    hawq_proto_value y = {.name = "y", .shape = {2, {-1, 3}}};
    hawq_proto_node  node[4] = {{.defect = NULL}};
    hawq_proto       file = {.producer = "",
                             .opset = 13,
                             .n_inputs = 1,
                             .n_outputs = 1,
                             .n_constants = n_constants,
                             .n_nodes = n,
                             .input = &x,
                             .output = &y,
                             .constant = constant,
                             .node = node};
    hawq_graph      *g;
    uint8_t         *bytes;
    size_t           n_bytes;
    for (size_t i = 0; i < n; i++)
        node[i].spec = (hawq_node_spec){.op_type = "Relu",
                                        .name = "act",
                                        .n_in = 1,
                                        .n_out = 1,
                                        .in = &name[i][0],
                                        .out = &name[i][1]};
    CHECK_OK(hawq_proto_pack(&file, &arena, &bytes, &n_bytes));
    put(bytes, n_bytes);
    hawq_arena_free(&arena);
    hawq_status status = hawq_onnx_load(scratch_path, 1, &g);
    if (status == HAWQ_OK) hawq_graph_free(g);
    return status;
}

static void names_are_defined_once(void) {
    static const char *const sound[][2] = {{"x", "a"}, {"a", "y"}};
    static const char *const twice[][2] = {{"x", "a"}, {"x", "a"}, {"a", "y"}};
    static const char *const input[][2] = {{"x", "x"}, {"x", "y"}};
    static const char *const nowhere[][2] = {{"q", "y"}};
    static const char *const no_output[][2] = {{"x", "a"}};
    real                     data[3] = {1, 2, 3};
    hawq_tensor c = {.name = "c", .role = HAWQ_CONSTANT, .shape = {1, {3}}};
    c.n = 3;
    c.data = data;
    hawq_tensor both[2] = {c, c};
    CHECK_OK(load_chain(2, sound, 1, both));
    CHECK_FAILS(load_chain(3, twice, 0, NULL), HAWQ_EFORMAT,
                "tensor 'a' is defined twice, the second time by node 'act'");
    CHECK_FAILS(load_chain(2, input, 0, NULL), HAWQ_EFORMAT,
                "tensor 'x' is defined twice");
    CHECK_FAILS(load_chain(2, sound, 2, both), HAWQ_EFORMAT,
                "tensor 'c' is defined twice, the second time by initializer");
    CHECK_FAILS(load_chain(1, nowhere, 0, NULL), HAWQ_EFORMAT,
                "node 'act' (Relu): input 'q' is not defined: no node makes");
    CHECK_FAILS(load_chain(1, no_output, 0, NULL), HAWQ_EFORMAT,
                "output 'y' is made by no node of the graph");
}

/* The k-th request for memory fails, for every k: a sentence, and no leak. */
static void no_memory(void) {
    hawq_graph *g;
    int         failures = 0;
    for (long k = 1; k < 1000; k++) {
        hawq_arena_fail_at(k);
        hawq_status status =
            hawq_onnx_load(fixture("%s.onnx", "batch_norm_opset9"), 0, &g);
        hawq_arena_fail_at(0);
        if (status == HAWQ_OK) {
            hawq_graph_free(g);
            break;
        }
        CHECK(status == HAWQ_ENOMEM && strstr(hawq_message(), "memory"));
        failures++;
    }
    CHECK(failures >= 3 && failures < 999);
}

int main(void) {
    choose_scratch();
    truncations("encodings");
    truncations("batch_norm_opset14");
    for (int i = 0; i < N_RUNS; i++) bit_flips(runs[i], 30);
    deep_nesting();
    names_are_defined_once();
    no_memory();
    unlink(scratch_path);
    DONE();
}
