/* twin.c -- see twin.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/twin.h"

#include "src/graph/mm.h"

#include <string.h>

enum { FLOATS, QUANTIZED, COPIES };

struct hawq_twin {
    hawq_arena        arena;
    const hawq_graph *graph;
    hawq_threads     *threads;
    hawq_planes      *planes; /* [worker * COPIES + copy] */
    real            **put;    /* by tensor id: what stands in a constant's place
                                 in the quantized copy, or NULL */
    real               **room; /* by tensor id: memory for `put` */
    const hawq_rounding *rounding;
    /* of the visit in progress */
    size_t              n;
    const real         *x;
    int                 last;
    const hawq_visitor *visitor;
};

/* One worker's planes of one copy. The image is always copied in, because the
 * last chunk is padded and the quantized copy may round it. */
static hawq_status take_planes(hawq_twin *t, hawq_planes *p, real *scratch) {
    const hawq_graph *g = t->graph;
    HAWQ_TAKE(p->val, &t->arena, (size_t)g->n_tensors);
    HAWQ_TAKE(p->bar, &t->arena, (size_t)g->n_tensors);
    for (int i = 0; i < g->n_tensors; i++) {
        p->val[i] = g->tensor[i]->data;
        if (g->tensor[i]->role == HAWQ_CONSTANT) continue;
        if (g->tensor[i]->dtype != HAWQ_FLOAT) continue;
        HAWQ_TAKE(p->val[i], &t->arena, g->tensor[i]->n);
    }
    p->scratch = scratch;
    return HAWQ_OK;
}

static size_t scratch_reals(const hawq_graph *g) {
    size_t most = 0;
    for (int i = 0; i < g->n_nodes; i++)
        if (g->node[i]->scratch > most) most = g->node[i]->scratch;
    return most;
}

static hawq_status build(hawq_twin *t) {
    size_t n = (size_t)t->graph->n_tensors;
    int    workers = hawq_threads_count(t->threads);
    HAWQ_TRY(hawq_mm_open());
    HAWQ_TAKE(t->put, &t->arena, n);
    HAWQ_TAKE(t->room, &t->arena, n);
    HAWQ_TAKE(t->planes, &t->arena, (size_t)workers * COPIES);
    for (int w = 0; w < workers; w++) {
        real *scratch;
        HAWQ_TAKE(scratch, &t->arena, scratch_reals(t->graph));
        for (int c = 0; c < COPIES; c++)
            HAWQ_TRY(take_planes(t, &t->planes[w * COPIES + c], scratch));
    }
    return HAWQ_OK;
}

hawq_status hawq_twin_new(const hawq_graph *graph, hawq_threads *threads,
                          hawq_twin **out) {
    hawq_arena arena = {0};
    hawq_twin *t;
    HAWQ_TAKE(t, &arena, 1);
    *t = (hawq_twin){.arena = arena, .graph = graph, .threads = threads};
    hawq_status status = build(t);
    if (status == HAWQ_OK)
        *out = t;
    else
        hawq_twin_free(t);
    return status;
}

void hawq_twin_free(hawq_twin *twin) {
    if (!twin) return;
    hawq_arena arena = twin->arena; /* the twin lives in it */
    hawq_arena_free(&arena);
}

size_t hawq_twin_bytes(const hawq_graph *graph, int threads) {
    size_t reals = scratch_reals(graph), weights = 0;
    for (int i = 0; i < graph->n_tensors; i++)
        if (graph->tensor[i]->role != HAWQ_CONSTANT)
            reals += COPIES * graph->tensor[i]->n;
    for (int i = 0; i < graph->n_layers; i++)
        weights += graph->layer[i].weight->n;
    return (reals * (size_t)threads + weights) * sizeof(real);
}

/* --- what the quantized copy computes with ------------------------------ */

static hawq_status place(hawq_twin *t, const hawq_tensor *what, real **out) {
    real **room = &t->room[what->id];
    if (!*room) HAWQ_TAKE(*room, &t->arena, what->n);
    t->put[what->id] = *out = *room;
    return HAWQ_OK;
}

