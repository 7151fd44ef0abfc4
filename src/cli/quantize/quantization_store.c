/* quantization_store.c -- outcomes in the database: a run with its layers, an
 * allocation for every outcome, and the codes of its layers. A failure leaves
 * no run behind.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/data_options.h"
#include "src/cli/quantize/quantization.h"
#include "src/graph/convolve.h"

#include <math.h>

static hawq_status begin(hawq_quantization *q) {
    hawq_run_record record;
    char            hash[HAWQ_HASH_TEXT];
    hawq_graph_hash(q->graph, hash);
    hawq_cli_record(q->cli, &record);
    record.model_path = q->model_path;
    record.model_hash = hash;
    record.data = hawq_data_text(&q->arena);
    record.loss = hawq_loss_name(HAWQ_SELF_DISTILLATION);
    record.provider = hawq_conv_provider();
    record.sampling = hawq_arena_format(
        &q->arena, "codes by the first %zu images, compared on the last %zu",
        q->n_images, q->n_check);
    hawq_rewriting_put(&q->rewriting, &record);
    if (!record.data || !record.sampling) return HAWQ_ENOMEM;
    return hawq_store_begin_run(q->store, &record, &q->run);
}

static hawq_status put_layers(hawq_quantization *q) {
    const hawq_graph  *g = q->graph;
    hawq_layer_record *row;
    HAWQ_TAKE(row, &q->arena, (size_t)g->n_layers);
    for (int i = 0; i < g->n_layers; i++)
        row[i] = (hawq_layer_record){.name = g->layer[i].name,
                                     .op = g->layer[i].op,
                                     .params = (int64_t)g->layer[i].weight->n,
                                     .macs = g->layer[i].macs,
                                     .channels = (int64_t)g->layer[i].channels,
                                     .group = g->layer[i].name};
    return hawq_store_put_layers(q->store, q->run, g->n_layers, row);
}

/* What a search predicted stays with what came of it; where none did, the
 * measured divergence stands for the objective. */
static hawq_status put_allocation(hawq_quantization *q, hawq_outcome *o) {
    bool searched = o->from.metric && isfinite(o->from.predicted);
    const hawq_divergence *d = hawq_outcome_divergence(o);
    hawq_allocation_record record = {
        .solver = o->refined.rows ? "refined" : "quantized",
        .metric = searched ? o->from.metric : "kl",
        .state = "feasible",
        .objective = searched ? o->from.predicted : d->kl,
        .bound = searched ? o->from.predicted : d->kl,
        .weight_bytes = o->weight_bytes,
        .bops = o->bops,
        .mean_bits = o->mean_bits,
        .latency_us = -1,
        .kl = d->kl,
        .agreement = d->agreement,
        .check_images = (int64_t)q->n_check,
        .n_layers = q->graph->n_layers,
        .choice = o->choice};
    return hawq_store_put_allocation(q->store, q->run, o->from.analysis,
                                     &record, &o->id);
}

static hawq_status put_codes(hawq_quantization *q, hawq_outcome *o) {
    for (int l = 0; l < q->graph->n_layers; l++) {
        const hawq_quantized *w = &o->quantized[l];
        hawq_mark             mark = hawq_arena_mark(&q->arena);
        uint8_t              *bytes;
        hawq_quantized_record row = {.layer = l,
                                     .candidate = o->choice[l].candidate,
                                     .bytes = hawq_quantized_bytes(w),
                                     .stored_bits =
                                         hawq_format_stored_bits(&w->format),
                                     .seconds = 0,
                                     .error_before = NAN,
                                     .error_after = NAN};
        if (hawq_format_is_uncoded(&w->format)) continue;
        HAWQ_TRY(hawq_quantized_save(w, &q->arena, &bytes, &row.n_codes));
        row.codes = bytes;
        if (!row.candidate) {
            char text[HAWQ_FORMAT_TEXT];
            row.candidate = hawq_arena_string(
                &q->arena, hawq_format_text(&w->format, text));
            if (!row.candidate) return HAWQ_ENOMEM;
        }
        HAWQ_TRY(hawq_store_put_quantized(q->store, 0, o->id, 1, &row));
        hawq_arena_reset(&q->arena, mark);
    }
    return HAWQ_OK;
}

static hawq_status put_all(hawq_quantization *q) {
    HAWQ_TRY(put_layers(q));
    for (int i = 0; i < q->n; i++) {
        /* the newest allocation, `last`, is the best one */
        int at = i + 1 == q->n ? q->best : i < q->best ? i : i + 1;
        HAWQ_TRY(put_allocation(q, &q->outcome[at]));
        HAWQ_TRY(put_codes(q, &q->outcome[at]));
    }
    return hawq_store_finish_run(q->store, q->run);
}

hawq_status hawq_quantization_store(hawq_quantization *q) {
    HAWQ_TRY(begin(q));
    hawq_status status = put_all(q);
    if (status == HAWQ_OK) return status;
    hawq_status dropped = hawq_store_drop_run(q->store, q->run);
    return dropped == HAWQ_OK ? status : dropped;
}
