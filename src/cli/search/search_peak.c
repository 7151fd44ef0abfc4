/* search_peak.c -- a budget on activation-peak where layers may be in float.
 *
 * Where every value lies depends on shapes and on which layers are in float
 * alone, so the memory plan of an integer program is made without weights or
 * ranges. It is no sum over layers. A layer that alone would exceed the budget
 * is never in float. If the allocation found exceeds it, a set of its float
 * layers that do so together, none of them dispensable, is a conflict: one of
 * them must go, so each in turn is forbidden and the search goes on from the
 * best of all that was found so far. The first that fits is optimal (fewer
 * float layers need no more memory).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/model.h"
#include "src/cli/search/search_command.h"
#include "src/deploy/program.h"

#include <math.h>
#include <string.h>

enum { MOST_NODES = 300 };

/* --- plans -----------------------------------------------------------------
 */

/* The workspace of the program with these layers in float. Any ranges will
 * do. */
static hawq_status plan(hawq_search *s, const hawq_graph *graph,
                        const bool *floats, double *bytes) {
    hawq_arena       scratch = {0};
    hawq_calibration ranges = {.images = 1};
    hawq_histogram  *any;
    hawq_choice     *choice;
    hawq_program    *program;
    const real       ends[] = {0, 1};
    HAWQ_TAKE(any, &s->cli->arena, 1);
    hawq_histogram_init(any);
    hawq_histogram_add(any, ends, 2);
    HAWQ_TAKE(ranges.tensor, &s->cli->arena, (size_t)graph->n_tensors);
    for (int i = 0; i < graph->n_tensors; i++) ranges.tensor[i] = any;
    HAWQ_TRY(hawq_choice_uniform(graph, 8, 8, &scratch, &choice));
    for (int l = 0; floats && l < graph->n_layers; l++)
        if (floats[l])
            choice[l].weight_bits = choice[l].activation_bits = HAWQ_FLOAT_BITS;
    hawq_lower_options options = {
        .n_choices = graph->n_layers, .choice = choice, .places_only = true};
    hawq_status status = hawq_program_lower(graph, &ranges, &options, &program);
    hawq_arena_free(&scratch);
    if (status != HAWQ_OK) return hawq_prefix("--budget activation-peak: ");
    *bytes = (double)program->workspace_bytes;
    hawq_program_free(program);
    return HAWQ_OK;
}

hawq_status hawq_search_find_peak(hawq_search *s, const hawq_graph *graph) {
    HAWQ_TRY(plan(s, graph, NULL, &s->activation_peak));
    s->least_peak = s->activation_peak;
    return HAWQ_OK;
}

/* Layer l of the network, by its place in the problem. */
static int problem_layer(const hawq_search *s, int l) {
    return hawq_problem_find_layer(s->problem, s->layer[l].name);
}

/* With the layers that must be in float, and each of the others that can be. */
static hawq_status plan_layers(hawq_search *s, const hawq_graph *graph) {
    bool *floats;
    int   n = s->n_layers;
    HAWQ_TAKE(floats, &s->cli->arena, (size_t)n);
    HAWQ_TAKE(s->float_peak, &s->cli->arena, (size_t)n);
    for (int l = 0; l < n; l++)
        floats[l] = hawq_search_must_float(s, problem_layer(s, l));
    HAWQ_TRY(plan(s, graph, floats, &s->activation_peak));
    s->least_peak = s->activation_peak;
    for (int l = 0; l < n; l++) {
        bool forced = floats[l];
        floats[l] = true;
        HAWQ_TRY(plan(s, graph, floats, &s->float_peak[l]));
        floats[l] = forced;
    }
    return HAWQ_OK;
}

static hawq_status load(hawq_search *s, hawq_graph **out) {
    hawq_cli silent = *s->cli; /* it has been read before */
    silent.quiet = true;
    return hawq_model_load(&silent, s->cli->arg[0], 1, out);
}

/* Layers whose float buffers alone exceed the budget. */
hawq_status hawq_search_limit_peak(hawq_search *s) {
    hawq_graph *graph;
    if (s->front_kind)
        return hawq_fail(HAWQ_EINVAL,
                         "--budget activation-peak with layers in float is for "
                         "one allocation, not for --pareto");
    HAWQ_TRY(load(s, &graph));
    hawq_status status = plan_layers(s, graph);
    hawq_graph_free(graph);
    HAWQ_TRY(status);
    if (!hawq_search_peak_fits(s)) return HAWQ_OK; /* refused later */
    for (int l = 0; l < s->n_layers; l++)
        if (s->float_peak[l] > s->peak_limit) {
            s->peak_binds = true;
            HAWQ_TRY(hawq_search_forbid_float(s, problem_layer(s, l)));
        }
    return HAWQ_OK;
}

/* --- the allocation --------------------------------------------------------
 */

/* The layers that may not be in float, and the optimum without them. */
typedef struct trial {
    bool         *forbidden; /* [layer of the network] */
    hawq_solution found;
    bool          open;
} trial;

typedef struct hunt {
    hawq_search              *s;
    const hawq_graph         *graph;
    const hawq_solver        *solver;
    const hawq_solve_options *limits;
    const bool              **allowed; /* [group]: before any trial */
    bool                     *floats;
    int                       n;
    trial                    *trial;
} hunt;

static hawq_status apply(hunt *h, const trial *t) {
    hawq_problem *p = h->s->problem;
    for (int g = 0; g < p->n_groups; g++) p->group[g].allowed = h->allowed[g];
    for (int l = 0; l < h->s->n_layers; l++)
        if (t->forbidden[l])
            HAWQ_TRY(hawq_search_forbid_float(h->s, problem_layer(h->s, l)));
    return HAWQ_OK;
}

