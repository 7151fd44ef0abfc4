/* metrics.c -- see metrics.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/metrics.h"

#include "src/cli/kit/cli.h"

#include <string.h>

static const char *const metric_name[HAWQ_METRICS] = {
    "depth",        "sqnr",      "measured", "trace",
    "gauss-newton", "quadratic", "cross",    "hybrid"};

const char *hawq_metric_name(hawq_metric metric) {
    return metric_name[metric];
}

hawq_status hawq_metric_find(const char *name, hawq_metric *out) {
    for (int m = 0; m < HAWQ_METRICS; m++)
        if (!strcmp(metric_name[m], name)) {
            *out = (hawq_metric)m;
            return HAWQ_OK;
        }
    const char *near = hawq_nearest(name, HAWQ_METRICS, metric_name);
    return hawq_fail(HAWQ_EINVAL,
                     "--metric: unknown metric '%s'%s%s%s; there are depth, "
                     "sqnr, measured, trace, gauss-newton, quadratic, cross, "
                     "hybrid",
                     name, near ? " (did you mean '" : "", near ? near : "",
                     near ? "'?)" : "");
}
