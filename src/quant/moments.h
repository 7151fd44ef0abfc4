/* moments.h -- what a layer reads and should deliver, summed over images.
 *
 * For every position that a layer computes, u is the row of inputs that meets
 * its weights (the unfolded image of a convolution, zeros where it is padded)
 * and z the layer's output, before its activation. Kept are
 *     m = E[u],  C = E[u u'] - m m',  zbar = E[z],  Z = E[z u'] - zbar m'
 * so memory does not grow with the number of images. Products of a chunk are
 * taken in `real`, sums over chunks in double, in chunk order.
 *
 * Two uses. Evidence for a candidate on its own: u of the float network. And
 * refinement (refine.h): u of the quantized network as it stands, z of the
 * float network.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_MOMENTS_H
#define HAWQ_MOMENTS_H
#include "src/quant/twin.h"

typedef struct hawq_moments {
    size_t rows, cols, blocks; /* as hawq_evidence has them; cols 0: a layer
                                  without a row of inputs to speak of */
    double  positions;         /* that were summed over */
    double *moment;            /* C: [blocks][cols][cols] */
    double *mean;              /* m: [blocks][cols]; 0, as is zbar, for a layer
                                  without a bias, whose moments are about 0 */
    double       *cross;       /* Z: [rows][cols]; NULL unless wanted */
    double       *output_mean; /* zbar: [rows]; NULL unless wanted */
    const double *curvature;   /* G: [rows][rows], or NULL: never collected
                                  here; whoever has it (curvature.h) puts it in */
} hawq_moments;

/* Images that are enough for a layer: some 100,000 positions, at least 96 and
 * no more than `most`. */
size_t hawq_moments_images(const hawq_graph *graph, int layer, size_t most);

/* Bytes for one layer's moments with what its workers need. */
size_t hawq_moments_bytes(const hawq_graph *graph, int layer, int threads);

/* Moments of layers first .. first + n - 1 over the first images of x (`most`
 * of them at most) in one pass, `out` n of them in the arena. refine: u is the
 * quantized copy's, and Z and zbar are wanted: z is the float copy's output of
 * the layer plus, where the layer feeds a residual addition whose other operand
 * is there already, what the quantized copy lacks of that operand. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_moments_collect(
    hawq_twin *twin, const hawq_graph *graph, hawq_threads *threads, int first,
    int n, size_t most, const real *x, bool refine, hawq_arena *arena,
    hawq_moments *out);

#endif
