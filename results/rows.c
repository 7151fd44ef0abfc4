/* rows.c -- see rows.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/rows.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { ITEM_BYTES = 256 };

hawq_status hawq_store_incomplete(const hawq_store *store, int64_t run,
                                  const char *what) {
    return hawq_fail(HAWQ_EFORMAT,
                     "%s: run %lld: the analysis is incomplete: %s; its rows "
                     "were changed by another program, so run hawq-analyze "
                     "again",
                     store->path, (long long)run, what);
}

hawq_reader hawq_reader_of(hawq_store *store, hawq_arena *arena) {
    return (hawq_reader){.store = store, .arena = arena};
}

hawq_status hawq_reader_of_run(hawq_store *store, int64_t run,
                               hawq_arena *arena, hawq_reader *out) {
    hawq_reader r = {.store = store, .arena = arena, .run = run};
    int64_t     n = 0, last = -1;
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT count(*), ifnull(max(layer), -1), ifnull(min(layer), 0),"
        " ifnull((SELECT state = 'complete' FROM run WHERE id = ?1), 0)"
        " FROM layer WHERE run_id = ?1",
        &r.rows, HAWQ_SQL_INT(run)));
    while (hawq_sql_next(&r.rows)) {
        n = hawq_sql_int(&r.rows, 0);
        last = hawq_sql_int(&r.rows, 1) - hawq_sql_int(&r.rows, 2);
        r.complete = hawq_sql_int(&r.rows, 3) != 0;
    }
    HAWQ_TRY(r.rows.status);
    if (n > INT_MAX || last != n - 1)
        return hawq_store_incomplete(store, run, "a layer is missing");
    r.n_layers = (int)n;
    *out = r;
    return HAWQ_OK;
}

void hawq_reader_refuse(hawq_reader *r, const char *format, ...) {
    char    what[160];
    va_list args;
    if (r->status != HAWQ_OK || r->rows.status != HAWQ_OK) return;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    r->status = r->run ? hawq_store_incomplete(r->store, r->run, what)
                       : hawq_fail(HAWQ_EFORMAT,
                                   "%s: %s; the row was changed by another "
                                   "program",
                                   r->store->path, what);
}

hawq_status hawq_reader_load(hawq_reader *r, size_t size, hawq_row_reader *read,
                             int *n, void *out) {
    _Alignas(max_align_t) char item[ITEM_BYTES];
    void                      *all = NULL;
    assert(size <= sizeof item);
    r->n = 0;
    while (hawq_sql_next(&r->rows)) {
        memset(item, 0, size);
        read(r, item);
        all = hawq_arena_grow(r->arena, all, (size_t)r->n, size);
        if (!all && r->status == HAWQ_OK) r->status = HAWQ_ENOMEM;
        if (r->status != HAWQ_OK || r->rows.status != HAWQ_OK) {
            hawq_sql_stop(&r->rows);
            break;
        }
        memcpy((char *)all + (size_t)r->n * size, item, size);
        r->n++;
    }
    HAWQ_TRY(r->status);
    HAWQ_TRY(r->rows.status);
    *n = r->n;
    memcpy(out, &all, sizeof all);
    return HAWQ_OK;
}

/* --- columns --------------------------------------------------------------
 */

int hawq_reader_int(hawq_reader *r, int column, int64_t low, int64_t high,
                    const char *what) {
    int64_t value = hawq_sql_int(&r->rows, column);
    if (value >= low && value <= high) return (int)value;
    hawq_reader_refuse(r, "%s is %lld, not in %lld ... %lld", what,
                       (long long)value, (long long)low, (long long)high);
    return 0;
}

int hawq_reader_layer(hawq_reader *r, int column) {
    int64_t value = hawq_sql_int(&r->rows, column);
    if (value >= 0 && value < r->n_layers) return (int)value;
    hawq_reader_refuse(r, "layer %lld is missing", (long long)value);
    return 0;
}

int hawq_reader_bits(hawq_reader *r, int column) {
    return hawq_reader_int(r, column, 1, 32, "a width");
}

double hawq_reader_real_or_nan(hawq_reader *r, int column, int layer,
                               const char *what) {
    double value = hawq_sql_real(&r->rows, column);
    if (!isinf(value)) return value;
    if (layer >= 0)
        hawq_reader_refuse(r, "%s of layer %d is %g", what, layer, value);
    else
        hawq_reader_refuse(r, "%s is %g", what, value);
    return 0;
}

double hawq_reader_real(hawq_reader *r, int column, int layer,
                        const char *what) {
    double value = hawq_reader_real_or_nan(r, column, layer, what);
    if (!isnan(value)) return value;
    if (layer >= 0)
        hawq_reader_refuse(r, "%s of layer %d is missing", what, layer);
    else
        hawq_reader_refuse(r, "%s is missing", what);
    return 0;
}

const char *hawq_reader_text(hawq_reader *r, int column) {
    return hawq_sql_text(&r->rows, column, r->arena);
}
