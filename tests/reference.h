/* reference.h -- every key of data/reference/NAME.json, computed with this
 * program and compared: shared by the float and the double test.
 *
 * A value passes if it is within `tolerance` of the reference, relative to the
 * network's largest value of that key (quantities near zero are differences
 * of large ones). The worst deviation of every key is printed.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_REFERENCE_H
#define HAWQ_TESTS_REFERENCE_H
#include "hessian/sensitivity.h"
#include "src/load/dataset.h"
#include "src/load/onnx.h"
#include "src/quant/quantize.h"
#include "tests/check.h"

#include <cjson/cJSON.h>

enum { N_BITS = 3 };
static const int reference_bits[N_BITS] = {8, 4, 2};

/* One network with its data and its reference numbers. */
typedef struct reference {
    const char   *name; /* of the file, without .json */
    double        tolerance;
    hawq_arena    arena;
    cJSON        *json, *layers;
    hawq_dataset  data;
    hawq_graph   *graph;
    hawq_threads *threads;
    hawq_engine  *engine;
    hawq_study    study;
    real        **dw; /* [layer * N_BITS + i] */
} reference;

/* HAWQ_TEST_QUICK=1: only the smallest network (sanitizer builds). */
static inline int reference_quick(void) {
    const char *quick = getenv("HAWQ_TEST_QUICK");
    return quick && *quick && strcmp(quick, "0") != 0;
}

static cJSON *read_json(reference *r, const char *folder) {
    char  path[4096];
    char *text = hawq_arena_take(&r->arena, 1 << 20, 1);
    snprintf(path, sizeof path, "%s/reference/%s.json", folder, r->name);
    FILE *f = fopen(path, "rb");
    if (!CHECK(f && text)) return NULL;
    size_t n = fread(text, 1, (1 << 20) - 1, f);
    fclose(f);
    CHECK(n > 0);
    return cJSON_Parse(text);
}

static double number(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return CHECK(cJSON_IsNumber(item)) ? item->valuedouble : NAN;
}

static const char *text(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return CHECK(cJSON_IsString(item)) ? item->valuestring : "";
}

static int load_data(reference *r, const char *folder) {
    hawq_dataset_options o = {.skip = (size_t)number(r->json, "first"),
                              .limit = (size_t)number(r->json, "n")};
    const char          *file = text(r->json, "data");
    char                 spec[4096];
    if (strstr(file, ".npz"))
        snprintf(spec, sizeof spec, "%s/kws/%s", folder, file);
    else
        snprintf(spec, sizeof spec, "cifar:%s/cifar10/%s", folder, file);
    if (strstr(r->name, "resnet20")) {
        o.scale = 1 / 255.0;
        o.n_mean = o.n_std = 3;
        memcpy(o.mean, (double[]){0.485, 0.456, 0.406}, 3 * sizeof *o.mean);
        memcpy(o.std, (double[]){0.229, 0.224, 0.225}, 3 * sizeof *o.std);
    }
    return CHECK_OK(hawq_dataset_load(spec, &o, &r->data));
}

static inline hawq_status reference_load(const reference *r, const char *folder,
                                         int batch, hawq_graph **out) {
    char path[4096];
    snprintf(path, sizeof path, "%s/models/%s", folder, text(r->json, "model"));
    return hawq_onnx_load(path, batch, out);
}

static int reference_open(reference *r, const char *folder, int lanes) {
    if (!CHECK(r->json = read_json(r, folder))) return 0;
    r->layers = cJSON_GetObjectItemCaseSensitive(r->json, "layers");
    if (!load_data(r, folder) ||
        !CHECK_OK(reference_load(r, folder, 0, &r->graph)))
        return 0;
    if (!CHECK(r->graph->n_layers == cJSON_GetArraySize(r->layers) &&
               r->graph->n_layers <= 64))
        return 0;
    return CHECK_OK(hawq_threads_new(0, &r->threads)) &&
           CHECK_OK(hawq_engine_new(r->graph, r->threads, lanes,
                                    HAWQ_CROSS_ENTROPY, &r->engine));
}

static void reference_close(reference *r) {
    hawq_engine_free(r->engine);
    hawq_threads_free(r->threads);
    hawq_graph_free(r->graph);
    hawq_dataset_free(&r->data);
    cJSON_Delete(r->json);
    hawq_arena_free(&r->arena);
}

static hawq_batch reference_batch(const reference *r) {
    return (hawq_batch){r->data.n, r->data.x, r->data.labels, NULL};
}

