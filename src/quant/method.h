/* method.h -- how codes are chosen: one row of method.def and one file each.
 *
 * A method works on rows: output channel c with inputs k, a target t[c][k] that
 * the quantized weights are to resemble (the weights themselves, or where
 * refinement aims), and evidence of what an error costs. The error of a row is
 * judged by the second moments of the inputs it meets,
 *     E[(q - t)' (u - m)]^2 = (q - t)' C (q - t),   C = E[u u'] - m m'
 * because a layer's output moves by (q - t)'u and its mean m'(q - t) goes into
 * the bias (bias correction).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_METHOD_H
#define HAWQ_METHOD_H
#include "src/base/record.h"
#include "src/base/threads.h"
#include "src/quant/quantized.h"

/* What a method may look at. A method that needs what is not there is not
 * run: hawq_method.needs says what. */
typedef enum hawq_needs {
    HAWQ_NEEDS_NOTHING,
    HAWQ_NEEDS_INPUTS,   /* second moments and means of the layer's inputs */
    HAWQ_NEEDS_CURVATURE /* and the loss's curvature at the layer's outputs */
} hawq_needs;

/* One layer's rows and what is known of them; all arrays are borrowed.
 * A convolution of G groups has G blocks of rows, each with inputs of its own;
 * block b is rows b * rows / G on. */
typedef struct hawq_evidence {
    size_t         rows, cols, blocks;
    const double  *target; /* [rows][cols] */
    const uint8_t *apart;  /* [rows][cols], nonzero: kept apart as an outlier;
                              or NULL */
    const double *moment;  /* C: [blocks][cols][cols], or NULL */
    const double *mean;    /* m: [blocks][cols], or NULL */
    /* the mean that each output is to have, without its bias: [rows], or NULL:
     * that of the target, t'm */
    const double *output_mean;
    /* G, the loss's curvature at the outputs, averaged over positions
     * (curvature.h): [rows][rows], or NULL */
    const double *output_curvature;
} hawq_evidence;

typedef struct hawq_method hawq_method;
struct hawq_method {
    const char *name;
    hawq_needs  needs;
    bool        compensates; /* |dW|^2 says nothing about its loss */
    /* Fills codes, scales, levels, multipliers and outliers of `out`, which
     * hawq_quantized_new made with the same rows and cols. Same bits for any
     * number of threads. ENOMEM; ENONFINITE. */
    hawq_status (*run)(const hawq_evidence *evidence, hawq_threads *threads,
                       hawq_quantized *out);
    const char *summary; /* a line for help and documentation */
};

/* All methods in the order of method.def, `n` of them. */
const hawq_method *const *hawq_methods(int *n);
extern const hawq_method  hawq_method_nearest; /* what no method stands for */
/* The method of that name; EINVAL with a sentence that lists them. */
HAWQ_NODISCARD hawq_status hawq_method_find(const char         *name,
                                            const hawq_method **out);

/* --- candidates: format and method, as text ------------------------------ */

/* "w4", "w2c:gptq", "k3+0.5%", "w4g64:hqq": a format and, behind a colon, a
 * method; without one `nearest`. */
typedef struct hawq_candidate {
    hawq_format        format;
    const hawq_method *method;
} hawq_candidate;

/* Reads all of text. A plain number of bits b is w<b>, 32 is float. EINVAL. */
HAWQ_NODISCARD hawq_status hawq_candidate_read(const char     *text,
                                               hawq_candidate *out);

/* The same with the bits of activations behind the format, 8, 4 or 2: "w4a4",
 * "w4g64a8:gptq"; 8 where nothing is said; 32 where only the weights are
 * quantized: "w4g32a32". "w32a32" is float; layers in float have activations of
 * 32 bits and may not name others. EINVAL. */
HAWQ_NODISCARD hawq_status hawq_candidate_read_wide(const char     *text,
                                                    hawq_candidate *out,
                                                    int *activation_bits);

/* The candidate of a choice: what it names, else the narrow grid of its bits
 * (32: float) with every weight rounded to nearest. EINVAL names the layer. */
HAWQ_NODISCARD hawq_status hawq_candidate_of(const hawq_choice *choice,
                                             hawq_candidate    *out);

/* The name that hawq_candidate_read reads; `nearest` is not spelled out. */
enum { HAWQ_CANDIDATE_TEXT = 48 };
const char *hawq_candidate_text(const hawq_candidate *candidate,
                                char text[HAWQ_CANDIDATE_TEXT]);

/* A comma-separated list, in the arena. EINVAL for one given twice. */
HAWQ_NODISCARD hawq_status hawq_candidates_read(const char *text,
                                                hawq_arena *arena, int *n,
                                                hawq_candidate **out);

#endif
