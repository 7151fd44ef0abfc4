/* latency.c -- see latency.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/latency.h"

#include "hessian/statistics.h"
#include "kernels/timer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A device other than the processor is a table of kernels of its name. */
hawq_status hawq_latency_kernels(const char *device, const char *kernels,
                                 const hawq_kernels **out) {
    bool        cpu = strcmp(device, "cpu") == 0;
    const char *name = cpu || kernels ? kernels : device;
    *out = hawq_kernels_select(name);
    if (!*out)
        return hawq_fail(HAWQ_EINVAL,
                         "%s %s: unknown, not built, or not usable on this "
                         "machine; usable kernels are: %s",
                         kernels ? "--kernels" : "--device", name,
                         hawq_kernels_usable_names());
    if ((*out)->by_name ? strcmp((*out)->name, device) != 0 : !cpu)
        return hawq_fail(HAWQ_EINVAL, "--kernels %s do not run on --device %s",
                         (*out)->name, device);
    return HAWQ_OK;
}

int hawq_latency_threads(const hawq_cli *cli, int batch_size) {
    if (cli->threads) return cli->threads;
    return batch_size == 1 ? 1 : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

hawq_status hawq_latency_load(hawq_store *store, const hawq_latency_key *key,
                              hawq_arena *arena, hawq_latency *out) {
    HAWQ_TRY(hawq_store_load_timings(store, key, arena, &out->n_timings,
                                     &out->timing));
    HAWQ_TRY(
        hawq_store_load_totals(store, key, arena, &out->n_totals, &out->total));
    return hawq_latency_set_constant(out, arena);
}

hawq_status hawq_latency_set_constant(hawq_latency *l, hawq_arena *arena) {
    size_t  n = (size_t)l->n_totals;
    double *rest, *weight, *spread;
    l->constant = (hawq_estimate){.stderr1 = INFINITY};
    l->spread_us = 0;
    if (!n) return HAWQ_OK;
    HAWQ_TAKE(rest, arena, n);
    HAWQ_TAKE(weight, arena, n);
    HAWQ_TAKE(spread, arena, n);
    for (size_t i = 0; i < n; i++) {
        double total = l->total[i].latency_us;
        rest[i] = total - l->total[i].layers_us;
        weight[i] = 1 / (total * total);
        spread[i] = l->total[i].spread_us;
    }
    l->constant = hawq_estimate_weighted(rest, weight, n);
    l->spread_us = hawq_timing_of(spread, l->n_totals).median_ns;
    return HAWQ_OK;
}

/* The format of so many bits that has no other name. */
static const char *plain_format(int bits, char text[16]) {
    snprintf(text, 16, "w%d", bits);
    return bits == HAWQ_FLOAT_BITS ? "float" : text;
}

/* Kernels read activations as bytes whatever their range is: where a layer was
 * not timed at this width, another integer width's time is its time. A layer of
 * 16 or 32 bits runs in float whatever its input's width. */
double hawq_latency_format(const hawq_latency *l, const char *layer,
                           const char *format, int activation_bits) {
    double other = NAN;
    for (int i = 0; i < l->n_timings; i++) {
        const hawq_layer_timing *t = &l->timing[i];
        char                     text[16];
        const char              *its =
            t->format ? t->format : plain_format(t->weight_bits, text);
        if (strcmp(its, format) || strcmp(t->layer, layer)) continue;
        if (t->activation_bits == activation_bits || t->weight_bits > 8)
            return t->latency_us;
        if (t->activation_bits != HAWQ_FLOAT_BITS) other = t->latency_us;
    }
    return activation_bits == HAWQ_FLOAT_BITS ? NAN : other;
}

double hawq_latency_layer(const hawq_latency *l, const char *layer,
                          int weight_bits, int activation_bits) {
    char text[16];
    return hawq_latency_format(l, layer, plain_format(weight_bits, text),
                               activation_bits);
}

/* What is before the colon of a choice's candidate. */
static double time_of(const hawq_latency *l, const hawq_choice *c) {
    char text[64];
    if (!c->candidate)
        return hawq_latency_layer(l, c->layer, c->weight_bits,
                                  c->activation_bits);
    snprintf(text, sizeof text, "%.*s", (int)strcspn(c->candidate, ":"),
             c->candidate);
    return hawq_latency_format(l, c->layer, text, c->activation_bits);
}

double hawq_latency_predict(const hawq_latency *l, int n,
                            const hawq_choice *choice) {
    double sum = l->n_totals ? l->constant.mean : NAN;
    for (int i = 0; i < n; i++) sum += time_of(l, &choice[i]);
    return sum;
}
