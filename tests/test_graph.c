/* test_graph.c -- building and cleaning up a network.
 *
 * Claims: BatchNormalization and bias additions fold into the product before
 * them without changing the function, and only where that is allowed; layers
 * carry the right names, channel axes and costs; a shared weight is one layer;
 * groups are the published ties of a ResNet block; NaN is refused by name; the
 * identity of a network does not depend on the batch but on every weight.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/rng.h"
#include "src/graph/groups.h"
#include "src/graph/sweep.h"
#include "src/ops/ops.h"
#include "tests/check.h"

static hawq_graph *open(int batch, int64_t c, int64_t h, int64_t w) {
    hawq_graph *g = NULL;
    hawq_shape  shape = {4, {batch, c, h, w}};
    CHECK_OK(hawq_graph_new(hawq_op_find, 13, &g));
    CHECK_OK(hawq_graph_input(g, "x", &shape));
    return g;
}

static hawq_graph *open_flat(int batch, int64_t n) {
    hawq_graph *g = NULL;
    hawq_shape  shape = {2, {batch, n}};
    CHECK_OK(hawq_graph_new(hawq_op_find, 13, &g));
    CHECK_OK(hawq_graph_input(g, "x", &shape));
    return g;
}

/* Values that depend on the name, so that different constants differ. */
static void constant(hawq_graph *g, const char *name, hawq_shape s, float low) {
    float  data[4096];
    size_t n = (size_t)hawq_shape_count(&s, 0, s.rank);
    for (size_t i = 0; i < n; i++)
        data[i] = low + (float)hawq_rng_uniform(hawq_rng_key((uint64_t)name[0],
                                                             (uint64_t)name[1],
                                                             strlen(name), 0),
                                                i);
    CHECK_OK(hawq_graph_constant(g, name, HAWQ_FLOAT, &s, data));
}

static void add(hawq_graph *g, const char *op, const char *inputs,
                const char *out, const hawq_attr *attr) {
    char           copy[256];
    const char    *in[8];
    hawq_node_spec spec = {
        .op_type = op, .name = out, .in = in, .n_out = 1, .out = &out};
    snprintf(copy, sizeof copy, "%s", inputs);
    for (char *at = strtok(copy, " "); at; at = strtok(NULL, " "))
        in[spec.n_in++] = at;
    spec.attr = attr;
    spec.n_attr = attr != NULL;
    CHECK_OK(hawq_graph_add(g, &spec));
}

static void batch_norm(hawq_graph *g, const char *in, const char *out, int c) {
    hawq_shape s = {1, {c}};
    char       names[200];
    snprintf(names, sizeof names, "%s g%s b%s m%s v%s", in, out, out, out, out);
    for (char kind = 0; kind < 4; kind++) {
        char name[50];
        snprintf(name, sizeof name, "%c%s", "gbmv"[(int)kind], out);
        constant(g, name, s, kind == 3 ? 0.5f : -0.5f);
    }
    add(g, "BatchNormalization", names, out, NULL);
}

static const hawq_attr trans_b = {
    .name = "transB", .type = HAWQ_ATTR_INT, .i = 1};

enum { IMAGES = 3 };

/* Logits of random images; frees the graph. */
static size_t logits(hawq_graph *g, float *z) {
    static float  x[1 << 14];
    hawq_threads *threads = NULL;
    hawq_engine  *engine = NULL;
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (float)hawq_rng_normal(4, i);
    CHECK_OK(hawq_threads_new(1, &threads));
    CHECK_OK(hawq_engine_new(g, threads, 0, HAWQ_CROSS_ENTROPY, &engine));
    hawq_batch batch = {IMAGES, x, NULL, NULL};
    hawq_engine_forward(engine, &batch, z, NULL, NULL);
    size_t n = IMAGES * hawq_per_image(g, g->output);
    hawq_engine_free(engine);
    hawq_threads_free(threads);
    hawq_graph_free(g);
    return n;
}

