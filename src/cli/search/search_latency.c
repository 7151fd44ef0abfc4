/* search_latency.c -- the times that a latency budget or front adds up.
 *
 * They are those of the database for this machine, these kernels, threads and
 * batch size. What is missing there is measured on the spot, as hawq-bench
 * measures it, on uniform networks: one of the missing widths gives the times
 * of all layers at these widths, and one more total to fit the constant of
 * latency.h to. Times do not depend on the values, so no data is needed.
 *
 * A sum over layers has no place for a constant: every layer's time carries an
 * equal share of it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/bench/benchmark.h"
#include "src/cli/search/search_command.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- which -----------------------------------------------------------------
 */

/* Times depend on the format, not on how codes were chosen. */
static hawq_status add_width(hawq_search *s, hawq_search_times *t,
                             const hawq_width *w) {
    size_t      length = strcspn(w->candidate, ":");
    const char *format =
        hawq_arena_string_n(&s->cli->arena, w->candidate, length);
    hawq_width timed = {w->weight_bits, w->activation_bits, format};
    int        weight_bits = w->weight_bits;
    if (!format) return HAWQ_ENOMEM;
    for (int i = 0; i < t->n_widths; i++)
        if (hawq_search_same_width(&t->width[i], &timed)) return HAWQ_OK;
    t->width[t->n_widths++] = timed;
    if (weight_bits == 32 || (weight_bits >= 1 && weight_bits <= 8))
        return HAWQ_OK;
    return hawq_fail(HAWQ_EINVAL,
                     "latency: layers run with weights of 1 to 8 bits or in "
                     "float32, so %d bits have no time; choose the candidates "
                     "with --bits w8a8,w4a8,w2a8",
                     weight_bits);
}

/* Of the candidates, and 8 bits: what a multiple of a latency refers to. */
static hawq_status list_widths(hawq_search *s, hawq_search_times *t) {
    static const hawq_width uniform8 = {8, 8, "w8"};
    HAWQ_TAKE(t->width, &s->cli->arena, (size_t)s->n_widths + 1);
    HAWQ_TRY(add_width(s, t, &uniform8));
    for (int i = 0; i < s->n_widths; i++)
        HAWQ_TRY(add_width(s, t, &s->width[i]));
    return HAWQ_OK;
}

/* Times of another build's kernels can be searched, if they are there. */
static hawq_status find_key(hawq_search *s, hawq_search_times *t) {
    const hawq_kernels *kernels;
    hawq_run_record     run;
    hawq_cli_record(s->cli, &run);
    t->key = (hawq_latency_key){.model_hash = s->hash,
                                .host = run.host,
                                .kernels = s->kernels ? s->kernels : s->device,
                                .threads =
                                    hawq_latency_threads(s->cli, s->batch_size),
                                .batch_size = s->batch_size};
    if (hawq_latency_kernels(s->device, s->kernels, &kernels) == HAWQ_OK)
        t->key.kernels = kernels->name;
    return HAWQ_OK;
}

/* --- measuring -------------------------------------------------------------
 */

/* Layers without a time at these widths. */
static int count_missing(const hawq_search_times *t, hawq_width w, int n_layers,
                         const hawq_layer_record *layer) {
    int n = 0;
    for (int l = 0; l < n_layers; l++)
        n += isnan(hawq_latency_format(&t->table, layer[l].name, w.candidate,
                                       w.activation_bits));
    return n;
}

/* The name of the uniform network, as hawq-bench calls it: "uniform4", "w4a4",
 * "k3", "k3a4". */
static const char *uniform_name(hawq_arena *arena, hawq_width w) {
    char plain[16];
    snprintf(plain, sizeof plain, "w%d", w.weight_bits);
    bool is_plain =
        w.weight_bits == HAWQ_FLOAT_BITS || !strcmp(plain, w.candidate);
    if (is_plain && w.activation_bits == 8)
        return hawq_arena_format(arena, "uniform%d", w.weight_bits);
    if (is_plain)
        return hawq_arena_format(arena, "w%da%d", w.weight_bits,
                                 w.activation_bits);
    return w.activation_bits == 8
               ? w.candidate
               : hawq_arena_format(arena, "%sa%d", w.candidate,
                                   w.activation_bits);
}

