/* metrics.h -- the sensitivity metrics: one table of what is true of each, its
 * rows in metrics.def. A new one is a line there and, if it is not a function
 * of what others are made of, a file.
 *
 * The value of a metric is for one layer and one candidate, larger is worse. It
 * is a function of evidence about the layer, which whoever drives the metrics
 * gathers: nothing, passes over images with the layer quantized, Hessian
 * products of its errors, its largest eigenvalue; or it comes from samples
 * of a curvature (hvp.h) as hawq_trace_rise says.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_METRICS_H
#define HAWQ_METRICS_H
#include "hessian/sensitivity.h"

typedef enum hawq_metric {
#define METRIC(id, ...) HAWQ_METRIC_##id,
#include "hessian/metrics.def"
#undef METRIC
    HAWQ_METRICS
} hawq_metric;

/* What a value is made of; bits that add up, in the order of their cost. */
enum {
    HAWQ_FROM_PASSES = 1,
    HAWQ_FROM_SAMPLES = 2,
    HAWQ_FROM_EIGENVALUES = 4,
    HAWQ_FROM_PRODUCTS = 8
};

/* What is known of one layer; a metric reads what it says it needs. */
typedef struct hawq_layer_evidence {
    int                  layer, n_layers;
    const int           *bits;       /* of each candidate */
    const double        *squares;    /* |dW|^2 of each */
    const hawq_passed   *passed;     /* passes: of each */
    const hawq_estimate *quadratic;  /* products: of each */
    const hawq_estimate *eigenvalue; /* the layer's largest */
} hawq_layer_evidence;

typedef struct hawq_metric_facts {
    const char *name, *unit;
    int         needs;
    bool        in_loss; /* its values are rises of the loss, which add up */
    bool        pairs;   /* of the errors of two layers at a time, too */
    /* For candidate i; NULL: from samples. */
    hawq_estimate (*value)(const hawq_layer_evidence *e, int i);
} hawq_metric_facts;

extern const hawq_metric_facts hawq_metric_table[HAWQ_METRICS];

static inline const char *hawq_metric_name(hawq_metric metric) {
    return hawq_metric_table[metric].name;
}

static inline bool hawq_metric_is_sampled(hawq_metric metric) {
    return hawq_metric_table[metric].needs & HAWQ_FROM_SAMPLES;
}

/* A curvature times |dW|^2: it does not see that codes make up for each other's
 * errors. */
static inline bool hawq_metric_is_blind(const hawq_metric_facts *m) {
    return m->needs & (HAWQ_FROM_SAMPLES | HAWQ_FROM_EIGENVALUES);
}

/* The facts of a name, or NULL. */
const hawq_metric_facts *hawq_metric_facts_of(const char *name);

#endif
