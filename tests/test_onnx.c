/* test_onnx.c -- reading and writing ONNX.
 *
 * Claims: (1) networks in every form of tests/data/onnx compute what
 * onnxruntime computed, and still do after being saved and read again; (2) what
 * cannot run is refused with a sentence naming the culprit; (3) no damage to a
 * file, no nesting and no failed allocation does more than produce a sentence;
 * (4) real networks give the logits of another program.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/sweep.h"
#include "src/load/dataset.h"
#include "src/load/file.h"
#include "src/load/numbers.h"
#include "src/load/onnx.h"
#include "src/load/proto.h"
#include "tests/check.h"

#include <cjson/cJSON.h>

#include <unistd.h>

static hawq_threads *threads;
static char          scratch_path[512]; /* a file that may be overwritten */

/* tests/data/onnx/NAME, in one of four buffers */
static const char *fixture(const char *format, const char *name) {
    static char buffer[4][512];
    static int  next;
    const char *source = getenv("HAWQ_SOURCE");
    char       *path = buffer[next = (next + 1) % 4];
    int         used =
        snprintf(path, 512, "%s/tests/data/onnx/", source ? source : ".");
    snprintf(path + used, (size_t)(512 - used), format, name);
    return path;
}

/* All outputs of a network on n images; freed by the caller. */
static real *outputs_of(hawq_graph *g, const real *x, size_t n, double *loss) {
    hawq_engine *engine;
    size_t       per_image = hawq_per_image(g, g->output);
    real        *y = calloc(n * per_image, sizeof *y);
    if (CHECK_OK(hawq_engine_new(g, threads, 0, HAWQ_MSE, &engine))) {
        hawq_batch batch = {.n = n, .x = x};
        hawq_engine_forward(engine, &batch, y, loss, NULL);
        hawq_engine_free(engine);
    }
    return y;
}

/* --- (1) forms --------------------------------------------------------- */

static void compare(hawq_graph *g, const hawq_dataset *d, const char *name) {
    size_t per_image = hawq_per_image(g, g->output);
    if (!CHECK(per_image == hawq_dataset_answers(d))) {
        printf("    %s: %zu outputs\n", name, per_image);
        return;
    }
    real  *y = outputs_of(g, d->x, d->n, NULL);
    double worst = 0;
    for (size_t i = 0; i < d->n * per_image; i++)
        worst = fmax(worst, fabs((double)y[i] - (double)d->targets[i]) /
                                fmax(1, fabs((double)d->targets[i])));
    if (!CHECK(worst <= 1e-5)) printf("    %s: off by %g\n", name, worst);
    free(y);
}

/* Loaded with one image per sweep, and with the batch chosen; saved, loaded. */
static void agrees(const char *name) {
    hawq_dataset d;
    hawq_graph  *g, *again;
    if (!CHECK_OK(hawq_dataset_load(fixture("%s.npz", name), NULL, &d))) return;
    for (int batch = 0; batch < 3; batch += 2) {
        if (!CHECK_OK(hawq_onnx_load(fixture("%s.onnx", name), batch, &g)))
            continue;
        CHECK(g->fixed_batch == (strcmp(name, "fixed_batch") == 0));
        CHECK_OK(hawq_dataset_check(&d, g, name));
        compare(g, &d, name);
        CHECK_OK(hawq_onnx_save(scratch_path, g, "test"));
        if (CHECK_OK(hawq_onnx_load(scratch_path, 3, &again))) {
            compare(again, &d, name);
            CHECK(again->n_layers == g->n_layers);
            for (int i = 0; i < again->n_layers && i < g->n_layers; i++)
                CHECK(strcmp(again->layer[i].name, g->layer[i].name) == 0);
            hawq_graph_free(again);
        }
        hawq_graph_free(g);
    }
    hawq_dataset_free(&d);
}

static const char *const runs[] = {
    "asymmetric_pads",
    "auto_pad_same_lower_opset11",
    "auto_pad_same_lower_opset22",
    "auto_pad_same_upper_opset7",
    "auto_pad_valid_opset13",
    "batch_norm_opset7",
    "batch_norm_opset9",
    "batch_norm_opset14",
    "batch_norm_opset22",
    "channel_pad",
    "encodings",
    "external_data",
    "fixed_batch",
    "float16_weights",
    "forms_opset7",
    "forms_opset13",
    "forms_opset22",
    "groups_dilation",
    "oddities",
    "reshape_chain_opset9",
    "reshape_chain_opset13",
    "shortcut_pad",
    "two_outputs",
};
enum { N_RUNS = sizeof runs / sizeof *runs };

