/* benchmark_allocation.c -- the contender that an --allocation names.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/bench/benchmark.h"

#include <math.h>

hawq_status hawq_benchmark_allocation(hawq_benchmark *b, const char *name,
                                      hawq_contender *out) {
    hawq_allocation *a = &out->allocation;
    *out = (hawq_contender){.predicted_us = NAN};
    HAWQ_TRY(hawq_allocation_find(b->cli, b->store, b->graph, name,
                                  b->weight_range, &b->arena, a));
    out->label = a->label;
    out->choice = a->choice;
    out->n_choices = a->n_choices;
    out->weight_range = a->weight_range;
    out->metric = a->metric;
    out->predicted = a->predicted;
    out->record.allocation = a->id;
    return HAWQ_OK;
}
