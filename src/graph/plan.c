/* plan.c -- the memory of an engine, and the selections of its results.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/engine.h"
#include "src/graph/mm.h"

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

/* n reals, or only their bytes: then *out stays what it is. */
static hawq_status take_reals(hawq_engine *e, size_t *sum, size_t n,
                              real **out) {
    size_t reals = (n * sizeof(real) + 63) / 64 * 64; /* as the arena rounds */
    *sum += reals;
    if (e->counting) return HAWQ_OK;
    HAWQ_TAKE(*out, &e->arena, n);
    return HAWQ_OK;
}

/* A plane for every tensor computed (ACTIVATIONS), for every float constant a
 * gradient may be asked for (CONSTANTS), or for both. */
enum { ACTIVATIONS = 1, CONSTANTS = 2 };

static hawq_status take_table(hawq_engine *e, size_t *sum, int which,
                              real ***out) {
    hawq_graph *g = e->graph;
    real      **table;
    HAWQ_TAKE(table, &e->arena, (size_t)g->n_tensors);
    for (int i = 0; i < g->n_tensors; i++) {
        const hawq_tensor *t = g->tensor[i];
        if ((which & ACTIVATIONS && t->role == HAWQ_ACTIVATION) ||
            (which & CONSTANTS && t->data))
            HAWQ_TRY(take_reals(e, sum, t->n, &table[i]));
    }
    *out = table;
    return HAWQ_OK;
}

/* Inference: buffers pass from a tensor to a later one when its last reader
 * is done. Smallest free buffer that fits, else a new one. */
typedef struct buffer {
    size_t n;    /* reals */
    int    free; /* index of the node after which it is free */
    real  *at;
} buffer;

static int last_reader(const hawq_graph *g, const hawq_tensor *t, int maker) {
    int last = maker;
    for (int i = maker; i < g->n_nodes; i++)
        for (int j = 0; j < g->node[i]->n_in; j++)
            if (g->node[i]->in[j] == t) last = i;
    return t == g->output ? g->n_nodes : last;
}

static buffer *find_buffer(buffer *b, int n, size_t need, int node) {
    buffer *best = NULL;
    for (int i = 0; i < n; i++)
        if (b[i].free < node && b[i].n >= need && (!best || b[i].n < best->n))
            best = &b[i];
    return best;
}

static hawq_status take_shared_table(hawq_engine *e, real ***out) {
    hawq_graph *g = e->graph;
    real      **table;
    buffer     *b;
    int         n = 0;
    HAWQ_TAKE(table, &e->arena, (size_t)g->n_tensors);
    HAWQ_TAKE(b, &e->arena, (size_t)g->n_tensors);
    for (int i = 0; i < g->n_nodes; i++)
        for (int j = 0; j < g->node[i]->n_out; j++) {
            const hawq_tensor *t = g->node[i]->out[j];
            if (!t) continue;
            buffer *use = find_buffer(b, n, t->n, i);
            if (!use) {
                use = &b[n++];
                use->n = t->n;
                HAWQ_TRY(take_reals(e, &e->size.planes, t->n, &use->at));
            }
            use->free = last_reader(g, t, i);
            table[t->id] = use->at;
        }
    *out = table;
    return HAWQ_OK;
}

/* Lanes in the planes at once: none in an engine without derivatives. */
static int together(int lanes) {
    return lanes < HAWQ_TOGETHER ? lanes : HAWQ_TOGETHER;
}

static hawq_status plan_lanes(hawq_engine *e, hawq_worker *w) {
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
        HAWQ_TRY(take_table(e, &e->size.planes, ACTIVATIONS, &w->dot[l]));
        HAWQ_TRY(take_table(e, &e->size.planes, ACTIVATIONS, &w->bardot[l]));
    }
    for (int l = 0; l < e->lanes; l++)
        HAWQ_TRY(take_table(e, &e->size.lanes, CONSTANTS, &w->result[l]));
    return HAWQ_OK;
}

static hawq_status worker_plan(hawq_engine *e, hawq_worker *w) {
    hawq_graph *g = e->graph;
    size_t      n = (size_t)g->n_tensors;
    HAWQ_TAKE(w->none, &e->arena, n);
    HAWQ_TAKE(w->planes.val, &e->arena, n);
    HAWQ_TAKE(w->planes.bar, &e->arena, n);
    HAWQ_TRY(take_reals(e, &e->size.planes, g->input->n, &w->input));
    HAWQ_TRY(take_reals(e, &e->size.scratch,
                        scratch_reals(g, together(e->lanes)),
                        &w->planes.scratch));
    if (e->lanes == 0) return take_shared_table(e, &w->val);
    HAWQ_TRY(take_table(e, &e->size.planes, ACTIVATIONS, &w->val));
    HAWQ_TRY(take_table(e, &e->size.planes, ACTIVATIONS | CONSTANTS, &w->bar));
    return plan_lanes(e, w);
}

