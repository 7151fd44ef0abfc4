/* metrics.c -- see metrics.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/metrics.h"

#include "src/cli/kit/cli.h"

#include <stdio.h>
#include <string.h>

const hawq_metric_facts *hawq_metric_named(const char *name) {
    static const hawq_metric_facts foreign = {.in_loss = true};
    const hawq_metric_facts       *known = hawq_metric_facts_of(name);
    return known ? known : &foreign;
}

hawq_status hawq_metric_find(const char *name, hawq_metric *out) {
    const hawq_metric_facts *known = hawq_metric_facts_of(name);
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
