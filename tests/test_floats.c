/* test_floats.c -- float nodes inside integer programs.
 *
 * Claims: layers of 32 bits are computed by the operator's own float function:
 * a program of such layers alone has the float network's bits; one between
 * integer layers has the bits of the three parts run one after the other, its
 * Relu in the quantization. Nodes without an integer form run in float, so
 * that every network of tests/data/networks runs, near its float outputs, with
 * the same bits on every table of kernels and any number of threads. A MatMul
 * takes the addition behind it as its bias. Bytes, buffers and reports count
 * what is in float.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/onnx.h"
#include "tests/deploying.h"

/* --- layers -------------------------------------------------------------- */

static int count_steps(const hawq_program *p, hawq_step_kind kind) {
    int n = 0;
    for (int i = 0; i < p->n_steps; i++) n += p->step[i].kind == kind;
    return n;
}

static void weights_of_four(hawq_graph *g) {
    weight(g, "c1.weight", 0.3, 4, (int64_t[]){6, 3, 3, 3});
    weight(g, "c1.bias", 0.3, 1, (int64_t[]){6});
    weight(g, "c2.weight", 0.3, 4, (int64_t[]){6, 6, 3, 3});
    weight(g, "c2.bias", 0.3, 1, (int64_t[]){6});
    weight(g, "c3.weight", 0.3, 4, (int64_t[]){6, 6, 1, 1});
    weight(g, "fc.weight", 0.2, 2, (int64_t[]){4, 6 * 5 * 7});
}

/* x - c1 - Relu - c2 - Relu - c3, + the first Relu, fc. */
static hawq_graph *four_layers(void) {
    hawq_graph *g = open_graph(4, (int64_t[]){1, 3, 5, 7});
    weights_of_four(g);
    node(g, "Conv", "x c1.weight c1.bias", "c1", "pads=1,1,1,1");
    node(g, "Relu", "c1", "r1", "");
    node(g, "Conv", "r1 c2.weight c2.bias", "c2", "pads=1,1,1,1");
    node(g, "Relu", "c2", "r2", "");
    node(g, "Conv", "r2 c3.weight", "c3", "");
    node(g, "Add", "c3 r1", "a", "");
    node(g, "Flatten", "a", "fl", "");
    node(g, "Gemm", "fl fc.weight", "fc", "transB=1");
    CHECK_OK(hawq_graph_finish(g, "fc"));
    return g;
}

static hawq_status lower_four(const fixture *f, const int bits[4],
                              hawq_program **out) {
    static const char *const name[] = {"c1", "c2", "c3", "fc"};
    hawq_choice              choice[4];
    for (int i = 0; i < 4; i++)
        choice[i] = (hawq_choice){.layer = name[i],
                                  .weight_bits = bits[i],
                                  .activation_bits = bits[i] == 32 ? 32 : 8};
    return lower(f, 4, choice, out);
}

/* Nothing is ever quantized. */
static void float_layers_alone_are_the_network(void) {
    fixture       f;
    hawq_program *p = NULL;
    fixture_open(&f, four_layers());
    if (CHECK_OK(lower_uniform(&f, 32, 32, &p))) {
        CHECK(p->n_floats == 7 && count_steps(p, HAWQ_STEP_QUANTIZE) == 0);
        CHECK(count_steps(p, HAWQ_STEP_DEQUANTIZE) == 0);
        run(&f, p, NULL, f.output);
        CHECK(memcmp(f.output, f.float_output,
                     IMAGES * f.n_out * sizeof(float)) == 0);
        CHECK(p->weight_bytes == 4 * (6 * 27 + 6 * 54 + 36 + 4 * 210));
        CHECK(p->file_bytes == p->weight_bytes + 4 * 12);
    }
    hawq_program_free(p);
    fixture_close(&f);
}

