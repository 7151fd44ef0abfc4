/* search_report.c -- one allocation as tables, JSON and notes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/output.h"
#include "src/cli/search/search_answers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const hawq_priced *chosen(const hawq_problem *p, const int *choice,
                                 int l) {
    return hawq_problem_candidate(p, l, choice[p->layer[l].in_group]);
}

void hawq_search_note_problem(const hawq_search *s) {
    const hawq_problem *p = s->problem;
    const char         *why = hawq_search_indifference(s);
    hawq_search_note_activations(s);
    if (why)
        hawq_cli_note(s->cli,
                      "%s: they cannot tell layers apart, and every allocation "
                      "within the budgets is predicted to be as good; another "
                      "loss or metric of hawq-analyze may tell",
                      why);
    for (int g = 0; g < p->n_groups; g++) {
        const hawq_problem_group *group = &p->group[g];
        if (group->n_layers < 2) continue;
        hawq_listing names = {.arena = &s->cli->arena};
        for (int i = 0; i < group->n_layers; i++)
            hawq_listing_add(&names, p->layer[group->layer[i]].name);
        hawq_cli_note(s->cli, "%s (%s): %s",
                      group->weights_free ? "activations tied" : "tied",
                      group->reason, hawq_listing_text(&names));
    }
}

/* --- the layers ------------------------------------------------------------
 */

/* Bytes in the costs of layer l that are not its own. */
static double rest_of(const hawq_search *s, int l, int kind) {
    bool bytes = kind == hawq_problem_find_kind(s->problem, "weight-size");
    return l == 0 && bytes ? (double)s->rest_bytes : 0;
}

static hawq_status print_layers(const hawq_search     *s,
                                const hawq_solution   *solution,
                                const hawq_confidence *sure) {
    const char         *columns[8] = {"layer", "params"};
    const hawq_problem *p = s->problem;
    bool                named = p->layer[0].candidate[0].name != NULL;
    int                 bytes = hawq_problem_find_kind(p, "weight-size"), n = 2;
    hawq_table          t;
    columns[n++] = "weight_bits";
    columns[n++] = "activation_bits";
    columns[n++] = "loss";
    if (bytes >= 0) columns[n++] = "bytes";
    if (sure->n_resamples) columns[n++] = "confidence";
    if (named) columns[n++] = "candidate";
    hawq_table_begin(&t, &s->cli->arena, n, columns);
    for (int l = 0; l < p->n_layers; l++) {
        const hawq_priced *c = chosen(p, solution->choice, l);
        hawq_table_text(&t, p->layer[l].name);
        if (p->layer[l].params)
            hawq_table_integer(&t, p->layer[l].params);
        else
            hawq_table_real(&t, NAN, 1);
        hawq_table_integer(&t, c->weight_bits);
        hawq_table_integer(&t, c->activation_bits);
        hawq_table_real(&t, c->loss, 4);
        if (bytes >= 0)
            hawq_table_real(&t, c->cost[bytes] - rest_of(s, l, bytes), 12);
        if (sure->n_resamples) hawq_table_fixed(&t, sure->kept[l], 2);
        if (named) hawq_table_text(&t, c->name ? c->name : "");
    }
    return hawq_table_print(&t, s->cli->format, stdout);
}

static void print_total(const char *name, double value, int digits,
                        const char *unit) {
    if (!isnan(value)) printf("%-15s %.*g%s\n", name, digits, value, unit);
}

/* Bytes are whole: of a budget of 2534.4, 2534 can be used. */
static double shown(const hawq_budget_use *u, double value) {
    return strstr(u->unit_name, "bytes") ? floor(value) : value;
}

static void print_budget(const hawq_search *s, const hawq_budget_use *u) {
    bool bytes = !s->problem_path && (!strcmp(u->kind, "weight-size") ||
                                      !strcmp(u->kind, "activation-peak"));
    printf("%-15s %s <= %.10g%s", "budget", hawq_shown(&s->cli->arena, u->kind),
           shown(u, u->limit), u->unit_name);
    if (bytes) printf(" (%s)", hawq_bytes_text(&s->cli->arena, u->limit));
    printf(", used %.10g", shown(u, u->used));
    double spread = hawq_search_spread(s, u->kind);
    if (!isnan(spread)) printf(" +- %.2g", spread);
    printf(": %s\n", u->binding
                         ? "binds"
                         : "does not bind, the optimum without it is the same");
}

