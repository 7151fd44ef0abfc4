/* sweep.c -- chunks of a batch through the four sweeps; see sweep.h.
 *
 * A call fills a `call` record, decides which planes are alive (`needs`),
 * points every worker's plane tables accordingly, and runs one task per chunk:
 *
 *     work    forward, adjoint, then for every direction tangent and
 *             adjoint_tangent, all in the worker's own planes
 *     commit  adds the worker's results in double, chunk after chunk
 *
 * Where only readings are wanted (reading.h), constants have no bar and no
 * bardot, and what a layer's output keeps of v * x lives in its bar, which
 * nothing needs after the adjoint sweep.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/rng.h"
#include "src/graph/engine.h"
#include "src/graph/reading.h"
#include "src/graph/score.h"

#include <string.h>

enum { DOT = 1, BAR = 2 }; /* bits of engine.needs */

typedef struct call {
    hawq_engine          *e;
    const hawq_batch     *batch;
    const hawq_selection *seed, *at;
    const real           *v;     /* first lane's direction */
    int                   lanes; /* in use by this call */
    hawq_curvature        curvature;
    bool                  want_loss;
    real                 *outputs;
    double               *products; /* first lane's row, or NULL */
    double               *gradient; /* or NULL */
    double               *readings; /* instead of products, or NULL */
    double               *squares;  /* instead of all else, or NULL */
    const hawq_factors   *factors;  /* instead of all else, or NULL */
    uint64_t              key;      /* of the signs for squares and factors */
    double                loss;
    double                images; /* the rows that count are worth so many */
    size_t                correct;
    hawq_visit           *visit;
    void                 *visitor;
} call;

/* --- what a call needs ------------------------------------------------- */

static void mark_selection(hawq_engine *e, const hawq_selection *s, int bit) {
    for (int i = 0; s && i < s->n; i++)
        e->needs[s->tensor[i]->id] |= (unsigned char)bit;
}

/* dot flows down from the seeds; bar is wanted wherever the result's tensors
 * flow down to. */
static void mark_needs(hawq_engine *e, const hawq_selection *seed,
                       const hawq_selection *at) {
    hawq_graph *g = e->graph;
    memset(e->needs, 0, (size_t)g->n_tensors);
    mark_selection(e, seed, DOT);
    mark_selection(e, at, BAR);
    for (int i = 0; i < g->n_nodes; i++) {
        unsigned char bits = 0;
        for (int j = 0; j < g->node[i]->n_in; j++)
            if (g->node[i]->in[j]) bits |= e->needs[g->node[i]->in[j]->id];
        for (int j = 0; j < g->node[i]->n_out; j++)
            if (g->node[i]->out[j]) e->needs[g->node[i]->out[j]->id] |= bits;
    }
}

static void point_primal(const call *c, hawq_worker *w) {
    const hawq_engine *e = c->e;
    const hawq_graph  *g = e->graph;
    for (int i = 0; i < g->n_tensors; i++) {
        const hawq_tensor *t = g->tensor[i];
        w->planes.val[i] = t->data ? t->data : w->val[i];
        bool results = t->data && !c->readings && !c->factors;
        bool wanted = e->needs[i] & BAR && (results || !t->data);
        w->planes.bar[i] = wanted ? w->bar[i] : NULL;
    }
}

/* Directions [first, first + n) move into the planes. */
static void point_lanes(const call *c, hawq_worker *w, int first, int n) {
    const hawq_engine *e = c->e;
    const hawq_graph  *g = e->graph;
    w->planes.lanes = n;
    for (int l = 0; l < n; l++) {
        for (int i = 0; i < g->n_tensors; i++) {
            real *result = c->readings ? NULL : w->result[first + l][i];
            real *bardot = g->tensor[i]->data ? result : w->bardot[l][i];
            w->planes.dot[l][i] = e->needs[i] & DOT ? w->dot[l][i] : NULL;
            w->planes.bardot[l][i] = e->needs[i] & BAR ? bardot : NULL;
        }
        const real *v =
            c->v + (size_t)(first + l) * hawq_selection_total(c->seed);
        for (int k = 0; k < c->seed->n; k++) /* read only: an operand */
            w->planes.dot[l][c->seed->tensor[k]->id] =
                (real *)v + c->seed->offset[k];
    }
}

/* --- the sweeps on one chunk ------------------------------------------- */

static bool node_needs(const hawq_engine *e, const hawq_node *node, int bit) {
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] && e->needs[node->out[i]->id] & bit) return true;
    return false;
}

