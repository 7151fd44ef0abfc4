/* mixing.c -- see mixing.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/mixing.h"

#include "src/base/rng.h"
#include "src/graph/mm.h"
#include "src/graph/share.h"

#include <math.h>

static const size_t most_elements = (size_t)1 << 25;

/* Rounding may depend on the place in a batch, and adds up over layers. */
static const double tolerance = 1e-3;

typedef struct trial {
    const hawq_graph *g;
    hawq_arena        arena;
    hawq_planes       run[2];
    /* by tensor id: a's part is the same in both runs; something computed from
     * it is */
    bool *same, *recovers;
} trial;

/* Image i of run r: the shared image, or one of the other two. */
static void make_images(const hawq_graph *g, int r, real *row,
                        real *const *val) {
    for (int i = 0; i < g->batch; i++) {
        uint64_t which = i == r ? 0 : 1 + (uint64_t)r;
        for (int k = 0; k < g->n_inputs; k++) {
            const hawq_input *in = &g->inputs[k];
            uint64_t          key = hawq_rng_key(which, (uint64_t)k, 0, 0);
            for (size_t j = 0; j < in->n; j++) {
                double x = hawq_rng_uniform(key, j);
                row[in->start + j] =
                    (real)(in->tensor->whole ? floor(2 * x) : x);
            }
        }
        hawq_graph_feed(g, (size_t)i, row, val);
    }
}

static hawq_status take_planes(trial *t, const hawq_sharing *s,
                               hawq_planes *planes) {
    const hawq_graph *g = t->g;
    real            **buffer;
    size_t            scratch = 0;
    for (int i = 0; i < g->n_nodes; i++)
        if (g->node[i]->scratch > scratch) scratch = g->node[i]->scratch;
    HAWQ_TAKE(planes->val, &t->arena, (size_t)g->n_tensors);
    HAWQ_TAKE(planes->scratch, &t->arena, scratch);
    HAWQ_TAKE(buffer, &t->arena, (size_t)s->n);
    for (int i = 0; i < s->n; i++) HAWQ_TAKE(buffer[i], &t->arena, s->size[i]);
    for (int i = 0; i < g->n_tensors; i++)
        planes->val[i] =
            s->buffer[i] >= 0 ? buffer[s->buffer[i]] : g->tensor[i]->data;
    for (int k = 0; k < g->n_inputs; k++) {
        const hawq_tensor *x = g->inputs[k].tensor;
        HAWQ_TAKE(planes->val[x->id], &t->arena, x->n);
    }
    return HAWQ_OK;
}

/* *ok: small enough to be tried. */
static hawq_status prepare(trial *t, bool *ok) {
    const hawq_graph *g = t->g;
    hawq_lives        lives;
    hawq_sharing      s;
    size_t            elements = g->n_row * (size_t)g->batch;
    real             *row;
    HAWQ_TRY(hawq_mm_open());
    HAWQ_TRY(hawq_lives_find(g, &t->arena, &lives));
    HAWQ_TRY(hawq_share(g, &lives, false, NULL, &t->arena, &s));
    for (int i = 0; i < s.n; i++) elements += s.size[i];
    *ok = elements <= most_elements / 2;
    if (!*ok) return HAWQ_OK;
    HAWQ_TAKE(row, &t->arena, g->n_row);
    HAWQ_TAKE(t->same, &t->arena, (size_t)g->n_tensors);
    HAWQ_TAKE(t->recovers, &t->arena, (size_t)g->n_tensors);
    for (int r = 0; r < 2; r++) {
        HAWQ_TRY(take_planes(t, &s, &t->run[r]));
        make_images(g, r, row, t->run[r].val);
    }
    for (int k = 0; k < g->n_inputs; k++)
        t->same[g->inputs[k].tensor->id] = true;
    return HAWQ_OK;
}

/* Is the part of image a the same? Only asked where the leading axis is made
 * of images. */
static bool is_same(const trial *t, const hawq_tensor *y) {
    const hawq_graph *g = t->g;
    size_t            images = (size_t)g->batch, each = y->n / images;
    const real       *first = t->run[0].val[y->id];
    const real       *second = t->run[1].val[y->id] + each;
    double            size = 0, apart = 0;
    if (y->shape.rank < 1 || y->shape.dim[0] % g->batch) return false;
    for (size_t i = 0; i < each; i++) {
        double a = (double)first[i], b = (double)second[i];
        if (a == b || (isnan(a) && isnan(b))) continue;
        size = fmax(size, fmax(fabs(a), fabs(b)));
        apart = fabs(a - b) <= apart ? apart : fabs(a - b);
    }
    return apart <= tolerance * size;
}

static void run(trial *t) {
    for (int i = 0; i < t->g->n_nodes; i++) {
        const hawq_node *node = t->g->node[i];
        for (int r = 0; r < 2; r++) node->op->forward(node, &t->run[r]);
        for (int j = 0; j < node->n_out; j++)
            if (node->out[j])
                t->same[node->out[j]->id] = is_same(t, node->out[j]);
    }
}

/* Axes may be moved away and back: what is the same again was never mixed. */
static void mark_recovered(trial *t) {
    for (int i = t->g->n_nodes; i-- > 0;) {
        const hawq_node *node = t->g->node[i];
        bool             again = false;
        for (int j = 0; j < node->n_out; j++)
            again |= node->out[j] && (t->same[node->out[j]->id] ||
                                      t->recovers[node->out[j]->id]);
        for (int j = 0; again && j < node->n_in; j++)
            if (node->in[j]) t->recovers[node->in[j]->id] = true;
    }
}

static bool is_sound(const trial *t, const hawq_tensor *x) {
    return x->role == HAWQ_CONSTANT || t->same[x->id] || t->recovers[x->id];
}

/* The first node that is not sound though all it reads is. */
static const hawq_node *find_culprit(trial *t) {
    mark_recovered(t);
    for (int i = 0; i < t->g->n_nodes; i++) {
        const hawq_node *node = t->g->node[i];
        bool             sound = true;
        for (int j = 0; j < node->n_in; j++)
            sound &= !node->in[j] || is_sound(t, node->in[j]);
        for (int j = 0; sound && j < node->n_out; j++)
            if (node->out[j] && !is_sound(t, node->out[j])) return node;
    }
    return t->g->output->producer;
}

static hawq_status check(trial *t) {
    bool ok;
    HAWQ_TRY(prepare(t, &ok));
    if (!ok) return HAWQ_OK;
    run(t);
    if (t->same[t->g->output->id]) return HAWQ_OK;
    return hawq_node_fail(
        find_culprit(t), HAWQ_EUNSUPPORTED,
        "what it makes of an image depends on the other "
        "images of the batch, or on the place in it; expected "
        "the same as for the image alone: let it work within "
        "each image (not along the batch, axis 0), or cut the "
        "network before it");
}

hawq_status hawq_graph_check_mixing(const hawq_graph *g) {
    trial t = {.g = g};
    if (g->batch < 2) return HAWQ_OK;
    hawq_status status = check(&t);
    hawq_arena_free(&t.arena);
    return status;
}
