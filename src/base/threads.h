/* threads.h -- a fixed set of worker threads and one way to use them.
 *
 * hawq_threads_run hands out tasks 0, 1, ..., n-1 in this order. `work` runs
 * concurrently; `commit` runs for task 0, then 1, then 2, ... one at a time.
 * Whatever is summed in `commit` is therefore summed in the same order for any
 * number of threads: this is how results stay the same bits.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_THREADS_H
#define HAWQ_THREADS_H
#include "src/base/status.h"

#include <stddef.h>

typedef struct hawq_threads hawq_threads;

/* n >= 1 workers, the calling thread being one of them; n = 0 means the number
 * of processors online. EINVAL beyond 1024; ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_threads_new(int n, hawq_threads **out);
void                       hawq_threads_free(hawq_threads *threads);
int                        hawq_threads_count(const hawq_threads *threads);

/* A task; `worker` in [0, count) tells which private workspace to use. */
typedef void hawq_task(void *self, size_t task, int worker);

/* Runs n_tasks tasks and returns when all are done. `commit` may be NULL.
 * Not reentrant: a task must not call hawq_threads_run on the same set. */
void hawq_threads_run(hawq_threads *threads, size_t n_tasks, hawq_task *work,
                      hawq_task *commit, void *self);

#endif