static void round_values(const hawq_engine *e, hawq_worker *w,
                         const hawq_tensor *t) {
    const hawq_rounding *how = t ? &e->rounding[t->id] : NULL;
    if (how && how->round) how->round(how->self, w->planes.val[t->id], t->n);
}

static void sweep_forward(const hawq_engine *e, hawq_worker *w) {
    for (int i = 0; i < e->graph->n_nodes; i++) {
        const hawq_node *node = e->graph->node[i];
        node->op->forward(node, &w->planes);
        for (int j = 0; e->rounding && j < node->n_out; j++)
            round_values(e, w, node->out[j]);
    }
}

static void zero_constants(const hawq_engine *e, real **table) {
    const hawq_graph *g = e->graph;
    for (int i = 0; i < g->n_tensors; i++)
        if (table[i] && g->tensor[i]->data)
            memset(table[i], 0, g->tensor[i]->n * sizeof(real));
}

/* The planes whose lives begin, on the way back, at node i. */
static void zero_new(const hawq_engine *e, real **table, int i) {
    const hawq_node *node = e->graph->node[i];
    for (int j = 0; j < node->n_in + node->n_out; j++) {
        const hawq_tensor *t =
            j < node->n_in ? node->in[j] : node->out[j - node->n_in];
        if (t && e->last[t->id] == i && table[t->id])
            memset(table[t->id], 0, t->n * sizeof(real));
    }
}

/* n: valid images of the chunk. */
static void sweep_adjoint(const call *c, hawq_worker *w, size_t n) {
    const hawq_engine *e = c->e;
    zero_constants(e, w->planes.bar);
    for (int i = e->graph->n_nodes; i-- > 0;) {
        const hawq_node *node = e->graph->node[i];
        zero_new(e, w->planes.bar, i);
        if (!node_needs(e, node, BAR)) continue;
        if (c->factors) /* bar of what the node computes is whole now */
            c->factors->work(c->factors->self, i, &w->planes, n,
                             (int)(w - e->worker));
        node->op->adjoint(node, &w->planes);
    }
}

/* The planes of one lane dressed as val and bar, for linear operators. */
static hawq_planes lane_view(const hawq_worker *w, int lane) {
    return (hawq_planes){.val = w->planes.dot[lane],
                         .bar = w->planes.bardot[lane],
                         .scratch = w->planes.scratch};
}

static void sweep_tangent(const call *c, hawq_worker *w) {
    const hawq_engine *e = c->e;
    for (int i = 0; i < e->graph->n_nodes; i++) {
        const hawq_node *node = e->graph->node[i];
        if (!node_needs(e, node, DOT)) continue;
        if (c->readings && e->reads[i] >= 0) {
            hawq_read_tangent(node, &w->planes, w->bar[node->out[0]->id]);
            continue;
        }
        if (node->op->tangent) {
            node->op->tangent(node, &w->planes);
            continue;
        }
        for (int l = 0; l < w->planes.lanes; l++) {
            hawq_planes view = lane_view(w, l);
            node->op->forward(node, &view);
        }
    }
}

/* Gauss-Newton's matrix is the Hessian without bar. */
static real **keep_bars(const call *c, hawq_worker *w) {
    bool any = c->curvature != HAWQ_GAUSS_NEWTON;
    for (int i = 0; i < c->e->graph->n_tensors; i++)
        w->kept[i] = any && c->e->keep_bar[i] ? w->planes.bar[i] : NULL;
    return w->kept;
}

/* For the direction `lane` of the call. */
static void sweep_adjoint_tangent(const call *c, hawq_worker *w, int lane) {
    const hawq_engine *e = c->e;
    hawq_planes        planes = w->planes;
    double            *reading = w->reading + (size_t)lane * e->channels;
    planes.bar = keep_bars(c, w);
    for (int l = 0; l < planes.lanes; l++) zero_constants(e, planes.bardot[l]);
    for (int i = e->graph->n_nodes; i-- > 0;) {
        const hawq_node *node = e->graph->node[i];
        for (int l = 0; l < planes.lanes; l++) zero_new(e, planes.bardot[l], i);
        if (!node_needs(e, node, BAR)) continue;
        if (c->readings && e->reads[i] >= 0) {
            hawq_read_adjoint(&e->graph->layer[e->reads[i]], &planes,
                              w->bar[node->out[0]->id],
                              reading + e->first_channel[e->reads[i]]);
            continue;
        }
        if (node->op->adjoint_tangent) {
            node->op->adjoint_tangent(node, &planes);
            continue;
        }
        for (int l = 0; l < planes.lanes; l++) {
            hawq_planes view = lane_view(w, l);
            node->op->adjoint(node, &view);
        }
    }
}

