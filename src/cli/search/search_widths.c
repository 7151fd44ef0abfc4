/* search_widths.c -- which widths a layer may have: --bits, the groups of
 * layers that share a tensor, --group, --ungroup, --pin and --first-last.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/search/search_command.h"

#include <fnmatch.h>
#include <string.h>

/* --- --bits w8a8,w4a8 ------------------------------------------------------
 */

/* "w4a8", "w4" and "4" (8-bit activations), "float" and "32". */
static hawq_status read_width(const char *text, hawq_width *out) {
    const char *at = text + (*text == 'w');
    int         bits[2] = {0, 8};
    *out = (hawq_width){HAWQ_FLOAT_BITS, HAWQ_FLOAT_BITS};
    if (!strcmp(text, "float") || !strcmp(text, "32") ||
        !strcmp(text, "w32a32"))
        return HAWQ_OK;
    for (; *at >= '0' && *at <= '9' && bits[0] < 100; at++)
        bits[0] = 10 * bits[0] + (*at - '0');
    if (*at == 'a' && *text == 'w') {
        at++;
        bits[1] = 0;
        for (; *at >= '0' && *at <= '9' && bits[1] < 100; at++)
            bits[1] = 10 * bits[1] + (*at - '0');
    }
    bool activation = bits[1] == 8 || bits[1] == 4 || bits[1] == 2;
    if (*at || bits[0] < 1 || bits[0] > 31 || !activation)
        return hawq_fail(HAWQ_EINVAL,
                         "--bits: '%s' is not a pair of widths like w4a8, "
                         "nor float; activations have 8, 4 or 2 bits",
                         text);
    *out = (hawq_width){bits[0], bits[1]};
    return HAWQ_OK;
}

static hawq_status add_width(hawq_search *s, hawq_width *width) {
    for (int i = 0; i < s->n_widths; i++)
        if (s->width[i].weight_bits == width->weight_bits &&
            s->width[i].activation_bits == width->activation_bits)
            return hawq_fail(HAWQ_EINVAL, "--bits: w%da%d is given twice",
                             width->weight_bits, width->activation_bits);
    s->width[s->n_widths++] = *width;
    return HAWQ_OK;
}

hawq_status hawq_search_widths(hawq_search *s, const char *text) {
    if (!text) return HAWQ_OK;
    HAWQ_TAKE(s->width, &s->cli->arena, strlen(text) + 1);
    for (const char *at = text;; at++) {
        hawq_width  width = {0};
        size_t      length = strcspn(at, ",");
        const char *item = hawq_arena_string_n(&s->cli->arena, at, length);
        if (!item) return HAWQ_ENOMEM;
        HAWQ_TRY(read_width(item, &width));
        HAWQ_TRY(add_width(s, &width));
        at += length;
        if (!*at) return HAWQ_OK;
    }
}

/* --- groups ----------------------------------------------------------------
 */

bool hawq_search_activations_vary(const hawq_search *s) {
    int first = 0;
    for (int i = 0; i < s->n_widths; i++) {
        int bits = s->width[i].activation_bits;
        if (bits == HAWQ_FLOAT_BITS) bits = 8; /* which its input has */
        if (!first) first = bits;
        if (bits != first) return true;
    }
    return false;
}

bool hawq_search_is_ungrouped(const hawq_search *s, const char *layer) {
    for (int i = 0; i < s->ungroups.n; i++)
        if (!strcmp(s->ungroups.item[i], layer)) return true;
    return false;
}

/* A tensor has one width, whoever reads it. Where all candidates have the same
 * activations there is nothing to share. */
static hawq_status tie_readers(hawq_search *s) {
    bool vary = !s->imported && hawq_search_activations_vary(s);
    for (int g = 0; g < s->n_groups && vary; g++) {
        const hawq_search_group *group = &s->group[g];
        const char             **name;
        int                      n = 0;
        HAWQ_TAKE(name, &s->cli->arena, (size_t)group->n);
        for (int i = 0; i < group->n; i++) {
            const char *layer = s->layer[group->layer[i]].name;
            if (!hawq_search_is_ungrouped(s, layer)) name[n++] = layer;
        }
        if (n > 1)
            HAWQ_TRY(hawq_problem_tie_activations(s->problem, n, name,
                                                  group->reason));
    }
    return HAWQ_OK;
}

static hawq_status check_ungroups(const hawq_search *s) {
    for (int i = 0; i < s->ungroups.n; i++) {
        const char *name = s->ungroups.item[i];
        if (s->problem_path)
            return hawq_fail(HAWQ_EINVAL,
                             "--ungroup %s: the groups of a problem file are "
                             "the file's; change it there",
                             name);
        if (hawq_problem_find_layer(s->problem, name) < 0)
            return hawq_fail(HAWQ_EINVAL,
                             "--ungroup %s: there is no such layer", name);
        hawq_cli_note(s->cli,
                      "--ungroup %s: a tensor read by several layers is stored "
                      "at the largest width one of them asks for; costs and "
                      "losses here take each at its own",
                      name);
    }
    return HAWQ_OK;
}

