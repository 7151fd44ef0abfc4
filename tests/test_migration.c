/* test_migration.c -- a database of the version before candidates, made by its
 * own SQL, keeps every row and every column of its views.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/sql.h"
#include "results/store.h"
#include "tests/check.h"

#include <unistd.h>

static char path[] = "/tmp/hawq-migration-XXXXXX";

static void script(const char *text) {
    hawq_sql  *db;
    hawq_arena arena = {0};
    if (!CHECK_OK(hawq_sql_open(path, true, &arena, &db))) return;
    CHECK_OK(hawq_sql_script(db, text));
    hawq_sql_close(db);
    hawq_arena_free(&arena);
}

/* The statement's rows are this text: columns end with |, rows with ;. */
static void check_rows(const char *sql, int columns, const char *want) {
    static char got[1 << 14];
    hawq_sql   *db;
    hawq_rows   rows;
    hawq_arena  arena = {0};
    size_t      used = 0;
    got[0] = '\0';
    if (!CHECK_OK(hawq_sql_open(path, false, &arena, &db))) return;
    if (CHECK_OK(hawq_sql_query(db, sql, &rows, 0, NULL))) {
        while (hawq_sql_next(&rows)) {
            for (int c = 0; c < columns; c++)
                used += (size_t)snprintf(got + used, sizeof got - used, "%s|",
                                         hawq_sql_text(&rows, c, &arena));
            used += (size_t)snprintf(got + used, sizeof got - used, ";");
        }
        CHECK_OK(rows.status);
    }
    if (!CHECK(!strcmp(got, want)))
        printf("    %s\n    got  %s\n    want %s\n", sql, got, want);
    hawq_sql_close(db);
    hawq_arena_free(&arena);
}

static void run_file(const char *name) {
    static char text[1 << 16];
    char        file[4096];
    const char *source = getenv("HAWQ_SOURCE");
    snprintf(file, sizeof file, "%s/results/%s.sql", source ? source : ".",
             name);
    FILE *f = fopen(file, "rb");
    if (!CHECK(f != NULL)) return;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    script(text);
}

/* Run 1 in range max, run 2 in range mse, an allocation of either, a front, a
 * benchmark. */
