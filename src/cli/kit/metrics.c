/* metrics.c -- see metrics.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/metrics.h"

#include "src/cli/kit/cli.h"

#include <stdio.h>
#include <string.h>

const hawq_metric_facts hawq_metric_table[HAWQ_METRICS] = {
    [HAWQ_METRIC_DEPTH] = {.name = "depth"},
    [HAWQ_METRIC_SQNR] = {.name = "sqnr"},
    [HAWQ_METRIC_MEASURED] = {.name = "measured", .in_loss = true},
    [HAWQ_METRIC_TRACE] = {.name = "trace", .in_loss = true, .sampled = true},
    [HAWQ_METRIC_GAUSS_NEWTON] = {.name = "gauss-newton",
                                  .in_loss = true,
                                  .sampled = true},
    [HAWQ_METRIC_QUADRATIC] = {.name = "quadratic",
                               .in_loss = true,
                               .products = true},
    [HAWQ_METRIC_CROSS] = {.name = "cross",
                           .in_loss = true,
                           .products = true,
                           .pairs = true},
    [HAWQ_METRIC_HYBRID] = {
        .name = "hybrid", .in_loss = true, .products = true, .pairs = true}};

static const hawq_metric_facts *find(const char *name) {
    for (int m = 0; m < HAWQ_METRICS; m++)
        if (!strcmp(hawq_metric_table[m].name, name))
            return &hawq_metric_table[m];
    return NULL;
}

const hawq_metric_facts *hawq_metric_named(const char *name) {
    static const hawq_metric_facts foreign = {.in_loss = true};
    const hawq_metric_facts       *known = find(name);
    return known ? known : &foreign;
}

hawq_status hawq_metric_find(const char *name, hawq_metric *out) {
    const hawq_metric_facts *known = find(name);
    const char              *names[HAWQ_METRICS];
    char                     list[200] = "";
    if (known) {
        *out = (hawq_metric)(known - hawq_metric_table);
        return HAWQ_OK;
    }
    for (int m = 0; m < HAWQ_METRICS; m++) {
        size_t n = strlen(list);
        names[m] = hawq_metric_table[m].name;
        snprintf(list + n, sizeof list - n, "%s%s", m ? ", " : "", names[m]);
    }
    const char *near = hawq_nearest(name, HAWQ_METRICS, names);
    return hawq_fail(HAWQ_EINVAL,
                     "--metric: unknown metric '%s'%s%s%s; there are %s", name,
                     near ? " (did you mean '" : "", near ? near : "",
                     near ? "'?)" : "", list);
}
