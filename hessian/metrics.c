/* metrics.c -- values of metrics from what is known of a layer.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "hessian/metrics.h"

#include <string.h>

static hawq_estimate depth(const hawq_layer_evidence *e, int i) {
    return (hawq_estimate){
        .mean = hawq_depth_rise(e->layer, e->n_layers, e->bits[i])};
}

static hawq_estimate noise(const hawq_layer_evidence *e, int i) {
    return (hawq_estimate){.mean = e->passed[i].noise};
}

static hawq_estimate divergence(const hawq_layer_evidence *e, int i) {
    return e->passed[i].divergence;
}

static hawq_estimate measured(const hawq_layer_evidence *e, int i) {
    return e->passed[i].rise;
}

static hawq_estimate eigen(const hawq_layer_evidence *e, int i) {
    return hawq_eigen_rise(e->eigenvalue, e->squares[i]);
}

static hawq_estimate quadratic(const hawq_layer_evidence *e, int i) {
    return e->quadratic[i];
}

const hawq_metric_facts hawq_metric_table[HAWQ_METRICS] = {
#define METRIC(id, ...) [HAWQ_METRIC_##id] = {__VA_ARGS__},
#include "hessian/metrics.def"
#undef METRIC
};

const hawq_metric_facts *hawq_metric_facts_of(const char *name) {
    for (int m = 0; m < HAWQ_METRICS; m++)
        if (!strcmp(hawq_metric_table[m].name, name))
            return &hawq_metric_table[m];
    return NULL;
}
