/* test_lowering.c -- what nodes become in an integer program.
 *
 * Claims: moving operators are found by what they do and become one move;
 * windows start where ONNX says; functions of one element become tables; a
 * tensor takes the widest of its readers' wishes; dead channels keep their
 * bias; what cannot be lowered, and an allocation that does not fit, is refused
 * with one sentence that names it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/deploying.h"

/* Opens, lowers and runs a finished graph on all tables: they agree, and the
 * outputs are near the float network's. */
static void check_near_float(hawq_graph *g, double bound) {
    fixture       f;
    hawq_program *p = NULL;
    fixture_open(&f, g);
    if (CHECK_OK(lower_uniform(&f, 8, 8, &p))) {
        size_t bytes = IMAGES * f.n_out * sizeof(float);
        float *same = hawq_arena_take(&f.arena, bytes, 1);
        run(&f, p, "ref", f.output);
        CHECK(deviation(&f, f.output) < bound);
        for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++) {
            if (!(*k)->usable()) continue;
            run(&f, p, (*k)->name, same);
            CHECK(memcmp(same, f.output, bytes) == 0);
        }
    }
    hawq_program_free(p);
    fixture_close(&f);
}

/* Tensor r1 is read by two layers: the wider wish holds for both. */
static void shared_inputs_take_the_wider_wish(void) {
    fixture       f;
    hawq_program *p = NULL;
    hawq_graph   *g = open_image(2, 4, 4);
    weight(g, "p1.weight", 0.5, 4, (int64_t[]){4, 2, 1, 1});
    weight(g, "p2.weight", 0.5, 4, (int64_t[]){4, 4, 1, 1});
    weight(g, "p3.weight", 0.5, 4, (int64_t[]){4, 4, 1, 1});
    node(g, "Conv", "x p1.weight", "p1", "");
    node(g, "Relu", "p1", "r", "");
    node(g, "Conv", "r p2.weight", "p2", "");
    node(g, "Conv", "r p3.weight", "p3", "");
    node(g, "Add", "p2 p3", "a", "");
    CHECK_OK(hawq_graph_finish(g, "a"));
    fixture_open(&f, g);
    const hawq_choice choice[] = {
        {"p1", 8, 8, NULL}, {"p2", 8, 8, NULL}, {"p3", 8, 4, NULL}};
    if (CHECK_OK(lower(&f, 3, choice, &p))) {
        CHECK(p->choice[2].activation_bits == 8);
        run(&f, p, "ref", f.output); /* u8 outputs, moved back to NCHW */
        CHECK(deviation(&f, f.output) < 0.03);
    }
    hawq_program_free(p);
    fixture_close(&f);
}

/* --- movements ----------------------------------------------------------- */

/* Gemm over x moved by Pad, Slice and Transpose has the bits of the Gemm whose
 * columns were moved instead. The padding is the zero point: it adds nothing,
 * whatever its weights. */
