/* html.h -- the page's skeleton, and text that is safe in it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_REPORT_HTML_H
#define HAWQ_REPORT_HTML_H
#include <stdio.h>

/* Text with <, >, &, " and ' as entities; control characters become spaces. */
void hawq_html_text(FILE *out, const char *text);

/* The same, at most n characters, the last one an ellipsis if there are more.
 */
void hawq_html_short(FILE *out, const char *text, int n);

/* "1.5 MiB" of bytes; "12.3k" of a count. `text` has 32 bytes. */
const char *hawq_html_bytes(double bytes, char text[32]);
const char *hawq_html_count(double count, char text[32]);

/* Everything up to the first section, and after the last. */
void hawq_html_begin(FILE *out, const char *title);
void hawq_html_end(FILE *out);

#endif