static void make_version_3(void) {
    run_file("schema");
    run_file("schema_activations");
    run_file("schema_totals");
    script(/* views as files of that version have them, in short */
           "CREATE VIEW pareto_front AS SELECT weight_bits FROM front_point;"
           "CREATE VIEW latency_table AS SELECT name FROM benchmark_layer;"
           "CREATE VIEW layer_sensitivity AS SELECT bits FROM sensitivity;"
           "CREATE VIEW allocation_layers AS SELECT name FROM allocation_layer;"
           "CREATE VIEW allocation_summary AS SELECT id FROM allocation;"
           "CREATE VIEW latency_total AS SELECT label FROM benchmark;"
           "PRAGMA application_id = 1212241745; PRAGMA user_version = 3;"
           "INSERT INTO run (id, program, version, command, model_path,"
           " model_hash, data, loss, seed, sampling, weight_range, threads, "
           "host,"
           " provider, state) VALUES"
           " (1, 'hawq-analyze', '', '', 'n.onnx', 'h', '', 'mse', 0, '', "
           "'max',"
           " 1, 'here', '', 'complete'),"
           " (2, 'hawq-analyze', '', '', 'n.onnx', 'h', '', 'ce', 0, '', "
           "'mse', 1,"
           " 'here', '', 'complete'),"
           " (3, 'hawq-search', '', '', 'n.onnx', 'h', '', '', 0, '', '', 1,"
           " 'here', '', 'complete');"
           "INSERT INTO layer VALUES (1, 0, 'a', 'Conv', 10, 20, 2, 'a'),"
           " (1, 1, 'b', 'Gemm', 30, 40, 3, 'b'), (2, 0, 'a', 'Conv', 10, 20, "
           "2,"
           " 'a'), (2, 1, 'b', 'Gemm', 30, 40, 3, 'b');"
           "INSERT INTO sample VALUES (1, 'trace', 0, 0, 5, 1), (1, 'trace@4', "
           "0,"
           " 0, 0.5, 1), (2, 'trace@8', 0, 1, 0.25, 1);"
           "INSERT INTO estimate VALUES (1, 'trace', 0, 5, 1, 4, 6, 8);"
           "INSERT INTO sensitivity VALUES (1, 'trace', 0, 8, 0.1, 0), (1,"
           " 'trace', 0, 4, 0.2, 0), (1, 'trace', 1, 8, 0.3, 0), (1, 'trace', "
           "1,"
           " 4, 0.4, 0.05), (2, 'measured', 0, 2, 0.5, 0), (2, 'measured', 1, "
           "2,"
           " 0.6, 0);"
           "INSERT INTO interaction VALUES (1, 0, 8, 1, 4, -0.5), (2, 0, 2, 1, "
           "2,"
           " 0.25);"
           "INSERT INTO allocation (id, run_id, analysis_run_id, solver, "
           "metric,"
           " state, weight_bytes, bops) VALUES (1, 3, 1, 'dp', 'trace',"
           " 'optimal', 9, 9), (2, 3, 2, 'dp', 'measured', 'optimal', 9, 9),"
           " (3, 3, NULL, 'dp', 'measured', 'optimal', 9, 9);"
           "INSERT INTO allocation_layer VALUES (1, 0, 'a', 8, 8), (1, 1, 'b', "
           "32,"
           " 32), (2, 0, 'a', 2, 8), (2, 1, 'b', 2, 4), (3, 0, 'a', 4, 8);"
           "INSERT INTO front VALUES (1, 3, 1, 'weight-size', 'dp', 'trace');"
           "INSERT INTO front_point VALUES (1, 0, 10, 0.5, 4, '[8,32]');"
           "INSERT INTO benchmark (id, run_id, label, device, kernels,"
           " batch_size, threads, repeats, samples, weight_bytes, file_bytes,"
           " latency_us, latency_spread_us, bit_exact) VALUES (1, 3, "
           "'uniform4',"
           " 'cpu', 'ref', 1, 1, 3, 0, 9, 9, 30, 1, 1);"
           "INSERT INTO benchmark_layer VALUES (1, 0, 'a', 4, 8, 'ref', 10),"
           " (1, 1, 'b', 32, 32, 'ref', 15);");
}

static void rows_are_kept(void) {
    check_rows("SELECT run_id, metric, layer, candidate, bits, value FROM"
               " sensitivity ORDER BY run_id, layer, bits DESC",
               6,
               "1|trace|0|w8|8|0.1|;1|trace|0|w4|4|0.2|;1|trace|1|w8|8|0.3|;"
               "1|trace|1|w4|4|0.4|;2|measured|0|w2:mse|2|0.5|;"
               "2|measured|1|w2:mse|2|0.6|;");
    check_rows("SELECT * FROM interaction", 8,
               "1|0|w8|8|1|w4|4|-0.5|;2|0|w2:mse|2|1|w2:mse|2|0.25|;");
    check_rows("SELECT run_id, metric, value FROM sample ORDER BY 1, 2", 3,
               "1|trace|5.0|;1|trace@w4|0.5|;2|trace@w8:mse|0.25|;");
    check_rows("SELECT * FROM allocation_layer", 6,
               "1|0|a|8|8|w8|;1|1|b|32|32|float|;2|0|a|2|8|w2:mse|;"
               "2|1|b|2|4|w2:mse|;3|0|a|4|8|w4|;");
    check_rows("SELECT * FROM benchmark_layer", 8,
               "1|0|a|4|8|ref|10.0|w4|;1|1|b|32|32|ref|15.0|float|;");
    check_rows("SELECT weight_bits, candidates FROM front_point", 2,
               "[8,32]|[\"w8\",\"float\"]|;");
    check_rows("SELECT count(*) FROM quantized", 1, "0|;");
    check_rows("PRAGMA integrity_check", 1, "ok|;");
    check_rows("PRAGMA foreign_key_check", 1, "");
}

