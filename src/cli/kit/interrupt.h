/* interrupt.h -- how a program ends that is told to: one line on stderr says
 * what is stored and how to go on, then the signal ends it as if nobody had
 * listened, so that a shell sees 128 + its number.
 *
 * SIGINT, SIGTERM and SIGHUP are meant, unless they are ignored already, as
 * nohup does. SIGXFSZ is ignored: a write beyond the limit of a file's size
 * (ulimit -f) then fails, and is reported, like one on a full disk.
 *
 *     hawq_interrupt_open("hawq-train");
 *     hawq_interrupt_say("run 3 is stored");     whenever that changes
 *     hawq_interrupt_say(NULL);                  before the text goes
 *
 * For the main thread only. SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_INTERRUPT_H
#define HAWQ_INTERRUPT_H
#include <stdbool.h>

/* program: the first word of the line, borrowed; NULL: no line (of several
 * ranks one speaks). */
void hawq_interrupt_open(const char *program);

/* text: what follows "interrupted by SIGINT; ", borrowed until the next call;
 * NULL: that there are no results yet. */
void hawq_interrupt_say(const char *text);

/* Whether stderr stands in the middle of a line, which is to be ended first. */
void hawq_interrupt_mid_line(bool mid_line);

#endif
