/* interrupt.c -- see interrupt.h. The handler calls what POSIX lists as safe in
 * one, and reads what is written in one piece.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static const struct {
    int         number;
    const char *words;
} known[] = {{SIGINT, ": interrupted by SIGINT; "},
             {SIGTERM, ": ended by SIGTERM; "},
             {SIGHUP, ": ended by SIGHUP; "}};
enum { KNOWN = sizeof known / sizeof *known };

static const char            nothing[] = "its results were not stored yet";
static _Atomic(const char *) program, text = nothing;
static atomic_bool           in_line;

static void put(const char *words) {
    ssize_t n = write(STDERR_FILENO, words, strlen(words));
    (void)n;
}

/* The handler is gone by now, so raising the signal ends the program when this
 * returns, and a second one does at once. */
static void ended(int number) {
    const char *name = atomic_load(&program);
    if (atomic_load(&in_line)) put("\n");
    for (int i = 0; name && i < KNOWN; i++) {
        if (known[i].number != number) continue;
        put(name);
        put(known[i].words);
        put(atomic_load(&text));
        put("\n");
    }
    raise(number);
}

void hawq_interrupt_open(const char *name) {
    struct sigaction old, ours = {.sa_flags = (int)SA_RESETHAND};
    atomic_store(&program, name);
    ours.sa_handler = ended;
    for (int i = 0; i < KNOWN; i++)
        if (!sigaction(known[i].number, NULL, &old) &&
            old.sa_handler == SIG_DFL)
            sigaction(known[i].number, &ours, NULL);
    ours = (struct sigaction){0};
    ours.sa_handler = SIG_IGN;
    sigaction(SIGXFSZ, &ours, NULL);
}

void hawq_interrupt_say(const char *words) {
    atomic_store(&text, words ? words : nothing);
}

void hawq_interrupt_mid_line(bool mid_line) {
    atomic_store(&in_line, mid_line);
}
