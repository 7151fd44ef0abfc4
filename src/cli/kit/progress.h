/* progress.h -- one line on stderr: bar, count, rate, time left.
 *
 * Shown only if stderr is a terminal and the user has not asked for quiet;
 * redrawn at most ten times a second, so an update may stand in an inner loop.
 * Fitted to the terminal by a shorter bar. An interrupt leaves it on a line of
 * its own.
 *
 *     hawq_progress p;
 *     hawq_progress_begin(&p, cli->quiet, "analysing", n, "samples");
 *     hawq_progress_update(&p, done, "error 3.1 %");
 *     hawq_progress_end(&p);           erases the line; safe to call twice
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_PROGRESS_H
#define HAWQ_PROGRESS_H
#include <stdbool.h>
#include <stdint.h>

typedef struct hawq_progress {
    const char *what, *unit;
    int64_t     total; /* 0: not known */
    int64_t     first; /* count already done at begin's first update */
    bool        on, drawn;
    double      begun, last; /* seconds of a steady clock */
} hawq_progress;

void hawq_progress_begin(hawq_progress *p, bool quiet, const char *what,
                         int64_t total, const char *unit);
/* done: units finished so far. note: a phrase at the end, or NULL. */
void hawq_progress_update(hawq_progress *p, int64_t done, const char *note);
void hawq_progress_end(hawq_progress *p);

#endif
