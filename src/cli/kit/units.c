/* units.c -- one table of suffixes; the longest that fits decides.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/units.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct suffix {
    const char *text;
    unsigned    unit;
    double      factor;
} suffixes[] = {
    {"B", HAWQ_UNIT_BYTES, 1},        {"KiB", HAWQ_UNIT_BYTES, 0x1p10},
    {"MiB", HAWQ_UNIT_BYTES, 0x1p20}, {"GiB", HAWQ_UNIT_BYTES, 0x1p30},
    {"KB", HAWQ_UNIT_BYTES, 1e3},     {"MB", HAWQ_UNIT_BYTES, 1e6},
    {"GB", HAWQ_UNIT_BYTES, 1e9},     {"us", HAWQ_UNIT_TIME, 1},
    {"ms", HAWQ_UNIT_TIME, 1e3},      {"s", HAWQ_UNIT_TIME, 1e6},
    {"K", HAWQ_UNIT_COUNT, 1e3},      {"M", HAWQ_UNIT_COUNT, 1e6},
    {"G", HAWQ_UNIT_COUNT, 1e9},      {"T", HAWQ_UNIT_COUNT, 1e12},
    {"x", HAWQ_UNIT_MULTIPLE, 1},     {"bit", HAWQ_UNIT_BITS, 1},
    {"bits", HAWQ_UNIT_BITS, 1},      {"", HAWQ_UNIT_NONE, 1},
};
enum { N_SUFFIXES = sizeof suffixes / sizeof *suffixes };

/* "B, KiB, MiB or x (times the uniform 8-bit network)" */
static void list_units(unsigned allowed, char *out, size_t size) {
    static const struct {
        unsigned    unit;
        const char *names;
    } group[] = {{HAWQ_UNIT_BYTES, "B, KiB, MiB, GiB, KB, MB, GB"},
                 {HAWQ_UNIT_TIME, "us, ms, s"},
                 {HAWQ_UNIT_COUNT, "K, M, G, T"},
                 {HAWQ_UNIT_BITS, "bits"},
                 {HAWQ_UNIT_MULTIPLE, "x (times the uniform 8-bit network)"},
                 {HAWQ_UNIT_NONE, "or no unit"}};
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof group / sizeof *group; i++)
        if (allowed & group[i].unit && used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s",
                                     used ? ", " : "", group[i].names);
}

/* strtod takes "inf", "nan" and hexadecimal, too: not what a user means. */
static bool read_number(const char *text, double *value, const char **rest) {
    size_t digits = strcspn(text, "0123456789");
    if (digits != strspn(text, "+-.")) return false;
    if (text[digits] == '0' && (text[digits + 1] | 32) == 'x') {
        *value = 0; /* "0x": zero times */
        *rest = text + digits + 1;
        return true;
    }
    char *end;
    errno = 0;
    *value = strtod(text, &end);
    *rest = end;
    return end != text && isfinite(*value);
}

static const struct suffix *find_suffix(const char *text, unsigned allowed) {
    while (*text == ' ') text++;
    for (int i = 0; i < N_SUFFIXES; i++)
        if (suffixes[i].unit & allowed && !strcmp(text, suffixes[i].text))
            return &suffixes[i];
    return NULL;
}

hawq_status hawq_parse_quantity(const char *what, const char *text,
                                unsigned allowed, hawq_quantity *out) {
    char        units[160];
    const char *rest;
    double      value;
    list_units(allowed, units, sizeof units);
    bool number = read_number(text, &value, &rest) && value >= 0;
    if (allowed == HAWQ_UNIT_NONE && (!number || *rest))
        return hawq_fail(HAWQ_EINVAL,
                         "%s: '%s' is not a plain number >= 0, without a unit",
                         what, text);
    if (!number)
        return hawq_fail(HAWQ_EINVAL,
                         "%s: '%s' is not a number >= 0 with a unit: %s", what,
                         text, units);
    const struct suffix *suffix = find_suffix(rest, allowed);
    if (!suffix && !*rest)
        return hawq_fail(HAWQ_EINVAL, "%s: the number %s needs a unit: %s",
                         what, text, units);
    if (!suffix)
        return hawq_fail(HAWQ_EINVAL, "%s: unknown unit '%s'; use %s", what,
                         rest, units);
    value *= suffix->factor;
    if (!isfinite(value))
        return hawq_fail(HAWQ_EINVAL, "%s: '%s' is too large", what, text);
    *out = (hawq_quantity){value, suffix->unit};
    return HAWQ_OK;
}

hawq_status hawq_parse_real(const char *what, const char *text, double low,
                            double high, double *out) {
    const char *rest;
    double      value;
    if (!read_number(text, &value, &rest) || *rest)
        return hawq_fail(HAWQ_EINVAL, "%s: '%s' is not a number", what, text);
    if (value < low || value > high)
        return hawq_fail(HAWQ_EINVAL, "%s: %s is outside %g ... %g", what, text,
                         low, high);
    *out = value;
    return HAWQ_OK;
}

hawq_status hawq_parse_int(const char *what, const char *text, int64_t low,
                           int64_t high, int64_t *out) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || text[0] == ' ')
        return hawq_fail(HAWQ_EINVAL, "%s: '%s' is not a whole number", what,
                         text);
    if (errno || value < low || value > high)
        return hawq_fail(HAWQ_EINVAL, "%s: %s is outside %lld ... %lld", what,
                         text, (long long)low, (long long)high);
    *out = value;
    return HAWQ_OK;
}

hawq_status hawq_parse_pair(const char *what, const char *form,
                            const char *text, hawq_arena *arena,
                            const char **key, const char **value) {
    const char *equals = strrchr(text, '=');
    if (!equals || equals == text || !equals[1])
        return hawq_fail(HAWQ_EINVAL, "%s: '%s' is not of the form %s", what,
                         text, form);
    const char *copy =
        hawq_arena_string_n(arena, text, (size_t)(equals - text));
    if (!copy) return HAWQ_ENOMEM;
    *key = copy;
    *value = equals + 1;
    return HAWQ_OK;
}

const char *hawq_bytes_text(hawq_arena *arena, double bytes) {
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int                      i = 0;
    while (i < 4 && fabs(bytes) >= 1024) {
        bytes /= 1024;
        i++;
    }
    const char *text =
        hawq_arena_format(arena, i ? "%.1f %s" : "%.0f %s", bytes, unit[i]);
    return text ? text : "";
}