/* --- folding ---------------------------------------------------------------
 */

/* conv -> bn -> add of a constant per channel. With `keep`, the convolution's
 * output is also read by somebody else, so nothing may be folded. */
static hawq_graph *conv_bn_add(bool keep, int *n_nodes) {
    hawq_graph *g = open(2, 3, 5, 5);
    constant(g, "c.weight", (hawq_shape){4, {4, 3, 3, 3}}, -0.5f);
    constant(g, "shift", (hawq_shape){3, {4, 1, 1}}, 1);
    add(g, "Conv", "x c.weight", "y", NULL);
    batch_norm(g, "y", "n", 4);
    add(g, "Add", "shift n", "s", NULL);
    if (keep) {
        add(g, "Sub", "y y", "zero", NULL);
        add(g, "Add", "s zero", "z", NULL);
    }
    CHECK_OK(hawq_graph_finish(g, keep ? "z" : "s"));
    *n_nodes = g->n_nodes;
    return g;
}

static void folding_keeps_the_function(void) {
    float  folded[512], kept[512];
    int    n_folded, n_kept;
    size_t n = logits(conv_bn_add(false, &n_folded), folded);
    CHECK(logits(conv_bn_add(true, &n_kept), kept) == n);
    CHECK(n_folded == 1);
    CHECK(n_kept == 5);
    for (size_t i = 0; i < n; i++) CHECK_NEAR(folded[i], kept[i], 1e-5);
}

/* MatMul + Add becomes Gemm; Gemm + BatchNormalization folds as well. */
static hawq_graph *dense_net(bool keep, int *n_nodes) {
    hawq_graph *g = open_flat(2, 6);
    constant(g, "first", (hawq_shape){2, {6, 5}}, -0.5f);
    constant(g, "shift", (hawq_shape){1, {5}}, 0);
    constant(g, "fc.weight", (hawq_shape){2, {4, 5}}, -0.5f);
    add(g, "MatMul", "x first", "y", NULL);
    add(g, "Add", "y shift", "s", NULL);
    add(g, "Gemm", "s fc.weight", "t", &trans_b);
    batch_norm(g, "t", "n", 4);
    if (keep) {
        add(g, "Sub", "y y", "p", NULL);
        add(g, "ReduceSum", "p", "q", NULL);
        add(g, "Sub", "t t", "r", NULL);
        add(g, "Add", "n r", "u", NULL);
        add(g, "Add", "u q", "z", NULL);
    }
    CHECK_OK(hawq_graph_finish(g, keep ? "z" : "n"));
    *n_nodes = g->n_nodes;
    return g;
}

static void dense_folding_keeps_the_function(void) {
    float       folded[64], kept[64];
    int         n_folded, n_kept;
    hawq_graph *g = dense_net(false, &n_folded);
    CHECK(g->n_layers == 2 && strcmp(g->layer[0].op, "Gemm") == 0);
    CHECK(g->layer[0].bias && strcmp(g->layer[1].bias->name, "fc.bias") == 0);
    /* x w: the channel is the last axis; x w^T: the first */
    CHECK(g->layer[0].outer == 6 && g->layer[0].inner == 1);
    CHECK(g->layer[1].outer == 1 && g->layer[1].inner == 5);
    CHECK(g->layer[0].macs == 30 && g->layer[1].macs == 20);
    size_t n = logits(g, folded);
    CHECK(logits(dense_net(true, &n_kept), kept) == n);
    CHECK(n_folded == 2);
    CHECK(n_kept > 5);
    for (size_t i = 0; i < n; i++) CHECK_NEAR(folded[i], kept[i], 1e-5);
}