/* A trial like `from` but for layer l, unless there is one. */
static hawq_status add(hunt *h, const trial *from, int l) {
    size_t n = (size_t)h->s->n_layers;
    bool  *forbidden;
    HAWQ_TAKE(forbidden, &h->s->cli->arena, n);
    memcpy(forbidden, from->forbidden, n * sizeof *forbidden);
    forbidden[l] = true;
    for (int i = 0; i < h->n; i++)
        if (!memcmp(h->trial[i].forbidden, forbidden, n * sizeof *forbidden))
            return HAWQ_OK;
    trial *t = &h->trial[h->n++];
    *t = (trial){.forbidden = forbidden};
    HAWQ_TRY(apply(h, t));
    HAWQ_TRY(hawq_solve(h->s->problem, h->solver, h->limits, &h->s->cli->arena,
                        &t->found));
    t->open = t->found.choice != NULL;
    return HAWQ_OK;
}

static trial *best_open(const hunt *h) {
    trial *best = NULL;
    for (int i = 0; i < h->n; i++)
        if (h->trial[i].open &&
            (!best || h->trial[i].found.objective < best->found.objective))
            best = &h->trial[i];
    return best;
}

/* Into floats; the plan into activation_peak. */
static hawq_status plan_trial(hunt *h, const trial *t) {
    hawq_search *s = h->s;
    for (int l = 0; l < s->n_layers; l++) {
        int at = problem_layer(s, l);
        h->floats[l] = hawq_search_is_float(
            s, at, t->found.choice[s->problem->layer[at].in_group]);
    }
    return plan(s, h->graph, h->floats, &s->activation_peak);
}

/* Leaves in floats only what exceeds the budget together. */
static hawq_status shrink(hunt *h) {
    for (int l = 0; l < h->s->n_layers; l++) {
        double bytes;
        if (!h->floats[l]) continue;
        h->floats[l] = false;
        HAWQ_TRY(plan(h->s, h->graph, h->floats, &bytes));
        h->floats[l] = bytes <= h->s->peak_limit;
    }
    return HAWQ_OK;
}

static hawq_status branch(hunt *h, trial *t) {
    hawq_search *s = h->s;
    t->open = false;
    HAWQ_TRY(shrink(h));
    for (int l = 0; l < s->n_layers; l++) {
        if (!h->floats[l]) continue;
        HAWQ_TRY(apply(h, t));
        if (!hawq_search_must_float(s, problem_layer(s, l)))
            HAWQ_TRY(add(h, t, l));
    }
    return HAWQ_OK;
}

/* None of the layers that need not be in float is. */
static hawq_status give_up(hunt *h, double bound, hawq_solution *out) {
    trial none = {0};
    HAWQ_TAKE(none.forbidden, &h->s->cli->arena, (size_t)h->s->n_layers);
    HAWQ_TRY(apply(h, &none));
    for (int l = 0; l < h->s->n_layers; l++)
        none.forbidden[l] =
            !hawq_search_must_float(h->s, problem_layer(h->s, l));
    HAWQ_TRY(apply(h, &none));
    HAWQ_TRY(hawq_solve(h->s->problem, h->solver, h->limits, &h->s->cli->arena,
                        out));
    if (!out->choice) return HAWQ_OK;
    double most = fmax(fabs(out->objective), fabs(bound));
    out->state = HAWQ_FOUND_FEASIBLE;
    out->bound = fmin(bound, out->objective);
    out->gap = most > 0 ? (out->objective - out->bound) / most : 0;
    none.found = *out;
    return plan_trial(h, &none);
}

static hawq_status search(hunt *h, hawq_solution *found) {
    hawq_arena *arena = &h->s->cli->arena;
    size_t      layers = (size_t)h->s->n_layers;
    HAWQ_TAKE(h->floats, arena, layers);
    HAWQ_TAKE(h->trial, arena, MOST_NODES + layers);
    HAWQ_TAKE(h->allowed, arena, (size_t)h->s->problem->n_groups);
    for (int g = 0; g < h->s->problem->n_groups; g++)
        h->allowed[g] = h->s->problem->group[g].allowed;
    HAWQ_TAKE(h->trial[0].forbidden, arena, layers);
    h->trial[h->n++].found = *found;
    h->trial[0].open = true;
    for (trial *t; (t = best_open(h));) {
        HAWQ_TRY(plan_trial(h, t));
        *found = t->found;
        if (h->s->activation_peak <= h->s->peak_limit) return apply(h, t);
        h->s->peak_binds = true;
        if (h->n >= MOST_NODES) return give_up(h, t->found.bound, found);
        HAWQ_TRY(branch(h, t));
    }
    found->choice = NULL; /* the other budgets allow nothing that fits */
    found->state = HAWQ_FOUND_INFEASIBLE;
    return HAWQ_OK;
}

hawq_status hawq_search_fit_peak(hawq_search *s, const hawq_solver *solver,
                                 const hawq_solve_options *limits,
                                 hawq_solution            *found) {
    hunt        h = {.s = s, .solver = solver, .limits = limits};
    hawq_graph *graph;
    if (s->peak_limit < 0 || !found->choice || !hawq_search_has_floats(s) ||
        !hawq_search_peak_fits(s))
        return HAWQ_OK;
    HAWQ_TRY(load(s, &graph));
    h.graph = graph;
    hawq_status status = search(&h, found);
    hawq_graph_free(graph);
    return status;
}
