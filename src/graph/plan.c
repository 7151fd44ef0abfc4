/* plan.c -- the memory of an engine, and the selections of its results.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/engine.h"
#include "src/graph/mm.h"
#include "src/graph/share.h"

static size_t reals(const hawq_engine_size *s) {
    return s->planes + s->lanes + s->scratch;
}

/* --- planning ---------------------------------------------------------- */

static size_t scratch_reals(const hawq_graph *g, int lanes) {
    size_t most = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        size_t n =
            g->node[i]->scratch + (size_t)lanes * g->node[i]->scratch_lane;
        if (n > most) most = n;
    }
    return most;
}

/* n reals of the pool, or only their bytes: then *out stays what it is. */
static void take_reals(hawq_engine *e, size_t *sum, size_t n, real **out) {
    size_t bytes = (n * sizeof(real) + 63) / 64 * 64;
    *sum += bytes;
    if (e->counting) return;
    *out = (real *)(void *)e->free;
    e->free += bytes;
}

/* The planes of one kind of all tensors computed. */
static hawq_status take_planes(hawq_engine *e, const hawq_sharing *s,
                               real ***out) {
    hawq_mark mark;
    real    **table, **buffer;
    HAWQ_TAKE(table, &e->arena, (size_t)e->graph->n_tensors);
    mark = hawq_arena_mark(&e->arena);
    HAWQ_TAKE(buffer, &e->arena, (size_t)s->n);
    for (int i = 0; i < s->n; i++)
        take_reals(e, &e->size.planes, s->size[i], &buffer[i]);
    for (int i = 0; i < e->graph->n_tensors; i++)
        if (s->buffer[i] >= 0) table[i] = buffer[s->buffer[i]];
    hawq_arena_reset(&e->arena, mark);
    *out = table;
    return HAWQ_OK;
}

/* A plane for every float constant a gradient may be asked for. */
static void take_constants(hawq_engine *e, size_t *sum, real **table) {
    for (int i = 0; i < e->graph->n_tensors; i++)
        if (e->graph->tensor[i]->data)
            take_reals(e, sum, e->graph->tensor[i]->n, &table[i]);
}

/* Lanes in the planes at once: none in an engine without derivatives. */
static int together(int lanes) {
    return lanes < HAWQ_TOGETHER ? lanes : HAWQ_TOGETHER;
}

/* What is the same for all workers. */
typedef struct shared {
    hawq_sharing val, dot, bar, bardot;
} shared;

static hawq_status plan_shared(hawq_engine *e, shared *s) {
    const hawq_graph *g = e->graph;
    hawq_arena       *arena = &e->arena;
    hawq_lives        lives;
    bool             *all;
    HAWQ_TRY(hawq_lives_find(g, arena, &lives));
    HAWQ_TAKE(all, arena, (size_t)g->n_tensors);
    for (int i = 0; i < g->n_tensors; i++) all[i] = e->lanes > 0;
    e->last = lives.last;
    e->keep_bar = lives.keep_bar;
    HAWQ_TRY(hawq_share(g, &lives, false, all, arena, &s->val));
    HAWQ_TRY(hawq_share(g, &lives, false, lives.keep_dot, arena, &s->dot));
    HAWQ_TRY(hawq_share(g, &lives, true, lives.keep_bar, arena, &s->bar));
    return hawq_share(g, &lives, true, NULL, arena, &s->bardot);
}

static hawq_status plan_lanes(hawq_engine *e, const shared *s, hawq_worker *w) {
    size_t n = (size_t)e->graph->n_tensors, width = (size_t)together(e->lanes);
    HAWQ_TAKE(w->planes.dot, &e->arena, width);
    HAWQ_TAKE(w->planes.bardot, &e->arena, width);
    HAWQ_TAKE(w->dot, &e->arena, width);
    HAWQ_TAKE(w->bardot, &e->arena, width);
    HAWQ_TAKE(w->result, &e->arena, (size_t)e->lanes);
    HAWQ_TAKE(w->reading, &e->arena, (size_t)e->lanes * e->channels);
    for (size_t l = 0; l < width; l++) {
        HAWQ_TAKE(w->planes.dot[l], &e->arena, n);
        HAWQ_TAKE(w->planes.bardot[l], &e->arena, n);
        HAWQ_TRY(take_planes(e, &s->dot, &w->dot[l]));
        HAWQ_TRY(take_planes(e, &s->bardot, &w->bardot[l]));
    }
    for (int l = 0; l < e->lanes; l++) {
        HAWQ_TAKE(w->result[l], &e->arena, n);
        take_constants(e, &e->size.lanes, w->result[l]);
    }
    return HAWQ_OK;
}

