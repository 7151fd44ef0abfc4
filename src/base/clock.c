/* clock.c -- see clock.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/clock.h"

#include <math.h>
#include <time.h>

double hawq_clock_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double hawq_clock_deadline(double seconds, double share) {
    return hawq_clock_now() + share * (seconds > 0 ? seconds : 60);
}

bool hawq_clock_passed(double deadline) {
    return !isinf(deadline) && hawq_clock_now() >= deadline;
}
