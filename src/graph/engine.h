/* engine.h -- what an engine is made of: between plan.c, which takes all its
 * memory, and sweep.c, which uses it.
 *
 * All reals are one pool, cut once; planes that are never needed at the same
 * time have the same memory (share.h). Tables say where each plane is.
 *
 * Directions take turns in one set of activation planes, HAWQ_TOGETHER at a
 * time: what a sweep writes is still in the cache when the next one reads it,
 * and memory hardly grows with their number. Only bardot of the constants, the
 * result, is kept for each.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_ENGINE_H
#define HAWQ_ENGINE_H
#include "src/graph/sweep.h"

enum { HAWQ_TOGETHER = 1 }; /* lanes in the planes at once */
_Static_assert(HAWQ_TOGETHER == 1, "readings keep v * x in the one bar plane");

typedef struct hawq_worker {
    hawq_planes planes;         /* tables; what a call does not need is NULL */
    real      **kept;           /* bar, as adjoint_tangent may read it */
    real      **val, **bar;     /* where each plane lives */
    real     ***dot, ***bardot; /* [HAWQ_TOGETHER][id], activations */
    real     ***result;         /* [lane][id], bardot of constants */
    double     *reading;        /* [lane][channel of every layer] */
    real       *input;          /* a chunk of all inputs, where it cannot be
                                   read in place: the padded last one */
    double loss;                /* of the chunk just done */
    size_t correct;
} hawq_worker;

struct hawq_engine {
    const hawq_rounding *rounding; /* by tensor id, or NULL */

    hawq_arena     arena;
    hawq_graph    *graph;
    hawq_threads  *threads;
    hawq_loss      loss;
    int            lanes;
    size_t         channels; /* of all layers */
    hawq_worker   *worker;
    unsigned char *needs; /* by tensor id, for the call in progress */
    int           *reads; /* by node: the layer it is to be read for, or -1 */
    size_t        *first_channel; /* of each layer in a row of readings */
    int           *last;          /* reader of each tensor, see share.h */
    bool          *keep_bar;      /* by tensor id: outlives the adjoint sweep */

    hawq_engine_size size;
    unsigned char   *pool, *free; /* all reals; where the next ones go */
    bool             counting;    /* reals are counted, not taken */
};

#endif
