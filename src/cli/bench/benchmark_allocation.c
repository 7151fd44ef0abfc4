/* benchmark_allocation.c -- what --allocation may name:
 *
 *     float32                   the network as it is
 *     uniform8 ... uniform2     weights of so many bits (w8 ... w2),
 *                               activations of 8
 *     w3, w2c, k3a4, w4g64 ...  one candidate (method.h) for all layers, with
 *                               activations of 8 bits or as it says
 *     w32a32                    every layer in float32 inside the integer
 *                               program, image by image, with a time each
 *     file                      the weights and ranges that a quantized model's
 *                               own file has
 *     last                      the newest allocation of this model in the
 *                               database
 *     12                        the allocation of that id
 *     FILE.json                 "layers": [{"name", "weight_bits",
 *                               "activation_bits"}], as hawq-search writes it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/bench/benchmark.h"

#include "search/import.h"
#include "src/quant/method.h"

#include <math.h>
#include <string.h>

/* uniformN is another name for wN. */
static hawq_status from_candidate(hawq_benchmark *b, const char *name,
                                  hawq_contender *out) {
    bool         uniform = strncmp(name, "uniform", 7) == 0;
    const char  *text = uniform ? name + 7 : name;
    hawq_choice *choice;
    if (hawq_choice_everywhere(b->graph, text, &b->arena, &choice) != HAWQ_OK)
        return hawq_prefix("--allocation: expected an id, last, FILE.json, "
                           "float32, uniform8 and the like, or a candidate "
                           "such as w4a8: ");
    out->label = name;
    out->choice = choice;
    out->n_choices = b->graph->n_layers;
    return HAWQ_OK;
}

/* Weights rounded to nearest, where no method is named, get the range's scale:
 * the methods have the ranges' names. */
static hawq_status apply_range(hawq_benchmark *b, hawq_contender *c) {
    hawq_choice *choice;
    HAWQ_TAKE(choice, &b->arena, (size_t)c->n_choices);
    for (int i = 0; i < c->n_choices; i++) {
        hawq_candidate candidate;
        char           text[HAWQ_CANDIDATE_TEXT];
        choice[i] = c->choice[i];
        HAWQ_TRY(hawq_candidate_of(&choice[i], &candidate));
        if (candidate.method != &hawq_method_nearest ||
            hawq_format_is_uncoded(&candidate.format))
            continue;
        HAWQ_TRY(hawq_method_find(hawq_range_name(c->weight_range),
                                  &candidate.method));
        choice[i].candidate =
            hawq_arena_string(&b->arena, hawq_candidate_text(&candidate, text));
        if (!choice[i].candidate) return HAWQ_ENOMEM;
    }
    c->choice = choice;
    return HAWQ_OK;
}

/* Codes that data chooses are chosen by another program. */
static hawq_status check_needs(const hawq_benchmark *b, const char *name,
                               const hawq_contender *c) {
    for (int i = 0; i < c->n_choices; i++) {
        hawq_candidate candidate;
        HAWQ_TRY(hawq_candidate_of(&c->choice[i], &candidate));
        if (candidate.method->needs == HAWQ_NEEDS_NOTHING) continue;
        return hawq_fail(HAWQ_EINVAL,
                         "--allocation %s: layer '%s': method %s looks at the "
                         "layer's inputs, so quantize first: hawq-quantize %s "
                         "--allocation %s --data SPEC",
                         name, c->choice[i].layer, candidate.method->name,
                         b->model_path, name);
    }
    return HAWQ_OK;
}

static hawq_status from_store(hawq_benchmark *b, int64_t id,
                              hawq_contender *out) {
    char                   hash[HAWQ_HASH_TEXT];
    hawq_allocation_record record;
    hawq_graph_hash(b->graph, hash);
    if (b->store) HAWQ_TRY(hawq_store_find_allocation(b->store, hash, id, &id));
    if (!b->store || id == 0)
        return hawq_fail(HAWQ_EINVAL,
                         "--allocation: %s holds no such allocation of this "
                         "model; hawq-search makes one",
                         b->cli->db);
    HAWQ_TRY(hawq_store_load_allocation(b->store, id, &b->arena, &record));
    if (!record.n_layers)
        return hawq_fail(HAWQ_EINVAL,
                         "--allocation: allocation %lld has no layers: its "
                         "search found none (state %s)",
                         (long long)id, record.state);
    out->label = hawq_arena_format(&b->arena, "allocation %lld", (long long)id);
    out->choice = record.choice;
    out->n_choices = record.n_layers;
    out->metric = record.metric;
    out->predicted = record.objective;
    if (b->weight_range < 0 && record.weight_range[0]) {
        int range = hawq_range_find(record.weight_range);
        if (range < 0)
            return hawq_fail(HAWQ_EFORMAT,
                             "%s: the analysis of allocation %lld has the "
                             "unknown weight range '%s'",
                             b->cli->db, (long long)id, record.weight_range);
        out->weight_range = (hawq_range)range;
    }
    out->record.allocation = id;
    return out->label ? HAWQ_OK : HAWQ_ENOMEM;
}

static hawq_status from_file(hawq_benchmark *b, const char *name,
                             hawq_contender *out) {
    hawq_choice *choice;
    HAWQ_TRY(hawq_allocation_read(name, &b->arena, &out->n_choices, &choice));
    out->label = name;
    out->choice = choice;
    return HAWQ_OK;
}

static hawq_status from_model(hawq_benchmark *b, hawq_contender *out) {
    hawq_qdq *own;
    if (!hawq_qdq_is_quantized(b->image_graph))
        return hawq_fail(HAWQ_EINVAL, "--allocation file: %s is not quantized",
                         b->model_path);
    HAWQ_TAKE(own, &b->arena, 1);
    if (hawq_qdq_restore(b->image_graph, &b->arena, own) != HAWQ_OK)
        return hawq_prefix("%s: ", b->model_path);
    out->choice = own->choice;
    out->n_choices = b->image_graph->n_layers;
    out->own = own;
    return HAWQ_OK;
}

static hawq_status resolve(hawq_benchmark *b, const char *name,
                           hawq_contender *out) {
    int64_t id = 0;
    size_t  n = strlen(name);
    if (strcmp(name, "last") == 0) return from_store(b, 0, out);
    if (n && strspn(name, "0123456789") == n) {
        HAWQ_TRY(hawq_parse_int("--allocation", name, 1, INT64_MAX, &id));
        return from_store(b, id, out);
    }
    if (n > 5 && strcmp(name + n - 5, ".json") == 0)
        return from_file(b, name, out);
    return from_candidate(b, name, out);
}

hawq_status hawq_benchmark_allocation(hawq_benchmark *b, const char *name,
                                      hawq_contender *out) {
    *out = (hawq_contender){.label = name,
                            .predicted = NAN,
                            .predicted_us = NAN,
                            .weight_range = HAWQ_RANGE_MAX};
    if (b->weight_range >= 0) out->weight_range = (hawq_range)b->weight_range;
    if (strcmp(name, "float32") == 0) return HAWQ_OK;
    if (strcmp(name, "file") == 0) return from_model(b, out);
    HAWQ_TRY(resolve(b, name, out));
    if (out->weight_range != HAWQ_RANGE_MAX) HAWQ_TRY(apply_range(b, out));
    return check_needs(b, name, out);
}
