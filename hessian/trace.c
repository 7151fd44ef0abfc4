/* trace.c -- Hutchinson readings per block and channel, with balanced probes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "hessian/trace.h"

#include "src/base/rng.h"

#include <math.h>

static void draw_signs(uint64_t seed, uint64_t sample, int block, size_t n,
                       real *v) {
    uint64_t key = hawq_rng_key(seed, sample, (uint64_t)block, 0);
    for (size_t i = 0; i < n; i++) v[i] = (real)hawq_rng_sign(key, i);
}

const hawq_probe hawq_probe_rademacher = {"rademacher", draw_signs};

hawq_status hawq_tracer_init(hawq_tracer *t, hawq_arena *arena) {
    HAWQ_TAKE(t->scale, arena, (size_t)t->n_blocks);
    HAWQ_TAKE(t->v, arena, t->A.n);
    HAWQ_TAKE(t->av, arena, t->A.n);
    t->n_channels = 0;
    for (int l = 0; l < t->n_blocks; l++) {
        t->scale[l] = 1;
        t->n_channels += t->block[l].channels;
    }
    HAWQ_TAKE(t->reading, arena, t->n_channels);
    HAWQ_TAKE(t->part, arena, t->n_channels);
    return HAWQ_OK;
}

static bool has_probe(const hawq_tracer *t) {
    return t->A.read || !t->A.trace;
}

/* v = D v, the scaled probe `sample`. */
static void draw(hawq_tracer *t, uint64_t sample) {
    for (int l = 0; l < t->n_blocks; l++) {
        const hawq_block *b = &t->block[l];
        real             *v = t->v + b->offset;
        size_t            n = hawq_block_size(b);
        t->probe->draw(t->seed, sample, l, n, v);
        for (size_t i = 0; i < n; i++) v[i] *= (real)t->scale[l];
    }
}

static hawq_status check_finite(const hawq_block *block, uint64_t sample,
                                size_t n, const double *x) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return hawq_fail(HAWQ_ENONFINITE,
                             "layer '%s': the curvature of sample %llu is not "
                             "a finite number; look for overflow in the "
                             "network or its data",
                             block->name, (unsigned long long)sample);
    return HAWQ_OK;
}

/* av = A D v */
static hawq_status product(hawq_tracer *t, uint64_t sample) {
    draw(t, sample);
    t->A.apply(t->A.self, sample, t->v, t->av);
    for (int l = 0; l < t->n_blocks; l++)
        HAWQ_TRY(check_finite(&t->block[l], sample,
                              hawq_block_size(&t->block[l]),
                              t->av + t->block[l].offset));
    return HAWQ_OK;
}

/* The power of two next to x > 0 on a logarithmic scale. */
static double power_of_two(double x) {
    return ldexp(1, (int)lround(log2(x)));
}

hawq_status hawq_tracer_balance(hawq_tracer *t, uint64_t first, int n) {
    if (!has_probe(t)) return HAWQ_OK;
    for (int k = 0; k < n; k++) {
        HAWQ_TRY(product(t, first + (uint64_t)k));
        for (int l = 0; l < t->n_blocks; l++) {
            const double *av = t->av + t->block[l].offset;
            double        squares = 0;
            for (size_t i = 0; i < hawq_block_size(&t->block[l]); i++)
                squares += av[i] * av[i];
            double row = t->scale[l] * sqrt(squares);
            /* Row l of D A D has the norm s_l |(A D v)_l|; dividing s_l by
             * its root, again and again, brings every row to norm 1
             * (symmetric balancing of a matrix). */
            if (row > 0) t->scale[l] /= sqrt(row);
        }
    }
    for (int l = 0; l < t->n_blocks; l++)
        t->scale[l] = power_of_two(t->scale[l]);
    return HAWQ_OK;
}

/* sum of v (A v) over channel c of the block. */
static double channel_sum(const hawq_tracer *t, const hawq_block *b, size_t c) {
    double sum = 0;
    for (size_t a = 0; a < b->outer; a++) {
        size_t i = b->offset + (a * b->channels + c) * b->inner;
        for (size_t end = i + b->inner; i < end; i++)
            sum += (double)t->v[i] * t->av[i];
    }
    return sum;
}

static hawq_status check_readings(hawq_tracer *t, uint64_t sample,
                                  const double *reading) {
    for (int l = 0; l < t->n_blocks; l++) {
        size_t n = t->block[l].channels;
        HAWQ_TRY(check_finite(&t->block[l], sample, n, reading));
        reading += n;
    }
    return HAWQ_OK;
}

/* Readings with a probe: of all of A, or of what A.trace leaves. */
static hawq_status read_probe(hawq_tracer *t, uint64_t sample) {
    double *reading = t->reading;
    if (t->A.read) {
        draw(t, sample);
        t->A.read(t->A.self, sample, t->v, reading);
    } else
        HAWQ_TRY(product(t, sample));
    for (int l = 0; l < t->n_blocks; l++)
        for (size_t c = 0; c < t->block[l].channels; c++, reading++)
            if (!t->A.read) *reading = channel_sum(t, &t->block[l], c);
    return check_readings(t, sample, t->reading);
}

hawq_status hawq_tracer_sample(hawq_tracer *t, uint64_t sample, double *block,
                               double *channel) {
    const double *probed = t->reading, *part = t->part;
    if (has_probe(t)) HAWQ_TRY(read_probe(t, sample));
    if (t->A.trace) t->A.trace(t->A.self, sample, t->seed, t->part);
    HAWQ_TRY(check_readings(t, sample, t->part));
    for (int l = 0; l < t->n_blocks; l++) {
        /* v_l' (D A D v)_l has the mean s_l^2 tr A_ll */
        double square = t->scale[l] * t->scale[l];
        block[l] = 0;
        for (size_t c = 0; c < t->block[l].channels; c++)
            block[l] += *channel++ = *part++ + *probed++ / square;
    }
    return HAWQ_OK;
}