static void moves_change_nothing_but_places(void) {
    fixture       f, h;
    hawq_program *p = NULL, *q = NULL;
    hawq_graph   *a = open_image(2, 3, 5), *b = open_image(2, 3, 5);
    static real   w[4 * 24], v[4 * 30];
    hawq_shape    ws = {2, {24, 4}}, vs = {2, {30, 4}};
    for (int i = 0; i < 96; i++) w[i] = (real)hawq_rng_normal(1, (uint64_t)i);
    for (int k = 0; k < 24; k++) { /* (y, x, c); column x = 0 is padding */
        int c = k % 2, x = k / 2 % 4 - 1, y = k / 8;
        for (int o = 0; o < 4; o++)
            if (x >= 0)
                v[((c * 3 + y) * 5 + x) * 4 + o] = w[k * 4 + o];
            else
                w[k * 4 + o] *= (real)0.01; /* not the largest: same scales */
    }
    CHECK_OK(hawq_graph_constant(a, "w", HAWQ_FLOAT, &ws, w));
    CHECK_OK(hawq_graph_constant(b, "w", HAWQ_FLOAT, &vs, v));
    ints(a, "pads", 8, (int64_t[]){0, 0, 0, 1, 0, 0, 0, 1});
    ints(a, "from", 1, (int64_t[]){0});
    ints(a, "to", 1, (int64_t[]){4});
    ints(a, "axis", 1, (int64_t[]){3});
    ints(a, "shape", 2, (int64_t[]){BATCH, 24});
    node(a, "Pad", "x pads", "pd", "");
    node(a, "Slice", "pd from to axis", "sl", "");
    node(a, "Transpose", "sl", "tr", "perm=0,2,3,1");
    node(a, "Reshape", "tr shape", "re", "");
    node(a, "MatMul", "re w", "fc", "");
    CHECK_OK(hawq_graph_finish(a, "fc"));
    node(b, "Flatten", "x", "fl", "");
    node(b, "MatMul", "fl w", "fc", "");
    CHECK_OK(hawq_graph_finish(b, "fc"));
    fixture_open(&f, a);
    fixture_open(&h, b);
    CHECK_OK(lower_uniform(&f, 8, 8, &p));
    CHECK_OK(lower_uniform(&h, 8, 8, &q));
    run(&f, p, NULL, f.output);
    run(&h, q, NULL, h.output);
    CHECK(memcmp(f.output, h.output, IMAGES * 4 * sizeof(float)) == 0);
    CHECK(p->n_steps == 4); /* quantize, one move for three, fc, scale */
    hawq_program_free(p);
    hawq_program_free(q);
    fixture_close(&f);
    fixture_close(&h);
}

/* A moved value that is also read as it is, under another name, stays. */
static void moved_values_may_be_read_twice(void) {
    fixture       f;
    hawq_program *p = NULL;
    hawq_graph   *g = open_image(2, 4, 4);
    weight(g, "m1.weight", 0.5, 2, (int64_t[]){24, 3});
    weight(g, "m2.weight", 0.5, 2, (int64_t[]){24, 3});
    ints(g, "from", 1, (int64_t[]){1});
    ints(g, "to", 1, (int64_t[]){4});
    ints(g, "axis", 1, (int64_t[]){2});
    node(g, "Slice", "x from to axis", "sl", "");
    node(g, "Transpose", "sl", "tr", "perm=0,3,1,2");
    node(g, "Flatten", "tr", "f1", "");
    node(g, "Flatten", "sl", "f2", "");
    node(g, "MatMul", "f1 m1.weight", "m1", "");
    node(g, "MatMul", "f2 m2.weight", "m2", "");
    node(g, "Add", "m1 m2", "sum", "");
    CHECK_OK(hawq_graph_finish(g, "sum"));
    fixture_open(&f, g);
    CHECK_OK(lower_uniform(&f, 8, 8, &p));
    run(&f, p, NULL, f.output);
    CHECK(deviation(&f, f.output) < 0.03);
    hawq_program_free(p);
    fixture_close(&f);
}

/* --- geometry ------------------------------------------------------------ */

/* A window that starts one off would be far from float. */
static void padding_starts_where_onnx_says(void) {
    for (int lower_half = 0; lower_half < 2; lower_half++) {
        const char *mode = lower_half ? "SAME_LOWER" : "SAME_UPPER";
        hawq_attr   attr = {
              .name = "auto_pad", .type = HAWQ_ATTR_STRING, .s = mode};
        const char    *in[] = {"x", "c1.weight"}, *out[] = {"c1"};
        hawq_node_spec spec = {"Conv", "c1", 2, 1, in, out, 1, &attr};
        hawq_graph    *g = open_image(2, 5, 6);
        weight(g, "c1.weight", 0.5, 4, (int64_t[]){3, 2, 4, 2});
        CHECK_OK(hawq_graph_add(g, &spec));
        CHECK_OK(hawq_graph_finish(g, "c1"));
        check_near_float(g, 0.02);
    }
}

static void dilations_and_counted_padding(void) {
    hawq_graph *g = open_image(2, 9, 8);
    weight(g, "c1.weight", 0.5, 4, (int64_t[]){3, 2, 2, 3});
    node(g, "Conv", "x c1.weight", "c1", "dilations=3,2 pads=1,2,1,2");
    node(g, "AveragePool", "c1", "ap",
         "kernel_shape=3,3 pads=1,1,1,1 strides=2,2 count_include_pad=1");
    node(g, "GlobalMaxPool", "ap", "gm", "");
    CHECK_OK(hawq_graph_finish(g, "gm"));
    check_near_float(g, 0.02);
}

