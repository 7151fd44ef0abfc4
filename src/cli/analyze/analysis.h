/* analysis.h -- what hawq-analyze does between its options and its report:
 * samples curvature until enough, measures on images, stores all as it comes.
 *
 * Two kinds of metrics. Sampled ones (trace, gauss-newton, fisher): a sample is
 * one fresh mini-batch with random signs for each image, a probe on all layers,
 * or both (hessian/hvp.h): samples are independent and their standard error has
 * the noise of both. (Several probes on one mini-batch would share its primal
 * sweeps, a third of a product's cost, but not its noise: they would not be
 * independent samples.) The first PILOT samples of another stream balance a
 * probe (hessian/trace.h) and are not counted. All others are computed on the
 * first `images` images; their standard error is over batches.
 *
 * Whatever is stored is a function of the options alone, so a run that was
 * killed and is resumed ends with the same numbers, bit for bit.
 *
 * Legal order: zero the struct; set the first part; hawq_analysis_prepare (all
 * that bad input can make fail); hawq_analysis_run; read the results;
 * hawq_analysis_close in any case.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_ANALYSIS_H
#define HAWQ_ANALYSIS_H
#include "hessian/hvp.h"
#include "hessian/sensitivity.h"
#include "results/store.h"
#include "src/base/page.h"
#include "src/cli/kit/cli.h"
#include "src/cli/kit/metrics.h"
#include "src/cli/kit/rewriting.h"
#include "src/graph/groups.h"
#include "src/load/dataset.h"
#include "src/quant/calibrate.h"
#include "src/quant/quantize.h"

enum { HAWQ_CANDIDATES_MAX = 64 };

/* A layer quantized as a candidate says. */
typedef struct hawq_rounded {
    hawq_quantized q;
    real          *dw;    /* per weight; NULL unless products are wanted */
    double        *error; /* |dW_c|^2 per channel */
    double         seconds;
    double         before, after; /* output errors, nearest and as it is; NaN:
                                     the layer's inputs are not known */
} hawq_rounded;

/* Of the whole Hessian or of a layer's, on the study's images. */
typedef struct hawq_spectrum {
    const char             *name; /* of the layer, "" for all */
    int                     n, n_densities;
    hawq_eigenvalue_record *eigenvalue; /* largest first */
    hawq_density_record    *density;
} hawq_spectrum;

typedef struct hawq_analysis {
    hawq_cli   *cli; /* set these; all borrowed */
    const char *model_path, *data_text;
    const char *metrics; /* "trace,measured"; the first ranks the table; NULL:
                            what is right for all candidates */
    const char *rewrite; /* --rewrite, or NULL */
    const char *candidates;     /* list of candidates; NULL: bits, ... */
    hawq_ints   bits;           /* ... and if they are none, a list of good
                                   candidates */
    hawq_ints activation_bits;  /* sorted here; none: not measured */
    int       activation_range; /* hawq_range */
    int       range, loss;      /* hawq_range, hawq_loss */
    int       samples, images;
    int       batch_size; /* 0: 32, or all images if there are fewer */
    double    tolerance;  /* > 0: sample until every layer's half interval
                             is within this share of its mean; the interval
                             is not widened for having been looked at often */
    double time_limit;    /* seconds that sampling a metric may take; 0: any */
    bool   resume;
    int    spectrum_pairs; /* largest eigenvalues to find, 0: no spectrum */
    const char *spectrum_layer; /* NULL: of all layers together */
    double      memory;         /* bytes it may have, 0: what the machine has */

    /* results */
    int             n_candidates;
    hawq_candidate *candidate; /* most stored bits first */
    const char    **name;      /* of each, "w4:gptq" */
    const char    **key;       /* "4" of a plain width, else its name */
    double         *seconds;   /* of each, all layers together */
    hawq_rounded   *rounded;   /* [layer * n_candidates + i] */
    int            *fallback;  /* [layer]: 1 if its inputs are not known, 2 if
                                  the loss's curvature at its outputs is not */
    hawq_graph      *graph;
    hawq_rewriting   rewriting; /* of the graph */
    hawq_dataset     data;
    hawq_metric      ranking;
    bool             wanted[HAWQ_METRICS];
    int              n_samples[HAWQ_METRICS]; /* counted; 0: not sampled */
    bool             tolerance_met[HAWQ_METRICS];
    bool             out_of_time[HAWQ_METRICS];
    hawq_estimate   *trace[HAWQ_METRICS]; /* per layer; sampled metrics only */
    hawq_estimate   *rise[HAWQ_METRICS];  /* [layer * n_candidates + i] */
    bool             rest_vanishes[HAWQ_METRICS]; /* see hessian/hvp.h */
    hawq_study       study;
    hawq_spectrum    spectrum;
    int              n_activations;
    hawq_activation *activation;      /* see hawq_graph_activations */
    hawq_estimate   *activation_rise; /* [activation * activation_bits.n + i] */
    int             *group;           /* see hawq_graph_groups */
    int64_t          run;             /* in the store */
    int              n_threads, lanes;
    size_t           predicted; /* bytes resident at the worst moment */

    /* private */
    size_t        program_bytes; /* resident before anything was loaded */
    hawq_arena    arena;
    hawq_store   *store;
    hawq_threads *threads;
    hawq_engine  *engine;
    hawq_graph   *single_graph; /* the network, one image a chunk, ... */
    hawq_engine  *single;       /* ... for sampled metrics; or NULL */
    hawq_batch    batch;        /* all images, with what the loss needs */
    size_t        evidence; /* bytes that moments of layers may take at once */
    const char   *sampling;
} hawq_analysis;

/* Number a search uses for layer as candidate i: hawq_search_value of sampled
 * metrics, the mean of the others. */
double hawq_analysis_value(const hawq_analysis *a, hawq_metric metric,
                           int layer, int i);

/* "4 bits" or "w4:gptq", for "at ..."; in the arena, "" without memory. */
const char *hawq_analysis_at(hawq_analysis *a, int i);

/* Does a candidate's method make up for its errors, so that |dW|^2 says nothing
 * about its loss? */
bool hawq_analysis_compensates(const hawq_analysis *a);

/* Where the readings of a sampled metric have their randomness, beyond the
 * mini-batch: "random signs for each image", "a random probe", or both. Of
 * metrics that are wanted: hawq_analysis_prepare finds it out for no other. */
const char *hawq_analysis_estimator(const hawq_analysis *a, hawq_metric metric);

/* Name of the layer's group: of its first layer. */
const char *hawq_analysis_group(const hawq_analysis *a, int layer);

/* Loads model and data, checks every option against them, quantizes, runs the
 * float network. EINVAL for options that do not fit, else what failed. Leaves
 * no trace in the database. */
HAWQ_NODISCARD hawq_status hawq_analysis_prepare(hawq_analysis *a);

/* Opens the database, begins or resumes the run, computes every metric wanted
 * and finishes the run. A failure of the network (not of the database) removes
 * the run again. */
HAWQ_NODISCARD hawq_status hawq_analysis_run(hawq_analysis *a);

void hawq_analysis_close(hawq_analysis *a);

#endif
