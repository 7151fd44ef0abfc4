/* test_store.c -- the database gives back what was put, under every fault.
 *
 * Claims: every record comes back bit for bit, and the views show it; a killed
 * or refused writer leaves a database that is whole; every refusal is one
 * sentence with the file's path; two writers on one file both succeed.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/sql.h"
#include "results/store.h"
#include "tests/check.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64] = "/tmp/hawq-store-XXXXXX";
static char path[128];

/* A fresh file name in the test's folder. */
static void fresh(const char *name) {
    snprintf(path, sizeof path, "%s/%s.db", folder, name);
}

/* --- what is put -------------------------------------------------------- */

enum { LAYERS = 3 };

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
static hawq_status put_sample(hawq_store *store, int64_t run, int s) {
    hawq_sample_record row[LAYERS];
    for (int i = 0; i < LAYERS; i++)
        row[i] = (hawq_sample_record){s, i, "trace", s + i / 3.0, 0.5};
    return hawq_store_put_samples(store, run, LAYERS, row);
}

static hawq_status put_all(hawq_store *store, int64_t *run, int64_t *id) {
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

static int check_sql(const char *query, const char *want) {
    const char *got = sql(query);
    int         ok = !strcmp(got, want);
    CHECK(ok);
    if (!ok) printf("    %s\n    got  %s\n    want %s\n", query, got, want);
    return ok;
}

static void script(const char *text) {
    hawq_arena arena = {0};
    hawq_sql  *db;
    if (CHECK_OK(hawq_sql_open(path, true, &arena, &db))) {
        CHECK_OK(hawq_sql_script(db, text));
        hawq_sql_close(db);
    }
    hawq_arena_free(&arena);
}

/* --- round trips -------------------------------------------------------- */

static bool same_choice(const hawq_choice *a, const hawq_choice *b) {
    return !strcmp(a->layer, b->layer) && a->weight_bits == b->weight_bits &&
           a->activation_bits == b->activation_bits;
}

static void check_run(hawq_store *store, hawq_arena *arena, int64_t run) {
    hawq_run_record r;
    CHECK_OK(hawq_store_load_run(store, run, arena, &r));
    CHECK(!strcmp(r.program, run_record.program));
    CHECK(!strcmp(r.version, run_record.version));
    CHECK(!strcmp(r.command, run_record.command));
    CHECK(!strcmp(r.model_path, run_record.model_path));
    CHECK(!strcmp(r.model_hash, run_record.model_hash));
    CHECK(!strcmp(r.data, run_record.data));
    CHECK(!strcmp(r.loss, run_record.loss));
    CHECK(r.seed == run_record.seed);
    CHECK(r.threads == run_record.threads);
    CHECK(!strcmp(r.host, run_record.host));
    CHECK(!strcmp(r.provider, run_record.provider));
    CHECK(!strcmp(r.sampling, run_record.sampling));
    CHECK(!strcmp(r.weight_range, run_record.weight_range));
}

static void check_analysis(hawq_store *store, hawq_arena *arena, int64_t run) {
    hawq_layer_record       *l;
    hawq_sample_record      *s;
    hawq_estimate           *e;
    hawq_sensitivity_record *v;
    hawq_interaction_record *x;
    int                      n;
    CHECK_OK(hawq_store_load_layers(store, run, arena, &n, &l));
    CHECK(n == LAYERS);
    for (int i = 0; i < n && i < LAYERS; i++)
        CHECK(!strcmp(l[i].name, layers[i].name) &&
              !strcmp(l[i].op, layers[i].op) &&
              l[i].params == layers[i].params && l[i].macs == layers[i].macs &&
              l[i].channels == layers[i].channels &&
              !strcmp(l[i].group, layers[i].group));
    CHECK_OK(hawq_store_load_samples(store, run, NULL, arena, &n, &s));
    CHECK(n == 2 * LAYERS);
    for (int i = 0; i < n && i < 2 * LAYERS; i++)
        CHECK(s[i].sample == i / LAYERS && s[i].layer == i % LAYERS &&
              !strcmp(s[i].metric, "trace") && s[i].probe_scale == 0.5 &&
              s[i].value == s[i].sample + s[i].layer / 3.0);
    CHECK_OK(hawq_store_load_estimates(store, run, "trace", arena, &n, &e));
    CHECK(n == LAYERS);
    for (int i = 0; i < n && i < LAYERS; i++)
        CHECK(e[i].mean == estimates[i].mean &&
              e[i].stderr1 == estimates[i].stderr1 &&
              e[i].low == estimates[i].low && e[i].high == estimates[i].high &&
              e[i].n == estimates[i].n);
    CHECK_OK(hawq_store_load_sensitivity(store, run, "trace", arena, &n, &v));
    CHECK(n == SENSITIVITIES);
    for (int i = 0; i < n && i < SENSITIVITIES; i++)
        CHECK(v[i].layer == sensitivities[i].layer &&
              v[i].bits == sensitivities[i].bits &&
              v[i].value == sensitivities[i].value &&
              v[i].stderr1 == sensitivities[i].stderr1 &&
              !strcmp(v[i].metric, "trace"));
    CHECK_OK(hawq_store_load_interactions(store, run, arena, &n, &x));
    CHECK(n == 3);
    CHECK(n == 3 && !memcmp(&x[0].value, &interactions[0].value, 8) &&
          x[1].bits_j == 4 && x[2].layer_j == 2);
}

static void check_activations(hawq_store *store, hawq_arena *arena,
                              int64_t run) {
    hawq_activation_record *a;
    int                     n;
    CHECK_OK(hawq_store_load_activations(store, run, arena, &n, &a));
    if (!CHECK(n == 2)) return;
    for (int i = 0; i < n; i++) {
        const hawq_activation_record *put = &activations[i];
        CHECK(!strcmp(a[i].tensor, put->tensor) &&
              !strcmp(a[i].range, put->range));
        CHECK(a[i].n_layers == put->n_layers && a[i].n_rises == put->n_rises);
        for (int k = 0; k < put->n_layers; k++)
            CHECK(a[i].layer[k] == put->layer[k]);
        for (int k = 0; k < put->n_rises; k++)
            CHECK(a[i].rise[k].bits == rises[k].bits &&
                  a[i].rise[k].value == rises[k].value &&
                  a[i].rise[k].stderr1 == rises[k].stderr1);
    }
}

static void check_allocation(hawq_store *store, hawq_arena *arena, int64_t id) {
    hawq_allocation_record a;
    CHECK_OK(hawq_store_load_allocation(store, id, arena, &a));
    CHECK(!strcmp(a.solver, "dp") && !strcmp(a.metric, "trace") &&
          !strcmp(a.state, "optimal") && !strcmp(a.weight_range, "mse"));
    CHECK(a.objective == allocation.objective && a.bound == allocation.bound);
    CHECK(a.weight_bytes == 999 && a.bops == 500000000);
    CHECK(a.mean_bits == allocation.mean_bits && a.latency_us < 0);
    CHECK(a.n_layers == LAYERS && a.n_budgets == 2);
    for (int i = 0; i < a.n_layers; i++)
        CHECK(same_choice(&a.choice[i], &choices[i]));
    for (int i = 0; i < a.n_budgets; i++)
        CHECK(!strcmp(a.budget[i].kind, budgets[i].kind) &&
              a.budget[i].limit == budgets[i].limit &&
              a.budget[i].used == budgets[i].used &&
              a.budget[i].binding == budgets[i].binding);
}

static void check_finds(hawq_store *store, hawq_arena *arena, int64_t run,
                        int64_t id) {
    const char        *hash = run_record.model_hash;
    hawq_layer_timing *t;
    int64_t            found;
    int                n;
    CHECK_OK(hawq_store_find_analysis(store, hash, "trace", &found));
    CHECK(found == run);
    CHECK_OK(hawq_store_find_analysis(store, hash, NULL, &found));
    CHECK(found == run);
    CHECK_OK(hawq_store_find_analysis(store, hash, "sqnr", &found));
    CHECK(found == 0);
    CHECK_OK(hawq_store_find_analysis(store, "no such", NULL, &found));
    CHECK(found == 0);
    CHECK_OK(hawq_store_find_unfinished(store, &run_record, &found));
    CHECK(found == 0);
    CHECK_OK(hawq_store_find_allocation(store, hash, 0, &found));
    CHECK(found == id);
    CHECK_OK(hawq_store_find_allocation(store, hash, id, &found));
    CHECK(found == id);
    CHECK_OK(hawq_store_find_allocation(store, hash, id + 5, &found));
    CHECK(found == 0);
    CHECK_FAILS(hawq_store_find_allocation(store, "other", id, &found),
                HAWQ_EINVAL, "another network");
    hawq_latency_key key = {hash, "h", "avx2", 2, 16};
    CHECK_OK(hawq_store_load_timings(store, &key, arena, &n, &t));
    CHECK(n == LAYERS);
    for (int i = 0; i < n && i < LAYERS; i++)
        CHECK(!strcmp(t[i].layer, timings[i].layer) &&
              t[i].weight_bits == timings[i].weight_bits &&
              t[i].activation_bits == timings[i].activation_bits &&
              !strcmp(t[i].kernel, timings[i].kernel) &&
              t[i].latency_us == timings[i].latency_us);
    key.kernels = "ref";
    CHECK_OK(hawq_store_load_timings(store, &key, arena, &n, &t));
    CHECK(n == 0);
}

static void every_record_comes_back(void) {
    hawq_store *store;
    hawq_arena  arena = {0};
    int64_t     run, id;
    fresh("round");
    if (!CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store))) return;
    CHECK_OK(put_all(store, &run, &id));
    hawq_store_close(store);
    if (!CHECK_OK(hawq_store_open(path, HAWQ_STORE_READ, &store))) return;
    check_run(store, &arena, run);
    check_analysis(store, &arena, run);
    check_activations(store, &arena, run);
    check_allocation(store, &arena, id);
    check_finds(store, &arena, run, id);
    CHECK_FAILS(hawq_store_begin_run(store, &run_record, &run), HAWQ_ESTATE,
                "read-only");
    hawq_run_record r;
    CHECK_FAILS(hawq_store_load_run(store, 77, &arena, &r), HAWQ_EINVAL,
                "there is no run 77");
    hawq_store_close(store);
    hawq_arena_free(&arena);
}

