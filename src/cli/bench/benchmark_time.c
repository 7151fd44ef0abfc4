/* benchmark_time.c -- the one protocol by which networks and layers are timed;
 * see benchmark.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/timer.h"
#include "src/cli/bench/benchmark.h"
#include "src/cli/kit/progress.h"

#include <math.h>
#include <string.h>

enum { WARM_UP_ROUNDS = 3 };

static double run_batch(hawq_benchmark *b, const hawq_contender *c) {
    size_t     n = (size_t)b->batch_size;
    uint64_t   from = hawq_timer_now();
    hawq_batch batch = {n, b->data.x, b->data.labels, NULL};
    if (c->runner)
        hawq_runner_run(c->runner, n, b->data.x, b->output);
    else
        hawq_engine_forward(b->engine, &batch, b->output, NULL, NULL);
    return (double)(hawq_timer_now() - from);
}

static void run_rounds(hawq_benchmark *b) {
    hawq_progress p;
    hawq_progress_begin(&p, b->cli->quiet, "timing", b->repeats, "rounds");
    for (int round = -WARM_UP_ROUNDS; round < b->repeats; round++) {
        for (int i = 0; i < b->n; i++) {
            double ns = run_batch(b, &b->contender[i]);
            if (round >= 0) b->contender[i].sample[round] = ns;
        }
        hawq_progress_update(&p, round > 0 ? round : 0, NULL);
    }
    hawq_progress_end(&p);
}

/* Median over the rounds of how many times faster c is than the baseline. */
static double speedup(const hawq_benchmark *b, const hawq_contender *baseline,
                      const hawq_contender *c, double *scratch) {
    for (int i = 0; i < b->repeats; i++)
        scratch[i] = baseline->sample[i] / c->sample[i];
    return hawq_timing_of(scratch, b->repeats).median_ns;
}

static hawq_status summarise(hawq_benchmark *b) {
    double *scratch;
    HAWQ_TAKE(scratch, &b->arena, (size_t)b->repeats);
    for (int i = 0; i < b->n; i++) {
        hawq_contender        *c = &b->contender[i];
        hawq_benchmark_record *r = &c->record;
        r->speedup_vs_float = speedup(b, &b->contender[0], c, scratch);
        r->speedup_vs_uniform8 =
            b->n > 1 ? speedup(b, &b->contender[1], c, scratch) : NAN;
    }
    for (int i = 0; i < b->n; i++) { /* sorts the samples: comes last */
        hawq_contender *c = &b->contender[i];
        hawq_timing     t = hawq_timing_of(c->sample, b->repeats);
        c->record.latency_us = t.median_ns / 1e3;
        c->record.latency_spread_us = (t.q3_ns - t.q1_ns) / 1e3;
    }
    return HAWQ_OK;
}

hawq_status hawq_benchmark_time_rounds(hawq_benchmark *b) {
    run_rounds(b);
    return summarise(b);
}

/* The nodes in float, with their shares of a batch's time. */
static hawq_status list_floats(hawq_benchmark *b, hawq_contender *c,
                               const double *ns) {
    const hawq_program *p = c->program;
    hawq_float_timing  *next;
    HAWQ_TAKE(next, &b->arena, (size_t)p->n_floats);
    c->float_node = next;
    for (int i = 0; i < p->n_steps; i++)
        if (p->step[i].kind == HAWQ_STEP_FLOAT)
            *next++ = (hawq_float_timing){&p->step[i].u.floating, ns[i] / 1e3};
    return HAWQ_OK;
}

/* The widths a layer's time is of: those it has or, where it has no integer
 * form and runs in float instead, those it was to have. */
static const hawq_choice *timed_as(const hawq_contender *c, int layer) {
    const hawq_choice *used = &c->program->choice[layer];
    for (int i = 0;
         used->activation_bits == HAWQ_FLOAT_BITS && i < c->n_choices; i++)
        if (!strcmp(c->choice[i].layer, used->layer)) return &c->choice[i];
    return used;
}

/* What a layer's time is of. */
static hawq_status name_layer(hawq_benchmark *b, const hawq_contender *c,
                              int layer, hawq_layer_timing *out) {
    const hawq_choice *as = timed_as(c, layer);
    hawq_format        format;
    char               text[HAWQ_FORMAT_TEXT];
    HAWQ_TRY(hawq_choice_format(as, &format));
    *out = (hawq_layer_timing){.layer = c->program->choice[layer].layer,
                               .weight_bits = as->weight_bits,
                               .activation_bits = as->activation_bits,
                               .kernel = ""};
    out->format = hawq_arena_string(&b->arena, hawq_format_text(&format, text));
    return out->format ? HAWQ_OK : HAWQ_ENOMEM;
}

hawq_status hawq_benchmark_time_layers(hawq_benchmark *b, hawq_contender *c) {
    const hawq_program *p = c->program;
    size_t              steps = (size_t)p->n_steps;
    hawq_layer_timing  *layer;
    double             *ns, *samples;
    HAWQ_TAKE(layer, &b->arena, (size_t)p->n_layers);
    HAWQ_TAKE(ns, &b->arena, steps);
    HAWQ_TAKE(samples, &b->arena, steps * (size_t)b->repeats);
    hawq_runner_profile(c->runner, (size_t)b->batch_size, b->data.x, b->repeats,
                        samples, ns);
    for (int i = 0; i < p->n_layers; i++)
        HAWQ_TRY(name_layer(b, c, i, &layer[i]));
    for (int i = 0; i < p->n_steps; i++) {
        hawq_step_kind kind = p->step[i].kind;
        if (p->step[i].layer < 0) continue;
        layer[p->step[i].layer].latency_us += ns[i] / 1e3;
        if (kind == HAWQ_STEP_CONV || kind == HAWQ_STEP_CONV_S32 ||
            kind == HAWQ_STEP_FLOAT)
            layer[p->step[i].layer].kernel = hawq_runner_kernel(c->runner, i);
    }
    c->record.n_layers = p->n_layers;
    c->record.layer = layer;
    return list_floats(b, c, ns);
}
