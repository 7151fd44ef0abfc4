/* manual.h -- the option tables as text: the help, a page of the manual, and
 * what a shell completes. For cli.c only.
 *
 * Rows without a help are known to the parser alone.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_MANUAL_H
#define HAWQ_MANUAL_H
#include "src/cli/kit/options.h"

/* What --help prints, at most 80 columns. */
void hawq_manual_help(const hawq_command *command, hawq_tables tables,
                      FILE *out);

/* The page of section 1 in the macros of man(7). */
void hawq_manual_page(const hawq_command *command, hawq_tables tables,
                      FILE *out);

/* A script for bash: names of options, the values of those that have a choice,
 * files for those that take a text and where no option is meant. */
void hawq_manual_completion(const hawq_command *command, hawq_tables tables,
                            FILE *out);

#endif
