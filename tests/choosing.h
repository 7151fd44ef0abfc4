/* choosing.h -- rows of weights and evidence of what their errors cost, out of
 * random numbers: for tests of how codes are chosen.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_CHOOSING_H
#define HAWQ_TESTS_CHOOSING_H
#include "src/base/rng.h"
#include "src/quant/quantize.h"
#include "tests/check.h"

/* --- evidence out of random numbers -------------------------------------- */

/* Rows of normal targets, and moments of inputs that are mixed with their
 * neighbours: C = B B' / n. Blocks differ. */
typedef struct problem {
    hawq_arena    arena;
    hawq_threads *threads;
    hawq_evidence e;
    double       *target, *moment, *mean, *curvature;
} problem;

static inline double *psd(hawq_arena *arena, size_t n, uint64_t key) {
    double *c = hawq_arena_take(arena, n * n, sizeof *c);
    for (size_t s = 0; s < 2 * n + 3; s++) {
        double u[256];
        for (size_t k = 0; k < n; k++)
            u[k] = hawq_rng_normal(key, s * n + k) * (1 + (double)(k % 3)) +
                   (k ? 0.8 * u[k - 1] : 0);
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < n; k++)
                c[i * n + k] += u[i] * u[k] / (double)(2 * n + 3);
    }
    return c;
}

static inline problem open_problem(size_t rows, size_t cols, size_t blocks,
                                   uint64_t seed) {
    problem p = {0};
    CHECK_OK(hawq_threads_new(1, &p.threads));
    p.target = hawq_arena_take(&p.arena, rows * cols, sizeof(double));
    p.moment = hawq_arena_take(&p.arena, blocks * cols * cols, sizeof(double));
    p.mean = hawq_arena_take(&p.arena, blocks * cols, sizeof(double));
    for (size_t i = 0; i < rows * cols; i++)
        p.target[i] = hawq_rng_normal(hawq_rng_key(seed, 1, 0, 0), i);
    for (size_t b = 0; b < blocks; b++)
        memcpy(p.moment + b * cols * cols,
               psd(&p.arena, cols, hawq_rng_key(seed, 2, b, 0)),
               cols * cols * sizeof(double));
    p.curvature = psd(&p.arena, rows, hawq_rng_key(seed, 3, 0, 0));
    p.e = (hawq_evidence){.rows = rows,
                          .cols = cols,
                          .blocks = blocks,
                          .target = p.target,
                          .moment = p.moment,
                          .mean = p.mean,
                          .output_curvature = p.curvature};
    return p;
}

static inline void close_problem(problem *p) {
    hawq_threads_free(p->threads);
    hawq_arena_free(&p->arena);
}

static inline hawq_quantized choose(problem *p, const char *name) {
    hawq_candidate c;
    hawq_quantized q = {0};
    CHECK_OK(hawq_candidate_read(name, &c));
    CHECK_OK(
        hawq_quantized_new(&c.format, p->e.rows, p->e.cols, &p->arena, &q));
    CHECK_OK(c.method->run(&p->e, p->threads, &q));
    return q;
}

/* H: C with the damping of second_order.h. */
static inline double *damped(problem *p, size_t block) {
    size_t  n = p->e.cols;
    double *h = hawq_arena_take(&p->arena, n * n, sizeof *h), mean = 0;
    memcpy(h, p->moment + block * n * n, n * n * sizeof *h);
    for (size_t k = 0; k < n; k++) mean += h[k * n + k] / (double)n;
    for (size_t k = 0; k < n; k++) h[k * n + k] += 0.01 * mean;
    return h;
}

static inline double quadratic(size_t n, const double *h, const double *d) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) sum += d[i] * h[i * n + k] * d[k];
    return sum;
}

/* d'Hd of row c for codes as given. */
static inline double error_of(const problem *p, const hawq_quantized *q,
                              const double *h, size_t c, const uint8_t *code) {
    double d[64];
    for (size_t k = 0; k < p->e.cols; k++)
        d[k] = (double)q->scale[c] * hawq_quantized_levels(q, c)[code[k]] -
               p->target[c * p->e.cols + k];
    return quadratic(p->e.cols, h, d);
}

#endif
