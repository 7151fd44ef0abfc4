/* search_input.c -- the problem of hawq-search.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/problem_json.h"
#include "src/cli/search/search_command.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* --- the model's newest analysis ----------------------------------------- */

/* Nothing of the database's name, in a folder that is there? */
static bool could_be_made(const hawq_search *s) {
    const char *db = s->cli->db, *slash = strrchr(db, '/');
    const char *folder =
        slash ? hawq_arena_string_n(&s->cli->arena, db, (size_t)(slash - db))
              : ".";
    if (slash == db) folder = "/";
    return access(db, F_OK) && errno == ENOENT && folder &&
           !access(folder, X_OK);
}

/* A database that is not there is not created: it has no analysis. */
static hawq_status open_store(hawq_search *s) {
    hawq_store *store;
    hawq_status status = hawq_store_open(s->cli->db, HAWQ_STORE_READ, &store);
    if (status == HAWQ_EIO && could_be_made(s))
        return hawq_fail(status, "%s; run hawq-analyze %s first",
                         hawq_message(), s->cli->arg[0]);
    if (status == HAWQ_OK)
        hawq_store_close(store);
    else if (status != HAWQ_ESTATE) /* of an older schema, it is migrated */
        return status;
    return hawq_store_open(s->cli->db, HAWQ_STORE_WRITE, &s->store);
}

/* Metrics whose loss has terms of two layers. */
static bool interacts(const hawq_search *s) {
    return !strcmp(s->metric, "cross") || !strcmp(s->metric, "hybrid");
}

static hawq_status load_interactions(hawq_search *s) {
    hawq_interaction_record *row;
    int                      n;
    HAWQ_TRY(hawq_store_load_interactions(s->store, s->analysis, &s->cli->arena,
                                          &n, &row));
    return hawq_problem_interact_records(s->problem, n, row);
}

/* The layers of the analysis are the model's. */
static hawq_status check_layers(const hawq_search *s, int n,
                                const hawq_layer_record *layer) {
    bool same = n == s->n_layers;
    for (int l = 0; same && l < n; l++)
        same = !strcmp(layer[l].name, s->layer[l].name);
    return same
               ? HAWQ_OK
               : hawq_store_incomplete(s->store, s->analysis,
                                       "its layers are not those of the model");
}

static hawq_status load_model(hawq_search *s) {
    hawq_layer_record *layer;
    hawq_layer_timing *timing = NULL;
    int                n_layers, n_timings = 0;
    HAWQ_TRY(hawq_search_model(s));
    HAWQ_TRY(open_store(s));
    HAWQ_TRY(hawq_search_find_analysis(s));
    hawq_arena *arena = &s->cli->arena;
    HAWQ_TRY(hawq_store_load_layers(s->store, s->analysis, arena, &n_layers,
                                    &layer));
    HAWQ_TRY(check_layers(s, n_layers, layer));
    HAWQ_TRY(hawq_store_load_sensitivity(s->store, s->analysis, s->metric,
                                         arena, &s->n_sensitivities,
                                         &s->sensitivity));
    HAWQ_TRY(s->score_path ? hawq_search_import(s) : hawq_search_resolve(s));
    HAWQ_TRY(hawq_search_add_floats(s));
    if (hawq_search_wants_latency(s))
        HAWQ_TRY(hawq_search_latency(s, n_layers, layer, &n_timings, &timing));
    HAWQ_TRY(hawq_problem_from_widths(n_layers, layer, s->n_sensitivities,
                                      s->sensitivity, n_timings, timing,
                                      s->n_widths, s->width, &s->problem));
    HAWQ_TRY(hawq_problem_add_fixed(s->problem, "weight-size",
                                    (double)s->rest_bytes));
    HAWQ_TRY(hawq_search_add_activations(s));
    return interacts(s) ? load_interactions(s) : HAWQ_OK;
}

static hawq_status refuse_bits(const hawq_search *s) {
    if (!s->n_widths && !s->score_path && !s->wanted) return HAWQ_OK;
    return hawq_fail(HAWQ_EINVAL,
                     "--%s is for a model; the candidates of a "
                     "problem file are the file's",
                     s->wanted     ? "analysis"
                     : s->n_widths ? "bits"
                                   : "score");
}

hawq_status hawq_search_load(hawq_search *s) {
    s->loss = "";
    HAWQ_TRY(hawq_search_check_budgets(s));
    HAWQ_TRY(hawq_search_check_pins(s));
    HAWQ_TRY(hawq_search_check_activations(s));
    if (!s->problem_path) return load_model(s);
    HAWQ_TRY(refuse_bits(s));
    s->metric = "";
    return hawq_problem_read(s->problem_path, &s->problem);
}

hawq_status hawq_search_constrain(hawq_search *s) {
    HAWQ_TRY(hawq_search_tie_and_pin(s));
    HAWQ_TRY(hawq_search_add_budgets(s));
    hawq_status status = hawq_problem_finish(s->problem);
    if (status != HAWQ_OK && status != HAWQ_EINVAL && s->problem_path)
        return hawq_prefix("%s: ", s->problem_path);
    return status == HAWQ_OK ? hawq_search_limit_floats(s) : status;
}

void hawq_search_close(hawq_search *s) {
    hawq_problem_free(s->problem);
    hawq_store_close(s->store);
}
