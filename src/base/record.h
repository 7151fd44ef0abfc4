/* record.h -- plain nouns that cross folders: the analysis hands them to the
 * store, the search reads them from it, the benchmark returns them. No
 * function, no ownership: every pointer is borrowed.
 *
 * Units: sizes in bytes, times in microseconds, losses in the loss's own unit
 * (nats for cross-entropy), traces in loss per weight squared.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_RECORD_H
#define HAWQ_RECORD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a run is about: enough to repeat it. */
typedef struct hawq_run_record {
    const char *program; /* "hawq-analyze" ... */
    const char *version;
    const char *command; /* the options as given, one string */
    const char *model_path;
    const char *model_hash;   /* 32 hex digits; see hawq_graph_hash */
    const char *data;         /* data specification, or "" */
    const char *loss;         /* name of the loss, or "" */
    const char *weight_range; /* range of the weight quantizer, or "" */
    uint64_t    seed;
    int         threads;
    const char *host;     /* node name */
    const char *provider; /* what computes dense products, e.g. its core */
    const char *sampling; /* what else a sample depends on (images, batch size,
                             probe law), as one string: runs that agree in it
                             and in model, data, loss, seed share samples */
    const char *rewrite;  /* how scales were moved between the layers before,
                             "smooth:0.5" (src/quant/rewrite.h), or "" */
    const double *rewrite_factors; /* and by how much; NULL: they were not */
    size_t        n_rewrite_factors;
} hawq_run_record;

typedef struct hawq_layer_record {
    const char *name;
    const char *op;
    int64_t     params;
    int64_t     macs;     /* per image */
    int64_t     channels; /* output channels = number of weight scales */
    const char *group;    /* name of its group; its own name if alone */
} hawq_layer_record;

/* The bits of a layer that stays in float32, of weights and activations. */
enum { HAWQ_FLOAT_BITS = 32 };

/* Bytes of a layer's weights at a width, as they lie in a file: packed without
 * gaps, plus one float32 scale per output channel (symmetric: no zero points).
 * Float32 has no scale. The one cost model of search and benchmark:
 *
 *     weight bytes of a network = sum of this over its layers
 *                               + 4 for each weight that no layer has
 *
 * whether integer kernels or float32 arithmetic computes the layer, for its
 * codes are what is stored. A weight that several nodes read counts once; a
 * weight of no layer is one of two dimensions or more (embeddings, the matrix
 * of an Einsum): biases and other constants for each channel are in the
 * file's bytes alone. */
static inline int64_t hawq_weight_bytes(int64_t params, int64_t channels,
                                        int bits) {
    return (params * bits + 7) / 8 +
           (bits == HAWQ_FLOAT_BITS ? 0 : 4 * channels);
}

/* An estimate with its error: mean of n samples. */
typedef struct hawq_estimate {
    double mean, stderr1, low, high; /* 95 % Student interval */
    int    n;
} hawq_estimate;

/* One reading of one layer: sample = (mini-batch, probe). */
typedef struct hawq_sample_record {
    int64_t     sample;
    int         layer;       /* index in the run's layers */
    const char *metric;      /* "trace", ... */
    double      value;       /* unbiased reading, scale already divided out */
    double      probe_scale; /* a_l the probe was scaled by; 1 = unscaled */
} hawq_sample_record;

typedef struct hawq_sensitivity_record {
    int         layer;  /* index in the run's layers */
    const char *metric; /* "trace", "quadratic", "sqnr", ... */
    int         bits;   /* of a code, 32: floats */
    double      value;  /* predicted rise of the loss (depth, sqnr: unitless) */
    double      stderr1;   /* 0 where the number has no sampling error */
    const char *candidate; /* "w4:gptq", see src/quant/method.h; NULL: the
                              nearest point of the narrow grid, "w<bits>" */
    int64_t bytes;         /* of its weights in a file; read only, and 0 where
                              only hawq_weight_bytes tells */
    double stored_bits;    /* of a weight; read only, and 0 for `bits` */
} hawq_sensitivity_record;

/* dW_i' H dW_j for candidate_i of layer i and candidate_j of layer j, i < j;
 * NULL as above. */
typedef struct hawq_interaction_record {
    int         layer_i, bits_i, layer_j, bits_j;
    double      value;
    const char *candidate_i, *candidate_j;
} hawq_interaction_record;

/* A layer quantized as a candidate says, by an analysis or, refined, for an
 * allocation. */
