/* store.c -- opening, migrating, and everything that is put.
 *
 * A database says with `application_id` that it is ours and with
 * `user_version` how many of the steps below it has been through. A step, once
 * released, is never changed: a new schema is a new step.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/store.h"

#include "results/handle.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#pragma GCC diagnostic   push
#pragma GCC diagnostic   ignored "-Woverlength-strings"
static const char *const steps[] = {
#include "results/schema.inc"
    ,
#include "results/schema_activations.inc"
    ,
#include "results/schema_totals.inc"
    ,
#include "results/schema_candidates.inc"
    ,
#include "results/schema_joint.inc"
    ,
#include "results/schema_spectrum.inc"
};
/* After the last step, for tables change under views. */
static const char views[] =
#include "results/views.inc"
    ;
#pragma GCC diagnostic pop

enum { VERSION = sizeof steps / sizeof *steps, APPLICATION = 0x48415751 };

/* --- open --------------------------------------------------------------- */

/* The one number that a pragma or query without values gives. */
static hawq_status ask(hawq_sql *db, const char *sql, int64_t *out) {
    hawq_rows rows;
    int64_t   value = 0;
    HAWQ_TRY(hawq_sql_query(db, sql, &rows, 0, NULL));
    while (hawq_sql_next(&rows)) value = hawq_sql_int(&rows, 0);
    HAWQ_TRY(rows.status);
    *out = value;
    return HAWQ_OK;
}

/* How many steps the file has been through: 0 if it is empty. */
static hawq_status read_version(const hawq_store *store, int *version) {
    int64_t application, user, objects;
    HAWQ_TRY(ask(store->db, "PRAGMA application_id", &application));
    HAWQ_TRY(ask(store->db, "PRAGMA user_version", &user));
    HAWQ_TRY(ask(store->db, "SELECT count(*) FROM sqlite_schema", &objects));
    if (application != APPLICATION && (application || user || objects))
        return hawq_fail(HAWQ_EFORMAT,
                         "%s: is the database of another program; choose "
                         "another file with --db",
                         store->path);
    if (user > VERSION)
        return hawq_fail(HAWQ_ESTATE,
                         "%s: the database has schema version %lld, this "
                         "program knows up to %d; use a newer hawq-c or choose "
                         "another file with --db",
                         store->path, (long long)user, VERSION);
    *version = (int)user;
    return HAWQ_OK;
}

/* The same from outside of a transaction: the three answers are of one moment,
 * whatever another program is doing to the file. */
static hawq_status read_version_at_once(const hawq_store *store, int *version) {
    HAWQ_TRY(hawq_sql_script(store->db, "BEGIN"));
    HAWQ_TRY(read_version(store, version)); /* a failure closes the file */
    return hawq_sql_script(store->db, "COMMIT");
}

/* Inside a transaction: of two programs at once the second finds it done. */
static hawq_status migrate_steps(const hawq_store *store) {
    char mark[96];
    int  version = 0;
    HAWQ_TRY(read_version(store, &version));
    for (; version < VERSION; version++)
        HAWQ_TRY(hawq_sql_script(store->db, steps[version]));
    HAWQ_TRY(hawq_sql_script(store->db, views));
    snprintf(mark, sizeof mark,
             "PRAGMA application_id = %d; PRAGMA user_version = %d",
             APPLICATION, VERSION);
    return hawq_sql_script(store->db, mark);
}

static hawq_status prepare(const hawq_store *store, hawq_store_mode mode) {
    hawq_sql *db = store->db;
    int       version = 0;
    HAWQ_TRY(read_version_at_once(store, &version));
    if (version == VERSION)
        return hawq_sql_script(db, "PRAGMA foreign_keys = ON;"
                                   "PRAGMA synchronous = NORMAL");
    if (mode == HAWQ_STORE_READ)
        return hawq_fail(HAWQ_ESTATE,
                         "%s: the database has schema version %d of %d; open "
                         "it once with a program that writes",
                         store->path, version, VERSION);
    HAWQ_TRY(hawq_sql_use_wal(db));
    HAWQ_TRY(hawq_sql_script(db, "PRAGMA foreign_keys = ON;"
                                 "PRAGMA synchronous = NORMAL"));
    HAWQ_TRY(hawq_sql_begin(db));
    return hawq_sql_end(db, migrate_steps(store));
}

