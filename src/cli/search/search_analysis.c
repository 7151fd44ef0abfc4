/* search_analysis.c -- which analysis the losses of a search are of, what else
 * there is, and how far its numbers can be trusted.
 *
 * A curvature is positive at a minimum, its estimate need not be: where the
 * mean of the readings is not positive, the analysis has stored max(0, upper
 * limit of the 95 % interval), see hawq_search_value.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/search/search_command.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- choosing --------------------------------------------------------------
 */

/* Appends ", item" to a list that starts as "". */
static hawq_status enlist(const hawq_search *s, const char **list,
                          const char *item) {
    *list = hawq_arena_format(&s->cli->arena, "%s%s%s", *list,
                              **list ? ", " : "", item);
    return *list ? HAWQ_OK : HAWQ_ENOMEM;
}

static hawq_status refuse_wanted(const hawq_search *s, int n,
                                 const int64_t *run) {
    const char *list = "";
    char        number[24];
    for (int i = 0; i < n; i++) {
        snprintf(number, sizeof number, "%lld", (long long)run[i]);
        HAWQ_TRY(enlist(s, &list, number));
    }
    return hawq_fail(HAWQ_EINVAL,
                     "--analysis %d: no complete analysis of %s with metric "
                     "'%s' in %s; there are %s",
                     s->wanted, s->cli->arg[0], s->metric, s->cli->db, list);
}

/* The newest, or the wanted one, that has what the search needs. */
static hawq_status choose(hawq_search *s, int n, const int64_t *run) {
    int64_t lacking = 0;
    for (int i = 0; i < n && !s->analysis; i++) {
        bool has;
        if (s->wanted && run[i] != s->wanted) continue;
        HAWQ_TRY(hawq_search_has_rises(s, run[i], &has));
        if (has) s->analysis = run[i];
        if (!has && !lacking) lacking = run[i];
    }
    if (s->analysis) return HAWQ_OK;
    return lacking ? hawq_search_refuse_narrow(s, lacking)
                   : refuse_wanted(s, n, run);
}

/* How run `other` differs from the one searched; "" if in none of loss, data,
 * range of the weights and rewrite. */
static hawq_status difference(hawq_search *s, int64_t other, const char **out) {
    hawq_arena     *arena = &s->cli->arena;
    hawq_run_record r;
    const char     *list = "";
    *out = "";
    HAWQ_TRY(hawq_store_load_run(s->store, other, arena, &r));
    const char *ours[] = {s->run.loss, s->run.weight_range, s->run.data,
                          s->run.rewrite};
    const char *theirs[] = {r.loss, r.weight_range, r.data, r.rewrite};
    const char *name[] = {"loss", "weight range", "data", "rewrite"};
    for (int i = 0; i < 4; i++) {
        if (!strcmp(ours[i], theirs[i])) continue;
        const char *item = hawq_arena_format(arena, "%s %s", name[i],
                                             *theirs[i] ? theirs[i] : "none");
        if (!item) return HAWQ_ENOMEM;
        HAWQ_TRY(enlist(s, &list, item));
    }
    if (!*list) return HAWQ_OK;
    *out = hawq_arena_format(arena, "run %lld (%s)", (long long)other, list);
    return *out ? HAWQ_OK : HAWQ_ENOMEM;
}

static hawq_status list_others(hawq_search *s, int n, const int64_t *run) {
    s->others = "";
    for (int i = 0; i < n && !s->wanted; i++) {
        const char *item;
        if (run[i] == s->analysis) continue;
        HAWQ_TRY(difference(s, run[i], &item));
        if (*item) HAWQ_TRY(enlist(s, &s->others, item));
    }
    return HAWQ_OK;
}

