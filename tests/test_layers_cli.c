/* test_layers_cli.c -- layers and bytes as the programs show them.
 *
 * Claims: weights that no layer has are listed by every program, and search and
 * bench count the same bytes; a budget cannot fall below them; an export names
 * what stands in the file, each key once, and is refused where one constant
 * would need two widths; what it wrote comes back as it was; pins go by the
 * names of layers, constants and nodes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/proto.h"
#include "tests/images.h"
#include "tests/program.h"

#include <cjson/cJSON.h>

enum { SIDE = 4, WIDTH = SIDE * SIDE, IMAGES = 32, CLASSES = 4 };
enum { REST = 4 * WIDTH }; /* bytes of `place` */

static hawq_arena arena;

static hawq_tensor constant(const char *name, int64_t rows, int64_t columns) {
    hawq_tensor t = {.name = name, .role = HAWQ_CONSTANT};
    t.shape = (hawq_shape){2, {rows, columns}};
    t.n = (size_t)(rows * columns);
    t.data = hawq_arena_take(&arena, t.n, sizeof *t.data);
    unsigned state = (unsigned)strlen(name) * 40503u;
    for (size_t i = 0; i < t.n; i++) {
        state = state * 1664525u + 1013904223u;
        t.data[i] = (real)(state >> 8) / (1 << 24) - (real)0.5;
    }
    return t;
}

static hawq_tensor target(const char *name, int64_t a, int64_t b) {
    static int64_t ints[3];
    hawq_tensor    t = {.name = name, .role = HAWQ_CONSTANT, .dtype = HAWQ_INT};
    t.shape = (hawq_shape){1, {3}};
    t.n = 3;
    t.ints = ints;
    ints[1] = a;
    ints[2] = b;
    return t;
}

/* fc1 through a Transpose; `tied` twice, once scaled; `place` of no layer. */
static void put_network(void) {
    static const hawq_attr two = {
        .name = "alpha", .type = HAWQ_ATTR_FLOAT, .f = 2};
    static const char *const in[][2] = {{"x"},
                                        {"fc1.weight"},
                                        {"f", "t"},
                                        {"h"},
                                        {"r", "tied.weight"},
                                        {"a"},
                                        {"q", "tied.weight"},
                                        {"b", "to"},
                                        {"s", "place"},
                                        {"p"},
                                        {"v", "out.weight"}};
    static const char *const out[] = {"f", "t", "h", "r", "a", "q",
                                      "b", "s", "p", "v", "y"};
    static const char *const op[] = {
        "Flatten", "Transpose", "MatMul", "Relu",    "Gemm",  "Relu",
        "Gemm",    "Reshape",   "Add",    "Flatten", "MatMul"};
    enum { NODES = sizeof op / sizeof *op };
    hawq_proto_node  node[NODES] = {{.defect = NULL}};
    hawq_proto_value x = {.name = "x", .shape = {4, {-1, 1, SIDE, SIDE}}};
    hawq_proto_value y = {.name = "y", .shape = {2, {-1, CLASSES}}};
    hawq_tensor      c[] = {constant("fc1.weight", WIDTH, WIDTH),
                            constant("tied.weight", WIDTH, WIDTH),
                            constant("place", SIDE, SIDE), target("to", SIDE, SIDE),
                            constant("out.weight", WIDTH, CLASSES)};
    for (int i = 0; i < NODES; i++)
        node[i].spec = (hawq_node_spec){.op_type = op[i],
                                        .name = out[i],
                                        .n_in = in[i][1] ? 2 : 1,
                                        .n_out = 1,
                                        .in = in[i],
                                        .out = &out[i],
                                        .n_attr = i == 4,
                                        .attr = &two};
    hawq_proto file = {.producer = "test",
                       .opset = 13,
                       .n_inputs = 1,
                       .n_outputs = 1,
                       .n_constants = sizeof c / sizeof *c,
                       .n_nodes = NODES,
                       .input = &x,
                       .output = &y,
                       .constant = c,
                       .node = node};
    uint8_t   *bytes = NULL;
    size_t     n = 0;
    CHECK_OK(hawq_proto_pack(&file, &arena, &bytes, &n));
    FILE *f = fopen("net.onnx", "wb");
    CHECK(f && fwrite(bytes, 1, n, f) == n && !fclose(f));
}