/* x - c1 - Relu - c2 - Relu - c3. */
static hawq_graph *three_layers(void) {
    hawq_graph *g = open_graph(4, (int64_t[]){1, 3, 5, 7});
    weights_of_four(g);
    node(g, "Conv", "x c1.weight c1.bias", "c1", "pads=1,1,1,1");
    node(g, "Relu", "c1", "r1", "");
    node(g, "Conv", "r1 c2.weight c2.bias", "c2", "pads=1,1,1,1");
    node(g, "Relu", "c2", "r2", "");
    node(g, "Conv", "r2 c3.weight", "c3", "");
    CHECK_OK(hawq_graph_finish(g, "c3"));
    return g;
}

/* A part of the network, in integers and with the whole one's ranges: those of
 * the tensor `input` for its input. */
static void run_part(const fixture *whole, hawq_graph *g, const char *input,
                     const float *x, float *y) {
    fixture          f = {.graph = g, .threads = whole->threads};
    hawq_program    *p = NULL;
    hawq_histogram **range = hawq_arena_take(&f.arena, (size_t)g->n_tensors,
                                             sizeof(hawq_histogram *));
    for (int i = 0; i < g->n_tensors; i++) {
        const char  *of = g->tensor[i] == g->input ? input : g->tensor[i]->name;
        hawq_tensor *t = hawq_graph_find(whole->graph, of);
        range[i] = whole->calibration.tensor[t->id];
    }
    f.calibration.tensor = range;
    f.x = hawq_arena_take(&f.arena, IMAGES * hawq_per_image(g, g->input),
                          sizeof *f.x);
    memcpy(f.x, x, IMAGES * hawq_per_image(g, g->input) * sizeof *x);
    if (CHECK_OK(lower_uniform(&f, 8, 8, &p))) run(&f, p, "ref", y);
    hawq_program_free(p);
    hawq_graph_free(g);
    hawq_arena_free(&f.arena);
}

/* c2 in float: what c1 leaves, dequantized, through c2 alone, quantized with
 * the range of its Relu, through c3. */
static void a_float_layer_is_a_part_of_its_own(void) {
    const hawq_choice choice[] = {
        {"c1", 8, 8, NULL}, {"c2", 32, 32, NULL}, {"c3", 8, 8, NULL}};
    int64_t       map[] = {1, 6, 5, 7};
    fixture       f;
    hawq_program *p = NULL;
    hawq_engine  *engine = NULL;
    fixture_open(&f, three_layers());
    size_t n = IMAGES * f.n_out;
    float *r1 = hawq_arena_take(&f.arena, n, sizeof *r1);
    float *c2 = hawq_arena_take(&f.arena, n, sizeof *c2);
    float *c3 = hawq_arena_take(&f.arena, n, sizeof *c3);

    hawq_graph *a = open_graph(4, (int64_t[]){1, 3, 5, 7});
    weights_of_four(a);
    node(a, "Conv", "x c1.weight c1.bias", "c1", "pads=1,1,1,1");
    node(a, "Relu", "c1", "r1", "");
    CHECK_OK(hawq_graph_finish(a, "r1"));
    run_part(&f, a, "x", f.x, r1);

    hawq_graph *b = open_graph(4, map);
    hawq_batch  batch = {IMAGES, r1, NULL, NULL};
    weights_of_four(b);
    node(b, "Conv", "x c2.weight c2.bias", "c2", "pads=1,1,1,1");
    CHECK_OK(hawq_graph_finish(b, "c2"));
    CHECK_OK(hawq_engine_new(b, f.threads, 0, HAWQ_CROSS_ENTROPY, &engine));
    hawq_engine_forward(engine, &batch, c2, NULL, NULL);
    hawq_engine_free(engine);
    hawq_graph_free(b);

    hawq_graph *c = open_graph(4, map);
    weights_of_four(c);
    node(c, "Conv", "x c3.weight", "c3", "");
    CHECK_OK(hawq_graph_finish(c, "c3"));
    run_part(&f, c, "r2", c2, c3);

    if (CHECK_OK(lower(&f, 3, choice, &p))) {
        CHECK(p->n_floats == 1 && p->choice[1].weight_bits == 32);
        run(&f, p, "ref", f.output);
        CHECK(memcmp(f.output, c3, n * sizeof *c3) == 0);
    }
    hawq_program_free(p);
    fixture_close(&f);
}

