/* page.c -- all that is known of a model, for one page.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/page.h"

#include "results/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- what the analysis found --------------------------------------------- */

static hawq_status load_study(hawq_store *store, int64_t run,
                              hawq_study_record *out) {
    hawq_rows rows;
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT images, loss, accuracy, gradient_norm, rest_bytes FROM study"
        " WHERE run_id = ?",
        &rows, HAWQ_SQL_INT(run)));
    while (hawq_sql_next(&rows))
        *out = (hawq_study_record){
            hawq_sql_int(&rows, 0), hawq_sql_real(&rows, 1),
            hawq_sql_real(&rows, 2), hawq_sql_real(&rows, 3),
            hawq_sql_int(&rows, 4)};
    return rows.status;
}

static void read_eigenvalue(hawq_reader *r, void *item) {
    *(hawq_eigenvalue_record *)item = (hawq_eigenvalue_record){
        hawq_reader_text(r, 0), hawq_reader_real(r, 1, -1, "an eigenvalue"),
        hawq_reader_real(r, 2, -1, "a residual")};
}

static void read_density(hawq_reader *r, void *item) {
    *(hawq_density_record *)item = (hawq_density_record){
        hawq_reader_text(r, 0), (int)hawq_sql_int(&r->rows, 1),
        hawq_reader_real(r, 2, -1, "an eigenvalue"),
        hawq_reader_real(r, 3, -1, "a density")};
}

static void read_walk(hawq_reader *r, void *item) {
    *(hawq_walk_record *)item = (hawq_walk_record){
        hawq_reader_text(r, 0), hawq_reader_real(r, 1, -1, "a step"),
        hawq_reader_real(r, 2, -1, "a loss")};
}

/* Numbers of "[1,2.5]". */
static int split(const char *text, int most, double *x) {
    int n = 0;
    while (*text == '[' || *text == ',') {
        char *end;
        x[n] = strtod(text + 1, &end);
        if (end == text + 1 || !isfinite(x[n]) || ++n == most) break;
        text = end;
    }
    return n;
}

/* Too large for hawq_reader_load's items. */
static hawq_status load_histograms(hawq_store *store, int64_t run,
                                   hawq_arena *arena, hawq_page *p) {
    hawq_rows rows;
    HAWQ_TAKE(p->histogram, arena, (size_t)p->n_layers);
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT layer, candidate, low, width, counts, levels FROM histogram"
        " WHERE run_id = ? ORDER BY layer",
        &rows, HAWQ_SQL_INT(run)));
    while (hawq_sql_next(&rows)) {
        int64_t layer = hawq_sql_int(&rows, 0);
        if (layer < 0 || layer >= p->n_layers) continue;
        if (p->n_histograms == p->n_layers) continue;
        hawq_histogram_record *h = &p->histogram[p->n_histograms];
        const char            *candidate = hawq_sql_text(&rows, 1, arena);
        const char            *counts = hawq_sql_text(&rows, 4, arena);
        const char            *levels = hawq_sql_text(&rows, 5, arena);
        if (!candidate || !counts || !levels) break;
        *h = (hawq_histogram_record){.layer = (int)layer,
                                     .candidate = candidate,
                                     .low = hawq_sql_real(&rows, 2),
                                     .width = hawq_sql_real(&rows, 3)};
        h->n_bins = split(counts, HAWQ_PAGE_BINS, h->count);
        h->n_levels = split(levels, HAWQ_PAGE_LEVELS, h->level);
        p->n_histograms++;
    }
    return rows.status;
}

static hawq_status newest(hawq_store *store, const char *sql, const char *hash,
                          int64_t *id) {
    hawq_rows rows;
    *id = 0;
    HAWQ_TRY(HAWQ_SQL_QUERY(store->db, sql, &rows, HAWQ_SQL_TEXT(hash)));
    while (hawq_sql_next(&rows)) *id = hawq_sql_int(&rows, 0);
    return rows.status;
}