/* Signals of one dimension are images of one row. */
static void signals_are_images(void) {
    hawq_graph *g = open_graph(3, (int64_t[]){BATCH, 3, 17});
    weight(g, "c1.weight", 0.4, 3, (int64_t[]){6, 3, 4});
    weight(g, "c1.bias", 0.4, 1, (int64_t[]){6});
    weight(g, "c2.weight", 0.4, 3, (int64_t[]){6, 1, 3});
    weight(g, "fc.weight", 0.4, 2, (int64_t[]){4, 6});
    node(g, "Conv", "x c1.weight c1.bias", "c1", "strides=2 pads=2,1");
    node(g, "Relu", "c1", "r1", "");
    node(g, "Conv", "r1 c2.weight", "c2", "group=6 dilations=2 pads=2,2");
    node(g, "MaxPool", "c2", "mp", "kernel_shape=2 strides=1 pads=0,1");
    node(g, "AveragePool", "mp", "ap",
         "kernel_shape=3 strides=2 pads=1,1 count_include_pad=1");
    node(g, "GlobalAveragePool", "ap", "ga", "");
    node(g, "Flatten", "ga", "fl", "");
    node(g, "Gemm", "fl fc.weight", "fc", "transB=1");
    CHECK_OK(hawq_graph_finish(g, "fc"));
    check_near_float(g, 0.03);
}

/* MatMul on N x T x K: every row is a position of its own. */
static void rows_are_positions(void) {
    hawq_graph *g = open_graph(3, (int64_t[]){BATCH, 5, 7});
    weight(g, "m1.weight", 0.5, 2, (int64_t[]){7, 6});
    weight(g, "m2.weight", 0.5, 2, (int64_t[]){6, 4});
    node(g, "MatMul", "x m1.weight", "m1", "");
    node(g, "Relu", "m1", "r1", "");
    node(g, "MatMul", "r1 m2.weight", "m2", "");
    CHECK_OK(hawq_graph_finish(g, "m2"));
    check_near_float(g, 0.02);
}

/* A function of one element becomes a table: within two steps of float. */
static void pointwise_operators_are_tables(void) {
    hawq_graph *g = open_image(1, 6, 6);
    weight(g, "c1.weight", 0.5, 4, (int64_t[]){3, 1, 3, 3});
    node(g, "Conv", "x c1.weight", "c1", "");
    node(g, "Sigmoid", "c1", "s", "");
    CHECK_OK(hawq_graph_finish(g, "s"));
    check_near_float(g, 0.02);
}

/* The activations that exporters write, in one node or in several. */
static const struct {
    const char *op, *in; /* of c1, the convolution, and a */
} activation[][3] = {{{"HardSwish", "c1"}},
                     {{"LeakyRelu", "c1"}},
                     {{"Elu", "c1"}},
                     {{"Mish", "c1"}},
                     {{"PRelu", "c1 half"}},
                     {{"Pow", "c1 two"}},
                     {{"Max", "c1 half"}},
                     {{"Clip", "c1 half two"}}, /* 0 is no value of it */
                     {{"Sigmoid", "c1"}, {"Mul", "c1 a"}},
                     {{"Tanh", "c1"}, {"Add", "a c1"}},
                     {{"Erf", "c1"}, {"Add", "a two"}, {"Mul", "b c1"}}};

/* Several nodes are one table, made without a rounding between them; its
 * reader is an integer layer like any other. */
