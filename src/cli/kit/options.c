/* options.c -- one function per kind of value, one loop over the arguments.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static hawq_status set_int(const hawq_option *o, const char *what,
                           const char *text) {
    int64_t value;
    HAWQ_TRY(
        hawq_parse_int(what, text, (int64_t)o->low, (int64_t)o->high, &value));
    *o->value.integer = (int)value;
    return HAWQ_OK;
}

static hawq_status set_seed(const hawq_option *o, const char *what,
                            const char *text) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (end == text || *end || errno || text[strspn(text, "0123456789")])
        return hawq_fail(HAWQ_EINVAL,
                         "%s: '%s' is not a whole number in 0 ... 2^64-1", what,
                         text);
    *o->value.seed = value;
    return HAWQ_OK;
}

static hawq_status set_text(const hawq_option *o, const char *what,
                            const char *text) {
    if (!*text) return hawq_fail(HAWQ_EINVAL, "%s: the value is empty", what);
    *o->value.text = text;
    return HAWQ_OK;
}

static hawq_status add_text(const hawq_option *o, const char *what,
                            const char *text, hawq_arena *arena) {
    hawq_texts *list = o->value.texts;
    if (!*text) return hawq_fail(HAWQ_EINVAL, "%s: the value is empty", what);
    const char **item =
        hawq_arena_grow(arena, list->item, (size_t)list->n, sizeof *item);
    if (!item) return HAWQ_ENOMEM;
    item[list->n] = text;
    *list = (hawq_texts){list->n + 1, item};
    return HAWQ_OK;
}

/* Cuts "a,b,c" into its parts, at most HAWQ_NUMBERS_MAX. */
static hawq_status split(const char *what, const char *text, hawq_arena *arena,
                         const char **part, int *n) {
    *n = 0;
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        if (*n == HAWQ_NUMBERS_MAX)
            return hawq_fail(HAWQ_EINVAL, "%s: more than %d numbers in '%s'",
                             what, HAWQ_NUMBERS_MAX, text);
        part[*n] = hawq_arena_string_n(arena, at, length);
        if (!part[*n]) return HAWQ_ENOMEM;
        ++*n;
        at += length;
        if (!*at) return HAWQ_OK;
    }
}

static hawq_status set_ints(const hawq_option *o, const char *what,
                            const char *text, hawq_arena *arena) {
    const char *part[HAWQ_NUMBERS_MAX] = {NULL};
    hawq_ints   list = {0};
    int64_t     value;
    HAWQ_TRY(split(what, text, arena, part, &list.n));
    for (int i = 0; i < list.n; i++) {
        HAWQ_TRY(hawq_parse_int(what, part[i], (int64_t)o->low,
                                (int64_t)o->high, &value));
        list.item[i] = (int)value;
    }
    *o->value.ints = list;
    return HAWQ_OK;
}

static hawq_status set_reals(const hawq_option *o, const char *what,
                             const char *text, hawq_arena *arena) {
    const char *part[HAWQ_NUMBERS_MAX] = {NULL};
    hawq_reals  list = {0};
    HAWQ_TRY(split(what, text, arena, part, &list.n));
    for (int i = 0; i < list.n; i++)
        HAWQ_TRY(
            hawq_parse_real(what, part[i], -HUGE_VAL, HUGE_VAL, &list.item[i]));
    *o->value.reals = list;
    return HAWQ_OK;
}

static hawq_status set_choice(const hawq_option *o, const char *what,
                              const char *text) {
    size_t length = strlen(text);
    int    index = 0;
    for (const char *at = o->argument;; at++, index++) {
        size_t name = strcspn(at, "|");
        if (name == length && !memcmp(at, text, name)) {
            *o->value.integer = index;
            return HAWQ_OK;
        }
        at += name;
        if (!*at) break;
    }
    return hawq_fail(HAWQ_EINVAL, "%s: '%s' is not one of %s", what, text,
                     o->argument);
}

static hawq_status set_value(const hawq_option *o, const char *what,
                             const char *text, hawq_arena *arena) {
    switch (o->kind) {
    case HAWQ_KIND_FLAG:
        *o->value.flag = true;
        return HAWQ_OK;
    case HAWQ_KIND_INT:
        return set_int(o, what, text);
    case HAWQ_KIND_SEED:
        return set_seed(o, what, text);
    case HAWQ_KIND_REAL:
        return hawq_parse_real(what, text, o->low, o->high, o->value.real);
    case HAWQ_KIND_TEXT:
        return set_text(o, what, text);
    case HAWQ_KIND_TEXTS:
        return add_text(o, what, text, arena);
    case HAWQ_KIND_INTS:
        return set_ints(o, what, text, arena);
    case HAWQ_KIND_REALS:
        return set_reals(o, what, text, arena);
    case HAWQ_KIND_CHOICE:
        return set_choice(o, what, text);
    case HAWQ_KIND_QUANTITY:
        return hawq_parse_quantity(what, text, o->units, o->value.quantity);
    }
    return HAWQ_OK;
}

