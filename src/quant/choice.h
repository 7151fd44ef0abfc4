/* choice.h -- from the bits or candidates of layers, as an allocation has them,
 * to their quantized weights.
 *
 *     hawq_choice_uniform(graph, 4, 8, &arena, &choice);
 *     hawq_quantize_choices(graph, graph->n_layers, choice, threads, &arena,
 *                           &quantized);
 *
 * What such a list cannot be made into because its method looks at data is made
 * elsewhere; whoever has it puts it into its layer's place.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_CHOICE_H
#define HAWQ_CHOICE_H
#include "src/base/record.h"
#include "src/base/threads.h"
#include "src/quant/quantized.h"

/* Bits for every layer of the graph: {name, weight_bits, activation_bits},
 * in the arena. 32, 32: every layer in float32. */
HAWQ_NODISCARD hawq_status hawq_choice_uniform(const hawq_graph *graph,
                                               int               weight_bits,
                                               int           activation_bits,
                                               hawq_arena   *arena,
                                               hawq_choice **out);

/* One candidate for every layer, given as text with the bits of activations,
 * "w3", "k3a4" (hawq_candidate_read_wide), in the arena. What the network is
 * given keeps 8 bits, for pictures and sounds come with as many: "w4a4" means
 * 4 bits for all that the network computes. EINVAL. */
HAWQ_NODISCARD hawq_status hawq_choice_everywhere(const hawq_graph *graph,
                                                  const char       *text,
                                                  hawq_arena       *arena,
                                                  hawq_choice     **out);

/* The format of a choice's weights. EINVAL names the layer. */
HAWQ_NODISCARD hawq_status hawq_choice_format(const hawq_choice *choice,
                                              hawq_format       *out);

/* Quantized weights of n choices in any order: (*out)[l] is of layer l of the
 * graph, in the arena. A choice of no layer of the graph is passed over, and a
 * layer without a choice has an empty entry (rows 0): the lowering complains
 * of both. EINVAL for a name that is no candidate, and for a method that looks
 * at more than the weights; ENOMEM; ENONFINITE. */
HAWQ_NODISCARD hawq_status hawq_quantize_choices(const hawq_graph *graph, int n,
                                                 const hawq_choice *choice,
                                                 hawq_threads      *threads,
                                                 hawq_arena        *arena,
                                                 hawq_quantized   **out);

#endif