static void every_activation_is_one_table(void) {
    for (size_t i = 0; i < sizeof activation / sizeof *activation; i++) {
        static const char *const name[] = {"a", "b", "c"};
        int                      last = 0;
        hawq_graph              *g = open_image(1, 6, 6);
        weight(g, "c1.weight", 0.5, 4, (int64_t[]){3, 1, 3, 3});
        weight(g, "c2.weight", 0.5, 4, (int64_t[]){2, 3, 2, 2});
        scalar(g, "half", 0.5);
        scalar(g, "two", 2);
        node(g, "Conv", "x c1.weight", "c1", "");
        for (int j = 0; j < 3 && activation[i][j].op; last = j++)
            node(g, activation[i][j].op, activation[i][j].in, name[j], "");
        node(g, "Conv",
             last == 0   ? "a c2.weight"
             : last == 1 ? "b c2.weight"
                         : "c c2.weight",
             "c2", "");
        CHECK_OK(hawq_graph_finish(g, "c2"));
        fixture       f;
        hawq_program *p = NULL;
        fixture_open(&f, g);
        if (CHECK_OK(lower_uniform(&f, 8, 8, &p))) {
            /* quantize, c1, table, c2, scale; the input has one channel */
            CHECK(p->n_steps == 5);
            run(&f, p, NULL, f.output);
            CHECK(deviation(&f, f.output) < 0.03);
        }
        hawq_program_free(p);
        fixture_close(&f);
    }
}

/* The middle of a chain that a layer reads too is a value of its own; a
 * product of two tensors is none of one element. */
static void chains_are_read_in_the_middle(void) {
    hawq_graph *g = open_image(1, 6, 6);
    weight(g, "c1.weight", 0.5, 4, (int64_t[]){3, 1, 3, 3});
    weight(g, "c2.weight", 0.5, 4, (int64_t[]){3, 3, 1, 1});
    node(g, "Conv", "x c1.weight", "c1", "");
    node(g, "Sigmoid", "c1", "s", "");
    node(g, "Mul", "c1 s", "m", "");
    node(g, "Conv", "s c2.weight", "c2", "");
    node(g, "Add", "c2 m", "sum", "");
    CHECK_OK(hawq_graph_finish(g, "sum"));
    check_near_float(g, 0.03);
}

/* --- dead channels ------------------------------------------------------- */

/* A channel with weights of 1e-12, one with none: what is left is their bias,
 * which must survive although b / (s_x s_w) does not fit 32 bits. */
static void dead_channels_keep_their_bias(void) {
    fixture       f;
    hawq_program *p = NULL;
    hawq_graph   *g = open_image(2, 4, 4);
    weight(g, "c1.weight", 1e-12, 4, (int64_t[]){3, 2, 3, 3});
    weight(g, "c1.bias", 0.03, 1, (int64_t[]){3});
    node(g, "Conv", "x c1.weight c1.bias", "c1", "");
    node(g, "Neg", "c1", "n", "");
    CHECK_OK(hawq_graph_finish(g, "n"));
    real *w = g->layer[0].weight->data;
    for (int i = 0; i < 18; i++) w[18 + i] = 0;
    for (int i = 0; i < 18; i++) w[36 + i] = (real)0.001 * (real)(i % 5 - 2);
    fixture_open(&f, g);
    if (CHECK_OK(lower_uniform(&f, 8, 8, &p))) {
        CHECK(p->n_rescaled == 1 && p->rescaled[0] == 1);
        run(&f, p, NULL, f.output);
        CHECK(deviation(&f, f.output) < 0.02);
    }
    hawq_program_free(p);
    fixture_close(&f);
}

/* --- refusals ------------------------------------------------------------ */

static void bad_allocations_are_refused(void) {
    const hawq_choice all[] = {{"c1", 8, 8, NULL}, {"c2", 8, 8, NULL},
                               {"c3", 8, 8, NULL}, {"c4", 8, 8, NULL},
                               {"fc", 8, 8, NULL}, {"fc", 8, 8, NULL}};
    const hawq_choice other[] = {{"conv9", 8, 8, NULL}};
    const hawq_choice one[] = {{"c1", 1, 8, NULL}};
    const hawq_choice inputs[] = {{"c1", 8, 3, NULL}};
    const hawq_choice unknown[] = {{"c1", 4, 8, "w4:best"}};
    hawq_program     *p = NULL;
    fixture           f;
    fixture_open(&f, every_step());
    CHECK_FAILS(lower(&f, 4, all, &p), HAWQ_EINVAL, "no bits for layer 'fc'");
    CHECK_FAILS(lower(&f, 6, all, &p), HAWQ_EINVAL, "names layer 'fc' twice");
    CHECK_FAILS(lower(&f, 1, other, &p), HAWQ_EINVAL, "'conv9'");
    CHECK_FAILS(lower(&f, 1, one, &p), HAWQ_EINVAL, "2 to 8");
    CHECK_FAILS(lower(&f, 1, inputs, &p), HAWQ_EINVAL, "8, 4 or 2 bits");
    CHECK_FAILS(lower(&f, 1, unknown, &p), HAWQ_EINVAL, "layer 'c1': 'best'");
    CHECK(p == NULL);
    fixture_close(&f);
}