/* A round amount, about a tenth of the limit or less, and its name. */
static double round_step(const hawq_search *s, const hawq_budget_use *u,
                         const char **name) {
    bool   bytes = !strcmp(u->kind, "weight-size") && !s->problem_path;
    double unit = 1;
    if (bytes) unit = u->limit >= 10485760 ? 1048576 : 1024;
    double step = pow(10, floor(log10(u->limit / unit / 10)));
    if (bytes && step < 1) step = unit = 1;
    if (bytes)
        *name = hawq_arena_format(&s->cli->arena, "%.10g %s", step,
                                  unit > 1024 ? "MiB"
                                  : unit > 1  ? "KiB"
                                              : "byte");
    else
        *name = hawq_arena_format(&s->cli->arena, "%.10g%s%s%s",
                                  step >= 1e9   ? step / 1e9
                                  : step >= 1e6 ? step / 1e6
                                                : step,
                                  step >= 1e9   ? "G"
                                  : step >= 1e6 ? "M"
                                                : "",
                                  *u->unit_name ? u->unit_name : " of ",
                                  *u->unit_name ? "" : u->kind);
    if (!*name) *name = "";
    return step * unit;
}

static void print_price(const hawq_search *s, const hawq_budget_use *u,
                        const hawq_next_step *next) {
    const char *name;
    if (u->price > 0 && u->limit > 0) {
        double step = round_step(s, u, &name);
        printf("%-15s the next %s lower%s the predicted loss by about %.3g\n",
               "", name, strncmp(name, "1 ", 2) ? "" : "s", step * u->price);
    }
    if (next->known && next->exists)
        printf("%-15s %s better allocation at %.10g%s: loss %.6g%s\n", "",
               next->exact ? "first" : "a", shown(u, next->limit), u->unit_name,
               next->objective,
               next->exact ? "" : "; less may do (out of time)");
}

static void print_confidence(const hawq_confidence *sure) {
    if (!sure->n_resamples) return;
    printf("%-15s all layers as here in %.0f %% of %d resamples of the %d "
           "samples;\n%-15s loss above the resample's optimum: median %.3g, "
           "95 %% in %.3g ... %.3g\n",
           "confidence", 100 * sure->whole, sure->n_resamples, sure->n_samples,
           "", sure->regret_median, sure->regret_low, sure->regret_high);
}

/* --- the alternatives of one layer -----------------------------------------
 */

static hawq_status fill_alternatives(const hawq_search      *s,
                                     const hawq_explanation *e, hawq_table *t) {
    const hawq_problem *p = s->problem;
    const char        **column;
    bool                named = p->layer[e->layer].candidate[0].name != NULL;
    int                 n = 0;
    HAWQ_TAKE(column, &s->cli->arena, (size_t)(7 + p->n_kinds));
    column[n++] = "weight_bits";
    column[n++] = "activation_bits";
    column[n++] = "chosen";
    column[n++] = "layer_loss";
    column[n++] = "best_loss";
    column[n++] = "regret";
    for (int k = 0; k < p->n_kinds; k++) column[n++] = p->kind[k].name;
    if (named) column[n++] = "candidate";
    hawq_table_begin(t, &s->cli->arena, n, column);
    for (int i = 0; i < e->n; i++) {
        const hawq_alternative *a = &e->alternative[i];
        const char             *name = a->candidate->name;
        hawq_table_integer(t, a->candidate->weight_bits);
        hawq_table_integer(t, a->candidate->activation_bits);
        hawq_table_text(t, a->chosen ? "yes" : "");
        hawq_table_real(t, a->candidate->loss, 4);
        hawq_table_real(t, a->best.objective, 6);
        hawq_table_real(t, a->regret, 4);
        for (int k = 0; k < p->n_kinds; k++)
            hawq_table_real(t,
                            (a->candidate->cost[k] - rest_of(s, e->layer, k)) /
                                p->kind[k].unit,
                            6);
        if (named) hawq_table_text(t, name ? name : "");
    }
    return HAWQ_OK;
}

static hawq_status print_alternatives(const hawq_search      *s,
                                      const hawq_explanation *e) {
    const hawq_problem *p = s->problem;
    hawq_table          t;
    if (s->cli->format == HAWQ_FORMAT_TABLE)
        printf("\n%s: what each choice costs, and how much the best allocation "
               "with it\nloses against the optimum (- : not within the "
               "budgets)\n",
               hawq_shown(&s->cli->arena, p->layer[e->layer].name));
    if (p->group[p->layer[e->layer].in_group].n_layers > 1)
        hawq_cli_note(s->cli,
                      "%s is tied to other layers, which change with "
                      "it in this table's regret",
                      p->layer[e->layer].name);
    HAWQ_TRY(fill_alternatives(s, e, &t));
    return hawq_table_print(&t, s->cli->format, stdout);
}

