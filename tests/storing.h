/* storing.h -- what tests put into a database, and how they look behind the
 * store's back: shared by the tests of what comes back and of faults.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_STORING_H
#define HAWQ_TESTS_STORING_H
#include "results/sql.h"
#include "results/store.h"
#include "tests/check.h"

#include <dirent.h>
#include <unistd.h>

static char folder[64] = "/tmp/hawq-store-XXXXXX";
static char path[128];

/* A fresh file name in the test's folder. */
static inline void fresh(const char *name) {
    snprintf(path, sizeof path, "%s/%s.db", folder, name);
}

/* --- what is put -------------------------------------------------------- */

enum { LAYERS = 3 };

static const double factors[] = {1.0 / 3, 2, 0x1p-30};

static const hawq_run_record run_record = {
    .program = "hawq-analyze",
    .version = "0.1.0",
    .command = "hawq-analyze a.onnx --data 'b c.npz'",
    .model_path = "a.onnx",
    .model_hash = "0123456789abcdef",
    .data = "b c.npz --limit 9",
    .loss = "cross-entropy",
    .seed = UINT64_MAX,
    .threads = 7,
    .host = "h",
    .provider = "blas haswell",
    .sampling = "batch 32",
    .weight_range = "mse",
    .rewrite = "smooth:0.5",
    .rewrite_factors = factors,
    .n_rewrite_factors = 3,
};
static const hawq_layer_record layers[LAYERS] = {
    {"conv1", "Conv", 432, 442368, 16, "conv1"},
    {"it's \"two\"\t\xc3\xa9", "Gemm", INT64_MAX, 0, 1, "conv1"},
    {"fc", "MatMul", 640, 640, 10, "fc"},
};
static const hawq_estimate estimates[LAYERS] = {
    {1.0 / 3, 0.1, 0.1, 0.5, 12}, {-2e-300, 0, -1, 1, 2}, {5e300, 1, 4, 6, 3}};
static const hawq_sensitivity_record sensitivities[] = {
    {0, "trace", 8, 0.1, 0.01, NULL, 0, 0},
    {0, "trace", 4, 1.0 / 7, 0.02, NULL, 0, 0},
    {1, "trace", 8, 0, 0, NULL, 0, 0},
    {1, "trace", 4, -1e-5, 0, NULL, 0, 0},
    {2, "trace", 8, 3, 0, NULL, 0, 0},
    {2, "trace", 4, 4, 0.5, NULL, 0, 0},
};
enum { SENSITIVITIES = sizeof sensitivities / sizeof *sensitivities };
static const hawq_interaction_record interactions[] = {
    {0, 8, 1, 8, -0.5, NULL, NULL},
    {0, 8, 1, 4, 0.25, NULL, NULL},
    {0, 4, 2, 4, 1e-9, NULL, NULL}};
static const int       readers[] = {0, 2};
static const hawq_rise rises[] = {{8, -1e-5, 0.01}, {4, 1.0 / 3, 0}};
static const hawq_activation_record activations[] = {
    {"x", "mse", 1, readers, 2, rises}, {"it's", "max", 2, readers, 1, rises}};
static const hawq_choice choices[LAYERS] = {
    {"conv1", 8, 8, NULL},
    {"it's \"two\"\t\xc3\xa9", 4, 8, NULL},
    {"fc", 2, 4, NULL}};
static const hawq_budget_record     budgets[] = {{"bops", 1e9, 0.5e9, false},
                                                 {"weight-size", 1000, 999, true}};
static const hawq_allocation_record allocation = {
    .solver = "dp",
    .metric = "trace",
    .state = "optimal",
    .objective = 0.1 + 0.2,
    .bound = 0.3,
    .weight_bytes = 999,
    .bops = 500000000,
    .mean_bits = 14.0 / 3,
    .latency_us = -1,
    .kl = 0.7 / 9,
    .agreement = 0.875,
    .check_images = 256,
    .n_layers = LAYERS,
    .choice = choices,
    .n_budgets = 2,
    .budget = budgets,
};
static const int               bits_a[LAYERS] = {2, 2, 2}, bits_b[] = {8, 4, 2};
static const hawq_front_point  points[] = {{100, 0.5, 2, bits_a, NULL},
                                           {200, 0.1, 14.0 / 3, bits_b, NULL}};
static const hawq_front_record front = {"weight-size", "dp", "trace",
                                        LAYERS,        2,    points};
