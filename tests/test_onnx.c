/* test_onnx.c -- reading and writing ONNX.
 *
 * Claims: (1) networks in every form of tests/data/onnx compute what
 * onnxruntime computed, and still do after being saved and read again; (2) what
 * cannot run is refused with a sentence naming the culprit; (3) real networks
 * give the logits of another program.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/sweep.h"
#include "src/load/dataset.h"
#include "src/load/numbers.h"
#include "tests/onnx_files.h"

#include <cjson/cJSON.h>

static hawq_threads *threads;

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
     "node 'choose' (If): its condition 'flag' depends on the data"},
    {"undefined", HAWQ_EFORMAT, "node 'fc' (MatMul): input 'q'"},
};

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

/* --- (3) real networks ------------------------------------------------- */

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
    choose_scratch();
    if (!CHECK_OK(hawq_threads_new(1, &threads))) return 1;
    for (int i = 0; i < N_RUNS; i++) agrees(runs[i]);
    halves();
    batch_is_chosen();
    bad_networks_are_named();
    saving_fails_cleanly();
    outputs_left_out_are_named();
    listing_judges_every_node();
    const char *folder = check_data();
    if (folder) real_networks(folder);
    hawq_threads_free(threads);
    unlink(scratch_path);
    DONE();
}
