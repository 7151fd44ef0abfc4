/* twin.h -- the float network and the quantized one, side by side on the same
 * images: what evidence and refinement look at.
 *
 * The quantized copy has other weights and biases for the layers that were put
 * into it, and may round activations. Both run in chunks of graph->batch
 * images, each chunk by one worker in planes of its own; the graph itself is
 * not changed. So memory does not depend on the number of images, and what is
 * committed in chunk order not on the number of threads.
 *
 *     hawq_twin_new(graph, threads, &twin);
 *     hawq_twin_put(twin, layer, &quantized);             any number of times
 *     hawq_twin_visit(twin, n, x, last_node, &visitor);
 *     hawq_twin_free(twin);
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TWIN_H
#define HAWQ_TWIN_H
#include "src/graph/sweep.h"
#include "src/quant/quantized.h"

typedef struct hawq_twin hawq_twin;

/* Both copies are the float network at first. graph and threads are borrowed.
 * ENOMEM; EIO if no BLAS can be loaded. */
HAWQ_NODISCARD hawq_status hawq_twin_new(const hawq_graph *graph,
                                         hawq_threads     *threads,
                                         hawq_twin       **out);
void                       hawq_twin_free(hawq_twin *twin);

/* Bytes that hawq_twin_new takes for so many threads. */
size_t hawq_twin_bytes(const hawq_graph *graph, int threads);

/* From now on the quantized copy computes with these weights, and with their
 * bias if there is one and the layer has one to replace. NULL: the layer's own
 * again. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_twin_put(hawq_twin *twin, int layer,
                                         const hawq_quantized *q);

/* Activations of the quantized copy are rounded by rounding[tensor id], as
 * hawq_engine_round does; borrowed; NULL: none is. */
void hawq_twin_round(hawq_twin *twin, const hawq_rounding *rounding);

/* One chunk: the values of both copies, n valid images from number `first`
 * on. */
typedef struct hawq_chunk {
    const hawq_planes *floats, *quantized;
    size_t             first, n;
    int                worker;
} hawq_chunk;

/* `work` runs concurrently, `commit` in chunk order, one at a time; both may be
 * NULL. */
typedef struct hawq_visitor {
    void (*work)(void *self, const hawq_chunk *chunk);
    void (*commit)(void *self, const hawq_chunk *chunk);
    void *self;
    bool  quantized_only; /* the float copy is not run */
    bool  floats_only;    /* the quantized copy is not run */
} hawq_visitor;

/* Runs nodes 0 .. last of both copies (last < 0: all) on n images, x holding
 * input-per-image numbers for each. */
void hawq_twin_visit(hawq_twin *twin, size_t n, const real *x, int last,
                     const hawq_visitor *visitor);

#endif
