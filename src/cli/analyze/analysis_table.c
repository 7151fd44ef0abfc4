/* analysis_table.c -- the table of layers: few columns for people, all for
 * programs.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/analyze/analysis_report.h"

#include "src/cli/kit/output.h"

#include <math.h>

typedef enum content {
    NAME, /* text up to GROUP, integers up to MACS, then numbers */
    OP,
    GROUP,
    PARAMS,
    MACS,
    MEAN,
    STDERR,
    HALF, /* of the interval */
    LOW,
    HIGH,
    VALUE,
    DECIBEL
} content;

typedef struct column {
    const char *title;
    content     content;
    hawq_metric metric;
    int         i; /* index of the candidate */
} column;

enum { MAX_COLUMNS = 8 + 2 * HAWQ_METRICS * (1 + HAWQ_CANDIDATES_MAX) };

typedef struct columns {
    int    n;
    column item[MAX_COLUMNS];
} columns;

double hawq_analysis_decibel(const hawq_analysis *a, int layer, int i) {
    return -10 * log10(hawq_analysis_value(a, HAWQ_METRIC_SQNR, layer, i));
}

static const char *text_of(const hawq_analysis *a, const column *c, int l) {
    switch (c->content) {
    case NAME:
        return a->graph->layer[l].name;
    case OP:
        return a->graph->layer[l].op;
    default:
        return hawq_analysis_group(a, l);
    }
}

static double number_of(const hawq_analysis *a, const column *c, int l) {
    if (c->content == VALUE) return hawq_analysis_value(a, c->metric, l, c->i);
    const hawq_estimate *e = &a->trace[c->metric][l];
    switch (c->content) {
    case MEAN:
        return e->mean;
    case STDERR:
        return e->stderr1;
    case HALF:
        return (e->high - e->low) / 2;
    case LOW:
        return e->low;
    default:
        return e->high;
    }
}

static void add_cell(const hawq_analysis *a, const column *c, hawq_table *t,
                     int l) {
    const hawq_layer *layer = &a->graph->layer[l];
    if (c->content <= GROUP)
        hawq_table_text(t, text_of(a, c, l));
    else if (c->content <= MACS)
        hawq_table_integer(t, c->content == MACS ? layer->macs
                                                 : (int64_t)layer->weight->n);
    else if (c->content == DECIBEL)
        hawq_table_fixed(t, hawq_analysis_decibel(a, l, c->i), 1);
    else
        hawq_table_real(t, number_of(a, c, l), c->content == HALF ? 2 : 3);
}

/* --- which columns ------------------------------------------------------- */

static void add(columns *c, const char *title, content what) {
    c->item[c->n++] = (column){.title = title, .content = what};
}

/* A column of a sampled metric: "trace_low". */
static void add_estimate(hawq_analysis *a, columns *c, hawq_metric metric,
                         const char *suffix, content what) {
    const char *title =
        hawq_arena_format(&a->arena, "%s%s", hawq_metric_name(metric), suffix);
    c->item[c->n++] = (column){title, what, metric, 0};
}

/* A column for each candidate: "trace@4", "trace@w4:gptq". */
static void add_widths(hawq_analysis *a, columns *c, hawq_metric metric,
                       const char *suffix, content what) {
    for (int i = 0; i < a->n_candidates; i++) {
        const char *title = hawq_arena_format(
            &a->arena, "%s%s@%s", hawq_metric_name(metric), suffix, a->key[i]);
        c->item[c->n++] = (column){title, what, metric, i};
    }
}

/* What ranks, and the truth. */
static void choose_for_people(hawq_analysis *a, columns *c) {
    hawq_metric best = a->ranking;
    add(c, "layer", NAME);
    add(c, "params", PARAMS);
    if (a->trace[best]) {
        add_estimate(a, c, best, "", MEAN);
        add_estimate(a, c, best, " +-95%", HALF);
    }
    if (best == HAWQ_METRIC_SQNR)
        add_widths(a, c, best, "_db", DECIBEL);
    else
        add_widths(a, c, best, "", VALUE);
    if (a->wanted[HAWQ_METRIC_MEASURED] && best != HAWQ_METRIC_MEASURED)
        add_widths(a, c, HAWQ_METRIC_MEASURED, "", VALUE);
}

static void choose_all(hawq_analysis *a, columns *c) {
    add(c, "layer", NAME);
    add(c, "op", OP);
    add(c, "params", PARAMS);
    add(c, "macs", MACS);
    add(c, "group", GROUP);
    for (int m = 0; m < HAWQ_METRICS; m++) {
        if (!a->wanted[m] || !a->trace[m]) continue;
        add_estimate(a, c, (hawq_metric)m, "", MEAN);
        add_estimate(a, c, (hawq_metric)m, "_stderr", STDERR);
        add_estimate(a, c, (hawq_metric)m, "_low", LOW);
        add_estimate(a, c, (hawq_metric)m, "_high", HIGH);
    }
    for (int m = 0; m < HAWQ_METRICS; m++)
        if (a->wanted[m]) add_widths(a, c, (hawq_metric)m, "", VALUE);
}

/* Layers by falling value of the first metric at the fewest bits. */
static hawq_status rank_layers(hawq_analysis *a, int **order) {
    int last = a->n_candidates - 1;
    HAWQ_TAKE(*order, &a->arena, (size_t)a->graph->n_layers);
    for (int l = 0; l < a->graph->n_layers; l++) {
        double value = hawq_analysis_value(a, a->ranking, l, last);
        int    j = l;
        for (; j > 0 && hawq_analysis_value(a, a->ranking, (*order)[j - 1],
                                            last) < value;
             j--)
            (*order)[j] = (*order)[j - 1];
        (*order)[j] = l;
    }
    return HAWQ_OK;
}

hawq_status hawq_analysis_table(hawq_analysis *a) {
    bool        people = a->cli->format == HAWQ_FORMAT_TABLE;
    columns     c = {0};
    const char *title[MAX_COLUMNS];
    hawq_table  t;
    int        *order;
    HAWQ_TRY(rank_layers(a, &order));
    if (people)
        choose_for_people(a, &c);
    else
        choose_all(a, &c);
    for (int i = 0; i < c.n; i++)
        if (!(title[i] = c.item[i].title)) return HAWQ_ENOMEM;
    hawq_table_begin(&t, &a->arena, c.n, title);
    for (int r = 0; r < a->graph->n_layers; r++)
        for (int i = 0; i < c.n; i++)
            add_cell(a, &c.item[i], &t, people ? order[r] : r);
    return hawq_table_print(&t, a->cli->format, stdout);
}
