/* search_activations.c -- what narrow activations cost in a search: the rises
 * that hawq-analyze --activation-bits measured, each tensor counted once, with
 * one of the layers that read it. An analysis without them serves candidates of
 * 8-bit activations only, unless --ignore-activation-loss.
 *
 * A layer in float32 pays for 8 bits, but for the image: an upper estimate, see
 * hawq_rise_find. Only where no layer has a choice but float32, or the scored
 * allocation no other, is it left out: nothing is rounded then.
 *
 * A layer of --ungroup is counted as if it had a tensor of its own. An
 * allocation that is scored may give the readers of one tensor several widths:
 * it has the largest, as in the program.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/metrics.h"
#include "src/cli/search/search_command.h"

#include <stdio.h>

bool hawq_search_is_narrow(const hawq_search *s) {
    for (int i = 0; i < s->n_widths; i++)
        if (s->width[i].activation_bits < 8) return true;
    return false;
}

hawq_status hawq_search_check_activations(const hawq_search *s) {
    if (s->ignore_activation_loss || hawq_metric_named(s->metric)->in_loss ||
        !hawq_search_is_narrow(s))
        return HAWQ_OK;
    return hawq_fail(HAWQ_EINVAL,
                     "--bits: what activations below 8 bits cost is measured "
                     "as a rise of the loss, which cannot be added to '%s'; "
                     "choose a metric in units of the loss (trace, measured, "
                     "quadratic, hybrid, ...)",
                     s->metric);
}

/* --- which analysis ------------------------------------------------------ */

/* "8,4": widths of activations that candidates have. float32 has none. */
static const char *wanted_bits(const hawq_search *s) {
    const char *text = "";
    for (int bits = 8; bits >= 2; bits /= 2) {
        bool wanted = bits == 8 && !s->n_widths;
        for (int i = 0; i < s->n_widths; i++)
            wanted |= s->width[i].activation_bits == bits;
        if (wanted && text)
            text = hawq_arena_format(&s->cli->arena, "%s%s%d", text,
                                     *text ? "," : "", bits);
    }
    return text ? text : "";
}

static bool has_all(const hawq_search *s, int n,
                    const hawq_activation_record *row) {
    for (int t = 0; t < n; t++)
        for (const char *at = wanted_bits(s); *at; at += *at == ',')
            if (!hawq_rise_find(&row[t], *at++ - '0')) return false;
    return n > 0;
}

hawq_status hawq_search_has_rises(const hawq_search *s, int64_t run,
                                  bool *out) {
    hawq_activation_record *row;
    int                     n;
    *out = true;
    if (s->ignore_activation_loss || !hawq_search_is_narrow(s)) return HAWQ_OK;
    HAWQ_TRY(
        hawq_store_load_activations(s->store, run, &s->cli->arena, &n, &row));
    *out = has_all(s, n, row);
    return HAWQ_OK;
}

hawq_status hawq_search_refuse_narrow(const hawq_search *s, int64_t run) {
    hawq_run_record r;
    HAWQ_TRY(hawq_store_load_run(s->store, run, &s->cli->arena, &r));
    return hawq_fail(
        HAWQ_ESTATE,
        "%s: no analysis with metric '%s' has measured what %s-bit "
        "activations cost, so the search would take them for "
        "free; run hawq-analyze %s --data %s --range %s --metric "
        "%s --activation-bits %s first "
        "(--ignore-activation-loss accepts that)",
        s->cli->db, s->metric, wanted_bits(s), s->cli->arg[0], r.data,
        r.weight_range, s->metric, wanted_bits(s));
}

/* --- whose loss a tensor is ---------------------------------------------- */

/* The tensor's record for n of its readers, the first of which pays. */
static void add_record(hawq_search *s, const hawq_activation_record *row, int n,
                       const int *layer) {
    hawq_activation_record *to = &s->activation[s->n_activations++];
    *to = *row;
    to->n_layers = n;
    to->layer = layer;
}

static hawq_status add_readers(hawq_search                  *s,
                               const hawq_activation_record *row) {
    int *layer, n = 0;
    HAWQ_TAKE(layer, &s->cli->arena, (size_t)row->n_layers);
    for (int i = 0; i < row->n_layers; i++) {
        bool alone = hawq_search_activations_vary(s) &&
                     hawq_search_is_ungrouped(s, s->layer[row->layer[i]].name);
        if (alone)
            add_record(s, row, 1, &row->layer[i]);
        else
            layer[n++] = row->layer[i];
    }
    if (n) add_record(s, row, n, layer);
    return HAWQ_OK;
}

/* Of an allocation that is scored: with the reader of the largest width. */
static void add_widest(hawq_search *s, const hawq_activation_record *row) {
    int widest = 0;
    for (int i = 1; i < row->n_layers; i++)
        if (s->imported[row->layer[i]].activation_bits >
            s->imported[row->layer[widest]].activation_bits)
            widest = i;
    add_record(s, row, 1, &row->layer[widest]);
}

/* Is there nothing else to choose, or in the allocation that is scored? */
static bool is_all_float(const hawq_search *s) {
    for (int l = 0; s->imported && l < s->n_layers; l++)
        if (s->imported[l].weight_bits != HAWQ_FLOAT_BITS) return false;
    for (int i = 0; !s->imported && i < s->n_widths; i++)
        if (s->width[i].weight_bits != HAWQ_FLOAT_BITS) return false;
    return s->n_widths > 0;
}

hawq_status hawq_search_add_activations(hawq_search *s) {
    hawq_activation_record *row;
    int                     n, readers = 0;
    if (s->ignore_activation_loss || !hawq_metric_named(s->metric)->in_loss ||
        is_all_float(s))
        return HAWQ_OK;
    HAWQ_TRY(hawq_store_load_activations(s->store, s->analysis, &s->cli->arena,
                                         &n, &row));
    if (!has_all(s, n, row)) return HAWQ_OK;
    HAWQ_TRY(hawq_rises_use(row, n, s->image, &s->cli->arena));
    for (int t = 0; t < n; t++) readers += row[t].n_layers;
    HAWQ_TAKE(s->activation, &s->cli->arena, (size_t)readers);
    for (int t = 0; t < n; t++) {
        if (s->imported)
            add_widest(s, &row[t]);
        else
            HAWQ_TRY(add_readers(s, &row[t]));
    }
    return hawq_problem_add_rises(s->problem, s->n_activations, s->activation);
}

double hawq_search_activation_loss(const hawq_search *s, int layer, int bits) {
    double sum = 0;
    for (int t = 0; t < s->n_activations; t++) {
        const hawq_rise *r = hawq_rise_find(&s->activation[t], bits);
        if (s->activation[t].layer[0] == layer && r) sum += r->value;
    }
    return sum;
}

const hawq_rise *hawq_search_rise(const hawq_search   *s,
                                  const hawq_solution *solution, int t) {
    int                l = s->activation[t].layer[0];
    const hawq_priced *c = hawq_problem_candidate(
        s->problem, l, solution->choice[s->problem->layer[l].in_group]);
    return hawq_rise_find(&s->activation[t], c->activation_bits);
}

void hawq_search_note_activations(const hawq_search *s) {
    if (s->n_activations)
        hawq_cli_note(s->cli, "the loss of a layer has in it that of its "
                              "rounded input, a tensor that several read once, "
                              "with the first of them");
    else if (hawq_search_is_narrow(s))
        hawq_cli_note(s->cli, "the predicted loss leaves out the error of "
                              "activations below 8 bits");
}