hawq_status hawq_store_open(const char *path, hawq_store_mode mode,
                            hawq_store **out) {
    hawq_arena  arena = {0};
    hawq_store *store = hawq_arena_take(&arena, 1, sizeof *store);
    if (!store) return HAWQ_ENOMEM;
    store->path = hawq_arena_string(&arena, path);
    hawq_status status =
        store->path
            ? hawq_sql_open(path, mode == HAWQ_STORE_WRITE, &arena, &store->db)
            : HAWQ_ENOMEM;
    if (status == HAWQ_OK) {
        status = prepare(store, mode);
        if (status != HAWQ_OK) hawq_sql_close(store->db);
    }
    if (status != HAWQ_OK) {
        hawq_arena_free(&arena);
        return status;
    }
    store->arena = arena;
    *out = store;
    return HAWQ_OK;
}

void hawq_store_close(hawq_store *store) {
    if (!store) return;
    hawq_arena arena = store->arena; /* the store is inside it */
    hawq_sql_close(store->db);
    hawq_arena_free(&arena);
}

void hawq_store_patience(hawq_store *store, int milliseconds) {
    hawq_sql_patience(store->db, milliseconds);
}

/* --- runs --------------------------------------------------------------- */

static hawq_value text_or_empty(const char *text) {
    return HAWQ_SQL_TEXT(text ? text : "");
}

hawq_status hawq_store_begin_run(hawq_store *store, const hawq_run_record *r,
                                 int64_t *run) {
    HAWQ_TRY(HAWQ_SQL_RUN(
        store->db,
        "INSERT INTO run (program, version, command, model_path, model_hash,"
        " data, loss, seed, sampling, threads, host, provider, weight_range,"
        " rewrite, rewrite_factors)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        HAWQ_SQL_TEXT(r->program), text_or_empty(r->version),
        text_or_empty(r->command), text_or_empty(r->model_path),
        text_or_empty(r->model_hash), text_or_empty(r->data),
        text_or_empty(r->loss), HAWQ_SQL_INT((int64_t)r->seed),
        text_or_empty(r->sampling), HAWQ_SQL_INT(r->threads),
        text_or_empty(r->host), text_or_empty(r->provider),
        text_or_empty(r->weight_range), text_or_empty(r->rewrite),
        HAWQ_SQL_BLOB(r->rewrite_factors,
                      (size_t)r->n_rewrite_factors * sizeof(double))));
    *run = hawq_sql_last_id(store->db);
    return HAWQ_OK;
}

/* The statement before has changed one run, or there is no such run. */
static hawq_status one_run(const hawq_store *store, int64_t run) {
    if (hawq_sql_changes(store->db) > 0) return HAWQ_OK;
    return hawq_fail(HAWQ_EINVAL, "%s: there is no run %lld", store->path,
                     (long long)run);
}

hawq_status hawq_store_finish_run(hawq_store *store, int64_t run) {
    HAWQ_TRY(HAWQ_SQL_RUN(store->db,
                          "UPDATE run SET state = 'complete', finished ="
                          " strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
                          " WHERE id = ?",
                          HAWQ_SQL_INT(run)));
    return one_run(store, run);
}

hawq_status hawq_store_drop_run(hawq_store *store, int64_t run) {
    HAWQ_TRY(HAWQ_SQL_RUN(store->db, "DELETE FROM run WHERE id = ?",
                          HAWQ_SQL_INT(run)));
    return one_run(store, run);
}

/* --- what an analysis puts ---------------------------------------------- */

static hawq_status check_finite(const char *what, const char *metric, int layer,
                                double value) {
    if (isfinite(value)) return HAWQ_OK;
    return hawq_fail(HAWQ_ENONFINITE,
                     "layer %d: the %s of metric '%s' is not a finite number; "
                     "it was not stored",
                     layer, what, metric);
}

static hawq_status put_layers(hawq_sql *db, int64_t run, int n,
                              const hawq_layer_record *row) {
    for (int i = 0; i < n; i++)
        HAWQ_TRY(HAWQ_SQL_RUN(
            db, "INSERT INTO layer VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            HAWQ_SQL_INT(run), HAWQ_SQL_INT(i), HAWQ_SQL_TEXT(row[i].name),
            HAWQ_SQL_TEXT(row[i].op), HAWQ_SQL_INT(row[i].params),
            HAWQ_SQL_INT(row[i].macs), HAWQ_SQL_INT(row[i].channels),
            HAWQ_SQL_TEXT(row[i].group ? row[i].group : row[i].name)));
    return HAWQ_OK;
}

hawq_status hawq_store_put_layers(hawq_store *store, int64_t run, int n,
                                  const hawq_layer_record *row) {
    HAWQ_TRY(hawq_sql_begin(store->db));
    return hawq_sql_end(store->db, put_layers(store->db, run, n, row));
}