static const hawq_option *find(hawq_tables tables, const char *name,
                               size_t length) {
    for (; *tables; tables++)
        for (const hawq_option *o = *tables; o->name; o++)
            if (strlen(o->name) == length && !memcmp(o->name, name, length))
                return o;
    return NULL;
}

static const hawq_option *find_letter(hawq_tables tables, char letter) {
    for (; *tables; tables++)
        for (const hawq_option *o = *tables; o->name; o++)
            if (o->letter && o->letter == letter) return o;
    return NULL;
}

static hawq_status unknown(hawq_cli *cli, hawq_tables tables,
                           const char *name) {
    enum { MOST = 128 };
    const char *all[MOST];
    int         n = 0;
    for (hawq_tables t = tables; *t; t++)
        for (const hawq_option *o = *t; o->name && n < MOST; o++)
            if (o->help) all[n++] = o->name;
    const char *near = hawq_nearest(name, n, all);
    if (near)
        return hawq_fail(HAWQ_EINVAL,
                         "unknown option '--%s'; did you mean '--%s'?", name,
                         near);
    return hawq_fail(HAWQ_EINVAL, "unknown option '--%s'; see %s --help", name,
                     cli->command->name);
}

/* One option at argv[*i]; *i is moved over a value in the next argument. */
static hawq_status parse_one(hawq_cli *cli, hawq_tables tables, int argc,
                             char **argv, int *i) {
    const char        *arg = argv[*i], *value = NULL, *name;
    const hawq_option *o;
    if (arg[1] == '-') {
        size_t length = strcspn(arg + 2, "=");
        name = hawq_arena_string_n(&cli->arena, arg + 2, length);
        if (!name) return HAWQ_ENOMEM;
        o = find(tables, name, length);
        if (!o) return unknown(cli, tables, name);
        if (arg[2 + length]) value = arg + 2 + length + 1;
    } else {
        o = find_letter(tables, arg[1]);
        if (o && arg[2]) value = arg + 2; /* -n2 */
        if (!o || (value && o->kind == HAWQ_KIND_FLAG))
            return hawq_fail(HAWQ_EINVAL, "unknown option '%s'; see %s --help",
                             arg, cli->command->name);
    }
    const char *what = hawq_arena_format(&cli->arena, "--%s", o->name);
    if (!what) return HAWQ_ENOMEM;
    if (o->kind == HAWQ_KIND_FLAG && value)
        return hawq_fail(HAWQ_EINVAL, "%s takes no value", what);
    if (o->kind != HAWQ_KIND_FLAG && !value) {
        const char *next = *i + 1 < argc ? argv[*i + 1] : NULL;
        if (!next || (!strncmp(next, "--", 2) && next[2]))
            return hawq_fail(HAWQ_EINVAL, "%s needs a value: %s", what,
                             o->argument);
        value = next;
        ++*i;
    }
    return set_value(o, what, value, &cli->arena);
}

hawq_status hawq_options_parse(hawq_cli *cli, hawq_tables tables, int argc,
                               char **argv) {
    bool only_args = false;
    HAWQ_TAKE(cli->arg, &cli->arena, (size_t)argc + 1);
    for (int i = 1; i < argc; i++) {
        if (!only_args && !strcmp(argv[i], "--"))
            only_args = true;
        else if (only_args || argv[i][0] != '-' || !argv[i][1])
            cli->arg[cli->n_args++] = argv[i];
        else
            HAWQ_TRY(parse_one(cli, tables, argc, argv, &i));
    }
    return HAWQ_OK;
}

void hawq_text_wrap(FILE *out, const char *text, int left) {
    int column = left;
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (column > left && column + 1 + length > 80) {
            fprintf(out, "\n%*s", left, "");
            column = left;
        } else if (column > left) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", length, text);
        column += length;
        text += length + (text[length] == ' ');
    }
}

void hawq_options_help(hawq_tables tables, FILE *out) {
    enum {
        HELP = 32
    }; /* where the help starts; a longer left side gets a
          line of its own */
    for (; *tables; tables++)
        for (const hawq_option *o = *tables; o->name; o++) {
            if (!o->help) continue;
            int width = o->letter ? fprintf(out, "  -%c, ", o->letter)
                                  : fprintf(out, "      ");
            width += fprintf(out, "--%s%s%s", o->name, o->argument ? " " : "",
                             o->argument ? o->argument : "");
            if (width > HELP - 2) width = fprintf(out, "\n") - 1;
            fprintf(out, "%*s", HELP - width, "");
            char help[512];
            snprintf(help, sizeof help, "%s%s", o->help,
                     o->kind == HAWQ_KIND_TEXTS ? " (repeatable)" : "");
            hawq_text_wrap(out, help, HELP);
            fputc('\n', out);
        }
}
