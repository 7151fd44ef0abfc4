/* search_candidates.c -- see search_candidates.h. Names are read and printed by
 * src/quant alone.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/search/search_candidates.h"

#include "src/quant/method.h"

#include <stdlib.h>
#include <string.h>

/* A bare number of bits, 1 to 32. */
static bool read_number(const char *text, int *bits) {
    char *end;
    long  value = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || value < 1 || value > 32)
        return false;
    *bits = (int)value;
    return true;
}

hawq_status hawq_named_read(const char *option, const char *text,
                            hawq_arena *arena, hawq_named *out) {
    hawq_candidate candidate;
    char           name[HAWQ_CANDIDATE_TEXT];
    *out = (hawq_named){.activation_bits = 8};
    if (read_number(text, &out->weight_bits) && out->weight_bits < 32)
        return HAWQ_OK;
    if (hawq_candidate_read_wide(text, &candidate, &out->activation_bits) !=
        HAWQ_OK)
        return hawq_prefix("%s: ", option);
    if (candidate.format.bits == 16)
        return hawq_fail(HAWQ_EINVAL,
                         "%s: '%s': a layer in float16 is not searched; float "
                         "keeps it in float32",
                         option, text);
    out->weight_bits = candidate.format.bits;
    out->name = hawq_arena_string(arena, hawq_candidate_text(&candidate, name));
    return out->name ? HAWQ_OK : HAWQ_ENOMEM;
}

bool hawq_named_compensates(const char *name) {
    const char        *colon = strchr(name, ':');
    const hawq_method *method;
    return colon && hawq_method_find(colon + 1, &method) == HAWQ_OK &&
           method->compensates;
}
