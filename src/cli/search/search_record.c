/* search_record.c -- what hawq-search found, for the database. With a problem
 * file there is no model the rows could belong to: nothing is stored.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/data_options.h"
#include "src/cli/search/search_command.h"

#include <math.h>
#include <stdio.h>

void hawq_search_totals(const hawq_problem *p, const int *choice,
                        hawq_totals *out) {
    static const char *const name[] = {"weight-size", "bops", "latency",
                                       "mean-bits"};
    double                   value[4], bits = 0, params = 0;
    for (int i = 0; i < 4; i++) {
        int kind = hawq_problem_find_kind(p, name[i]);
        value[i] = kind < 0 ? NAN : hawq_problem_sum(p, kind, choice);
    }
    for (int l = 0; l < p->n_layers && params >= 0; l++) {
        const hawq_problem_layer *layer = &p->layer[l];
        bits +=
            (double)layer->params *
            hawq_problem_candidate(p, l, choice[layer->in_group])->weight_bits;
        params = layer->params ? params + (double)layer->params : -INFINITY;
    }
    *out = (hawq_totals){value[0], value[1], value[2], value[3]};
    if (isnan(out->mean_bits) && params > 0) out->mean_bits = bits / params;
}

static hawq_status begin(hawq_search *s, int64_t *run) {
    hawq_run_record record;
    if (fflush(stdout) || ferror(stdout))
        return hawq_fail(HAWQ_EIO, "the results cannot be written to stdout; "
                                   "nothing is stored");
    hawq_cli_record(s->cli, &record);
    record.model_path = s->cli->arg[0];
    record.model_hash = s->hash;
    record.loss = s->loss;
    record.rewrite = s->run.rewrite; /* what the losses are of */
    record.rewrite_factors = s->run.rewrite_factors;
    record.n_rewrite_factors = s->run.n_rewrite_factors;
    record.data = hawq_data_text(&s->cli->arena);
    if (!record.data) return HAWQ_ENOMEM;
    return hawq_store_begin_run(s->store, &record, run);
}

/* Completes the run, or removes it and keeps the first failure's sentence. */
static hawq_status end(hawq_search *s, int64_t run, hawq_status status) {
    if (status == HAWQ_OK) status = hawq_store_finish_run(s->store, run);
    if (status == HAWQ_OK) return HAWQ_OK;
    const char *why = hawq_arena_string(&s->cli->arena, hawq_message());
    if (hawq_store_drop_run(s->store, run) != HAWQ_OK || why)
        return hawq_fail(status, "%s", why ? why : hawq_message());
    return status;
}

/* A sum of whole numbers; the largest that can be stored, beyond. */
static int64_t whole(double value) {
    return value < 0x1p63 ? (int64_t)value : INT64_MAX;
}

hawq_status hawq_search_choices(hawq_search *s, const hawq_solution *solution,
                                hawq_choice **out) {
    const hawq_problem *p = s->problem;
    HAWQ_TAKE(*out, &s->cli->arena, (size_t)p->n_layers);
    for (int l = 0; l < p->n_layers; l++) {
        const hawq_priced *c = hawq_problem_candidate(
            p, l, solution->choice[p->layer[l].in_group]);
        (*out)[l] = (hawq_choice){.layer = p->layer[l].name,
                                  .weight_bits = c->weight_bits,
                                  .activation_bits = c->activation_bits,
                                  .candidate = c->name};
    }
    return HAWQ_OK;
}

/* joint: what was measured of it, or NULL. */
static hawq_status put_solution(hawq_search *s, const hawq_solution *solution,
                                const hawq_joint *joint, int64_t run) {
    const hawq_problem *p = s->problem;
    hawq_totals         totals;
    hawq_choice        *choice;
    hawq_budget_record *budget;
    int64_t             id;
    HAWQ_TRY(hawq_search_choices(s, solution, &choice));
    HAWQ_TAKE(budget, &s->cli->arena, (size_t)solution->n_budgets);
    for (int b = 0; b < solution->n_budgets; b++) {
        const hawq_budget_use *u = &solution->budget[b];
        budget[b] =
            (hawq_budget_record){u->kind, u->limit, u->used, u->binding};
    }
    hawq_search_totals(p, solution->choice, &totals);
    hawq_allocation_record record = {
        .solver = solution->solver->name,
        .metric = s->metric,
        .state = hawq_found_text(solution->state),
        .objective = solution->objective,
        .bound = solution->bound,
        .weight_bytes = whole(totals.weight_bytes),
        .bops = whole(totals.bops),
        .mean_bits = totals.mean_bits,
        .latency_us = isnan(totals.latency_us) ? -1 : totals.latency_us,
        .n_layers = p->n_layers,
        .choice = choice,
        .n_budgets = solution->n_budgets,
        .budget = budget};
    if (joint) {
        record.kl = joint->kl;
        record.agreement = joint->agreement;
        record.check_images = s->joint_images;
    }
    return hawq_store_put_allocation(s->store, run, s->analysis, &record, &id);
}

/* The newest allocation, `last`, is the answer: what else was measured comes
 * before it. */
static hawq_status put_solutions(hawq_search *s, const hawq_solution *solution,
                                 int64_t run) {
    const hawq_joint *kept = s->n_joint ? &s->joint[s->joint_kept] : NULL;
    for (int i = 0; i < s->n_joint; i++)
        if (&s->joint[i] != kept)
            HAWQ_TRY(put_solution(s, &s->joint[i].solution, &s->joint[i], run));
    return put_solution(s, solution, kept, run);
}

hawq_status hawq_search_store(hawq_search *s, const hawq_solution *solution) {
    int64_t run;
    if (!s->store) return HAWQ_OK;
    HAWQ_TRY(begin(s, &run));
    return end(s, run, put_solutions(s, solution, run));
}

static hawq_status put_front(hawq_search *s, const hawq_pareto *front,
                             int64_t run) {
    const hawq_problem *p = s->problem;
    hawq_front_point   *point;
    HAWQ_TAKE(point, &s->cli->arena, (size_t)front->n);
    for (int i = 0; i < front->n; i++) {
        const hawq_pareto_point *from = &front->point[i];
        hawq_totals              totals;
        int                     *bits;
        const char             **name;
        HAWQ_TAKE(bits, &s->cli->arena, (size_t)p->n_layers);
        HAWQ_TAKE(name, &s->cli->arena, (size_t)p->n_layers);
        for (int l = 0; l < p->n_layers; l++) {
            const hawq_priced *c = hawq_problem_candidate(
                p, l, from->choice[p->layer[l].in_group]);
            bits[l] = c->weight_bits;
            name[l] = c->name;
        }
        hawq_search_totals(p, from->choice, &totals);
        point[i] = (hawq_front_point){from->cost, from->objective,
                                      totals.mean_bits, bits, name};
    }
    hawq_front_record record = {.cost_kind = s->front_kind,
                                .solver = p->n_interactions ? "cross" : "dp",
                                .metric = s->metric,
                                .n_layers = p->n_layers,
                                .n_points = front->n,
                                .point = point};
    return hawq_store_put_front(s->store, run, s->analysis, &record);
}

hawq_status hawq_search_store_front(hawq_search *s, const hawq_pareto *front) {
    int64_t run;
    if (!s->store) return HAWQ_OK;
    HAWQ_TRY(begin(s, &run));
    return end(s, run, put_front(s, front, run));
}