static hawq_status put_samples(hawq_sql *db, int64_t run, int n,
                               const hawq_sample_record *row) {
    for (int i = 0; i < n; i++) {
        HAWQ_TRY(
            check_finite("reading", row[i].metric, row[i].layer, row[i].value));
        HAWQ_TRY(HAWQ_SQL_RUN(
            db, "INSERT OR REPLACE INTO sample VALUES (?, ?, ?, ?, ?, ?)",
            HAWQ_SQL_INT(run), HAWQ_SQL_TEXT(row[i].metric),
            HAWQ_SQL_INT(row[i].sample), HAWQ_SQL_INT(row[i].layer),
            HAWQ_SQL_REAL(row[i].value), HAWQ_SQL_REAL(row[i].probe_scale)));
    }
    return HAWQ_OK;
}

hawq_status hawq_store_put_samples(hawq_store *store, int64_t run, int n,
                                   const hawq_sample_record *row) {
    HAWQ_TRY(hawq_sql_begin(store->db));
    return hawq_sql_end(store->db, put_samples(store->db, run, n, row));
}

static hawq_status put_estimates(hawq_sql *db, int64_t run, const char *metric,
                                 int n, const hawq_estimate *row) {
    for (int i = 0; i < n; i++) {
        HAWQ_TRY(check_finite("mean", metric, i, row[i].mean));
        HAWQ_TRY(HAWQ_SQL_RUN(
            db,
            "INSERT OR REPLACE INTO estimate VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            HAWQ_SQL_INT(run), HAWQ_SQL_TEXT(metric), HAWQ_SQL_INT(i),
            HAWQ_SQL_REAL(row[i].mean), HAWQ_SQL_REAL(row[i].stderr1),
            HAWQ_SQL_REAL(row[i].low), HAWQ_SQL_REAL(row[i].high),
            HAWQ_SQL_INT(row[i].n)));
    }
    return HAWQ_OK;
}

hawq_status hawq_store_put_estimates(hawq_store *store, int64_t run,
                                     const char *metric, int n,
                                     const hawq_estimate *row) {
    HAWQ_TRY(hawq_sql_begin(store->db));
    return hawq_sql_end(store->db,
                        put_estimates(store->db, run, metric, n, row));
}

static hawq_status put_sensitivity(hawq_sql *db, int64_t run, int n,
                                   const hawq_sensitivity_record *row) {
    for (int i = 0; i < n; i++) {
        HAWQ_TRY(check_finite("sensitivity", row[i].metric, row[i].layer,
                              row[i].value));
        char text[HAWQ_PLAIN_TEXT];
        HAWQ_TRY(HAWQ_SQL_RUN(
            db,
            "INSERT OR REPLACE INTO sensitivity VALUES (?, ?, ?, ?, ?, ?, ?)",
            HAWQ_SQL_INT(run), HAWQ_SQL_TEXT(row[i].metric),
            HAWQ_SQL_INT(row[i].layer),
            hawq_value_candidate(row[i].candidate, row[i].bits, text),
            HAWQ_SQL_INT(row[i].bits), HAWQ_SQL_REAL(row[i].value),
            HAWQ_SQL_REAL(row[i].stderr1)));
    }
    return HAWQ_OK;
}

hawq_status hawq_store_put_sensitivity(hawq_store *store, int64_t run, int n,
                                       const hawq_sensitivity_record *row) {
    HAWQ_TRY(hawq_sql_begin(store->db));
    return hawq_sql_end(store->db, put_sensitivity(store->db, run, n, row));
}

static hawq_status put_interactions(hawq_sql *db, int64_t run, int n,
                                    const hawq_interaction_record *row) {
    for (int i = 0; i < n; i++) {
        HAWQ_TRY(
            check_finite("interaction", "cross", row[i].layer_i, row[i].value));
        char first[HAWQ_PLAIN_TEXT], second[HAWQ_PLAIN_TEXT];
        HAWQ_TRY(HAWQ_SQL_RUN(
            db,
            "INSERT OR REPLACE INTO interaction VALUES (?, ?, ?, ?, ?, ?, ?,"
            " ?)",
            HAWQ_SQL_INT(run), HAWQ_SQL_INT(row[i].layer_i),
            hawq_value_candidate(row[i].candidate_i, row[i].bits_i, first),
            HAWQ_SQL_INT(row[i].bits_i), HAWQ_SQL_INT(row[i].layer_j),
            hawq_value_candidate(row[i].candidate_j, row[i].bits_j, second),
            HAWQ_SQL_INT(row[i].bits_j), HAWQ_SQL_REAL(row[i].value)));
    }
    return HAWQ_OK;
}

hawq_status hawq_store_put_interactions(hawq_store *store, int64_t run, int n,
                                        const hawq_interaction_record *row) {
    HAWQ_TRY(hawq_sql_begin(store->db));
    return hawq_sql_end(store->db, put_interactions(store->db, run, n, row));
}

