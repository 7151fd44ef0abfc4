/* benchmark_allocation.c -- the contender that an --allocation names: what
 * allocation.h lists, and `file`, the weights and ranges that a quantized
 * model's own file has.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/bench/benchmark.h"

#include <math.h>
#include <string.h>

static hawq_status from_model(hawq_benchmark *b, hawq_contender *out) {
    hawq_qdq *own;
    if (!hawq_qdq_is_quantized(b->image_graph))
        return hawq_fail(HAWQ_EINVAL, "--allocation file: %s is not quantized",
                         b->model_path);
    HAWQ_TAKE(own, &b->arena, 1);
    if (hawq_qdq_restore(b->image_graph, &b->arena, own) != HAWQ_OK)
        return hawq_prefix("%s: ", b->model_path);
    out->label = "file";
    out->choice = own->choice;
    out->n_choices = b->image_graph->n_layers;
    out->predicted = NAN;
    out->own = own;
    return HAWQ_OK;
}

hawq_status hawq_benchmark_allocation(hawq_benchmark *b, const char *name,
                                      hawq_contender *out) {
    hawq_allocation *a = &out->allocation;
    *out = (hawq_contender){.predicted_us = NAN};
    if (strcmp(name, "file") == 0) return from_model(b, out);
    HAWQ_TRY(hawq_allocation_find(b->cli, b->store, b->graph, name,
                                  b->weight_range, &b->arena, a));
    HAWQ_TRY(hawq_allocation_check(a));
    out->label = a->label;
    out->choice = a->choice;
    out->n_choices = a->n_choices;
    out->weight_range = a->weight_range;
    out->metric = a->metric;
    out->predicted = a->predicted;
    out->record.allocation = a->id;
    return HAWQ_OK;
}