static void put_images(void) {
    static unsigned char x[16 + IMAGES * WIDTH], y[8 + IMAGES];
    for (int i = 0; i < IMAGES; i++) {
        y[8 + i] = (unsigned char)(i % CLASSES);
        for (int p = 0; p < WIDTH; p++)
            x[16 + i * WIDTH + p] = striped_pixel(i, p, SIDE, i % CLASSES);
    }
    put_idx("img", IMAGES, SIDE, x, y);
}

static double number(const char *key) {
    cJSON       *json = cJSON_Parse(program_out);
    const cJSON *item = cJSON_GetObjectItem(json, key);
    double       value = item ? item->valuedouble : NAN;
    cJSON_Delete(json);
    return value;
}

static void what_is_not_quantized_is_said_and_counted(void) {
    static const char note[] = "not quantized: 64 bytes (place)";
    program_says("hawq-analyze net.onnx --data idx:img --scale 0.01 -n 2 "
                 "--batch-size 8 --format json",
                 0, note);
    CHECK(number("not_quantized_bytes") == REST);
    program_says("hawq-search net.onnx --budget weight-size=1x --pin *=8 "
                 "--format json",
                 0, note);
    double bytes = number("weight_bytes");
    CHECK(bytes == 3 * WIDTH * WIDTH + WIDTH * CLASSES + 4 * 3 * WIDTH +
                       4 * CLASSES + REST);
    CHECK(number("not_quantized_bytes") == REST);
    program_says("hawq-bench net.onnx --data idx:img --scale 0.01 --repeats 3 "
                 "--allocation last --format json",
                 0, note);
    CHECK(number("weight_bytes") == bytes);
    program_says("hawq-search net.onnx --budget weight-size=64B", 3,
                 "weight-size can be");
}

static int count(const char *text, const char *word) {
    int n = 0;
    for (; (text = strstr(text, word)); text++) n++;
    return n;
}

static void exports_name_the_file_once(void) {
    static char text[PROGRAM_TEXT];
    program_says("hawq-search net.onnx --budget weight-size=2x --bits 8,4 "
                 "--pin tied=8 --pin tied.weight=4 --export-as ort=o.json",
                 2, "both made of the file's 'tied.weight'");
    CHECK(access("o.json", F_OK) != 0);
    program_says("hawq-search net.onnx --budget weight-size=2x --bits 8,4 "
                 "--pin tied=8 --pin tied.weight=4 --export-as llama=o.txt",
                 2, "both made of the file's 'tied.weight'");
    program_says("hawq-search net.onnx --budget weight-size=2x --bits 8,4 "
                 "--pin tied=8 --pin tied.weight=4 --export-as aimet=o.json",
                 2, "both made of the file's 'tied.weight'");
    program_step("hawq-search net.onnx --budget weight-size=2x --bits 8,4 "
                 "--group tied,tied.weight --pin tied=4 --pin fc1=8 "
                 "--pin y=8 --export-as aimet=a.json --format csv",
                 0);
    program_slurp("a.json", text);
    CHECK(count(text, "\"tied.weight\"") == 1);
    CHECK(count(text, "\"fc1.weight\"") == 1 && !strstr(text, "\"t\""));
    program_step("hawq-search net.onnx --budget weight-size=2x --bits 8,4 "
                 "--group tied,tied.weight --pin tied=4 --pin fc1=8 "
                 "--pin y=8 --export-as ort=o.json --format csv",
                 0);
    CHECK(strstr(program_out, "tied.weight,256,4,"));
    program_slurp("o.json", text);
    CHECK(count(text, "\"tied.weight\"") == 1);
    CHECK(count(text, "\"fc1.weight\"") == 1 && !strstr(text, "\"t\""));
    program_step("hawq-search net.onnx --score o.json --format csv", 0);
    CHECK(strstr(program_out, "tied,256,4,"));
    CHECK(strstr(program_out, "tied.weight,256,4,"));
    CHECK(strstr(program_out, "out,64,8,"));
}

/* Every metric has a value for every layer and width, curvatures have their
 * estimates, and the spectrum what it is asked for. */
