/* quantize.h -- a layer and a candidate become a quantized weight: the only
 * place where that happens.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_QUANTIZE_H
#define HAWQ_QUANTIZE_H
#include "src/quant/method.h"
#include "src/quant/moments.h"

/* The candidate, or its format by the next best method where its own looks at
 * what is not known here: `coordinate` without the curvature, `mse` without the
 * inputs (moments NULL or without cols). */
hawq_candidate hawq_candidate_possible(const hawq_candidate *candidate,
                                       const hawq_moments   *moments);

/* Quantizes the layer's weights as they stand.
 * moments: of the layer's inputs; NULL where the method needs none or none are
 *   to be had (hawq_candidate_possible says what then).
 * target: what the rows are to resemble instead of the layer's own weights,
 *   [rows][cols], or NULL; with moments->output_mean the bias makes up for the
 *   rest (refine.h).
 * Where the inputs are known and the method needs them, the bias takes up the
 * mean of the error: out->bias (Nagel et al. 2019, "Data-free quantization",
 * bias correction).
 * Memory of `out` comes from the arena. ENOMEM; EINVAL for a method whose needs
 * are not met; ENONFINITE. */
HAWQ_NODISCARD hawq_status
hawq_quantize(const hawq_layer *layer, const hawq_candidate *candidate,
              const hawq_moments *moments, const double *target,
              hawq_threads *threads, hawq_arena *arena, hawq_quantized *out);

/* Mean squared error of the outputs, E[(dw'u)^2] about its mean, summed over
 * the channels: sum_c dw_c' C dw_c. 0 without moments. */
double hawq_quantize_output_error(const hawq_layer     *layer,
                                  const hawq_quantized *q,
                                  const hawq_moments   *moments);

#endif
