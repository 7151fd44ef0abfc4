/* page.h -- what pages about networks need: a little more to put, and all that
 * is known of a model in one load.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_STORE_PAGE_H
#define HAWQ_STORE_PAGE_H
#include "results/store.h"
#include "src/base/page.h"

/* Each replaces what the run has of the same and is one transaction.
 * ENONFINITE, and nothing stored, for a number that is not finite (but an
 * accuracy). */
HAWQ_NODISCARD hawq_status hawq_store_put_study(hawq_store *store, int64_t run,
                                                const hawq_study_record *row);
/* Eigenvalues of one layer, in their order. */
HAWQ_NODISCARD hawq_status hawq_store_put_eigenvalues(
    hawq_store *store, int64_t run, int n, const hawq_eigenvalue_record *row);
/* Nodes of one start. */
HAWQ_NODISCARD hawq_status hawq_store_put_density(
    hawq_store *store, int64_t run, int n, const hawq_density_record *row);
HAWQ_NODISCARD hawq_status hawq_store_put_walk(hawq_store *store, int64_t run,
                                               int                     n,
                                               const hawq_walk_record *row);
HAWQ_NODISCARD hawq_status hawq_store_put_histogram(
    hawq_store *store, int64_t run, const hawq_histogram_record *row);

/* The newest complete analysis of the model that measured or, without such a
 * one, any; the newest spectrum, its newest allocation, front of
 * weight bytes and benchmarks; in the arena. What there is not is no error. */
HAWQ_NODISCARD hawq_status hawq_store_load_page(hawq_store *store,
                                                const char *model_hash,
                                                hawq_arena *arena,
                                                hawq_page  *out);

#endif
