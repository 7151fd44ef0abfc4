/* sweep.h -- the executor: loss, gradient and Hessian products of a batch.
 *
 * A batch of any size is cut into chunks of graph->batch images (the last one
 * padded with images of weight zero). Each chunk is one task: a worker runs
 * all its sweeps single-threaded in its own planes, and what it contributes is
 * added in double, in chunk order. So results do not depend on the number of
 * threads, memory does not depend on the size of the batch, and no operator
 * knows about threads.
 *
 * Loss values are means over the images of the batch.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SWEEP_H
#define HAWQ_SWEEP_H
#include "src/base/threads.h"
#include "src/graph/graph.h"

typedef enum hawq_loss {
    HAWQ_CROSS_ENTROPY,    /* -log softmax(z)[label] */
    HAWQ_MSE,              /* mean over outputs of (z - target)^2; without
                              targets the target is the one-hot label */
    HAWQ_SELF_DISTILLATION /* KL(softmax(t) || softmax(z)), t = the logits in
                              batch.targets; Hessian = Gauss-Newton at z = t */
} hawq_loss;

/* Names on the command line: cross-entropy, mse, self-distillation. Returns
 * -1 if unknown. */
int         hawq_loss_find(const char *name);
const char *hawq_loss_name(hawq_loss loss);

/* n images; x is n * input-per-image; labels one for each row of each image's
 * output (score.h; NULL if targets serve); targets n * output-per-image, or
 * NULL. All borrowed. */
typedef struct hawq_batch {
    size_t         n;
    const real    *x;
    const int64_t *labels;
    const real    *targets;
} hawq_batch;

/* Which constants a vector covers, and where each begins in it. */
typedef struct hawq_selection {
    int           n;
    hawq_tensor **tensor;
    size_t       *offset; /* n + 1 entries; offset[n] = total */
} hawq_selection;

/* All layers' weights, in layer order; `only` >= 0: that layer alone. */
HAWQ_NODISCARD hawq_status hawq_select_weights(const hawq_graph *graph,
                                               int only, hawq_arena *arena,
                                               hawq_selection *out);
/* All float constants a loss can be differentiated by: weights and biases. */
HAWQ_NODISCARD hawq_status hawq_select_parameters(const hawq_graph *graph,
                                                  hawq_arena       *arena,
                                                  hawq_selection   *out);
static inline size_t       hawq_selection_total(const hawq_selection *s) {
          return s->offset[s->n];
}

typedef struct hawq_engine hawq_engine;

/* Plans and allocates everything: no later call allocates.
 * lanes: probe directions carried at once (>= 1); 0 = no derivatives at all
 * (planes are then shared between tensors whose lives do not overlap).
 * The graph and the threads are borrowed and must outlive the engine. */
HAWQ_NODISCARD hawq_status hawq_engine_new(hawq_graph   *graph,
                                           hawq_threads *threads, int lanes,
                                           hawq_loss loss, hawq_engine **out);
void                       hawq_engine_free(hawq_engine *engine);
const hawq_graph          *hawq_engine_graph(const hawq_engine *engine);

/* Bytes of an engine, of all its threads together. */
typedef struct hawq_engine_size {
    size_t planes;  /* val, bar, dot and bardot of what is computed, and bar of
                       constants */
    size_t lanes;   /* results: constants, once a lane */
    size_t scratch; /* of operators */
    size_t total;   /* these and all tables: what the arena gives */
} hawq_engine_size;

/* What hawq_engine_new would take; total is SIZE_MAX if there is not even
 * memory to find out. */
hawq_engine_size hawq_engine_measure(hawq_graph *graph, int threads, int lanes);
/* An engine of one lane for another graph, with the same threads and loss, that
 * has its planes where `engine` has its own if they fit there: only one of the
 * two may be running. `engine` must outlive it. */
HAWQ_NODISCARD hawq_status hawq_engine_twin(const hawq_engine *engine,
                                            hawq_graph        *graph,
                                            hawq_engine      **out);
/* What it took. */
hawq_engine_size hawq_engine_taken(const hawq_engine *engine);

/* Outputs (n * output-per-image, or NULL), mean loss (or NULL; needs labels or
 * targets) and number of rows whose largest output is the label (or NULL). */
void hawq_engine_forward(hawq_engine *engine, const hawq_batch *batch,
                         real *outputs, double *loss, size_t *n_correct);