/* Batch 0 chooses at most 32 images and at most 2^20 elements a sweep. */
static void batch_is_chosen(void) {
    hawq_graph *g;
    if (!CHECK_OK(
            hawq_onnx_load(fixture("%s.onnx", "reshape_chain_opset9"), 0, &g)))
        return;
    CHECK(g->batch == 32 && !g->fixed_batch);
    hawq_graph_free(g);
    if (!CHECK_OK(hawq_onnx_load(fixture("%s.onnx", "fixed_batch"), 16, &g)))
        return;
    CHECK(g->batch == 2 && g->fixed_batch);
    hawq_graph_free(g);
    CHECK_FAILS(hawq_onnx_load(fixture("%s.onnx", "fixed_batch"), -1, &g),
                HAWQ_EINVAL, "batch of -1");
}

/* IEEE 754 binary16: value = 2^(e-25) (1024 + m), subnormal 2^-24 m. */
static void halves(void) {
    CHECK((double)hawq_number_half(0x3c00) == 1);
    CHECK((double)hawq_number_half(0xc500) == -5);
    CHECK((double)hawq_number_half(0x0001) == 0x1p-24);
    CHECK((double)hawq_number_half(0x03ff) == 0x3ffp-24);
    CHECK((double)hawq_number_half(0x0400) == 0x1p-14);
    CHECK((double)hawq_number_half(0x7bff) == 65504);
    CHECK(isinf((double)hawq_number_half(0xfc00)));
    CHECK(isnan((double)hawq_number_half(0x7e00)));
    for (unsigned i = 1; i < 0x7c00; i++)
        if (!(hawq_number_half((uint16_t)i) >
              hawq_number_half((uint16_t)(i - 1))))
            CHECK(!"increasing");
}

/* --- (2) refusals ------------------------------------------------------ */

static const struct {
    const char *name;
    hawq_status code;
    const char *text;
} refused[] = {
    {"attribute", HAWQ_EUNSUPPORTED, "node 'act' (Relu): attribute 'slope'"},
    {"constant_output", HAWQ_EFORMAT, "does not depend on any input"},
    {"domain", HAWQ_EUNSUPPORTED,
     "node 'act' (Gelu): operators of domain 'com.microsoft'"},
    {"external_absolute", HAWQ_EFORMAT, "is not inside the model's folder"},
    {"external_escape", HAWQ_EFORMAT, "is not inside the model's folder"},
    {"external_length", HAWQ_EFORMAT, "length 44, expected 48"},
    {"external_missing", HAWQ_EIO, "'nowhere.bin': cannot be read"},
    {"external_offset", HAWQ_EFORMAT, "offset '-4' is not a number"},
    {"external_short", HAWQ_EFORMAT, "truncated: found 288 bytes"},
    {"free_width", HAWQ_EUNSUPPORTED, "dimension 1 of input 'x' is free"},
    {"function", HAWQ_EUNSUPPORTED, "node 'twice' (Twice): calls a function"},
    {"huge_weight", HAWQ_EFORMAT, "too many elements"},
    {"infinite_weight", HAWQ_ENONFINITE,
     "initializer 'fc.weight': has infinity at element 4"},
    {"nan_weight", HAWQ_ENONFINITE,
     "initializer 'fc.weight': has NaN at element 4"},
    {"no_shape", HAWQ_EUNSUPPORTED, "input 'x' has no declared shape"},
    {"operator", HAWQ_EUNSUPPORTED,
     "operator Det is not supported, nor is any of a similar name"},
    {"opset5", HAWQ_EUNSUPPORTED, "opset 5: supported are 7 and newer"},
    {"shape", HAWQ_EFORMAT, "node 'fc' (MatMul)"},
    {"short_weight", HAWQ_EFORMAT, "holds 11 numbers, expected 12 (4x3)"},
    {"sparse", HAWQ_EUNSUPPORTED, "initializer 'sparse' is sparse"},
    {"string_weight", HAWQ_EUNSUPPORTED, "holds elements of type string"},
    {"subgraph", HAWQ_EUNSUPPORTED,
     "node 'choose': operator If is control flow"},
    {"undefined", HAWQ_EFORMAT, "node 'fc' (MatMul): input 'q'"},
};

