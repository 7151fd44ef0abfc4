/* search_input.c -- the problem of hawq-search.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/kernel.h"
#include "search/problem_json.h"
#include "search/records.h"
#include "src/cli/search_command.h"
#include "src/load/onnx.h"

#include <string.h>

/* --- the model's newest analysis ----------------------------------------- */

static hawq_status hash_model(hawq_search *s) {
    hawq_graph *graph;
    HAWQ_TRY(hawq_onnx_load(s->cli->arg[0], 1, &graph));
    hawq_graph_hash(graph, s->hash);
    hawq_graph_free(graph);
    return HAWQ_OK;
}

/* A database that is not there is not created: it has no analysis. */
static hawq_status open_store(hawq_search *s) {
    hawq_store *store;
    hawq_status status = hawq_store_open(s->cli->db, HAWQ_STORE_READ, &store);
    if (status == HAWQ_EIO)
        return hawq_fail(status, "%s; run hawq-analyze %s first",
                         hawq_message(), s->cli->arg[0]);
    HAWQ_TRY(status);
    hawq_store_close(store);
    return hawq_store_open(s->cli->db, HAWQ_STORE_WRITE, &s->store);
}

static hawq_status find_analysis(hawq_search *s) {
    hawq_run_record run;
    HAWQ_TRY(
        hawq_store_find_analysis(s->store, s->hash, s->metric, &s->analysis));
    if (!s->analysis)
        return hawq_fail(HAWQ_ESTATE,
                         "%s holds no complete analysis of %s with metric "
                         "'%s'; run hawq-analyze --metric %s first",
                         s->cli->db, s->cli->arg[0], s->metric, s->metric);
    HAWQ_TRY(hawq_store_load_run(s->store, s->analysis, &s->cli->arena, &run));
    s->loss = run.loss;
    return HAWQ_OK;
}

/* Does a budget or the front ask for measured times? */
static bool wants_latency(const hawq_search *s) {
    if (s->front_kind && !strcmp(s->front_kind, "latency")) return true;
    for (int i = 0; i < s->budgets.n; i++)
        if (!strncmp(s->budgets.item[i], "latency=", 8)) return true;
    return false;
}

/* Times of this machine with the kernels hawq-bench chooses by itself. */
static hawq_status load_timings(hawq_search *s, int *n,
                                hawq_layer_timing **timing) {
    hawq_run_record run;
    hawq_cli_record(s->cli, &run);
    return hawq_store_load_timings(
        s->store, s->hash, run.host, hawq_kernels_select(NULL)->name,
        s->cli->threads ? s->cli->threads : 1, &s->cli->arena, n, timing);
}

static hawq_status load_model(hawq_search *s) {
    hawq_layer_record       *layer;
    hawq_sensitivity_record *sensitivity;
    hawq_layer_timing       *timing = NULL, none = {0};
    int                      n_layers, n, n_timings = 0;
    if (!strcmp(s->metric, "cross") || !strcmp(s->metric, "hybrid"))
        return hawq_fail(HAWQ_EINVAL,
                         "--metric %s: this search adds up the losses of "
                         "single layers; use quadratic or measured",
                         s->metric);
    HAWQ_TRY(hash_model(s));
    HAWQ_TRY(open_store(s));
    HAWQ_TRY(find_analysis(s));
    hawq_arena *arena = &s->cli->arena;
    HAWQ_TRY(hawq_store_load_layers(s->store, s->analysis, arena, &n_layers,
                                    &layer));
    HAWQ_TRY(hawq_store_load_sensitivity(s->store, s->analysis, s->metric,
                                         arena, &n, &sensitivity));
    if (wants_latency(s)) {
        HAWQ_TRY(load_timings(s, &n_timings, &timing));
        if (!n_timings) timing = &none; /* so that the missing one is named */
    }
    return hawq_problem_from_records(n_layers, layer, n, sensitivity, n_timings,
                                     timing, &s->problem);
}

/* --- the command line's constraints -------------------------------------- */

static hawq_status add_group(hawq_search *s, const char *text) {
    const char **name;
    hawq_arena  *arena = &s->cli->arena;
    int          n = 0;
    HAWQ_TAKE(name, arena, strlen(text) + 1);
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        name[n] = hawq_arena_string_n(arena, at, length);
        if (!name[n++]) return HAWQ_ENOMEM;
        at += length;
        if (!*at) break;
    }
    if (n < 2)
        return hawq_fail(HAWQ_EINVAL,
                         "--group %s: at least two layers, A,B,...", text);
    return hawq_problem_tie(s->problem, n, name, "--group");
}

