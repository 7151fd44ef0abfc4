/* search_floats.c -- layers in float32 among the candidates, and what they take
 * of the activations' memory.
 *
 * Where every value lies depends on shapes and on which layers are in float
 * alone, so the memory plan of an integer program is made without weights or
 * ranges. It is no sum over layers: a layer that alone would exceed a budget on
 * activation-peak is never in float, and an allocation that exceeds it loses
 * one float layer after the other, the one with the largest buffers first; what
 * is found after that is feasible, its bound the optimum without the budget.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/model.h"
#include "src/cli/search_command.h"
#include "src/deploy/program.h"

#include <math.h>
#include <string.h>

/* --- candidates ------------------------------------------------------------
 */

static bool has_float_width(const hawq_search *s) {
    for (int i = 0; i < s->n_widths; i++)
        if (s->width[i].weight_bits == HAWQ_FLOAT_BITS) return true;
    return false;
}

static bool is_known(const hawq_search *s, int bits) {
    for (int i = 0; i < s->n_widths; i++)
        if (s->width[i].weight_bits == bits) return true;
    return false;
}

hawq_status hawq_search_add_floats(hawq_search *s) {
    hawq_width *width = s->width;
    bool        listed = has_float_width(s), pinned;
    HAWQ_TRY(hawq_search_pins_float(s, &pinned));
    s->floats_are_pinned = pinned && !listed;
    if (!s->floats_are_pinned) return HAWQ_OK;
    HAWQ_TAKE(s->width, &s->cli->arena,
              (size_t)(s->n_widths + s->n_sensitivities) + 1);
    if (s->n_widths)
        memcpy(s->width, width, (size_t)s->n_widths * sizeof *width);
    bool all = !s->n_widths;
    for (int i = 0; all && i < s->n_sensitivities; i++)
        if (!is_known(s, s->sensitivity[i].bits))
            s->width[s->n_widths++] = (hawq_width){s->sensitivity[i].bits, 8};
    s->width[s->n_widths++] = (hawq_width){HAWQ_FLOAT_BITS, HAWQ_FLOAT_BITS};
    return HAWQ_OK;
}

static bool is_float(const hawq_search *s, int layer, int c) {
    return hawq_problem_candidate(s->problem, layer, c)->weight_bits ==
           HAWQ_FLOAT_BITS;
}

/* Must the layer be in float, for the pins leave nothing else? */
static bool is_forced(const hawq_search *s, int layer) {
    const hawq_problem_group *g =
        &s->problem->group[s->problem->layer[layer].in_group];
    for (int c = 0; c < g->n_candidates; c++)
        if (g->allowed[c] && !is_float(s, layer, c)) return false;
    return true;
}

/* The candidates of the layer's group with it in float are no more. */
static hawq_status forbid(hawq_search *s, int layer) {
    hawq_problem_group *g =
        &s->problem->group[s->problem->layer[layer].in_group];
    bool *allowed;
    HAWQ_TAKE(allowed, &s->cli->arena, (size_t)g->n_candidates);
    for (int c = 0; c < g->n_candidates; c++)
        allowed[c] = g->allowed[c] && !is_float(s, layer, c);
    g->allowed = allowed;
    return HAWQ_OK;
}

/* --- memory ----------------------------------------------------------------
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
    return plan(s, graph, NULL, &s->activation_peak);
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
    for (int l = 0; l < n; l++) floats[l] = is_forced(s, problem_layer(s, l));
    HAWQ_TRY(plan(s, graph, floats, &s->activation_peak));
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
static hawq_status limit_layers(hawq_search *s) {
    hawq_graph *graph;
    HAWQ_TRY(load(s, &graph));
    hawq_status status = plan_layers(s, graph);
    hawq_graph_free(graph);
    HAWQ_TRY(status);
    if (s->activation_peak > s->peak_limit)
        return hawq_cli_infeasible(
            s->cli,
            "infeasible: activation-peak is %.0f bytes an image with the "
            "layers that are pinned to float; the budget is %.0f",
            s->activation_peak, s->peak_limit);
    for (int l = 0; l < s->n_layers; l++)
        if (s->float_peak[l] > s->peak_limit)
            HAWQ_TRY(forbid(s, problem_layer(s, l)));
    return HAWQ_OK;
}

hawq_status hawq_search_limit_floats(hawq_search *s) {
    if (!has_float_width(s) || s->imported) return HAWQ_OK;
    for (int l = 0; s->floats_are_pinned && l < s->n_layers; l++)
        if (!is_forced(s, l)) HAWQ_TRY(forbid(s, l));
    if (s->peak_limit < 0) return HAWQ_OK;
    if (s->front_kind)
        return hawq_fail(HAWQ_EINVAL,
                         "--budget activation-peak with layers in float is for "
                         "one allocation, not for --pareto");
    return limit_layers(s);
}

/* --- the allocation --------------------------------------------------------
 */

static hawq_status peak_of(hawq_search *s, const hawq_graph *graph,
                           const hawq_solution *found, bool *floats) {
    for (int l = 0; l < s->n_layers; l++) {
        int at = problem_layer(s, l);
        floats[l] =
            is_float(s, at, found->choice[s->problem->layer[at].in_group]);
    }
    return plan(s, graph, floats, &s->activation_peak);
}

/* The one with the largest buffers that need not be in float; -1: none. */
static int largest(const hawq_search *s, const bool *floats) {
    int best = -1;
    for (int l = 0; l < s->n_layers; l++)
        if (floats[l] && !is_forced(s, problem_layer(s, l)) &&
            (best < 0 || s->float_peak[l] > s->float_peak[best]))
            best = l;
    return best;
}

static hawq_status fit(hawq_search *s, const hawq_graph *graph,
                       const hawq_solver        *solver,
                       const hawq_solve_options *limits, hawq_solution *found) {
    bool  *floats;
    double bound = found->bound;
    HAWQ_TAKE(floats, &s->cli->arena, (size_t)s->n_layers);
    for (;;) {
        HAWQ_TRY(peak_of(s, graph, found, floats));
        int l = largest(s, floats);
        if (s->activation_peak <= s->peak_limit || l < 0) return HAWQ_OK;
        HAWQ_TRY(forbid(s, problem_layer(s, l)));
        HAWQ_TRY(hawq_solve(s->problem, solver, limits, &s->cli->arena, found));
        if (!found->choice) return HAWQ_OK;
        double most = fmax(fabs(found->objective), fabs(bound));
        found->bound = bound;
        found->gap = most > 0 ? (found->objective - bound) / most : 0;
        if (found->objective > bound) found->state = HAWQ_FOUND_FEASIBLE;
    }
}

hawq_status hawq_search_fit_peak(hawq_search *s, const hawq_solver *solver,
                                 const hawq_solve_options *limits,
                                 hawq_solution            *found) {
    hawq_graph *graph;
    if (s->peak_limit < 0 || !found->choice || !has_float_width(s))
        return HAWQ_OK;
    HAWQ_TRY(load(s, &graph));
    hawq_status status = fit(s, graph, solver, limits, found);
    hawq_graph_free(graph);
    return status;
}