static hawq_status measure(hawq_search *s, hawq_texts uniform) {
    hawq_benchmark b = {.cli = s->cli,
                        .model_path = s->cli->arg[0],
                        .allocations = uniform,
                        .calibration_limit = s->batch_size,
                        .device = s->device,
                        .kernels = s->kernels,
                        .batch_size = s->batch_size,
                        .repeats = s->repeats,
                        .verify = 1,
                        .weight_range = HAWQ_RANGE_MAX,
                        .activation_range = HAWQ_RANGE_MAX,
                        .times_only = true};
    hawq_status    status = hawq_benchmark_prepare(&b);
    if (status == HAWQ_OK) status = hawq_benchmark_measure(&b);
    if (status == HAWQ_OK) status = hawq_benchmark_store(&b);
    hawq_benchmark_close(&b);
    return status == HAWQ_OK ? status : hawq_prefix("measuring latency: ");
}

/* Measures the uniform networks of the widths that some layer has no time
 * at. */
static hawq_status fill_table(hawq_search *s, hawq_search_times *t,
                              int n_layers, const hawq_layer_record *layer) {
    hawq_texts uniform = {0};
    HAWQ_TRY(hawq_latency_load(s->store, &t->key, &s->cli->arena, &t->table));
    HAWQ_TAKE(uniform.item, &s->cli->arena, (size_t)t->n_widths);
    for (int i = 0; i < t->n_widths; i++) {
        int missing = count_missing(t, t->width[i], n_layers, layer);
        if (!missing) continue;
        const char *name = uniform_name(&s->cli->arena, t->width[i]);
        if (!name) return HAWQ_ENOMEM;
        uniform.item[uniform.n++] = name;
        t->measured += missing;
    }
    if (!uniform.n) return HAWQ_OK;
    HAWQ_TRY(measure(s, uniform));
    return hawq_latency_load(s->store, &t->key, &s->cli->arena, &t->table);
}

/* Times of whole networks, one for each pair of widths, in us. */
static hawq_status add_up(hawq_search *s, hawq_search_times *t, int n_layers,
                          const hawq_layer_record *layer) {
    HAWQ_TAKE(t->uniform_us, &s->cli->arena, (size_t)t->n_widths);
    for (int i = 0; i < t->n_widths; i++) {
        t->uniform_us[i] = t->table.constant.mean;
        for (int l = 0; l < n_layers; l++)
            t->uniform_us[i] += hawq_latency_format(
                &t->table, layer[l].name, t->width[i].candidate,
                t->width[i].activation_bits);
    }
    return HAWQ_OK;
}

/* The table with a share of the constant in every time. */
static hawq_status share_constant(hawq_search *s, const hawq_latency *table,
                                  int n_layers, hawq_layer_timing **out) {
    double share = table->constant.mean / n_layers;
    HAWQ_TAKE(*out, &s->cli->arena, (size_t)table->n_timings);
    for (int i = 0; i < table->n_timings; i++) {
        (*out)[i] = table->timing[i];
        (*out)[i].latency_us = fmax(0, table->timing[i].latency_us + share);
    }
    return HAWQ_OK;
}

hawq_status hawq_search_latency(hawq_search *s, int n_layers,
                                const hawq_layer_record *layer, int *n,
                                hawq_layer_timing **timing) {
    hawq_search_times *t;
    HAWQ_TAKE(t, &s->cli->arena, 1);
    HAWQ_TRY(list_widths(s, t));
    HAWQ_TRY(find_key(s, t));
    HAWQ_TRY(fill_table(s, t, n_layers, layer));
    HAWQ_TRY(add_up(s, t, n_layers, layer));
    HAWQ_TRY(share_constant(s, &t->table, n_layers, timing));
    *n = t->table.n_timings;
    s->times = t;
    return HAWQ_OK;
}

/* --- saying so -------------------------------------------------------------
 */

double hawq_search_spread(const hawq_search *s, const char *kind) {
    return s->times && !strcmp(kind, "latency") ? s->times->table.spread_us
                                                : NAN;
}

/* "avx512vnni kernels on cpu, 1 thread, batches of 1" */
static const char *conditions(const hawq_search *s) {
    const hawq_latency_key *k = &s->times->key;
    const char             *text = hawq_arena_format(
                    &s->cli->arena, "%s kernels on %s, %d thread%s, batches of %d",
                    k->kernels, s->device, k->threads, k->threads == 1 ? "" : "s",
                    k->batch_size);
    return text ? text : "";
}