static hawq_status add_pin(hawq_search *s, const char *text) {
    const char *layer, *bits;
    int64_t     value;
    HAWQ_TRY(hawq_parse_pair("--pin", "LAYER=BITS", text, &s->cli->arena,
                             &layer, &bits));
    HAWQ_TRY(hawq_parse_int("--pin", bits, 1, 32, &value));
    return hawq_problem_pin(s->problem, layer, (int)value);
}

/* The units of a kind: those of a problem file are its author's, so that plain
 * numbers are allowed there. */
static unsigned units_of(const hawq_search *s, const char *kind) {
    unsigned plain = s->problem_path ? HAWQ_UNIT_NONE : 0;
    if (!strcmp(kind, "weight-size"))
        return HAWQ_UNIT_BYTES | HAWQ_UNIT_MULTIPLE | plain;
    if (!strcmp(kind, "mean-bits")) return HAWQ_UNIT_BITS | plain;
    if (!strcmp(kind, "latency") && !s->problem_path)
        return HAWQ_UNIT_TIME | HAWQ_UNIT_MULTIPLE;
    return HAWQ_UNIT_COUNT | HAWQ_UNIT_MULTIPLE | plain;
}

static hawq_status parse_budget(const hawq_search *s, const char *text,
                                const char **kind, const char **what,
                                hawq_quantity *limit) {
    const char *value;
    HAWQ_TRY(hawq_parse_pair("--budget", "KIND=VALUE", text, &s->cli->arena,
                             kind, &value));
    *what = hawq_arena_format(&s->cli->arena, "--budget %s", *kind);
    if (!*what) return HAWQ_ENOMEM;
    return hawq_parse_quantity(*what, value, units_of(s, *kind), limit);
}

/* What can be said of a model's budgets before it is read. */
static hawq_status check_budgets(const hawq_search *s) {
    static const char *const known[] = {"weight-size", "bops", "mean-bits",
                                        "latency"};
    const char              *kind, *what;
    hawq_quantity            limit;
    for (int i = 0; i < s->budgets.n; i++) {
        bool found = false;
        HAWQ_TRY(parse_budget(s, s->budgets.item[i], &kind, &what, &limit));
        for (int k = 0; k < 4; k++) found |= !strcmp(kind, known[k]);
        if (!found)
            return hawq_fail(HAWQ_EINVAL,
                             "%s: a model's budgets are weight-size, bops, "
                             "mean-bits and latency",
                             what);
    }
    if (!s->budgets.n && !s->front_kind)
        return hawq_fail(HAWQ_EINVAL,
                         "--budget is missing: weight-size=0.5x, "
                         "weight-size=250KiB, bops=12G, mean-bits=4.5bits, "
                         "latency=900us; or --pareto for all at once");
    return HAWQ_OK;
}

static hawq_status add_budget(hawq_search *s, const char *text) {
    const char   *kind, *what;
    hawq_quantity limit;
    HAWQ_TRY(parse_budget(s, text, &kind, &what, &limit));
    int index = hawq_problem_find_kind(s->problem, kind);
    if (limit.unit == HAWQ_UNIT_MULTIPLE && index >= 0) {
        bool found;
        limit.value *= hawq_problem_uniform8(s->problem, index, &found);
        if (!found)
            return hawq_fail(HAWQ_EINVAL,
                             "%s: a multiple of the uniform 8-bit network "
                             "needs an 8-bit candidate in every layer",
                             what);
    }
    return hawq_problem_budget(s->problem, kind, limit.value);
}

hawq_status hawq_search_load(hawq_search *s) {
    s->loss = "";
    if (s->problem_path) {
        s->metric = "";
        return hawq_problem_read(s->problem_path, &s->problem);
    }
    HAWQ_TRY(check_budgets(s));
    return load_model(s);
}

hawq_status hawq_search_constrain(hawq_search *s) {
    for (int i = 0; i < s->groups.n; i++)
        HAWQ_TRY(add_group(s, s->groups.item[i]));
    for (int i = 0; i < s->pins.n; i++) HAWQ_TRY(add_pin(s, s->pins.item[i]));
    if (s->budgets.n) hawq_problem_clear_budgets(s->problem);
    for (int i = 0; i < s->budgets.n; i++)
        HAWQ_TRY(add_budget(s, s->budgets.item[i]));
    hawq_status status = hawq_problem_finish(s->problem);
    if (status != HAWQ_OK && status != HAWQ_EINVAL && s->problem_path)
        return hawq_prefix("%s: ", s->problem_path);
    return status;
}

void hawq_search_close(hawq_search *s) {
    hawq_problem_free(s->problem);
    hawq_store_close(s->store);
}