static void views_show_what_was_put(void) {
    fresh("round");
    check_sql("SELECT cost || ' ' || objective || ' ' || weight_bits || ' ' ||"
              " model || ' ' || cost_kind FROM pareto_front",
              "100.0 0.5 [2,2,2] a.onnx weight-size;"
              "200.0 0.1 [8,4,2] a.onnx weight-size;");
    check_sql("SELECT name || ' ' || bits || ' ' || sensitivity || ' ' ||"
              " ifnull(trace_standard_error, '') FROM layer_sensitivity"
              " WHERE layer = 2",
              "fc 8 3.0 1.0;fc 4 4.0 1.0;");
    check_sql(
        "SELECT name || ' ' || bits || ' ' || sensitivity || ' ' || layers"
        " FROM activation_sensitivity WHERE bits = 8",
        "x 8 -1.0e-05 [\"conv1\"];it's 8 -1.0e-05 [\"conv1\",\"fc\"];");
    check_sql("SELECT state || ' ' || weight_bytes || ' ' || budgets || ' ' ||"
              " (latency_us IS NULL) FROM allocation_summary",
              "optimal 999 bops <= 1000000000 (used 500000000, not binding); "
              "weight-size <= 1000 (used 999, binding) 1;");
    check_sql("SELECT name || ' ' || weight_bits || ' ' || activation_bits"
              " FROM allocation_layers WHERE layer <> 1",
              "conv1 8 8;fc 2 4;");
    check_sql("SELECT weight_bits || ' ' || kernel || ' ' || latency_us FROM"
              " latency_table WHERE name = 'conv1'",
              "8 avx2 12.5;");
    check_sql("SELECT label || ' ' || accuracy || ' ' || bit_exact || ' ' ||"
              " (float_loss IS NULL) || ' ' || allocation_id"
              " FROM benchmark_summary",
              "allocation 1 0.9 1 1 1;");
    check_sql("PRAGMA journal_mode", "wal;");
    check_sql("SELECT count(*) FROM pragma_table_list WHERE type = 'table' AND"
              " NOT strict AND name NOT LIKE 'sqlite%'",
              "0;");
    check_sql("PRAGMA foreign_key_check", "");
}