static void put(const void *bytes, size_t n) {
    FILE *f = fopen(scratch_path, "wb");
    if (!CHECK(f && fwrite(bytes, 1, n, f) == n)) exit(1);
    fclose(f);
}

static void bad_networks_are_named(void) {
    hawq_graph *g;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const char *path = fixture("bad_%s.onnx", refused[i].name);
        hawq_status status = hawq_onnx_load(path, 1, &g);
        if (!CHECK(status == refused[i].code &&
                   strstr(hawq_message(), refused[i].text)))
            printf("    %s: %s\n", refused[i].name, hawq_message());
        CHECK(strncmp(hawq_message(), path, strlen(path)) == 0);
    }
    CHECK_FAILS(hawq_onnx_load("nowhere.onnx", 1, &g), HAWQ_EIO,
                "nowhere.onnx: cannot be read: No such file");
    CHECK_FAILS(hawq_onnx_load("/", 1, &g), HAWQ_EIO, "is a folder");
    put("", 0);
    CHECK_FAILS(hawq_onnx_load(scratch_path, 1, &g), HAWQ_EFORMAT, "is empty");
    put("\x89PNG, no network at all", 23);
    CHECK_FAILS(hawq_onnx_load(scratch_path, 1, &g), HAWQ_EFORMAT,
                "not an ONNX model");
}

static void saving_fails_cleanly(void) {
    hawq_graph *g;
    if (!CHECK_OK(hawq_onnx_load(fixture("%s.onnx", "oddities"), 1, &g)))
        return;
    CHECK_FAILS(hawq_onnx_save("/nowhere/x.onnx", g, "test"), HAWQ_EIO,
                "/nowhere/x.onnx: cannot be written");
    hawq_graph_free(g);
}

static const hawq_onnx_row *row_of(const hawq_onnx_row *rows, size_t n,
                                   const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].name, name) == 0) return &rows[i];
    return NULL;
}

/* Outputs that a network is not run for are named; integer ones do no harm. */
static void outputs_left_out_are_named(void) {
    static const struct {
        const char *file, *names;
    } expected[] = {{"two_outputs", "'aux', 'more'"}, {"oddities", NULL}};
    for (int i = 0; i < 2; i++) {
        hawq_graph *g;
        const char *path = fixture("%s.onnx", expected[i].file);
        if (!CHECK_OK(hawq_onnx_load(path, 1, &g))) continue;
        const char *want = expected[i].names;
        CHECK(want ? g->left_out && strcmp(g->left_out, want) == 0
                   : !g->left_out);
        CHECK(strcmp(g->output->name, "y") == 0);
        hawq_graph_free(g);
    }
}

/* Every node is judged, also behind one that does not run. */
static void listing_judges_every_node(void) {
    hawq_arena           arena = {0};
    hawq_onnx_row       *rows;
    const hawq_onnx_row *r;
    size_t               n;
    CHECK_OK(
        hawq_onnx_list_ops(fixture("%s.onnx", "oddities"), &arena, &rows, &n));
    CHECK(n == 10);
    r = row_of(rows, n, "Det_7");
    CHECK(r && !r->runs && strstr(r->why_not, "not supported"));
    r = row_of(rows, n, "Gemm_8");
    CHECK(r && r->runs && !r->why_not[0] && strcmp(r->op_type, "Gemm") == 0);
    r = row_of(rows, n, "ArgMax_9");
    CHECK(r && !r->runs);

    CHECK_OK(hawq_onnx_list_ops(fixture("%s.onnx", "bad_undefined"), &arena,
                                &rows, &n));
    CHECK(n == 2 && rows[0].runs && rows[1].runs);
    CHECK_OK(hawq_onnx_list_ops(fixture("%s.onnx", "bad_external_missing"),
                                &arena, &rows, &n));
    CHECK(n == 1 && rows[0].runs);
    CHECK_OK(
        hawq_onnx_list_ops(fixture("%s.onnx", "bad_shape"), &arena, &rows, &n));
    CHECK(n == 1 && !rows[0].runs && strstr(rows[0].why_not, "5x3"));
    CHECK_OK(hawq_onnx_list_ops(fixture("%s.onnx", "bad_attribute"), &arena,
                                &rows, &n));
    CHECK(n == 2 && rows[0].runs && strstr(rows[1].why_not, "'slope'"));
    hawq_arena_free(&arena);
}

/* --- (3) damage -------------------------------------------------------- */

