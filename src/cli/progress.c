/* progress.c -- the line is written in one piece and cut to the terminal.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 24, LINE_BYTES = 512 };
static const double redraw_seconds = 0.1;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void hawq_progress_begin(hawq_progress *p, bool quiet, const char *what,
                         int64_t total, const char *unit) {
    *p = (hawq_progress){.what = what,
                         .unit = unit,
                         .total = total,
                         .first = -1,
                         .on = !quiet && isatty(STDERR_FILENO),
                         .begun = now()};
}

/* "1:02:03" or "02:03" */
static void clock_text(double seconds, char *text, size_t size) {
    int s = seconds < 0 ? 0 : seconds > 3.6e6 ? 3600000 : (int)(seconds + 0.5);
    if (s >= 3600)
        snprintf(text, size, "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, size, "%02d:%02d", s / 60, s % 60);
}

static void bar_text(double part, char text[BAR + 1]) {
    int full = (int)(part * BAR);
    memset(text, '-', BAR);
    memset(text, '#', (size_t)(full < 0 ? 0 : full > BAR ? BAR : full));
    text[BAR] = '\0';
}

static void draw(const hawq_progress *p, int64_t done, const char *note) {
    char           line[LINE_BYTES], bar[BAR + 1], left[32];
    struct winsize window = {0};
    double         seconds = now() - p->begun;
    double         rate = seconds > 0 ? (double)(done - p->first) / seconds : 0;
    int            n;
    if (p->total > 0) {
        bar_text((double)done / (double)p->total, bar);
        clock_text(rate > 0 ? (double)(p->total - done) / rate : 0, left,
                   sizeof left);
        n = snprintf(line, sizeof line,
                     "%s [%s] %" PRId64 "/%" PRId64 " %s  %.3g/s  %s left",
                     p->what, bar, done, p->total, p->unit, rate,
                     rate > 0 ? left : "--:--");
    } else {
        clock_text(seconds, left, sizeof left);
        n = snprintf(line, sizeof line, "%s %" PRId64 " %s  %.3g/s  %s",
                     p->what, done, p->unit, rate, left);
    }
    if (note && n > 0 && n < (int)sizeof line)
        snprintf(line + n, sizeof line - (size_t)n, "  %s", note);
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window)) window.ws_col = 80;
    int columns = window.ws_col > 1 ? window.ws_col - 1 : 79;
    fprintf(stderr, "\r%.*s\033[K", columns, line);
    fflush(stderr);
}

void hawq_progress_update(hawq_progress *p, int64_t done, const char *note) {
    if (!p->on) return;
    double t = now();
    if (p->first < 0) p->first = done; /* resumed work is not our speed */
    if (p->drawn && t - p->last < redraw_seconds) return;
    p->drawn = true;
    p->last = t;
    draw(p, done, note);
}

void hawq_progress_end(hawq_progress *p) {
    if (p->drawn) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    p->drawn = false;
}