/* A bias shared by two products is copied before it is edited. */
static void shared_constants_are_not_edited(void) {
    hawq_graph *g = open(1, 2, 3, 3);
    constant(g, "w", (hawq_shape){4, {2, 2, 1, 1}}, 0);
    constant(g, "b", (hawq_shape){1, {2}}, 0);
    add(g, "Conv", "x w b", "one", NULL);
    add(g, "Conv", "one w b", "two", NULL);
    batch_norm(g, "two", "n", 2);
    CHECK_OK(hawq_graph_finish(g, "n"));
    CHECK(g->n_nodes == 2 && g->n_layers == 2);
    CHECK(g->layer[0].weight->data[0] != g->layer[1].weight->data[0]);
    CHECK(g->layer[0].bias->data[0] != g->layer[1].bias->data[0]);
    hawq_graph_free(g);
}

/* A product of constants is evaluated at load, before any engine exists. */
static void constant_products_are_folded(void) {
    hawq_graph *g = open_flat(1, 3);
    constant(g, "a", (hawq_shape){2, {3, 4}}, 0);
    constant(g, "b", (hawq_shape){2, {4, 2}}, 0);
    add(g, "MatMul", "a b", "w", NULL);
    add(g, "MatMul", "x w", "y", NULL);
    CHECK_OK(hawq_graph_finish(g, "y"));
    CHECK(g->n_nodes == 1 && g->n_layers == 1);
    const float *a = hawq_graph_find(g, "y")->producer->in[1]->data;
    CHECK(a && a[0] > 0);
    hawq_graph_free(g);
}

/* Probabilities are no logits, but of the same network; a Softmax elsewhere
 * stays. */
static void final_softmax_is_taken_off(void) {
    const hawq_attr one = {.name = "axis", .type = HAWQ_ATTR_INT, .i = 1};
    const hawq_attr zero = {.name = "axis", .type = HAWQ_ATTR_INT, .i = 0};
    for (int k = 0; k < 3; k++) {
        hawq_graph *g = open_flat(2, 3);
        constant(g, "w", (hawq_shape){2, {3, 4}}, 0);
        add(g, "MatMul", "x w", "z", NULL);
        add(g, k == 2 ? "LogSoftmax" : "Softmax", "z", "p", k ? &one : &zero);
        CHECK_OK(hawq_graph_finish(g, "p"));
        char before[HAWQ_HASH_TEXT], after[HAWQ_HASH_TEXT];
        hawq_graph_hash(g, before);
        CHECK(hawq_graph_take_logits(g) == (k > 0));
        hawq_graph_hash(g, after);
        CHECK(strcmp(before, after) == 0);
        CHECK(strcmp(g->output->name, k ? "z" : "p") == 0);
        CHECK(g->n_nodes == (k ? 1 : 2));
        CHECK(!hawq_graph_take_logits(g));
        hawq_graph_free(g);
    }
}

/* --- layers, groups, identity ----------------------------------------------
 */

static void a_shared_weight_is_one_layer(void) {
    hawq_graph *g = open(2, 2, 4, 4);
    constant(g, "w.weight", (hawq_shape){4, {2, 2, 1, 1}}, 0);
    constant(g, "onnx::Conv_7", (hawq_shape){4, {3, 2, 3, 3}}, 0);
    add(g, "Conv", "x w.weight", "one", NULL);
    add(g, "Conv", "one w.weight", "two", NULL);
    add(g, "Conv", "two onnx::Conv_7", "three", NULL);
    CHECK_OK(hawq_graph_finish(g, "three"));
    CHECK(g->n_layers == 2 && g->layer[0].n_nodes == 2);
    CHECK(strcmp(g->layer[0].name, "w") == 0);
    CHECK(strcmp(g->layer[1].name, "three") == 0); /* the node's name */
    CHECK(g->layer[0].macs == 2 * 2 * 2 * 16);
    CHECK(g->layer[1].macs == 3 * 2 * 9 * 4);
    CHECK(hawq_graph_find_layer(g, "three") == 1);
    CHECK(hawq_graph_find_layer(g, "four") == -1);
    hawq_graph_free(g);
}

/* A residual block with a 1x1 shortcut: the shortcut and the first convolution
 * read the same tensor; the second does not; the Add ties nothing. */
