/* test_c_source.c -- the C that is written computes what the program does.
 *
 * Claims: compiled as C99 without a warning by gcc and clang, for weights of
 * every kind of packing (bytes, dense codes, five to a byte, tables of a layer
 * or of each channel, groups, weights kept apart, halved channels), on networks
 * with every step and every kind of move, and on the shipped one, its outputs
 * equal those of a runner on the reference kernels bit for bit, for more images
 * than are stored with it; its own check passes under the sanitizers, and fails
 * when a weight is another one. It has no float in it, includes nothing but
 * <stdint.h>, is the same text every time, and is as small as its codes. What
 * cannot be written is refused with a sentence that names the node.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/emitting.h"

#include <dlfcn.h>
#include <sys/stat.h>

#define FLAGS "-std=c99 -Wall -Wextra -pedantic -Werror"

static bool has_gcc, has_clang;
static char first[PROGRAM_TEXT], again[PROGRAM_TEXT];

/* --- the same bits ------------------------------------------------------- */

/* What turns floats into floats around net_run. */
static const char shim[] =
    "#define NET_FLOAT\n#include \"net.h\"\n"
    "void shim(const float *x, float *y);\n"
    "void shim(const float *x, float *y) {\n"
    "    static uint8_t in[NET_INPUTS];\n"
    "    static int32_t out[NET_OUTPUTS];\n"
    "    int32_t i;\n"
    "    for (i = 0; i < NET_INPUTS; i++) in[i] = net_quantized(x[i]);\n"
    "    net_run(in, out);\n"
    "    for (i = 0; i < NET_OUTPUTS; i++) y[i] = net_value(out, i);\n"
    "}\n";

/* A library of another name every time: the linker keeps what it knows. */
static void *open_net(const char *compiler) {
    static int number;
    char       path[64];
    FILE      *f = fopen("shim.c", "wb");
    if (!CHECK(f != NULL)) return NULL;
    fputs(shim, f);
    fclose(f);
    snprintf(path, sizeof path, "./net_%d.so", number++);
    if (!CHECK(shell("%s " FLAGS " -Os -shared -fPIC shim.c net.c -lm -o %s",
                     compiler, path)))
        return NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!CHECK(library != NULL)) printf("    %s\n", dlerror());
    unlink(path);
    return library;
}

static void same_bits(const fixture *f, const emitted *e, const char *compiler,
                      const char *what) {
    void (*run_one)(const float *, float *);
    void  *library = open_net(compiler);
    float *got = malloc(f->n_out * sizeof *got);
    int    differ = 0;
    if (library) *(void **)&run_one = dlsym(library, "shim");
    run(f, e->program, "ref", f->output);
    for (size_t i = 0; library && i < IMAGES; i++) {
        run_one(f->x + i * f->n_in, got);
        differ +=
            memcmp(got, f->output + i * f->n_out, f->n_out * sizeof *got) != 0;
    }
    if (!CHECK(differ == 0))
        printf("    %s by %s: %d images of %d\n", what, compiler, differ,
               IMAGES);
    if (library) dlclose(library);
    free(got);
}

static bool builds_check(const char *compiler, const char *flags) {
    return CHECK(shell("%s " FLAGS " %s net.c net_check.c -lm -o net_check",
                       compiler, flags));
}

static void check_emitted(fixture *f, const char *candidates) {
    emitted e;
    if (!emit(f, candidates, ".", 2, &e)) {
        printf("    %s\n", candidates);
        return;
    }
    if (has_gcc) same_bits(f, &e, "gcc", candidates);
    if (has_clang && builds_check("clang", "-Os")) CHECK(shell("./net_check"));
    hawq_program_free(e.program);
}

/* --- networks ------------------------------------------------------------ */

/* Padding inside, dilation, a table, a transposition, a layer that two nodes
 * read, an order that no loops have, rows, and bytes as outputs. */
