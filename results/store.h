/* store.h -- the results database: one SQLite file in which every number of
 * an analysis, a search and a benchmark can be queried.
 *
 * Legal call order: open; begin_run; any put; finish_run (or drop_run);
 * close. Begin a run only when its input has been validated: a run that fails
 * validation leaves no row. Every put is one transaction, so a killed program
 * loses at most what it was putting, and the run stays 'running' until it is
 * resumed. Loads and finds may be called at any time.
 *
 * The schema is results/schema.sql; its views are the interface for users.
 * Every failure is one sentence with the file's path. A store belongs to one
 * thread; any number of processes may write to one file.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_STORE_H
#define HAWQ_STORE_H
#include "src/base/arena.h"
#include "src/base/record.h"
#include "src/base/status.h"

typedef struct hawq_store hawq_store;

typedef enum hawq_store_mode {
    HAWQ_STORE_READ, /* the file must exist */
    HAWQ_STORE_WRITE /* created or migrated to the present schema if needed */
} hawq_store_mode;

/* EIO: cannot be opened or created; EFORMAT: not a database, or not one of
 * this program; ESTATE: read-only, locked by another program for more than
 * ten seconds, or of a newer schema; ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_store_open(const char     *path,
                                           hawq_store_mode mode,
                                           hawq_store    **out);
void                       hawq_store_close(hawq_store *store); /* NULL: ok */

/* How long a write waits for another program; ten seconds unless set. */
void hawq_store_patience(hawq_store *store, int milliseconds);

/* --- runs --------------------------------------------------------------- */

/* A new row in state 'running'; *run > 0. */
HAWQ_NODISCARD hawq_status hawq_store_begin_run(hawq_store            *store,
                                                const hawq_run_record *record,
                                                int64_t               *run);
/* State 'complete' and the time. */
HAWQ_NODISCARD hawq_status hawq_store_finish_run(hawq_store *store,
                                                 int64_t     run);
/* Removes the run and all that hangs on it. */
HAWQ_NODISCARD hawq_status hawq_store_drop_run(hawq_store *store, int64_t run);

/* --- what a run found; each call is one transaction ---------------------
 * ENONFINITE, and nothing stored, if a mean, a reading or a sensitivity is no
 * finite number; where a number may be unknown it is NULL in the database. */

/* Layers 0 ... n-1, once per run, before anything that names a layer. */
HAWQ_NODISCARD hawq_status hawq_store_put_layers(hawq_store *store, int64_t run,
                                                 int                      n,
                                                 const hawq_layer_record *row);
/* One batch of samples: all layers of one sample, usually. A row with the same
 * (sample, layer, metric) is replaced, so redoing a sample is harmless. */
HAWQ_NODISCARD hawq_status hawq_store_put_samples(
    hawq_store *store, int64_t run, int n, const hawq_sample_record *row);
/* row[i] is of layer i; replaces earlier estimates of the metric. */
HAWQ_NODISCARD hawq_status hawq_store_put_estimates(hawq_store *store,
                                                    int64_t     run,
                                                    const char *metric, int n,
                                                    const hawq_estimate *row);
/* Activation `index` with its readers and rises, once per run; after the
 * layers. */
HAWQ_NODISCARD hawq_status
hawq_store_put_activation(hawq_store *store, int64_t run, int index,
                          const hawq_activation_record *row);
HAWQ_NODISCARD hawq_status hawq_store_put_sensitivity(
    hawq_store *store, int64_t run, int n, const hawq_sensitivity_record *row);
HAWQ_NODISCARD hawq_status hawq_store_put_interactions(
    hawq_store *store, int64_t run, int n, const hawq_interaction_record *row);

/* Layers quantized by a run, or refined for an allocation of it (run 0);
 * replaces what is there of the same layer and candidate, or of the same layer
 * of the allocation. ENONFINITE: stored_bits or seconds. */
HAWQ_NODISCARD hawq_status
hawq_store_put_quantized(hawq_store *store, int64_t run, int64_t allocation,
                         int n, const hawq_quantized_record *row);

/* analysis: the run whose sensitivities were used, 0 = none. *id > 0. */
HAWQ_NODISCARD hawq_status
hawq_store_put_allocation(hawq_store *store, int64_t run, int64_t analysis,
                          const hawq_allocation_record *row, int64_t *id);
/* A front in ascending cost; one per run and cost kind. */
HAWQ_NODISCARD hawq_status hawq_store_put_front(hawq_store *store, int64_t run,
                                                int64_t analysis,
                                                const hawq_front_record *front);
HAWQ_NODISCARD hawq_status
hawq_store_put_benchmark(hawq_store *store, int64_t run,
                         const hawq_benchmark_record *row, int64_t *id);