/* --- one chunk --------------------------------------------------------- */

static size_t images_in(const call *c, size_t chunk) {
    size_t size = (size_t)c->e->graph->batch, first = chunk * size;
    return c->batch->n - first < size ? c->batch->n - first : size;
}

static void load_input(const call *c, hawq_worker *w, size_t chunk, size_t n) {
    const hawq_graph    *g = c->e->graph;
    const real          *x = c->batch->x + chunk * (size_t)g->batch * g->n_row;
    const hawq_rounding *all = c->e->rounding;
    bool                 rounds = false;
    for (int k = 0; all && k < g->n_inputs; k++)
        rounds |= all[g->inputs[k].tensor->id].round != NULL;
    if (n == (size_t)g->batch && !rounds && hawq_graph_takes_rows(g)) {
        w->planes.val[g->input->id] = (real *)x; /* read only */
        return;
    }
    for (int k = 0; k < g->n_inputs; k++)
        w->planes.val[g->inputs[k].tensor->id] =
            w->input + g->inputs[k].start * (size_t)g->batch;
    for (size_t i = 0; i < (size_t)g->batch; i++) /* pad with the last image */
        hawq_graph_feed(g, i, x + (i < n ? i : n - 1) * g->n_row,
                        w->planes.val);
    for (int k = 0; rounds && k < g->n_inputs; k++)
        round_values(c->e, w, g->inputs[k].tensor);
}

/* Loss of the chunk; seeds bar of the output if it is wanted. */
static void seed_loss(const call *c, hawq_worker *w, size_t chunk, size_t n) {
    const hawq_graph *g = c->e->graph;
    hawq_rows         rows = hawq_score_rows(g);
    size_t            each = rows.rows * rows.classes;
    size_t            first = chunk * (size_t)g->batch;
    const real       *z = w->planes.val[g->output->id];
    real             *bar = w->planes.bar[g->output->id];
    const hawq_batch *b = c->batch;
    w->loss = 0;
    w->correct = 0;
    if (bar) memset(bar, 0, g->output->n * sizeof(real));
    for (size_t i = 0; i < n; i++) {
        const int64_t *label =
            b->labels ? b->labels + (first + i) * rows.rows : NULL;
        const real *target =
            b->targets ? b->targets + (first + i) * each : NULL;
        w->loss +=
            hawq_loss_value(c->e->loss, rows, z + i * each, label, target,
                            1 / c->images, bar ? bar + i * each : NULL);
        if (label) w->correct += hawq_score_correct(rows, z + i * each, label);
    }
}

/* The labels of image i of the batch, or NULL. */
static const int64_t *labels_of(const call *c, size_t i) {
    const int64_t *labels = c->batch->labels;
    return labels ? labels + i * hawq_score_rows(c->e->graph).rows : NULL;
}

static void seed_curvature(const call *c, hawq_worker *w, size_t first,
                           size_t n) {
    const hawq_graph *g = c->e->graph;
    hawq_rows         rows = hawq_score_rows(g);
    size_t            each = rows.rows * rows.classes;
    const real       *z = w->planes.val[g->output->id];
    for (int l = 0; l < w->planes.lanes; l++) {
        real *bardot = w->planes.bardot[l][g->output->id];
        real *dot = w->planes.dot[l][g->output->id];
        memset(bardot, 0, g->output->n * sizeof(real));
        bool seeded = dot && c->curvature != HAWQ_SECOND_ORDER;
        for (size_t i = 0; seeded && i < n; i++)
            hawq_loss_curvature(c->e->loss, rows, z + i * each,
                                labels_of(c, first + i), 1 / c->images,
                                dot + i * each, bardot + i * each);
    }
}

/* Directions from `first` on, as many as fit in the planes; n images from
 * `image` on. */
static void sweep_directions(const call *c, hawq_worker *w, int first,
                             size_t image, size_t n) {
    int left = c->lanes - first;
    point_lanes(c, w, first, left < HAWQ_TOGETHER ? left : HAWQ_TOGETHER);
    sweep_tangent(c, w);
    seed_curvature(c, w, image, n);
    sweep_adjoint_tangent(c, w, first);
}