/* --- every table, any number of threads ---------------------------------- */

static void same_bits_everywhere(fixture *f, const hawq_program *p) {
    size_t        bytes = IMAGES * f->n_out * sizeof(float);
    float        *same = hawq_arena_take(&f->arena, bytes, 1);
    hawq_threads *one = NULL;
    run(f, p, "ref", f->output);
    for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++) {
        if (!(*k)->usable()) continue;
        run(f, p, (*k)->name, same);
        CHECK(memcmp(same, f->output, bytes) == 0);
    }
    CHECK_OK(hawq_threads_new(1, &one));
    run_on(f, p, NULL, one, same);
    CHECK(memcmp(same, f->output, bytes) == 0);
    hawq_threads_free(one);
}

/* Any layers in float, in any combination.  */
static void any_mixture_runs(void) {
    fixture f;
    fixture_open(&f, four_layers());
    for (int mask = 0; mask < 16; mask++) {
        hawq_program *p = NULL;
        int           bits[4];
        for (int i = 0; i < 4; i++) bits[i] = mask >> i & 1 ? 32 : 8;
        if (!CHECK_OK(lower_four(&f, bits, &p))) continue;
        same_bits_everywhere(&f, p);
        CHECK(deviation(&f, f.output) < 0.03);
        for (int i = 0; i < 4; i++) CHECK(p->choice[i].weight_bits == bits[i]);
        hawq_program_free(p);
    }
    fixture_close(&f);
}

/* A float layer's operands take four times the room of bytes. */
static void buffers_hold_floats(void) {
    fixture       f;
    hawq_program *p8 = NULL, *p32 = NULL;
    fixture_open(&f, four_layers());
    CHECK_OK(lower_uniform(&f, 8, 8, &p8));
    CHECK_OK(lower_four(&f, (int[]){8, 32, 8, 8}, &p32));
    if (p8 && p32) {
        CHECK(p8->workspace_bytes < 4 * 6 * 35);
        CHECK(p32->workspace_bytes >= 2 * 4 * 6 * 35); /* in and out of c2 */
    }
    hawq_program_free(p8);
    hawq_program_free(p32);
    fixture_close(&f);
}

/* --- networks ------------------------------------------------------------ */

/* Nodes that their uniform programs run in float, at least. */
static const struct {
    const char *name;
    int         floats;
} networks[] = {{"residual", 0},      {"mobile", 1},      {"dense", 3},
                {"inception", 0},     {"unet", 8},        {"vit", 10},
                {"bert", 10},         {"gpt", 10},        {"encoder", 5},
                {"mobile_script", 1}, {"vit_script", 20}, {"bert_script", 20},
                {"gpt_script", 20},   {"unet_script", 8}, {"lstm", 10},
                {"bilstm", 40},       {"clipped", 20},    {"gru", 20},
                {"gru_reverse", 10},  {"rnn", 1},         {"control", 5}};

/* With all layers in float nothing is ever quantized. */
static void all_float_is_the_network(fixture *f) {
    hawq_program *p = NULL;
    if (CHECK_OK(lower_uniform(f, 32, 32, &p))) {
        run(f, p, NULL, f->output);
        CHECK(memcmp(f->output, f->float_output,
                     IMAGES * f->n_out * sizeof(float)) == 0);
    }
    hawq_program_free(p);
}

/* The program is of one image, the analysis of several at once: they must
 * know each other's network, whatever was made for every image. */
static void check_hash(const char *path, const hawq_graph *one) {
    char        first[HAWQ_HASH_TEXT], second[HAWQ_HASH_TEXT];
    hawq_graph *three;
    if (!CHECK_OK(hawq_onnx_load(path, 3, &three))) return;
    hawq_graph_hash(one, first);
    hawq_graph_hash(three, second);
    CHECK(strcmp(first, second) == 0);
    hawq_graph_free(three);
}