/* The views show the newest of several; dropping a run takes all with it. */
static void newest_wins_and_drop_is_whole(void) {
    hawq_store *store;
    int64_t     run, id, second;
    fresh("newest");
    if (!CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store))) return;
    CHECK_OK(put_all(store, &run, &id));
    CHECK_OK(put_all(store, &second, &id));
    CHECK(second > run);
    check_sql("SELECT DISTINCT run_id FROM pareto_front", "2;");
    check_sql("SELECT DISTINCT run_id FROM layer_sensitivity", "2;");
    check_sql("SELECT DISTINCT run_id FROM activation_sensitivity", "2;");
    check_sql("SELECT DISTINCT benchmark_id FROM latency_table", "2;");
    CHECK_OK(hawq_store_drop_run(store, second));
    check_sql("SELECT DISTINCT run_id FROM pareto_front", "1;");
    check_sql("SELECT (SELECT count(*) FROM sample) || ' ' ||"
              " (SELECT count(*) FROM layer) || ' ' ||"
              " (SELECT count(*) FROM front_point) || ' ' ||"
              " (SELECT count(*) FROM benchmark_layer) || ' ' ||"
              " (SELECT count(*) FROM allocation_layer)",
              "6 3 2 3 3;");
    CHECK_FAILS(hawq_store_drop_run(store, second), HAWQ_EINVAL, "no run 2");
    CHECK_FAILS(hawq_store_finish_run(store, second), HAWQ_EINVAL, "no run 2");
    CHECK_OK(hawq_store_begin_run(store, &run_record, &run));
    CHECK(run == 3); /* ids are never used again */
    hawq_store_close(store);
}

