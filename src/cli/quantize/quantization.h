/* quantization.h -- what hawq-quantize does between its options and its report:
 * gives allocations their codes, refines them jointly, measures how far each is
 * from the float network on images kept apart, and keeps the results.
 *
 * The images of --data are cut in two: the first ones calibrate the activations
 * and are what refinement looks at, the last ones are only for comparing. No
 * labels are needed: an allocation is judged by the Kullback-Leibler divergence
 * from the float network's outputs, of a float simulation that rounds weights
 * and activations as the integer program does.
 *
 * Legal order: zero the struct; set the first part; hawq_quantization_prepare
 * (all that bad input can make fail); hawq_quantization_run; read the results;
 * hawq_quantization_close in any case.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_QUANTIZATION_H
#define HAWQ_QUANTIZATION_H
#include "src/cli/kit/rewriting.h"
#include "src/load/dataset.h"
#include "src/quant/refine.h"

/* One allocation and what became of it. */
typedef struct hawq_outcome {
    hawq_allocation from;
    hawq_quantized *quantized; /* per layer: what is kept */
    hawq_choice    *choice;    /* per layer, the candidates that were used */
    int64_t         weight_bytes, bops;
    double          mean_bits;
    hawq_divergence alone;   /* with the codes as they were chosen one by one */
    hawq_divergence refined; /* after refinement; rows 0: not refined */
    double          seconds; /* to choose the codes */
    int64_t         id;      /* of what is kept, in the database */
} hawq_outcome;

typedef struct hawq_quantization {
    hawq_cli              *cli; /* set these; all borrowed */
    const char            *model_path;
    hawq_texts             allocations; /* by name; or, */
    const hawq_allocation *given; /* where this is not NULL, so many of these */
    int                    n_given;
    const char            *rewrite; /* --rewrite, or NULL */
    bool                   refine;
    int                    images, check; /* at most so many, of either part */
    const char *output;    /* write the best outcome there as ONNX, or NULL */
    int         opset;     /* 13, 21 or 25, of that file */
    const char *emit_c;    /* write it there as C source, or NULL */
    const char *emit_name; /* of its files and functions, or NULL: "net" */
    int         activation_range; /* hawq_range */

    /* results */
    int           n, best; /* outcome[best] has the least divergence */
    hawq_outcome *outcome;
    size_t        n_images, n_check;
    hawq_graph   *graph;
    hawq_graph   *image_graph; /* of one image: what programs are made of */

    /* private */
    hawq_arena       arena;
    hawq_dataset     data;
    hawq_store      *store;
    hawq_threads    *threads;
    hawq_twin       *twin;
    hawq_rewriting   rewriting;   /* of both graphs */
    hawq_calibration calibration; /* of image_graph */
    double **curvature; /* of the loss at every layer's outputs; NULL unless a
                           method looks at it */
    int64_t run;
} hawq_quantization;

/* Loads model and data, finds the allocations, calibrates. EINVAL for options
 * that do not fit. */
HAWQ_NODISCARD hawq_status hawq_quantization_prepare(hawq_quantization *q);

/* Chooses, refines and compares all codes: the outcomes. */
HAWQ_NODISCARD hawq_status hawq_quantization_measure(hawq_quantization *q);

/* The same, and stores every outcome as an allocation that hawq-bench runs with
 * these very codes. */
HAWQ_NODISCARD hawq_status hawq_quantization_run(hawq_quantization *q);

/* What is kept of an outcome: refined if it was. */
const hawq_divergence *hawq_outcome_divergence(const hawq_outcome *outcome);

void hawq_quantization_close(hawq_quantization *q);

/* In quantization_store.c: the outcomes as a run of the database. */
HAWQ_NODISCARD hawq_status hawq_quantization_store(hawq_quantization *q);

/* In quantization_leave.c: the best outcome as files for others, as asked. Says
 * in notes what was written. */
HAWQ_NODISCARD hawq_status hawq_quantization_leave(hawq_quantization *q);

#endif