/* --- queries: what is absent is no error; memory is the arena's --------- */

/* Newest complete run of a model with sensitivities of `metric` (NULL: of any
 * metric); *run = 0 if there is none. */
HAWQ_NODISCARD hawq_status hawq_store_find_analysis(hawq_store *store,
                                                    const char *model_hash,
                                                    const char *metric,
                                                    int64_t    *run);
/* All complete runs of a model with sensitivities of `metric`, newest first. */
HAWQ_NODISCARD hawq_status hawq_store_load_analyses(hawq_store *store,
                                                    const char *model_hash,
                                                    const char *metric,
                                                    hawq_arena *arena, int *n,
                                                    int64_t **run);
/* Newest run in state 'running' with the same program, model hash, data, loss,
 * seed and `sampling`: its samples are ours. *run = 0 if there is none. */
HAWQ_NODISCARD hawq_status hawq_store_find_unfinished(
    hawq_store *store, const hawq_run_record *like, int64_t *run);
/* id 0: the newest allocation of the model. *found = 0 if there is none; an
 * id of another model is EINVAL. */
HAWQ_NODISCARD hawq_status hawq_store_find_allocation(hawq_store *store,
                                                      const char *model_hash,
                                                      int64_t     id,
                                                      int64_t    *found);

/* EINVAL if there is no such run (or allocation). */
HAWQ_NODISCARD hawq_status hawq_store_load_run(hawq_store *store, int64_t run,
                                               hawq_arena      *arena,
                                               hawq_run_record *out);
HAWQ_NODISCARD hawq_status
hawq_store_load_allocation(hawq_store *store, int64_t id, hawq_arena *arena,
                           hawq_allocation_record *out);

/* The sentence for an analysis whose rows are not what was put: `what` is
 * missing or wrong. EFORMAT. */
HAWQ_NODISCARD hawq_status hawq_store_incomplete(const hawq_store *store,
                                                 int64_t run, const char *what);

/* All loads: EFORMAT if another program has removed or changed rows, so that a
 * layer is missing, an index is out of range or a number is not finite. In a
 * complete run every layer has all that one has.
 *
 * Rows in the order of layer (samples: of sample, then layer; sensitivities:
 * of metric, layer, falling bits, candidate). metric NULL: all metrics. */
HAWQ_NODISCARD hawq_status hawq_store_load_layers(hawq_store *store,
                                                  int64_t     run,
                                                  hawq_arena *arena, int *n,
                                                  hawq_layer_record **out);
HAWQ_NODISCARD hawq_status hawq_store_load_samples(hawq_store *store,
                                                   int64_t     run,
                                                   const char *metric,
                                                   hawq_arena *arena, int *n,
                                                   hawq_sample_record **out);
HAWQ_NODISCARD hawq_status hawq_store_load_estimates(hawq_store *store,
                                                     int64_t     run,
                                                     const char *metric,
                                                     hawq_arena *arena, int *n,
                                                     hawq_estimate **out);
HAWQ_NODISCARD hawq_status hawq_store_load_sensitivity(
    hawq_store *store, int64_t run, const char *metric, hawq_arena *arena,
    int *n, hawq_sensitivity_record **out);
/* Of a run or, run 0, of an allocation, in the order of the layers. layer < 0:
 * of all, without their codes, but n_codes says how many bytes there are. */
HAWQ_NODISCARD hawq_status hawq_store_load_quantized(
    hawq_store *store, int64_t run, int64_t allocation, int layer,
    hawq_arena *arena, int *n, hawq_quantized_record **out);
/* In the order they were numbered. */
HAWQ_NODISCARD hawq_status
hawq_store_load_activations(hawq_store *store, int64_t run, hawq_arena *arena,
                            int *n, hawq_activation_record **out);
HAWQ_NODISCARD hawq_status
hawq_store_load_interactions(hawq_store *store, int64_t run, hawq_arena *arena,
                             int *n, hawq_interaction_record **out);

/* The newest time of every layer in every format, at every width of
 * activations, in the order of the layers, and the newest total of every
 * network that was timed with its layers. */
HAWQ_NODISCARD hawq_status hawq_store_load_timings(hawq_store *store,
                                                   const hawq_latency_key *key,
                                                   hawq_arena *arena, int *n,
                                                   hawq_layer_timing **out);
HAWQ_NODISCARD hawq_status hawq_store_load_totals(hawq_store             *store,
                                                  const hawq_latency_key *key,
                                                  hawq_arena *arena, int *n,
                                                  hawq_total_timing **out);

/* "3.40.1": of the SQLite it runs with. */
const char *hawq_store_sqlite_version(void);

#endif