static hawq_status put_activation(hawq_sql *db, int64_t run, int index,
                                  const hawq_activation_record *row) {
    HAWQ_TRY(HAWQ_SQL_RUN(db, "INSERT INTO activation VALUES (?, ?, ?, ?)",
                          HAWQ_SQL_INT(run), HAWQ_SQL_INT(index),
                          HAWQ_SQL_TEXT(row->tensor),
                          HAWQ_SQL_TEXT(row->range)));
    for (int i = 0; i < row->n_layers; i++)
        HAWQ_TRY(HAWQ_SQL_RUN(db,
                              "INSERT INTO activation_reader VALUES (?, ?, ?)",
                              HAWQ_SQL_INT(run), HAWQ_SQL_INT(index),
                              HAWQ_SQL_INT(row->layer[i])));
    for (int i = 0; i < row->n_rises; i++) {
        const hawq_rise *r = &row->rise[i];
        if (!isfinite(r->value))
            return hawq_fail(HAWQ_ENONFINITE,
                             "tensor '%s': the rise of the loss at %d bits is "
                             "not a finite number; it was not stored",
                             row->tensor, r->bits);
        HAWQ_TRY(HAWQ_SQL_RUN(
            db, "INSERT INTO activation_rise VALUES (?, ?, ?, ?, ?)",
            HAWQ_SQL_INT(run), HAWQ_SQL_INT(index), HAWQ_SQL_INT(r->bits),
            HAWQ_SQL_REAL(r->value), HAWQ_SQL_REAL(r->stderr1)));
    }
    return HAWQ_OK;
}

hawq_status hawq_store_put_activation(hawq_store *store, int64_t run, int index,
                                      const hawq_activation_record *row) {
    HAWQ_TRY(hawq_sql_begin(store->db));
    return hawq_sql_end(store->db, put_activation(store->db, run, index, row));
}

/* --- what a search puts ------------------------------------------------- */

static hawq_status put_allocation(hawq_sql *db, int64_t run, int64_t analysis,
                                  const hawq_allocation_record *row,
                                  int64_t                      *id) {
    HAWQ_TRY(HAWQ_SQL_RUN(
        db,
        "INSERT INTO allocation (run_id, analysis_run_id, solver, metric,"
        " state, objective, bound, weight_bytes, bops, mean_bits, latency_us,"
        " kl, agreement, check_images)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        HAWQ_SQL_INT(run), hawq_value_id(analysis), HAWQ_SQL_TEXT(row->solver),
        HAWQ_SQL_TEXT(row->metric), HAWQ_SQL_TEXT(row->state),
        HAWQ_SQL_REAL(row->objective), HAWQ_SQL_REAL(row->bound),
        HAWQ_SQL_INT(row->weight_bytes), HAWQ_SQL_INT(row->bops),
        HAWQ_SQL_REAL(row->mean_bits),
        HAWQ_SQL_REAL(row->latency_us < 0 ? NAN : row->latency_us),
        HAWQ_SQL_REAL(row->check_images ? row->kl : NAN),
        HAWQ_SQL_REAL(row->check_images ? row->agreement : NAN),
        hawq_value_id(row->check_images)));
    *id = hawq_sql_last_id(db);
    for (int i = 0; i < row->n_layers; i++) {
        const hawq_choice *c = &row->choice[i];
        char               text[HAWQ_PLAIN_TEXT];
        HAWQ_TRY(HAWQ_SQL_RUN(
            db, "INSERT INTO allocation_layer VALUES (?, ?, ?, ?, ?, ?)",
            HAWQ_SQL_INT(*id), HAWQ_SQL_INT(i), HAWQ_SQL_TEXT(c->layer),
            HAWQ_SQL_INT(c->weight_bits), HAWQ_SQL_INT(c->activation_bits),
            hawq_value_candidate(c->candidate, c->weight_bits, text)));
    }
    for (int i = 0; i < row->n_budgets; i++)
        HAWQ_TRY(HAWQ_SQL_RUN(
            db, "INSERT INTO allocation_budget VALUES (?, ?, ?, ?, ?)",
            HAWQ_SQL_INT(*id), HAWQ_SQL_TEXT(row->budget[i].kind),
            HAWQ_SQL_REAL(row->budget[i].limit),
            HAWQ_SQL_REAL(row->budget[i].used),
            HAWQ_SQL_INT(row->budget[i].binding)));
    return HAWQ_OK;
}

hawq_status hawq_store_put_allocation(hawq_store *store, int64_t run,
                                      int64_t                       analysis,
                                      const hawq_allocation_record *row,
                                      int64_t                      *id) {
    int64_t made = 0;
    HAWQ_TRY(hawq_sql_begin(store->db));
    HAWQ_TRY(hawq_sql_end(
        store->db, put_allocation(store->db, run, analysis, row, &made)));
    *id = made;
    return HAWQ_OK;
}
