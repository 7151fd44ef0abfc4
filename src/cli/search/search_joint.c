/* search_joint.c -- does the loss add up as predicted? A search sums the losses
 * of layers quantized one at a time. Here whole networks are quantized, by the
 * code of hawq-quantize and without refinement, and compared with the float
 * network on images that no code was chosen by: the optimum, and the optima of
 * somewhat tighter budgets, which lie along the front below it. Where one of
 * those loses less although more was predicted for it, it is the answer: no
 * longer the optimum of the sum, but feasible, and better by what is measured.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/data_options.h"
#include "src/cli/quantize/quantization.h"
#include "src/cli/search/search_command.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double shares[] = {1, 0.98, 0.95, 0.9};
enum { SHARES = sizeof shares / sizeof *shares };

/* --- which allocations ---------------------------------------------------- */

/* The cost that is tightened: of the first budget, else the bytes. */
static int tightened(const hawq_problem *p) {
    return p->n_budgets ? p->budget[0].kind
                        : hawq_problem_find_kind(p, "weight-size");
}

/* The optimum under `limit` on that cost, all other budgets kept. */
static hawq_status solve_below(hawq_problem *p, int kind, double limit,
                               const hawq_solver        *solver,
                               const hawq_solve_options *options,
                               hawq_arena *arena, hawq_solution *out) {
    int    n = p->n_budgets;
    double own = n ? p->budget[0].limit : 0;
    if (!n) HAWQ_TRY(hawq_problem_budget(p, p->kind[kind].name, limit));
    p->budget[0].limit = limit;
    hawq_status status = hawq_solve(p, solver, options, arena, out);
    p->budget[0].limit = own;
    p->n_budgets = n;
    return status;
}

static bool is_new(const hawq_search *s, const hawq_solution *found) {
    size_t bytes = (size_t)s->problem->n_groups * sizeof *found->choice;
    for (int i = 0; i < s->n_joint; i++)
        if (!memcmp(s->joint[i].solution.choice, found->choice, bytes))
            return false;
    return true;
}

static hawq_status add(hawq_search *s, const hawq_solution *found, double share,
                       const char *kind) {
    hawq_arena *arena = &s->cli->arena;
    hawq_totals totals;
    hawq_joint *j = &s->joint[s->n_joint++];
    hawq_search_totals(s->problem, found->choice, &totals);
    *j = (hawq_joint){.label = "optimum",
                      .weight_bytes = totals.weight_bytes,
                      .solution = *found};
    if (s->score_path) j->label = s->score_path;
    if (share < 1)
        j->label = hawq_arena_format(arena, "at %.2g of its %s", share, kind);
    return j->label ? HAWQ_OK : HAWQ_ENOMEM;
}

static hawq_status find(hawq_search *s, const hawq_solver *solver,
                        const hawq_solve_options *options,
                        const hawq_solution      *found) {
    hawq_problem *p = s->problem;
    int           kind = tightened(p);
    HAWQ_TAKE(s->joint, &s->cli->arena, SHARES);
    HAWQ_TRY(add(s, found, 1, ""));
    if (s->score_path || s->peak_limit >= 0 || kind < 0) return HAWQ_OK;
    double used = hawq_problem_sum(p, kind, found->choice);
    for (int i = 1; i < SHARES; i++) {
        hawq_solution below;
        HAWQ_TRY(solve_below(p, kind, shares[i] * used, solver, options,
                             &s->cli->arena, &below));
        if (below.choice && is_new(s, &below))
            HAWQ_TRY(add(s, &below, shares[i], p->kind[kind].name));
    }
    return HAWQ_OK;
}

/* --- measuring ------------------------------------------------------------ */

static hawq_status list_allocations(hawq_search *s, hawq_allocation **out) {
    HAWQ_TAKE(*out, &s->cli->arena, (size_t)s->n_joint);
    for (int i = 0; i < s->n_joint; i++) {
        hawq_allocation *a = &(*out)[i];
        hawq_choice     *choice;
        HAWQ_TRY(hawq_search_choices(s, &s->joint[i].solution, &choice));
        *a = (hawq_allocation){.label = s->joint[i].label,
                               .analysis = s->analysis,
                               .choice = choice,
                               .n_choices = s->problem->n_layers,
                               .rewriting = hawq_rewriting_of(&s->run),
                               .metric = s->metric,
                               .predicted = s->joint[i].solution.objective};
    }
    return HAWQ_OK;
}

