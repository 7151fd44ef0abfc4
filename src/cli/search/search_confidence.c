/* search_confidence.c -- the bootstrap of an allocation. Resampled are the
 * samples of the weights' curvature; what activations cost stays, and so do the
 * combinations that a large group was left (combine.h).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "hessian/sensitivity.h"
#include "src/base/rng.h"
#include "src/cli/search/search_answers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct bootstrap {
    hawq_search  *s;
    hawq_arena    arena; /* scratch */
    int           n_samples, n_widths;
    const char  **name;      /* [width]: of the candidate */
    double       *reading;   /* [width][layer][sample] */
    double       *drawn;     /* [sample] */
    int          *index;     /* [sample] */
    hawq_problem  problem;   /* the search's, with other losses */
    hawq_priced **candidate; /* [layer]: its, to be changed */
} bootstrap;

static int find_name(const bootstrap *b, const char *name) {
    for (int w = 0; w < b->n_widths; w++)
        if (!strcmp(b->name[w], name)) return w;
    return -1;
}

static hawq_status list_names(bootstrap *b) {
    HAWQ_TAKE(b->name, &b->arena, (size_t)b->s->n_sensitivities);
    for (int i = 0; i < b->s->n_sensitivities; i++)
        if (find_name(b, b->s->sensitivity[i].candidate) < 0)
            b->name[b->n_widths++] = b->s->sensitivity[i].candidate;
    return HAWQ_OK;
}

/* Readings of one width: rows come by sample, then layer. Every sample has one
 * of each layer, or the metric is taken to have none. */
static hawq_status load_width(bootstrap *b, int w) {
    hawq_sample_record *row;
    int                 n, layers = b->s->problem->n_layers;
    const char         *name =
        hawq_arena_format(&b->arena, "%s@%s", b->s->metric, b->name[w]);
    if (!name) return HAWQ_ENOMEM;
    HAWQ_TRY(hawq_store_load_samples(b->s->store, b->s->analysis, name,
                                     &b->arena, &n, &row));
    if (w == 0) {
        b->n_samples = n % layers ? 0 : n / layers;
        HAWQ_TAKE(b->reading, &b->arena, (size_t)b->n_widths * (size_t)n + 1);
    }
    if (n != b->n_samples * layers) b->n_samples = 0;
    for (int i = 0; b->n_samples && i < n; i++)
        b->reading[((size_t)w * (size_t)layers + (size_t)row[i].layer) *
                       (size_t)b->n_samples +
                   (size_t)(i / layers)] = row[i].value;
    return HAWQ_OK;
}

static hawq_status load(bootstrap *b) {
    const hawq_problem *p = b->s->problem;
    HAWQ_TRY(list_names(b));
    for (int w = 0; w < b->n_widths && (!w || b->n_samples); w++)
        HAWQ_TRY(load_width(b, w));
    HAWQ_TAKE(b->drawn, &b->arena, (size_t)b->n_samples);
    HAWQ_TAKE(b->index, &b->arena, (size_t)b->n_samples);
    b->problem = *p;
    HAWQ_TAKE(b->problem.layer, &b->arena, (size_t)p->n_layers);
    HAWQ_TAKE(b->candidate, &b->arena, (size_t)p->n_layers);
    for (int l = 0; l < p->n_layers; l++) {
        hawq_priced *copy;
        HAWQ_TAKE(copy, &b->arena, (size_t)p->layer[l].n_candidates);
        b->candidate[l] = copy;
        memcpy(copy, p->layer[l].candidate,
               (size_t)p->layer[l].n_candidates * sizeof *copy);
        b->problem.layer[l] = p->layer[l];
        b->problem.layer[l].candidate = copy;
    }
    return HAWQ_OK;
}

/* The loss of a layer at a width, estimated from the samples drawn as the
 * analysis does it from all. */
