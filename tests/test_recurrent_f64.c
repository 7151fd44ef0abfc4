/* test_recurrent_f64.c -- recurrent operators and control flow written out,
 * node by node. Claims: the two layouts say the same; steps behind the length
 * of the sequences are zeros; a weight that all passes of a loop read is one
 * constant; what cannot be written out is refused with a sentence that names
 * the node; whichever request for memory fails, that is what is said. (Values,
 * derivatives and layers of whole networks: test_networks_f64.c; the operators'
 * own examples: test_onnx_conformance.c.)
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/rng.h"
#include "src/load/rewrite.h"
#include "src/ops/ops.h"
#include "tests/check.h"

enum { T = 3, N = 2, I = 2, H = 2, MOST = 256 };

static hawq_graph *open_graph(int opset) {
    hawq_graph *g = NULL;
    CHECK_OK(hawq_graph_new(hawq_op_find, opset, &g));
    return g;
}

/* A constant of that shape, its numbers drawn from its own stream. */
static void reals(hawq_graph *g, const char *name, hawq_shape shape,
                  uint64_t stream) {
    real   data[MOST];
    size_t n = (size_t)hawq_shape_count(&shape, 0, shape.rank);
    if (!CHECK(n <= MOST)) return;
    for (size_t i = 0; i < n; i++)
        data[i] = (real)(hawq_rng_uniform(stream, i) - 0.5);
    CHECK_OK(hawq_graph_constant(g, name, HAWQ_FLOAT, &shape, data));
}

static void ints(hawq_graph *g, const char *name, hawq_shape shape,
                 const int64_t *data) {
    CHECK_OK(hawq_graph_constant(g, name, HAWQ_INT, &shape, data));
}

/* d directions of an LSTM: W, R, B, h0, c0, P. */
static void weights(hawq_graph *g, int d, bool by_image) {
    reals(g, "W", (hawq_shape){3, {d, 4 * H, I}}, 1);
    reals(g, "R", (hawq_shape){3, {d, 4 * H, H}}, 2);
    reals(g, "B", (hawq_shape){2, {d, 8 * H}}, 3);
    reals(g, "P", (hawq_shape){2, {d, 3 * H}}, 4);
    const hawq_shape state = {3, {by_image ? N : d, by_image ? d : N, H}};
    reals(g, "h0", state, 5);
    reals(g, "c0", state, 6);
}

typedef struct attrs {
    int       n;
    hawq_attr a[4];
} attrs;

static hawq_attr text(const char *name, const char *value) {
    return (hawq_attr){.name = name, .type = HAWQ_ATTR_STRING, .s = value};
}
static hawq_attr number(const char *name, int64_t value) {
    return (hawq_attr){.name = name, .type = HAWQ_ATTR_INT, .i = value};
}

static hawq_status add(hawq_graph *g, const char *op, int n_in,
                       const char *const *in, const attrs *attr) {
    static const char *const out[] = {"Y", "Y_h", "Y_c"};
    const hawq_proto_node    node = {
           .spec = {.op_type = op,
                    .name = "cell",
                    .n_in = n_in,
                    .n_out = 2 + (strcmp(op, "LSTM") == 0),
                    .in = in,
                    .out = out,
                    .n_attr = attr->n,
                    .attr = attr->a}};
    return hawq_onnx_add_node(g, &node);
}

static double at(const hawq_graph *g, const char *name, size_t i) {
    const hawq_tensor *t = hawq_graph_find(g, name);
    return t && t->data && i < t->n ? (double)t->data[i] : NAN;
}

/* --- layouts, lengths ---------------------------------------------------- */

static const char *const all_inputs[] = {"X",   "W",  "R",  "B",
                                         "len", "h0", "c0", "P"};

/* X of either layout, with the same numbers, and an LSTM over it whose first
 * `length` steps count. The states are drawn in the layout's own order, so
 * they are alike only without any. */
static hawq_graph *run_layout(bool by_image, int64_t length) {
    hawq_graph *g = open_graph(17);
    real        x[T * N * I];
    const char *in[5];
    const attrs attr = {
        2, {text("direction", "bidirectional"), number("layout", by_image)}};
    const int64_t len[N] = {length, length};
    memcpy(in, all_inputs, sizeof in);
    weights(g, 2, by_image);
    for (int t = 0; t < T; t++)
        for (int n = 0; n < N; n++)
            for (int i = 0; i < I; i++)
                x[((by_image ? n * T + t : t * N + n)) * I + i] =
                    (real)(t * 0.3 - n * 0.5 + i * 0.7);
    hawq_shape shape = {3, {by_image ? N : T, by_image ? T : N, I}};
    CHECK_OK(hawq_graph_constant(g, "X", HAWQ_FLOAT, &shape, x));
    ints(g, "len", (hawq_shape){1, {N}}, len);
    CHECK_OK(add(g, "LSTM", 5, in, &attr));
    return g;
}