/* --- comparing ----------------------------------------------------------- */

/* Compares got[l] with key of layer l. A difference of two losses is as exact
 * as the losses are, not as itself: `loss` (0 for other keys) is theirs. */
static void compare(const reference *r, const char *key, const double *got,
                    double loss) {
    double largest = 0, worst = 0;
    int    where = 0;
    cJSON *layer;
    cJSON_ArrayForEach(layer, r->layers) {
        largest = fmax(largest, fabs(number(layer, key)));
    }
    for (int l = 0; l < r->graph->n_layers; l++) {
        double off =
            fabs(got[l] - number(cJSON_GetArrayItem(r->layers, l), key));
        if (off > worst || isnan(off)) worst = off, where = l;
    }
    printf("%-12s %-12s worst %.1e of the largest (%s)\n", r->name, key,
           worst / largest, r->graph->layer[where].name);
    CHECK_NEAR(worst, 0, r->tolerance * (largest + loss / 10));
}

static void compare_bits(const reference *r, const char *key, int bits,
                         const double *got, double loss) {
    char full[32];
    snprintf(full, sizeof full, "%s_%d", key, bits);
    compare(r, full, got, loss);
}

/* --- what is compared ---------------------------------------------------- */

/* v[i] = +1 if i * 2654435761 mod 2^32 < 2^31, else -1. */
static void fixed_probe(size_t n, real *v) {
    for (size_t i = 0; i < n; i++)
        v[i] = (uint32_t)(i * 2654435761u) < 0x80000000u ? 1 : -1;
}

static double squares(const double *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i] * x[i];
    return sum;
}

static double product(const real *x, const double *y, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * y[i];
    return sum;
}

/* grad_norm, vHv_all, Hv_norm: v on all layers at once. */
static void check_full_product(reference *r) {
    const hawq_selection *at = &r->study.all;
    size_t                n = hawq_selection_total(at);
    hawq_batch            batch = reference_batch(r);
    real                 *v = hawq_arena_take(&r->arena, n, sizeof *v);
    double               *hv = hawq_arena_take(&r->arena, n, sizeof *hv);
    double               *g = hawq_arena_take(&r->arena, n, sizeof *g);
    double                norm[3][64];
    for (int l = 0; l < at->n; l++)
        fixed_probe(at->offset[l + 1] - at->offset[l], v + at->offset[l]);
    hawq_engine_products(r->engine, &batch, HAWQ_HESSIAN, 1, at, v, at, hv, g);
    for (int l = 0; l < at->n; l++) {
        size_t first = at->offset[l], count = at->offset[l + 1] - first;
        norm[0][l] = sqrt(squares(g + first, count));
        norm[1][l] = product(v + first, hv + first, count);
        norm[2][l] = sqrt(squares(hv + first, count));
    }
    compare(r, "grad_norm", norm[0], 0);
    compare(r, "vHv_all", norm[1], 0);
    compare(r, "Hv_norm", norm[2], 0);
    CHECK_NEAR(r->study.gradient_norm, sqrt(squares(g, n)),
               r->tolerance * r->study.gradient_norm);
}

