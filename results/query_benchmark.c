/* query_benchmark.c -- what benchmarks measured, found and loaded.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/rows.h"

static const char benchmark_columns[] =
    "SELECT run_id, ifnull(allocation_id, 0), label, device, kernels,"
    " batch_size, threads, repeats, samples, accuracy, loss, float_accuracy,"
    " float_loss, agreement, weight_bytes, file_bytes, latency_us,"
    " latency_spread_us, speedup_vs_float, speedup_vs_uniform8, bit_exact"
    " FROM benchmark WHERE id = ?";

static void read_benchmark(hawq_reader *r, void *item) {
    hawq_benchmark_record *b = item;
    const hawq_rows       *row = &r->rows;
    *b = (hawq_benchmark_record){
        .allocation = hawq_sql_int(row, 1),
        .label = hawq_reader_text(r, 2),
        .device = hawq_reader_text(r, 3),
        .kernels = hawq_reader_text(r, 4),
        .batch_size = (int)hawq_sql_int(row, 5),
        .threads = (int)hawq_sql_int(row, 6),
        .repeats = (int)hawq_sql_int(row, 7),
        .samples = hawq_sql_int(row, 8),
        .accuracy = hawq_reader_real_or_nan(r, 9, -1, "an accuracy"),
        .loss = hawq_reader_real_or_nan(r, 10, -1, "a loss"),
        .float_accuracy = hawq_reader_real_or_nan(r, 11, -1, "an accuracy"),
        .float_loss = hawq_reader_real_or_nan(r, 12, -1, "a loss"),
        .agreement = hawq_reader_real_or_nan(r, 13, -1, "an agreement"),
        .weight_bytes = hawq_sql_int(row, 14),
        .file_bytes = hawq_sql_int(row, 15),
        .latency_us = hawq_reader_real_or_nan(r, 16, -1, "a time"),
        .latency_spread_us = hawq_reader_real_or_nan(r, 17, -1, "a spread"),
        .speedup_vs_float = hawq_reader_real_or_nan(r, 18, -1, "a speed-up"),
        .speedup_vs_uniform8 = hawq_reader_real_or_nan(r, 19, -1, "a speed-up"),
        .bit_exact = hawq_sql_int(row, 20) != 0};
    r->run = hawq_sql_int(row, 0);
}

hawq_status hawq_store_load_benchmark(hawq_store *store, int64_t id,
                                      hawq_arena *arena, int64_t *run,
                                      hawq_benchmark_record *out) {
    hawq_reader            r = hawq_reader_of(store, arena);
    hawq_benchmark_record *found;
    int                    n;
    HAWQ_TRY(HAWQ_SQL_QUERY(store->db, benchmark_columns, &r.rows,
                            HAWQ_SQL_INT(id)));
    HAWQ_TRY(hawq_reader_load(&r, sizeof *found, read_benchmark, &n, &found));
    if (n == 0)
        return hawq_fail(HAWQ_EINVAL, "%s: there is no benchmark %lld",
                         store->path, (long long)id);
    *run = r.run;
    *out = *found;
    return HAWQ_OK;
}

#define KEY                                                                    \
    " WHERE model_hash = ? AND host = ? AND kernels = ? AND threads = ?"       \
    " AND batch_size = ?"
#define KEY_VALUES(key)                                                        \
    HAWQ_SQL_TEXT((key)->model_hash), HAWQ_SQL_TEXT((key)->host),              \
        HAWQ_SQL_TEXT((key)->kernels), HAWQ_SQL_INT((key)->threads),           \
        HAWQ_SQL_INT((key)->batch_size)

static void read_timing(hawq_reader *r, void *item) {
    *(hawq_layer_timing *)item = (hawq_layer_timing){
        .layer = hawq_reader_text(r, 0),
        .weight_bits = hawq_reader_bits(r, 1),
        .activation_bits = hawq_reader_bits(r, 2),
        .kernel = hawq_reader_text(r, 3),
        .latency_us = hawq_reader_real(r, 4, -1, "the time of a layer"),
        .format = hawq_reader_text(r, 5)};
}

hawq_status hawq_store_load_timings(hawq_store             *store,
                                    const hawq_latency_key *key,
                                    hawq_arena *arena, int *n,
                                    hawq_layer_timing **out) {
    hawq_reader r = hawq_reader_of(store, arena);
    HAWQ_TRY(HAWQ_SQL_QUERY(
        store->db,
        "SELECT name, weight_bits, activation_bits, kernel, latency_us,"
        " format FROM latency_table" KEY " AND latency_us IS NOT NULL"
        " ORDER BY layer, weight_bits DESC, activation_bits DESC, format",
        &r.rows, KEY_VALUES(key)));
    return hawq_reader_load(&r, sizeof **out, read_timing, n, out);
}

static void read_total(hawq_reader *r, void *item) {
    static const char what[] = "the time of a network";
    *(hawq_total_timing *)item =
        (hawq_total_timing){.latency_us = hawq_reader_real(r, 0, -1, what),
                            .spread_us = hawq_reader_real(r, 1, -1, what),
                            .layers_us = hawq_reader_real(r, 2, -1, what)};
}

hawq_status hawq_store_load_totals(hawq_store             *store,
                                   const hawq_latency_key *key,
                                   hawq_arena *arena, int *n,
                                   hawq_total_timing **out) {
    hawq_reader r = hawq_reader_of(store, arena);
    HAWQ_TRY(HAWQ_SQL_QUERY(store->db,
                            "SELECT latency_us, latency_spread_us, layers_us"
                            " FROM latency_total" KEY " ORDER BY benchmark_id",
                            &r.rows, KEY_VALUES(key)));
    return hawq_reader_load(&r, sizeof **out, read_total, n, out);
}