/* Their columns come first and in their order; candidates behind. */
static void views_are_kept(void) {
    check_rows(
        "SELECT run_id, model, loss, metric, layer, name, op, params,"
        " macs_per_image, group_name, bits, sensitivity, standard_error, trace,"
        " trace_standard_error, trace_low, trace_high, candidate FROM"
        " layer_sensitivity WHERE layer = 0 AND loss = 'mse'",
        18,
        "1|n.onnx|mse|trace|0|a|Conv|10|20|a|8|0.1|0.0|5.0|1.0|4.0|6.0|w8|;"
        "1|n.onnx|mse|trace|0|a|Conv|10|20|a|4|0.2|0.0|5.0|1.0|4.0|6.0|w4|;");
    check_rows("SELECT * FROM allocation_layers WHERE allocation_id = 1", 7,
               "1|n.onnx|0|a|8|8|w8|;1|n.onnx|1|b|32|32|float|;");
    check_rows("SELECT * FROM pareto_front", 11,
               "1|3|n.onnx|trace|dp|weight-size|0|10.0|0.5|4.0|[8,32]|;");
    check_rows("SELECT name, weight_bits, activation_bits, latency_us,"
               " benchmark_id, format FROM latency_table",
               6, "a|4|8|10.0|1|w4|;b|32|32|15.0|1|float|;");
    check_rows("SELECT label, latency_us, layers_us FROM latency_total", 3,
               "uniform4|30.0|25.0|;");
    check_rows("SELECT allocation_id, kl, rewrite FROM allocation_summary", 3,
               "1|||;2|||;3|||;");
}

static void program_reads_them(void) {
    hawq_store              *store = NULL;
    hawq_arena               arena = {0};
    hawq_sensitivity_record *row;
    hawq_allocation_record   allocation;
    hawq_quantized_record    put = {.layer = 1,
                                    .candidate = "w2:mse",
                                    .bytes = 77,
                                    .stored_bits = 2,
                                    .error_before = NAN,
                                    .error_after = 0.5,
                                    .codes = (const uint8_t *)"co\0des",
                                    .n_codes = 6};
    hawq_quantized_record   *got;
    int                      n;
    if (!CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store))) return;
    CHECK_OK(
        hawq_store_load_sensitivity(store, 2, "measured", &arena, &n, &row));
    CHECK(n == 2 && !strcmp(row[1].candidate, "w2:mse") && !row[1].bytes);
    CHECK_OK(hawq_store_load_allocation(store, 2, &arena, &allocation));
    CHECK(!strcmp(allocation.choice[1].candidate, "w2:mse"));
    CHECK_OK(hawq_store_put_quantized(store, 2, 0, 1, &put));
    CHECK_OK(hawq_store_put_quantized(store, 2, 0, 1, &put));
    CHECK_OK(
        hawq_store_load_sensitivity(store, 2, "measured", &arena, &n, &row));
    CHECK(n == 2 && row[1].bytes == 77 && row[1].stored_bits == 2);
    CHECK_OK(hawq_store_load_quantized(store, 2, 0, -1, &arena, &n, &got));
    CHECK(n == 1 && got->n_codes == 6 && !got->codes);
    put.layer = 0;
    CHECK_OK(hawq_store_put_quantized(store, 0, 2, 1, &put));
    CHECK_OK(hawq_store_load_quantized(store, 0, 2, 0, &arena, &n, &got));
    CHECK(n == 1 && got->codes && !memcmp(got->codes, "co\0des", 6));
    CHECK(isnan(got->error_before) && got->error_after == 0.5);
    CHECK_OK(hawq_store_load_quantized(store, 1, 0, 0, &arena, &n, &got));
    CHECK(n == 0);
    hawq_store_close(store);
    hawq_arena_free(&arena);
}

int main(void) {
    hawq_store *store = NULL;
    char        other[64];
    int         file = mkstemp(path);
    if (file < 0) return 1;
    close(file);
    make_version_3();
    CHECK_FAILS(hawq_store_open(path, HAWQ_STORE_READ, &store), HAWQ_ESTATE,
                "schema version 3 of 6");
    if (CHECK_OK(hawq_store_open(path, HAWQ_STORE_WRITE, &store))) {
        hawq_store_close(store);
        rows_are_kept();
        views_are_kept();
        program_reads_them();
    }
    unlink(path);
    snprintf(other, sizeof other, "%s-wal", path);
    unlink(other);
    snprintf(other, sizeof other, "%s-shm", path);
    unlink(other);
    DONE();
}