static hawq_status worker_plan(hawq_engine *e, const shared *s,
                               hawq_worker *w) {
    hawq_graph *g = e->graph;
    size_t      n = (size_t)g->n_tensors;
    HAWQ_TAKE(w->kept, &e->arena, n);
    HAWQ_TAKE(w->planes.val, &e->arena, n);
    HAWQ_TAKE(w->planes.bar, &e->arena, n);
    take_reals(e, &e->size.planes, g->n_row * (size_t)g->batch, &w->input);
    take_reals(e, &e->size.scratch, scratch_reals(g, together(e->lanes)),
               &w->planes.scratch);
    HAWQ_TRY(take_planes(e, &s->val, &w->val));
    if (e->lanes == 0) return HAWQ_OK;
    HAWQ_TRY(take_planes(e, &s->bar, &w->bar));
    take_constants(e, &e->size.planes, w->bar);
    return plan_lanes(e, s, w);
}

static hawq_status plan_readings(hawq_engine *e) {
    const hawq_graph *g = e->graph;
    int              *of_weight; /* by tensor id: 1 + its layer */
    HAWQ_TAKE(e->reads, &e->arena, (size_t)g->n_nodes);
    HAWQ_TAKE(e->first_channel, &e->arena, (size_t)g->n_layers);
    HAWQ_TAKE(of_weight, &e->arena, (size_t)g->n_tensors);
    e->channels = 0;
    for (int l = 0; l < g->n_layers; l++) {
        e->first_channel[l] = e->channels;
        e->channels += g->layer[l].channels;
        of_weight[g->layer[l].weight->id] = l + 1;
    }
    for (int i = 0; i < g->n_nodes; i++) {
        hawq_node *node = g->node[i];
        e->reads[i] = -1;
        for (int j = 0; j < node->n_in; j++) {
            int l = node->in[j] ? of_weight[node->in[j]->id] - 1 : -1;
            if (l >= 0 && g->layer[l].node[0] == node) e->reads[i] = l;
        }
    }
    return HAWQ_OK;
}

/* All workers are alike. */
static hawq_status count_workers(hawq_engine *e, const shared *common,
                                 size_t threads) {
    hawq_engine_size *s = &e->size;
    size_t            before = hawq_arena_bytes(&e->arena);
    HAWQ_TRY(worker_plan(e, common, &e->worker[0]));
    s->total =
        threads * (hawq_arena_bytes(&e->arena) - before + reals(s)) + before;
    s->planes *= threads;
    s->lanes *= threads;
    s->scratch *= threads;
    return HAWQ_OK;
}

static hawq_status plan(hawq_engine *e, int threads) {
    shared s;
    HAWQ_TAKE(e->worker, &e->arena, (size_t)threads);
    HAWQ_TAKE(e->needs, &e->arena, (size_t)e->graph->n_tensors);
    HAWQ_TRY(plan_readings(e));
    HAWQ_TRY(plan_shared(e, &s));
    if (e->counting) return count_workers(e, &s, (size_t)threads);
    for (int i = 0; i < threads; i++)
        HAWQ_TRY(worker_plan(e, &s, &e->worker[i]));
    e->size.total = hawq_arena_bytes(&e->arena);
    return HAWQ_OK;
}