static unsigned char *contents(const char *path, size_t *n) {
    uint64_t       size = 0;
    unsigned char *bytes = NULL;
    if (CHECK_OK(hawq_file_size(path, &size)) && (bytes = malloc(size)))
        CHECK_OK(hawq_file_read(path, 0, size, bytes));
    *n = (size_t)size;
    return bytes;
}

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

/* --- (4) real networks ------------------------------------------------- */

static void logits_agree(const char *folder, const char *network,
                         const char *spec, const hawq_dataset_options *options,
                         const char *reference) {
    char           path[1024], full[1024];
    hawq_graph    *g;
    hawq_dataset   d;
    size_t         n;
    unsigned char *text;
    snprintf(path, sizeof path, "%s/reference/%s", folder, reference);
    text = contents(path, &n);
    cJSON *json = text ? cJSON_ParseWithLength((char *)text, n) : NULL;
    cJSON *want = cJSON_GetObjectItem(json, "logits_first");
    snprintf(path, sizeof path, "%s/models/%s", folder, network);
    int prefix = strncmp(spec, "cifar:", 6) == 0 ? 6 : 0;
    snprintf(full, sizeof full, "%.*s%s/%s", prefix, spec, folder,
             spec + prefix);
    if (CHECK(want) && CHECK_OK(hawq_onnx_load(path, 0, &g))) {
        if (CHECK_OK(hawq_dataset_load(full, options, &d))) {
            CHECK_OK(hawq_dataset_check(&d, g, full));
            real  *y = outputs_of(g, d.x, 1, NULL);
            double size = 0;
            for (int i = 0; i < cJSON_GetArraySize(want); i++)
                size =
                    fmax(size, fabs(cJSON_GetArrayItem(want, i)->valuedouble));
            for (int i = 0; i < cJSON_GetArraySize(want); i++)
                CHECK_NEAR((double)y[i],
                           cJSON_GetArrayItem(want, i)->valuedouble,
                           1e-4 * size);
            free(y);
            hawq_dataset_free(&d);
        }
        hawq_graph_free(g);
    }
    cJSON_Delete(json);
    free(text);
}

static void real_networks(const char *folder) {
    static const struct {
        const char *name;
        int         layers;
    } all[] = {
        {"resnet20_cifar10.onnx", 20}, {"resnet56_cifar10.onnx", 56},
        {"resnet8_cifar10.onnx", 10},  {"kws_dscnn_float.onnx", 10},
        {"mnist_cnn.onnx", 3},         {"mobilenet_v1_0.25_224_bn.onnx", 28},
    };
    char path[1024];
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        hawq_graph *g;
        snprintf(path, sizeof path, "%s/models/%s", folder, all[i].name);
        if (!CHECK_OK(hawq_onnx_load(path, 0, &g))) continue;
        CHECK(g->n_layers == all[i].layers);
        hawq_graph_free(g);
    }
    const hawq_dataset_options raw = {.limit = 1};
    const hawq_dataset_options cifar = {.scale = 1 / 255.0,
                                        .n_mean = 3,
                                        .n_std = 3,
                                        .mean = {0.485, 0.456, 0.406},
                                        .std = {0.229, 0.224, 0.225},
                                        .limit = 1};
    const char                *images = "cifar:cifar10/test_batch.bin";
    logits_agree(folder, "kws_dscnn_float.onnx", "kws/kws1000.npz", &raw,
                 "kws_n64.json");
    logits_agree(folder, "resnet8_cifar10.onnx", images, &raw,
                 "resnet8_n64.json");
    logits_agree(folder, "resnet20_cifar10.onnx", images, &cifar,
                 "resnet20_n32.json");
}

int main(void) {
    const char *build = getenv("HAWQ_BUILD");
    snprintf(scratch_path, sizeof scratch_path, "%s/test_onnx.%ld.onnx",
             build ? build : ".", (long)getpid());
    if (!CHECK_OK(hawq_threads_new(1, &threads))) return 1;
    for (int i = 0; i < N_RUNS; i++) agrees(runs[i]);
    halves();
    batch_is_chosen();
    bad_networks_are_named();
    saving_fails_cleanly();
    outputs_left_out_are_named();
    listing_judges_every_node();
    truncations("encodings");
    truncations("batch_norm_opset14");
    for (int i = 0; i < N_RUNS; i++) bit_flips(runs[i], 30);
    deep_nesting();
    names_are_defined_once();
    no_memory();
    const char *folder = check_data();
    if (folder) real_networks(folder);
    hawq_threads_free(threads);
    unlink(scratch_path);
    DONE();
}
