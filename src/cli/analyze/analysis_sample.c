/* analysis_sample.c -- metrics estimated from samples: draw, store, stop.
 *
 * A sample has one reading of the trace and one of the predicted rise for
 * each candidate of every layer; the store has them under "trace", "trace@w8",
 * ...
 *
 * Samples are drawn in rounds, one by each rank, and gathered by rank 0, which
 * takes them one by one as a single process would: what is stored, and where it
 * stops, does not depend on the number of ranks. The others draw what they are
 * to draw and stop where rank 0 stops; readings and store are rank 0's.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/clock.h"
#include "src/base/comm.h"
#include "src/cli/analyze/analysis_parts.h"
#include "src/cli/kit/progress.h"

#include <math.h>
#include <stdio.h>

/* Pilot samples are numbered from here: no counted one ever gets so far. */
static const uint64_t first_pilot = UINT64_C(1) << 32;

static hawq_curvature curvature_of(hawq_metric metric) {
    return metric == HAWQ_METRIC_TRACE ? HAWQ_HESSIAN : HAWQ_GAUSS_NEWTON;
}

static hawq_hvp hvp_of(hawq_analysis *a, hawq_metric metric, hawq_selection *at,
                       hawq_sampler *sampler) {
    return (hawq_hvp){.engine = a->engine,
                      .curvature = curvature_of(metric),
                      .at = at,
                      .sampler = sampler,
                      .single = a->single,
                      .fisher = metric == HAWQ_METRIC_FISHER};
}

/* Is anything left for a probe? */
static hawq_status check(hawq_analysis *a, hawq_metric metric) {
    enum { CHECKS = 2 }; /* mini-batches */
    hawq_mark      mark = hawq_arena_mark(&a->arena);
    hawq_selection at;
    hawq_sampler   sampler;
    HAWQ_TRY(hawq_select_weights(a->graph, -1, &a->arena, &at));
    HAWQ_TRY(hawq_sampler_init(&sampler, a->graph, &a->batch,
                               (size_t)a->batch_size, a->cli->seed, &a->arena));
    hawq_hvp hvp = hvp_of(a, metric, &at, &sampler);
    HAWQ_TRY(hawq_hvp_check(&hvp, first_pilot, CHECKS, &a->arena));
    a->rest_vanishes[metric] = hvp.rest_vanishes;
    hawq_arena_reset(&a->arena, mark);
    return HAWQ_OK;
}

hawq_status hawq_analysis_start_sampling(hawq_analysis *a) {
    if (a->single_graph)
        HAWQ_TRY(hawq_engine_twin(a->engine, a->single_graph, &a->single));
    else if (a->graph->batch == 1)
        a->single = a->engine;
    for (int m = 0; m < HAWQ_METRICS; m++)
        if (a->wanted[m] && hawq_metric_is_sampled((hawq_metric)m))
            HAWQ_TRY(check(a, (hawq_metric)m));
    return HAWQ_OK;
}

typedef struct series {
    hawq_analysis      *a;
    hawq_metric         metric;
    int                 layers, kinds; /* kinds = 1 + candidates */
    const char        **name;          /* [kind]: in the store */
    size_t              width;         /* kinds * layers readings a sample */
    double             *reading;       /* [sample][kind][layer] */
    double             *channel;
    int                 done, most;
    int                 first, drawn; /* samples of the round: [first, drawn) */
    hawq_status         mine;         /* of this rank's sample in it */
    hawq_sample_record *row;          /* of one sample */
    hawq_selection      at;
    hawq_sampler        sampler;
    hawq_hvp            hvp;
    hawq_block         *block;
    hawq_tracer         tracer;
} series;

