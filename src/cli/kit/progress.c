/* progress.c -- the line is written in one piece and fitted to the terminal.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/progress.h"

#include "src/base/clock.h"
#include "src/cli/kit/interrupt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR = 27, LINE_BYTES = 512 };
static const double redraw_seconds = 0.1;

/* A line is drawn again and again, which needs a terminal that can go back and
 * erase. */
static bool can_redraw(void) {
    const char *kind = getenv("TERM");
    return isatty(STDERR_FILENO) && !(kind && !strcmp(kind, "dumb"));
}

void hawq_progress_begin(hawq_progress *p, bool quiet, const char *what,
                         int64_t total, const char *unit) {
    *p = (hawq_progress){.what = what,
                         .unit = unit,
                         .total = total,
                         .first = -1,
                         .on = !quiet && can_redraw(),
                         .begun = hawq_clock_now()};
}

/* "1:02:03" or "02:03" */
static void clock_text(double seconds, char *text, size_t size) {
    int s = seconds < 0 ? 0 : seconds > 3.6e6 ? 3600000 : (int)(seconds + 0.5);
    if (s >= 3600)
        snprintf(text, size, "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, size, "%02d:%02d", s / 60, s % 60);
}

/* "[####----] " of that many columns; nothing if there is room for no bar. */
static void bar_text(double part, int columns, char text[BAR + 1]) {
    int wide = (columns > BAR ? BAR : columns) - 3;
    int full = (int)(part * wide);
    text[0] = '\0';
    if (wide < 4) return;
    memset(text + 1, '-', (size_t)wide);
    memset(text + 1, '#', (size_t)(full < 0 ? 0 : full > wide ? wide : full));
    text[0] = '[';
    memcpy(text + 1 + wide, "] ", 3);
}

static int columns_of_terminal(void) {
    struct winsize window = {0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window)) window.ws_col = 80;
    return window.ws_col > 1 ? window.ws_col - 1 : 79;
}

/* What follows the bar. Returns its length. */
static int rest_text(const hawq_progress *p, int64_t done, const char *note,
                     char *text, size_t size) {
    char   clock[32];
    double seconds = hawq_clock_now() - p->begun;
    double rate = seconds > 0 ? (double)(done - p->first) / seconds : 0;
    int    n;
    if (p->total > 0) {
        clock_text(rate > 0 ? (double)(p->total - done) / rate : 0, clock,
                   sizeof clock);
        n = snprintf(text, size, "%" PRId64 "/%" PRId64 " %s  %.3g/s  %s left",
                     done, p->total, p->unit, rate, rate > 0 ? clock : "--:--");
    } else {
        clock_text(seconds, clock, sizeof clock);
        n = snprintf(text, size, "%" PRId64 " %s  %.3g/s  %s", done, p->unit,
                     rate, clock);
    }
    if (note && n > 0 && n < (int)size)
        n += snprintf(text + n, size - (size_t)n, "  %s", note);
    return n;
}

/* The bar takes what the words leave; only a terminal too narrow for the words
 * alone has them cut. */
static void draw(const hawq_progress *p, int64_t done, const char *note) {
    char line[2 * LINE_BYTES], rest[LINE_BYTES], bar[BAR + 1] = "";
    int  columns = columns_of_terminal();
    int  words =
        rest_text(p, done, note, rest, sizeof rest) + (int)strlen(p->what) + 1;
    if (p->total > 0)
        bar_text((double)done / (double)p->total, columns - words, bar);
    snprintf(line, sizeof line, "%s %s%s", p->what, bar, rest);
    fprintf(stderr, "\r%.*s\033[K", columns, line);
    fflush(stderr);
}

void hawq_progress_update(hawq_progress *p, int64_t done, const char *note) {
    if (!p->on) return;
    double t = hawq_clock_now();
    if (p->first < 0) p->first = done; /* resumed work is not our speed */
    if (p->drawn && t - p->last < redraw_seconds) return;
    hawq_interrupt_mid_line(true);
    p->drawn = true;
    p->last = t;
    draw(p, done, note);
}

void hawq_progress_end(hawq_progress *p) {
    if (p->drawn) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        hawq_interrupt_mid_line(false);
    }
    p->drawn = false;
}
