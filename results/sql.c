/* sql.c -- the only file that knows SQLite.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/sql.h"

#include "results/store.h"

#include <assert.h>
#include <math.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/resource.h>

enum { MOST_STATEMENTS = 64, PATIENCE_MS = 10000, WAL_POLL_MS = 20 };

struct hawq_sql {
    sqlite3    *handle;
    const char *path;
    int         patience_ms;
    int         n_prepared;
    struct {
        const char   *sql;
        sqlite3_stmt *statement;
    } prepared[MOST_STATEMENTS];
};

/* SQLite forgets the system's reason for a write that failed (EFBIG): then the
 * limit of a file's size is asked for. 0: there is none. */
static unsigned long long file_limit(int code) {
    struct rlimit limit;
    if (code != SQLITE_IOERR_WRITE || getrlimit(RLIMIT_FSIZE, &limit)) return 0;
    return limit.rlim_cur == RLIM_INFINITY ? 0 : limit.rlim_cur;
}

/* The sentence for SQLite's last failure on this handle. */
static hawq_status explain(const hawq_sql *db, int code) {
    int         cause = sqlite3_system_errno(db->handle);
    const char *text = sqlite3_errmsg(db->handle);
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return hawq_fail(HAWQ_ESTATE,
                         "%s: another program has kept the database locked for "
                         "%g s; try again when it has finished",
                         db->path, 1e-3 * db->patience_ms);
    case SQLITE_READONLY:
        return hawq_fail(HAWQ_ESTATE,
                         "%s: the database or its folder is read-only; make it "
                         "writable or choose another file with --db",
                         db->path);
    case SQLITE_CANTOPEN:
        return hawq_fail(HAWQ_EIO, "%s: cannot be opened as a database: %s",
                         db->path, cause ? strerror(cause) : text);
    case SQLITE_FULL:
        return hawq_fail(HAWQ_EIO, "%s: no space is left for the database",
                         db->path);
    case SQLITE_IOERR:
        if (file_limit(code))
            return hawq_fail(HAWQ_EIO,
                             "%s: cannot be written: no file may grow beyond "
                             "%llu bytes here (ulimit -f); raise that limit",
                             db->path, file_limit(code));
        return hawq_fail(HAWQ_EIO, "%s: cannot be read or written: %s",
                         db->path, cause ? strerror(cause) : text);
    case SQLITE_NOTADB:
        return hawq_fail(HAWQ_EFORMAT,
                         "%s: is not an SQLite database; choose another file "
                         "with --db",
                         db->path);
    case SQLITE_CORRUPT:
        return hawq_fail(HAWQ_EFORMAT, "%s: the database is damaged", db->path);
    case SQLITE_NOMEM:
        return hawq_fail(HAWQ_ENOMEM, "%s: out of memory", db->path);
    case SQLITE_CONSTRAINT:
        return hawq_fail(HAWQ_EINVAL, "%s: refused: %s", db->path, text);
    default:
        return hawq_fail(HAWQ_EIO, "%s: %s", db->path, text);
    }
}

hawq_status hawq_sql_open(const char *path, bool create, hawq_arena *arena,
                          hawq_sql **out) {
    hawq_sql *db;
    HAWQ_TAKE(db, arena, 1);
    db->path = hawq_arena_string(arena, path);
    if (!db->path) return HAWQ_ENOMEM;
    int         flags = create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                               : SQLITE_OPEN_READONLY;
    int         code = sqlite3_open_v2(path, &db->handle, flags, NULL);
    hawq_status status = HAWQ_OK;
    if (code != SQLITE_OK) {
        status = explain(db, code);
    } else {
        sqlite3_extended_result_codes(db->handle, 1);
        hawq_sql_patience(db, PATIENCE_MS);
        /* a file that cannot be written is opened for reading in silence */
        if (create && sqlite3_db_readonly(db->handle, "main") == 1)
            status = explain(db, SQLITE_READONLY);
    }
    if (status == HAWQ_OK)
        *out = db;
    else
        hawq_sql_close(db);
    return status;
}

void hawq_sql_close(hawq_sql *db) {
    for (int i = 0; i < db->n_prepared; i++)
        sqlite3_finalize(db->prepared[i].statement);
    sqlite3_close(db->handle);
}

void hawq_sql_patience(hawq_sql *db, int milliseconds) {
    db->patience_ms = milliseconds;
    sqlite3_busy_timeout(db->handle, milliseconds);
}

hawq_status hawq_sql_script(hawq_sql *db, const char *sql) {
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? HAWQ_OK : explain(db, code);
}

/* Changing the journal needs the file alone, and SQLite does not wait for it
 * by itself: two programs may be creating the file at once. */
hawq_status hawq_sql_use_wal(hawq_sql *db) {
    int code, waited = 0;
    while ((code = sqlite3_exec(db->handle, "PRAGMA journal_mode = WAL", NULL,
                                NULL, NULL)) != SQLITE_OK &&
           (code & 0xff) == SQLITE_BUSY && waited < db->patience_ms)
        waited += sqlite3_sleep(WAL_POLL_MS);
    return code == SQLITE_OK ? HAWQ_OK : explain(db, code);
}

