/* trace.h -- traces of the diagonal blocks of an A known by its products.
 *
 * Hutchinson (1989): for a random v with E[v v'] = I, E[v_l . (A v)_l] =
 * tr(A_ll). One product gives a reading for every block l at once, and for
 * every output channel inside a block (Bekas, Kokiopoulou, Saad 2007: the
 * elementwise product v (A v) estimates the diagonal). An operator may offer
 * such readings without the product, or without a probe (linop.h).
 *
 * The variance of a reading (Rademacher v; Avron, Toledo 2011) is that of the
 * block's own off-diagonal, plus the cross terms sum_{m != l} ||A_lm||_F^2: a
 * block of small curvature drowns in its large neighbours.
 *
 * Balanced probes. v_j is scaled by a_j and the reading of block l divided by
 * a_l^2, which leaves the mean what it was (E[v_l v_m'] = a_l a_m [l = m] I)
 * and multiplies the cross term of m by (a_m / a_l)^2. The a_j ~
 * ||A_jj||^(-1/2) make it of the size of the block's own noise. They are found
 * by Ruiz' (2001) equilibration on products with pilot probes,
 *     a_j <- a_j / sqrt(a_j ||(A D v)_j||),   D v = the scaled probe,
 * each step about halving the distance to balance (in logarithms). Pilot
 * samples are never counted in an estimate; the scales, powers of two so that
 * they round nothing, are then frozen. Unbiased, as no counted sample has had
 * an influence on the scales.
 *
 * Legal order: hawq_tracer_init; hawq_tracer_balance or scales set by the
 * caller (all 1 after init); hawq_tracer_sample for any samples in any order.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TRACE_H
#define HAWQ_TRACE_H
#include "hessian/linop.h"

/* A range of the vector: the weights of one layer. Element (a, c, b), c the
 * output channel, sits at offset + (a * channels + c) * inner + b. */
typedef struct hawq_block {
    const char *name;
    size_t      offset, outer, channels, inner;
} hawq_block;

static inline size_t hawq_block_size(const hawq_block *b) {
    return b->outer * b->channels * b->inner;
}

/* A law of random vectors: fills v with the part of probe `sample` that
 * belongs to block `block`, a pure function of its arguments. */
typedef struct hawq_probe {
    const char *name;
    void (*draw)(uint64_t seed, uint64_t sample, int block, size_t n, real *v);
} hawq_probe;
extern const hawq_probe hawq_probe_rademacher; /* +1 or -1, fair */

typedef struct hawq_tracer {
    hawq_linop        A; /* set these five before init */
    const hawq_probe *probe;
    uint64_t          seed;
    int               n_blocks;
    const hawq_block *block;

    size_t  n_channels; /* of all blocks together */
    double *scale;      /* a_j, n_blocks of them */
    real   *v;          /* A.n */
    double *av;         /* A.n */
    double *reading;    /* of a probe, n_channels; zero without */
    double *part;       /* of A.trace; zero without */
} hawq_tracer;

/* Takes the work space; every scale is 1. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_tracer_init(hawq_tracer *t, hawq_arena *arena);

/* Sets the scales from the n samples first, first + 1, ... A block whose
 * products are zero keeps its scale; so do all where no probe is used.
 * ENONFINITE names the block. */
HAWQ_NODISCARD hawq_status hawq_tracer_balance(hawq_tracer *t, uint64_t first,
                                               int n);

/* The readings of one sample: block[l] estimates tr(A_ll), channel[...] (the
 * channels of block 0, then of block 1, ...) the trace of each channel's
 * block; block[l] is the sum of its channels, in their order. ENONFINITE
 * names the block; nothing is written then. */
HAWQ_NODISCARD hawq_status hawq_tracer_sample(hawq_tracer *t, uint64_t sample,
                                              double *block, double *channel);

#endif
