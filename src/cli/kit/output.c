/* output.c -- JSON, and tables in four forms.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/output.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

char *hawq_number_text(double value, char text[32]) {
    if (!isfinite(value)) return strncpy(text, "null", 32);
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, 32, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    return text;
}

/* --- text for people ------------------------------------------------------ */

/* Bytes of the character at `c` by its lead byte (RFC 3629), 0 if what is there
 * is no UTF-8: names come from files, and files may hold anything. */
static int utf8_length(const unsigned char *c) {
    int n = *c < 0x80                  ? 1
            : *c >= 0xc2 && *c <= 0xdf ? 2
            : (*c & 0xf0) == 0xe0      ? 3
            : *c >= 0xf0 && *c <= 0xf4 ? 4
                                       : 0;
    for (int i = 1; i < n; i++)
        if ((c[i] & 0xc0) != 0x80) return 0;
    return n;
}

/* Is the character of n bytes a control character: ASCII's, or U+0080 ...
 * U+009F? */
static bool is_control(const unsigned char *c, int n) {
    return *c < 0x20 || *c == 0x7f || (n == 2 && *c == 0xc2 && c[1] < 0xa0);
}

/* Bytes of the escape for one byte, into `to`. */
static size_t escape(unsigned char byte, char to[5]) {
    const char *short_form = byte == '\n'   ? "\\n"
                             : byte == '\t' ? "\\t"
                             : byte == '\r' ? "\\r"
                                            : NULL;
    if (short_form)
        snprintf(to, 5, "%s", short_form);
    else
        snprintf(to, 5, "\\x%02x", byte);
    return strlen(to);
}

const char *hawq_shown(hawq_arena *arena, const char *text) {
    const unsigned char *c = (const unsigned char *)text;
    int                  n;
    while (*c && (n = utf8_length(c)) && !is_control(c, n)) c += n;
    if (!*c) return text;
    char *out = hawq_arena_take(arena, 4 * strlen(text) + 1, 1), *to = out;
    if (!out) return "";
    for (c = (const unsigned char *)text; *c; c += n) {
        char piece[5];
        n = utf8_length(c);
        if (n && !is_control(c, n)) {
            memcpy(to, c, (size_t)n);
            to += n;
            continue;
        }
        if (!n) n = 1;
        for (int i = 0; i < n; i++) {
            size_t length = escape(c[i], piece);
            memcpy(to, piece, length);
            to += length;
        }
    }
    return out;
}

void hawq_listing_add(hawq_listing *names, const char *name) {
    const char **grown = names->n < 0
                             ? NULL
                             : hawq_arena_grow(names->arena, names->name,
                                               (size_t)names->n, sizeof *grown);
    names->n = grown ? names->n + 1 : -1; /* no memory */
    names->name = grown;
    if (grown) grown[names->n - 1] = name;
}

const char *hawq_listing_text(const hawq_listing *names) {
    int shown = names->n < HAWQ_LISTING_SHOWN ? names->n : HAWQ_LISTING_SHOWN;
    size_t bytes = 64;
    for (int i = 0; i < shown; i++) bytes += strlen(names->name[i]) + 2;
    char *text = hawq_arena_take(names->arena, bytes, 1);
    if (!text || names->n < 1) return "";
    size_t used = 0;
    for (int i = 0; i < shown; i++)
        used += (size_t)snprintf(text + used, bytes - used, "%s%s",
                                 i ? ", " : "", names->name[i]);
    if (shown < names->n)
        snprintf(text + used, bytes - used, " and %d more", names->n - shown);
    return text;
}

/* --- JSON --------------------------------------------------------------- */

static void write_string(FILE *file, const char *text) {
    fputc('"', file);
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        int n = utf8_length(c);
        if (*c == '"' || *c == '\\')
            fprintf(file, "\\%c", *c);
        else if (n && is_control(c, n))
            fprintf(file, "\\u%04x", c[n - 1]);
        else if (!n)
            fputs("\\ufffd", file); /* the replacement character */
        else
            fwrite(c, 1, (size_t)n, file);
        c += n ? n : 1;
    }
    fputc('"', file);
}

/* Comma, line break, indentation and key: what precedes every value. */
static void lead(hawq_json *w, const char *key) {
    if (w->depth)
        fprintf(w->file, "%s\n%*s", w->first ? "" : ",", 2 * w->depth, "");
    w->first = false;
    if (!key) return;
    write_string(w->file, key);
    fputs(": ", w->file);
}

static void open_level(hawq_json *w, const char *key, char open, char close) {
    assert(w->depth < (int)sizeof w->close);
    lead(w, key);
    fputc(open, w->file);
    w->close[w->depth++] = close;
    w->first = true;
}