void hawq_search_print_latency(const hawq_search *s, double us) {
    const hawq_latency *l = &s->times->table;
    printf("%-15s %.6g us +- %.2g (spread of the rounds); %s\n", "latency", us,
           l->spread_us, conditions(s));
    printf("%-15s of it %.3g us are a constant of the network", "",
           l->constant.mean);
    if (l->n_totals >= 3) printf(", standard error %.2g", l->constant.stderr1);
    printf(", fitted to %d measured network%s\n", l->n_totals,
           l->n_totals == 1 ? "" : "s");
}

void hawq_search_json_latency(const hawq_search *s, hawq_json *w) {
    if (!s->times) return;
    const hawq_latency *l = &s->times->table;
    hawq_json_object(w, "latency");
    hawq_json_text(w, "device", s->device);
    hawq_json_text(w, "kernels", s->times->key.kernels);
    hawq_json_text(w, "host", s->times->key.host);
    hawq_json_integer(w, "threads", s->times->key.threads);
    hawq_json_integer(w, "batch_size", s->times->key.batch_size);
    hawq_json_real(w, "spread_us", l->spread_us);
    hawq_json_real(w, "constant_us", l->constant.mean);
    if (l->n_totals >= 3)
        hawq_json_real(w, "constant_stderr_us", l->constant.stderr1);
    hawq_json_integer(w, "totals", l->n_totals);
    hawq_json_integer(w, "measured_now", s->times->measured);
    hawq_json_array(w, "uniform");
    for (int i = 0; i < s->times->n_widths; i++) {
        hawq_json_object(w, NULL);
        hawq_json_text(w, "format", s->times->width[i].candidate);
        hawq_json_integer(w, "weight_bits", s->times->width[i].weight_bits);
        hawq_json_integer(w, "activation_bits",
                          s->times->width[i].activation_bits);
        hawq_json_real(w, "latency_us", s->times->uniform_us[i]);
        hawq_json_end(w);
    }
    hawq_json_end(w);
    hawq_json_end(w);
}

/* "w8a8 24.8, k3a8 24.9" */
static const char *list_uniform(const hawq_search *s) {
    const hawq_search_times *t = s->times;
    const char              *list = "";
    for (int i = 0; i < t->n_widths && list; i++) {
        const hawq_width *w = &t->width[i];
        bool              floats = w->weight_bits == HAWQ_FLOAT_BITS;
        list = hawq_arena_format(&s->cli->arena, "%s%s%sa%d %.4g", list,
                                 i ? ", " : "", floats ? "w32" : w->candidate,
                                 w->activation_bits, t->uniform_us[i]);
    }
    return list ? list : "";
}

/* Uniform networks that differ by no more than both their spreads are equally
 * fast, as far as was measured; width 0 is 8 bits. */
static void note_widths(const hawq_search *s) {
    const hawq_search_times *t = s->times;
    double                   least = t->uniform_us[0], most = least;
    if (t->n_widths < 2) return;
    for (int i = 1; i < t->n_widths; i++) {
        least = fmin(least, t->uniform_us[i]);
        most = fmax(most, t->uniform_us[i]);
    }
    double both = 2 * t->table.spread_us;
    if (t->uniform_us[0] - least > both) return;
    hawq_cli_note(s->cli, "%s: uniform networks take %s us, spread %.2g (%s)",
                  most - least > both
                      ? "fewer bits are no faster than 8 here"
                      : "latency does not depend on the width here",
                  list_uniform(s), t->table.spread_us, conditions(s));
}

static void note_floats(const hawq_search *s) {
    bool floats = false;
    for (int i = 0; i < s->times->n_widths; i++)
        floats |= s->times->width[i].weight_bits == 32;
    if (floats)
        hawq_cli_note(s->cli, "networks with layers in float and all-integer "
                              "ones share one constant, though theirs differ: "
                              "hawq-bench times what was found as a whole");
}

void hawq_search_note_latency(const hawq_search *s) {
    if (!s->times) return;
    bool said = s->cli->format == HAWQ_FORMAT_JSON ||
                (s->cli->format == HAWQ_FORMAT_TABLE && !s->front_kind);
    if (!said)
        hawq_cli_note(s->cli,
                      "latencies are of %s; of each %.3g us are a constant of "
                      "the network; spread %.2g us",
                      conditions(s), s->times->table.constant.mean,
                      s->times->table.spread_us);
    if (s->times->measured)
        hawq_cli_note(s->cli,
                      "%d layer times were not known and have been measured "
                      "(%s, %d rounds); they are in %s now",
                      s->times->measured, conditions(s), s->repeats,
                      s->cli->db);
    note_widths(s);
    note_floats(s);
}
