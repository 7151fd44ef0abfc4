/* analysis_parts.h -- the metrics of an analysis; for analysis.c only. Each
 * stores what it finds as it finds it, and takes up what a resumed run has.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_ANALYSIS_PARTS_H
#define HAWQ_ANALYSIS_PARTS_H
#include "src/cli/analyze/analysis.h"
#include "src/cli/kit/data_options.h"
#include "src/cli/kit/memory.h"

enum {
    HAWQ_PILOTS = 4,         /* samples that balance the probe */
    HAWQ_MIN_SAMPLES = 16,   /* before --tolerance may stop */
    HAWQ_MAX_SAMPLES = 4096, /* when --tolerance gives up */
    HAWQ_EIGEN_STEPS = 48,   /* of Lanczos for a layer's largest eigenvalue */
};

/* What any wanted metric needs (HAWQ_FROM_...). */
static inline int hawq_analysis_needs(const hawq_analysis *a) {
    int needs = 0;
    for (int m = 0; m < HAWQ_METRICS; m++)
        if (a->wanted[m]) needs |= hawq_metric_table[m].needs;
    return needs;
}

static inline bool hawq_analysis_samples(const hawq_analysis *a) {
    return hawq_analysis_needs(a) & HAWQ_FROM_SAMPLES;
}

static inline bool hawq_analysis_multiplies(const hawq_analysis *a) {
    return hawq_analysis_needs(a) & HAWQ_FROM_PRODUCTS;
}

/* Does a wanted metric look at two layers at a time? */
static inline bool hawq_analysis_pairs(const hawq_analysis *a) {
    for (int m = 0; m < HAWQ_METRICS; m++)
        if (a->wanted[m] && hawq_metric_table[m].pairs) return true;
    return false;
}

/* Images of the metrics that are not sampled. */
static inline size_t hawq_analysis_images(const hawq_analysis *a) {
    return (size_t)a->images < a->data.n ? (size_t)a->images : a->data.n;
}

static inline int hawq_analysis_most_samples(const hawq_analysis *a) {
    return a->tolerance > 0 ? HAWQ_MAX_SAMPLES : a->samples;
}

/* The network for another number of images at once; its notes are not
 * repeated. The caller frees *out. */
HAWQ_NODISCARD hawq_status hawq_analysis_load_again(const hawq_analysis *a,
                                                    int                  batch,
                                                    hawq_graph         **out);

/* Chooses n_threads, lanes and the graph's chunk so that the analysis stays
 * within `available` bytes and --memory, says so, and makes room in the arena
 * for all that is taken there later. After model, data and options are known;
 * may load the graph anew. EINVAL or ENOMEM names the smallest memory that
 * would do. */
HAWQ_NODISCARD hawq_status hawq_analysis_fit_memory(hawq_analysis *a,
                                                    size_t         available);

/* What to quantize to, from the options: candidate, name, key; EINVAL. */
HAWQ_NODISCARD hawq_status hawq_analysis_candidates(hawq_analysis *a);
/* --rewrite on every graph of the analysis, before any engine is made. */
HAWQ_NODISCARD hawq_status hawq_analysis_rewrite(hawq_analysis *a);
/* Quantizes every layer to every candidate, on a->threads: rounded, seconds,
 * fallback. */
HAWQ_NODISCARD hawq_status hawq_analysis_quantize(hawq_analysis *a);
/* Bytes that takes beside the analysis' arena, on so many threads. */
size_t hawq_analysis_evidence_bytes(const hawq_analysis *a, int threads);
/* Stores them; those that the data had a part in with their codes. */
HAWQ_NODISCARD hawq_status hawq_analysis_put_quantized(hawq_analysis *a);

/* The engine of single images, and what it leaves for a probe. */
HAWQ_NODISCARD hawq_status hawq_analysis_start_sampling(hawq_analysis *a);
/* trace or gauss-newton: samples until enough. */
HAWQ_NODISCARD hawq_status hawq_analysis_sample(hawq_analysis *a,
                                                hawq_metric    metric);
/* The wanted metrics of which `need` is what costs most (HAWQ_FROM_PASSES,
 * ...; 0: those that need nothing), layer by layer; what passes found before
 * serves products. */
HAWQ_NODISCARD hawq_status hawq_analysis_study(hawq_analysis *a, int need);
/* EINVAL: no layer has the name that the spectrum is asked for. */
HAWQ_NODISCARD hawq_status hawq_analysis_check_spectrum(const hawq_analysis *a);
/* Bytes that the spectrum takes in the arena. */
size_t hawq_analysis_spectrum_bytes(const hawq_analysis *a, size_t weights);
/* Notes when the gradient outweighs the curvature along a quantization error.
 */
HAWQ_NODISCARD hawq_status hawq_analysis_note_minimum(hawq_analysis *a);
/* Eigenvalues, density and walks, if wanted: found and stored. */
HAWQ_NODISCARD hawq_status hawq_analysis_find_spectrum(hawq_analysis *a);
/* Stores what the study found of the float network, and the layers' weights
 * over their grids. */
HAWQ_NODISCARD hawq_status hawq_analysis_put_study(hawq_analysis *a);
HAWQ_NODISCARD hawq_status hawq_analysis_put_histograms(hawq_analysis *a);
/* The rises of rounded activations, if wanted. */
HAWQ_NODISCARD hawq_status hawq_analysis_activations(hawq_analysis *a);

#endif
