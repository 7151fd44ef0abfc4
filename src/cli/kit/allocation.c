/* allocation.c -- see allocation.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/allocation.h"

#include "search/import.h"
#include "src/cli/kit/rewriting.h"
#include "src/quant/choice.h"
#include "src/quant/quantize.h"

#include <math.h>
#include <string.h>

/* --- names --------------------------------------------------------------- */

/* What a name is looked up in and for. */
typedef struct place {
    const hawq_cli   *cli;
    hawq_store       *store; /* or NULL */
    const hawq_graph *graph;
    hawq_arena       *arena;
    int               weight_range;
} place;

/* uniformN is another name for wN. */
static hawq_status from_candidate(const place *b, const char *name,
                                  hawq_allocation *out) {
    bool         uniform = strncmp(name, "uniform", 7) == 0;
    const char  *text = uniform ? name + 7 : name;
    hawq_choice *choice;
    if (hawq_choice_everywhere(b->graph, text, b->arena, &choice) != HAWQ_OK)
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
static hawq_status apply_range(const place *b, hawq_allocation *c) {
    hawq_choice *choice;
    HAWQ_TAKE(choice, b->arena, (size_t)c->n_choices);
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
            hawq_arena_string(b->arena, hawq_candidate_text(&candidate, text));
        if (!choice[i].candidate) return HAWQ_ENOMEM;
    }
    c->choice = choice;
    return HAWQ_OK;
}

static hawq_status from_store(const place *b, int64_t id,
                              hawq_allocation *out) {
    char                   hash[HAWQ_HASH_TEXT];
    hawq_allocation_record record;
    hawq_run_record        run;
    hawq_graph_hash(b->graph, hash);
    if (b->store) HAWQ_TRY(hawq_store_find_allocation(b->store, hash, id, &id));
    if (!b->store || id == 0)
        return hawq_fail(HAWQ_EINVAL,
                         "--allocation: %s holds no such allocation of this "
                         "model; hawq-search makes one",
                         b->cli->db);
    HAWQ_TRY(hawq_store_load_allocation(b->store, id, b->arena, &record));
    HAWQ_TRY(hawq_store_load_run(b->store, record.run, b->arena, &run));
    if (!record.n_layers)
        return hawq_fail(HAWQ_EINVAL,
                         "--allocation: allocation %lld has no layers: its "
                         "search found none (state %s)",
                         (long long)id, record.state);
    out->label = hawq_arena_format(b->arena, "allocation %lld", (long long)id);
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
    out->rewriting = hawq_rewriting_of(&run);
    out->id = id;
    out->analysis = record.analysis;
    return out->label ? HAWQ_OK : HAWQ_ENOMEM;
}

static hawq_status from_file(const place *b, const char *name,
                             hawq_allocation *out) {
    hawq_choice *choice;
    HAWQ_TRY(hawq_allocation_read(name, b->arena, &out->n_choices, &choice));
    out->label = name;
    out->choice = choice;
    return HAWQ_OK;
}