/* The runs of the metric; where any will do, of the first that has some. */
static hawq_status find_runs(hawq_search *s, int *n, int64_t **run) {
    static const char *const others[] = {"hybrid", "quadratic", "cross",
                                         "trace", "gauss-newton"};
    hawq_arena              *arena = &s->cli->arena;
    HAWQ_TRY(
        hawq_store_load_analyses(s->store, s->hash, s->metric, arena, n, run));
    for (int i = 0; !*n && s->any_metric && i < 5; i++) {
        HAWQ_TRY(hawq_store_load_analyses(s->store, s->hash, others[i], arena,
                                          n, run));
        if (*n) s->metric = others[i];
    }
    return HAWQ_OK;
}

hawq_status hawq_search_find_analysis(hawq_search *s) {
    int64_t       *run;
    int            n, estimates;
    hawq_estimate *estimate;
    hawq_arena    *arena = &s->cli->arena;
    HAWQ_TRY(find_runs(s, &n, &run));
    if (!n)
        return hawq_fail(HAWQ_ESTATE,
                         "%s holds no complete analysis of %s with metric "
                         "'%s'; run hawq-analyze --metric %s first",
                         s->cli->db, s->cli->arg[0], s->metric, s->metric);
    HAWQ_TRY(choose(s, n, run));
    HAWQ_TRY(hawq_store_load_run(s->store, s->analysis, arena, &s->run));
    s->loss = s->run.loss;
    HAWQ_TRY(hawq_store_load_estimates(s->store, s->analysis, s->metric, arena,
                                       &estimates, &estimate));
    s->n_estimates = estimates;
    s->estimate = estimate;
    return list_others(s, n, run);
}

/* --- saying so -------------------------------------------------------------
 */

/* "8 samples, batch-size 8, images 32": the parts of the run's sampling that a
 * user chose come first. */
static const char *effort(const hawq_search *s) {
    const char *all = s->run.sampling, *end = strstr(all, ", chunk");
    int         n = end ? (int)(end - all) : (int)strlen(all);
    const char *text =
        s->n_estimates ? hawq_arena_format(&s->cli->arena, "%d samples, %.*s",
                                           s->estimate[0].n, n, all)
                       : hawq_arena_format(&s->cli->arena, "%.*s", n, all);
    return text ? text : "";
}

void hawq_search_print_analysis(const hawq_search *s) {
    if (!s->analysis) return;
    printf("%-15s run %lld: metric %s, loss %s, weight range %s\n", "analysis",
           (long long)s->analysis, s->metric,
           hawq_shown(&s->cli->arena, s->loss),
           hawq_shown(&s->cli->arena, s->run.weight_range));
    if (*s->run.rewrite)
        printf("%-15s rewrite %s\n", "",
               hawq_shown(&s->cli->arena, s->run.rewrite));
    printf("%-15s data %s; %s\n", "", hawq_shown(&s->cli->arena, s->run.data),
           hawq_shown(&s->cli->arena, effort(s)));
}

void hawq_search_json_analysis(const hawq_search *s, hawq_json *w) {
    if (!s->analysis) return;
    hawq_json_integer(w, "analysis_run", s->analysis);
    hawq_json_text(w, "loss", s->loss);
    hawq_json_text(w, "data", s->run.data);
    hawq_json_text(w, "weight_range", s->run.weight_range);
    if (*s->run.rewrite) hawq_json_text(w, "rewrite", s->run.rewrite);
    hawq_json_text(w, "sampling", effort(s));
}

/* Names of the layers whose mean reading is not positive at some width, whose
 * readings are stored under "trace@w4". */