/* Times at another batch size are another table; of networks timed twice under
 * one label the newest total counts, and those without layers tell nothing. */
static void times_are_of_one_key(void) {
    hawq_store           *store;
    hawq_arena            arena = {0};
    hawq_benchmark_record b = benchmark;
    hawq_latency_key      key = {run_record.model_hash, "h", "avx2", 2, 99};
    hawq_layer_timing    *t;
    hawq_total_timing    *total;
    int64_t               run, id;
    int                   n;
    double                layers = 0;
    char                  want[32];
    for (int i = 0; i < LAYERS; i++) layers += timings[i].latency_us;
    fresh("batch");
    if (!CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store))) return;
    CHECK_OK(hawq_store_begin_run(store, &run_record, &run));
    CHECK_OK(hawq_store_put_benchmark(store, run, &b, &id));
    b.batch_size = 99;
    b.n_layers = 1;
    CHECK_OK(hawq_store_put_benchmark(store, run, &b, &id));
    CHECK_OK(hawq_store_load_timings(store, &key, &arena, &n, &t));
    CHECK(n == 1);
    key.batch_size = 16;
    CHECK_OK(hawq_store_load_timings(store, &key, &arena, &n, &t));
    CHECK(n == LAYERS);
    b = benchmark;
    b.latency_us = 21;
    CHECK_OK(hawq_store_put_benchmark(store, run, &b, &id));
    b.label = "another";
    b.latency_us = 25;
    CHECK_OK(hawq_store_put_benchmark(store, run, &b, &id));
    b.label = "float32";
    b.n_layers = 0;
    CHECK_OK(hawq_store_put_benchmark(store, run, &b, &id));
    CHECK_OK(hawq_store_load_totals(store, &key, &arena, &n, &total));
    if (CHECK(n == 2)) {
        CHECK(total[0].latency_us == 21 && total[1].latency_us == 25);
        CHECK(total[0].spread_us == 0.5);
        CHECK_NEAR(total[1].layers_us, layers, 1e-12);
    }
    check_sql("SELECT (least_us = 21 - layers_us) ||"
              " (largest_us = 25 - layers_us) || totals FROM latency_constant"
              " JOIN latency_total USING (batch_size) WHERE batch_size = 16"
              " LIMIT 1",
              "112;");
    double w = 1.0 / (21 * 21), v = 1.0 / (25 * 25);
    snprintf(want, sizeof want, "%.9f;",
             ((21 - layers) * w + (25 - layers) * v) / (w + v));
    check_sql("SELECT printf('%.9f', constant_us) FROM latency_constant WHERE"
              " batch_size = 16",
              want);
    hawq_store_close(store);
    hawq_arena_free(&arena);
}

/* A refused batch leaves none of its rows. */
static void no_partial_batch(void) {
    hawq_store             *store;
    int64_t                 run, id;
    hawq_sensitivity_record bad[2] = {sensitivities[0], sensitivities[2]};
    hawq_sample_record      reading[2] = {{0, 0, "trace", 1, 1},
                                          {0, 1, "trace", INFINITY, 1}};
    hawq_allocation_record  wrong = allocation;
    fresh("partial");
    if (!CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store))) return;
    CHECK_OK(hawq_store_begin_run(store, &run_record, &run));
    CHECK_OK(hawq_store_put_layers(store, run, LAYERS, layers));
    bad[1].value = NAN;
    CHECK_FAILS(hawq_store_put_sensitivity(store, run, 2, bad), HAWQ_ENONFINITE,
                "layer 1: the sensitivity of metric 'trace'");
    CHECK_FAILS(hawq_store_put_samples(store, run, 2, reading), HAWQ_ENONFINITE,
                "layer 1: the reading of metric 'trace'");
    bad[1].value = 0;
    bad[1].layer = LAYERS; /* no such layer */
    CHECK_FAILS(hawq_store_put_sensitivity(store, run, 2, bad), HAWQ_EINVAL,
                "FOREIGN KEY");
    wrong.state = "perhaps";
    CHECK_FAILS(hawq_store_put_allocation(store, run, 0, &wrong, &id),
                HAWQ_EINVAL, "CHECK");
    hawq_store_close(store);
    check_sql("SELECT (SELECT count(*) FROM sensitivity) +"
              " (SELECT count(*) FROM sample) +"
              " (SELECT count(*) FROM allocation)",
              "0;");
}

