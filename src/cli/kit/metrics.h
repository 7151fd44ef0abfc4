/* metrics.h -- metrics by the names that users and databases have for them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_KIT_METRICS_H
#define HAWQ_KIT_METRICS_H
#include "hessian/metrics.h"

/* The facts of a name as a database has it; of one that is no metric's only
 * that its values are rises of the loss. */
const hawq_metric_facts *hawq_metric_named(const char *name);

/* The metric of a name. EINVAL: there is none; the sentence names --metric and
 * the nearest. */
HAWQ_NODISCARD hawq_status hawq_metric_find(const char *name, hawq_metric *out);

#endif
