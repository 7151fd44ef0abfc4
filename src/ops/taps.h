/* taps.h -- sums and maxima over lists of input elements: the one
 * implementation of pooling and reduction.
 *
 * A tensor is `planes` equal planes (images times channels, say). In each, the
 * output element o reads the input elements tap[start[o]] .. tap[start[o+1]-1]
 *     sum   y[o] = weight[o] * sum_t x[tap[t]]               (linear)
 *     max   y[o] = max_t x[tap[t]]; its derivative is that of the first
 *           largest tap, a subgradient where several are equal
 * Sums accumulate in double.
 *
 * The shape functions build node->param with one of the two planners, then use
 * the sweeps below.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TAPS_H
#define HAWQ_TAPS_H
#include "src/ops/window.h"

typedef struct hawq_taps {
    size_t         planes, n_in, n_out; /* n_in, n_out: per plane */
    const int32_t *start, *tap;
    double        *weight; /* n_out entries, 1 from the planners */
} hawq_taps;

/* Taps of a window on every plane, in row-major order of the kernel.
 * EUNSUPPORTED if a window lies in the padding altogether, or beyond 2^31 - 1
 * taps. */
HAWQ_NODISCARD hawq_status hawq_taps_window(const hawq_node   *node,
                                            hawq_arena        *arena,
                                            const hawq_window *w, size_t planes,
                                            hawq_taps **out);

/* Taps of a reduction over the axes flagged in reduced[0..rank), in row-major
 * order. EUNSUPPORTED if the input is empty. */
HAWQ_NODISCARD hawq_status hawq_taps_axes(const hawq_node  *node,
                                          hawq_arena       *arena,
                                          const hawq_shape *shape,
                                          const bool *reduced, hawq_taps **out);

static inline size_t hawq_taps_count(const hawq_taps *t, size_t o) {
    return (size_t)(t->start[o + 1] - t->start[o]);
}

/* Sweeps from in[0] to out[0] of an operator whose param is a hawq_taps. */
void hawq_taps_sum_forward(const hawq_node *node, const hawq_planes *p);
void hawq_taps_sum_adjoint(const hawq_node *node, const hawq_planes *p);
void hawq_taps_max_forward(const hawq_node *node, const hawq_planes *p);
void hawq_taps_max_tangent(const hawq_node *node, const hawq_planes *p);
void hawq_taps_max_adjoint(const hawq_node *node, const hawq_planes *p);
void hawq_taps_max_adjoint_tangent(const hawq_node *node, const hawq_planes *p);

#endif
