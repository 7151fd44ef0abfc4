/* reading.h -- curvature of a layer read off its output, without its gradient.
 *
 * A layer is bilinear, z = w * x, and its weight enters nowhere else. With v a
 * probe on all weights, v_l . (H v)_l is, channel by channel,
 *     <bardot z, v_l * x> + <bar z, v_l * dot x>.
 * dot x knows the other layers' probes only, and so do what `bar z` times a
 * probe adds to bardot x on the way back, and the terms of bardot z in v_m, m
 * != l: for independent probes of mean zero all of these have mean zero. What
 * is left,
 *     reading_c = sum over images and pixels of bardot z_c (v_l * x)_c,
 * with the sweeps run without those mixed terms, has the mean tr(H_cc): the
 * second derivative of the loss by z, exactly, between the same Jacobians
 * (Schraudolph 2002 has the decomposition; with piecewise linear activations
 * the matrix read is Gauss-Newton's, whose diagonal blocks are the Hessian's).
 *
 * Three products of a convolution a probe instead of six: v * x, w * dot x and
 * w^T * bardot z; no product by weights; less noise from other layers.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_READING_H
#define HAWQ_READING_H
#include "src/graph/graph.h"

/* Every layer's weight is used by one node and by nothing else, and one axis of
 * its output holds the channels, so that the above holds. */
bool hawq_can_read(const hawq_graph *graph);

/* The output channels of all layers, in layer order. */
size_t hawq_reading_channels(const hawq_graph *graph);

/* Of the layer's node, one lane: kept = v * x and dot(out) = kept + w * dot x;
 * v is dot of the weight, zero if NULL. kept: as large as the output. */
void hawq_read_tangent(const hawq_node *node, const hawq_planes *planes,
                       real *kept);

/* bardot x += w^T * bardot z, nothing else, and reading[c] += the layer's
 * reading above, summed in double. */
void hawq_read_adjoint(const hawq_layer *layer, const hawq_planes *planes,
                       const real *kept, double *reading);

/* square[c] += |x_c|^2, x shaped as the layer's weight. */
void hawq_add_squares(const hawq_layer *layer, const real *x, double *square);

#endif