static void layouts_agree(void) {
    for (int64_t length = 2; length <= T; length++) {
        hawq_graph *a = run_layout(false, length),
                   *b = run_layout(true, length);
        for (size_t t = 0; t < T; t++)
            for (size_t d = 0; d < 2; d++)
                for (size_t n = 0; n < N; n++)
                    for (size_t h = 0; h < H; h++) {
                        double y = at(a, "Y", ((t * 2 + d) * N + n) * H + h);
                        CHECK_NEAR(at(b, "Y", ((n * T + t) * 2 + d) * H + h), y,
                                   1e-12);
                        CHECK((y == 0) == ((int64_t)t >= length));
                        if (t) continue;
                        CHECK_NEAR(at(b, "Y_h", (n * 2 + d) * H + h),
                                   at(a, "Y_h", (d * N + n) * H + h), 1e-12);
                        CHECK_NEAR(at(b, "Y_c", (n * 2 + d) * H + h),
                                   at(a, "Y_c", (d * N + n) * H + h), 1e-12);
                    }
        /* the last state is the last step's, of the way back the first one's */
        CHECK_NEAR(at(a, "Y_h", 0),
                   at(a, "Y", ((size_t)length - 1) * 2 * N * H), 0);
        CHECK_NEAR(at(a, "Y_h", N * H), at(a, "Y", N * H), 0);
        hawq_graph_free(a);
        hawq_graph_free(b);
    }
}

/* --- refusals ------------------------------------------------------------ */

static void refuse(const char *op, const char *const *in, int n_in,
                   const attrs *attr, hawq_status code, const char *sentence) {
    static const int64_t uneven[] = {2, 3};
    hawq_graph          *g = open_graph(17);
    weights(g, 1, false);
    reals(g, "X", (hawq_shape){3, {T, N, I}}, 7);
    ints(g, "len", (hawq_shape){1, {N}}, uneven);
    reals(g, "x2", (hawq_shape){2, {T, N}}, 7);
    CHECK_OK(hawq_graph_input(g, "image", &(hawq_shape){3, {N, 4 * H, I}}));
    if (!CHECK(add(g, op, n_in, in, attr) == code) ||
        !CHECK(strstr(hawq_message(), sentence)) ||
        !CHECK(strstr(hawq_message(), "node 'cell'")))
        printf("    %s, expected: %s\n", hawq_message(), sentence);
    hawq_graph_free(g);
}