/* --- table and TSV ---------------------------------------------------------
 */

static hawq_status print_table(const hawq_search   *s,
                               const hawq_solution *solution,
                               const hawq_answers  *answers) {
    hawq_totals             totals;
    const hawq_explanation *e = &answers->explanation;
    if (s->cli->format != HAWQ_FORMAT_TABLE && e->n)
        return print_alternatives(s, e);
    HAWQ_TRY(print_layers(s, solution, &answers->confidence));
    if (s->cli->format != HAWQ_FORMAT_TABLE) return HAWQ_OK;
    hawq_search_totals(s->problem, solution->choice, &totals);
    putchar('\n');
    hawq_search_print_analysis(s);
    const char *why = hawq_search_indifference(s);
    printf("%-15s %s (solver %s, gap %.3g)%s%s%s\n", "state",
           hawq_found_text(solution->state), solution->solver->name,
           solution->gap, why ? ", but " : "", why ? why : "",
           why ? ": they cannot tell layers apart" : "");
    printf("%-15s %.6g%s%s\n", "predicted loss", solution->objective,
           *s->metric ? ", metric " : "", s->metric);
    if (solution->state != HAWQ_FOUND_OPTIMAL)
        printf("%-15s %.6g\n", "lower bound", solution->bound);
    print_total("weight bytes", totals.weight_bytes, 15, "");
    if (s->rest_bytes)
        printf("%-15s %lld bytes of them\n", "not quantized",
               (long long)s->rest_bytes);
    print_total("mean bits", totals.mean_bits, 4, "");
    print_total("BOPS", totals.bops, 10, "");
    if (s->times)
        hawq_search_print_latency(s, totals.latency_us);
    else
        print_total("latency", totals.latency_us, 6, "");
    for (int b = 0; b < solution->n_budgets; b++) {
        print_budget(s, &solution->budget[b]);
        if (answers->next)
            print_price(s, &solution->budget[b], &answers->next[b]);
    }
    print_confidence(&answers->confidence);
    HAWQ_TRY(hawq_search_print_joint(s));
    return e->n ? print_alternatives(s, e) : HAWQ_OK;
}

/* --- JSON ------------------------------------------------------------------
 */

static void json_budgets(const hawq_search *s, hawq_json *w,
                         const hawq_solution  *solution,
                         const hawq_next_step *next) {
    hawq_json_array(w, "budgets");
    for (int b = 0; b < solution->n_budgets; b++) {
        const hawq_budget_use *u = &solution->budget[b];
        hawq_json_object(w, NULL);
        hawq_json_text(w, "kind", u->kind);
        hawq_json_real(w, "limit", u->limit);
        hawq_json_real(w, "used", u->used);
        double spread = hawq_search_spread(s, u->kind);
        if (!isnan(spread)) hawq_json_real(w, "spread", spread);
        hawq_json_flag(w, "binding", u->binding);
        hawq_json_real(w, "least", u->least);
        if (solution->choice) hawq_json_real(w, "price", u->price);
        if (next && next[b].known && next[b].exists) {
            hawq_json_real(w, "next_limit", next[b].limit);
            hawq_json_real(w, "next_objective", next[b].objective);
            hawq_json_flag(w, "next_exact", next[b].exact);
        }
        hawq_json_end(w);
    }
    hawq_json_end(w);
}

static void json_layers(const hawq_search *s, hawq_json *w,
                        const hawq_solution   *solution,
                        const hawq_confidence *sure) {
    const hawq_problem *p = s->problem;
    hawq_json_array(w, "layers");
    for (int l = 0; solution->choice && l < p->n_layers; l++) {
        const hawq_priced *c = chosen(p, solution->choice, l);
        hawq_json_object(w, NULL);
        hawq_json_text(w, "name", p->layer[l].name);
        hawq_json_integer(w, "weight_bits", c->weight_bits);
        hawq_json_integer(w, "activation_bits", c->activation_bits);
        if (c->name) hawq_json_text(w, "candidate", c->name);
        hawq_json_real(w, "loss", c->loss);
        if (s->n_activations)
            hawq_json_real(
                w, "activation_loss",
                hawq_search_activation_loss(s, l, c->activation_bits));
        if (sure->n_resamples) hawq_json_real(w, "confidence", sure->kept[l]);
        hawq_json_end(w);
    }
    hawq_json_end(w);
}

