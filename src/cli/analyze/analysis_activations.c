/* analysis_activations.c -- what narrow activations cost: for every tensor that
 * layers read and every width, the rise of the loss on the study's images when
 * only this tensor is rounded, as a program would round it: one affine map per
 * tensor, its range from the first CALIBRATION images of the data.
 * A tensor is stored when it is done, and skipped when a resumed run has it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/analyze/analysis_parts.h"
#include "src/cli/analyze/analysis_report.h"
#include "src/cli/kit/output.h"
#include "src/cli/kit/progress.h"

#include <math.h>
#include <string.h>

enum { CALIBRATION = 512 }; /* as hawq-bench does by itself */

/* --- measuring ----------------------------------------------------------- */

static void round_values(const void *map, real *x, size_t n) {
    hawq_affine_round(map, x, n);
}

static hawq_status put(hawq_analysis *a, int t) {
    const hawq_activation *read = &a->activation[t];
    hawq_rise              rise[HAWQ_NUMBERS_MAX];
    for (int i = 0; i < a->activation_bits.n; i++) {
        const hawq_estimate *e =
            &a->activation_rise[t * a->activation_bits.n + i];
        rise[i] = (hawq_rise){a->activation_bits.item[i], e->mean, e->stderr1};
    }
    hawq_activation_record row = {
        .tensor = read->tensor->name,
        .range = hawq_range_name((hawq_range)a->activation_range),
        .n_layers = read->n_layers,
        .layer = read->layer,
        .n_rises = a->activation_bits.n,
        .rise = rise};
    return hawq_store_put_activation(a->store, a->run, t, &row);
}

static hawq_status measure(hawq_analysis *a, const hawq_calibration *ranges,
                           int t) {
    const hawq_tensor *tensor = a->activation[t].tensor;
    for (int i = 0; i < a->activation_bits.n; i++) {
        hawq_affine   map = hawq_affine_find(ranges->tensor[tensor->id],
                                             a->activation_bits.item[i],
                                             (hawq_range)a->activation_range);
        hawq_rounding how = {round_values, &map};
        HAWQ_TRY(hawq_study_round(
            &a->study, tensor, &how,
            &a->activation_rise[t * a->activation_bits.n + i]));
    }
    return put(a, t);
}

/* Those that a resumed run has: *done of them, without gaps. */
static hawq_status take_up(hawq_analysis *a, int *done) {
    hawq_activation_record *row;
    HAWQ_TRY(
        hawq_store_load_activations(a->store, a->run, &a->arena, done, &row));
    if (*done > a->n_activations)
        return hawq_store_incomplete(a->store, a->run,
                                     "its tensors are not those of the model");
    for (int t = 0; t < *done; t++)
        for (int i = 0; i < row[t].n_rises; i++) {
            if (row[t].n_rises != a->activation_bits.n)
                return hawq_store_incomplete(a->store, a->run,
                                             "a tensor's rise is missing");
            hawq_estimate *e =
                &a->activation_rise[t * a->activation_bits.n + i];
            e->mean = row[t].rise[i].value;
            e->stderr1 = row[t].rise[i].stderr1;
        }
    return HAWQ_OK;
}

hawq_status hawq_analysis_activations(hawq_analysis *a) {
    hawq_calibration ranges;
    hawq_progress    p;
    hawq_batch       batch = a->batch;
    hawq_status      status = HAWQ_OK;
    int              done = 0;
    if (!a->activation_bits.n) return HAWQ_OK;
    HAWQ_TRY(take_up(a, &done));
    if (batch.n > CALIBRATION) batch.n = CALIBRATION;
    hawq_mark mark = hawq_arena_mark(&a->arena);
    HAWQ_TRY(hawq_calibrate(a->engine, a->graph, &batch, &a->arena, &ranges));
    hawq_progress_begin(&p, a->cli->quiet, "rounding activations",
                        a->n_activations, "tensors");
    for (int t = done; t < a->n_activations && status == HAWQ_OK; t++) {
        hawq_progress_update(&p, t, NULL);
        status = measure(a, &ranges, t);
    }
    hawq_progress_end(&p);
    hawq_arena_reset(&a->arena, mark);
    return status;
}

/* --- reporting ----------------------------------------------------------- */

static const hawq_estimate *rise_of(const hawq_analysis *a, int t, int i) {
    return &a->activation_rise[t * a->activation_bits.n + i];
}