static void all_metrics_are_there(void) {
    static const char *const name[] = {
        "depth", "sqnr",         "kl",    "measured",  "fisher",
        "trace", "gauss-newton", "eigen", "quadratic", "cross"};
    if (!program_step(
            "hawq-analyze net.onnx --data idx:img --scale 0.01 -n 4 "
            "--batch-size 8 --bits 8,4 --format json --db all.db "
            "--spectrum 3 --report page.html -m depth,sqnr,kl,"
            "measured,fisher,trace,gauss-newton,eigen,quadratic,cross",
            0))
        return;
    cJSON       *json = cJSON_Parse(program_out);
    const cJSON *layer, *spectrum = cJSON_GetObjectItem(json, "spectrum");
    cJSON_ArrayForEach(layer, cJSON_GetObjectItem(json, "layers")) {
        const cJSON *all = cJSON_GetObjectItem(layer, "sensitivity");
        for (int m = 0; m < 10; m++) {
            const cJSON *values = cJSON_GetObjectItem(all, name[m]);
            CHECK(cJSON_IsNumber(cJSON_GetObjectItem(values, "8")));
            CHECK(cJSON_IsNumber(cJSON_GetObjectItem(values, "4")));
        }
        CHECK(cJSON_GetObjectItem(layer, "fisher")->valuedouble >= 0);
        CHECK(cJSON_IsNumber(cJSON_GetObjectItem(layer, "eigen_low")));
        CHECK(cJSON_IsNumber(cJSON_GetObjectItem(layer, "gauss_newton_high")));
    }
    const cJSON *top = cJSON_GetObjectItem(spectrum, "eigenvalues");
    CHECK(cJSON_GetArraySize(top) == 3);
    CHECK(cJSON_GetArraySize(cJSON_GetObjectItem(spectrum, "density")) > 3);
    cJSON_Delete(json);
    program_says("hawq-analyze net.onnx --data idx:img --spectrum 2 "
                 "--spectrum-layer fc2 --db all.db",
                 2, "no layer 'fc2'");
    program_says("hawq-analyze net.onnx --data idx:img --spectrum-layer fc1 "
                 "--db all.db",
                 2, "give --spectrum K");
    program_says("hawq-analyze net.onnx --data idx:img --report all.db "
                 "--db all.db",
                 2, "would be overwritten");
    program_says("hawq-analyze net.onnx --data idx:img --scale 0.01 -m trace "
                 "--time-limit 1us --batch-size 8 -n 4000 --bits 4 --db all.db",
                 0, "--time-limit ended the sampling of trace");
}

/* Random weights are at a minimum of no loss but that to their own output. */
static void minima_are_told(void) {
    static const char run[] = "hawq-analyze net.onnx --data idx:img --scale "
                              "0.01 -m depth --batch-size 8 --bits 8 --db m.db";
    char              command[200];
    program_says(run, 0, "not at a minimum of this loss");
    snprintf(command, sizeof command, "%s --loss self-distillation", run);
    program_step(command, 0);
    CHECK(!strstr(program_err, "minimum"));
}

/* The same page from the three programs, with more figures each time. */
static void pages_grow(void) {
    static char text[PROGRAM_TEXT];
    program_slurp("page.html", text);
    int analysed = count(text, "<svg"), figures;
    CHECK(analysed > 8 && strstr(text, "not been run on integer kernels"));
    program_step("hawq-search net.onnx --budget weight-size=0.8x --db all.db "
                 "--metric measured --report page.html",
                 0);
    program_slurp("page.html", text);
    CHECK(count(text, "<svg") == analysed && strstr(text, "The chosen bits"));
    program_step("hawq-bench net.onnx --data idx:img --scale 0.01 --repeats 3 "
                 "--allocation last --db all.db --report page.html",
                 0);
    program_slurp("page.html", text);
    figures = count(text, "<svg");
    CHECK(figures > analysed && strstr(text, "bound by"));
    CHECK(!strstr(text, "<script") && strstr(text, "</html>"));
}

int main(void) {
    if (!program_open() || !program_built("hawq-search") ||
        !program_built("hawq-analyze") || !program_built("hawq-bench"))
        return 77;
    put_network();
    put_images();
    what_is_not_quantized_is_said_and_counted();
    exports_name_the_file_once();
    all_metrics_are_there();
    pages_grow();
    minima_are_told();
    program_close();
    hawq_arena_free(&arena);
    DONE();
}
