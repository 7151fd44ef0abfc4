/* query.c -- everything that is found and loaded. Rows come in unknown number:
 * they are collected in an array that doubles inside the caller's arena.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/handle.h"

#include <string.h>

/* Room for one more item after the n in `old`; NULL if no memory. */
static void *grow(hawq_arena *arena, void *old, int n, size_t size) {
    if (n && (n & (n - 1))) return old; /* full at 0, 1, 2, 4, 8, ... */
    char *bigger = hawq_arena_take(arena, n ? 2 * (size_t)n : 1, size);
    if (bigger && n) memcpy(bigger, old, (size_t)n * size);
    return bigger;
}

/* Adds item to the array of *n, or ends the query. */
static void *append(hawq_rows *rows, hawq_arena *arena, void *array, int *n,
                    size_t size, const void *item) {
    char *grown = rows->status == HAWQ_OK ? grow(arena, array, *n, size) : NULL;
    if (!grown) {
        hawq_sql_stop(rows);
        rows->status = HAWQ_ENOMEM;
        return array;
    }
    memcpy(grown + (size_t)*n * size, item, size);
    ++*n;
    return grown;
}

/* --- find --------------------------------------------------------------- */

/* The first column of the first row, 0 if there is none. */
static hawq_status first_id(hawq_rows *rows, int64_t *out) {
    int64_t id = hawq_sql_next(rows) ? hawq_sql_int(rows, 0) : 0;
    hawq_sql_stop(rows);
    HAWQ_TRY(rows->status);
    *out = id;
    return HAWQ_OK;
}

hawq_status hawq_store_find_analysis(hawq_store *store, const char *model_hash,
                                     const char *metric, int64_t *run) {
    hawq_rows rows;
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT id FROM run WHERE model_hash = ?1 AND state = 'complete'"
        " AND EXISTS (SELECT * FROM sensitivity WHERE run_id = run.id"
        " AND (?2 IS NULL OR metric = ?2)) ORDER BY id DESC LIMIT 1",
        &rows, HAWQ_SQL_TEXT(model_hash), HAWQ_SQL_TEXT(metric)));
    return first_id(&rows, run);
}

hawq_status hawq_store_load_analyses(hawq_store *store, const char *model_hash,
                                     const char *metric, hawq_arena *arena,
                                     int *n, int64_t **run) {
    hawq_rows rows;
    int64_t  *all = NULL;
    int       count = 0;
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT id FROM run WHERE model_hash = ? AND state = 'complete'"
        " AND EXISTS (SELECT * FROM sensitivity WHERE run_id = run.id"
        " AND metric = ?) ORDER BY id DESC",
        &rows, HAWQ_SQL_TEXT(model_hash), HAWQ_SQL_TEXT(metric)));
    while (hawq_sql_next(&rows)) {
        int64_t id = hawq_sql_int(&rows, 0);
        all = append(&rows, arena, all, &count, sizeof id, &id);
    }
    HAWQ_TRY(rows.status);
    *n = count;
    *run = all;
    return HAWQ_OK;
}

hawq_status hawq_store_find_unfinished(hawq_store            *store,
                                       const hawq_run_record *like,
                                       int64_t               *run) {
    hawq_rows rows;
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT id FROM run WHERE state = 'running' AND program = ?"
        " AND model_hash = ? AND data = ? AND loss = ? AND seed = ?"
        " AND sampling = ? ORDER BY id DESC LIMIT 1",
        &rows, HAWQ_SQL_TEXT(like->program), HAWQ_SQL_TEXT(like->model_hash),
        HAWQ_SQL_TEXT(like->data), HAWQ_SQL_TEXT(like->loss),
        HAWQ_SQL_INT((int64_t)like->seed),
        HAWQ_SQL_TEXT(like->sampling ? like->sampling : "")));
    return first_id(&rows, run);
}