static hawq_status resolve(const place *b, const char *name,
                           hawq_allocation *out) {
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

hawq_status hawq_allocation_find(const hawq_cli *cli, hawq_store *store,
                                 const hawq_graph *graph, const char *name,
                                 int weight_range, hawq_arena *arena,
                                 hawq_allocation *out) {
    place p = {cli, store, graph, arena, weight_range};
    *out = (hawq_allocation){
        .label = name, .predicted = NAN, .weight_range = HAWQ_RANGE_MAX};
    if (weight_range >= 0) out->weight_range = (hawq_range)weight_range;
    if (strcmp(name, "float32") == 0) return HAWQ_OK;
    HAWQ_TRY(resolve(&p, name, out));
    if (out->weight_range != HAWQ_RANGE_MAX) return apply_range(&p, out);
    return HAWQ_OK;
}

/* --- codes --------------------------------------------------------------- */

/* What is stored of a layer: refined for the allocation, or by the analysis
 * that was searched for this candidate; NULL: nothing. */
static hawq_status find_codes(hawq_store *store, const hawq_allocation *a,
                              int layer, const char *candidate,
                              hawq_arena *arena, hawq_quantized_record **out) {
    hawq_quantized_record *row;
    int                    n = 0;
    *out = NULL;
    if (a->id) {
        HAWQ_TRY(
            hawq_store_load_quantized(store, 0, a->id, layer, arena, &n, &row));
        if (n && row[0].codes) {
            *out = &row[0];
            return HAWQ_OK;
        }
    }
    if (!a->analysis) return HAWQ_OK;
    HAWQ_TRY(hawq_store_load_quantized(store, a->analysis, 0, layer, arena, &n,
                                       &row));
    for (int i = 0; i < n; i++)
        if (row[i].codes && !strcmp(row[i].candidate, candidate))
            *out = &row[i];
    return HAWQ_OK;
}

static hawq_status need_data(const hawq_allocation *a, const char *layer,
                             const hawq_candidate *candidate) {
    return hawq_fail(HAWQ_EINVAL,
                     "--allocation %s: layer '%s': method %s looks at the "
                     "layer's inputs, so quantize first: hawq-quantize "
                     "MODEL.onnx --allocation %s --data SPEC",
                     a->label, layer, candidate->method->name, a->label);
}

hawq_status hawq_allocation_check(const hawq_allocation *a) {
    for (int i = 0; i < a->n_choices && !a->id; i++) {
        hawq_candidate candidate;
        HAWQ_TRY(hawq_candidate_of(&a->choice[i], &candidate));
        if (candidate.method->needs != HAWQ_NEEDS_NOTHING)
            return need_data(a, a->choice[i].layer, &candidate);
    }
    return HAWQ_OK;
}

static hawq_status layer_codes(hawq_store *store, const hawq_graph *graph,
                               const hawq_allocation *a,
                               const hawq_choice *choice, int l,
                               hawq_threads *threads, hawq_arena *arena,
                               bool *missing, hawq_quantized *out) {
    const hawq_layer      *layer = &graph->layer[l];
    hawq_candidate         candidate;
    hawq_quantized_record *row = NULL;
    char                   name[HAWQ_CANDIDATE_TEXT];
    HAWQ_TRY(hawq_candidate_of(choice, &candidate));
    hawq_candidate_text(&candidate, name);
    if (store && (a->id || a->analysis))
        HAWQ_TRY(find_codes(store, a, l, name, arena, &row));
    if (row) {
        hawq_status status =
            hawq_quantized_load(row->codes, row->n_codes, layer->channels,
                                layer->outer * layer->inner, arena, out);
        if (status != HAWQ_OK)
            return hawq_prefix("layer '%s', stored codes of %s: ", layer->name,
                               name);
        return HAWQ_OK;
    }
    if (candidate.method->needs != HAWQ_NEEDS_NOTHING) {
        if (!missing) return need_data(a, layer->name, &candidate);
        *missing = true;
        return HAWQ_OK;
    }
    return hawq_quantize(layer, &candidate, NULL, NULL, threads, arena, out);
}

hawq_status hawq_allocation_codes(hawq_store *store, const hawq_graph *graph,
                                  const hawq_allocation *a,
                                  hawq_threads *threads, hawq_arena *arena,
                                  bool *missing, hawq_quantized **out) {
    HAWQ_TAKE(*out, arena, (size_t)graph->n_layers);
    for (int i = 0; i < a->n_choices; i++) {
        int l = hawq_graph_find_layer(graph, a->choice[i].layer);
        if (l < 0 || (*out)[l].rows) continue; /* the lowering complains */
        HAWQ_TRY(layer_codes(store, graph, a, &a->choice[i], l, threads, arena,
                             missing, &(*out)[l]));
    }
    return HAWQ_OK;
}