/* `lender` may be NULL. */
static hawq_status engine_new(hawq_graph *graph, hawq_threads *threads,
                              int lanes, hawq_loss loss,
                              const hawq_engine *lender, hawq_engine **out) {
    int              n = hawq_threads_count(threads);
    hawq_engine_size need = hawq_engine_measure(graph, n, lanes);
    if (need.total == SIZE_MAX) return HAWQ_ENOMEM;
    hawq_arena   arena = {0};
    hawq_engine *e = hawq_arena_take(&arena, 1, sizeof *e);
    if (!e) return HAWQ_ENOMEM;
    *e = (hawq_engine){.arena = arena,
                       .graph = graph,
                       .threads = threads,
                       .loss = loss,
                       .lanes = lanes};
    hawq_status status = HAWQ_ENOMEM;
    if (lender && reals(&need) <= reals(&lender->size))
        e->pool = lender->pool;
    else
        e->pool = hawq_arena_take(&e->arena, reals(&need), 1);
    e->free = e->pool;
    if (e->pool) status = plan(e, n);
    if (status != HAWQ_OK)
        hawq_engine_free(e);
    else
        *out = e;
    return status;
}

hawq_status hawq_engine_new(hawq_graph *graph, hawq_threads *threads, int lanes,
                            hawq_loss loss, hawq_engine **out) {
    HAWQ_TRY(hawq_mm_open());
    return engine_new(graph, threads, lanes, loss, NULL, out);
}

hawq_status hawq_engine_twin(const hawq_engine *engine, hawq_graph *graph,
                             hawq_engine **out) {
    return engine_new(graph, engine->threads, 1, engine->loss, engine, out);
}

void hawq_engine_free(hawq_engine *engine) {
    if (!engine) return;
    hawq_arena arena = engine->arena; /* the engine itself lives in it */
    hawq_arena_free(&arena);
}

const hawq_graph *hawq_engine_graph(const hawq_engine *engine) {
    return engine->graph;
}

hawq_engine_size hawq_engine_measure(hawq_graph *g, int threads, int lanes) {
    hawq_engine  e = {.graph = g, .lanes = lanes, .counting = true};
    hawq_engine *self = hawq_arena_take(&e.arena, 1, sizeof e); /* counts */
    if (!self || plan(&e, threads) != HAWQ_OK) e.size.total = SIZE_MAX;
    hawq_arena_free(&e.arena);
    return e.size;
}

hawq_engine_size hawq_engine_taken(const hawq_engine *engine) {
    return engine->size;
}

/* --- selections -------------------------------------------------------- */

/* seen: by tensor id, those that are in it. */
static hawq_status select_new(const hawq_graph *g, int capacity,
                              hawq_arena *arena, hawq_selection *out,
                              bool **seen) {
    HAWQ_TAKE(*seen, arena, (size_t)g->n_tensors);
    *out = (hawq_selection){0};
    HAWQ_TAKE(out->tensor, arena, (size_t)capacity);
    HAWQ_TAKE(out->offset, arena, (size_t)capacity + 1);
    return HAWQ_OK;
}

static void select_add(hawq_selection *s, bool *seen, hawq_tensor *t) {
    if (seen[t->id]) return; /* a shared bias counts once */
    seen[t->id] = true;
    s->tensor[s->n] = t;
    s->offset[s->n + 1] = s->offset[s->n] + t->n;
    s->n++;
}

hawq_status hawq_select_weights(const hawq_graph *g, int only,
                                hawq_arena *arena, hawq_selection *out) {
    bool *seen;
    HAWQ_TRY(select_new(g, g->n_layers, arena, out, &seen));
    for (int i = 0; i < g->n_layers; i++)
        if (only < 0 || only == i) select_add(out, seen, g->layer[i].weight);
    return HAWQ_OK;
}

hawq_status hawq_select_parameters(const hawq_graph *g, hawq_arena *arena,
                                   hawq_selection *out) {
    bool *seen;
    HAWQ_TRY(select_new(g, 2 * g->n_layers, arena, out, &seen));
    for (int i = 0; i < g->n_layers; i++) {
        select_add(out, seen, g->layer[i].weight);
        if (g->layer[i].bias) select_add(out, seen, g->layer[i].bias);
    }
    return HAWQ_OK;
}