/* --- processes ---------------------------------------------------------- */

/* Runs `body` in a child and returns its exit code, or -1. */
static int in_child(int (*body)(void)) {
    int   status;
    pid_t child = fork();
    if (child == 0) _exit(body());
    if (child < 0 || waitpid(child, &status, 0) != child) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

enum { BATCHES = 40 };

static int write_batches(void) {
    hawq_store *store;
    int64_t     run;
    if (hawq_store_open(path, HAWQ_STORE_WRITE, &store) != HAWQ_OK) return 1;
    if (hawq_store_begin_run(store, &run_record, &run) != HAWQ_OK) return 2;
    if (hawq_store_put_layers(store, run, LAYERS, layers) != HAWQ_OK) return 3;
    for (int s = 0; s < BATCHES; s++)
        if (put_sample(store, run, s) != HAWQ_OK) return 4;
    if (hawq_store_finish_run(store, run) != HAWQ_OK) return 5;
    hawq_store_close(store);
    return 0;
}

/* Both create the file at the same moment, and both write all the time. */
static void two_writers_both_succeed(void) {
    enum { WRITERS = 2 };
    pid_t child[WRITERS];
    fresh("two");
    for (int i = 0; i < WRITERS; i++)
        if ((child[i] = fork()) == 0) _exit(write_batches());
    for (int i = 0; i < WRITERS; i++) {
        int status = -1;
        CHECK(waitpid(child[i], &status, 0) == child[i]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    check_sql("SELECT count(*) FROM sample GROUP BY run_id", "120;120;");
    check_sql("PRAGMA integrity_check", "ok;");
}

/* Killed at any moment: every sample that was reported done is there, the next
 * may be, none is half there, and the run can be found and continued. */
static void kill_loses_at_most_one_sample(void) {
    enum { SEEN = 25 };
    int     pipes[2], seen = 0, n;
    char    done;
    int64_t run;
    fresh("kill");
    if (!CHECK(pipe(pipes) == 0)) return;
    pid_t child = fork();
    if (child == 0) {
        hawq_store *store;
        if (hawq_store_open(path, HAWQ_STORE_WRITE, &store) != HAWQ_OK ||
            hawq_store_begin_run(store, &run_record, &run) != HAWQ_OK ||
            hawq_store_put_layers(store, run, LAYERS, layers) != HAWQ_OK)
            _exit(1);
        for (int s = 0; put_sample(store, run, s) == HAWQ_OK; s++)
            if (write(pipes[1], "", 1) != 1) _exit(2);
        _exit(3);
    }
    close(pipes[1]);
    while (seen < SEEN && read(pipes[0], &done, 1) == 1) seen++;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    while (read(pipes[0], &done, 1) == 1) seen++;
    close(pipes[0]);
    CHECK(seen >= SEEN);
    check_sql("PRAGMA integrity_check", "ok;");
    hawq_store         *store;
    hawq_arena          arena = {0};
    hawq_sample_record *row;
    if (!CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store))) return;
    CHECK_OK(hawq_store_find_unfinished(store, &run_record, &run));
    CHECK(run == 1);
    CHECK_OK(hawq_store_load_samples(store, run, "trace", &arena, &n, &row));
    CHECK(n == seen * LAYERS || n == (seen + 1) * LAYERS);
    for (int i = 0; i < n; i++)
        CHECK(row[i].sample == i / LAYERS && row[i].layer == i % LAYERS);
    CHECK_OK(put_sample(store, run, n / LAYERS - 1)); /* redoing is harmless */
    CHECK_OK(hawq_store_finish_run(store, run));
    hawq_run_record other = run_record;
    CHECK_OK(hawq_store_find_unfinished(store, &run_record, &run));
    CHECK(run == 0);
    CHECK_OK(hawq_store_begin_run(store, &other, &run));
    other.seed--;
    CHECK_OK(hawq_store_find_unfinished(store, &other, &run));
    CHECK(run == 0);
    hawq_store_close(store);
    hawq_arena_free(&arena);
}

/* --- refusals ----------------------------------------------------------- */

static void put_file(const char *text) {
    FILE *f = fopen(path, "wb");
    if (!CHECK(f != NULL)) return;
    fputs(text, f);
    fclose(f);
}

static void not_ours(void) {
    hawq_store *store = NULL;
    fresh("text");
    put_file("this is a plain text of more than a hundred bytes, so that the "
             "header of a database would have been read from it completely");
    CHECK_FAILS(hawq_store_open(path, HAWQ_STORE_WRITE, &store), HAWQ_EFORMAT,
                "text.db: is not an SQLite database");
    fresh("other");
    script("CREATE TABLE t (x)");
    CHECK_FAILS(hawq_store_open(path, HAWQ_STORE_WRITE, &store), HAWQ_EFORMAT,
                "other.db: is the database of another program");
    fresh("newer");
    CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store));
    hawq_store_close(store);
    script("PRAGMA user_version = 99");
    CHECK_FAILS(hawq_store_open(path, HAWQ_STORE_WRITE, &store), HAWQ_ESTATE,
                "newer.db: the database has schema version 99");
    fresh("missing");
    CHECK_FAILS(hawq_store_open(path, HAWQ_STORE_READ, &store), HAWQ_EIO,
                "missing.db: cannot be opened");
    fresh("no/such/folder");
    CHECK_FAILS(hawq_store_open(path, HAWQ_STORE_WRITE, &store), HAWQ_EIO,
                "No such file or directory");
    CHECK_FAILS(hawq_store_open(folder, HAWQ_STORE_WRITE, &store), HAWQ_EIO,
                "cannot be opened as a database");
    fresh("empty"); /* an empty file is an empty database */
    put_file("");
    CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store));
    hawq_store_close(store);
}