void hawq_json_object(hawq_json *w, const char *key) {
    open_level(w, key, '{', '}');
}

void hawq_json_array(hawq_json *w, const char *key) {
    open_level(w, key, '[', ']');
}

void hawq_json_end(hawq_json *w) {
    assert(w->depth > 0);
    w->depth--;
    if (!w->first) fprintf(w->file, "\n%*s", 2 * w->depth, "");
    fputc(w->close[w->depth], w->file);
    w->first = false;
    if (!w->depth) fputc('\n', w->file);
}

void hawq_json_text(hawq_json *w, const char *key, const char *value) {
    lead(w, key);
    if (value)
        write_string(w->file, value);
    else
        fputs("null", w->file);
}

void hawq_json_integer(hawq_json *w, const char *key, int64_t value) {
    lead(w, key);
    fprintf(w->file, "%" PRId64, value);
}

void hawq_json_real(hawq_json *w, const char *key, double value) {
    char text[32];
    lead(w, key);
    fputs(hawq_number_text(value, text), w->file);
}

void hawq_json_flag(hawq_json *w, const char *key, bool value) {
    lead(w, key);
    fputs(value ? "true" : "false", w->file);
}

void hawq_json_ints(hawq_json *w, const char *key, int n, const int *value) {
    lead(w, key);
    fputc('[', w->file);
    for (int i = 0; i < n; i++)
        fprintf(w->file, "%s%d", i ? ", " : "", value[i]);
    fputc(']', w->file);
}

/* --- a table ------------------------------------------------------------ */

enum kind { TEXT, INTEGER, REAL };

struct hawq_cell {
    hawq_cell  *next;
    enum kind   kind;
    const char *text; /* as the table form shows it; NULL: an empty cell */
    int64_t     integer;
    double      real;
};

void hawq_table_begin(hawq_table *t, hawq_arena *arena, int n_columns,
                      const char *const *column) {
    *t = (hawq_table){.arena = arena, .n_columns = n_columns, .column = column};
}

/* Appends; `text` is already the arena's, NULL there being out of memory. */
static void add(hawq_table *t, hawq_cell cell, const char *text, bool empty) {
    hawq_cell *copy = hawq_arena_take(t->arena, 1, sizeof *copy);
    if (!copy || (!empty && !text)) {
        t->status = HAWQ_ENOMEM;
        return;
    }
    *copy = cell;
    copy->text = empty ? NULL : text;
    if (t->last)
        t->last->next = copy;
    else
        t->first = copy;
    t->last = copy;
}

void hawq_table_text(hawq_table *t, const char *value) {
    const char *copy = value ? hawq_arena_string(t->arena, value) : NULL;
    add(t, (hawq_cell){.kind = TEXT}, copy, !value);
}

void hawq_table_integer(hawq_table *t, int64_t value) {
    add(t, (hawq_cell){.kind = INTEGER, .integer = value},
        hawq_arena_format(t->arena, "%" PRId64, value), false);
}

static void add_real(hawq_table *t, double value, const char *format, int n) {
    hawq_cell cell = {.kind = REAL, .real = value};
    char      text[400]; /* %f of the largest double has 309 digits */
    if (!isfinite(value)) {
        add(t, cell, NULL, true);
        return;
    }
    snprintf(text, sizeof text, format, n, value);
    add(t, cell, hawq_arena_string(t->arena, text), false);
}

void hawq_table_real(hawq_table *t, double value, int digits) {
    add_real(t, value, "%.*g", digits);
}

void hawq_table_fixed(hawq_table *t, double value, int decimals) {
    add_real(t, value, "%.*f", decimals);
}

/* Columns a terminal needs: code points of UTF-8, not bytes. */
static int width(const char *text) {
    int n = 0;
    for (; *text; text++) n += (*text & 0xc0) != 0x80;
    return n;
}

static void write_padded(FILE *file, const char *text, int columns, bool right,
                         bool last) {
    int pad = columns - width(text);
    fprintf(file, "%*s%s%*s%s", right ? pad : 0, "", text,
            right || last ? 0 : pad, "", last ? "\n" : "  ");
}

static const char *shown_cell(const hawq_table *t, const hawq_cell *c) {
    return c->text ? hawq_shown(t->arena, c->text) : "-";
}

/* What each column of the table form needs. */
static hawq_status measure(const hawq_table *t, int **out) {
    int *wide, i = 0;
    HAWQ_TAKE(wide, t->arena, (size_t)t->n_columns);
    for (int j = 0; j < t->n_columns; j++)
        wide[j] = width(hawq_shown(t->arena, t->column[j]));
    for (const hawq_cell *c = t->first; c; c = c->next, i++) {
        int w = width(shown_cell(t, c));
        if (w > wide[i % t->n_columns]) wide[i % t->n_columns] = w;
    }
    *out = wide;
    return HAWQ_OK;
}

