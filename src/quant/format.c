/* format.c -- the table of formats, its parser and its printer.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/format.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A name is prefix, bits if they vary, suffix. `w1` stands first among those
 * that begin with w: it is a centred grid without its suffix. */
static const struct row {
    const char *prefix, *suffix;
    int         least, most; /* bits; printed unless least is most */
    hawq_family family;
} rows[] = {
    {"w1", "", 1, 1, HAWQ_CENTRED},    {"w", "f", 2, 8, HAWQ_FULL},
    {"w", "c", 2, 7, HAWQ_CENTRED},    {"w", "", 2, 8, HAWQ_NARROW},
    {"t", "", 2, 2, HAWQ_TERNARY},     {"nf4", "", 4, 4, HAWQ_NORMAL},
    {"log", "", 3, 4, HAWQ_LOG},       {"k", "l", 2, 4, HAWQ_FITTED_LAYER},
    {"k", "", 2, 4, HAWQ_FITTED},      {"float", "", 32, 32, HAWQ_UNCODED},
    {"f16", "", 16, 16, HAWQ_UNCODED},
};
enum { ROWS = sizeof rows / sizeof *rows };

const char *hawq_format_names(void) {
    return "w8 ... w2, w8f ... w2f, w7c ... w2c, w1, t, nf4, log4, log3, k4, "
           "k3, k2, k4l, k3l, k2l, f16, float";
}

/* A row that the text begins with; its length goes to *length. A letter or a
 * digit behind it would make it another name, but for the g of a group and the
 * a of an activation's bits. */
static bool row_matches(const struct row *r, const char *text, int *bits,
                        size_t *length) {
    size_t n = strlen(r->prefix);
    if (strncmp(text, r->prefix, n) != 0) return false;
    *bits = r->least;
    if (r->least != r->most) {
        if (!isdigit((unsigned char)text[n])) return false;
        *bits = text[n++] - '0';
    }
    size_t suffix = strlen(r->suffix);
    if (strncmp(text + n, r->suffix, suffix) != 0) return false;
    n += suffix;
    if (isalnum((unsigned char)text[n]) && text[n] != 'g' && text[n] != 'a')
        return false;
    if (*bits < r->least || *bits > r->most) return false;
    *length = n;
    return true;
}

static hawq_status unknown(const char *text) {
    return hawq_fail(HAWQ_EINVAL,
                     "'%.40s' does not begin with a weight format; there are "
                     "%s, each with g64 (groups) or +0.5%% (outliers) behind",
                     text, hawq_format_names());
}

static hawq_status read_group(const char **text, hawq_format *f) {
    if (**text != 'g') return HAWQ_OK;
    char *end;
    long  n = strtol(*text + 1, &end, 10);
    if (end == *text + 1 || n < HAWQ_GROUP_LEAST || n > 65536)
        return hawq_fail(HAWQ_EINVAL,
                         "'%.40s': a group has %d to 65536 inputs, as in g64",
                         *text, HAWQ_GROUP_LEAST);
    f->group = (int)n;
    *text = end;
    return HAWQ_OK;
}

static hawq_status read_outliers(const char **text, hawq_format *f) {
    if (**text != '+') return HAWQ_OK;
    char  *end;
    double share = strtod(*text + 1, &end);
    if (end == *text + 1 || *end != '%' || !(share > 0) || share > 10)
        return hawq_fail(HAWQ_EINVAL,
                         "'%.40s': the weights kept apart are a share above 0 "
                         "and up to 10 %%, as in +0.5%%",
                         *text);
    f->outliers = share / 100;
    *text = end + 1;
    return HAWQ_OK;
}

hawq_status hawq_format_read(const char **text, hawq_format *out) {
    size_t length = 0;
    for (int i = 0; i < ROWS && !length; i++) {
        int bits;
        if (row_matches(&rows[i], *text, &bits, &length))
            *out = (hawq_format){.family = rows[i].family, .bits = bits};
    }
    if (!length) return unknown(*text);
    const char *whole = *text;
    *text += length;
    HAWQ_TRY(read_group(text, out));
    HAWQ_TRY(read_outliers(text, out));
    bool plain = !out->group && !(out->outliers > 0);
    if (hawq_format_is_uncoded(out) && !plain)
        return hawq_fail(HAWQ_EINVAL,
                         "'%.40s': groups and outliers are for integer formats",
                         whole);
    return HAWQ_OK;
}