static double resampled(const bootstrap *b, int layer, int w) {
    const double *reading =
        b->reading + ((size_t)w * (size_t)b->problem.n_layers + (size_t)layer) *
                         (size_t)b->n_samples;
    for (int i = 0; i < b->n_samples; i++) b->drawn[i] = reading[b->index[i]];
    hawq_estimate e = hawq_estimate_of(b->drawn, 1, (size_t)b->n_samples);
    return hawq_search_value(&e);
}

static void draw(bootstrap *b, int resample) {
    uint64_t key =
        hawq_rng_key(b->s->cli->seed, 0x626f6f74, (uint64_t)resample, 0);
    for (int i = 0; i < b->n_samples; i++)
        b->index[i] =
            (int)hawq_rng_below(key, (uint64_t)i, (uint64_t)b->n_samples);
    for (int l = 0; l < b->problem.n_layers; l++) {
        hawq_priced *c = b->candidate[l];
        for (int i = 0; i < b->problem.layer[l].n_candidates; i++)
            c[i].loss =
                hawq_search_activation_loss(b->s, l, c[i].activation_bits) +
                (c[i].weight_bits == HAWQ_FLOAT_BITS
                     ? 0 /* the weights are as they were */
                     : resampled(b, l, find_name(b, c[i].name)));
    }
}

/* Searches the resample; adds to the counts, returns the regret in *regret. */
static hawq_status search(bootstrap *b, const hawq_solution *solution,
                          double *kept, bool *same, double *regret) {
    const hawq_problem *p = &b->problem;
    hawq_mark           mark = hawq_arena_mark(&b->arena);
    hawq_solution       best;
    if (hawq_solve(p, &hawq_solver_bnb, NULL, &b->arena, &best) != HAWQ_OK)
        return hawq_prefix("%s: resampling the samples of run %lld: ",
                           b->s->cli->db, (long long)b->s->analysis);
    *same = true;
    for (int l = 0; best.choice && l < p->n_layers; l++) {
        int  g = p->layer[l].in_group;
        bool as_before = hawq_problem_candidate(p, l, best.choice[g]) ==
                         hawq_problem_candidate(p, l, solution->choice[g]);
        kept[l] += as_before;
        *same &= as_before;
    }
    *regret = hawq_problem_sum(p, -1, solution->choice) - best.objective;
    hawq_arena_reset(&b->arena, mark);
    return HAWQ_OK;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static hawq_status run(bootstrap *b, const hawq_solution *solution, int n,
                       hawq_confidence *out) {
    double *regret;
    int     same = 0;
    HAWQ_TRY(load(b));
    if (b->n_samples < 2) return HAWQ_OK;
    HAWQ_TAKE(regret, &b->arena, (size_t)n);
    for (int r = 0; r < n; r++) {
        bool all = false;
        draw(b, r);
        HAWQ_TRY(search(b, solution, out->kept, &all, &regret[r]));
        same += all;
    }
    for (int l = 0; l < b->problem.n_layers; l++) out->kept[l] /= n;
    qsort(regret, (size_t)n, sizeof *regret, ascending);
    out->n_resamples = n;
    out->n_samples = b->n_samples;
    out->whole = (double)same / n;
    out->regret_low = regret[(int)(0.025 * n)];
    out->regret_median = regret[n / 2];
    out->regret_high = regret[(int)(0.975 * n)];
    return HAWQ_OK;
}

hawq_status hawq_search_confidence(hawq_search         *s,
                                   const hawq_solution *solution,
                                   int n_resamples, hawq_confidence *out) {
    bootstrap b = {.s = s};
    *out = (hawq_confidence){0};
    if (!s->store || !n_resamples || !solution->choice ||
        hawq_search_indifference(s))
        return HAWQ_OK;
    HAWQ_TAKE(out->kept, &s->cli->arena, (size_t)s->problem->n_layers);
    hawq_status status = run(&b, solution, n_resamples, out);
    hawq_arena_free(&b.arena);
    return status;
}