/* dW2, measured, quadratic and vHv_own: one layer at a time. */
static void check_layers(reference *r) {
    double dw2[N_BITS][64], measured[N_BITS][64], quadratic[N_BITS][64];
    double own[64];
    for (int l = 0; l < r->graph->n_layers; l++) {
        const hawq_layer *layer = &r->graph->layer[l];
        size_t            n = layer->weight->n;
        real          *dw = hawq_arena_take(&r->arena, N_BITS * n, sizeof *dw);
        hawq_mark      mark = hawq_arena_mark(&r->arena);
        real          *values = hawq_arena_take(&r->arena, n, sizeof *values);
        double        *hv = hawq_arena_take(&r->arena, n, sizeof *hv);
        hawq_selection at;
        hawq_estimate  rise[N_BITS];
        hawq_passed    passed;
        for (int i = 0; i < N_BITS; i++) {
            hawq_candidate how = {
                .format = {.family = HAWQ_NARROW, .bits = reference_bits[i]},
                .method = &hawq_method_nearest};
            hawq_quantized q = {0};
            r->dw[l * N_BITS + i] = dw + (size_t)i * n;
            CHECK_OK(hawq_quantize(layer, &how, NULL, NULL, r->threads,
                                   &r->arena, &q));
            hawq_quantized_decode(&q, layer, values);
            dw2[i][l] =
                hawq_quantized_error(&q, layer, r->dw[l * N_BITS + i], NULL);
            CHECK_OK(hawq_study_measure(&r->study, l, values, NULL, &passed));
            measured[i][l] = passed.rise.mean;
        }
        CHECK_OK(hawq_study_quadratic(&r->study, l, N_BITS, dw, rise, NULL));
        for (int i = 0; i < N_BITS; i++) quadratic[i][l] = rise[i].mean;
        hawq_batch batch = reference_batch(r);
        fixed_probe(n, values);
        CHECK_OK(hawq_select_weights(r->graph, l, &r->arena, &at));
        hawq_engine_products(r->engine, &batch, HAWQ_HESSIAN, 1, &at, values,
                             &at, hv, NULL);
        own[l] = product(values, hv, n);
        hawq_arena_reset(&r->arena, mark);
    }
    compare(r, "vHv_own", own, 0);
    for (int i = 0; i < N_BITS; i++) {
        compare_bits(r, "dW2", reference_bits[i], dw2[i], 0);
        compare_bits(r, "quadratic", reference_bits[i], quadratic[i], 0);
        compare_bits(r, "measured", reference_bits[i], measured[i],
                     r->study.loss);
    }
}

/* cross_row_layer1_4bit: dW_j . H dW_1, from the products of layer 1. */
static void check_cross_row(reference *r) {
    const cJSON *row =
        cJSON_GetObjectItemCaseSensitive(r->json, "cross_row_layer1_4bit");
    size_t        n = hawq_selection_total(&r->study.all);
    double       *hv = hawq_arena_take(&r->arena, n, sizeof *hv);
    double        worst = 0, largest = 0;
    hawq_estimate rise;
    CHECK_OK(
        hawq_study_quadratic(&r->study, 1, 1, r->dw[N_BITS + 1], &rise, hv));
    for (int l = 0; l < r->graph->n_layers; l++) {
        double want = cJSON_GetArrayItem(row, l)->valuedouble;
        double got =
            hawq_study_interaction(&r->study, hv, l, r->dw[l * N_BITS + 1]);
        worst = fmax(worst, fabs(got - want));
        largest = fmax(largest, fabs(want));
        CHECK(isfinite(got));
    }
    printf("%-12s %-12s worst %.1e of the largest\n", r->name, "cross_row",
           worst / largest);
    CHECK_NEAR(worst / largest, 0, r->tolerance);
}

static void check_network(reference *r) {
    const cJSON *logits =
        cJSON_GetObjectItemCaseSensitive(r->json, "logits_first");
    double largest = 0;
    CHECK_NEAR(r->study.loss, number(r->json, "loss"),
               r->tolerance * fmax(0.1, r->study.loss));
    CHECK_NEAR(r->study.accuracy, number(r->json, "accuracy"), 1e-9);
    for (int i = 0; i < cJSON_GetArraySize(logits); i++)
        largest =
            fmax(largest, fabs(cJSON_GetArrayItem(logits, i)->valuedouble));
    for (int i = 0; i < cJSON_GetArraySize(logits); i++)
        CHECK_NEAR((double)r->study.outputs[i],
                   cJSON_GetArrayItem(logits, i)->valuedouble,
                   r->tolerance * largest);
    for (int l = 0; l < r->graph->n_layers; l++) {
        const cJSON *layer = cJSON_GetArrayItem(r->layers, l);
        CHECK(strcmp(r->graph->layer[l].name, text(layer, "name")) == 0);
        CHECK(r->graph->layer[l].weight->n == number(layer, "params"));
    }
}

/* Everything the file has, on its own images. */
static void check_reference(const char *folder, const char *name,
                            double tolerance) {
    reference r = {.name = name, .tolerance = tolerance};
    if (reference_open(&r, folder, N_BITS)) {
        r.study = (hawq_study){.graph = r.graph,
                               .engine = r.engine,
                               .data = reference_batch(&r),
                               .batch_size = r.data.n,
                               .arena = &r.arena};
        r.dw = hawq_arena_take(&r.arena, (size_t)r.graph->n_layers * N_BITS,
                               sizeof *r.dw);
        if (CHECK_OK(hawq_study_init(&r.study))) {
            check_network(&r);
            check_full_product(&r);
            check_layers(&r);
            check_cross_row(&r);
        }
    }
    reference_close(&r);
}

#endif
