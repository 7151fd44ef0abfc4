/* output.h -- results on stdout: one table in four forms, and JSON.
 *
 * Numbers are written so that reading them back gives the same double (at most
 * 17 significant digits, never a locale's comma); what is no finite number is
 * null in JSON, empty in TSV and CSV and "-" in a table.
 *
 *     static const char *const columns[] = {"layer", "params", "trace"};
 *     hawq_table t;
 *     hawq_table_begin(&t, &cli->arena, 3, columns);
 *     hawq_table_text(&t, name);          cells from left to right,
 *     hawq_table_integer(&t, params);     row after row
 *     hawq_table_real(&t, trace, 4);
 *     return hawq_table_print(&t, cli->format, stdout);
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_OUTPUT_H
#define HAWQ_OUTPUT_H
#include "src/base/arena.h"
#include "src/base/status.h"
#include "src/cli/kit/cli.h"

#include <stdint.h>
#include <stdio.h>

/* The shortest text that reads back as the same double; "null" if it is not
 * finite. Returns `text`. */
char *hawq_number_text(double value, char text[32]);

/* --- text for people ------------------------------------------------------ */

/* Control characters, and bytes that are no UTF-8, as \n, \t, \r or \x1b: names
 * come from files, and nothing of them may move a terminal's cursor or end a
 * row. `text` itself if it has none, else a copy; "" if no memory. */
const char *hawq_shown(hawq_arena *arena, const char *text);

/* "a, b, c": a list of names for a sentence. Added in any number; shown are
 * the first HAWQ_LISTING_SHOWN, and how many more there are. */
enum { HAWQ_LISTING_SHOWN = 100 };
typedef struct hawq_listing {
    hawq_arena  *arena;
    int          n;
    const char **name;
} hawq_listing;

void hawq_listing_add(hawq_listing *names, const char *name);
/* "" if there are none, or no memory. */
const char *hawq_listing_text(const hawq_listing *names);

/* --- JSON as a stream: what is opened is closed in order ---------------- */

typedef struct hawq_json {
    FILE *file;
    int   depth;
    bool  first;     /* nothing yet in the innermost object or array */
    char  close[16]; /* the bracket that ends each level */
} hawq_json;

/* key: the member's name in an object, NULL in an array and at the top. At
 * most 16 levels. The top level's end writes a newline. Start with
 * hawq_json w = {.file = stdout}. */
void hawq_json_object(hawq_json *w, const char *key);
void hawq_json_array(hawq_json *w, const char *key);
void hawq_json_end(hawq_json *w);
void hawq_json_text(hawq_json *w, const char *key, const char *value);
void hawq_json_integer(hawq_json *w, const char *key, int64_t value);
void hawq_json_real(hawq_json *w, const char *key, double value);
void hawq_json_flag(hawq_json *w, const char *key, bool value);
void hawq_json_ints(hawq_json *w, const char *key, int n, const int *value);

/* --- a table ------------------------------------------------------------ */

typedef struct hawq_cell hawq_cell;

typedef struct hawq_table {
    hawq_arena        *arena;
    int                n_columns;
    const char *const *column; /* borrowed */
    hawq_cell         *first, *last;
    hawq_status        status; /* the first failure of a cell; print says it */
} hawq_table;

void hawq_table_begin(hawq_table *t, hawq_arena *arena, int n_columns,
                      const char *const *column);
/* Text is copied; NULL is an empty cell. */
void hawq_table_text(hawq_table *t, const char *value);
void hawq_table_integer(hawq_table *t, int64_t value);
/* digits: significant ones in the table form; the others are exact. */
void hawq_table_real(hawq_table *t, double value, int digits);
/* decimals: places after the point in the table form. */
void hawq_table_fixed(hawq_table *t, double value, int decimals);

/* JSON: an array of one object per row, keys = columns. The table form folds at
 * HAWQ_TABLE_WIDTH: columns that do not fit follow below, an empty line
 * between, behind the first column once more. ENOMEM. */
enum { HAWQ_TABLE_WIDTH = 100 };
HAWQ_NODISCARD hawq_status hawq_table_print(const hawq_table *t, int format,
                                            FILE *file);
/* The same array as a member of something larger. */
HAWQ_NODISCARD hawq_status hawq_table_json(const hawq_table *t, hawq_json *w,
                                           const char *key);

#endif
