/* page.h -- all that a page about a network shows, as the store has it; plain
 * facts, every pointer borrowed. What is not known is absent: a count of 0, a
 * NULL, a NaN.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_PAGE_H
#define HAWQ_PAGE_H
#include "src/base/record.h"

/* Of the float network on the images of an analysis. */
typedef struct hawq_study_record {
    int64_t images;
    double  loss, accuracy; /* NaN: no labels */
    double  gradient_norm;
    int64_t rest_bytes; /* of weights that no layer has */
} hawq_study_record;

/* layer "": of all weights together. */
typedef struct hawq_eigenvalue_record {
    const char *layer;
    double      value, residual;
} hawq_eigenvalue_record;

typedef struct hawq_density_record {
    const char *layer;
    int         start;
    double      value, weight;
} hawq_density_record;

typedef struct hawq_walk_record {
    const char *direction; /* "top eigenvector", "random", "error of w4" */
    double      step;      /* 1: the length of the error */
    double      loss;
} hawq_walk_record;

enum { HAWQ_PAGE_BINS = 64, HAWQ_PAGE_LEVELS = 256 };

/* Weights in units of their channel's scale. */
typedef struct hawq_histogram_record {
    int         layer;
    const char *candidate;
    double      low, width; /* of the bins */
    int         n_bins, n_levels;
    double      count[HAWQ_PAGE_BINS];
    double      level[HAWQ_PAGE_LEVELS]; /* rising */
} hawq_histogram_record;

typedef struct hawq_page {
    const char              *model;    /* path */
    int64_t                  analysis; /* its run; 0: none */
    hawq_run_record          run;
    hawq_study_record        study; /* images 0: not known */
    int                      n_layers;
    hawq_layer_record       *layer;
    int                      n_values;
    hawq_sensitivity_record *value;
    int                      n_traces; /* 0, or n_layers */
    hawq_estimate           *trace;
    int                      n_readings; /* of "trace": [sample][layer] */
    hawq_sample_record      *reading;
    int                      n_eigenvalues, n_densities, n_walks, n_histograms;
    hawq_eigenvalue_record  *eigenvalue;
    hawq_density_record     *density;
    hawq_walk_record        *walk;
    hawq_histogram_record   *histogram;
    int64_t                  allocation; /* id; 0: none */
    hawq_allocation_record   chosen;
    const char              *front_metric;
    int                      n_front; /* of weight bytes */
    hawq_front_point        *front;
    int                      n_benchmarks; /* the newest of each label */
    hawq_benchmark_record   *benchmark;
    int                n_timings; /* layers of the chosen's, or the best's */
    hawq_layer_timing *timing;
    const char        *timed; /* its label */
} hawq_page;

#endif
