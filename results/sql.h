/* sql.h -- the little of SQLite that the store needs: values in, values out,
 * every failure one sentence with the file's path. For results/ only.
 *
 *     HAWQ_TRY(hawq_sql_begin(db));
 *     return hawq_sql_end(db, HAWQ_SQL_RUN(db, "INSERT INTO t VALUES (?, ?)",
 *                                          HAWQ_SQL_INT(run),
 * HAWQ_SQL_TEXT(name)));
 *
 *     HAWQ_TRY(HAWQ_SQL_QUERY(db, "SELECT a FROM t WHERE b = ?", &rows,
 *                             HAWQ_SQL_INT(1)));
 *     while (hawq_sql_next(&rows)) x = hawq_sql_int(&rows, 0);
 *     HAWQ_TRY(rows.status);
 *
 * A statement is prepared once and kept; a query is run to its last row, or
 * ended with hawq_sql_stop.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SQL_H
#define HAWQ_SQL_H
#include "src/base/arena.h"
#include "src/base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct hawq_sql hawq_sql;

typedef struct hawq_value {
    char        type;    /* 'i', 'r', 't', 'b' */
    int64_t     integer; /* of a blob: its bytes */
    double      real;    /* not finite: stored as NULL */
    const char *text;    /* NULL: stored as NULL */
    const void *blob;    /* the same */
} hawq_value;

#define HAWQ_SQL_INT(x) ((hawq_value){.type = 'i', .integer = (x)})
#define HAWQ_SQL_REAL(x) ((hawq_value){.type = 'r', .real = (x)})
#define HAWQ_SQL_TEXT(x) ((hawq_value){.type = 't', .text = (x)})
#define HAWQ_SQL_BLOB(x, n)                                                    \
    ((hawq_value){.type = 'b', .blob = (x), .integer = (int64_t)(n)})

typedef struct hawq_rows {
    hawq_sql   *db;
    void       *statement; /* NULL once ended */
    hawq_status status;
} hawq_rows;

/* create: a missing file is made and the handle must be able to write. */
HAWQ_NODISCARD hawq_status hawq_sql_open(const char *path, bool create,
                                         hawq_arena *arena, hawq_sql **out);
void                       hawq_sql_close(hawq_sql *db);

/* How long a write waits for another program; ten seconds after open. */
void hawq_sql_patience(hawq_sql *db, int milliseconds);

/* Any number of statements without values; rows are ignored. */
HAWQ_NODISCARD hawq_status hawq_sql_script(hawq_sql *db, const char *sql);

/* Write-ahead logging: readers and a writer at once. */
HAWQ_NODISCARD hawq_status hawq_sql_use_wal(hawq_sql *db);

/* One transaction for writing; end commits if status is HAWQ_OK, else undoes
 * all and returns status. */
HAWQ_NODISCARD hawq_status hawq_sql_begin(hawq_sql *db);
HAWQ_NODISCARD hawq_status hawq_sql_end(hawq_sql *db, hawq_status status);

/* One statement without rows; sql must be a literal (it names the prepared
 * statement). */
HAWQ_NODISCARD hawq_status hawq_sql_run(hawq_sql *db, const char *sql, int n,
                                        const hawq_value *value);
HAWQ_NODISCARD hawq_status hawq_sql_query(hawq_sql *db, const char *sql,
                                          hawq_rows *rows, int n,
                                          const hawq_value *value);
#define HAWQ_SQL_N(...)                                                        \
    (int)(sizeof((hawq_value[]){__VA_ARGS__}) / sizeof(hawq_value))
#define HAWQ_SQL_RUN(db, sql, ...)                                             \
    hawq_sql_run((db), (sql), HAWQ_SQL_N(__VA_ARGS__),                         \
                 (const hawq_value[]){__VA_ARGS__})
#define HAWQ_SQL_QUERY(db, sql, rows, ...)                                     \
    hawq_sql_query((db), (sql), (rows), HAWQ_SQL_N(__VA_ARGS__),               \
                   (const hawq_value[]){__VA_ARGS__})

/* The next row, or false at the end and on failure (rows->status). */
bool hawq_sql_next(hawq_rows *rows);
void hawq_sql_stop(hawq_rows *rows);

/* Columns from 0; NULL is 0, NaN, "". Text is copied; NULL if no memory, which
 * also ends the query with that status. */
int64_t     hawq_sql_int(const hawq_rows *rows, int column);
double      hawq_sql_real(const hawq_rows *rows, int column);
const char *hawq_sql_text(hawq_rows *rows, int column, hawq_arena *arena);
/* A copy of a blob and its bytes; NULL and 0 for NULL. */
const uint8_t *hawq_sql_blob(hawq_rows *rows, int column, hawq_arena *arena,
                             size_t *n);

/* Row id of the last insertion; rows that the last run changed. */
int64_t hawq_sql_last_id(const hawq_sql *db);
int     hawq_sql_changes(const hawq_sql *db);

#endif