static const hawq_layer_timing timings[LAYERS] = {
    {"conv1", 8, 8, "avx2", 12.5, NULL},
    {"it's \"two\"\t\xc3\xa9", 4, 8, "avx2", 3.25, NULL},
    {"fc", 2, 4, "ref", 1.0 / 3, NULL}};
static const hawq_benchmark_record benchmark = {
    .label = "allocation 1",
    .device = "cpu",
    .kernels = "avx2",
    .batch_size = 16,
    .threads = 2,
    .repeats = 11,
    .samples = 10000,
    .accuracy = 0.9,
    .loss = 0.3,
    .float_accuracy = 0.91,
    .float_loss = NAN,
    .agreement = 0.99,
    .weight_bytes = 999,
    .file_bytes = 1200,
    .latency_us = 17,
    .latency_spread_us = 0.5,
    .speedup_vs_float = 3,
    .speedup_vs_uniform8 = 1.25,
    .bit_exact = true,
    .n_layers = LAYERS,
    .layer = timings,
};

/* All layers of sample s; the values depend on s so that mixing shows. */
static inline hawq_status put_sample(hawq_store *store, int64_t run, int s) {
    hawq_sample_record row[LAYERS];
    for (int i = 0; i < LAYERS; i++)
        row[i] = (hawq_sample_record){s, i, "trace", s + i / 3.0, 0.5};
    return hawq_store_put_samples(store, run, LAYERS, row);
}

static inline hawq_status put_all(hawq_store *store, int64_t *run,
                                  int64_t *id) {
    HAWQ_TRY(hawq_store_begin_run(store, &run_record, run));
    HAWQ_TRY(hawq_store_put_layers(store, *run, LAYERS, layers));
    HAWQ_TRY(put_sample(store, *run, 0));
    HAWQ_TRY(put_sample(store, *run, 1));
    HAWQ_TRY(hawq_store_put_estimates(store, *run, "trace", LAYERS, estimates));
    HAWQ_TRY(
        hawq_store_put_sensitivity(store, *run, SENSITIVITIES, sensitivities));
    HAWQ_TRY(hawq_store_put_interactions(store, *run, 3, interactions));
    for (int i = 0; i < 2; i++)
        HAWQ_TRY(hawq_store_put_activation(store, *run, i, &activations[i]));
    HAWQ_TRY(hawq_store_put_allocation(store, *run, *run, &allocation, id));
    HAWQ_TRY(hawq_store_put_front(store, *run, *run, &front));
    hawq_benchmark_record b = benchmark;
    int64_t               ignored;
    b.allocation = *id;
    HAWQ_TRY(hawq_store_put_benchmark(store, *run, &b, &ignored));
    return hawq_store_finish_run(store, *run);
}

/* --- reading behind the store's back ------------------------------------ */

/* The first column of every row, each followed by ';'. */
static const char *sql(const char *query) {
    static char text[4096];
    hawq_arena  arena = {0};
    hawq_sql   *db;
    hawq_rows   rows;
    size_t      used = 0;
    text[0] = '\0';
    if (hawq_sql_open(path, false, &arena, &db) != HAWQ_OK)
        return hawq_message();
    if (hawq_sql_query(db, query, &rows, 0, NULL) == HAWQ_OK) {
        while (hawq_sql_next(&rows)) {
            const char *cell = hawq_sql_text(&rows, 0, &arena);
            used += (size_t)snprintf(text + used, sizeof text - used, "%s;",
                                     cell ? cell : "");
        }
        if (rows.status != HAWQ_OK)
            snprintf(text, sizeof text, "%s", hawq_message());
    } else {
        snprintf(text, sizeof text, "%s", hawq_message());
    }
    hawq_sql_close(db);
    hawq_arena_free(&arena);
    return text;
}

static inline int check_sql(const char *query, const char *want) {
    const char *got = sql(query);
    int         ok = !strcmp(got, want);
    CHECK(ok);
    if (!ok) printf("    %s\n    got  %s\n    want %s\n", query, got, want);
    return ok;
}

static inline void script(const char *text) {
    hawq_arena arena = {0};
    hawq_sql  *db;
    if (CHECK_OK(hawq_sql_open(path, true, &arena, &db))) {
        CHECK_OK(hawq_sql_script(db, text));
        hawq_sql_close(db);
    }
    hawq_arena_free(&arena);
}

static inline void remove_folder(void) {
    char name[512];
    DIR *dir = opendir(folder);
    if (!CHECK(dir != NULL)) return;
    for (struct dirent *e; (e = readdir(dir));) {
        snprintf(name, sizeof name, "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.') unlink(name);
    }
    closedir(dir);
    CHECK(rmdir(folder) == 0);
}

#endif
