/* import_list.c -- see import_list.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/import_list.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char SEPARATORS[] = " \t\r,;:=";

/* One line without its break: the part before the last field, and that. */
typedef struct line {
    const char *name;
    size_t      n_name;
    const char *last;
    size_t      n_last;
} line;

static size_t trimmed(const char *text, size_t n) {
    while (n && strchr(SEPARATORS, text[n - 1])) n--;
    return n;
}

static bool is_unit(const char *text, size_t n) {
    static const char *const unit[] = {"bit", "bits", "bpw"};
    for (size_t i = 0; i < sizeof unit / sizeof *unit; i++)
        if (strlen(unit[i]) == n && !memcmp(unit[i], text, n)) return true;
    return false;
}

/* The last field of the first n bytes; returns where what is before ends. */
static size_t last_field(const char *text, size_t n, line *out) {
    size_t end = n = trimmed(text, n);
    while (n && !strchr(SEPARATORS, text[n - 1])) n--;
    out->last = text + n;
    out->n_last = end - n;
    return trimmed(text, n);
}

static line split(const char *text, size_t n) {
    line l = {.name = text};
    l.n_name = last_field(text, n, &l);
    if (is_unit(l.last, l.n_last)) l.n_name = last_field(text, l.n_name, &l);
    return l;
}

static bool read_number(const line *l, double *out) {
    char text[32], *end;
    if (!l->n_name || !l->n_last || l->n_last >= sizeof text) return false;
    memcpy(text, l->last, l->n_last);
    text[l->n_last] = '\0';
    *out = strtod(text, &end);
    return !*end && isfinite(*out);
}

/* Nothing to read: empty, or a remark. */
static bool is_passed_over(const char *text, size_t n) {
    size_t blank = strspn(text, " \t\r");
    return blank >= n || text[blank] == '#';
}

static const char *next_line(const char *text, size_t n) {
    return text[n] ? text + n + 1 : text + n;
}

bool hawq_import_is_list(const char *text) {
    int lines = 0;
    for (size_t n; *text && lines < 2; text = next_line(text, n)) {
        double bits;
        n = strcspn(text, "\n");
        if (is_passed_over(text, n)) continue;
        line l = split(text, n);
        if (read_number(&l, &bits)) return true;
        lines++; /* the first may be a header */
    }
    return false;
}

hawq_status hawq_import_list(const char *text, hawq_arena *arena, int *n,
                             hawq_import_mean **out) {
    size_t lines = 1, length;
    int    number = 0;
    bool   first = true;
    for (const char *c = text; *c; c++) lines += *c == '\n';
    HAWQ_TAKE(*out, arena, lines);
    *n = 0;
    for (; *text; text = next_line(text, length)) {
        length = strcspn(text, "\n");
        number++;
        if (is_passed_over(text, length)) continue;
        line              l = split(text, length);
        hawq_import_mean *mean = &(*out)[*n];
        bool              header = first && !read_number(&l, &mean->bits);
        first = false;
        if (header) continue;
        if (!read_number(&l, &mean->bits))
            return hawq_fail(HAWQ_EFORMAT,
                             "line %d: not a layer's name and its mean bits",
                             number);
        mean->name = hawq_arena_string_n(arena, l.name, l.n_name);
        if (!mean->name) return HAWQ_ENOMEM;
        ++*n;
    }
    return HAWQ_OK;
}

int hawq_import_round(double bits) {
    return (int)fmax(-1000, fmin(1000, ceil(bits - 0.5)));
}
