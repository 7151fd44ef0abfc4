/* bench_anchor.h -- somebody else's convolution, to measure against.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_BENCH_ANCHOR_H
#define HAWQ_BENCH_ANCHOR_H
#include "kernels/kernel.h"

/* "oneDNN 2.6.3", or "" if it was not there at build time. */
const char *bench_anchor_name(void);

/* The same layer in the anchor: u8 times s8 to u8, ReLU, a scale per output
 * channel, in the anchor's own best layout, ready to run on one thread. NULL
 * if it cannot. */
void *bench_anchor_new(const hawq_conv *conv);

/* Mean nanoseconds of `calls` runs, after one that is not counted. */
double bench_anchor_ns(void *anchor, size_t calls);

void bench_anchor_free(void *anchor);

#endif