/* A constant per channel behind a pool, a mean over one axis, a sum over
 * channels: in float, which batches of two cannot be; refused by the node's
 * name, with the reason. */
static void what_is_no_integer_step_is_refused(void) {
    static const struct {
        const char *op, *in, *want, *attr;
    } bad[] = {{"Mul", "mp scale", "be folded into", ""},
               {"ReduceMean", "mp", "axes 2 and 3", "axes=2"},
               {"Mul", "mp c5", "several activations", ""},
               {"ReduceSum", "mp", "no integer step", ""}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fixture       f;
        hawq_program *p = NULL;
        hawq_graph   *g = open_image(3, 4, 4);
        weight(g, "c1.weight", 1, 4, (int64_t[]){4, 3, 1, 1});
        weight(g, "scale", 1, 3, (int64_t[]){4, 1, 1});
        for (int c = 0; c < 4; c++) /* so tame that it looks like a move */
            hawq_graph_find(g, "scale")->data[c] = c ? (real)0.5 : 1;
        node(g, "Conv", "x c1.weight", "c1", "");
        weight(g, "c5.weight", 1, 4, (int64_t[]){4, 3, 2, 2});
        node(g, "Conv", "x c5.weight", "c5", "");
        node(g, "MaxPool", "c1", "mp", "kernel_shape=2,2");
        node(g, bad[i].op, bad[i].in, "odd", bad[i].attr);
        CHECK_OK(hawq_graph_finish(g, "odd"));
        fixture_open(&f, g);
        CHECK_FAILS(lower_uniform(&f, 8, 8, &p), HAWQ_EUNSUPPORTED, "'odd'");
        CHECK(strstr(hawq_message(), bad[i].want) != NULL);
        fixture_close(&f);
    }
}

/* A convolution is the last layer, and a Flatten makes its maps of one pixel
 * the outputs: they are its exact accumulators all the same. */
static void last_accumulators_may_be_flattened(void) {
    hawq_graph   *g = open_image(6, 1, 1);
    fixture       f;
    hawq_program *p = NULL;
    weight(g, "c1.weight", 0.5, 4, (int64_t[]){5, 6, 1, 1});
    weight(g, "c1.bias", 0.5, 1, (int64_t[]){5});
    node(g, "Conv", "x c1.weight c1.bias", "c1", "");
    node(g, "Flatten", "c1", "flat", "");
    CHECK_OK(hawq_graph_finish(g, "flat"));
    fixture_open(&f, g);
    if (CHECK_OK(lower_uniform(&f, 8, 8, &p))) {
        run(&f, p, "ref", f.output);
        CHECK(deviation(&f, f.output) < 0.03);
        CHECK(p->step[p->n_steps - 1].kind == HAWQ_STEP_SCALE);
    }
    hawq_program_free(p);
    fixture_close(&f);
}

int main(void) {
    last_accumulators_may_be_flattened();
    shared_inputs_take_the_wider_wish();
    moves_change_nothing_but_places();
    moved_values_may_be_read_twice();
    pointwise_operators_are_tables();
    every_activation_is_one_table();
    chains_are_read_in_the_middle();
    padding_starts_where_onnx_says();
    dilations_and_counted_padding();
    signals_are_images();
    rows_are_positions();
    dead_channels_keep_their_bias();
    bad_allocations_are_refused();
    what_is_no_integer_step_is_refused();
    DONE();
}