/* A database of the first version is brought to the present one by a program
 * that writes, and keeps its rows; one that reads says so. */
static void first_version_migrates(void) {
    static char text[1 << 16];
    char        name[4096];
    hawq_store *store = NULL;
    const char *source = getenv("HAWQ_SOURCE");
    snprintf(name, sizeof name, "%s/results/schema.sql", source ? source : ".");
    FILE *f = fopen(name, "rb");
    if (!CHECK(f != NULL)) return;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    fresh("first");
    script(text);
    script("PRAGMA application_id = 1212241745; PRAGMA user_version = 1;"
           "INSERT INTO run (program, version, command, model_path, model_hash,"
           " data, loss, seed, sampling, weight_range, threads, host, provider)"
           " VALUES ('p', '', '', 'old.onnx', '', '', '', 0, '', '', 1, '',"
           " '')");
    CHECK_FAILS(hawq_store_open(path, HAWQ_STORE_READ, &store), HAWQ_ESTATE,
                "first.db: the database has schema version 1 of ");
    if (!CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store))) return;
    hawq_store_close(store);
    check_sql("SELECT model_path FROM run", "old.onnx;");
    check_sql("SELECT count(*) FROM activation_sensitivity", "0;");
    CHECK_OK(hawq_store_open(path, HAWQ_STORE_READ, &store));
    hawq_store_close(store);
}

static void locked(void) {
    hawq_store *store;
    hawq_arena  arena = {0};
    hawq_sql   *db;
    int64_t     run;
    fresh("locked");
    if (!CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store))) return;
    CHECK_OK(hawq_sql_open(path, true, &arena, &db));
    CHECK_OK(hawq_sql_begin(db));
    hawq_store_patience(store, 50);
    CHECK_FAILS(hawq_store_begin_run(store, &run_record, &run), HAWQ_ESTATE,
                "locked.db: another program has kept the database locked");
    CHECK_OK(hawq_sql_end(db, HAWQ_OK));
    CHECK_OK(hawq_store_begin_run(store, &run_record, &run));
    hawq_sql_close(db);
    hawq_store_close(store);
    hawq_arena_free(&arena);
}

/* Permissions do not bind the superuser: become somebody else. */
static int open_as_somebody(void) {
    hawq_store *store;
    if (geteuid() == 0 && (setgid(65534) || setuid(65534))) return 9;
    hawq_status status = hawq_store_open(path, HAWQ_STORE_WRITE, &store);
    if (status == HAWQ_OK) return 0;
    bool sentence =
        strstr(hawq_message(), path) && strstr(hawq_message(), "read-only");
    if (!sentence) printf("    message: %s\n", hawq_message());
    fflush(stdout);
    return status == HAWQ_ESTATE && sentence ? 1 : 2;
}