/* dL/dw over the selection (overwritten), mean loss, and correct count. */
void hawq_engine_gradient(hawq_engine *engine, const hawq_batch *batch,
                          const hawq_selection *at, double *gradient,
                          double *loss, size_t *n_correct);

typedef enum hawq_curvature {
    HAWQ_HESSIAN,
    HAWQ_GAUSS_NEWTON, /* J' (d2L/dz2) J, J = dz/dw of the output z */
    HAWQ_SECOND_ORDER  /* the rest, sum_k dL/dz_k d2z_k/dw2: zero in the
                          diagonal blocks of a piecewise linear network */
} hawq_curvature;

/* products[j] = (H v_j) restricted to `at`, for v_j on the selection `seed`
 * (zero elsewhere), j < m. v is m rows of total(seed) reals, products m rows
 * of total(at) doubles, gradient total(at) doubles or NULL. H is the exact
 * Hessian of the mean loss (Pearlmutter 1994) or one of its two parts
 * (Schraudolph 2002). The primal sweeps are shared by all m. */
void hawq_engine_products(hawq_engine *engine, const hawq_batch *batch,
                          hawq_curvature curvature, int m,
                          const hawq_selection *seed, const real *v,
                          const hawq_selection *at, double *products,
                          double *gradient);

/* readings[j][c]: a reading of tr(H_cc), mean over v_j, for every output
 * channel c of every layer (hawq_reading_channels of them), as reading.h
 * defines it; seed: weights of layers. Half the products of
 * hawq_engine_products. Only for graphs that hawq_can_read. */
void hawq_engine_readings(hawq_engine *engine, const hawq_batch *batch,
                          hawq_curvature curvature, int m,
                          const hawq_selection *seed, const real *v,
                          double *readings);

/* What the values of a tensor become before any node reads them: x, n of
 * them, in place; round NULL: they stay as computed. */
typedef struct hawq_rounding {
    void (*round)(const void *self, real *x, size_t n);
    const void *self;
} hawq_rounding;

/* Every later forward sweep rounds the values of tensor i by rounding[i], one
 * entry per tensor of the graph, borrowed; NULL, as at first: none. The input
 * is rounded in a copy. Derivatives are those at the rounded values, rounding
 * itself counting as the identity. */
void hawq_engine_round(hawq_engine *engine, const hawq_rounding *rounding);

/* readings[c]: a reading of the trace of channel c's block of the Gauss-Newton
 * matrix G = J' S S' J / n, one channel after the other as above: the mean over
 * the images of |J' S e|^2 on the channel's weights, e random signs from the
 * key, new ones for every image. That is one adjoint sweep an image, and none
 * of the noise that other layers and other images bring into a probe (Dangel,
 * Kunstner, Hennig 2020, "BackPACK", DiagGGN-MC, with signs for classes). at:
 * the weights of all layers. Only for a graph of one image a chunk. */
void hawq_engine_squares(hawq_engine *engine, const hawq_batch *batch,
                         const hawq_selection *at, uint64_t key,
                         double *readings);

/* Called in an adjoint sweep: `work` for every node on the way back, when bar
 * of what it computes is whole, concurrently, n valid images in the chunk;
 * `commit` after each chunk, in chunk order, one at a time. */
typedef struct hawq_factors {
    void (*work)(void *self, int node, const hawq_planes *planes, size_t n,
                 int worker);
    void (*commit)(void *self, size_t n, int worker);
    void *self;
} hawq_factors;

/* One adjoint sweep from S e of every image, S S' = d2L/dz2 of its loss, e
 * random signs from the key, new ones for every image: for any tensor y on the
 * way to the weights `at`, the mean of bar(y) bar(y)' is the Gauss-Newton
 * matrix of an image's loss with respect to y. Constants have no bar. */
void hawq_engine_factors(hawq_engine *engine, const hawq_batch *batch,
                         const hawq_selection *at, uint64_t key,
                         const hawq_factors *factors);

/* Runs the forward sweep and calls visit for every chunk, in chunk order, one
 * at a time, with the chunk's val planes (needs an engine with lanes >= 1,
 * whose planes all live at once). n: valid images in the chunk. */
typedef void hawq_visit(void *self, const hawq_graph *graph,
                        const hawq_planes *planes, size_t first, size_t n);
void         hawq_engine_visit(hawq_engine *engine, const hawq_batch *batch,
                               hawq_visit *visit, void *self);

#endif
