/* exactness.h -- readings v'Hv of every layer of real networks, computed by the
 * double program and written to a file, by the float program and compared.
 *
 * The batch is fixed and the probes are the ones hawq-analyze would draw, so
 * what varies between readings is the probe alone, and what differs between the
 * programs is arithmetic alone: weights (BatchNormalization folded in double or
 * float), products, sums. The scales of the probes, which pilots find, are the
 * double program's in both.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_EXACTNESS_H
#define HAWQ_TESTS_EXACTNESS_H
#include "hessian/hvp.h"
#include "src/load/dataset.h"
#include "src/load/onnx.h"
#include "tests/check.h"

enum { IMAGES = 8, PROBES = 8, KINDS = 3, MOST_LAYERS = 64, PILOTS = 2 };

static const char *const exactness_network[] = {"resnet20_cifar10",
                                                "resnet56_cifar10"};
enum { NETWORKS = 2 };

/* Kinds of readings: by products with the Hessian, by products with
 * Gauss-Newton's matrix, and what hawq_hvp_linop has instead of products. */
static const char *const exactness_kind[KINDS] = {"v'Hv", "v'Gv", "reading"};

typedef struct exactness {
    int    layers;
    double scale[MOST_LAYERS];
    double reading[KINDS][PROBES][MOST_LAYERS];
    char   name[MOST_LAYERS][64];
} exactness;

typedef struct exact_run {
    hawq_arena     arena;
    hawq_dataset   data;
    hawq_graph    *graph;
    hawq_threads  *threads;
    hawq_engine   *engine;
    hawq_selection at;
    hawq_sampler   sampler;
    hawq_block    *block;
} exact_run;

static inline void exactness_file(char path[4096]) {
    snprintf(path, 4096, "%s/exactness.bin", getenv("HAWQ_BUILD"));
}

static bool exact_open(exact_run *r, const char *folder, const char *network) {
    hawq_dataset_options o = {.scale = 1 / 255.0,
                              .limit = IMAGES,
                              .n_mean = 3,
                              .mean = {0.485, 0.456, 0.406},
                              .n_std = 3,
                              .std = {0.229, 0.224, 0.225}};
    char                 path[4096];
    memset(r, 0, sizeof *r);
    snprintf(path, sizeof path, "cifar:%s/cifar10/test_batch.bin", folder);
    if (!CHECK_OK(hawq_dataset_load(path, &o, &r->data))) return false;
    snprintf(path, sizeof path, "%s/models/%s.onnx", folder, network);
    if (!CHECK_OK(hawq_onnx_load(path, 0, &r->graph)) ||
        !CHECK(r->graph->n_layers <= MOST_LAYERS) ||
        !CHECK_OK(hawq_threads_new(0, &r->threads)) ||
        !CHECK_OK(hawq_engine_new(r->graph, r->threads, 1, HAWQ_CROSS_ENTROPY,
                                  &r->engine)) ||
        !CHECK_OK(hawq_select_weights(r->graph, -1, &r->arena, &r->at)) ||
        !CHECK_OK(hawq_hvp_blocks(r->graph, &r->arena, &r->block)))
        return false;
    hawq_batch all = {r->data.n, r->data.x, r->data.labels, NULL};
    return CHECK_OK(
        hawq_sampler_init(&r->sampler, r->graph, &all, IMAGES, 0, &r->arena));
}

static void exact_close(exact_run *r) {
    hawq_engine_free(r->engine);
    hawq_threads_free(r->threads);
    hawq_graph_free(r->graph);
    hawq_dataset_free(&r->data);
    hawq_arena_free(&r->arena);
}

/* Readings of one kind, with the scales of `e`, which pilots find if asked. */
static void exact_readings(exact_run *r, exactness *e, int kind, bool pilots) {
    double      channel[MOST_LAYERS * 512];
    hawq_hvp    hvp = {.engine = r->engine,
                       .curvature = kind == 1 ? HAWQ_GAUSS_NEWTON : HAWQ_HESSIAN,
                       .at = &r->at,
                       .sampler = &r->sampler};
    hawq_tracer t = {.A = hawq_hvp_linop(&hvp),
                     .probe = &hawq_probe_rademacher,
                     .n_blocks = e->layers,
                     .block = r->block};
    if (kind < 2) t.A.read = NULL;
    if (!CHECK_OK(hawq_tracer_init(&t, &r->arena)) ||
        !CHECK(t.n_channels < sizeof channel / sizeof *channel))
        return;
    if (pilots) {
        CHECK_OK(hawq_tracer_balance(&t, 1000, PILOTS));
        memcpy(e->scale, t.scale, (size_t)e->layers * sizeof *e->scale);
    }
    memcpy(t.scale, e->scale, (size_t)e->layers * sizeof *e->scale);
    for (int p = 0; p < PROBES; p++)
        CHECK_OK(
            hawq_tracer_sample(&t, (uint64_t)p, e->reading[kind][p], channel));
}

/* All readings of a network; e->scale is found, or taken as it is. */
static bool exact_compute(const char *folder, const char *network, bool pilots,
                          exactness *e) {
    exact_run r;
    bool      ok = exact_open(&r, folder, network);
    e->layers = ok ? r.graph->n_layers : 0;
    for (int l = 0; l < e->layers; l++)
        snprintf(e->name[l], sizeof e->name[l], "%s", r.graph->layer[l].name);
    for (int kind = 0; ok && kind < KINDS; kind++)
        exact_readings(&r, e, kind, pilots && kind == 0);
    exact_close(&r);
    return ok;
}

#endif