static hawq_graph *further_steps(void) {
    hawq_graph *g = open_image(4, 7, 6);
    weight(g, "c1.weight", 0.3, 4, (int64_t[]){6, 4, 2, 3});
    weight(g, "p.weight", 0.2, 2, (int64_t[]){12, 12});
    weight(g, "q.weight", 0.2, 2, (int64_t[]){12, 5});
    ints(g, "shape", 3, (int64_t[]){BATCH, 12, 18});
    ints(g, "order", 9, (int64_t[]){3, 17, 4, 4, 0, 9, 2, 1, 16});
    node(g, "Conv", "x c1.weight", "c1",
         "dilations=2,2 strides=1,2 pads=1,2,0,1");
    node(g, "Sigmoid", "c1", "s1", "");
    node(g, "MaxPool", "s1", "mp", "kernel_shape=2,2 pads=1,1,0,0");
    node(g, "Concat", "mp s1", "ct", "axis=2");
    node(g, "Reshape", "ct shape", "rs", "");
    node(g, "Transpose", "rs", "tr", "perm=0,2,1");
    node(g, "Gather", "tr order", "rows", "axis=1");
    node(g, "MatMul", "rows p.weight", "m1", "");
    node(g, "Relu", "m1", "r1", "");
    node(g, "MatMul", "r1 p.weight", "m2", "");
    node(g, "Tanh", "m2", "t2", "");
    node(g, "MatMul", "t2 q.weight", "m3", "");
    node(g, "Relu", "m3", "r3", "");
    CHECK_OK(hawq_graph_finish(g, "r3"));
    return g;
}

/* One channel's weights are tiny beside its bias, so that they are halved. */
static hawq_graph *halved_channel(void) {
    hawq_graph *g = open_image(3, 4, 4);
    hawq_shape  shape = {4, {4, 3, 1, 1}};
    real        w[12];
    for (int i = 0; i < 12; i++)
        w[i] = (real)((i < 3 ? 1e-8 : 0.1) * (i % 5 - 2.1));
    CHECK_OK(hawq_graph_constant(g, "c.weight", HAWQ_FLOAT, &shape, w));
    weight(g, "c.bias", 1, 1, (int64_t[]){4});
    node(g, "Conv", "x c.weight c.bias", "c", "");
    CHECK_OK(hawq_graph_finish(g, "c"));
    return g;
}

static void all_packings(void) {
    static const char *const candidates[] = {
        "w8",         "w4",  "w3",    "w2c",        "t",
        "k3",         "k3l", "w1",    "w4g8",       "w5",
        "w6c",        "nf4", "w4+5%", "w4a4",       "tg8+5%",
        "w8g8+5%",    "w7f", "log4",  "w8 w4 t k3", "w4g8 w8 t+5% w2ca2",
        "t w8a4 w3g8"};
    fixture f;
    fixture_open(&f, every_step());
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        check_emitted(&f, candidates[i]);
    program_slurp("net.c", first); /* a pad and a concatenation are loops */
    CHECK(first[0] && !strstr(first, "gather("));
    fixture_close(&f);
}

static void all_moves(void) {
    fixture f;
    fixture_open(&f, further_steps());
    check_emitted(&f, "w8");
    program_slurp("net.c", first);
    CHECK(strstr(first, " gather(map_") != NULL);
    check_emitted(&f, "w4g8+5% k3 t");
    fixture_close(&f);
}

static void halved_integers_keep_their_bits(void) {
    static const char *const candidates[] = {"w4", "t", "k2", "w4g8"};
    fixture                  f;
    fixture_open(&f, halved_channel());
    for (size_t i = 0; i < 4; i++) {
        emitted e;
        if (!emit(&f, candidates[i], ".", 1, &e)) continue;
        CHECK(e.program->n_rescaled == 1);
        CHECK(e.bytes.row == (i < 3 ? 3 : 0));
        if (has_gcc) same_bits(&f, &e, "gcc", candidates[i]);
        hawq_program_free(e.program);
    }
    fixture_close(&f);
}

