/* query.c -- everything that is found and loaded.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/rows.h"

#include <limits.h>
#include <string.h>

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

static void read_id(hawq_reader *r, void *item) {
    *(int64_t *)item = hawq_sql_int(&r->rows, 0);
}

hawq_status hawq_store_load_analyses(hawq_store *store, const char *model_hash,
                                     const char *metric, hawq_arena *arena,
                                     int *n, int64_t **run) {
    hawq_reader r = hawq_reader_of(store, arena);
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT id FROM run WHERE model_hash = ? AND state = 'complete'"
        " AND EXISTS (SELECT * FROM sensitivity WHERE run_id = run.id"
        " AND metric = ?) ORDER BY id DESC",
        &r.rows, HAWQ_SQL_TEXT(model_hash), HAWQ_SQL_TEXT(metric)));
    return hawq_reader_load(&r, sizeof(int64_t), read_id, n, run);
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
    /* "Not there" and "of another network" ask for different things of the
     * user. */
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
    size_t          bytes = 0;
    hawq_run_record r = {0};
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT program, version, command, model_path, model_hash, data, loss,"
        " seed, threads, host, provider, sampling, weight_range, rewrite,"
        " rewrite_factors FROM run WHERE id = ?",
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
        r.rewrite = hawq_sql_text(&rows, 13, arena);
        r.rewrite_factors = (const double *)(const void *)hawq_sql_blob(
            &rows, 14, arena, &bytes);
        r.n_rewrite_factors = bytes / sizeof(double);
    }
    HAWQ_TRY(rows.status);
    if (!r.program)
        return hawq_fail(HAWQ_EINVAL, "%s: there is no run %lld", store->path,
                         (long long)run);
    *out = r;
    return HAWQ_OK;
}

/* --- load an analysis ---------------------------------------------------- */

static void read_layer(hawq_reader *r, void *item) {
    hawq_layer_record *out = item;
    *out = (hawq_layer_record){.name = hawq_reader_text(r, 0),
                               .op = hawq_reader_text(r, 1),
                               .params = hawq_sql_int(&r->rows, 2),
                               .macs = hawq_sql_int(&r->rows, 3),
                               .channels = hawq_sql_int(&r->rows, 4),
                               .group = hawq_reader_text(r, 5)};
    if (hawq_sql_int(&r->rows, 6) != r->n)
        hawq_reader_refuse(r, "layer %d is missing", r->n);
    if (out->params < 0 || out->macs < 0 || out->channels < 0)
        hawq_reader_refuse(r, "a size of layer %d is negative", r->n);
}

hawq_status hawq_store_load_layers(hawq_store *store, int64_t run,
                                   hawq_arena *arena, int *n,
                                   hawq_layer_record **out) {
    hawq_reader r;
    HAWQ_TRY(hawq_reader_of_run(store, run, arena, &r));
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT name, op, params, macs_per_image, channels, group_name, layer"
        " FROM layer WHERE run_id = ? ORDER BY layer",
        &r.rows, HAWQ_SQL_INT(run)));
    return hawq_reader_load(&r, sizeof **out, read_layer, n, out);
}

static void read_sample(hawq_reader *r, void *item) {
    int layer = hawq_reader_layer(r, 1);
    *(hawq_sample_record *)item = (hawq_sample_record){
        .sample = hawq_sql_int(&r->rows, 0),
        .layer = layer,
        .metric = hawq_reader_text(r, 2),
        .value = hawq_reader_real(r, 3, layer, "a sample"),
        .probe_scale = hawq_reader_real(r, 4, layer, "a scale")};
    /* One reading of every layer a sample, in the order of the layers. */
    if (r->complete && r->status == HAWQ_OK && layer != r->n % r->n_layers)
        hawq_reader_refuse(r, "a sample of layer %d is missing",
                           r->n % r->n_layers);
}

