/* timer.c -- see timer.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/timer.h"

#include <stdlib.h>
#include <time.h>

uint64_t hawq_timer_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The p-quantile of n sorted samples. */
static double quantile(const double *sorted, int n, double p) {
    double at = p * (n - 1);
    int    i = (int)at;
    if (i >= n - 1) return sorted[n - 1];
    return sorted[i] + (at - i) * (sorted[i + 1] - sorted[i]);
}

hawq_timing hawq_timing_of(double *samples_ns, int n) {
    qsort(samples_ns, (size_t)n, sizeof *samples_ns, ascending);
    return (hawq_timing){.median_ns = quantile(samples_ns, n, 0.5),
                         .q1_ns = quantile(samples_ns, n, 0.25),
                         .q3_ns = quantile(samples_ns, n, 0.75),
                         .min_ns = samples_ns[0],
                         .batches = n,
                         .calls_per_batch = 1};
}

static uint64_t batch(void (*call)(void *), void *context, size_t calls) {
    uint64_t start = hawq_timer_now();
    for (size_t i = 0; i < calls; i++) call(context);
    return hawq_timer_now() - start;
}

hawq_timing hawq_timer_measure(void (*call)(void *context), void *context,
                               uint64_t warm_up_ns, uint64_t batch_ns,
                               int batches) {
    double samples[HAWQ_TIMER_MAX_BATCHES];
    size_t calls = 1;
    if (batches < 1) batches = 1;
    if (batches > HAWQ_TIMER_MAX_BATCHES) batches = HAWQ_TIMER_MAX_BATCHES;
    for (uint64_t spent = 0;;) {
        uint64_t t = batch(call, context, calls);
        spent += t;
        if (t < batch_ns)
            calls *= 2;
        else if (spent >= warm_up_ns)
            break;
    }
    for (int i = 0; i < batches; i++)
        samples[i] = (double)batch(call, context, calls) / (double)calls;
    hawq_timing timing = hawq_timing_of(samples, batches);
    timing.calls_per_batch = calls;
    return timing;
}
