/* clock.h -- the time that passes, and deadlines.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_CLOCK_H
#define HAWQ_CLOCK_H
#include <stdbool.h>

/* Seconds of a clock that only moves forward; its start is arbitrary. */
double hawq_clock_now(void);

/* When this share of so many seconds will have passed; 0: of 60 seconds. */
double hawq_clock_deadline(double seconds, double share);

/* Never, and without reading the clock, for a deadline of INFINITY. */
bool hawq_clock_passed(double deadline);

#endif