static void read_only(void) {
    hawq_store *store;
    fresh("readonly");
    if (!CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store))) return;
    hawq_store_close(store);
    CHECK(chmod(folder, 0777) == 0 && chmod(path, 0444) == 0);
    CHECK(in_child(open_as_somebody) == 1);
    CHECK(chmod(folder, 0555) == 0 && chmod(path, 0666) == 0);
    CHECK(in_child(open_as_somebody) == 1);
    CHECK(chmod(folder, 0700) == 0);
}

/* A limit on the size of files stands for the full disk. */
static int write_until_full(void) {
    struct rlimit limit = {256 * 1024, 256 * 1024};
    hawq_store   *store;
    int64_t       run;
    hawq_status   status;
    if (hawq_store_open(path, HAWQ_STORE_WRITE, &store) != HAWQ_OK ||
        hawq_store_begin_run(store, &run_record, &run) != HAWQ_OK ||
        hawq_store_put_layers(store, run, LAYERS, layers) != HAWQ_OK)
        return 1;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    for (int s = 0; (status = put_sample(store, run, s)) == HAWQ_OK;) s++;
    if (status != HAWQ_EIO || !strstr(hawq_message(), path)) return 2;
    return 0; /* as if it ended here, the store open */
}

static void full_disk(void) {
    fresh("full");
    CHECK(in_child(write_until_full) == 0);
    check_sql("PRAGMA integrity_check", "ok;");
    check_sql("SELECT count(*) % 3 FROM sample", "0;");
}

/* --- rows that another program changed ----------------------------------- */

static hawq_status load_each(hawq_store *store, int64_t run, int64_t id,
                             hawq_arena *arena) {
    int                      n;
    hawq_allocation_record   a;
    hawq_layer_record       *l;
    hawq_latency_key         key = {run_record.model_hash, run_record.host,
                                    benchmark.kernels, benchmark.threads,
                                    benchmark.batch_size};
    hawq_sensitivity_record *v;
    hawq_activation_record  *t;
    hawq_interaction_record *x;
    hawq_estimate           *e;
    hawq_sample_record      *s;
    hawq_layer_timing       *time;
    hawq_total_timing       *total;
    HAWQ_TRY(hawq_store_load_layers(store, run, arena, &n, &l));
    HAWQ_TRY(hawq_store_load_samples(store, run, "trace", arena, &n, &s));
    HAWQ_TRY(hawq_store_load_estimates(store, run, "trace", arena, &n, &e));
    HAWQ_TRY(hawq_store_load_sensitivity(store, run, NULL, arena, &n, &v));
    HAWQ_TRY(hawq_store_load_interactions(store, run, arena, &n, &x));
    HAWQ_TRY(hawq_store_load_activations(store, run, arena, &n, &t));
    HAWQ_TRY(hawq_store_load_allocation(store, id, arena, &a));
    HAWQ_TRY(hawq_store_load_timings(store, &key, arena, &n, &time));
    return hawq_store_load_totals(store, &key, arena, &n, &total);
}

/* Whatever is deleted or edited in one of the tables is said, by whoever reads
 * it; nothing is indexed or summed with. */