static void groups_are_the_published_ties(void) {
    hawq_graph *g = open(1, 2, 4, 4);
    int         group[4];
    for (int i = 0; i < 4; i++) {
        char name[] = "0.weight";
        name[0] = (char)('a' + i);
        constant(g, name, (hawq_shape){4, {2, 2, 1, 1}}, 0);
    }
    add(g, "Conv", "x a.weight", "a", NULL);
    add(g, "Conv", "a b.weight", "b", NULL);
    add(g, "Relu", "b", "r", NULL);
    add(g, "Conv", "r c.weight", "c", NULL);
    add(g, "Conv", "a d.weight", "d", NULL);
    add(g, "Add", "c d", "s", NULL);
    CHECK_OK(hawq_graph_finish(g, "s"));
    CHECK_OK(hawq_graph_groups(g, group));
    CHECK(group[0] == 0 && group[1] == 1 && group[2] == 2 && group[3] == 1);
    hawq_graph_free(g);
}

static void integers(hawq_graph *g, const char *name, const int64_t *value) {
    hawq_shape s = {1, {4}};
    CHECK_OK(hawq_graph_constant(g, name, HAWQ_INT, &s, value));
}

/* What a move repeats, picks or pools has the width of what it reads. */
static void moves_tie_what_they_move(void) {
    static const struct {
        const char *op, *inputs;
        bool        ties;
    } cases[] = {{"Expand", "x shape", true}, {"Tile", "x ones", true},
                 {"Trilu", "x", true},        {"GlobalMaxPool", "x", true},
                 {"Relu", "x", false},        {"GlobalAveragePool", "x", false},
                 {"Softmax", "x", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hawq_graph      *g = open(1, 2, 4, 4);
        hawq_activation *a;
        int              group[2], n = 0;
        constant(g, "a.weight", (hawq_shape){4, {2, 2, 1, 1}}, 0);
        constant(g, "b.weight", (hawq_shape){4, {2, 2, 1, 1}}, 0);
        integers(g, "shape", (const int64_t[]){1, 2, 4, 4});
        integers(g, "ones", (const int64_t[]){1, 1, 1, 1});
        add(g, cases[i].op, cases[i].inputs, "moved", NULL);
        add(g, "Conv", "x a.weight", "y", NULL);
        add(g, "Conv", "moved b.weight", "z", NULL);
        add(g, "GlobalAveragePool", "y", "means", NULL);
        add(g, "Add", "means z", "sum", NULL);
        CHECK_OK(hawq_graph_finish(g, "sum"));
        CHECK_OK(hawq_graph_groups(g, group));
        CHECK((group[1] == group[0]) == cases[i].ties);
        CHECK_OK(hawq_graph_activations(g, &n, &a));
        CHECK(n == (cases[i].ties ? 1 : 2));
        hawq_graph_free(g);
    }
}

static bool reads(const hawq_activation *a, const char *tensor, int n,
                  int first, int last) {
    return strcmp(a->tensor->name, tensor) == 0 && a->n_layers == n &&
           a->layer[0] == first && a->layer[n - 1] == last;
}

/* Each tensor once, with all its readers, also those behind a pool or a move;
 * a Concat's output is a tensor of its own. */
static void activations_are_what_layers_read(void) {
    hawq_graph      *g = open(1, 2, 4, 4);
    hawq_activation *a;
    int              n = 0;
    int64_t          two[] = {2, 2};
    hawq_attr        kernel = {
               .name = "kernel_shape", .type = HAWQ_ATTR_INTS, .n = 2, .ints = two};
    constant(g, "0.weight", (hawq_shape){4, {2, 2, 1, 1}}, 0);
    constant(g, "1.weight", (hawq_shape){4, {2, 2, 1, 1}}, 0);
    constant(g, "2.weight", (hawq_shape){4, {2, 2, 1, 1}}, 0);
    constant(g, "3.weight", (hawq_shape){4, {2, 4, 1, 1}}, 0);
    add(g, "Conv", "x 0.weight", "y0", NULL);
    add(g, "Relu", "y0", "r0", NULL);
    add(g, "MaxPool", "r0", "p", &kernel);
    add(g, "Conv", "p 1.weight", "y1", NULL);
    add(g, "Conv", "r0 2.weight", "y2", NULL);
    add(g, "MaxPool", "y2", "q", &kernel);
    add(g, "Concat", "y1 q", "c", &(hawq_attr){.name = "axis", .i = 1});
    add(g, "Conv", "c 3.weight", "z", NULL);
    CHECK_OK(hawq_graph_finish(g, "z"));
    CHECK_OK(hawq_graph_activations(g, &n, &a));
    if (CHECK(n == 3)) {
        CHECK(reads(&a[0], "x", 1, 0, 0));
        CHECK(reads(&a[1], "r0", 2, 1, 2));
        CHECK(reads(&a[2], "c", 1, 3, 3));
    }
    hawq_graph_free(g);
}

static hawq_graph *one_conv(int batch, float low) {
    hawq_graph *g = open(batch, 2, 4, 4);
    constant(g, "w", (hawq_shape){4, {2, 2, 1, 1}}, low);
    add(g, "Conv", "x w", "y", NULL);
    CHECK_OK(hawq_graph_finish(g, "y"));
    return g;
}

static void identity(void) {
    hawq_graph *a = one_conv(1, 0), *b = one_conv(4, 0), *c = one_conv(1, 1);
    char        ha[HAWQ_HASH_TEXT], hb[HAWQ_HASH_TEXT], hc[HAWQ_HASH_TEXT];
    hawq_graph_hash(a, ha);
    hawq_graph_hash(b, hb);
    hawq_graph_hash(c, hc);
    CHECK(strlen(ha) == 32 && strcmp(ha, hb) == 0 && strcmp(ha, hc) != 0);
    hawq_graph_free(a);
    hawq_graph_free(b);
    hawq_graph_free(c);
}

/* --- refusals ----------------------------------------------------------------
 */

static void refusals(void) {
    hawq_graph *g = open(1, 2, 4, 4);
    const char *in[] = {"x", "nowhere"}, *out = "y";
    float       bad[] = {1, NAN, 3, 4};
    hawq_shape  s = {4, {2, 2, 1, 1}};
    CHECK_FAILS(hawq_graph_add(
                    g, &(hawq_node_spec){"Quux", "q", 1, 1, in, &out, 0, NULL}),
                HAWQ_EUNSUPPORTED, "operator Quux is not supported");
    CHECK_FAILS(hawq_graph_add(
                    g, &(hawq_node_spec){"Add", "q", 2, 1, in, &out, 0, NULL}),
                HAWQ_EFORMAT, "input 'nowhere' is not defined");
    CHECK_FAILS(hawq_graph_finish(g, "y"), HAWQ_EFORMAT, "output 'y'");
    CHECK_OK(hawq_graph_constant(g, "w", HAWQ_FLOAT, &s, bad));
    add(g, "Conv", "x w", "y", NULL);
    CHECK_FAILS(hawq_graph_finish(g, "y"), HAWQ_ENONFINITE,
                "constant 'w' is nan at element 1");
    hawq_graph_free(g);
    CHECK_FAILS(hawq_graph_new(hawq_op_find, 6, &g), HAWQ_EUNSUPPORTED,
                "opset 6: supported are 7 and newer");
}

int main(void) {
    constant_products_are_folded();
    final_softmax_is_taken_off();
    folding_keeps_the_function();
    dense_folding_keeps_the_function();
    shared_constants_are_not_edited();
    a_shared_weight_is_one_layer();
    groups_are_the_published_ties();
    moves_tie_what_they_move();
    activations_are_what_layers_read();
    identity();
    refusals();
    DONE();
}
