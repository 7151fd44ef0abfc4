/* threads.c -- pthread workers woken by a generation counter.
 *
 * Lock order: there is one lock. A worker takes the next task under it, works
 * without it, then waits under it for its turn to commit. Tasks are handed out
 * in order, so the holder of the lowest uncommitted task is always running:
 * no deadlock.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/threads.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

struct hawq_threads {
    int             n;
    pthread_t      *thread; /* n - 1 of them; the caller is worker 0 */
    pthread_mutex_t lock;
    pthread_cond_t  wake, turn, idle;
    bool            quit;
    unsigned long   generation; /* number of hawq_threads_run calls so far */
    int             busy;       /* pool threads still inside this generation */
    size_t          n_tasks, next, committed;
    hawq_task      *work, *commit;
    void           *self;
};

typedef struct start {
    hawq_threads *threads;
    int           worker;
} start;

static void take_tasks(hawq_threads *t, int worker) {
    pthread_mutex_lock(&t->lock);
    while (t->next < t->n_tasks) {
        size_t task = t->next++;
        pthread_mutex_unlock(&t->lock);
        t->work(t->self, task, worker);
        pthread_mutex_lock(&t->lock);
        while (t->commit && t->committed != task)
            pthread_cond_wait(&t->turn, &t->lock);
        if (t->commit) t->commit(t->self, task, worker);
        t->committed++;
        pthread_cond_broadcast(&t->turn);
    }
    pthread_mutex_unlock(&t->lock);
}

static void *worker_main(void *argument) {
    start         s = *(start *)argument;
    hawq_threads *t = s.threads;
    unsigned long seen = 0;
    free(argument);
    for (;;) {
        pthread_mutex_lock(&t->lock);
        while (t->generation == seen && !t->quit)
            pthread_cond_wait(&t->wake, &t->lock);
        seen = t->generation;
        bool quit = t->quit;
        pthread_mutex_unlock(&t->lock);
        if (quit) return NULL;
        take_tasks(t, s.worker);
        pthread_mutex_lock(&t->lock);
        if (--t->busy == 0) pthread_cond_signal(&t->idle);
        pthread_mutex_unlock(&t->lock);
    }
}

static bool worker_start(hawq_threads *t, int worker) {
    start *s = malloc(sizeof *s);
    if (!s) return false;
    *s = (start){t, worker};
    if (pthread_create(&t->thread[worker - 1], NULL, worker_main, s) == 0)
        return true;
    free(s);
    return false;
}

hawq_status hawq_threads_new(int n, hawq_threads **out) {
    if (n == 0) n = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (n < 1 || n > 1024)
        return hawq_fail(HAWQ_EINVAL, "threads: %d given, expected 1 to 1024",
                         n);
    hawq_threads *t = calloc(1, sizeof *t);
    if (t) t->thread = calloc((size_t)n, sizeof *t->thread);
    if (!t || !t->thread) {
        free(t);
        return hawq_fail(HAWQ_ENOMEM, "out of memory for %d threads", n);
    }
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, NULL);
    pthread_cond_init(&t->turn, NULL);
    pthread_cond_init(&t->idle, NULL);
    for (t->n = 1; t->n < n; t->n++)
        if (!worker_start(t, t->n)) {
            hawq_threads_free(t);
            return hawq_fail(HAWQ_ENOMEM, "cannot start %d threads", n);
        }
    *out = t;
    return HAWQ_OK;
}

void hawq_threads_free(hawq_threads *t) {
    if (!t) return;
    pthread_mutex_lock(&t->lock);
    t->quit = true;
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
    for (int i = 1; i < t->n; i++) pthread_join(t->thread[i - 1], NULL);
    pthread_cond_destroy(&t->idle);
    pthread_cond_destroy(&t->turn);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    free(t->thread);
    free(t);
}

int hawq_threads_count(const hawq_threads *threads) {
    return threads->n;
}

void hawq_threads_run(hawq_threads *t, size_t n_tasks, hawq_task *work,
                      hawq_task *commit, void *self) {
    pthread_mutex_lock(&t->lock);
    t->n_tasks = n_tasks;
    t->next = t->committed = 0;
    t->work = work;
    t->commit = commit;
    t->self = self;
    t->busy = t->n - 1;
    t->generation++;
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
    take_tasks(t, 0);
    pthread_mutex_lock(&t->lock);
    while (t->busy) pthread_cond_wait(&t->idle, &t->lock);
    pthread_mutex_unlock(&t->lock);
}