static hawq_status init(series *s, hawq_analysis *a, hawq_metric metric) {
    hawq_arena *arena = &a->arena;
    *s = (series){.a = a,
                  .metric = metric,
                  .layers = a->graph->n_layers,
                  .kinds = 1 + a->n_candidates};
    s->width = (size_t)s->kinds * (size_t)s->layers;
    s->most = hawq_analysis_most_samples(a);
    HAWQ_TRY(hawq_select_weights(a->graph, -1, arena, &s->at));
    HAWQ_TRY(hawq_sampler_init(&s->sampler, a->graph, &a->batch,
                               (size_t)a->batch_size, a->cli->seed, arena));
    HAWQ_TRY(hawq_hvp_blocks(a->graph, arena, &s->block));
    s->hvp = hvp_of(a, metric, &s->at, &s->sampler);
    s->hvp.rest_vanishes = a->rest_vanishes[metric];
    if (s->hvp.fisher)
        HAWQ_TAKE(s->hvp.gradient, arena, hawq_selection_total(&s->at));
    s->tracer = (hawq_tracer){.A = hawq_hvp_linop(&s->hvp),
                              .probe = &hawq_probe_rademacher,
                              .seed = a->cli->seed,
                              .n_blocks = s->layers,
                              .block = s->block};
    HAWQ_TRY(hawq_tracer_init(&s->tracer, arena));
    HAWQ_TAKE(s->channel, arena, s->tracer.n_channels);
    HAWQ_TAKE(s->reading, arena,
              s->width * (size_t)(s->most + hawq_comm_size()));
    HAWQ_TAKE(s->row, arena, s->width);
    HAWQ_TAKE(s->name, arena, (size_t)s->kinds);
    for (int i = 0; i < s->kinds; i++) {
        const char *name = hawq_metric_name(metric);
        if (i > 0)
            name = hawq_arena_format(arena, "%s@%s", name, a->name[i - 1]);
        if (!name) return HAWQ_ENOMEM;
        s->name[i] = name;
    }
    return HAWQ_OK;
}

/* Takes up the samples a resumed run has: the longest prefix that is whole,
 * and the scales its probes had. */
static hawq_status take_up(series *s) {
    int *found; /* readings of each sample */
    HAWQ_TAKE(found, &s->a->arena, (size_t)s->most);
    for (int i = 0; i < s->kinds; i++) {
        hawq_sample_record *row;
        int                 n;
        HAWQ_TRY(hawq_store_load_samples(s->a->store, s->a->run, s->name[i],
                                         &s->a->arena, &n, &row));
        for (int j = 0; j < n; j++) {
            if (row[j].sample < 0 || row[j].sample >= s->most) continue;
            size_t at = (size_t)row[j].sample * s->width +
                        (size_t)(i * s->layers + row[j].layer);
            s->reading[at] = row[j].value;
            s->tracer.scale[row[j].layer] = row[j].probe_scale;
            found[row[j].sample]++;
        }
    }
    while (s->done < s->most && (size_t)found[s->done] == s->width) s->done++;
    return HAWQ_OK;
}

static hawq_status store_sample(series *s, int sample) {
    const double       *reading = s->reading + (size_t)sample * s->width;
    hawq_sample_record *row = s->row;
    if (hawq_comm_rank() > 0) return HAWQ_OK;
    for (int i = 0; i < s->kinds; i++)
        for (int l = 0; l < s->layers; l++) {
            int at = i * s->layers + l;
            row[at] = (hawq_sample_record){sample, l, s->name[i], reading[at],
                                           s->tracer.scale[l]};
        }
    return hawq_store_put_samples(s->a->store, s->a->run, (int)s->width, row);
}

static hawq_status draw_sample(series *s, int sample) {
    double       *reading = s->reading + (size_t)sample * s->width;
    const double *channel = s->channel;
    HAWQ_TRY(
        hawq_tracer_sample(&s->tracer, (uint64_t)sample, reading, s->channel));
    for (int l = 0; l < s->layers; l++) {
        for (int i = 1; i < s->kinds; i++)
            reading[i * s->layers + l] = hawq_trace_rise(
                &s->block[l], channel,
                s->a->rounded[l * s->a->n_candidates + i - 1].error);
        channel += s->block[l].channels;
    }
    return HAWQ_OK;
}

/* The next round. A failure is not told before its sample's turn comes. */
static void draw_round(series *s) {
    int size = hawq_comm_size(), sample = s->drawn + hawq_comm_rank();
    s->first = s->drawn;
    s->drawn += size;
    s->mine = sample < s->most ? draw_sample(s, sample) : HAWQ_OK;
    hawq_comm_gather(s->reading + (size_t)s->first * s->width, s->width);
}

/* Did the sample's rank succeed, and rank 0 in storing it? */
static hawq_status take_sample(series *s, int sample) {
    bool is_mine = sample == s->first + hawq_comm_rank();
    HAWQ_TRY(hawq_comm_agree(is_mine ? s->mine : HAWQ_OK));
    return hawq_comm_agree(store_sample(s, sample));
}

/* Estimates of all layers from the samples so far; the largest half-width of
 * an interval relative to its mean. */
