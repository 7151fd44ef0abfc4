/* curvature.c -- see curvature.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/curvature.h"

#include "src/graph/mm.h"

typedef struct job {
    const hawq_graph *graph;
    int              *layer;     /* of each node, or -1 */
    double          **out;       /* of each layer, or NULL */
    double           *positions; /* of each layer, summed over images */
    real           ***sum;       /* [worker][layer]: of the chunk at work */
} job;

/* The output as [outer][channels][inner]. */
typedef struct layout {
    size_t outer, channels, inner;
} layout;

static layout layout_of(const hawq_layer *l, const hawq_tensor *y) {
    return (layout){.outer = (size_t)hawq_shape_count(&y->shape, 0, l->axis),
                    .channels = l->channels,
                    .inner = (size_t)hawq_shape_count(&y->shape, l->axis + 1,
                                                      y->shape.rank)};
}

/* sum += delta delta', over all positions: images that only fill the chunk up
 * have a delta of 0. */
static void add_node(void *self, int node, const hawq_planes *planes, size_t n,
                     int worker) {
    const job *j = self;
    int        l = j->layer[node];
    (void)n;
    if (l < 0 || !j->out[l]) return;
    const hawq_tensor *y = j->graph->node[node]->out[0];
    layout             s = layout_of(&j->graph->layer[l], y);
    const real        *bar = planes->bar[y->id];
    real              *sum = j->sum[worker][l];
    size_t             c = s.channels;
    if (s.inner == 1) {
        hawq_mm(true, false, c, c, s.outer, 1, bar, c, bar, c, 1, sum, c);
        return;
    }
    for (size_t i = 0; i < s.outer; i++, bar += c * s.inner)
        hawq_mm(false, true, c, c, s.inner, 1, bar, s.inner, bar, s.inner, 1,
                sum, c);
}

static void commit(void *self, size_t n, int worker) {
    const job *j = self;
    for (int l = 0; l < j->graph->n_layers; l++) {
        const hawq_layer *layer = &j->graph->layer[l];
        real             *sum = j->sum[worker][l];
        size_t            c = layer->channels;
        if (!j->out[l]) continue;
        for (int i = 0; i < layer->n_nodes; i++) {
            const hawq_tensor *y = layer->node[i]->out[0];
            j->positions[l] += (double)(n * hawq_per_image(j->graph, y) / c);
        }
        for (size_t i = 0; i < c * c; i++) {
            j->out[l][i] += (double)sum[i];
            sum[i] = 0;
        }
    }
}

static bool has_curvature(const hawq_layer *l) {
    return l->axis >= 0 && l->channels <= HAWQ_CURVATURE_ROWS;
}

size_t hawq_curvature_bytes(const hawq_graph *g, int threads) {
    size_t bytes = 0;
    for (int l = 0; l < g->n_layers; l++)
        if (has_curvature(&g->layer[l]))
            bytes += g->layer[l].channels * g->layer[l].channels *
                     (sizeof(double) + (size_t)threads * sizeof(real));
    return bytes;
}

static hawq_status take_sums(job *j, int workers, hawq_arena *arena,
                             hawq_arena *scratch) {
    const hawq_graph *g = j->graph;
    HAWQ_TAKE(j->positions, scratch, (size_t)g->n_layers);
    HAWQ_TAKE(j->sum, scratch, (size_t)workers);
    for (int w = 0; w < workers; w++)
        HAWQ_TAKE(j->sum[w], scratch, (size_t)g->n_layers);
    for (int l = 0; l < g->n_layers; l++) {
        size_t c = g->layer[l].channels;
        j->out[l] = NULL;
        if (!has_curvature(&g->layer[l])) continue;
        HAWQ_TAKE(j->out[l], arena, c * c);
        for (int w = 0; w < workers; w++)
            HAWQ_TAKE(j->sum[w][l], scratch, c * c);
    }
    return HAWQ_OK;
}

static hawq_status find_layers(job *j, hawq_arena *scratch) {
    const hawq_graph *g = j->graph;
    HAWQ_TAKE(j->layer, scratch, (size_t)g->n_nodes);
    for (int i = 0; i < g->n_nodes; i++) {
        j->layer[i] = -1;
        for (int l = 0; l < g->n_layers; l++)
            for (int k = 0; k < g->layer[l].n_nodes; k++)
                if (g->layer[l].node[k] == g->node[i]) j->layer[i] = l;
    }
    return HAWQ_OK;
}

static hawq_status collect(hawq_engine *engine, hawq_threads *threads,
                           const hawq_batch *batch, uint64_t seed,
                           hawq_arena *arena, hawq_arena *scratch,
                           double **out) {
    job            j = {.graph = hawq_engine_graph(engine), .out = out};
    hawq_selection at;
    hawq_factors   factors = {.work = add_node, .commit = commit, .self = &j};
    HAWQ_TRY(find_layers(&j, scratch));
    HAWQ_TRY(take_sums(&j, hawq_threads_count(threads), arena, scratch));
    HAWQ_TRY(hawq_select_weights(j.graph, -1, scratch, &at));
    hawq_engine_factors(engine, batch, &at, seed, &factors);
    for (int l = 0; l < j.graph->n_layers; l++) {
        size_t c = j.graph->layer[l].channels;
        for (size_t i = 0; out[l] && i < c * c; i++)
            out[l][i] /= j.positions[l];
    }
    return HAWQ_OK;
}

hawq_status hawq_curvature_collect(hawq_engine *engine, hawq_threads *threads,
                                   size_t n, const real *x, uint64_t seed,
                                   hawq_arena *arena, double **out) {
    hawq_arena  scratch = {0};
    hawq_batch  batch = {.n = n, .x = x};
    hawq_status status =
        collect(engine, threads, &batch, seed, arena, &scratch, out);
    hawq_arena_free(&scratch);
    return status;
}

hawq_status hawq_curvature_find(hawq_graph *graph, hawq_threads *threads,
                                size_t n, const real *x, uint64_t seed,
                                hawq_arena *arena, double **out) {
    hawq_engine *engine;
    HAWQ_TRY(
        hawq_engine_new(graph, threads, 1, HAWQ_SELF_DISTILLATION, &engine));
    hawq_status status =
        hawq_curvature_collect(engine, threads, n, x, seed, arena, out);
    hawq_engine_free(engine);
    return status;
}
