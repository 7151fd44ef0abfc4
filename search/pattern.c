/* pattern.c -- see pattern.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/pattern.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 64 };

/* Behind the bracket expression that begins here: a ']' that comes first is one
 * of its characters. */
static const char *behind_bracket(const char *at) {
    at += 1 + (at[1] == '^');
    at += *at == ']';
    at += strcspn(at, "]");
    return *at ? at + 1 : at;
}

/* "{3}", "{3,}", "{3,7}": times that what stands before is written out; *at
 * moves behind it. */
static double read_times(const char **at) {
    char  *end;
    double most = fabs(strtod(*at + 1, &end));
    if (*end == ',') most = fmax(most + 1, fabs(strtod(end + 1, &end)));
    *at = *end == '}' ? end + 1 : *at + 1;
    return fmax(1, most);
}

double hawq_pattern_size(const char *pattern) {
    double sum[DEEPEST] = {0}, last[DEEPEST] = {0}; /* of groups, last atoms */
    int    depth = 0;
    for (const char *at = pattern; *at;) {
        double times = 1;
        bool   repeats = strchr("+*?{", *at) != NULL;
        if (*at == '{') {
            times = read_times(&at);
        } else if (*at == '[') {
            at = behind_bracket(at);
        } else {
            char c = *at++;
            if (c == '+') times = 2;
            if (c == '\\' && *at) at++;
            if (c == '(') {
                if (++depth == DEEPEST) return INFINITY;
                sum[depth] = last[depth] = 0;
                continue;
            }
            if (c == ')' && depth > 0) {
                last[depth - 1] = sum[depth];
                sum[depth - 1] += sum[depth];
                depth--;
                continue;
            }
        }
        if (!repeats) last[depth] = 1;
        sum[depth] += repeats ? last[depth] * (times - 1) : 1;
        last[depth] *= times;
    }
    for (; depth > 0; depth--) sum[depth - 1] += sum[depth];
    return sum[0];
}