/* Of the newest run that has one. */
static hawq_status load_spectrum(hawq_store *store, hawq_arena *arena,
                                 hawq_page *p) {
    hawq_reader r = hawq_reader_of(store, arena);
    int64_t     id;
    HAWQ_TRY(newest(store,
                    "SELECT ifnull(max(id), 0) FROM run WHERE model_hash = ?"
                    " AND state = 'complete' AND EXISTS (SELECT * FROM"
                    " eigenvalue WHERE run_id = run.id)",
                    p->run.model_hash, &id));
    hawq_value run = HAWQ_SQL_INT(id);
    HAWQ_TRY(HAWQ_SQL_QUERY(store->db,
                            "SELECT layer, value, residual FROM eigenvalue"
                            " WHERE run_id = ? ORDER BY layer, number",
                            &r.rows, run));
    HAWQ_TRY(hawq_reader_load(&r, sizeof *p->eigenvalue, read_eigenvalue,
                              &p->n_eigenvalues, &p->eigenvalue));
    r = hawq_reader_of(store, arena);
    HAWQ_TRY(HAWQ_SQL_QUERY(store->db,
                            "SELECT layer, start, value, weight FROM density"
                            " WHERE run_id = ? ORDER BY layer, start, number",
                            &r.rows, run));
    HAWQ_TRY(hawq_reader_load(&r, sizeof *p->density, read_density,
                              &p->n_densities, &p->density));
    r = hawq_reader_of(store, arena);
    HAWQ_TRY(HAWQ_SQL_QUERY(store->db,
                            "SELECT direction, step, loss FROM walk"
                            " WHERE run_id = ? ORDER BY direction, step",
                            &r.rows, run));
    return hawq_reader_load(&r, sizeof *p->walk, read_walk, &p->n_walks,
                            &p->walk);
}

static hawq_status load_analysis(hawq_store *store, hawq_arena *arena,
                                 hawq_page *p) {
    HAWQ_TRY(hawq_store_load_run(store, p->analysis, arena, &p->run));
    p->model = p->run.model_path;
    HAWQ_TRY(load_study(store, p->analysis, &p->study));
    HAWQ_TRY(hawq_store_load_layers(store, p->analysis, arena, &p->n_layers,
                                    &p->layer));
    HAWQ_TRY(hawq_store_load_sensitivity(store, p->analysis, NULL, arena,
                                         &p->n_values, &p->value));
    HAWQ_TRY(hawq_store_load_estimates(store, p->analysis, "trace", arena,
                                       &p->n_traces, &p->trace));
    HAWQ_TRY(hawq_store_load_samples(store, p->analysis, "trace", arena,
                                     &p->n_readings, &p->reading));
    HAWQ_TRY(load_histograms(store, p->analysis, arena, p));
    return load_spectrum(store, arena, p);
}

/* --- what the search found ------------------------------------------------ */

static void read_point(hawq_reader *r, void *item) {
    *(hawq_front_point *)item = (hawq_front_point){
        .cost = hawq_reader_real(r, 0, -1, "a cost"),
        .objective = hawq_reader_real(r, 1, -1, "an objective"),
        .mean_bits = hawq_sql_real(&r->rows, 2)};
}

static hawq_status load_front(hawq_store *store, const char *hash,
                              hawq_arena *arena, hawq_page *p) {
    hawq_reader r = hawq_reader_of(store, arena);
    int64_t     id;
    HAWQ_TRY(newest(store,
                    "SELECT ifnull(max(front.id), 0) FROM front JOIN run ON"
                    " run.id = run_id WHERE model_hash = ?"
                    " AND cost_kind = 'weight-size'",
                    hash, &id));
    if (!id) return HAWQ_OK;
    HAWQ_TRY(HAWQ_SQL_QUERY(store->db,
                            "SELECT cost, objective, mean_bits FROM front_point"
                            " WHERE front_id = ? ORDER BY point",
                            &r.rows, HAWQ_SQL_INT(id)));
    HAWQ_TRY(hawq_reader_load(&r, sizeof *p->front, read_point, &p->n_front,
                              &p->front));
    hawq_rows rows;
    HAWQ_TRY(HAWQ_SQL_QUERY(store->db, "SELECT metric FROM front WHERE id = ?",
                            &rows, HAWQ_SQL_INT(id)));
    while (hawq_sql_next(&rows))
        p->front_metric = hawq_sql_text(&rows, 0, arena);
    return rows.status;
}