hawq_status hawq_store_find_allocation(hawq_store *store,
                                       const char *model_hash, int64_t id,
                                       int64_t *found) {
    hawq_rows rows;
    int64_t   any, ours;
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT allocation.id FROM allocation JOIN run ON run.id = run_id"
        " WHERE model_hash = ?1 AND (?2 = 0 OR allocation.id = ?2)"
        " ORDER BY allocation.id DESC LIMIT 1",
        &rows, HAWQ_SQL_TEXT(model_hash), HAWQ_SQL_INT(id)));
    HAWQ_TRY(first_id(&rows, &ours));
    if (!ours && id) {
        HAWQ_TRY(HAWQ_SQL_QUERY(store->db,
                                "SELECT id FROM allocation WHERE id = ?", &rows,
                                HAWQ_SQL_INT(id)));
        HAWQ_TRY(first_id(&rows, &any));
        if (any)
            return hawq_fail(HAWQ_EINVAL,
                             "%s: allocation %lld is of another network",
                             store->path, (long long)id);
    }
    *found = ours;
    return HAWQ_OK;
}

/* --- load --------------------------------------------------------------- */

hawq_status hawq_store_load_run(hawq_store *store, int64_t run,
                                hawq_arena *arena, hawq_run_record *out) {
    hawq_rows       rows;
    hawq_run_record r = {0};
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT program, version, command, model_path, model_hash, data, loss,"
        " seed, threads, host, provider, sampling, weight_range FROM run"
        " WHERE id = ?",
        &rows, HAWQ_SQL_INT(run)));
    while (hawq_sql_next(&rows)) {
        r.program = hawq_sql_text(&rows, 0, arena);
        r.version = hawq_sql_text(&rows, 1, arena);
        r.command = hawq_sql_text(&rows, 2, arena);
        r.model_path = hawq_sql_text(&rows, 3, arena);
        r.model_hash = hawq_sql_text(&rows, 4, arena);
        r.data = hawq_sql_text(&rows, 5, arena);
        r.loss = hawq_sql_text(&rows, 6, arena);
        r.seed = (uint64_t)hawq_sql_int(&rows, 7);
        r.threads = (int)hawq_sql_int(&rows, 8);
        r.host = hawq_sql_text(&rows, 9, arena);
        r.provider = hawq_sql_text(&rows, 10, arena);
        r.sampling = hawq_sql_text(&rows, 11, arena);
        r.weight_range = hawq_sql_text(&rows, 12, arena);
    }
    HAWQ_TRY(rows.status);
    if (!r.program)
        return hawq_fail(HAWQ_EINVAL, "%s: there is no run %lld", store->path,
                         (long long)run);
    *out = r;
    return HAWQ_OK;
}

hawq_status hawq_store_load_layers(hawq_store *store, int64_t run,
                                   hawq_arena *arena, int *n,
                                   hawq_layer_record **out) {
    hawq_rows          rows;
    hawq_layer_record *all = NULL;
    int                count = 0;
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT name, op, params, macs_per_image, channels, group_name"
        " FROM layer WHERE run_id = ? ORDER BY layer",
        &rows, HAWQ_SQL_INT(run)));
    while (hawq_sql_next(&rows)) {
        hawq_layer_record r = {.name = hawq_sql_text(&rows, 0, arena),
                               .op = hawq_sql_text(&rows, 1, arena),
                               .params = hawq_sql_int(&rows, 2),
                               .macs = hawq_sql_int(&rows, 3),
                               .channels = hawq_sql_int(&rows, 4),
                               .group = hawq_sql_text(&rows, 5, arena)};
        all = append(&rows, arena, all, &count, sizeof r, &r);
    }
    HAWQ_TRY(rows.status);
    *n = count;
    *out = all;
    return HAWQ_OK;
}

hawq_status hawq_store_load_samples(hawq_store *store, int64_t run,
                                    const char *metric, hawq_arena *arena,
                                    int *n, hawq_sample_record **out) {
    hawq_rows           rows;
    hawq_sample_record *all = NULL;
    int                 count = 0;
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT sample, layer, metric, value, probe_scale FROM sample"
        " WHERE run_id = ?1 AND (?2 IS NULL OR metric = ?2)"
        " ORDER BY metric, sample, layer",
        &rows, HAWQ_SQL_INT(run), HAWQ_SQL_TEXT(metric)));
    while (hawq_sql_next(&rows)) {
        hawq_sample_record r = {
            .sample = hawq_sql_int(&rows, 0),
            .layer = (int)hawq_sql_int(&rows, 1),
            .metric = metric ? metric : hawq_sql_text(&rows, 2, arena),
            .value = hawq_sql_real(&rows, 3),
            .probe_scale = hawq_sql_real(&rows, 4)};
        all = append(&rows, arena, all, &count, sizeof r, &r);
    }
    HAWQ_TRY(rows.status);
    *n = count;
    *out = all;
    return HAWQ_OK;
}