static hawq_status list_upper(const hawq_search *s, hawq_arena *scratch,
                              hawq_listing *list) {
    int   layers = s->problem->n_layers;
    bool *upper;
    HAWQ_TAKE(upper, scratch, (size_t)layers);
    for (int i = 0; i < s->n_sensitivities; i++) {
        hawq_sample_record *row;
        double             *sum;
        int                 n;
        if (s->sensitivity[i].layer) continue; /* each candidate once */
        const char *name = hawq_arena_format(scratch, "%s@%s", s->metric,
                                             s->sensitivity[i].candidate);
        if (!name) return HAWQ_ENOMEM;
        HAWQ_TAKE(sum, scratch, (size_t)layers);
        HAWQ_TRY(hawq_store_load_samples(s->store, s->analysis, name, scratch,
                                         &n, &row));
        for (int r = 0; r < n; r++) sum[row[r].layer] += row[r].value;
        for (int l = 0; l < layers; l++) upper[l] |= n && sum[l] <= 0;
    }
    for (int l = 0; l < layers; l++)
        if (upper[l]) hawq_listing_add(list, s->problem->layer[l].name);
    return HAWQ_OK;
}

static void list_unresolved(const hawq_search *s, hawq_listing *list) {
    for (int l = 0; l < s->n_estimates && l < s->problem->n_layers; l++)
        if (!(s->estimate[l].low > 0 || s->estimate[l].high < 0))
            hawq_listing_add(list, s->problem->layer[l].name);
}

hawq_status hawq_search_note_analysis(const hawq_search *s) {
    hawq_arena   scratch = {0};
    hawq_listing upper = {.arena = &s->cli->arena}, unresolved = upper;
    bool         said = s->cli->format == HAWQ_FORMAT_JSON ||
                (s->cli->format == HAWQ_FORMAT_TABLE && !s->front_kind);
    if (!s->analysis) return HAWQ_OK;
    if (!said)
        hawq_cli_note(s->cli,
                      "the losses are of run %lld: metric %s, loss %s, weight "
                      "range %s, data %s; %s",
                      (long long)s->analysis, s->metric, s->loss,
                      s->run.weight_range, s->run.data, effort(s));
    if (*s->others)
        hawq_cli_note(s->cli,
                      "run %lld is the newest complete analysis; there are "
                      "others of this model: %s; --analysis RUN chooses",
                      (long long)s->analysis, s->others);
    hawq_status status = list_upper(s, &scratch, &upper);
    hawq_arena_free(&scratch);
    HAWQ_TRY(status);
    list_unresolved(s, &unresolved);
    if (upper.n)
        hawq_cli_note(s->cli,
                      "the mean predicted rise is not positive for %s; what is "
                      "searched there is its upper 95 %% confidence limit, or "
                      "0 if that is negative, too",
                      hawq_listing_text(&upper));
    if (unresolved.n)
        hawq_cli_note(s->cli,
                      "%s not resolved from zero (95 %%) for %s; more samples "
                      "in hawq-analyze narrow the interval",
                      s->metric, hawq_listing_text(&unresolved));
    return HAWQ_OK;
}

void hawq_search_note_noise(const hawq_search   *s,
                            const hawq_solution *solution) {
    const hawq_problem *p = s->problem;
    double              variance = 0;
    if (!s->analysis || !solution->choice) return;
    for (int i = 0; i < s->n_sensitivities; i++) {
        const hawq_sensitivity_record *r = &s->sensitivity[i];
        const hawq_priced             *c = hawq_problem_candidate(
                        p, r->layer, solution->choice[p->layer[r->layer].in_group]);
        if (c->name && !strcmp(c->name, r->candidate))
            variance += r->stderr1 * r->stderr1;
    }
    for (int t = 0; t < s->n_activations; t++) {
        const hawq_rise *r = hawq_search_rise(s, solution, t);
        if (r) variance += r->stderr1 * r->stderr1;
    }
    double error = 2 * sqrt(variance);
    if (!(error > 0) || solution->objective > error) return;
    hawq_cli_note(
        s->cli,
        "the predicted loss %.3g is %s: two standard errors of the layers' "
        "sum, taken as independent, are %.2g; more images or samples in "
        "hawq-analyze would tell",
        solution->objective,
        solution->objective < -error ? "negative, which the few data measured "
                                       "on may explain"
                                     : "within the noise of the measurement",
        error);
}