hawq_status hawq_store_load_samples(hawq_store *store, int64_t run,
                                    const char *metric, hawq_arena *arena,
                                    int *n, hawq_sample_record **out) {
    hawq_reader r;
    HAWQ_TRY(hawq_reader_of_run(store, run, arena, &r));
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT sample, layer, metric, value, probe_scale FROM sample"
        " WHERE run_id = ?1 AND (?2 IS NULL OR metric = ?2)"
        " ORDER BY metric, sample, layer",
        &r.rows, HAWQ_SQL_INT(run), HAWQ_SQL_TEXT(metric)));
    HAWQ_TRY(hawq_reader_load(&r, sizeof **out, read_sample, n, out));
    if (r.complete && r.n_layers && *n % r.n_layers)
        return hawq_store_incomplete(store, run, "a sample is missing");
    return HAWQ_OK;
}

static void read_estimate(hawq_reader *r, void *item) {
    *(hawq_estimate *)item = (hawq_estimate){
        .mean = hawq_reader_real(r, 0, r->n, "a mean"),
        .stderr1 = hawq_reader_real_or_nan(r, 1, r->n, "a standard error"),
        .low = hawq_reader_real_or_nan(r, 2, r->n, "a limit"),
        .high = hawq_reader_real_or_nan(r, 3, r->n, "a limit"),
        .n = hawq_reader_int(r, 4, 0, INT_MAX, "the number of samples")};
    if (hawq_reader_layer(r, 5) != r->n)
        hawq_reader_refuse(r, "the estimate of layer %d is missing", r->n);
}

hawq_status hawq_store_load_estimates(hawq_store *store, int64_t run,
                                      const char *metric, hawq_arena *arena,
                                      int *n, hawq_estimate **out) {
    hawq_reader r;
    HAWQ_TRY(hawq_reader_of_run(store, run, arena, &r));
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT mean, standard_error, low, high, n_samples, layer"
        " FROM estimate WHERE run_id = ? AND metric = ? ORDER BY layer",
        &r.rows, HAWQ_SQL_INT(run), HAWQ_SQL_TEXT(metric)));
    HAWQ_TRY(hawq_reader_load(&r, sizeof **out, read_estimate, n, out));
    if (*n && *n < r.n_layers)
        return hawq_store_incomplete(store, run, "an estimate is missing");
    return HAWQ_OK;
}

static void read_sensitivity(hawq_reader *r, void *item) {
    int layer = hawq_reader_layer(r, 0);
    *(hawq_sensitivity_record *)item = (hawq_sensitivity_record){
        .layer = layer,
        .metric = hawq_reader_text(r, 1),
        .bits = hawq_reader_bits(r, 2),
        .value = hawq_reader_real(r, 3, layer, "a sensitivity"),
        .stderr1 = hawq_reader_real(r, 4, layer, "a standard error"),
        .candidate = hawq_reader_text(r, 5),
        .bytes = hawq_sql_int(&r->rows, 6),
        .stored_bits = hawq_reader_real(r, 7, layer, "a width")};
    hawq_sensitivity_record *out = item;
    if (out->bytes < 0 || out->stored_bits < 0 || out->stored_bits > 64)
        hawq_reader_refuse(r, "a size of layer %d is out of range", layer);
}

/* All layers of a metric have the candidates that its first has. */
static hawq_status check_candidates(const hawq_reader *r, int n,
                                    const hawq_sensitivity_record *row) {
    for (int first = 0, end; first < n; first = end) {
        for (end = first; end < n; end++)
            if (strcmp(row[end].metric, row[first].metric)) break;
        /* Rows come ordered by layer and candidate, so the i-th of a layer
         * must name what the i-th of the first layer names. */
        int widths = (end - first) / r->n_layers;
        for (int i = first; i < end; i++) {
            bool whole = widths && (end - first) % r->n_layers == 0 &&
                         row[i].layer == (i - first) / widths &&
                         !strcmp(row[i].candidate,
                                 row[first + (i - first) % widths].candidate);
            if (!whole)
                return hawq_store_incomplete(
                    r->store, r->run, "a layer's sensitivity is missing");
        }
    }
    return HAWQ_OK;
}