static double estimate(series *s) {
    double         worst = 0;
    hawq_estimate *e = s->a->trace[s->metric];
    for (int l = 0; l < s->layers; l++) {
        e[l] = hawq_estimate_of(s->reading + l, s->width, (size_t)s->done);
        double half = (e[l].high - e[l].low) / 2;
        worst = fmax(worst, half > 0 ? half / fabs(e[l].mean) : 0);
    }
    return worst;
}

/* How many samples it will take: the error falls with their square root. */
static int64_t forecast(const series *s, double worst) {
    double ratio = worst / s->a->tolerance;
    double n = fmax(HAWQ_MIN_SAMPLES, s->done * ratio * ratio);
    return (int64_t)fmin(n, s->most);
}

static hawq_status draw_all(series *s, hawq_progress *p) {
    hawq_analysis *a = s->a;
    double         begun = hawq_clock_now();
    for (;;) {
        char   note[64] = "";
        double worst = s->done > 1 ? estimate(s) : INFINITY;
        double late = a->time_limit > 0 && s->done > 1 &&
                      hawq_clock_now() - begun > a->time_limit;
        hawq_comm_broadcast(&worst, 1);
        hawq_comm_broadcast(&late, 1);
        bool least = s->done >= HAWQ_MIN_SAMPLES;
        bool met = least && worst <= a->tolerance;
        a->tolerance_met[s->metric] = met;
        if (s->done >= s->most || (a->tolerance > 0 && met)) return HAWQ_OK;
        a->out_of_time[s->metric] = late > 0;
        if (late > 0) return HAWQ_OK;
        if (a->tolerance > 0 && least) p->total = forecast(s, worst);
        if (isfinite(worst))
            snprintf(note, sizeof note, "worst error %.3g %%", 100 * worst);
        hawq_progress_update(p, s->done, note);
        if (s->done == s->drawn) draw_round(s);
        HAWQ_TRY(take_sample(s, s->done));
        s->done++;
    }
}

static hawq_status store_estimates(series *s) {
    hawq_analysis           *a = s->a;
    hawq_sensitivity_record *row;
    int                      n = 0;
    HAWQ_TAKE(row, &a->arena, s->width);
    for (int l = 0; l < s->layers; l++)
        for (int i = 0; i < a->n_candidates; i++) {
            hawq_estimate *e = &a->rise[s->metric][l * a->n_candidates + i];
            *e = hawq_estimate_of(s->reading + (i + 1) * s->layers + l,
                                  s->width, (size_t)s->done);
            row[n++] = (hawq_sensitivity_record){
                .layer = l,
                .metric = s->name[0],
                .bits = a->candidate[i].format.bits,
                .candidate = a->name[i],
                .value = hawq_analysis_value(a, s->metric, l, i),
                .stderr1 = e->stderr1};
        }
    HAWQ_TRY(hawq_store_put_estimates(a->store, a->run, s->name[0], s->layers,
                                      a->trace[s->metric]));
    return hawq_store_put_sensitivity(a->store, a->run, n, row);
}

/* Rank 0 finds out where to begin and tells. */
static hawq_status start(series *s, hawq_analysis *a, hawq_metric metric) {
    HAWQ_TRY(init(s, a, metric));
    if (hawq_comm_rank() > 0) return HAWQ_OK;
    HAWQ_TRY(take_up(s));
    return s->done ? HAWQ_OK
                   : hawq_tracer_balance(&s->tracer, first_pilot, HAWQ_PILOTS);
}

static void share_start(series *s) {
    double done = s->done;
    hawq_comm_broadcast(&done, 1);
    s->done = s->drawn = (int)done;
    hawq_comm_broadcast(s->tracer.scale, (size_t)s->layers);
}

hawq_status hawq_analysis_sample(hawq_analysis *a, hawq_metric metric) {
    series        s;
    hawq_progress p;
    HAWQ_TRY(hawq_comm_agree(start(&s, a, metric)));
    share_start(&s);
    hawq_progress_begin(&p, a->cli->quiet, "sampling curvature", s.most,
                        "samples");
    hawq_status status = draw_all(&s, &p);
    hawq_progress_end(&p);
    HAWQ_TRY(status);
    a->n_samples[metric] = s.done;
    return hawq_comm_agree(hawq_comm_rank() ? HAWQ_OK : store_estimates(&s));
}
