/* benchmark_allocation.c -- what --allocation may name:
 *
 *     float32                   the network as it is
 *     uniform8 uniform4 uniform2  weights of so many bits, activations of 8
 *     w4a4 w8a4 ...             weights and activations, 8, 4 or 2 bits each
 *     w32a32                    every layer in float32 inside the integer
 *                               program, image by image, with a time each
 *     last                      the newest allocation of this model in the
 *                               database
 *     12                        the allocation of that id
 *     FILE.json                 "layers": [{"name", "weight_bits",
 *                               "activation_bits"}], as hawq-search writes it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/bench/benchmark.h"

#include "search/import.h"

#include <math.h>
#include <string.h>

static bool is_width(char c) {
    return c == '8' || c == '4' || c == '2';
}

/* Weight and activation bits of a uniform name; false if it is none. */
static bool read_uniform(const char *name, int bits[2]) {
    if (strncmp(name, "uniform", 7) == 0 && is_width(name[7]) && !name[8]) {
        bits[0] = name[7] - '0';
        bits[1] = 8;
        return true;
    }
    if (!strcmp(name, "w32a32")) {
        bits[0] = bits[1] = HAWQ_FLOAT_BITS;
        return true;
    }
    if (name[0] != 'w' || !is_width(name[1]) || name[2] != 'a' ||
        !is_width(name[3]) || name[4])
        return false;
    bits[0] = name[1] - '0';
    bits[1] = name[3] - '0';
    return true;
}

static hawq_status from_uniform(hawq_benchmark *b, const char *name,
                                const int bits[2], hawq_contender *out) {
    hawq_choice *choice;
    HAWQ_TRY(
        hawq_choice_uniform(b->graph, bits[0], bits[1], &b->arena, &choice));
    out->label = name;
    out->choice = choice;
    out->n_choices = b->graph->n_layers;
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

hawq_status hawq_benchmark_allocation(hawq_benchmark *b, const char *name,
                                      hawq_contender *out) {
    int     bits[2];
    int64_t id = 0;
    size_t  n = strlen(name);
    *out = (hawq_contender){
        .predicted = NAN, .predicted_us = NAN, .weight_range = HAWQ_RANGE_MAX};
    if (b->weight_range >= 0) out->weight_range = (hawq_range)b->weight_range;
    if (strcmp(name, "float32") == 0) {
        out->label = name;
        return HAWQ_OK;
    }
    if (read_uniform(name, bits)) return from_uniform(b, name, bits, out);
    if (strcmp(name, "last") == 0) return from_store(b, 0, out);
    if (n && strspn(name, "0123456789") == n) {
        HAWQ_TRY(hawq_parse_int("--allocation", name, 1, INT64_MAX, &id));
        return from_store(b, id, out);
    }
    if (n > 5 && strcmp(name + n - 5, ".json") == 0) {
        hawq_choice *choice;
        HAWQ_TRY(
            hawq_allocation_read(name, &b->arena, &out->n_choices, &choice));
        out->label = name;
        out->choice = choice;
        return HAWQ_OK;
    }
    return hawq_fail(HAWQ_EINVAL,
                     "--allocation '%s': expected an id, last, uniform8, "
                     "uniform4, uniform2, w4a4 (weights, activations: 8, 4 or "
                     "2 bits), w32a32 (every layer in float), FILE.json or "
                     "float32",
                     name);
}