static hawq_status add_group(hawq_search *s, const char *text) {
    const char **name;
    hawq_arena  *arena = &s->cli->arena;
    int          n = 0;
    HAWQ_TAKE(name, arena, strlen(text) + 1);
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        name[n] = hawq_arena_string_n(arena, at, length);
        if (!name[n]) return HAWQ_ENOMEM;
        for (int i = 0; i < n; i++)
            if (!strcmp(name[i], name[n]))
                return hawq_fail(HAWQ_EINVAL,
                                 "--group %s: layer '%s' is named twice", text,
                                 name[n]);
        n++;
        at += length;
        if (!*at) break;
    }
    if (n < 2)
        return hawq_fail(HAWQ_EINVAL,
                         "--group %s: at least two layers, A,B,...", text);
    return hawq_problem_tie(s->problem, n, name, "--group");
}

/* --- pins ------------------------------------------------------------------
 */

static hawq_status read_pin(hawq_search *s, const char *text,
                            const char **layer, int *bits) {
    const char *value;
    int64_t     number;
    HAWQ_TRY(hawq_parse_pair("--pin", "LAYER=BITS", text, &s->cli->arena, layer,
                             &value));
    *bits = HAWQ_FLOAT_BITS;
    if (!strcmp(value, "float")) return HAWQ_OK;
    HAWQ_TRY(hawq_parse_int("--pin", value, 1, 32, &number));
    *bits = (int)number;
    return HAWQ_OK;
}

hawq_status hawq_search_pins_float(hawq_search *s, bool *out) {
    *out = s->first_last == HAWQ_FLOAT_BITS;
    for (int i = 0; i < s->pins.n; i++) {
        const char *layer;
        int         bits;
        HAWQ_TRY(read_pin(s, s->pins.item[i], &layer, &bits));
        *out |= bits == HAWQ_FLOAT_BITS;
    }
    return HAWQ_OK;
}

/* Characters of a shell pattern that a name must have: neither wildcards nor
 * sets in brackets, and one for a character behind a backslash. */
static int literal_characters(const char *pattern) {
    int n = 0;
    for (const char *at = pattern; *at; at++) {
        if (*at == '[') {
            const char *end = at[1] ? strchr(at + 2, ']') : NULL;
            if (end) {
                at = end;
                continue;
            }
        }
        if (*at == '\\' && at[1])
            at++;
        else if (*at == '*' || *at == '?')
            continue;
        n++;
    }
    return n;
}

/* Ranks of pins: a name before --first-last, that before a pattern, a pattern
 * with more literal characters before one with fewer. */
enum { FIRST_LAST = HAWQ_PIN_BY_NAME - 1 };

/* A layer's own name, or else a pattern of the shell's kind. */
static hawq_status add_pin(hawq_search *s, const char *text) {
    const char *pattern;
    int         bits, n = 0;
    HAWQ_TRY(read_pin(s, text, &pattern, &bits));
    if (hawq_problem_find_layer(s->problem, pattern) >= 0 ||
        !strpbrk(pattern, "*?["))
        return hawq_problem_pin(s->problem, pattern, bits, HAWQ_PIN_BY_NAME);
    for (int l = 0; l < s->problem->n_layers; l++) {
        const char *name = s->problem->layer[l].name;
        if (fnmatch(pattern, name, 0)) continue;
        HAWQ_TRY(hawq_problem_pin(s->problem, name, bits,
                                  literal_characters(pattern)));
        n++;
    }
    if (n) return HAWQ_OK;
    return hawq_fail(HAWQ_EINVAL, "--pin %s: no layer has such a name", text);
}

static hawq_status pin_ends(hawq_search *s) {
    const hawq_problem *p = s->problem;
    int                 ends[] = {0, p->n_layers - 1};
    for (int i = 0; s->first_last && p->n_layers && i < 2; i++)
        HAWQ_TRY(hawq_problem_pin(s->problem, p->layer[ends[i]].name,
                                  s->first_last, FIRST_LAST));
    return HAWQ_OK;
}

hawq_status hawq_search_check_pins(hawq_search *s) {
    const char *layer;
    int         bits;
    for (int i = 0; i < s->pins.n; i++)
        HAWQ_TRY(read_pin(s, s->pins.item[i], &layer, &bits));
    return HAWQ_OK;
}

hawq_status hawq_search_tie_and_pin(hawq_search *s) {
    HAWQ_TRY(check_ungroups(s));
    HAWQ_TRY(tie_readers(s));
    for (int i = 0; i < s->groups.n; i++)
        HAWQ_TRY(add_group(s, s->groups.item[i]));
    HAWQ_TRY(pin_ends(s));
    for (int i = 0; i < s->pins.n; i++) HAWQ_TRY(add_pin(s, s->pins.item[i]));
    return HAWQ_OK;
}
