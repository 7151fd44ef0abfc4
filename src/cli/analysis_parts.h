/* analysis_parts.h -- the metrics of an analysis; for analysis.c only. Each
 * stores what it finds as it finds it, and takes up what a resumed run has.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_ANALYSIS_PARTS_H
#define HAWQ_ANALYSIS_PARTS_H
#include "src/cli/analysis.h"
#include "src/cli/data_options.h"

enum {
    HAWQ_PILOTS = 4,         /* samples that balance the probe */
    HAWQ_MIN_SAMPLES = 16,   /* before --tolerance may stop */
    HAWQ_MAX_SAMPLES = 4096, /* when --tolerance gives up */
};

/* Whether a sampled metric is wanted. */
static inline bool hawq_analysis_samples(const hawq_analysis *a) {
    return a->wanted[HAWQ_METRIC_TRACE] || a->wanted[HAWQ_METRIC_GAUSS_NEWTON];
}

/* trace or gauss-newton: samples until enough. */
HAWQ_NODISCARD hawq_status hawq_analysis_sample(hawq_analysis *a,
                                                hawq_metric    metric);
/* depth, if wanted. */
HAWQ_NODISCARD hawq_status hawq_analysis_depth(hawq_analysis *a);
/* measured and sqnr, as wanted. */
HAWQ_NODISCARD hawq_status hawq_analysis_measure(hawq_analysis *a);
/* quadratic, cross and hybrid, as wanted; after measure. */
HAWQ_NODISCARD hawq_status hawq_analysis_products(hawq_analysis *a);
/* The rises of rounded activations, if wanted. */
HAWQ_NODISCARD hawq_status hawq_analysis_activations(hawq_analysis *a);

#endif