hawq_status hawq_store_load_sensitivity(hawq_store *store, int64_t run,
                                        const char *metric, hawq_arena *arena,
                                        int *n, hawq_sensitivity_record **out) {
    hawq_reader r;
    HAWQ_TRY(hawq_reader_of_run(store, run, arena, &r));
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT s.layer, metric, bits, value, standard_error, s.candidate,"
        " ifnull(bytes, 0), ifnull(stored_bits, 0.0) FROM sensitivity AS s"
        " LEFT JOIN quantized AS q ON q.run_id = s.run_id"
        " AND q.layer = s.layer AND q.candidate = s.candidate"
        " WHERE s.run_id = ?1 AND (?2 IS NULL OR metric = ?2)"
        " ORDER BY metric, s.layer, bits DESC, s.candidate",
        &r.rows, HAWQ_SQL_INT(run), HAWQ_SQL_TEXT(metric)));
    HAWQ_TRY(hawq_reader_load(&r, sizeof **out, read_sensitivity, n, out));
    return r.complete ? check_candidates(&r, *n, *out) : HAWQ_OK;
}

static void read_interaction(hawq_reader *r, void *item) {
    int layer = hawq_reader_layer(r, 0);
    *(hawq_interaction_record *)item = (hawq_interaction_record){
        .layer_i = layer,
        .bits_i = hawq_reader_bits(r, 1),
        .layer_j = hawq_reader_layer(r, 2),
        .bits_j = hawq_reader_bits(r, 3),
        .value = hawq_reader_real(r, 4, layer, "an interaction"),
        .candidate_i = hawq_reader_text(r, 5),
        .candidate_j = hawq_reader_text(r, 6)};
}

hawq_status hawq_store_load_interactions(hawq_store *store, int64_t run,
                                         hawq_arena *arena, int *n,
                                         hawq_interaction_record **out) {
    hawq_reader r;
    HAWQ_TRY(hawq_reader_of_run(store, run, arena, &r));
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT layer_i, bits_i, layer_j, bits_j, value, candidate_i,"
        " candidate_j FROM interaction WHERE run_id = ? ORDER BY layer_i,"
        " bits_i DESC, candidate_i, layer_j, bits_j DESC, candidate_j",
        &r.rows, HAWQ_SQL_INT(run)));
    return hawq_reader_load(&r, sizeof **out, read_interaction, n, out);
}

static void read_reader(hawq_reader *r, void *item) {
    *(int *)item = hawq_reader_layer(r, 0);
}

static void read_rise(hawq_reader *r, void *item) {
    *(hawq_rise *)item = (hawq_rise){
        hawq_reader_bits(r, 0), hawq_reader_real(r, 1, -1, "a rise"),
        hawq_reader_real(r, 2, -1, "a rise's standard error")};
}

/* What hangs on activation `index`: its readers, of which there is one at
 * least, and its rises. */
static hawq_status load_activation(hawq_reader *r, int64_t index,
                                   hawq_activation_record *out) {
    hawq_sql *db = r->store->db;
    HAWQ_TRY(HAWQ_SQL_QUERY(db,
                            "SELECT layer FROM activation_reader"
                            " WHERE run_id = ? AND activation = ?"
                            " ORDER BY layer",
                            &r->rows, HAWQ_SQL_INT(r->run),
                            HAWQ_SQL_INT(index)));
    HAWQ_TRY(hawq_reader_load(r, sizeof(int), read_reader, &out->n_layers,
                              &out->layer));
    if (!out->n_layers)
        return hawq_store_incomplete(r->store, r->run,
                                     "the readers of a tensor are missing");
    HAWQ_TRY(HAWQ_SQL_QUERY(db,
                            "SELECT bits, value, standard_error"
                            " FROM activation_rise"
                            " WHERE run_id = ? AND activation = ?"
                            " ORDER BY bits DESC",
                            &r->rows, HAWQ_SQL_INT(r->run),
                            HAWQ_SQL_INT(index)));
    return hawq_reader_load(r, sizeof(hawq_rise), read_rise, &out->n_rises,
                            &out->rise);
}

