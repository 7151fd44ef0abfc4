/* method.c -- the table of methods, and candidates as text.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/method.h"

#include <stdio.h>
#include <string.h>

#define METHOD(name) extern const hawq_method hawq_method_##name;
#include "src/quant/method.def"
#undef METHOD

#define METHOD(name) &hawq_method_##name,
static const hawq_method *const table[] = {
#include "src/quant/method.def"
};
#undef METHOD
enum { METHODS = sizeof table / sizeof *table };

const hawq_method *const *hawq_methods(int *n) {
    *n = METHODS;
    return table;
}

hawq_status hawq_method_find(const char *name, const hawq_method **out) {
    char names[256] = "";
    for (int i = 0; i < METHODS; i++) {
        size_t n = strlen(names);
        if (!strcmp(table[i]->name, name)) {
            *out = table[i];
            return HAWQ_OK;
        }
        snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "",
                 table[i]->name);
    }
    return hawq_fail(HAWQ_EINVAL,
                     "'%.40s' is not a method of choosing codes; there are %s",
                     name, names);
}

/* A format, or all of a text that is a number of bits: the narrow grid, or
 * float. *at moves behind it. */
static hawq_status read_width(const char **at, hawq_format *out) {
    const char *text = *at;
    bool        real = !strcmp(text, "32");
    if (!real && (text[0] < '2' || text[0] > '8' || text[1]))
        return hawq_format_read(at, out);
    *out = (hawq_format){.family = real ? HAWQ_UNCODED : HAWQ_NARROW,
                         .bits = real ? 32 : text[0] - '0'};
    *at += strlen(text);
    return HAWQ_OK;
}

/* What stands behind a format: nothing, or a method. */
static hawq_status read_method(const char *text, const char *at,
                               hawq_candidate *out) {
    if (*at == ':' && hawq_format_is_uncoded(&out->format))
        return hawq_fail(HAWQ_EINVAL,
                         "'%.40s': there is no choice of codes in floats",
                         text);
    if (*at == ':') return hawq_method_find(at + 1, &out->method);
    if (*at)
        return hawq_fail(HAWQ_EINVAL,
                         "'%.40s': '%.40s' does not belong behind a weight "
                         "format; a method is named behind a colon, as in "
                         "w4:gptq",
                         text, at);
    return HAWQ_OK;
}

hawq_status hawq_candidate_read(const char *text, hawq_candidate *out) {
    const char *at = text;
    out->method = &hawq_method_nearest;
    HAWQ_TRY(read_width(&at, &out->format));
    return read_method(text, at, out);
}

/* aN; *at moves behind it. */
static bool read_activation_bits(const char **at, int *bits) {
    static const int width[] = {8, 4, 2, HAWQ_FLOAT_BITS};
    for (size_t i = 0; i < sizeof width / sizeof *width; i++) {
        char text[8];
        int  length = snprintf(text, sizeof text, "a%d", width[i]);
        if (strncmp(*at, text, (size_t)length)) continue;
        *bits = width[i];
        *at += length;
        return true;
    }
    return false;
}

hawq_status hawq_candidate_read_wide(const char *text, hawq_candidate *out,
                                     int *activation_bits) {
    const char *at = text;
    out->method = &hawq_method_nearest;
    *activation_bits = 8;
    if (!strcmp(text, "w32a32")) at = text = "float";
    HAWQ_TRY(read_width(&at, &out->format));
    bool real = hawq_format_is_uncoded(&out->format);
    if (real) *activation_bits = 32;
    if (*at == 'a' && (real || !read_activation_bits(&at, activation_bits)))
        return hawq_fail(HAWQ_EINVAL,
                         "'%.40s': activations have 8, 4 or 2 bits, as in "
                         "w4a8, or stay in float, as in w4a32; around layers "
                         "in float they do, which is not spelled out",
                         text);
    return read_method(text, at, out);
}

hawq_status hawq_candidate_of(const hawq_choice *choice, hawq_candidate *out) {
    int bits = choice->weight_bits;
    if (choice->candidate) {
        if (hawq_candidate_read(choice->candidate, out) == HAWQ_OK)
            return HAWQ_OK;
        return hawq_prefix("layer '%s': ", choice->layer);
    }
    if (bits != HAWQ_FLOAT_BITS && (bits < 2 || bits > 8))
        return hawq_fail(HAWQ_EINVAL,
                         "layer '%s': weights of %d bits; without the name of "
                         "a format they have 2 to 8, or 32 in float",
                         choice->layer, bits);
    out->format = (hawq_format){.family = bits == HAWQ_FLOAT_BITS ? HAWQ_UNCODED
                                                                  : HAWQ_NARROW,
                                .bits = bits};
    out->method = &hawq_method_nearest;
    return HAWQ_OK;
}

const char *hawq_candidate_text(const hawq_candidate *candidate,
                                char text[HAWQ_CANDIDATE_TEXT]) {
    char format[HAWQ_FORMAT_TEXT];
    bool plain = candidate->method == &hawq_method_nearest;
    hawq_format_text(&candidate->format, format);
    snprintf(text, HAWQ_CANDIDATE_TEXT, "%s%s%.14s", format, plain ? "" : ":",
             plain ? "" : candidate->method->name);
    return text;
}

static bool listed(const hawq_candidate *list, int n, const hawq_candidate *c) {
    for (int i = 0; i < n; i++)
        if (list[i].method == c->method &&
            hawq_format_equal(&list[i].format, &c->format))
            return true;
    return false;
}

hawq_status hawq_candidates_read(const char *text, hawq_arena *arena, int *n,
                                 hawq_candidate **out) {
    size_t most = 1;
    for (const char *at = text; *at; at++) most += *at == ',';
    HAWQ_TAKE(*out, arena, most);
    *n = 0;
    for (const char *at = text;;) {
        size_t      length = strcspn(at, ",");
        const char *one = hawq_arena_string_n(arena, at, length);
        if (!one) return HAWQ_ENOMEM;
        HAWQ_TRY(hawq_candidate_read(one, &(*out)[*n]));
        if (listed(*out, *n, &(*out)[*n]))
            return hawq_fail(HAWQ_EINVAL, "'%s' is given twice", one);
        ++*n;
        if (!at[length]) return HAWQ_OK;
        at += length + 1;
    }
}