hawq_status hawq_store_load_estimates(hawq_store *store, int64_t run,
                                      const char *metric, hawq_arena *arena,
                                      int *n, hawq_estimate **out) {
    hawq_rows      rows;
    hawq_estimate *all = NULL;
    int            count = 0;
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT mean, standard_error, low, high, n_samples FROM estimate"
        " WHERE run_id = ? AND metric = ? ORDER BY layer",
        &rows, HAWQ_SQL_INT(run), HAWQ_SQL_TEXT(metric)));
    while (hawq_sql_next(&rows)) {
        hawq_estimate r = {.mean = hawq_sql_real(&rows, 0),
                           .stderr1 = hawq_sql_real(&rows, 1),
                           .low = hawq_sql_real(&rows, 2),
                           .high = hawq_sql_real(&rows, 3),
                           .n = (int)hawq_sql_int(&rows, 4)};
        all = append(&rows, arena, all, &count, sizeof r, &r);
    }
    HAWQ_TRY(rows.status);
    *n = count;
    *out = all;
    return HAWQ_OK;
}

hawq_status hawq_store_load_sensitivity(hawq_store *store, int64_t run,
                                        const char *metric, hawq_arena *arena,
                                        int *n, hawq_sensitivity_record **out) {
    hawq_rows                rows;
    hawq_sensitivity_record *all = NULL;
    int                      count = 0;
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT layer, metric, bits, value, standard_error FROM sensitivity"
        " WHERE run_id = ?1 AND (?2 IS NULL OR metric = ?2)"
        " ORDER BY metric, layer, bits DESC",
        &rows, HAWQ_SQL_INT(run), HAWQ_SQL_TEXT(metric)));
    while (hawq_sql_next(&rows)) {
        hawq_sensitivity_record r = {.layer = (int)hawq_sql_int(&rows, 0),
                                     .metric = hawq_sql_text(&rows, 1, arena),
                                     .bits = (int)hawq_sql_int(&rows, 2),
                                     .value = hawq_sql_real(&rows, 3),
                                     .stderr1 = hawq_sql_real(&rows, 4)};
        all = append(&rows, arena, all, &count, sizeof r, &r);
    }
    HAWQ_TRY(rows.status);
    *n = count;
    *out = all;
    return HAWQ_OK;
}

hawq_status hawq_store_load_interactions(hawq_store *store, int64_t run,
                                         hawq_arena *arena, int *n,
                                         hawq_interaction_record **out) {
    hawq_rows                rows;
    hawq_interaction_record *all = NULL;
    int                      count = 0;
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT layer_i, bits_i, layer_j, bits_j, value FROM interaction"
        " WHERE run_id = ? ORDER BY layer_i, bits_i DESC, layer_j, bits_j DESC",
        &rows, HAWQ_SQL_INT(run)));
    while (hawq_sql_next(&rows)) {
        hawq_interaction_record r = {.layer_i = (int)hawq_sql_int(&rows, 0),
                                     .bits_i = (int)hawq_sql_int(&rows, 1),
                                     .layer_j = (int)hawq_sql_int(&rows, 2),
                                     .bits_j = (int)hawq_sql_int(&rows, 3),
                                     .value = hawq_sql_real(&rows, 4)};
        all = append(&rows, arena, all, &count, sizeof r, &r);
    }
    HAWQ_TRY(rows.status);
    *n = count;
    *out = all;
    return HAWQ_OK;
}

static hawq_status load_readers(hawq_store *store, int64_t run, int64_t index,
                                hawq_arena             *arena,
                                hawq_activation_record *out) {
    hawq_rows rows;
    int      *all = NULL, count = 0;
    HAWQ_TRY(HAWQ_SQL_QUERY(store->db,
                            "SELECT layer FROM activation_reader"
                            " WHERE run_id = ? AND activation = ?"
                            " ORDER BY layer",
                            &rows, HAWQ_SQL_INT(run), HAWQ_SQL_INT(index)));
    while (hawq_sql_next(&rows)) {
        int layer = (int)hawq_sql_int(&rows, 0);
        all = append(&rows, arena, all, &count, sizeof layer, &layer);
    }
    out->n_layers = count;
    out->layer = all;
    return rows.status;
}

