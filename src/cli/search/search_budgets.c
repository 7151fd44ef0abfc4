/* search_budgets.c -- --budget KIND=VALUE.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/search/search_command.h"

#include <math.h>
#include <string.h>

/* The units of a kind: those of a problem file are its author's, so that plain
 * numbers are allowed there. */
static unsigned units_of(const hawq_search *s, const char *kind) {
    unsigned plain = s->problem_path ? HAWQ_UNIT_NONE : 0;
    if (!strcmp(kind, "weight-size") || !strcmp(kind, "activation-peak"))
        return HAWQ_UNIT_BYTES | HAWQ_UNIT_MULTIPLE | plain;
    if (!strcmp(kind, "mean-bits")) return HAWQ_UNIT_BITS | plain;
    if (!strcmp(kind, "latency") && !s->problem_path)
        return HAWQ_UNIT_TIME | HAWQ_UNIT_MULTIPLE;
    return HAWQ_UNIT_COUNT | HAWQ_UNIT_MULTIPLE | plain;
}

static bool is_known(const char *kind) {
    static const char *const known[] = {"weight-size",   "bops",
                                        "mean-bits",     "latency",
                                        "accuracy-drop", "activation-peak"};
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        if (!strcmp(kind, known[k])) return true;
    return false;
}

static hawq_status parse_budget(const hawq_search *s, const char *text,
                                const char **kind, const char **what,
                                hawq_quantity *limit) {
    const char *value;
    HAWQ_TRY(hawq_parse_pair("--budget", "KIND=VALUE", text, &s->cli->arena,
                             kind, &value));
    *what = hawq_arena_format(&s->cli->arena, "--budget %s", *kind);
    if (!*what) return HAWQ_ENOMEM;
    if (!s->problem_path && !is_known(*kind))
        return hawq_fail(HAWQ_EINVAL,
                         "%s: a model's budgets are weight-size, bops, "
                         "mean-bits, latency, activation-peak and "
                         "accuracy-drop",
                         *what);
    if (!strcmp(*kind, "accuracy-drop") && !s->problem_path) {
        limit->unit = HAWQ_UNIT_NONE;
        return hawq_parse_real(*what, value, 0, 1e300, &limit->value);
    }
    return hawq_parse_quantity(*what, value, units_of(s, *kind), limit);
}

hawq_status hawq_search_check_budgets(hawq_search *s) {
    const char   *kind, *what;
    hawq_quantity limit;
    for (int i = 0; i < s->budgets.n; i++)
        HAWQ_TRY(parse_budget(s, s->budgets.item[i], &kind, &what, &limit));
    if (s->budgets.n || s->front_kind || s->score_path || s->problem_path)
        return HAWQ_OK;
    return hawq_fail(HAWQ_EINVAL,
                     "--budget is missing: weight-size=0.5x, "
                     "weight-size=250KiB, bops=12G, mean-bits=4.5bits, "
                     "latency=900us, accuracy-drop=0.01; or --pareto for all "
                     "at once");
}

/* The least weights whose predicted loss is within the limit are a point of
 * the front, found once the other budgets are known. */
static hawq_status want_drop(hawq_search *s, double limit) {
    if (s->drop_limit >= 0)
        return hawq_fail(HAWQ_EINVAL, "--budget accuracy-drop is given twice");
    s->drop_limit = limit;
    return HAWQ_OK;
}

/* Activations lie in bytes whatever their bits, each at a place planned from
 * shapes alone: their memory is a constant of the network, but for layers in
 * float. */
static hawq_status take_peak(hawq_search *s, hawq_quantity limit) {
    const char *is = hawq_bytes_text(&s->cli->arena, s->activation_peak);
    if (s->peak_limit >= 0)
        return hawq_fail(HAWQ_EINVAL, "a second budget on 'activation-peak'");
    s->peak_limit = limit.value;
    if (limit.unit == HAWQ_UNIT_MULTIPLE) s->peak_limit *= s->activation_peak;
    if (s->peak_limit < s->activation_peak) return HAWQ_OK; /* refused later */
    if (hawq_search_has_floats(s)) return HAWQ_OK;
    hawq_cli_note(s->cli,
                  "activation-peak is %.0f bytes (%s) an image whatever the "
                  "bits, for activations lie in bytes: this budget decides "
                  "nothing",
                  s->activation_peak, is);
    return HAWQ_OK;
}

