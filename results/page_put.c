/* page_put.c -- putting what only pages show.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/handle.h"
#include "results/page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static hawq_status check(const hawq_store *store, bool finite) {
    return finite ? HAWQ_OK
                  : hawq_fail(HAWQ_ENONFINITE,
                              "%s: a number of the spectrum is not finite; "
                              "nothing is stored",
                              store->path);
}

hawq_status hawq_store_put_study(hawq_store *store, int64_t run,
                                 const hawq_study_record *row) {
    HAWQ_TRY(check(store, isfinite(row->loss) && isfinite(row->gradient_norm)));
    return HAWQ_SQL_RUN(
        store->db, "INSERT OR REPLACE INTO study VALUES (?, ?, ?, ?, ?, ?)",
        HAWQ_SQL_INT(run), HAWQ_SQL_INT(row->images), HAWQ_SQL_REAL(row->loss),
        HAWQ_SQL_REAL(row->accuracy), HAWQ_SQL_REAL(row->gradient_norm),
        HAWQ_SQL_INT(row->rest_bytes));
}

static hawq_status put_eigenvalues(hawq_store *store, int64_t run, int n,
                                   const hawq_eigenvalue_record *row) {
    for (int i = 0; i < n; i++) {
        HAWQ_TRY(
            check(store, isfinite(row[i].value) && isfinite(row[i].residual)));
        HAWQ_TRY(HAWQ_SQL_RUN(
            store->db,
            "INSERT OR REPLACE INTO eigenvalue VALUES (?, ?, ?, ?, ?)",
            HAWQ_SQL_INT(run), HAWQ_SQL_TEXT(row[i].layer), HAWQ_SQL_INT(i),
            HAWQ_SQL_REAL(row[i].value), HAWQ_SQL_REAL(row[i].residual)));
    }
    return HAWQ_OK;
}

hawq_status hawq_store_put_eigenvalues(hawq_store *store, int64_t run, int n,
                                       const hawq_eigenvalue_record *row) {
    HAWQ_TRY(hawq_sql_begin(store->db));
    return hawq_sql_end(store->db, put_eigenvalues(store, run, n, row));
}

static hawq_status put_density(hawq_store *store, int64_t run, int n,
                               const hawq_density_record *row) {
    for (int i = 0; i < n; i++) {
        HAWQ_TRY(
            check(store, isfinite(row[i].value) && isfinite(row[i].weight)));
        HAWQ_TRY(HAWQ_SQL_RUN(
            store->db,
            "INSERT OR REPLACE INTO density VALUES (?, ?, ?, ?, ?, ?)",
            HAWQ_SQL_INT(run), HAWQ_SQL_TEXT(row[i].layer),
            HAWQ_SQL_INT(row[i].start), HAWQ_SQL_INT(i),
            HAWQ_SQL_REAL(row[i].value), HAWQ_SQL_REAL(row[i].weight)));
    }
    return HAWQ_OK;
}

hawq_status hawq_store_put_density(hawq_store *store, int64_t run, int n,
                                   const hawq_density_record *row) {
    HAWQ_TRY(hawq_sql_begin(store->db));
    return hawq_sql_end(store->db, put_density(store, run, n, row));
}

static hawq_status put_walk(hawq_store *store, int64_t run, int n,
                            const hawq_walk_record *row) {
    for (int i = 0; i < n; i++) {
        HAWQ_TRY(check(store, isfinite(row[i].step) && isfinite(row[i].loss)));
        HAWQ_TRY(HAWQ_SQL_RUN(
            store->db, "INSERT OR REPLACE INTO walk VALUES (?, ?, ?, ?)",
            HAWQ_SQL_INT(run), HAWQ_SQL_TEXT(row[i].direction),
            HAWQ_SQL_REAL(row[i].step), HAWQ_SQL_REAL(row[i].loss)));
    }
    return HAWQ_OK;
}

hawq_status hawq_store_put_walk(hawq_store *store, int64_t run, int n,
                                const hawq_walk_record *row) {
    HAWQ_TRY(hawq_sql_begin(store->db));
    return hawq_sql_end(store->db, put_walk(store, run, n, row));
}

/* "[1,2.5]" */
static void join(char *text, size_t size, int n, const double *x) {
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i < n; i++) {
        snprintf(text + at, size - at, "%c%.9g", i ? ',' : '[', x[i]);
        at = strlen(text);
    }
    snprintf(text + at, size - at, "%s", n ? "]" : "[]");
}

hawq_status hawq_store_put_histogram(hawq_store *store, int64_t run,
                                     const hawq_histogram_record *row) {
    enum { EACH = 20 };
    char counts[HAWQ_PAGE_BINS * EACH + 3], levels[HAWQ_PAGE_LEVELS * EACH + 3];
    HAWQ_TRY(check(store, isfinite(row->low) && isfinite(row->width)));
    join(counts, sizeof counts, row->n_bins, row->count);
    join(levels, sizeof levels, row->n_levels, row->level);
    return HAWQ_SQL_RUN(
        store->db,
        "INSERT OR REPLACE INTO histogram VALUES (?, ?, ?, ?, ?, ?, ?)",
        HAWQ_SQL_INT(run), HAWQ_SQL_INT(row->layer),
        HAWQ_SQL_TEXT(row->candidate), HAWQ_SQL_REAL(row->low),
        HAWQ_SQL_REAL(row->width), HAWQ_SQL_TEXT(counts),
        HAWQ_SQL_TEXT(levels));
}