/* The shipped network; its constants shrink with the bits. */
static void a_real_network(void) {
    static const struct {
        const char *candidates;
        double      share; /* of the bytes at 8 bits, at most */
    } want[] = {{"w8", 1},       {"w4", 0.55},     {"w3", 0.43},
                {"w2c", 0.31},   {"t", 0.26},      {"k3", 0.5},
                {"w4g64", 0.58}, {"w4+0.5%", 0.6}, {"w8 w4 w2c", 0.9},
                {"w4a4", 0.55}};
    fixture f;
    size_t  uniform8 = 1;
    if (!shipped_open(&f)) return;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        emitted e;
        if (!emit(&f, want[i].candidates, ".", 1, &e)) continue;
        if (i == 0) uniform8 = e.bytes.constants;
        double share = (double)e.bytes.constants / (double)uniform8;
        if (!CHECK(share <= want[i].share))
            printf("    %s: %.3f\n", want[i].candidates, share);
        CHECK(e.bytes.workspace == e.program->workspace_bytes);
        if (has_gcc) same_bits(&f, &e, "gcc", want[i].candidates);
        if (has_clang && i < 2 && builds_check("clang", "-Os"))
            CHECK(shell("./net_check"));
        hawq_program_free(e.program);
    }
    fixture_close(&f);
}

/* --- the text ------------------------------------------------------------ */

static void text_is_integers_only(void) {
    fixture f;
    emitted e;
    fixture_open(&f, every_step());
    if (emit(&f, "w4 w8 t", "made", 1, &e)) {
        program_slurp("made/net.c", first);
        CHECK(!strstr(first, "float") && !strstr(first, "double"));
        const char *include = strstr(first, "#include");
        CHECK(include && !strncmp(include, "#include \"net.h\"", 16));
        CHECK(include && !strstr(include + 1, "#include"));
        CHECK(strstr(first, "under any") != NULL);
        hawq_program_free(e.program);
    }
    if (emit(&f, "w4 w8 t", "made", 1, &e)) {
        program_slurp("made/net.c", again);
        CHECK(first[0] && !strcmp(first, again));
        hawq_program_free(e.program);
    }
    CHECK(shell("rm -r made"));
    fixture_close(&f);
}

static void put_main(void) {
    FILE *f = fopen("both.c", "wb");
    if (!CHECK(f != NULL)) return;
    fputs("#define NET_FLOAT\n#define KWS_2_FLOAT\n#include \"net.h\"\n"
          "#include \"Kws_2.h\"\n"
          "static uint8_t x[NET_INPUTS + KWS_2_INPUTS];\n"
          "static int32_t y[NET_OUTPUTS], z[KWS_2_OUTPUTS];\n"
          "int main(void) {\n"
          "    net_run(x, y);\n"
          "    Kws_2_run(x, z);\n"
          "    return net_value(y, 0) == 0.5f && Kws_2_value(z, 0) == 0.5f;\n"
          "}\n",
          f);
    fclose(f);
}

/* Programs of two names in one binary; what stands in comments keeps its. */
static void two_networks(void) {
    fixture f;
    emitted e;
    fixture_open(&f, every_step());
    if (has_gcc && emit(&f, "w4 w8g8+5% t", ".", 2, &e)) {
        hawq_c_source what = {.program = e.program,
                              .quantized = e.quantized,
                              .title = "net_of net.onnx",
                              .name = "Kws_2",
                              .threads = f.threads,
                              .n_images = 2,
                              .images = f.x};
        CHECK_OK(hawq_c_source_save(".", &what, NULL));
        put_main();
        CHECK(
            shell("gcc " FLAGS " both.c net.c Kws_2.c -lm -o both && ./both"));
        CHECK(shell("gcc " FLAGS " Kws_2.c Kws_2_check.c -lm -o net_check && "
                    "./net_check"));
        program_slurp("Kws_2.h", first);
        CHECK(strstr(first, "/* Kws_2.h -- net_of net.onnx ") != NULL);
        CHECK(strstr(first, "KWS_2_WORKSPACE_BYTES") != NULL);
        CHECK(!strstr(first, "NET_") && !strstr(first, "net_run"));
        what.name = "2kws";
        CHECK_FAILS(hawq_c_source_save(".", &what, NULL), HAWQ_EINVAL,
                    "'2kws' is no name for C source");
        what.name = "a/b";
        CHECK_FAILS(hawq_c_source_save(".", &what, NULL), HAWQ_EINVAL,
                    "'a/b' is no name");
        hawq_program_free(e.program);
    }
    fixture_close(&f);
}