/* The end of the columns from `from` on that fit a line behind the first; one
 * in any case. */
static int fold(const hawq_table *t, const int *wide, int from) {
    int used = wide[0], to = from;
    for (; to < t->n_columns; to++) {
        if (to) used += 2 + wide[to];
        if (to > from && used > HAWQ_TABLE_WIDTH) break;
    }
    return to;
}

/* The first column, which names the rows, and those in from ... to - 1. Numbers
 * stand at the right of their column, and so does their title. */
static void print_columns(const hawq_table *t, FILE *file, const int *wide,
                          int from, int to) {
    const hawq_cell *sample = t->first;
    int              i = 0;
    for (int j = 0; j < to; j++) {
        if (j == 0 || j >= from)
            write_padded(file, hawq_shown(t->arena, t->column[j]), wide[j],
                         sample && sample->kind != TEXT, j == to - 1);
        if (sample) sample = sample->next;
    }
    for (const hawq_cell *c = t->first; c; c = c->next, i++) {
        int j = i % t->n_columns;
        if (j == 0 || (j >= from && j < to))
            write_padded(file, shown_cell(t, c), wide[j], c->kind != TEXT,
                         j == to - 1);
    }
}

/* A table that is too wide is cut into several, one below the other. */
static hawq_status print_aligned(const hawq_table *t, FILE *file) {
    int *wide;
    HAWQ_TRY(measure(t, &wide));
    for (int from = 0, to; from < t->n_columns; from = to) {
        to = fold(t, wide, from);
        if (from) fputc('\n', file);
        print_columns(t, file, wide, from, to);
    }
    return HAWQ_OK;
}

/* RFC 4180, 2.5-2.7: quoted if need be, and quotes doubled. Of what ends rows
 * and cells only the comma is left: a text that is shown has no line breaks and
 * no tabs. */
static void write_text(const hawq_table *t, const char *text, bool csv,
                       FILE *file) {
    const char *shown = hawq_shown(t->arena, text);
    bool        quoted = csv && shown[strcspn(shown, ",\"")];
    if (quoted) fputc('"', file);
    for (; *shown; shown++) {
        if (quoted && *shown == '"') fputc('"', file);
        fputc(*shown, file);
    }
    if (quoted) fputc('"', file);
}

static void write_cell(const hawq_table *t, const hawq_cell *c, bool csv,
                       FILE *file) {
    char number[32];
    if (!c->text) return;
    if (c->kind == REAL)
        fputs(hawq_number_text(c->real, number), file);
    else
        write_text(t, c->text, csv, file);
}

static void print_separated(const hawq_table *t, bool csv, FILE *file) {
    const char *comma = csv ? "," : "\t", *end = csv ? "\r\n" : "\n";
    int         i = 0;
    for (int j = 0; j < t->n_columns; j++) {
        write_text(t, t->column[j], csv, file);
        fputs(j + 1 < t->n_columns ? comma : end, file);
    }
    for (const hawq_cell *c = t->first; c; c = c->next) {
        write_cell(t, c, csv, file);
        fputs(++i % t->n_columns ? comma : end, file);
    }
}

hawq_status hawq_table_json(const hawq_table *t, hawq_json *w,
                            const char *key) {
    int i = 0;
    HAWQ_TRY(t->status);
    hawq_json_array(w, key);
    for (const hawq_cell *c = t->first; c; c = c->next, i++) {
        const char *name = t->column[i % t->n_columns];
        if (i % t->n_columns == 0) hawq_json_object(w, NULL);
        if (!c->text || c->kind == TEXT)
            hawq_json_text(w, name, c->text);
        else if (c->kind == INTEGER)
            hawq_json_integer(w, name, c->integer);
        else
            hawq_json_real(w, name, c->real);
        if ((i + 1) % t->n_columns == 0) hawq_json_end(w);
    }
    hawq_json_end(w);
    return HAWQ_OK;
}

hawq_status hawq_table_print(const hawq_table *t, int format, FILE *file) {
    hawq_json w = {.file = file};
    HAWQ_TRY(t->status);
    if (format == HAWQ_FORMAT_JSON) return hawq_table_json(t, &w, NULL);
    if (format == HAWQ_FORMAT_TABLE) return print_aligned(t, file);
    print_separated(t, format == HAWQ_FORMAT_CSV, file);
    return HAWQ_OK;
}