/* --- what the benchmark found --------------------------------------------- */

static void read_id(hawq_reader *r, void *item) {
    *(int64_t *)item = hawq_sql_int(&r->rows, 0);
}

static void read_timing(hawq_reader *r, void *item) {
    *(hawq_layer_timing *)item = (hawq_layer_timing){
        .layer = hawq_reader_text(r, 0),
        .weight_bits = hawq_reader_bits(r, 1),
        .activation_bits = hawq_reader_bits(r, 2),
        .kernel = hawq_reader_text(r, 3),
        .latency_us = hawq_reader_real_or_nan(r, 4, -1, "a time"),
        .format = hawq_reader_text(r, 5)};
}

static hawq_status load_timings(hawq_store *store, int64_t benchmark,
                                hawq_arena *arena, hawq_page *p) {
    hawq_reader r = hawq_reader_of(store, arena);
    HAWQ_TRY(HAWQ_SQL_QUERY(store->db,
                            "SELECT name, weight_bits, activation_bits, kernel,"
                            " latency_us, format FROM benchmark_layer"
                            " WHERE benchmark_id = ? ORDER BY layer",
                            &r.rows, HAWQ_SQL_INT(benchmark)));
    return hawq_reader_load(&r, sizeof *p->timing, read_timing, &p->n_timings,
                            &p->timing);
}

/* Among those of the chosen allocation the first; else the one that loses
 * least, for that is what can be said in its place. */
static int choose_benchmark(const hawq_page *p, int n) {
    int best = 0;
    for (int i = 0; i < n; i++) {
        if (p->allocation && p->benchmark[i].allocation == p->allocation)
            return i;
        if (p->benchmark[i].loss < p->benchmark[best].loss) best = i;
    }
    return best;
}

/* The newest of every label, and the layers of one of them. */
static hawq_status load_benchmarks(hawq_store *store, const char *hash,
                                   hawq_arena *arena, hawq_page *p) {
    hawq_reader r = hawq_reader_of(store, arena);
    int64_t    *id;
    int         n;
    HAWQ_TRY(HAWQ_SQL_QUERY(store->db,
                            "SELECT max(benchmark.id) AS newest FROM benchmark"
                            " JOIN run ON run.id = run_id WHERE model_hash = ?"
                            " GROUP BY label ORDER BY newest",
                            &r.rows, HAWQ_SQL_TEXT(hash)));
    HAWQ_TRY(hawq_reader_load(&r, sizeof *id, read_id, &n, &id));
    HAWQ_TAKE(p->benchmark, arena, (size_t)n);
    for (int i = 0; i < n; i++) {
        int64_t run;
        HAWQ_TRY(hawq_store_load_benchmark(store, id[i], arena, &run,
                                           &p->benchmark[i]));
    }
    p->n_benchmarks = n;
    if (!n) return HAWQ_OK;
    int timed = choose_benchmark(p, n);
    p->timed = p->benchmark[timed].label;
    return load_timings(store, id[timed], arena, p);
}

hawq_status hawq_store_load_page(hawq_store *store, const char *model_hash,
                                 hawq_arena *arena, hawq_page *out) {
    hawq_page p = {.study = {.accuracy = NAN}};
    HAWQ_TRY(
        hawq_store_find_analysis(store, model_hash, "measured", &p.analysis));
    if (!p.analysis)
        HAWQ_TRY(
            hawq_store_find_analysis(store, model_hash, NULL, &p.analysis));
    if (p.analysis) HAWQ_TRY(load_analysis(store, arena, &p));
    HAWQ_TRY(hawq_store_find_allocation(store, model_hash, 0, &p.allocation));
    if (p.allocation)
        HAWQ_TRY(
            hawq_store_load_allocation(store, p.allocation, arena, &p.chosen));
    HAWQ_TRY(load_front(store, model_hash, arena, &p));
    HAWQ_TRY(load_benchmarks(store, model_hash, arena, &p));
    *out = p;
    return HAWQ_OK;
}
