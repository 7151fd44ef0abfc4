/* records.c -- see records.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/records.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WEIGHT_SIZE, BOPS, MEAN_BITS, LATENCY, KINDS };

typedef struct source {
    int                      n_layers, n_sensitivities, n_timings, n_widths;
    const hawq_layer_record *layer;
    const hawq_sensitivity_record  *sensitivity;
    const hawq_layer_timing        *timing;
    const hawq_width               *width; /* n_widths 0: all, 8-bit inputs */
    hawq_arena                      arena; /* scratch */
    const hawq_sensitivity_record **of;    /* sorted by layer, as given in it */
    const hawq_layer_timing       **at;    /* sorted by name and widths */
} source;

static int by_layer(const void *a, const void *b) {
    const hawq_sensitivity_record *x =
        *(const hawq_sensitivity_record *const *)a;
    const hawq_sensitivity_record *y =
        *(const hawq_sensitivity_record *const *)b;
    if (x->layer != y->layer) return x->layer < y->layer ? -1 : 1;
    return (x > y) - (x < y);
}

enum { PLAIN = 16 }; /* characters of a plain candidate's name */

/* The name, or the plain one of so many bits. */
static const char *name_of(const char *given, int bits, char text[PLAIN]) {
    if (bits == HAWQ_FLOAT_BITS)
        snprintf(text, PLAIN, "float");
    else
        snprintf(text, PLAIN, "w%d", bits);
    return given ? given : text;
}

/* By layer, format and activations. */
static int by_format(const void *a, const void *b) {
    const hawq_layer_timing *x = *(const hawq_layer_timing *const *)a;
    const hawq_layer_timing *y = *(const hawq_layer_timing *const *)b;
    int                      order = strcmp(x->layer, y->layer);
    char                     p[PLAIN], q[PLAIN];
    if (order) return order;
    if (x->activation_bits != y->activation_bits)
        return x->activation_bits - y->activation_bits;
    const char *f = name_of(x->format, x->weight_bits, p);
    const char *g = name_of(y->format, y->weight_bits, q);
    size_t      m = strcspn(f, ":"), n = strcspn(g, ":");
    order = strncmp(f, g, m < n ? m : n);
    return order ? order : (m > n) - (m < n);
}

static hawq_status sort_records(source *s) {
    HAWQ_TAKE(s->of, &s->arena, (size_t)s->n_sensitivities);
    HAWQ_TAKE(s->at, &s->arena, (size_t)s->n_timings);
    for (int i = 0; i < s->n_sensitivities; i++) s->of[i] = &s->sensitivity[i];
    for (int i = 0; i < s->n_timings; i++) s->at[i] = &s->timing[i];
    qsort(s->of, (size_t)s->n_sensitivities, sizeof(void *), by_layer);
    qsort(s->at, (size_t)s->n_timings, sizeof(void *), by_format);
    return HAWQ_OK;
}