/* The bars of the outputs of layers: theirs, or free to keep v * x. */
static void lend_bars(const call *c, hawq_worker *w, bool lend) {
    const hawq_engine *e = c->e;
    for (int i = 0; c->readings && i < e->graph->n_nodes; i++) {
        int z = e->graph->node[i]->out[0]->id;
        if (e->reads[i] >= 0) w->planes.bar[z] = lend ? NULL : w->bar[z];
    }
}

/* squares of one image */
static void square_gradients(const call *c, hawq_worker *w, size_t image) {
    const hawq_engine *e = c->e;
    int                z = e->graph->output->id;
    hawq_loss_factor(e->loss, hawq_score_rows(e->graph), w->planes.val[z],
                     labels_of(c, image), 1 / c->images,
                     hawq_rng_key(c->key, image, 0, 0), w->planes.bar[z]);
    sweep_adjoint(c, w, 1);
    memset(w->reading, 0, e->channels * sizeof *w->reading);
    for (int l = 0; l < e->graph->n_layers; l++)
        hawq_add_squares(&e->graph->layer[l],
                         w->planes.bar[e->graph->layer[l].weight->id],
                         w->reading + e->first_channel[l]);
}

/* One factor for each of the chunk's n images; `first` is the number of the
 * first. Images that only fill the chunk up have none. */
static void sweep_factors(const call *c, hawq_worker *w, size_t first,
                          size_t n) {
    const hawq_graph *g = c->e->graph;
    size_t            each = hawq_per_image(g, g->output);
    const real       *z = w->planes.val[g->output->id];
    real             *bar = w->planes.bar[g->output->id];
    memset(bar, 0, g->output->n * sizeof *bar);
    for (size_t i = 0; i < n; i++)
        hawq_loss_factor(c->e->loss, hawq_score_rows(g), z + i * each,
                         labels_of(c, first + i), 1,
                         hawq_rng_key(c->key, first + i, 0, 0), bar + i * each);
    sweep_adjoint(c, w, n);
}

static void work(void *self, size_t chunk, int index) {
    const call  *c = self;
    hawq_worker *w = &c->e->worker[index];
    size_t       n = images_in(c, chunk);
    size_t       each = hawq_per_image(c->e->graph, c->e->graph->output);
    size_t       first = chunk * (size_t)c->e->graph->batch;
    load_input(c, w, chunk, n);
    lend_bars(c, w, false);
    w->planes.exact = !c->seed;
    sweep_forward(c->e, w);
    if (c->outputs)
        memcpy(c->outputs + first * each,
               w->planes.val[c->e->graph->output->id], n * each * sizeof(real));
    if (c->want_loss) seed_loss(c, w, chunk, n);
    if (c->squares) square_gradients(c, w, first);
    if (c->factors) sweep_factors(c, w, first, n);
    if (!c->at || c->squares || c->factors) return;
    if (c->curvature != HAWQ_GAUSS_NEWTON || c->gradient)
        sweep_adjoint(c, w, n);
    lend_bars(c, w, true);
    if (c->readings)
        memset(w->reading, 0,
               (size_t)c->lanes * c->e->channels * sizeof *w->reading);
    for (int l = 0; c->seed && l < c->lanes; l += HAWQ_TOGETHER)
        sweep_directions(c, w, l, first, n);
}

static void add_selection(const hawq_selection *at, real *const *table,
                          double *sum) {
    for (int k = 0; k < at->n; k++) {
        const real *x = table[at->tensor[k]->id];
        double     *y = sum + at->offset[k];
        size_t      n = at->offset[k + 1] - at->offset[k];
        for (size_t i = 0; i < n; i++) y[i] += x[i];
    }
}

static void commit(void *self, size_t chunk, int index) {
    call        *c = self;
    hawq_worker *w = &c->e->worker[index];
    c->loss += w->loss;
    c->correct += w->correct;
    if (c->gradient) add_selection(c->at, w->planes.bar, c->gradient);
    size_t readings = (size_t)c->lanes * c->e->channels;
    for (size_t i = 0; c->readings && i < readings; i++)
        c->readings[i] += w->reading[i];
    for (size_t i = 0; c->squares && i < c->e->channels; i++)
        c->squares[i] += w->reading[i];
    for (int l = 0; c->products && l < c->lanes; l++)
        add_selection(c->at, w->result[l],
                      c->products + (size_t)l * hawq_selection_total(c->at));
    if (c->factors)
        c->factors->commit(c->factors->self, images_in(c, chunk), index);
    if (c->visit)
        c->visit(c->visitor, c->e->graph, &w->planes,
                 chunk * (size_t)c->e->graph->batch, images_in(c, chunk));
}

