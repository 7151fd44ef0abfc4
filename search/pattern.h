/* pattern.h -- how large a regular expression becomes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_PATTERN_H
#define HAWQ_PATTERN_H

/* regcomp() writes repetitions out: "a{50}" is 50 atoms, and "a+" two, so that
 * each further sign doubles them. About as many atoms as a POSIX extended
 * expression comes to; infinity where groups nest deeper than 64. */
double hawq_pattern_size(const char *pattern);

#endif