static hawq_status measure(hawq_search *s, const hawq_allocation *given) {
    hawq_cli silent = *s->cli; /* the model's notes have been said */
    silent.quiet = true;
    hawq_quantization q = {.cli = &silent,
                           .model_path = s->cli->arg[0],
                           .given = given,
                           .n_given = s->n_joint,
                           .images = HAWQ_IMAGES_CHOOSE,
                           .check = HAWQ_IMAGES_APART,
                           .activation_range = HAWQ_RANGE_MSE};
    hawq_status       status = hawq_quantization_prepare(&q);
    if (status == HAWQ_OK) status = hawq_quantization_measure(&q);
    for (int i = 0; status == HAWQ_OK && i < q.n; i++) {
        s->joint[i].kl = q.outcome[i].alone.kl;
        s->joint[i].agreement = q.outcome[i].alone.agreement;
    }
    s->joint_kept = q.best;
    s->joint_images = (int64_t)q.n_check;
    s->joint_first = (int64_t)(q.data.n - q.n_check);
    hawq_quantization_close(&q);
    return status;
}

/* The budgets are the user's again, and the optimum of the sum is a bound. */
static hawq_status keep(hawq_search *s, hawq_solution *found) {
    hawq_solution   *kept = &s->joint[s->joint_kept].solution;
    hawq_budget_use *use;
    HAWQ_TAKE(use, &s->cli->arena, (size_t)found->n_budgets + 1);
    for (int b = 0; b < found->n_budgets; b++) {
        int kind = hawq_problem_find_kind(s->problem, found->budget[b].kind);
        use[b] = found->budget[b];
        use[b].used = hawq_problem_sum(s->problem, kind, kept->choice);
    }
    double most = fmax(fabs(kept->objective), fabs(found->bound));
    kept->state = HAWQ_FOUND_FEASIBLE;
    kept->bound = found->bound;
    kept->gap = most > 0 ? (kept->objective - kept->bound) / most : 0;
    kept->n_budgets = found->n_budgets;
    kept->budget = use;
    *found = *kept;
    return HAWQ_OK;
}

hawq_status hawq_search_measure(hawq_search *s, const hawq_solver *solver,
                                const hawq_solve_options *options,
                                hawq_solution            *found) {
    hawq_allocation *given;
    if (!hawq_data_spec() || !found->choice) return HAWQ_OK;
    HAWQ_TRY(find(s, solver, options, found));
    HAWQ_TRY(list_allocations(s, &given));
    HAWQ_TRY(measure(s, given));
    return s->joint_kept ? keep(s, found) : HAWQ_OK;
}

/* --- saying so ------------------------------------------------------------ */

static void fill(const hawq_search *s, hawq_table *t) {
    static const char *const columns[] = {
        "allocation", "weight_bytes", "predicted", "kl", "agreement", "kept"};
    hawq_table_begin(t, &s->cli->arena, 6, columns);
    for (int i = 0; i < s->n_joint; i++) {
        const hawq_joint *j = &s->joint[i];
        hawq_table_text(t, j->label);
        hawq_table_real(t, j->weight_bytes, 12);
        hawq_table_real(t, j->solution.objective, 4);
        hawq_table_real(t, j->kl, 4);
        hawq_table_fixed(t, j->agreement, 4);
        hawq_table_text(t, i == s->joint_kept ? "yes" : "");
    }
}

hawq_status hawq_search_print_joint(const hawq_search *s) {
    hawq_table t;
    if (!s->n_joint) return HAWQ_OK;
    printf("\nall layers quantized together, on %lld images that no code was "
           "chosen by\n",
           (long long)s->joint_images);
    fill(s, &t);
    return hawq_table_print(&t, s->cli->format, stdout);
}

hawq_status hawq_search_json_joint(const hawq_search *s, hawq_json *w) {
    hawq_table t;
    if (!s->n_joint) return HAWQ_OK;
    hawq_json_integer(w, "check_images", s->joint_images);
    fill(s, &t);
    return hawq_table_json(&t, w, "measured");
}

void hawq_search_note_joint(const hawq_search *s) {
    const hawq_joint *kept = s->n_joint ? &s->joint[s->joint_kept] : NULL;
    const char       *data = hawq_data_text(&s->cli->arena);
    if (!s->analysis) return;
    if (kept && s->joint_first < HAWQ_IMAGES_CHOOSE && data &&
        strcmp(s->run.data, data) != 0)
        hawq_cli_note(s->cli,
                      "the analysis chose its codes on other data (%s): where "
                      "that has these images, too, they are not apart",
                      s->run.data);
    if (!kept)
        hawq_cli_note(s->cli,
                      "the predicted loss is a sum over layers and was not "
                      "measured with all of them quantized: --data SPEC does, "
                      "or hawq-quantize %s --allocation last --data SPEC",
                      s->cli->arg[0]);
    else if (s->joint_kept)
        hawq_cli_note(s->cli,
                      "the allocation %s loses less with all layers quantized "
                      "(KL %.4g) than the predicted optimum (%.4g) and is kept "
                      "in its place",
                      kept->label, kept->kl, s->joint[0].kl);
}
