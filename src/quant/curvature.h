/* curvature.h -- what an error at a layer's outputs costs the network.
 *
 * For every position that a layer computes, delta = dL/dz is taken from the
 * Gauss-Newton factor of the loss of one image (sweep.h: hawq_engine_factors),
 * carried back to the layer's output z. Kept is
 *     G = E[delta delta'],  [rows][rows]
 * over positions and images. With the second moments C of the inputs
 * (moments.h), an error dW of the weights costs about
 *     1/2 tr(G dW C dW')
 * a position, which is the Kronecker-factored curvature (K-FAC, Martens and
 * Grosse 2015). Of self-distillation at its own start this is the curvature of
 * the Kullback-Leibler divergence from the network as it stands: it needs no
 * labels.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_CURVATURE_H
#define HAWQ_CURVATURE_H
#include "src/graph/sweep.h"

enum { HAWQ_CURVATURE_ROWS = 4096 }; /* a layer with more has none */

/* Bytes that hawq_curvature_collect takes, the engine's own apart. */
size_t hawq_curvature_bytes(const hawq_graph *graph, int threads);

/* out[l], for every layer of the engine's graph: G, [channels][channels], in
 * the arena, or NULL where the outputs have no axis of channels or too many of
 * them. n images, x holding input-per-image numbers for each; the signs come
 * from `seed`. The engine has one lane or more; its loss and its rounding are
 * used. The same bits for any number of threads. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_curvature_collect(
    hawq_engine *engine, hawq_threads *threads, size_t n, const real *x,
    uint64_t seed, hawq_arena *arena, double **out);

/* The same with an engine of its own under self-distillation: what methods look
 * at. Bytes beside those above: hawq_engine_measure with one lane. ENOMEM; EIO
 * if no BLAS can be loaded. */
HAWQ_NODISCARD hawq_status hawq_curvature_find(hawq_graph   *graph,
                                               hawq_threads *threads, size_t n,
                                               const real *x, uint64_t seed,
                                               hawq_arena *arena, double **out);

#endif