/* "conv1, shortcut" */
static const char *readers(hawq_analysis *a, int t) {
    const hawq_activation *read = &a->activation[t];
    const char            *text = "";
    for (int i = 0; i < read->n_layers && text; i++)
        text = hawq_arena_format(&a->arena, "%s%s%s", text, i ? ", " : "",
                                 a->graph->layer[read->layer[i]].name);
    return text;
}

/* Tensors by falling rise at the narrowest width. */
static hawq_status rank(hawq_analysis *a, int **order) {
    int last = a->activation_bits.n - 1;
    HAWQ_TAKE(*order, &a->arena, (size_t)a->n_activations);
    for (int t = 0; t < a->n_activations; t++) {
        int j = t;
        for (; j > 0 && rise_of(a, (*order)[j - 1], last)->mean <
                            rise_of(a, t, last)->mean;
             j--)
            (*order)[j] = (*order)[j - 1];
        (*order)[j] = t;
    }
    return HAWQ_OK;
}

/* Titles: "tensor", "layers", then two columns for each width. */
static hawq_status title(hawq_analysis *a, const char **column) {
    column[0] = "tensor";
    column[1] = "layers";
    for (int i = 0; i < 2 * a->activation_bits.n; i++) {
        column[2 + i] =
            hawq_arena_format(&a->arena, i % 2 ? "rise_stderr@%d" : "rise@%d",
                              a->activation_bits.item[i / 2]);
        if (!column[2 + i]) return HAWQ_ENOMEM;
    }
    return HAWQ_OK;
}

hawq_status hawq_analysis_print_activations(hawq_analysis *a) {
    const char *column[2 + 2 * HAWQ_NUMBERS_MAX];
    int        *order;
    hawq_table  t;
    if (!a->activation_bits.n) return HAWQ_OK;
    if (a->cli->format != HAWQ_FORMAT_TABLE) {
        hawq_cli_note(a->cli, "csv and tsv hold one table, the layers; the "
                              "activations are in --format json and in the "
                              "view activation_sensitivity of the database");
        return HAWQ_OK;
    }
    HAWQ_TRY(title(a, column));
    HAWQ_TRY(rank(a, &order));
    hawq_table_begin(&t, &a->arena, 2 + 2 * a->activation_bits.n, column);
    for (int r = 0; r < a->n_activations; r++) {
        const char *names = readers(a, order[r]);
        if (!names) return HAWQ_ENOMEM;
        hawq_table_text(&t, a->activation[order[r]].tensor->name);
        hawq_table_text(&t, names);
        for (int i = 0; i < a->activation_bits.n; i++) {
            hawq_table_real(&t, rise_of(a, order[r], i)->mean, 3);
            hawq_table_real(&t, rise_of(a, order[r], i)->stderr1, 2);
        }
    }
    printf("\nMeasured loss rise with only this tensor rounded, and its "
           "standard error:\n\n");
    return hawq_table_print(&t, a->cli->format, stdout);
}

static void json_widths(const hawq_analysis *a, hawq_json *w, int t,
                        bool errors) {
    char bits[16];
    hawq_json_object(w, errors ? "rise_stderr" : "rise");
    for (int i = 0; i < a->activation_bits.n; i++) {
        const hawq_estimate *e = rise_of(a, t, i);
        snprintf(bits, sizeof bits, "%d", a->activation_bits.item[i]);
        hawq_json_real(w, bits, errors ? e->stderr1 : e->mean);
    }
    hawq_json_end(w);
}

void hawq_analysis_json_activations(const hawq_analysis *a, hawq_json *w) {
    if (!a->activation_bits.n) return;
    hawq_json_ints(w, "activation_bits", a->activation_bits.n,
                   a->activation_bits.item);
    hawq_json_text(w, "activation_range",
                   hawq_range_name((hawq_range)a->activation_range));
    hawq_json_array(w, "activations");
    for (int t = 0; t < a->n_activations; t++) {
        const hawq_activation *read = &a->activation[t];
        hawq_json_object(w, NULL);
        hawq_json_text(w, "tensor", read->tensor->name);
        hawq_json_array(w, "layers");
        for (int i = 0; i < read->n_layers; i++)
            hawq_json_text(w, NULL, a->graph->layer[read->layer[i]].name);
        hawq_json_end(w);
        json_widths(a, w, t, false);
        json_widths(a, w, t, true);
        hawq_json_end(w);
    }
    hawq_json_end(w);
}