static void every_network_runs(void) {
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        char          path[1024];
        const char   *source = getenv("HAWQ_SOURCE");
        hawq_graph   *g = NULL;
        hawq_program *p = NULL;
        fixture       f;
        snprintf(path, sizeof path, "%s/tests/data/networks/%s.onnx",
                 source ? source : ".", networks[i].name);
        if (!CHECK_OK(hawq_onnx_load(path, 1, &g))) continue;
        check_hash(path, g);
        fixture_open(&f, g);
        if (CHECK_OK(lower_uniform(&f, 8, 8, &p))) {
            CHECK(p->n_floats >= networks[i].floats);
            CHECK((p->n_floats == 0) == (networks[i].floats == 0));
            same_bits_everywhere(&f, p);
            printf("%s: %d of %d steps in float, deviation %.4f\n",
                   networks[i].name, p->n_floats, p->n_steps,
                   deviation(&f, f.output));
            CHECK(deviation(&f, f.output) < 0.05);
            for (int l = 0; l < p->n_layers; l++) /* all but the odd ones */
                CHECK(p->choice[l].weight_bits == 8);
        }
        hawq_program_free(p);
        all_float_is_the_network(&f);
        fixture_close(&f);
    }
}

/* Two linear layers with biases around a Relu: the rows of a 3-D MatMul. */
static void additions_become_biases(void) {
    fixture       f;
    hawq_program *p = NULL;
    hawq_graph   *g = open_graph(3, (int64_t[]){1, 5, 7});
    weight(g, "m1.weight", 0.5, 2, (int64_t[]){7, 6});
    weight(g, "m1.bias", 0.5, 1, (int64_t[]){6});
    weight(g, "m2.weight", 0.5, 2, (int64_t[]){6, 4});
    weight(g, "m2.bias", 0.5, 1, (int64_t[]){4});
    node(g, "MatMul", "x m1.weight", "m1", "");
    node(g, "Add", "m1 m1.bias", "b1", "");
    node(g, "Relu", "b1", "r1", "");
    node(g, "MatMul", "r1 m2.weight", "m2", "");
    node(g, "Add", "m2.bias m2", "b2", "");
    CHECK_OK(hawq_graph_finish(g, "b2"));
    fixture_open(&f, g);
    if (CHECK_OK(lower_uniform(&f, 8, 8, &p))) {
        CHECK(p->n_steps == 4 && p->n_floats == 0); /* quantize, 2, scale */
        same_bits_everywhere(&f, p);
        CHECK(deviation(&f, f.output) < 0.02);
    }
    hawq_program_free(p);
    fixture_close(&f);
}

/* Scores with minus infinity where a mask says so: they have no range, and
 * need none. */
static void masks_stay_in_float(void) {
    fixture       f;
    hawq_program *p = NULL;
    hawq_graph   *g = open_graph(3, (int64_t[]){1, 4, 6});
    real          mask[16];
    for (int i = 0; i < 16; i++) mask[i] = i % 4 > i / 4 ? -(real)INFINITY : 0;
    hawq_shape square = {2, {4, 4}};
    CHECK_OK(hawq_graph_constant(g, "mask", HAWQ_FLOAT, &square, mask));
    weight(g, "m1.weight", 0.5, 2, (int64_t[]){6, 6});
    weight(g, "m2.weight", 0.5, 2, (int64_t[]){6, 3});
    node(g, "MatMul", "x m1.weight", "m1", "");
    node(g, "Transpose", "m1", "t", "perm=0,2,1");
    node(g, "MatMul", "x t", "scores", "");
    node(g, "Add", "scores mask", "masked", "");
    node(g, "Softmax", "masked", "soft", "axis=2");
    node(g, "MatMul", "soft x", "mix", "");
    node(g, "MatMul", "mix m2.weight", "m2", "");
    CHECK_OK(hawq_graph_finish(g, "m2"));
    fixture_open(&f, g);
    CHECK(f.calibration.tensor[hawq_graph_find(g, "masked")->id] == NULL);
    if (CHECK_OK(lower_uniform(&f, 8, 8, &p))) {
        CHECK(p->n_floats == 4);
        same_bits_everywhere(&f, p);
        CHECK(deviation(&f, f.output) < 0.03);
    }
    hawq_program_free(p);
    fixture_close(&f);
}

