/* choice.c -- see choice.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/choice.h"

#include "src/graph/groups.h"
#include "src/quant/quantize.h"

hawq_status hawq_choice_uniform(const hawq_graph *graph, int weight_bits,
                                int activation_bits, hawq_arena *arena,
                                hawq_choice **out) {
    hawq_choice *c;
    HAWQ_TAKE(c, arena, (size_t)graph->n_layers);
    for (int i = 0; i < graph->n_layers; i++)
        c[i] = (hawq_choice){.layer = graph->layer[i].name,
                             .weight_bits = weight_bits,
                             .activation_bits = activation_bits};
    *out = c;
    return HAWQ_OK;
}

hawq_status hawq_choice_everywhere(const hawq_graph *graph, const char *text,
                                   hawq_arena *arena, hawq_choice **out) {
    hawq_candidate candidate;
    int            activation_bits;
    char           name[HAWQ_CANDIDATE_TEXT];
    HAWQ_TRY(hawq_candidate_read_wide(text, &candidate, &activation_bits));
    const char *copy =
        hawq_arena_string(arena, hawq_candidate_text(&candidate, name));
    if (!copy) return HAWQ_ENOMEM;
    HAWQ_TRY(hawq_choice_uniform(graph, candidate.format.bits, activation_bits,
                                 arena, out));
    for (int i = 0; i < graph->n_layers; i++) {
        hawq_choice *c = &(*out)[i];
        c->candidate = copy;
        if (c->activation_bits < 8 && hawq_layer_reads_input(&graph->layer[i]))
            c->activation_bits = 8;
    }
    return HAWQ_OK;
}

hawq_status hawq_choice_format(const hawq_choice *choice, hawq_format *out) {
    hawq_candidate candidate;
    HAWQ_TRY(hawq_candidate_of(choice, &candidate));
    *out = candidate.format;
    return HAWQ_OK;
}

hawq_status hawq_quantize_choices(const hawq_graph *graph, int n,
                                  const hawq_choice *choice,
                                  hawq_threads *threads, hawq_arena *arena,
                                  hawq_quantized **out) {
    HAWQ_TAKE(*out, arena, (size_t)graph->n_layers);
    for (int i = 0; i < n; i++) {
        hawq_candidate candidate;
        int            at = hawq_graph_find_layer(graph, choice[i].layer);
        if (at < 0 || (*out)[at].rows) continue;
        HAWQ_TRY(hawq_candidate_of(&choice[i], &candidate));
        HAWQ_TRY(hawq_quantize(&graph->layer[at], &candidate, NULL, NULL,
                               threads, arena, &(*out)[at]));
    }
    return HAWQ_OK;
}