static hawq_status load_rises(hawq_store *store, int64_t run, int64_t index,
                              hawq_arena *arena, hawq_activation_record *out) {
    hawq_rows  rows;
    hawq_rise *all = NULL;
    int        count = 0;
    HAWQ_TRY(HAWQ_SQL_QUERY(store->db,
                            "SELECT bits, value, standard_error"
                            " FROM activation_rise"
                            " WHERE run_id = ? AND activation = ?"
                            " ORDER BY bits DESC",
                            &rows, HAWQ_SQL_INT(run), HAWQ_SQL_INT(index)));
    while (hawq_sql_next(&rows)) {
        hawq_rise r = {(int)hawq_sql_int(&rows, 0), hawq_sql_real(&rows, 1),
                       hawq_sql_real(&rows, 2)};
        all = append(&rows, arena, all, &count, sizeof r, &r);
    }
    out->n_rises = count;
    out->rise = all;
    return rows.status;
}

hawq_status hawq_store_load_activations(hawq_store *store, int64_t run,
                                        hawq_arena *arena, int *n,
                                        hawq_activation_record **out) {
    hawq_rows               rows;
    hawq_activation_record *all = NULL;
    int                     count = 0;
    HAWQ_TRY(HAWQ_SQL_QUERY(store->db,
                            "SELECT name, range FROM activation"
                            " WHERE run_id = ? ORDER BY activation",
                            &rows, HAWQ_SQL_INT(run)));
    while (hawq_sql_next(&rows)) {
        hawq_activation_record r = {.tensor = hawq_sql_text(&rows, 0, arena),
                                    .range = hawq_sql_text(&rows, 1, arena)};
        all = append(&rows, arena, all, &count, sizeof r, &r);
    }
    HAWQ_TRY(rows.status);
    for (int i = 0; i < count; i++) { /* numbered from 0 without gaps */
        HAWQ_TRY(load_readers(store, run, i, arena, &all[i]));
        HAWQ_TRY(load_rises(store, run, i, arena, &all[i]));
    }
    *n = count;
    *out = all;
    return HAWQ_OK;
}

static hawq_status load_choices(hawq_store *store, int64_t id,
                                hawq_arena *arena, int *n,
                                const hawq_choice **out) {
    hawq_rows    rows;
    hawq_choice *all = NULL;
    int          count = 0;
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT name, weight_bits, activation_bits FROM allocation_layer"
        " WHERE allocation_id = ? ORDER BY layer",
        &rows, HAWQ_SQL_INT(id)));
    while (hawq_sql_next(&rows)) {
        hawq_choice r = {.layer = hawq_sql_text(&rows, 0, arena),
                         .weight_bits = (int)hawq_sql_int(&rows, 1),
                         .activation_bits = (int)hawq_sql_int(&rows, 2)};
        all = append(&rows, arena, all, &count, sizeof r, &r);
    }
    *n = count;
    *out = all;
    return rows.status;
}

static hawq_status load_budgets(hawq_store *store, int64_t id,
                                hawq_arena *arena, int *n,
                                const hawq_budget_record **out) {
    hawq_rows           rows;
    hawq_budget_record *all = NULL;
    int                 count = 0;
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT kind, limit_value, used, binding FROM allocation_budget"
        " WHERE allocation_id = ? ORDER BY kind",
        &rows, HAWQ_SQL_INT(id)));
    while (hawq_sql_next(&rows)) {
        hawq_budget_record r = {.kind = hawq_sql_text(&rows, 0, arena),
                                .limit = hawq_sql_real(&rows, 1),
                                .used = hawq_sql_real(&rows, 2),
                                .binding = hawq_sql_int(&rows, 3) != 0};
        all = append(&rows, arena, all, &count, sizeof r, &r);
    }
    *n = count;
    *out = all;
    return rows.status;
}

