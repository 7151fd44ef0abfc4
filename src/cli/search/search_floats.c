/* search_floats.c -- layers in float32 among the candidates: all that --bits
 * lists, or those that are pinned to it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/search/search_command.h"

#include <string.h>

bool hawq_search_has_floats(const hawq_search *s) {
    for (int i = 0; i < s->n_widths; i++)
        if (s->width[i].weight_bits == HAWQ_FLOAT_BITS) return true;
    return false;
}

hawq_status hawq_search_add_floats(hawq_search *s) {
    hawq_width *width = s->width;
    bool        listed = hawq_search_has_floats(s), pinned;
    HAWQ_TRY(hawq_search_pins_float(s, &pinned));
    s->floats_are_pinned = pinned && !listed;
    if (!s->floats_are_pinned) return HAWQ_OK;
    HAWQ_TAKE(s->width, &s->cli->arena, (size_t)s->n_widths + 1);
    if (s->n_widths)
        memcpy(s->width, width, (size_t)s->n_widths * sizeof *width);
    s->width[s->n_widths++] =
        (hawq_width){HAWQ_FLOAT_BITS, HAWQ_FLOAT_BITS, "float"};
    return HAWQ_OK;
}

bool hawq_search_is_float(const hawq_search *s, int layer, int c) {
    return hawq_problem_candidate(s->problem, layer, c)->weight_bits ==
           HAWQ_FLOAT_BITS;
}

bool hawq_search_must_float(const hawq_search *s, int layer) {
    const hawq_problem_group *g =
        &s->problem->group[s->problem->layer[layer].in_group];
    for (int c = 0; c < g->n_candidates; c++)
        if (g->allowed[c] && !hawq_search_is_float(s, layer, c)) return false;
    return true;
}

hawq_status hawq_search_forbid_float(hawq_search *s, int layer) {
    hawq_problem_group *g =
        &s->problem->group[s->problem->layer[layer].in_group];
    bool *allowed;
    HAWQ_TAKE(allowed, &s->cli->arena, (size_t)g->n_candidates);
    for (int c = 0; c < g->n_candidates; c++)
        allowed[c] = g->allowed[c] && !hawq_search_is_float(s, layer, c);
    g->allowed = allowed;
    return HAWQ_OK;
}

hawq_status hawq_search_limit_floats(hawq_search *s) {
    if (!hawq_search_has_floats(s) || s->imported) return HAWQ_OK;
    for (int l = 0; s->floats_are_pinned && l < s->n_layers; l++)
        if (!hawq_search_must_float(s, l))
            HAWQ_TRY(hawq_search_forbid_float(s, l));
    return s->peak_limit < 0 ? HAWQ_OK : hawq_search_limit_peak(s);
}