/* One level of a table changed: the check that goes with it says so. */
static void check_notices(void) {
    fixture f;
    emitted e;
    fixture_open(&f, every_step());
    if (has_gcc && emit(&f, "w4 w8g8+5% t", ".", 2, &e)) {
        if (builds_check("gcc", "-O1 -fsanitize=address,undefined "
                                "-fno-sanitize-recover=all"))
            CHECK(shell("./net_check"));
        CHECK(shell("sed -i 's/^    -7, -6, /    -7, -5, /' net.c"));
        if (builds_check("gcc", "-O1"))
            CHECK(system("./net_check >said.txt") != 0);
        hawq_program_free(e.program);
    }
    fixture_close(&f);
}

/* --- refusals ---------------------------------------------------------- */

static void refusals_name_the_node(void) {
    fixture       f;
    emitted       e = {0};
    hawq_c_source what = {.title = "x"};
    hawq_graph   *g = open_graph(2, (int64_t[]){1, 9});
    weight(g, "a.weight", 0.2, 2, (int64_t[]){9, 9});
    weight(g, "b.weight", 0.2, 2, (int64_t[]){9, 9});
    node(g, "MatMul", "x a.weight", "first", "");
    node(g, "MatMul", "first b.weight", "second", "");
    CHECK_OK(hawq_graph_finish(g, "second"));
    fixture_open(&f, g);
    if (CHECK_OK(lower_candidates(&f, "w8 float", &e))) {
        what.program = e.program;
        what.quantized = e.quantized;
        what.threads = f.threads;
        what.images = f.x;
        CHECK_FAILS(hawq_c_source_save("made", &what, NULL), HAWQ_EINVAL,
                    "one image");
        what.n_images = 1;
        CHECK_FAILS(hawq_c_source_save("made", &what, NULL), HAWQ_EUNSUPPORTED,
                    "node 'second' is computed in float");
        CHECK(access("made", F_OK) != 0);
        hawq_program_free(e.program);
    }
    if (CHECK_OK(lower_candidates(&f, "w8", &e))) {
        what.program = e.program;
        what.quantized = e.quantized;
        CHECK_FAILS(hawq_c_source_save("missing/made", &what, NULL), HAWQ_EIO,
                    "missing/made: the folder cannot be made");
        hawq_program_free(e.program);
    }
    fixture_close(&f);
}

/* Outputs are what a Softmax at the end reads: its order, and its ratios. */
static void a_last_softmax_is_left_out(void) {
    fixture     f;
    emitted     e;
    hawq_graph *g = open_graph(2, (int64_t[]){1, 9});
    weight(g, "a.weight", 0.2, 2, (int64_t[]){9, 5});
    node(g, "MatMul", "x a.weight", "first", "");
    node(g, "Softmax", "first", "s", "axis=1");
    CHECK_OK(hawq_graph_finish(g, "s"));
    fixture_open(&f, g);
    if (has_gcc && emit(&f, "w4", ".", 2, &e)) {
        void (*run_one)(const float *, float *);
        void *library = open_net("gcc");
        float y[5];
        run(&f, e.program, "ref", f.output);
        if (library) *(void **)&run_one = dlsym(library, "shim");
        for (size_t i = 0; library && i < IMAGES; i++) {
            double sum = 0;
            run_one(f.x + i * 9, y);
            for (int k = 0; k < 5; k++) sum += exp((double)y[k]);
            for (int k = 0; k < 5; k++)
                CHECK_NEAR(exp((double)y[k]) / sum,
                           (double)f.output[i * 5 + (size_t)k], 1e-6);
        }
        if (library) dlclose(library);
        if (builds_check("gcc", "-Os")) CHECK(shell("./net_check"));
        hawq_program_free(e.program);
    }
    fixture_close(&f);
}

int main(void) {
    if (!CHECK(program_open())) DONE();
    has_gcc = has_tool("gcc");
    has_clang = has_tool("clang");
    all_packings();
    all_moves();
    halved_integers_keep_their_bits();
    a_real_network();
    text_is_integers_only();
    two_networks();
    check_notices();
    refusals_name_the_node();
    a_last_softmax_is_left_out();
    program_close();
    DONE();
}