bool hawq_search_peak_fits(const hawq_search *s) {
    return s->peak_limit < 0 || s->peak_limit >= s->activation_peak;
}

static hawq_status add_budget(hawq_search *s, const char *text) {
    const char   *kind, *what;
    hawq_quantity limit;
    HAWQ_TRY(parse_budget(s, text, &kind, &what, &limit));
    int index = hawq_problem_find_kind(s->problem, kind);
    if (index < 0 && !strcmp(kind, "accuracy-drop"))
        return want_drop(s, limit.value);
    if (index < 0 && !strcmp(kind, "activation-peak") && !s->problem_path)
        return take_peak(s, limit);
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

hawq_status hawq_search_add_budgets(hawq_search *s) {
    s->drop_limit = s->peak_limit = -1;
    if (s->budgets.n) hawq_problem_clear_budgets(s->problem);
    for (int i = 0; i < s->budgets.n; i++)
        HAWQ_TRY(add_budget(s, s->budgets.item[i]));
    if (s->drop_limit < 0) return HAWQ_OK;
    int kind = hawq_problem_find_kind(s->problem, "weight-size");
    for (int b = 0; b < s->problem->n_budgets; b++)
        if (s->problem->budget[b].kind == kind)
            return hawq_fail(HAWQ_EINVAL,
                             "--budget accuracy-drop finds the least "
                             "weight-size; a budget for that, too, excludes "
                             "it");
    return HAWQ_OK;
}

bool hawq_search_has_budget(const hawq_search *s, const char *kind) {
    size_t n = strlen(kind);
    for (int i = 0; i < s->budgets.n; i++)
        if (!strncmp(s->budgets.item[i], kind, n) &&
            s->budgets.item[i][n] == '=')
            return true;
    return false;
}

bool hawq_search_wants_latency(const hawq_search *s) {
    return hawq_search_has_budget(s, "latency") ||
           (s->front_kind && strstr(s->front_kind, "latency"));
}

hawq_status hawq_search_apply_drop(hawq_search *s, bool *met, double *least) {
    hawq_pareto front;
    HAWQ_TRY(hawq_pareto_front(s->problem, "weight-size", 0, &s->cli->arena,
                               &front));
    *met = false;
    *least = front.n ? front.point[front.n - 1].objective : INFINITY;
    for (int i = 0; i < front.n; i++) {
        if (front.point[i].objective > s->drop_limit) continue;
        *met = true;
        return hawq_problem_budget(s->problem, "weight-size",
                                   front.point[i].cost);
    }
    return HAWQ_OK;
}

hawq_status hawq_search_show_budgets(hawq_search *s, double least,
                                     hawq_solution *solution) {
    hawq_budget_use      *use;
    int                   n = solution->n_budgets;
    const hawq_budget_use drop = {.kind = "accuracy-drop",
                                  .unit_name = "",
                                  .limit = s->drop_limit,
                                  .used = solution->objective,
                                  .least = least,
                                  .impossible = least > s->drop_limit,
                                  .binding = solution->choice != NULL};
    bool                  shown = s->drop_limit < 0;
    HAWQ_TAKE(use, &s->cli->arena, (size_t)n + 2);
    for (int b = 0; b < n; b++) {
        use[b] = solution->budget[b];
        if (s->drop_limit < 0 || strcmp(use[b].kind, "weight-size")) continue;
        use[b] = drop;
        shown = true;
    }
    if (!shown) use[n++] = drop; /* it became no budget: impossible */
    if (s->peak_limit >= 0)
        use[n++] = (hawq_budget_use){
            .kind = "activation-peak",
            .unit_name = " bytes",
            .limit = s->peak_limit,
            .used = solution->choice ? s->activation_peak : NAN,
            .least = s->least_peak,
            .impossible = !hawq_search_peak_fits(s),
            .binding = s->peak_binds};
    solution->budget = use;
    solution->n_budgets = n;
    return HAWQ_OK;
}