static hawq_status json_answers(const hawq_search *s, const hawq_answers *a,
                                hawq_json *w) {
    const hawq_confidence *sure = &a->confidence;
    if (sure->n_resamples) {
        hawq_json_object(w, "confidence");
        hawq_json_integer(w, "resamples", sure->n_resamples);
        hawq_json_integer(w, "samples", sure->n_samples);
        hawq_json_real(w, "whole", sure->whole);
        hawq_json_real(w, "regret_low", sure->regret_low);
        hawq_json_real(w, "regret_median", sure->regret_median);
        hawq_json_real(w, "regret_high", sure->regret_high);
        hawq_json_end(w);
    }
    if (a->has_uniform) {
        hawq_json_object(w, "uniform_as_good");
        hawq_json_integer(w, "weight_bits", a->uniform.weight_bits);
        hawq_json_integer(w, "activation_bits", a->uniform.activation_bits);
        if (a->uniform.candidate)
            hawq_json_text(w, "candidate", a->uniform.candidate);
        hawq_json_end(w);
    }
    if (!a->explanation.n) return HAWQ_OK;
    hawq_table t;
    HAWQ_TRY(fill_alternatives(s, &a->explanation, &t));
    hawq_json_object(w, "explain");
    hawq_json_text(w, "layer", s->problem->layer[a->explanation.layer].name);
    HAWQ_TRY(hawq_table_json(&t, w, "alternatives"));
    hawq_json_end(w);
    return HAWQ_OK;
}

static hawq_status print_json(const hawq_search   *s,
                              const hawq_solution *solution,
                              const hawq_answers  *answers) {
    hawq_json   w = {.file = stdout};
    hawq_totals totals = {NAN, NAN, NAN, NAN};
    const char *why = hawq_search_indifference(s);
    if (solution->choice)
        hawq_search_totals(s->problem, solution->choice, &totals);
    hawq_json_object(&w, NULL);
    hawq_json_text(&w, "state", hawq_found_text(solution->state));
    if (why) hawq_json_text(&w, "indifferent", why);
    hawq_json_text(&w, "solver", solution->solver->name);
    hawq_json_text(&w, "metric", s->metric);
    hawq_search_json_analysis(s, &w);
    hawq_json_real(&w, "objective", solution->objective);
    hawq_json_real(&w, "bound", solution->bound);
    hawq_json_real(&w, "gap", solution->gap);
    hawq_json_real(&w, "weight_bytes", totals.weight_bytes);
    if (!s->problem_path)
        hawq_json_integer(&w, "not_quantized_bytes", s->rest_bytes);
    hawq_json_real(&w, "bops", totals.bops);
    hawq_json_real(&w, "latency_us", totals.latency_us);
    hawq_json_real(&w, "mean_bits", totals.mean_bits);
    hawq_search_json_latency(s, &w);
    json_budgets(s, &w, solution, answers->next);
    HAWQ_TRY(hawq_search_json_joint(s, &w));
    json_layers(s, &w, solution, &answers->confidence);
    HAWQ_TRY(json_answers(s, answers, &w));
    hawq_json_end(&w);
    return HAWQ_OK;
}

/* --- notes -----------------------------------------------------------------
 */

static void note_answers(const hawq_search *s, const hawq_answers *a) {
    const char *name = a->uniform.candidate;
    char        plain[16];
    snprintf(plain, sizeof plain, "w%d", a->uniform.weight_bits);
    if (a->has_uniform && name && strcmp(name, plain) != 0)
        hawq_cli_note(s->cli,
                      "%s and %d-bit activations everywhere are within the "
                      "budgets, too, and predicted to be as good",
                      name, a->uniform.activation_bits);
    else if (a->has_uniform)
        hawq_cli_note(s->cli,
                      "%d-bit weights and %d-bit activations everywhere are "
                      "within the budgets, too, and predicted to be as good",
                      a->uniform.weight_bits, a->uniform.activation_bits);
    if (*a->unresolved)
        hawq_cli_note(s->cli,
                      "not resolved from zero (within two standard errors), "
                      "yet given fewer bits: %s; more samples would tell",
                      a->unresolved);
}

hawq_status hawq_search_report(const hawq_search   *s,
                               const hawq_solution *solution,
                               const hawq_answers  *answers) {
    if (s->cli->format == HAWQ_FORMAT_JSON) {
        HAWQ_TRY(print_json(s, solution, answers));
    } else if (solution->choice) {
        HAWQ_TRY(print_table(s, solution, answers));
    }
    hawq_search_note_problem(s);
    hawq_search_note_latency(s);
    if (solution->choice) HAWQ_TRY(hawq_search_note_analysis(s));
    hawq_search_note_noise(s, solution);
    note_answers(s, answers);
    if (solution->choice) hawq_search_note_joint(s);
    return HAWQ_OK;
}
