/* test_store.c -- the database gives back what was put.
 *
 * Claims: every record comes back bit for bit, and the views show it; what is
 * newest is found; a batch that cannot be stored whole is not stored.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/storing.h"

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
    CHECK(!strcmp(r.rewrite, "smooth:0.5") && r.n_rewrite_factors == 3 &&
          !memcmp(r.rewrite_factors, factors, sizeof factors));
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
    CHECK(a.kl == allocation.kl && a.agreement == 0.875 &&
          a.check_images == 256 && a.run > 0);
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

int main(void) {
    if (!mkdtemp(folder)) return 1;
    every_record_comes_back();
    views_show_what_was_put();
    newest_wins_and_drop_is_whole();
    times_are_of_one_key();
    no_partial_batch();
    remove_folder();
    DONE();
}