/* A sum 10^5 times smaller than its terms: no multiplier of 15 bits leads from
 * their ranges to its. In float it is what the accumulators say. */
static void what_does_not_fit_runs_in_float(void) {
    fixture       f;
    hawq_program *p = NULL;
    hawq_graph   *g = open_graph(4, (int64_t[]){1, 2, 4, 4});
    weight(g, "c1.weight", 1, 4, (int64_t[]){3, 2, 1, 1});
    weight(g, "c2.weight", 1, 4, (int64_t[]){3, 2, 1, 1});
    weight(g, "fc.weight", 0.2, 2, (int64_t[]){4, 48});
    const real *one = hawq_graph_find(g, "c1.weight")->data;
    real       *two = hawq_graph_find(g, "c2.weight")->data;
    for (int i = 0; i < 6; i++) two[i] = -one[i] * (real)(1 - 1e-5);
    node(g, "Conv", "x c1.weight", "c1", "");
    node(g, "Conv", "x c2.weight", "c2", "");
    node(g, "Add", "c1 c2", "a", "");
    node(g, "Flatten", "a", "fl", "");
    node(g, "Gemm", "fl fc.weight", "fc", "transB=1");
    CHECK_OK(hawq_graph_finish(g, "fc"));
    fixture_open(&f, g);
    if (CHECK_OK(lower_uniform(&f, 8, 8, &p))) {
        bool said = false;
        for (int i = 0; i < p->n_steps; i++)
            said |= p->step[i].kind == HAWQ_STEP_FLOAT &&
                    !strncmp(p->step[i].u.floating.why, "the ranges of", 13);
        CHECK(said && p->n_floats == 1);
        same_bits_everywhere(&f, p);
        CHECK(deviation(&f, f.output) < 0.05);
    }
    hawq_program_free(p);
    fixture_close(&f);
}

/* --- refusals ------------------------------------------------------------ */

static void what_floats_need_is_said(void) {
    fixture           f;
    hawq_program     *p = NULL;
    const hawq_choice half[] = {{"c1", 32, 8, NULL}};
    fixture_open(&f, four_layers());
    CHECK_FAILS(lower(&f, 1, half, &p), HAWQ_EINVAL, "32 where they stay in float");
    fixture_close(&f);
    fixture_open(&f, every_step()); /* batches of two */
    CHECK_FAILS(lower_uniform(&f, 32, 32, &p), HAWQ_EUNSUPPORTED,
                "its layer has 32 bits");
    CHECK(strstr(hawq_message(), "batches of 2") != NULL);
    fixture_close(&f);
}

static void running_out_of_memory_is_an_error(void) {
    fixture     f;
    hawq_status status = HAWQ_ENOMEM;
    fixture_open(&f, four_layers());
    for (long k = 1; k < 1000 && status != HAWQ_OK; k++) {
        hawq_program *p = NULL;
        hawq_runner  *r = NULL;
        hawq_arena_fail_at(k);
        status = lower_four(&f, (int[]){8, 32, 8, 32}, &p);
        if (status == HAWQ_OK)
            status =
                hawq_runner_new(p, hawq_kernels_select(NULL), f.threads, &r);
        hawq_arena_fail_at(0);
        CHECK(status == HAWQ_OK || status == HAWQ_ENOMEM);
        hawq_runner_free(r);
        hawq_program_free(p);
    }
    CHECK(status == HAWQ_OK);
    fixture_close(&f);
}

int main(void) {
    float_layers_alone_are_the_network();
    a_float_layer_is_a_part_of_its_own();
    any_mixture_runs();
    buffers_hold_floats();
    every_network_runs();
    additions_become_biases();
    masks_stay_in_float();
    what_does_not_fit_runs_in_float();
    what_floats_need_is_said();
    running_out_of_memory_is_an_error();
    DONE();
}