static hawq_status plan_readings(hawq_engine *e) {
    const hawq_graph *g = e->graph;
    HAWQ_TAKE(e->reads, &e->arena, (size_t)g->n_nodes);
    HAWQ_TAKE(e->first_channel, &e->arena, (size_t)g->n_layers);
    e->channels = 0;
    for (int i = 0; i < g->n_nodes; i++) e->reads[i] = -1;
    for (int l = 0; l < g->n_layers; l++) {
        e->first_channel[l] = e->channels;
        e->channels += g->layer[l].channels;
        for (int i = 0; i < g->n_nodes; i++)
            if (g->node[i] == g->layer[l].node[0]) e->reads[i] = l;
    }
    return HAWQ_OK;
}

/* All workers are alike. */
static hawq_status count_workers(hawq_engine *e, size_t threads) {
    hawq_engine_size *s = &e->size;
    size_t            shared = hawq_arena_bytes(&e->arena);
    HAWQ_TRY(worker_plan(e, &e->worker[0]));
    s->total = threads * (hawq_arena_bytes(&e->arena) - shared + s->planes +
                          s->lanes + s->scratch) +
               shared;
    s->planes *= threads;
    s->lanes *= threads;
    s->scratch *= threads;
    return HAWQ_OK;
}

static hawq_status plan(hawq_engine *e, int threads) {
    HAWQ_TAKE(e->worker, &e->arena, (size_t)threads);
    HAWQ_TAKE(e->needs, &e->arena, (size_t)e->graph->n_tensors);
    HAWQ_TRY(plan_readings(e));
    if (e->counting) return count_workers(e, (size_t)threads);
    for (int i = 0; i < threads; i++) HAWQ_TRY(worker_plan(e, &e->worker[i]));
    e->size.total = hawq_arena_bytes(&e->arena);
    return HAWQ_OK;
}

hawq_status hawq_engine_new(hawq_graph *graph, hawq_threads *threads, int lanes,
                            hawq_loss loss, hawq_engine **out) {
    HAWQ_TRY(hawq_mm_open());
    hawq_arena   arena = {0};
    hawq_engine *e = hawq_arena_take(&arena, 1, sizeof *e);
    if (!e) return HAWQ_ENOMEM;
    *e = (hawq_engine){.arena = arena,
                       .graph = graph,
                       .threads = threads,
                       .loss = loss,
                       .lanes = lanes};
    hawq_status status = plan(e, hawq_threads_count(threads));
    if (status != HAWQ_OK)
        hawq_engine_free(e);
    else
        *out = e;
    return status;
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
    hawq_engine *self = hawq_arena_take(&e.arena, 1, sizeof e);
    if (!self || plan(&e, threads) != HAWQ_OK) e.size.total = SIZE_MAX;
    hawq_arena_free(&e.arena);
    return e.size;
}

hawq_engine_size hawq_engine_taken(const hawq_engine *engine) {
    return engine->size;
}

/* --- selections -------------------------------------------------------- */

static hawq_status select_new(int capacity, hawq_arena *arena,
                              hawq_selection *out) {
    *out = (hawq_selection){0};
    HAWQ_TAKE(out->tensor, arena, (size_t)capacity);
    HAWQ_TAKE(out->offset, arena, (size_t)capacity + 1);
    return HAWQ_OK;
}

static void select_add(hawq_selection *s, hawq_tensor *t) {
    for (int i = 0; i < s->n; i++)
        if (s->tensor[i] == t) return; /* a shared bias counts once */
    s->tensor[s->n] = t;
    s->offset[s->n + 1] = s->offset[s->n] + t->n;
    s->n++;
}

hawq_status hawq_select_weights(const hawq_graph *g, int only,
                                hawq_arena *arena, hawq_selection *out) {
    HAWQ_TRY(select_new(g->n_layers, arena, out));
    for (int i = 0; i < g->n_layers; i++)
        if (only < 0 || only == i) select_add(out, g->layer[i].weight);
    return HAWQ_OK;
}

hawq_status hawq_select_parameters(const hawq_graph *g, hawq_arena *arena,
                                   hawq_selection *out) {
    HAWQ_TRY(select_new(2 * g->n_layers, arena, out));
    for (int i = 0; i < g->n_layers; i++) {
        select_add(out, g->layer[i].weight);
        if (g->layer[i].bias) select_add(out, g->layer[i].bias);
    }
    return HAWQ_OK;
}
