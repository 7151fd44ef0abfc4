/* metrics.h -- the sensitivity metrics by name.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_METRICS_H
#define HAWQ_METRICS_H
#include "src/base/arena.h"
#include "src/base/status.h"

/* In the order of their cost. */
typedef enum hawq_metric {
    HAWQ_METRIC_DEPTH,
    HAWQ_METRIC_SQNR,
    HAWQ_METRIC_MEASURED,
    HAWQ_METRIC_TRACE,
    HAWQ_METRIC_GAUSS_NEWTON,
    HAWQ_METRIC_QUADRATIC,
    HAWQ_METRIC_CROSS,
    HAWQ_METRIC_HYBRID,
    HAWQ_METRICS
} hawq_metric;

const char *hawq_metric_name(hawq_metric metric);

/* The metric of a name. EINVAL: there is none; the sentence names --metric and
 * the nearest. */
HAWQ_NODISCARD hawq_status hawq_metric_find(const char *name, hawq_metric *out);

#endif