hawq_status hawq_sql_begin(hawq_sql *db) {
    return hawq_sql_script(db, "BEGIN IMMEDIATE");
}

hawq_status hawq_sql_end(hawq_sql *db, hawq_status status) {
    if (status == HAWQ_OK) status = hawq_sql_script(db, "COMMIT");
    if (status != HAWQ_OK && !sqlite3_get_autocommit(db->handle))
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static hawq_status prepare(hawq_sql *db, const char *sql, sqlite3_stmt **out) {
    for (int i = 0; i < db->n_prepared; i++)
        /* A statement lives as long as the handle. The text of a call is
         * nearly always the same literal, so its address decides. */
        if (db->prepared[i].sql == sql || !strcmp(db->prepared[i].sql, sql)) {
            *out = db->prepared[i].statement;
            return HAWQ_OK;
        }
    assert(db->n_prepared < MOST_STATEMENTS);
    int code = sqlite3_prepare_v3(db->handle, sql, -1,
                                  SQLITE_PREPARE_PERSISTENT, out, NULL);
    if (code != SQLITE_OK) return explain(db, code);
    db->prepared[db->n_prepared].sql = sql;
    db->prepared[db->n_prepared++].statement = *out;
    return HAWQ_OK;
}

/* SQLite stores NaN as NULL, but not an infinity. */
static int bind(sqlite3_stmt *statement, int i, const hawq_value *v) {
    if (v->type == 'i') return sqlite3_bind_int64(statement, i, v->integer);
    if (v->type == 'r')
        return isfinite(v->real) ? sqlite3_bind_double(statement, i, v->real)
                                 : sqlite3_bind_null(statement, i);
    if (v->type == 'b')
        return sqlite3_bind_blob64(statement, i, v->blob,
                                   (sqlite3_uint64)v->integer,
                                   SQLITE_TRANSIENT);
    return sqlite3_bind_text(statement, i, v->text, -1, SQLITE_TRANSIENT);
}

hawq_status hawq_sql_query(hawq_sql *db, const char *sql, hawq_rows *rows,
                           int n, const hawq_value *value) {
    sqlite3_stmt *statement;
    HAWQ_TRY(prepare(db, sql, &statement));
    assert(sqlite3_bind_parameter_count(statement) == n);
    assert(!sqlite3_stmt_busy(statement));
    for (int i = 0; i < n; i++) {
        int code = bind(statement, i + 1, &value[i]);
        if (code != SQLITE_OK) return explain(db, code);
    }
    /* The values are copied (SQLITE_TRANSIENT): the caller may drop them
     * before the first row is asked for. */
    *rows = (hawq_rows){db, statement, HAWQ_OK};
    return HAWQ_OK;
}

void hawq_sql_stop(hawq_rows *rows) {
    if (rows->statement) sqlite3_reset(rows->statement);
    rows->statement = NULL;
}

bool hawq_sql_next(hawq_rows *rows) {
    if (!rows->statement) return false;
    int code = sqlite3_step(rows->statement);
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) rows->status = explain(rows->db, code);
    hawq_sql_stop(rows);
    return false;
}

hawq_status hawq_sql_run(hawq_sql *db, const char *sql, int n,
                         const hawq_value *value) {
    hawq_rows rows = {0};
    HAWQ_TRY(hawq_sql_query(db, sql, &rows, n, value));
    while (hawq_sql_next(&rows)) continue;
    return rows.status;
}

int64_t hawq_sql_int(const hawq_rows *rows, int column) {
    return sqlite3_column_int64(rows->statement, column);
}

double hawq_sql_real(const hawq_rows *rows, int column) {
    if (sqlite3_column_type(rows->statement, column) == SQLITE_NULL) return NAN;
    return sqlite3_column_double(rows->statement, column);
}

const char *hawq_sql_text(hawq_rows *rows, int column, hawq_arena *arena) {
    const void *text = sqlite3_column_text(rows->statement, column);
    const char *copy = hawq_arena_string(arena, text ? text : "");
    if (copy) return copy;
    hawq_sql_stop(rows);
    rows->status = HAWQ_ENOMEM;
    return NULL;
}

const uint8_t *hawq_sql_blob(hawq_rows *rows, int column, hawq_arena *arena,
                             size_t *n) {
    const void *blob = sqlite3_column_blob(rows->statement, column);
    uint8_t    *copy = NULL;
    *n = (size_t)sqlite3_column_bytes(rows->statement, column);
    if (!blob) return NULL;
    if ((copy = hawq_arena_take(arena, *n, 1))) return memcpy(copy, blob, *n);
    hawq_sql_stop(rows);
    rows->status = HAWQ_ENOMEM;
    return NULL;
}

int64_t hawq_sql_last_id(const hawq_sql *db) {
    return sqlite3_last_insert_rowid(db->handle);
}

int hawq_sql_changes(const hawq_sql *db) {
    return sqlite3_changes(db->handle);
}

const char *hawq_store_sqlite_version(void) {
    return sqlite3_libversion();
}
