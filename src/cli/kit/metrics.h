/* metrics.h -- the sensitivity metrics: one table of what is true of each.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_METRICS_H
#define HAWQ_METRICS_H
#include "src/base/arena.h"
#include "src/base/status.h"

#include <stdbool.h>

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

/* What is true of a metric, whoever asks. */
typedef struct hawq_metric_facts {
    const char *name;
    bool        in_loss; /* its values are rises of the loss, which add up */
    bool sampled;  /* a curvature from random probes, times |dW|^2: it does not
                      see that codes make up for each other's errors */
    bool products; /* of the Hessian and the errors themselves */
    bool pairs;    /* of the errors of two layers at a time, too */
} hawq_metric_facts;

extern const hawq_metric_facts hawq_metric_table[HAWQ_METRICS];

static inline const char *hawq_metric_name(hawq_metric metric) {
    return hawq_metric_table[metric].name;
}

/* The facts of a name as a database has it; of one that is no metric's only
 * that its values are rises of the loss. */
const hawq_metric_facts *hawq_metric_named(const char *name);

/* The metric of a name. EINVAL: there is none; the sentence names --metric and
 * the nearest. */
HAWQ_NODISCARD hawq_status hawq_metric_find(const char *name, hawq_metric *out);

#endif