typedef struct hawq_quantized_record {
    int         layer;        /* index in the run's layers */
    const char *candidate;    /* "w4:gptq" */
    int64_t     bytes;        /* of the weights in a file */
    double      stored_bits;  /* of a weight */
    double      seconds;      /* the method took */
    double      error_before; /* of the outputs, E[(dw'u)^2]: nearest; NaN: */
    double      error_after;  /* not known */
    const uint8_t *codes; /* hawq_quantized_save's bytes; NULL: the codes are
                             a function of weights and candidate alone */
    size_t n_codes;       /* bytes of them */
} hawq_quantized_record;

/* A tensor that layers read, and by how much the loss rises when only its
 * values are rounded. */
typedef struct hawq_rise {
    int    bits;
    double value, stderr1;
} hawq_rise;

typedef struct hawq_activation_record {
    const char      *tensor;
    const char      *range; /* of the activation quantizer */
    int              n_layers;
    const int       *layer; /* indices in the run's layers, ascending */
    int              n_rises;
    const hawq_rise *rise; /* widest first */
} hawq_activation_record;

/* Bits of one layer. activation_bits: of the layer's input tensor. Both
 * HAWQ_FLOAT_BITS: the layer stays in float32 (weights of 16 bits: in float,
 * too). */
typedef struct hawq_choice {
    const char *layer;
    int         weight_bits, activation_bits;
    const char *candidate; /* how the weights are quantized, "w4:gptq" (see
                              src/quant/method.h); NULL: to the nearest point of
                              the narrow grid of weight_bits */
} hawq_choice;

typedef struct hawq_budget_record {
    const char *kind; /* "weight-size", "bops", "mean-bits", ... */
    double      limit, used;
    bool        binding;
} hawq_budget_record;

typedef struct hawq_allocation_record {
    const char *solver, *metric;
    const char *weight_range; /* of the analysis searched; read only */
    int64_t     analysis;     /* its run, where codes are; 0: none; read only */
    int64_t     run;          /* that put it; read only */
    const char *state;        /* "optimal", "feasible", "infeasible", "limit" */
    double      objective, bound;
    int64_t     weight_bytes, bops;
    double      mean_bits;
    double      latency_us;    /* negative: unknown */
    double      kl, agreement; /* with all layers quantized, against the float
                                  network, on so many images that no code was chosen
                                  by: */
    int64_t                   check_images; /* 0: not measured */
    int                       n_layers;
    const hawq_choice        *choice;
    int                       n_budgets;
    const hawq_budget_record *budget;
} hawq_allocation_record;

/* A Pareto front: no point costs less at the same or a smaller objective. */
typedef struct hawq_front_point {
    double     cost, objective, mean_bits;
    const int *weight_bits; /* one per layer, in the order of the layers */
    const char *const *candidate; /* the same; NULL: "w<bits>" of each */
} hawq_front_point;

typedef struct hawq_front_record {
    const char             *cost_kind; /* "weight-size", "bops", ... */
    const char             *solver, *metric;
    int                     n_layers, n_points;
    const hawq_front_point *point; /* ascending cost */
} hawq_front_record;

typedef struct hawq_layer_timing {
    const char *layer;
    int         weight_bits, activation_bits;
    const char *kernel; /* the kernel that really ran */
    double      latency_us;
    const char *format; /* of the weights, "w4g64"; NULL: not known */
} hawq_layer_timing;

/* A whole network's time beside that of its layers alone. */
typedef struct hawq_total_timing {
    double latency_us, spread_us; /* median, quartile range */
    double layers_us;             /* sum of the layers' medians */
} hawq_total_timing;

/* What times depend on: only those with the same key belong together. The name
 * of the kernels implies the device. */
typedef struct hawq_latency_key {
    const char *model_hash, *host, *kernels;
    int         threads, batch_size;
} hawq_latency_key;

typedef struct hawq_benchmark_record {
    int64_t     allocation; /* id in the store, 0 = none (uniform, float) */
    const char *label;      /* "uniform8", "k3", "allocation 3", "float32" */
    const char *device, *kernels;
    int         batch_size, threads, repeats;
    int64_t     samples; /* images the accuracy was measured on */
    double      accuracy, loss, float_accuracy, float_loss, agreement;
    int64_t     weight_bytes, file_bytes;
    double      latency_us, latency_spread_us; /* median, quartile range */
    double      speedup_vs_float, speedup_vs_uniform8;
    bool        bit_exact; /* output equal to the reference kernels' */
    int         n_layers;
    const hawq_layer_timing *layer;
} hawq_benchmark_record;

#endif