/* As many images as all rows that count make. */
static double count_images(const call *c) {
    const hawq_batch *b = c->batch;
    double            n = (double)b->n;
    if (!b->labels) return n;
    double rows = (double)hawq_score_rows(c->e->graph).rows;
    double counted = (double)hawq_score_count(c->e->graph, b);
    return counted == 0 ? n : counted / rows;
}

static void run(call *c) {
    hawq_engine *e = c->e;
    mark_needs(e, c->seed, c->at);
    for (int i = 0; i < hawq_threads_count(e->threads); i++)
        point_primal(c, &e->worker[i]);
    size_t size = (size_t)e->graph->batch;
    c->loss = 0;
    c->correct = 0;
    c->images = count_images(c);
    hawq_threads_run(e->threads, (c->batch->n + size - 1) / size, work, commit,
                     c);
    c->loss /= c->images;
}

/* --- the public calls -------------------------------------------------- */

void hawq_engine_forward(hawq_engine *engine, const hawq_batch *batch,
                         real *outputs, double *loss, size_t *n_correct) {
    call c = {.e = engine,
              .batch = batch,
              .outputs = outputs,
              .want_loss = loss || n_correct};
    run(&c);
    if (loss) *loss = c.loss;
    if (n_correct) *n_correct = c.correct;
}

void hawq_engine_gradient(hawq_engine *engine, const hawq_batch *batch,
                          const hawq_selection *at, double *gradient,
                          double *loss, size_t *n_correct) {
    call c = {.e = engine,
              .batch = batch,
              .at = at,
              .want_loss = true,
              .gradient = gradient};
    memset(gradient, 0, hawq_selection_total(at) * sizeof *gradient);
    run(&c);
    if (loss) *loss = c.loss;
    if (n_correct) *n_correct = c.correct;
}

/* The call for m directions, as many at a time as the engine has lanes. */
static void run_lanes(const call *all, int m) {
    const hawq_engine *e = all->e;
    for (int first = 0; first < m; first += e->lanes) {
        call   c = *all;
        size_t row = (size_t)first;
        c.lanes = m - first < e->lanes ? m - first : e->lanes;
        c.v += row * hawq_selection_total(c.seed);
        if (c.products) c.products += row * hawq_selection_total(c.at);
        if (c.readings) c.readings += row * e->channels;
        if (first > 0) c.gradient = NULL;
        run(&c);
    }
}

void hawq_engine_products(hawq_engine *engine, const hawq_batch *batch,
                          hawq_curvature curvature, int m,
                          const hawq_selection *seed, const real *v,
                          const hawq_selection *at, double *products,
                          double *gradient) {
    call   c = {.e = engine,
                .batch = batch,
                .seed = seed,
                .at = at,
                .v = v,
                .curvature = curvature,
                .want_loss = true,
                .products = products,
                .gradient = gradient};
    size_t rows = hawq_selection_total(at);
    memset(products, 0, (size_t)m * rows * sizeof *products);
    if (gradient) memset(gradient, 0, rows * sizeof *gradient);
    run_lanes(&c, m);
}

void hawq_engine_readings(hawq_engine *engine, const hawq_batch *batch,
                          hawq_curvature curvature, int m,
                          const hawq_selection *seed, const real *v,
                          double *readings) {
    call c = {.e = engine,
              .batch = batch,
              .seed = seed,
              .at = seed,
              .v = v,
              .curvature = curvature,
              .want_loss = true,
              .readings = readings};
    memset(readings, 0, (size_t)m * engine->channels * sizeof *readings);
    run_lanes(&c, m);
}

void hawq_engine_round(hawq_engine *engine, const hawq_rounding *rounding) {
    engine->rounding = rounding;
}

void hawq_engine_squares(hawq_engine *engine, const hawq_batch *batch,
                         const hawq_selection *at, uint64_t key,
                         double *readings) {
    call c = {
        .e = engine, .batch = batch, .at = at, .squares = readings, .key = key};
    memset(readings, 0, engine->channels * sizeof *readings);
    run(&c);
}

void hawq_engine_factors(hawq_engine *engine, const hawq_batch *batch,
                         const hawq_selection *at, uint64_t key,
                         const hawq_factors *factors) {
    call c = {
        .e = engine, .batch = batch, .at = at, .factors = factors, .key = key};
    run(&c);
}

void hawq_engine_visit(hawq_engine *engine, const hawq_batch *batch,
                       hawq_visit *visit, void *self) {
    call c = {.e = engine, .batch = batch, .visit = visit, .visitor = self};
    run(&c);
}