static void edited_rows_are_said(void) {
    static const struct {
        const char *edit, *says;
    } edits[] = {
        {"SELECT 1", NULL},
        {"DELETE FROM layer WHERE layer = 1", "a layer is missing"},
        {"DELETE FROM layer", "layer 0 is missing"},
        {"UPDATE layer SET layer = layer + 7", "layer 0 is missing"},
        {"UPDATE layer SET params = -1", "a size of layer 0 is negative"},
        {"UPDATE sample SET layer = 99 WHERE layer = 2", "layer 99 is missing"},
        {"DELETE FROM sample WHERE layer = 1 AND sample = 0",
         "a sample of layer 1 is missing"},
        {"UPDATE sample SET value = 9e999 WHERE layer = 1",
         "a sample of layer 1 is inf"},
        {"DELETE FROM estimate WHERE layer = 0",
         "the estimate of layer 0 is missing"},
        {"DELETE FROM estimate WHERE layer = 2", "an estimate is missing"},
        {"UPDATE estimate SET mean = -9e999 WHERE layer = 1",
         "a mean of layer 1 is -inf"},
        {"UPDATE estimate SET n_samples = 99999999999", "number of samples is"},
        {"DELETE FROM sensitivity WHERE layer = 1 AND bits = 4",
         "a layer's sensitivity is missing"},
        {"UPDATE sensitivity SET layer = -1 WHERE layer = 0",
         "layer -1 is missing"},
        {"UPDATE sensitivity SET bits = 4294967300 WHERE bits = 4",
         "a width is 4294967300, not in 1 ... 32"},
        {"UPDATE sensitivity SET value = 9e999 WHERE layer = 2",
         "a sensitivity of layer 2 is inf"},
        {"UPDATE interaction SET layer_j = 3000000000", "is missing"},
        {"UPDATE interaction SET value = 9e999", "an interaction of layer"},
        {"DELETE FROM activation_reader", "the readers of a tensor"},
        {"UPDATE activation_reader SET layer = 5 WHERE layer = 0",
         "layer 5 is missing"},
        {"UPDATE activation_rise SET value = 9e999", "a rise is inf"},
        {"DELETE FROM activation WHERE activation = 0", "tensor 0 is missing"},
        {"UPDATE allocation_layer SET weight_bits = 0", "a width is 0"},
        {"DELETE FROM allocation_layer WHERE layer = 1",
         "layer 1 of an allocation is missing"},
        {"UPDATE benchmark_layer SET latency_us = 9e999",
         "the time of a layer is inf"},
        {"UPDATE benchmark SET latency_us = 9e999",
         "the time of a network is inf"},
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        hawq_store *store;
        hawq_arena  arena = {0};
        int64_t     run, id;
        char        text[256];
        fresh("edited");
        if (!CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store))) return;
        CHECK_OK(put_all(store, &run, &id));
        hawq_store_close(store);
        snprintf(text, sizeof text, "PRAGMA foreign_keys = 0; %s",
                 edits[i].edit);
        script(text);
        if (!CHECK_OK(hawq_store_open(path, HAWQ_STORE_READ, &store))) return;
        if (!edits[i].says)
            CHECK_OK(load_each(store, run, id, &arena));
        else if (!CHECK(load_each(store, run, id, &arena) == HAWQ_EFORMAT &&
                        strstr(hawq_message(), edits[i].says)))
            printf("    %s: %s\n", edits[i].edit, hawq_message());
        hawq_store_close(store);
        hawq_arena_free(&arena);
    }
}

/* --- memory ------------------------------------------------------------- */

static hawq_status load_everything(hawq_arena *arena) {
    hawq_store              *store;
    hawq_run_record          r;
    hawq_layer_record       *l;
    hawq_sample_record      *s;
    hawq_sensitivity_record *v;
    hawq_activation_record  *t;
    hawq_allocation_record   a;
    int                      n;
    int64_t                  run, id;
    HAWQ_TRY(hawq_store_open(path, HAWQ_STORE_WRITE, &store));
    hawq_status status = put_all(store, &run, &id);
    if (status == HAWQ_OK) status = hawq_store_load_run(store, run, arena, &r);
    if (status == HAWQ_OK)
        status = hawq_store_load_layers(store, run, arena, &n, &l);
    if (status == HAWQ_OK) /* enough to need more than one block */
        for (int i = 0; i < 400 && status == HAWQ_OK; i++)
            status = hawq_store_load_samples(store, run, NULL, arena, &n, &s);
    if (status == HAWQ_OK)
        status = hawq_store_load_sensitivity(store, run, NULL, arena, &n, &v);
    if (status == HAWQ_OK)
        status = hawq_store_load_activations(store, run, arena, &n, &t);
    if (status == HAWQ_OK)
        status = hawq_store_load_allocation(store, id, arena, &a);
    hawq_store_close(store);
    return status;
}

/* Whichever request fails: a sentence, no leak (the sanitizer looks), and a
 * database that still works. */
static void every_failed_request_is_said(void) {
    hawq_status status = HAWQ_ENOMEM;
    fresh("memory");
    int k = 0;
    while (status != HAWQ_OK && k < 100) {
        hawq_arena arena = {0};
        hawq_fail(HAWQ_OK, "%s", "");
        hawq_arena_fail_at(++k);
        status = load_everything(&arena);
        hawq_arena_fail_at(0);
        CHECK(status == HAWQ_OK || (status == HAWQ_ENOMEM &&
                                    strstr(hawq_message(), "out of memory")));
        hawq_arena_free(&arena);
    }
    CHECK(status == HAWQ_OK && k > 3);
    check_sql("PRAGMA integrity_check", "ok;");
}

static void remove_folder(void) {
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

int main(void) {
    if (!mkdtemp(folder)) return 1;
    every_record_comes_back();
    views_show_what_was_put();
    newest_wins_and_drop_is_whole();
    times_are_of_one_key();
    no_partial_batch();
    two_writers_both_succeed();
    kill_loses_at_most_one_sample();
    not_ours();
    first_version_migrates();
    locked();
    read_only();
    full_disk();
    edited_rows_are_said();
    every_failed_request_is_said();
    remove_folder();
    DONE();
}
