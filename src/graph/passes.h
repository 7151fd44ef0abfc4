/* passes.h -- what hawq_graph_finish does to a network, in this order:
 * identities, guards, unused, scale, fold, merge, unused, check_finite, layers.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_PASSES_H
#define HAWQ_PASSES_H
#include "src/graph/graph.h"

/* Identity, Dropout and Cast between floats disappear. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_pass_identities(hawq_graph *graph);

/* Nothing reads where(isnan(p), 0, p) any more where p is what a Softmax puts
 * out and cannot be NaN: p stands for it. */
void hawq_pass_guards(hawq_graph *graph);

/* Drops nodes and tensors that the output does not need, renumbers tensor ids
 * and counts uses. */
void hawq_pass_unused(hawq_graph *graph);

/* A constant input that may be edited: input i of the node becomes a private
 * copy where others read it, too; n zeros called `name` where there is none.
 * Uses must be counted. */
HAWQ_NODISCARD hawq_status hawq_own_constant(hawq_graph *graph, hawq_node *node,
                                             int i, const char *name, size_t n);

/* Gemm's alpha and beta go into its constant operands, so that it is a plain
 * product and sum. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_pass_scale(hawq_graph *graph);

/* Constants of one origin, one shape and the same numbers become one: weights
 * that were shared before they were transposed or folded are again. A
 * matrix that is read transposed, too, is read by a Gemm that transposes. */
HAWQ_NODISCARD hawq_status hawq_pass_merge(hawq_graph *graph);

/* Folds BatchNormalization (in evaluation mode: y = gamma (x - mean) /
 * sqrt(var + eps) + beta) and additions of a constant per output channel into
 * the Conv, ConvTranspose, Gemm or MatMul that computes their input and nothing
 * else's: w'_c = w_c gamma_c / sqrt(var_c + eps) b'_c = (b_c - mean_c) gamma_c
 * / sqrt(var_c + eps) + beta_c. What cannot be folded stays an operator. The
 * folded arithmetic is done in double. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_pass_fold(hawq_graph *graph);

/* ENONFINITE for a NaN or infinity among the float constants, naming the
 * tensor and the element. */
HAWQ_NODISCARD hawq_status hawq_pass_check_finite(const hawq_graph *graph);

/* A new tensor of that name, the latest from now on; without shape. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_tensor_new(hawq_graph *graph, const char *name,
                                           hawq_role role, hawq_tensor **out);

/* Elements that tell a float constant: one row if all are equal, for a constant
 * made for every image (a class token) must not depend on their number. */
size_t hawq_tensor_distinct(const hawq_tensor *tensor);

/* Fills graph->layer: every Conv, ConvTranspose, Gemm and MatMul with constant
 * weights (product.h); and graph->rest, the weights of other nodes. */
HAWQ_NODISCARD hawq_status hawq_pass_layers(hawq_graph *graph);

#endif