hawq_status hawq_twin_put(hawq_twin *twin, int layer, const hawq_quantized *q) {
    const hawq_layer *l = &twin->graph->layer[layer];
    real             *values;
    twin->put[l->weight->id] = NULL;
    if (l->bias) twin->put[l->bias->id] = NULL;
    if (!q) return HAWQ_OK;
    HAWQ_TRY(place(twin, l->weight, &values));
    hawq_quantized_decode(q, l, values);
    if (!q->bias || !l->bias || l->bias->n != q->rows) return HAWQ_OK;
    HAWQ_TRY(place(twin, l->bias, &values));
    memcpy(values, q->bias, q->rows * sizeof *values);
    return HAWQ_OK;
}

void hawq_twin_round(hawq_twin *twin, const hawq_rounding *rounding) {
    twin->rounding = rounding;
}

/* --- a visit ------------------------------------------------------------- */

static void round_values(const hawq_twin *t, hawq_planes *p,
                         const hawq_tensor *what) {
    const hawq_rounding *how = what ? &t->rounding[what->id] : NULL;
    if (how && how->round) how->round(how->self, p->val[what->id], what->n);
}

static void run_copy(const hawq_twin *t, int copy, hawq_planes *p,
                     const hawq_chunk *chunk) {
    const hawq_graph *g = t->graph;
    const real       *x = t->x + chunk->first * g->n_row;
    bool              rounds = copy == QUANTIZED && t->rounding;
    for (size_t i = 0; i < (size_t)g->batch; i++)
        hawq_graph_feed(g, i, i < chunk->n ? x + i * g->n_row : NULL, p->val);
    for (int i = 0; copy == QUANTIZED && i < g->n_tensors; i++)
        if (g->tensor[i]->data)
            p->val[i] = t->put[i] ? t->put[i] : g->tensor[i]->data;
    for (int k = 0; rounds && k < g->n_inputs; k++)
        round_values(t, p, g->inputs[k].tensor);
    for (int i = 0; i <= t->last; i++) {
        const hawq_node *node = g->node[i];
        node->op->forward(node, p);
        for (int j = 0; rounds && j < node->n_out; j++)
            round_values(t, p, node->out[j]);
    }
}

static hawq_chunk chunk_of(const hawq_twin *t, size_t task, int worker) {
    size_t     size = (size_t)t->graph->batch;
    hawq_chunk c = {.floats = &t->planes[worker * COPIES + FLOATS],
                    .quantized = &t->planes[worker * COPIES + QUANTIZED],
                    .first = task * size,
                    .worker = worker};
    c.n = t->n - c.first < size ? t->n - c.first : size;
    return c;
}

static void work(void *self, size_t task, int worker) {
    hawq_twin   *t = self;
    hawq_chunk   chunk = chunk_of(t, task, worker);
    hawq_planes *p = &t->planes[worker * COPIES];
    if (!t->visitor->quantized_only) run_copy(t, FLOATS, &p[FLOATS], &chunk);
    if (!t->visitor->floats_only) run_copy(t, QUANTIZED, &p[QUANTIZED], &chunk);
    if (t->visitor->work) t->visitor->work(t->visitor->self, &chunk);
}

static void commit(void *self, size_t task, int worker) {
    hawq_twin *t = self;
    hawq_chunk chunk = chunk_of(t, task, worker);
    if (t->visitor->commit) t->visitor->commit(t->visitor->self, &chunk);
}

void hawq_twin_visit(hawq_twin *twin, size_t n, const real *x, int last,
                     const hawq_visitor *visitor) {
    size_t size = (size_t)twin->graph->batch;
    twin->n = n;
    twin->x = x;
    twin->last = last < 0 ? twin->graph->n_nodes - 1 : last;
    twin->visitor = visitor;
    hawq_threads_run(twin->threads, (n + size - 1) / size, work, commit, twin);
}
