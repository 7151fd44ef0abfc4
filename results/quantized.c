/* quantized.c -- quantized layers in the database: what they take, and the very
 * codes of those that data has had a part in.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/rows.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>

static hawq_status put(hawq_sql *db, int64_t run, int64_t allocation,
                       const hawq_quantized_record *r) {
    if (!isfinite(r->stored_bits) || !isfinite(r->seconds))
        return hawq_fail(HAWQ_ENONFINITE,
                         "layer %d, candidate %s: its stored bits or its "
                         "seconds are not a finite number; it was not stored",
                         r->layer, r->candidate);
    return HAWQ_SQL_RUN(
        db,
        "INSERT OR REPLACE INTO quantized VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?,"
        " ?)",
        hawq_value_id(run), hawq_value_id(allocation), HAWQ_SQL_INT(r->layer),
        HAWQ_SQL_TEXT(r->candidate), HAWQ_SQL_INT(r->bytes),
        HAWQ_SQL_REAL(r->stored_bits), HAWQ_SQL_REAL(r->seconds),
        HAWQ_SQL_REAL(r->error_before), HAWQ_SQL_REAL(r->error_after),
        HAWQ_SQL_BLOB(r->codes, r->n_codes));
}

static hawq_status put_all(hawq_sql *db, int64_t run, int64_t allocation, int n,
                           const hawq_quantized_record *row) {
    for (int i = 0; i < n; i++) HAWQ_TRY(put(db, run, allocation, &row[i]));
    return HAWQ_OK;
}

hawq_status hawq_store_put_quantized(hawq_store *store, int64_t run,
                                     int64_t allocation, int n,
                                     const hawq_quantized_record *row) {
    HAWQ_TRY(hawq_sql_begin(store->db));
    return hawq_sql_end(store->db, put_all(store->db, run, allocation, n, row));
}

static void read_quantized(hawq_reader *r, void *item) {
    hawq_quantized_record *out = item;
    size_t                 n;
    *out = (hawq_quantized_record){
        .layer = hawq_reader_int(r, 0, 0, INT_MAX, "a layer's number"),
        .candidate = hawq_reader_text(r, 1),
        .bytes = hawq_sql_int(&r->rows, 2),
        .stored_bits = hawq_reader_real(r, 3, -1, "a width"),
        .seconds = hawq_reader_real(r, 4, -1, "a time"),
        .error_before = hawq_reader_real_or_nan(r, 5, -1, "an error"),
        .error_after = hawq_reader_real_or_nan(r, 6, -1, "an error"),
        .n_codes = (size_t)hawq_sql_int(&r->rows, 7)};
    if (r->status == HAWQ_OK && r->rows.status == HAWQ_OK)
        out->codes = hawq_sql_blob(&r->rows, 8, r->arena, &n);
    if (out->bytes < 0 || out->stored_bits < 0)
        hawq_reader_refuse(r, "a size of layer %d is negative", out->layer);
}

hawq_status hawq_store_load_quantized(hawq_store *store, int64_t run,
                                      int64_t allocation, int layer,
                                      hawq_arena *arena, int *n,
                                      hawq_quantized_record **out) {
    hawq_reader r = hawq_reader_of(store, arena);
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT layer, candidate, bytes, stored_bits, seconds, error_before,"
        " error_after, ifnull(length(codes), 0),"
        " CASE WHEN ?3 < 0 THEN NULL ELSE codes END FROM quantized"
        " WHERE (?1 <> 0 AND run_id = ?1 OR ?1 = 0 AND allocation_id = ?2)"
        " AND (?3 < 0 OR layer = ?3) ORDER BY layer, candidate",
        &r.rows, HAWQ_SQL_INT(run), HAWQ_SQL_INT(allocation),
        HAWQ_SQL_INT(layer)));
    return hawq_reader_load(&r, sizeof **out, read_quantized, n, out);
}
