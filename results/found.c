/* found.c -- fronts and benchmarks are put; and what all that is put shares.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/handle.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

hawq_value hawq_value_id(int64_t id) {
    return id ? HAWQ_SQL_INT(id) : HAWQ_SQL_TEXT(NULL);
}

hawq_value hawq_value_candidate(const char *given, int bits,
                                char text[HAWQ_PLAIN_TEXT]) {
    if (bits == HAWQ_FLOAT_BITS)
        snprintf(text, HAWQ_PLAIN_TEXT, "float");
    else
        snprintf(text, HAWQ_PLAIN_TEXT, "w%d", bits);
    return HAWQ_SQL_TEXT(given ? given : text);
}

/* --- fronts ----------------------------------------------------------------
 */

/* "[8,4,2]" */
static const char *bits_text(hawq_arena *arena, int n, const int *bits) {
    size_t size = 12 * (size_t)n + 3, used = 1;
    char  *text = hawq_arena_take(arena, size, 1);
    if (!text) return NULL;
    text[0] = '[';
    for (int i = 0; i < n; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%d", i ? "," : "",
                                 bits[i]);
    text[used] = ']';
    return text;
}

/* ["w8","w4:gptq"]: candidates have neither quotes nor backslashes. */
static const char *candidates_text(hawq_arena *arena, int n,
                                   const hawq_front_point *p) {
    char   plain[HAWQ_PLAIN_TEXT];
    size_t size = 3, used = 1;
    for (int i = 0; i < n; i++)
        size += 3 + strlen(hawq_value_candidate(p->candidate ? p->candidate[i]
                                                             : NULL,
                                                p->weight_bits[i], plain)
                               .text);
    char *text = hawq_arena_take(arena, size, 1);
    if (!text) return NULL;
    text[0] = '[';
    for (int i = 0; i < n; i++)
        used += (size_t)snprintf(
            text + used, size - used, "%s\"%s\"", i ? "," : "",
            hawq_value_candidate(p->candidate ? p->candidate[i] : NULL,
                                 p->weight_bits[i], plain)
                .text);
    text[used] = ']';
    return text;
}

static hawq_status put_front(hawq_store *store, int64_t run, int64_t analysis,
                             const hawq_front_record *front) {
    hawq_sql *db = store->db;
    HAWQ_TRY(HAWQ_SQL_RUN(
        db,
        "INSERT INTO front (run_id, analysis_run_id, cost_kind, solver,"
        " metric) VALUES (?, ?, ?, ?, ?)",
        HAWQ_SQL_INT(run), hawq_value_id(analysis),
        HAWQ_SQL_TEXT(front->cost_kind), HAWQ_SQL_TEXT(front->solver),
        HAWQ_SQL_TEXT(front->metric)));
    int64_t id = hawq_sql_last_id(db);
    for (int i = 0; i < front->n_points; i++) {
        const hawq_front_point *p = &front->point[i];
        const char             *bits =
            bits_text(&store->arena, front->n_layers, p->weight_bits);
        const char *candidates =
            candidates_text(&store->arena, front->n_layers, p);
        if (!bits || !candidates) return HAWQ_ENOMEM;
        HAWQ_TRY(HAWQ_SQL_RUN(
            db, "INSERT INTO front_point VALUES (?, ?, ?, ?, ?, ?, ?)",
            HAWQ_SQL_INT(id), HAWQ_SQL_INT(i), HAWQ_SQL_REAL(p->cost),
            HAWQ_SQL_REAL(p->objective), HAWQ_SQL_REAL(p->mean_bits),
            HAWQ_SQL_TEXT(bits), HAWQ_SQL_TEXT(candidates)));
    }
    return HAWQ_OK;
}

hawq_status hawq_store_put_front(hawq_store *store, int64_t run,
                                 int64_t                  analysis,
                                 const hawq_front_record *front) {
    hawq_mark mark = hawq_arena_mark(&store->arena);
    HAWQ_TRY(hawq_sql_begin(store->db));
    hawq_status status =
        hawq_sql_end(store->db, put_front(store, run, analysis, front));
    hawq_arena_reset(&store->arena, mark);
    return status;
}

/* --- what a benchmark puts ---------------------------------------------- */

static hawq_status put_benchmark(hawq_sql *db, int64_t run,
                                 const hawq_benchmark_record *b, int64_t *id) {
    HAWQ_TRY(HAWQ_SQL_RUN(
        db,
        "INSERT INTO benchmark (run_id, allocation_id, label, device, kernels,"
        " batch_size, threads, repeats, samples, accuracy, loss,"
        " float_accuracy, float_loss, agreement, weight_bytes, file_bytes,"
        " latency_us, latency_spread_us, speedup_vs_float,"
        " speedup_vs_uniform8, bit_exact)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
        " ?)",
        HAWQ_SQL_INT(run), hawq_value_id(b->allocation),
        HAWQ_SQL_TEXT(b->label), HAWQ_SQL_TEXT(b->device),
        HAWQ_SQL_TEXT(b->kernels), HAWQ_SQL_INT(b->batch_size),
        HAWQ_SQL_INT(b->threads), HAWQ_SQL_INT(b->repeats),
        HAWQ_SQL_INT(b->samples), HAWQ_SQL_REAL(b->accuracy),
        HAWQ_SQL_REAL(b->loss), HAWQ_SQL_REAL(b->float_accuracy),
        HAWQ_SQL_REAL(b->float_loss), HAWQ_SQL_REAL(b->agreement),
        HAWQ_SQL_INT(b->weight_bytes), HAWQ_SQL_INT(b->file_bytes),
        HAWQ_SQL_REAL(b->latency_us), HAWQ_SQL_REAL(b->latency_spread_us),
        HAWQ_SQL_REAL(b->speedup_vs_float),
        HAWQ_SQL_REAL(b->speedup_vs_uniform8), HAWQ_SQL_INT(b->bit_exact)));
    *id = hawq_sql_last_id(db);
    for (int i = 0; i < b->n_layers; i++) {
        const hawq_layer_timing *t = &b->layer[i];
        char                     text[HAWQ_PLAIN_TEXT];
        HAWQ_TRY(HAWQ_SQL_RUN(
            db, "INSERT INTO benchmark_layer VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            HAWQ_SQL_INT(*id), HAWQ_SQL_INT(i), HAWQ_SQL_TEXT(t->layer),
            HAWQ_SQL_INT(t->weight_bits), HAWQ_SQL_INT(t->activation_bits),
            HAWQ_SQL_TEXT(t->kernel), HAWQ_SQL_REAL(t->latency_us),
            hawq_value_candidate(t->format, t->weight_bits, text)));
    }
    return HAWQ_OK;
}

hawq_status hawq_store_put_benchmark(hawq_store *store, int64_t run,
                                     const hawq_benchmark_record *row,
                                     int64_t                     *id) {
    int64_t made = 0;
    HAWQ_TRY(hawq_sql_begin(store->db));
    HAWQ_TRY(
        hawq_sql_end(store->db, put_benchmark(store->db, run, row, &made)));
    *id = made;
    return HAWQ_OK;
}