static void read_activation(hawq_reader *r, void *item) {
    *(hawq_activation_record *)item = (hawq_activation_record){
        .tensor = hawq_reader_text(r, 0), .range = hawq_reader_text(r, 1)};
    if (hawq_sql_int(&r->rows, 2) != r->n)
        hawq_reader_refuse(r, "tensor %d is missing", r->n);
}

hawq_status hawq_store_load_activations(hawq_store *store, int64_t run,
                                        hawq_arena *arena, int *n,
                                        hawq_activation_record **out) {
    hawq_reader             r;
    hawq_activation_record *all;
    int                     count;
    HAWQ_TRY(hawq_reader_of_run(store, run, arena, &r));
    HAWQ_TRY(HAWQ_SQL_QUERY(store->db,
                            "SELECT name, range, activation FROM activation"
                            " WHERE run_id = ? ORDER BY activation",
                            &r.rows, HAWQ_SQL_INT(run)));
    HAWQ_TRY(hawq_reader_load(&r, sizeof *all, read_activation, &count, &all));
    for (int i = 0; i < count; i++) HAWQ_TRY(load_activation(&r, i, &all[i]));
    *n = count;
    *out = all;
    return HAWQ_OK;
}

/* --- load the rest ------------------------------------------------------- */

static void read_choice(hawq_reader *r, void *item) {
    *(hawq_choice *)item =
        (hawq_choice){.layer = hawq_reader_text(r, 0),
                      .weight_bits = hawq_reader_bits(r, 1),
                      .activation_bits = hawq_reader_bits(r, 2),
                      .candidate = hawq_reader_text(r, 4)};
    if (hawq_sql_int(&r->rows, 3) != r->n)
        hawq_reader_refuse(r, "layer %d of an allocation is missing", r->n);
}

static hawq_status load_choices(hawq_store *store, int64_t id,
                                hawq_arena *arena, int *n,
                                const hawq_choice **out) {
    hawq_reader r = hawq_reader_of(store, arena);
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT name, weight_bits, activation_bits, layer, candidate"
        " FROM allocation_layer WHERE allocation_id = ? ORDER BY layer",
        &r.rows, HAWQ_SQL_INT(id)));
    return hawq_reader_load(&r, sizeof **out, read_choice, n, out);
}

static void read_budget(hawq_reader *r, void *item) {
    *(hawq_budget_record *)item = (hawq_budget_record){
        .kind = hawq_reader_text(r, 0),
        .limit = hawq_reader_real_or_nan(r, 1, -1, "a budget"),
        .used = hawq_reader_real_or_nan(r, 2, -1, "a cost"),
        .binding = hawq_sql_int(&r->rows, 3) != 0};
}

static hawq_status load_budgets(hawq_store *store, int64_t id,
                                hawq_arena *arena, int *n,
                                const hawq_budget_record **out) {
    hawq_reader r = hawq_reader_of(store, arena);
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT kind, limit_value, used, binding FROM allocation_budget"
        " WHERE allocation_id = ? ORDER BY kind",
        &r.rows, HAWQ_SQL_INT(id)));
    return hawq_reader_load(&r, sizeof **out, read_budget, n, out);
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
        " ifnull(weight_range, ''), ifnull(analysis_run_id, 0), run_id,"
        " kl, agreement, ifnull(check_images, 0) FROM allocation"
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
        r.analysis = hawq_sql_int(&rows, 10);
        r.run = hawq_sql_int(&rows, 11);
        r.kl = hawq_sql_real(&rows, 12);
        r.agreement = hawq_sql_real(&rows, 13);
        r.check_images = hawq_sql_int(&rows, 14);
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