/* Where the sensitivities of a layer begin in s->of. */
static int first_of(const source *s, int layer) {
    int low = 0, high = s->n_sensitivities;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (s->of[middle]->layer < layer)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_of(const source *s, int i, int layer) {
    return i < s->n_sensitivities && s->of[i]->layer == layer;
}

static hawq_status find_time(const source *s, const char *layer, hawq_width w,
                             double *out) {
    /* kernels read activations as bytes whatever their range is, so 8 bits
     * stand for less; what runs in float whatever its input's width was timed
     * once */
    const int activation[2] = {w.activation_bits,
                               w.weight_bits > 8       ? HAWQ_FLOAT_BITS
                               : w.activation_bits < 8 ? 8
                                                       : w.activation_bits};
    for (int i = 0; i < 2; i++) {
        const hawq_layer_timing         key = {.layer = layer,
                                               .weight_bits = w.weight_bits,
                                               .activation_bits = activation[i],
                                               .format = w.candidate};
        const hawq_layer_timing        *wanted = &key;
        const hawq_layer_timing *const *found = bsearch(
            &wanted, s->at, (size_t)s->n_timings, sizeof(void *), by_format);
        if (!found) continue;
        *out = (*found)->latency_us;
        return HAWQ_OK;
    }
    char        text[PLAIN];
    const char *name = name_of(w.candidate, w.weight_bits, text);
    bool        plain = !w.candidate || !strcmp(w.candidate, text);
    return hawq_fail(HAWQ_ESTATE,
                     "latency: layer '%s' has not been timed at %.*s%s%s on "
                     "this machine; run hawq-bench with uniform allocations "
                     "of every width first",
                     layer, (int)strcspn(name, ":") - plain, name + plain,
                     plain ? " bits" : "",
                     w.activation_bits == 8   ? ""
                     : w.activation_bits == 4 ? " and 4-bit activations"
                                              : " and these activations");
}

static hawq_status fill_costs(const source *s, const hawq_layer_record *l,
                              hawq_width w, const hawq_sensitivity_record *r,
                              double *cost) {
    double bits = r && r->stored_bits > 0 ? r->stored_bits : w.weight_bits;
    cost[WEIGHT_SIZE] =
        r && r->bytes
            ? (double)r->bytes
            : (double)hawq_weight_bytes(l->params, l->channels, w.weight_bits);
    cost[BOPS] = bits * w.activation_bits * (double)l->macs;
    cost[MEAN_BITS] = bits * (double)l->params;
    if (s->timing) return find_time(s, l->name, w, &cost[LATENCY]);
    return HAWQ_OK;
}

static hawq_status fill_kinds(const source *s, hawq_cost_kind *kind) {
    static const hawq_width uniform8 = {8, 8, NULL};
    double                  params = 0, cost[KINDS] = {0};
    kind[WEIGHT_SIZE] = (hawq_cost_kind){"weight-size", 1, "bytes", 0};
    kind[BOPS] = (hawq_cost_kind){"bops", 1, "BOPS", 0};
    kind[MEAN_BITS] = (hawq_cost_kind){"mean-bits", 1, "bits", 8};
    kind[LATENCY] = (hawq_cost_kind){"latency", 1, "us", 0};
    for (int l = 0; l < s->n_layers; l++) {
        HAWQ_TRY(fill_costs(s, &s->layer[l], uniform8, NULL, cost));
        kind[WEIGHT_SIZE].uniform8 += cost[WEIGHT_SIZE];
        kind[BOPS].uniform8 += cost[BOPS];
        if (s->timing) kind[LATENCY].uniform8 += cost[LATENCY];
        params += (double)s->layer[l].params;
    }
    if (params > 0) kind[MEAN_BITS].unit = params;
    return HAWQ_OK;
}

/* The candidate with its costs; the loss is the weights'. r NULL: float. */
static hawq_status make_candidate(source *s, const hawq_layer_record *l,
                                  hawq_width                     w,
                                  const hawq_sensitivity_record *r,
                                  hawq_priced                   *out) {
    char        text[PLAIN];
    double     *cost;
    const char *name = name_of(r ? r->candidate : NULL, w.weight_bits, text);
    w.candidate = name;
    HAWQ_TAKE(cost, &s->arena, KINDS);
    HAWQ_TRY(fill_costs(s, l, w, r, cost));
    *out = (hawq_priced){.weight_bits = w.weight_bits,
                         .activation_bits = w.activation_bits,
                         .loss = r ? r->value : 0,
                         .cost = cost,
                         .name = hawq_arena_string(&s->arena, name)};
    return out->name ? HAWQ_OK : HAWQ_ENOMEM;
}

static const hawq_sensitivity_record *
find_sensitivity(const source *s, int layer, const hawq_width *w) {
    for (int i = first_of(s, layer); is_of(s, i, layer); i++) {
        const hawq_sensitivity_record *r = s->of[i];
        char                           text[PLAIN];
        if (r->bits != w->weight_bits) continue;
        if (!w->candidate ||
            !strcmp(name_of(r->candidate, r->bits, text), w->candidate))
            return r;
    }
    return NULL;
}

static hawq_status add_pairs(source *s, int index, hawq_priced *candidate) {
    const hawq_layer_record *l = &s->layer[index];
    for (int i = 0; i < s->n_widths; i++) {
        const hawq_width              *w = &s->width[i];
        const hawq_sensitivity_record *r = NULL;
        bool floats = w->weight_bits == HAWQ_FLOAT_BITS;
        if (!floats) r = find_sensitivity(s, index, w);
        if (!floats && !r && w->candidate)
            return hawq_fail(HAWQ_EINVAL,
                             "%s: the analysis has no sensitivity of layer "
                             "'%s' to it; run hawq-analyze with --candidates "
                             "that include it",
                             w->candidate, l->name);
        if (!floats && !r)
            return hawq_fail(HAWQ_EINVAL,
                             "w%da%d: the analysis has no sensitivity of layer "
                             "'%s' at %d bits; run hawq-analyze with --bits "
                             "that include %d",
                             w->weight_bits, w->activation_bits, l->name,
                             w->weight_bits, w->weight_bits);
        HAWQ_TRY(make_candidate(s, l, *w, r, &candidate[i]));
    }
    return HAWQ_OK;
}

static hawq_status add_layer(source *s, int index, hawq_problem *p) {
    const hawq_layer_record *l = &s->layer[index];
    hawq_priced             *candidate;
    int                      n = s->n_widths;
    int                      first = first_of(s, index), end = first;
    while (is_of(s, end, index)) end++;
    HAWQ_TAKE(candidate, &s->arena, (size_t)(n ? n : end - first));
    HAWQ_TRY(add_pairs(s, index, candidate));
    for (int i = first; !s->n_widths && i < end; i++)
        HAWQ_TRY(make_candidate(s, l, (hawq_width){s->of[i]->bits, 8, NULL},
                                s->of[i], &candidate[n++]));
    return hawq_problem_add(p, l->name, NULL, l->params, n, candidate);
}

/* Bits times these, summed, stay whole numbers. */
static hawq_status check_sizes(const source *s) {
    static const int64_t most = INT64_C(1) << 50;
    for (int i = 0; i < s->n_layers; i++) {
        const hawq_layer_record *l = &s->layer[i];
        int64_t                  size[] = {l->params, l->macs, l->channels};
        for (int k = 0; k < 3; k++)
            if (size[k] < 0 || size[k] > most)
                return hawq_fail(HAWQ_EFORMAT,
                                 "layer '%s': a size of %lld (parameters, "
                                 "products or channels) is not in 0 ... 2^50",
                                 l->name, (long long)size[k]);
    }
    return HAWQ_OK;
}

static hawq_status build(source *s, hawq_problem **p) {
    hawq_cost_kind kind[KINDS];
    HAWQ_TRY(check_sizes(s));
    HAWQ_TRY(sort_records(s));
    HAWQ_TRY(fill_kinds(s, kind));
    HAWQ_TRY(hawq_problem_new(s->timing ? KINDS : LATENCY, kind, p));
    for (int l = 0; l < s->n_layers; l++) {
        hawq_mark mark = hawq_arena_mark(&s->arena);
        HAWQ_TRY(add_layer(s, l, *p));
        hawq_arena_reset(&s->arena, mark);
    }
    return HAWQ_OK;
}

hawq_status hawq_problem_from_widths(
    int n_layers, const hawq_layer_record *layer, int n_sensitivities,
    const hawq_sensitivity_record *sensitivity, int n_timings,
    const hawq_layer_timing *timing, int n_widths, const hawq_width *width,
    hawq_problem **out) {
    source        s = {.n_layers = n_layers,
                       .n_sensitivities = n_sensitivities,
                       .n_timings = n_timings,
                       .n_widths = n_widths,
                       .layer = layer,
                       .sensitivity = sensitivity,
                       .timing = timing,
                       .width = width};
    hawq_problem *p = NULL;
    hawq_status   status = build(&s, &p);
    hawq_arena_free(&s.arena);
    if (status == HAWQ_OK)
        *out = p;
    else
        hawq_problem_free(p);
    return status;
}

static bool is_named(const hawq_priced *c, const char *name, int bits) {
    char text[PLAIN];
    return c->weight_bits == bits &&
           (!c->name || !strcmp(c->name, name_of(name, bits, text)));
}

static hawq_status interact(hawq_problem *p, const hawq_interaction_record *r) {
    const hawq_problem_layer *l = &p->layer[r->layer_i];
    const hawq_problem_layer *m = &p->layer[r->layer_j];
    for (int a = 0; a < l->n_candidates; a++) {
        if (!is_named(&l->candidate[a], r->candidate_i, r->bits_i)) continue;
        for (int b = 0; b < m->n_candidates; b++)
            if (is_named(&m->candidate[b], r->candidate_j, r->bits_j))
                HAWQ_TRY(hawq_problem_interact(p, r->layer_i, a, r->layer_j, b,
                                               r->value));
    }
    return HAWQ_OK;
}

hawq_status
hawq_problem_interact_records(hawq_problem *p, int n,
                              const hawq_interaction_record *record) {
    for (int i = 0; i < n; i++) {
        const hawq_interaction_record *r = &record[i];
        if (r->layer_i < 0 || r->layer_i >= p->n_layers || r->layer_j < 0 ||
            r->layer_j >= p->n_layers)
            return hawq_fail(HAWQ_EFORMAT,
                             "interaction %d: layers %d and %d; the problem "
                             "has %d",
                             i, r->layer_i, r->layer_j, p->n_layers);
        HAWQ_TRY(interact(p, r));
    }
    return HAWQ_OK;
}

/* Widest first: a narrower width costs no less than the one before. */
static void use_rises(int n, const hawq_rise *measured, hawq_rise *out) {
    for (int i = 0; i < n; i++) {
        out[i] = measured[i];
        if (!(out[i].value > 0)) /* 1.96: 95 % of a normal distribution */
            out[i].value = fmax(0, out[i].value + 1.96 * out[i].stderr1);
        if (i && out[i].value < out[i - 1].value) {
            out[i].value = out[i - 1].value;
            out[i].stderr1 = out[i - 1].stderr1;
        }
    }
}

hawq_status hawq_rises_use(hawq_activation_record *record, int n,
                           const char *image, hawq_arena *arena) {
    for (int t = 0; t < n; t++) {
        hawq_activation_record *r = &record[t];
        hawq_rise              *used;
        HAWQ_TAKE(used, arena, (size_t)r->n_rises + 1);
        use_rises(r->n_rises, r->rise, used);
        if (r->n_layers == 1 && !strcmp(r->tensor, image))
            used[r->n_rises++] = (hawq_rise){HAWQ_FLOAT_BITS, 0, 0};
        r->rise = used;
    }
    return HAWQ_OK;
}

const hawq_rise *hawq_rise_find(const hawq_activation_record *record,
                                int                           bits) {
    for (int i = 0; i < record->n_rises; i++)
        if (record->rise[i].bits == bits) return &record->rise[i];
    return bits == HAWQ_FLOAT_BITS ? hawq_rise_find(record, 8) : NULL;
}

/* Once for every activation width of the tensor's first layer. */
static hawq_status add_rises(hawq_problem                 *p,
                             const hawq_activation_record *record) {
    int                       first = record->layer[0];
    const hawq_problem_layer *l = &p->layer[first];
    for (int c = 0; c < l->n_candidates; c++) {
        int  bits = l->candidate[c].activation_bits;
        bool seen = false;
        for (int d = 0; d < c; d++)
            seen |= l->candidate[d].activation_bits == bits;
        if (seen) continue;
        const hawq_rise *r = hawq_rise_find(record, bits);
        if (!r && bits == HAWQ_FLOAT_BITS) continue;
        if (!r)
            return hawq_fail(HAWQ_EINVAL,
                             "the analysis has not measured tensor '%s' at %d "
                             "bits; run hawq-analyze with --activation-bits "
                             "that include %d",
                             record->tensor, bits, bits);
        HAWQ_TRY(hawq_problem_add_loss(p, first, bits, r->value));
    }
    return HAWQ_OK;
}

hawq_status hawq_problem_add_rises(hawq_problem *p, int n,
                                   const hawq_activation_record *record) {
    for (int i = 0; i < n; i++) {
        if (record[i].n_layers < 1 || record[i].layer[0] < 0 ||
            record[i].layer[0] >= p->n_layers)
            return hawq_fail(HAWQ_EFORMAT,
                             "tensor '%s' is read by no layer of the problem",
                             record[i].tensor);
        HAWQ_TRY(add_rises(p, &record[i]));
    }
    return HAWQ_OK;
}

hawq_status hawq_problem_from_records(
    int n_layers, const hawq_layer_record *layer, int n_sensitivities,
    const hawq_sensitivity_record *sensitivity, int n_timings,
    const hawq_layer_timing *timing, hawq_problem **out) {
    return hawq_problem_from_widths(n_layers, layer, n_sensitivities,
                                    sensitivity, n_timings, timing, 0, NULL,
                                    out);
}