hawq_status hawq_store_load_allocation(hawq_store *store, int64_t id,
                                       hawq_arena             *arena,
                                       hawq_allocation_record *out) {
    hawq_rows              rows;
    hawq_allocation_record r = {0};
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT solver, metric, allocation.state, objective, bound,"
        " weight_bytes, bops, mean_bits, ifnull(latency_us, -1),"
        " ifnull(weight_range, '') FROM allocation"
        " LEFT JOIN run ON run.id = analysis_run_id WHERE allocation.id = ?",
        &rows, HAWQ_SQL_INT(id)));
    while (hawq_sql_next(&rows)) {
        r.solver = hawq_sql_text(&rows, 0, arena);
        r.metric = hawq_sql_text(&rows, 1, arena);
        r.state = hawq_sql_text(&rows, 2, arena);
        r.objective = hawq_sql_real(&rows, 3);
        r.bound = hawq_sql_real(&rows, 4);
        r.weight_bytes = hawq_sql_int(&rows, 5);
        r.bops = hawq_sql_int(&rows, 6);
        r.mean_bits = hawq_sql_real(&rows, 7);
        r.latency_us = hawq_sql_real(&rows, 8);
        r.weight_range = hawq_sql_text(&rows, 9, arena);
    }
    HAWQ_TRY(rows.status);
    if (!r.solver)
        return hawq_fail(HAWQ_EINVAL, "%s: there is no allocation %lld",
                         store->path, (long long)id);
    HAWQ_TRY(load_choices(store, id, arena, &r.n_layers, &r.choice));
    HAWQ_TRY(load_budgets(store, id, arena, &r.n_budgets, &r.budget));
    *out = r;
    return HAWQ_OK;
}

#define KEY                                                                    \
    " WHERE model_hash = ? AND host = ? AND kernels = ? AND threads = ?"       \
    " AND batch_size = ?"
#define KEY_VALUES(key)                                                        \
    HAWQ_SQL_TEXT((key)->model_hash), HAWQ_SQL_TEXT((key)->host),              \
        HAWQ_SQL_TEXT((key)->kernels), HAWQ_SQL_INT((key)->threads),           \
        HAWQ_SQL_INT((key)->batch_size)

hawq_status hawq_store_load_timings(hawq_store             *store,
                                    const hawq_latency_key *key,
                                    hawq_arena *arena, int *n,
                                    hawq_layer_timing **out) {
    hawq_rows          rows;
    hawq_layer_timing *all = NULL;
    int                count = 0;
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT name, weight_bits, activation_bits, kernel, latency_us"
        " FROM latency_table" KEY " AND latency_us IS NOT NULL"
        " ORDER BY layer, weight_bits DESC, activation_bits DESC",
        &rows, KEY_VALUES(key)));
    while (hawq_sql_next(&rows)) {
        hawq_layer_timing r = {.layer = hawq_sql_text(&rows, 0, arena),
                               .weight_bits = (int)hawq_sql_int(&rows, 1),
                               .activation_bits = (int)hawq_sql_int(&rows, 2),
                               .kernel = hawq_sql_text(&rows, 3, arena),
                               .latency_us = hawq_sql_real(&rows, 4)};
        all = append(&rows, arena, all, &count, sizeof r, &r);
    }
    HAWQ_TRY(rows.status);
    *n = count;
    *out = all;
    return HAWQ_OK;
}

hawq_status hawq_store_load_totals(hawq_store             *store,
                                   const hawq_latency_key *key,
                                   hawq_arena *arena, int *n,
                                   hawq_total_timing **out) {
    hawq_rows          rows;
    hawq_total_timing *all = NULL;
    int                count = 0;
    HAWQ_TRY(HAWQ_SQL_QUERY(store->db,
                            "SELECT latency_us, latency_spread_us, layers_us"
                            " FROM latency_total" KEY " ORDER BY benchmark_id",
                            &rows, KEY_VALUES(key)));
    while (hawq_sql_next(&rows)) {
        hawq_total_timing r = {.latency_us = hawq_sql_real(&rows, 0),
                               .spread_us = hawq_sql_real(&rows, 1),
                               .layers_us = hawq_sql_real(&rows, 2)};
        all = append(&rows, arena, all, &count, sizeof r, &r);
    }
    HAWQ_TRY(rows.status);
    *n = count;
    *out = all;
    return HAWQ_OK;
}