const char *hawq_format_text(const hawq_format *f,
                             char               text[HAWQ_FORMAT_TEXT]) {
    int i = 0, n;
    while (rows[i].family != f->family || f->bits < rows[i].least ||
           f->bits > rows[i].most)
        i++;
    if (rows[i].least == rows[i].most)
        n = snprintf(text, HAWQ_FORMAT_TEXT, "%s", rows[i].prefix);
    else
        n = snprintf(text, HAWQ_FORMAT_TEXT, "%s%d%s", rows[i].prefix, f->bits,
                     rows[i].suffix);
    if (f->group)
        n += snprintf(text + n, HAWQ_FORMAT_TEXT - (size_t)n, "g%d", f->group);
    if (f->outliers > 0)
        snprintf(text + n, HAWQ_FORMAT_TEXT - (size_t)n, "+%.4g%%",
                 100 * f->outliers);
    return text;
}

/* --- levels ------------------------------------------------------------ */

/* first, first + step, ... while not above last. */
static int evenly(int first, int last, int step, int8_t *level) {
    int n = 0;
    for (int v = first; v <= last; v += step) level[n++] = (int8_t)v;
    return n;
}

/* The quantiles of NF4 (Dettmers et al. 2023, appendix E), times 127. */
static int normal_levels(int8_t *level) {
    static const double quantile[16] = {
        -1.0,        -0.69619280, -0.52507305, -0.39491749,
        -0.28444138, -0.18477343, -0.09105003, 0.0,
        0.07958029,  0.16093020,  0.24611230,  0.33791524,
        0.44070983,  0.56261700,  0.72295684,  1.0};
    for (int i = 0; i < 16; i++) level[i] = (int8_t)rint(127 * quantile[i]);
    return 16;
}

/* 2^(b-1) - 1 powers of two on either side of zero. */
static int log_levels(int bits, int8_t *level) {
    int powers = (1 << (bits - 1)) - 1, n = 0;
    for (int k = powers - 1; k >= 0; k--) level[n++] = (int8_t) - (1 << k);
    level[n++] = 0;
    for (int k = 0; k < powers; k++) level[n++] = (int8_t)(1 << k);
    return n;
}

/* As many as codes, from -127 to 127. */
static int spread_levels(int bits, int8_t *level) {
    int n = 1 << bits;
    for (int i = 0; i < n; i++)
        level[i] = (int8_t)rint(-127 + 254.0 * i / (n - 1));
    return n;
}

int hawq_format_levels(const hawq_format *f, int8_t level[HAWQ_LEVELS_MAX]) {
    if (hawq_format_is_uncoded(f)) return 0;
    int half = 1 << (f->bits - 1);
    switch (f->family) {
    case HAWQ_NARROW:
        return evenly(1 - half, half - 1, 1, level);
    case HAWQ_FULL:
        return evenly(-half, half - 1, 1, level);
    case HAWQ_CENTRED:
        return evenly(1 - 2 * half, 2 * half - 1, 2, level);
    case HAWQ_TERNARY:
        return evenly(-1, 1, 1, level);
    case HAWQ_NORMAL:
        return normal_levels(level);
    case HAWQ_LOG:
        return log_levels(f->bits, level);
    case HAWQ_FITTED:
    case HAWQ_FITTED_LAYER:
        return spread_levels(f->bits, level);
    default:
        return 0;
    }
}

bool hawq_format_is_uniform(const hawq_format *f) {
    return f->family == HAWQ_NARROW || f->family == HAWQ_FULL ||
           f->family == HAWQ_CENTRED || f->family == HAWQ_TERNARY;
}

double hawq_format_stored_bits(const hawq_format *f) {
    return f->family == HAWQ_TERNARY ? 1.6 : f->bits;
}

bool hawq_format_equal(const hawq_format *a, const hawq_format *b) {
    return a->family == b->family && a->bits == b->bits &&
           a->group == b->group && a->outliers == b->outliers;
}
