/* options.h -- the option tables at work: parse, help. For cli.c only.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_OPTIONS_H
#define HAWQ_OPTIONS_H
#include "src/cli/kit/cli.h"

#include <stdio.h>

/* Tables, the end marked by NULL; each ends with a row {0}. */
typedef const hawq_option *const *hawq_tables;

/* Fills the values the rows point to and cli->arg with what is no option;
 * "--" ends the options. A value follows as "--name V", "--name=V", "-n V" or
 * "-nV". EINVAL: unknown option, bad or missing value. */
HAWQ_NODISCARD hawq_status hawq_options_parse(hawq_cli *cli, hawq_tables tables,
                                              int argc, char **argv);

/* Writes words from column `left` (where the line is now) to 80, and every
 * further line from there, too. */
void hawq_text_wrap(FILE *out, const char *text, int left);

/* One line per row, table by table. */
void hawq_options_help(hawq_tables tables, FILE *out);

#endif
