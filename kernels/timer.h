/* timer.h -- wall-clock time of a callback: warm-up, batches, median,
 * quartiles.
 *
 * A call is repeated in batches long enough for the clock (calls per batch are
 * found by doubling during the warm-up), and each batch gives one sample: its
 * time divided by its calls. The median and the quartiles of the samples are
 * reported, since the distribution has a long tail on one side only.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TIMER_H
#define HAWQ_TIMER_H
#include <stddef.h>
#include <stdint.h>

enum { HAWQ_TIMER_MAX_BATCHES = 255 };

typedef struct hawq_timing {
    double median_ns;    /* of one call */
    double q1_ns, q3_ns; /* quartiles of the same samples */
    double min_ns;
    int    batches; /* samples taken */
    size_t calls_per_batch;
} hawq_timing;

/* Nanoseconds of the monotonic clock; only differences mean anything. */
uint64_t hawq_timer_now(void);

/* Calls call(context) until at least warm_up_ns have passed, then measures
 * `batches` (1 .. HAWQ_TIMER_MAX_BATCHES, else the nearest) batches of at least
 * about batch_ns each. */
hawq_timing hawq_timer_measure(void (*call)(void *context), void *context,
                               uint64_t warm_up_ns, uint64_t batch_ns,
                               int batches);

/* The statistics of n samples (1 <= n), which are sorted in place; quartiles by
 * linear interpolation. calls_per_batch is left 1. */
hawq_timing hawq_timing_of(double *samples_ns, int n);

#endif