#define REFUSE(op, code, sentence, attributes, ...)                            \
    refuse(op, (const char *[]){__VA_ARGS__},                                  \
           (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),      \
           &(const attrs)attributes, HAWQ_##code, sentence)
#define NO_ATTR                                                                \
    { 0 }
#define ONE_ATTR(...)                                                          \
    {                                                                          \
        1, {                                                                   \
            __VA_ARGS__                                                        \
        }                                                                      \
    }

static void refusals(void) {
    REFUSE("LSTM", EFORMAT, "three dimensions each", NO_ATTR, "x2", "W", "R");
    REFUSE("LSTM", EUNSUPPORTED, "'image' is no constant", NO_ATTR, "X",
           "image", "R");
    REFUSE("GRU", EFORMAT, "'W' has shape 1x8x2, expected 1x6x2", NO_ATTR, "X",
           "W", "R");
    REFUSE("LSTM", EFORMAT, "'x2' has shape 3x2, expected 1x16", NO_ATTR, "X",
           "W", "R", "x2");
    REFUSE("LSTM", EUNSUPPORTED, "length 3 and the first one 2", NO_ATTR, "X",
           "W", "R", "", "len");
    REFUSE("LSTM", EUNSUPPORTED, "'image', depend on the data", NO_ATTR, "X",
           "W", "R", "", "image");
    REFUSE("LSTM", EFORMAT, "the initial state 'X'", NO_ATTR, "X", "W", "R", "",
           "", "X");
    REFUSE("LSTM", EFORMAT, "direction 'bidirectional'",
           ONE_ATTR(text("direction", "bidirectional")), "X", "W", "R");
    REFUSE("LSTM", EFORMAT, "direction 'up'", ONE_ATTR(text("direction", "up")),
           "X", "W", "R");
    REFUSE("LSTM", EUNSUPPORTED, "activation 'Erf'",
           ONE_ATTR(text("activations", "Sigmoid Erf Tanh")), "X", "W", "R");
    REFUSE("LSTM", EUNSUPPORTED, "too few activations",
           ONE_ATTR(text("activations", "Sigmoid")), "X", "W", "R");
    REFUSE("LSTM", EUNSUPPORTED, "attribute 'odd'", ONE_ATTR(number("odd", 1)),
           "X", "W", "R");
}

static void starved(void) {
    const attrs none = {0};
    hawq_status status = HAWQ_ENOMEM;
    for (long k = 1; status == HAWQ_ENOMEM && k < 100000; k++) {
        hawq_graph *g = open_graph(17);
        weights(g, 1, false);
        reals(g, "X", (hawq_shape){3, {T, N, I}}, 7);
        hawq_arena_fail_at(k);
        status = add(g, "LSTM", 3, all_inputs, &none);
        hawq_arena_fail_at(0);
        hawq_graph_free(g);
    }
    CHECK(status == HAWQ_OK);
}

/* --- loops --------------------------------------------------------------- */

/* A loop whose body multiplies its state by a constant of its own; trips and
 * condition by name. */
static hawq_status loop(hawq_graph *g, const char *trips, const char *go) {
    static const char *const in_mul[] = {"s", "w"}, *const out_mul[] = {"s2"};
    static const char *const in_same[] = {"go"}, *const out_same[] = {"go2"};
    static const char *const out[] = {"last"};
    real                     w[4] = {1, 2, 3, 4};
    hawq_tensor              constant = {.name = "w",
                                         .role = HAWQ_CONSTANT,
                                         .dtype = HAWQ_FLOAT,
                                         .shape = {2, {2, 2}},
                                         .n = 4,
                                         .data = w};
    hawq_proto_value  ins[] = {{.name = "i"}, {.name = "go"}, {.name = "s"}};
    hawq_proto_value  outs[] = {{.name = "go2"}, {.name = "s2"}};
    hawq_proto_node   nodes[] = {{.spec = {.op_type = "MatMul",
                                           .name = "mul",
                                           .n_in = 2,
                                           .n_out = 1,
                                           .in = in_mul,
                                           .out = out_mul}},
                                 {.spec = {.op_type = "Identity",
                                           .name = "same",
                                           .n_in = 1,
                                           .n_out = 1,
                                           .in = in_same,
                                           .out = out_same}}};
    hawq_proto_body   body = {"body",
                              {.n_inputs = 3,
                               .n_outputs = 2,
                               .n_constants = 1,
                               .n_nodes = 2,
                               .input = ins,
                               .output = outs,
                               .constant = &constant,
                               .node = nodes}};
    const char *const in[] = {trips, go, "x"};
    const hawq_proto_node node = {.spec = {.op_type = "Loop",
                                           .name = "loop",
                                           .n_in = 3,
                                           .n_out = 1,
                                           .in = in,
                                           .out = out},
                                  .n_bodies = 1,
                                  .body = &body};
    return hawq_onnx_add_node(g, &node);
}

static void loops(void) {
    static const int64_t three[] = {3}, yes[] = {1}, none[] = {0};
    static const int64_t many[] = {INT64_MAX}, long_ago[] = {60000};
    const hawq_shape     one = {0};
    hawq_graph          *g = open_graph(17);
    CHECK_OK(hawq_graph_input(g, "x", &(hawq_shape){2, {N, 2}}));
    ints(g, "three", one, three);
    ints(g, "yes", one, yes);
    ints(g, "none", one, none);
    ints(g, "many", one, many);
    CHECK_FAILS(loop(g, "x", "yes"), HAWQ_EUNSUPPORTED,
                "node 'loop' (Loop): its trip count 'x' depends");
    CHECK_FAILS(loop(g, "three", "x"), HAWQ_EUNSUPPORTED,
                "its condition 'x' depends");
    CHECK_FAILS(loop(g, "none", ""), HAWQ_EUNSUPPORTED, "it runs 0 times");
    CHECK_FAILS(loop(g, "three", "none"), HAWQ_EUNSUPPORTED, "it runs 0 times");
    CHECK_FAILS(loop(g, "many", ""), HAWQ_EUNSUPPORTED, "it runs 9223372");
    CHECK_OK(loop(g, "three", "yes"));
    CHECK_OK(hawq_graph_finish(g, "last"));
    if (CHECK(g->n_layers == 1 && g->n_nodes == 3))
        CHECK(g->layer[0].n_nodes == 3 && !strcmp(g->layer[0].name, "w"));
    hawq_graph_free(g);
    g = open_graph(17);
    CHECK_OK(hawq_graph_input(g, "x", &(hawq_shape){2, {N, 2}}));
    ints(g, "long", one, long_ago);
    CHECK_FAILS(loop(g, "long", ""), HAWQ_EUNSUPPORTED,
                "more than 262144 tensors");
    hawq_graph_free(g);
}

int main(void) {
    layouts_agree();
    refusals();
    starved();
    loops();
    DONE();
}
