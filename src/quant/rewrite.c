/* rewrite.c -- see rewrite.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/rewrite.h"

#include "src/graph/convolve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 50, EXPONENTS = 20 };

typedef struct seam {
    const hawq_layer  *from; /* NULL: a normalization, */
    const hawq_node   *norm; /* this one */
    const hawq_tensor *at;   /* what the readers read */
    const hawq_layer **to;   /* n_to readers */
    int                n_to;
    size_t             channels;
    int                axis;    /* of the tensor, that holds them */
    double            *largest; /* |x_j|, over positions and images */
    double            *mean;    /* of |x_j| */
} seam;

/* --- names --------------------------------------------------------------- */

const char *hawq_rewrite_names(void) {
    return "equalize, smooth:ALPHA, awq";
}

hawq_status hawq_rewrite_read(const char *text, hawq_rewrite *out) {
    hawq_rewrite r = {.alpha = 0.5};
    if (!strcmp(text, "equalize")) {
        r.kind = HAWQ_EQUALIZE;
    } else if (!strcmp(text, "awq")) {
        r.kind = HAWQ_AWQ;
    } else if (!strncmp(text, "smooth", 6) && (!text[6] || text[6] == ':')) {
        char *end = NULL;
        r.kind = HAWQ_SMOOTH;
        if (text[6]) r.alpha = strtod(text + 7, &end);
        if (end && (end == text + 7 || *end || !(r.alpha >= 0) || r.alpha > 1))
            return hawq_fail(HAWQ_EINVAL,
                             "'%.40s': the exponent of smooth is from 0 to 1, "
                             "as in smooth:0.5",
                             text);
    } else {
        return hawq_fail(HAWQ_EINVAL, "'%.40s' is no rewrite; there are %s",
                         text, hawq_rewrite_names());
    }
    *out = r;
    return HAWQ_OK;
}

bool hawq_rewrite_needs_data(const hawq_rewrite *rewrite) {
    return rewrite->kind != HAWQ_EQUALIZE;
}

/* --- seams --------------------------------------------------------------- */

static const hawq_layer *layer_of(const hawq_graph *g, const hawq_node *node) {
    for (int l = 0; l < g->n_layers; l++)
        if (g->layer[l].node[0] == node) return &g->layer[l];
    return NULL;
}

static bool is_conv(const hawq_layer *l) {
    return strcmp(l->op, "Conv") == 0;
}

static bool used_once(const hawq_layer *l) {
    return l->n_nodes == 1 && l->weight->n_uses == 1;
}

/* The layer reads t's channels, along this axis, as inputs of its rows. */
static bool reads(const hawq_layer *l, const hawq_tensor *t, const seam *s) {
    const hawq_node *n = l->node[0];
    if (!used_once(l) || n->in[0] != t || n->in[1] != l->weight) return false;
    if (is_conv(l))
        return s->axis == 1 &&
               ((const hawq_conv_shape *)n->param)->c == s->channels;
    if (strcmp(l->op, "Gemm") != 0 && strcmp(l->op, "MatMul") != 0)
        return false;
    return l->weight->shape.rank == 2 && !hawq_attr_int(n, "transA", 0) &&
           s->axis == t->shape.rank - 1 && l->outer * l->inner == s->channels;
}

/* Follows t to its readers; false if any of them is none. */
static bool follow(const hawq_graph *g, const hawq_tensor *t, seam *s) {
    if (t == g->output) return false;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i]->n_in; k++) {
            const hawq_node *n = g->node[i];
            if (n->in[k] != t) continue;
            const hawq_layer *l = layer_of(g, n);
            bool goes_on = n->op->homogeneous && follow(g, n->out[0], s);
            bool ends =
                k == 0 && l && reads(l, t, s) && (!s->n_to || s->at == t);
            if (ends) {
                s->to[s->n_to++] = l;
                s->at = t;
            }
            if (!goes_on && !ends) return false;
        }
    return true;
}

/* A layer whose rows can be scaled, or a normalization over its last axis. */
static bool begins(const hawq_graph *g, const hawq_node *n, seam *s) {
    const hawq_tensor *y = n->out[0];
    s->from = layer_of(g, n);
    if (s->from) {
        const hawq_tensor *b = s->from->bias;
        s->axis = s->from->axis;
        s->channels = s->from->channels;
        return used_once(s->from) && s->axis >= 0 &&
               (!b || (b->n_uses == 1 && b->n == s->channels));
    }
    if (strcmp(n->op->name, "LayerNormalization") != 0) return false;
    s->norm = n;
    s->axis = y->shape.rank - 1;
    s->channels = (size_t)y->shape.dim[s->axis];
    for (int i = 1; i < n->n_in; i++)
        if (n->in[i] && (!n->in[i]->data || n->in[i]->n_uses != 1 ||
                         n->in[i]->n != s->channels))
            return false;
    return n->n_in > 1;
}

static hawq_status find_seams(const hawq_graph *g, bool norms,
                              hawq_arena *arena, int *n, seam **out) {
    HAWQ_TAKE(*out, arena, (size_t)g->n_nodes);
    *n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        seam s = {0};
        if (!begins(g, g->node[i], &s) || (s.norm && !norms)) continue;
        HAWQ_TAKE(s.to, arena, (size_t)g->n_layers);
        if (!follow(g, g->node[i]->out[0], &s) || !s.n_to) continue;
        HAWQ_TAKE(s.largest, arena, s.channels);
        HAWQ_TAKE(s.mean, arena, s.channels);
        (*out)[(*n)++] = s;
    }
    return HAWQ_OK;
}

/* --- weights ------------------------------------------------------------- */

/* The seam's channel that meets input k of row r. */
static size_t channel_of(const hawq_layer *l, size_t r, size_t k) {
    if (!is_conv(l)) return k;
    const hawq_conv_shape *s = l->node[0]->param;
    size_t block = r / (l->channels / s->groups), per = s->c / s->groups;
    return block * per + k / (s->kh * s->kw);
}

/* Every input times its channel's factor. */
static void scale_inputs(const hawq_layer *l, const double *factor) {
    for (size_t r = 0; r < l->channels; r++)
        for (size_t k = 0; k < l->outer * l->inner; k++) {
            real *w = &l->weight->data[hawq_weight_at(l, r, k)];
            *w = (real)((double)*w * factor[channel_of(l, r, k)]);
        }
}

static void divide(const hawq_tensor *t, const double *factor) {
    for (size_t i = 0; t && i < t->n; i++)
        t->data[i] = (real)((double)t->data[i] / factor[i]);
}

static void divide_maker(const seam *s, const double *factor) {
    if (!s->from) {
        for (int i = 1; i < s->norm->n_in; i++) divide(s->norm->in[i], factor);
        return;
    }
    for (size_t r = 0; r < s->channels; r++)
        for (size_t k = 0; k < s->from->outer * s->from->inner; k++) {
            real *w = &s->from->weight->data[hawq_weight_at(s->from, r, k)];
            *w = (real)((double)*w / factor[r]);
        }
    divide(s->from->bias, factor);
}

static void apply(const seam *s, const double *factor) {
    divide_maker(s, factor);
    for (int i = 0; i < s->n_to; i++) scale_inputs(s->to[i], factor);
}

/* The largest weight of each of the maker's rows. */
static void largest_out(const seam *s, double *out) {
    for (size_t r = 0; r < s->channels; r++) {
        out[r] = 0;
        for (size_t k = 0; k < s->from->outer * s->from->inner; k++)
            out[r] =
                fmax(out[r], fabs((double)s->from->weight
                                      ->data[hawq_weight_at(s->from, r, k)]));
    }
}

/* The largest weight of the readers that meets each channel. */
static void largest_in(const seam *s, double *out) {
    for (size_t j = 0; j < s->channels; j++) out[j] = 0;
    for (int i = 0; i < s->n_to; i++) {
        const hawq_layer *l = s->to[i];
        for (size_t r = 0; r < l->channels; r++)
            for (size_t k = 0; k < l->outer * l->inner; k++) {
                double *most = &out[channel_of(l, r, k)];
                *most = fmax(
                    *most,
                    fabs((double)l->weight->data[hawq_weight_at(l, r, k)]));
            }
    }
}

/* --- activations --------------------------------------------------------- */

typedef struct watch {
    const hawq_graph *graph;
    seam             *seam;
    int               n;
} watch;

static void look(void *self, const hawq_chunk *chunk) {
    const watch *w = self;
    for (int i = 0; i < w->n; i++) {
        const seam       *s = &w->seam[i];
        const hawq_shape *shape = &s->at->shape;
        const real       *x = chunk->floats->val[s->at->id];
        size_t            each = hawq_per_image(w->graph, s->at) * chunk->n;
        size_t            inner =
            (size_t)hawq_shape_count(shape, s->axis + 1, shape->rank);
        for (size_t k = 0; k < each; k++) {
            size_t j = k / inner % s->channels;
            double a = fabs((double)x[k]);
            s->largest[j] = fmax(s->largest[j], a);
            s->mean[j] += a; /* a sum: nothing but ratios is used */
        }
    }
}

/* --- the three ----------------------------------------------------------- */

/* Not a factor: 0, or out of all proportion. */
static double sane(double s) {
    return isfinite(s) && s > 1e-6 && s < 1e6 ? s : 1;
}

static hawq_status equalize(const seam *seam, int n, hawq_arena *arena) {
    for (int round = 0; round < ROUNDS; round++) {
        double most = 0;
        for (int i = 0; i < n; i++) {
            double   *out, *in;
            hawq_mark mark = hawq_arena_mark(arena);
            HAWQ_TAKE(out, arena, seam[i].channels);
            HAWQ_TAKE(in, arena, seam[i].channels);
            largest_out(&seam[i], out);
            largest_in(&seam[i], in);
            for (size_t j = 0; j < seam[i].channels; j++) {
                out[j] = sane(sqrt(out[j] / in[j]));
                most = fmax(most, fabs(log(out[j])));
            }
            apply(&seam[i], out);
            hawq_arena_reset(arena, mark);
        }
        if (most < 1e-3) return HAWQ_OK;
    }
    return HAWQ_OK;
}

static hawq_status smooth(const seam *seam, int n, double alpha,
                          hawq_arena *arena) {
    for (int i = 0; i < n; i++) {
        double *s;
        HAWQ_TAKE(s, arena, seam[i].channels);
        largest_in(&seam[i], s);
        for (size_t j = 0; j < seam[i].channels; j++)
            s[j] = sane(pow(seam[i].largest[j], alpha) / pow(s[j], 1 - alpha));
        apply(&seam[i], s);
    }
    return HAWQ_OK;
}

/* What awq's trials need. */
typedef struct trial {
    const hawq_candidate *candidate;
    hawq_threads         *threads;
    const seam           *seam;
    const hawq_moments   *moments; /* of each reader */
} trial;

/* Moments of the inputs u_k / s_k. */
static hawq_status divided(const hawq_layer *l, const hawq_moments *m,
                           const double *s, hawq_arena *arena,
                           hawq_moments *out) {
    size_t n = m->cols, rows = m->rows / m->blocks;
    *out = *m;
    HAWQ_TAKE(out->moment, arena, m->blocks * n * n);
    HAWQ_TAKE(out->mean, arena, m->blocks * n);
    for (size_t b = 0; b < m->blocks; b++)
        for (size_t i = 0; i < n; i++) {
            double si = s[channel_of(l, b * rows, i)];
            out->mean[b * n + i] = m->mean[b * n + i] / si;
            for (size_t k = 0; k < n; k++)
                out->moment[(b * n + i) * n + k] =
                    m->moment[(b * n + i) * n + k] / si /
                    s[channel_of(l, b * rows, k)];
        }
    return HAWQ_OK;
}

/* The error that one reader's outputs get if its inputs are scaled by s. */
static hawq_status try_reader(const trial *t, int i, const double *s,
                              hawq_arena *arena, double *error) {
    const hawq_layer *l = t->seam->to[i];
    hawq_moments      m;
    hawq_quantized    q;
    real             *own;
    HAWQ_TAKE(own, arena, l->weight->n);
    HAWQ_TRY(divided(l, &t->moments[i], s, arena, &m));
    memcpy(own, l->weight->data, l->weight->n * sizeof *own);
    scale_inputs(l, s);
    hawq_status status =
        hawq_quantize(l, t->candidate, &m, NULL, t->threads, arena, &q);
    if (status == HAWQ_OK) *error += hawq_quantize_output_error(l, &q, &m);
    memcpy(l->weight->data, own, l->weight->n * sizeof *own);
    return status;
}

/* s_j = a_j^alpha, scaled so that the largest and the smallest are inverse. */
static void factors(const seam *s, double alpha, double *out) {
    double least = INFINITY, most = 0;
    for (size_t j = 0; j < s->channels; j++) {
        out[j] = s->mean[j] > 0 ? pow(s->mean[j], alpha) : 0;
        if (!(out[j] > 0)) continue;
        least = fmin(least, out[j]);
        most = fmax(most, out[j]);
    }
    for (size_t j = 0; j < s->channels; j++)
        out[j] = out[j] > 0 ? sane(out[j] / sqrt(least * most)) : 1;
}

static hawq_status search_exponent(const trial *t, hawq_arena *arena,
                                   double *best) {
    double *s, least = INFINITY;
    HAWQ_TAKE(s, arena, t->seam->channels);
    for (int e = 0; e < EXPONENTS; e++) {
        double error = 0;
        factors(t->seam, (double)e / EXPONENTS, s);
        for (int i = 0; i < t->seam->n_to; i++) {
            hawq_mark mark = hawq_arena_mark(arena);
            HAWQ_TRY(try_reader(t, i, s, arena, &error));
            hawq_arena_reset(arena, mark);
        }
        if (error >= least) continue;
        least = error;
        memcpy(best, s, t->seam->channels * sizeof *s);
    }
    return HAWQ_OK;
}

static hawq_status awq(const hawq_graph *g, hawq_twin *twin, trial *t, size_t n,
                       const real *x, hawq_arena *arena) {
    double       *best;
    hawq_moments *m;
    HAWQ_TAKE(best, arena, t->seam->channels);
    HAWQ_TAKE(m, arena, (size_t)t->seam->n_to);
    for (int i = 0; i < t->seam->n_to; i++)
        HAWQ_TRY(hawq_moments_collect(twin, g, t->threads,
                                      (int)(t->seam->to[i] - g->layer), 1, n, x,
                                      false, arena, &m[i]));
    t->moments = m;
    HAWQ_TRY(search_exponent(t, arena, best));
    apply(t->seam, best);
    return HAWQ_OK;
}

/* --- the whole ----------------------------------------------------------- */

static hawq_status with_data(const hawq_rewrite *how, hawq_graph *g,
                             hawq_threads         *threads,
                             const hawq_candidate *candidate, size_t n,
                             const real *x, seam *seam, int n_seams,
                             hawq_twin *twin, hawq_arena *arena) {
    watch        w = {.graph = g, .seam = seam, .n = n_seams};
    hawq_visitor visitor = {.commit = look, .self = &w, .floats_only = true};
    hawq_twin_visit(twin, n, x, -1, &visitor);
    if (how->kind == HAWQ_SMOOTH)
        return smooth(seam, n_seams, how->alpha, arena);
    for (int i = 0; i < n_seams; i++) {
        trial t = {
            .candidate = candidate, .threads = threads, .seam = &seam[i]};
        hawq_mark mark = hawq_arena_mark(arena);
        HAWQ_TRY(awq(g, twin, &t, n, x, arena));
        hawq_arena_reset(arena, mark);
    }
    return HAWQ_OK;
}

static hawq_status run(const hawq_rewrite *how, hawq_graph *g,
                       hawq_threads *threads, const hawq_candidate *candidate,
                       size_t n, const real *x, hawq_arena *arena,
                       int *n_seams) {
    seam      *seam;
    hawq_twin *twin;
    bool norms = how->kind != HAWQ_EQUALIZE; /* their rows have no range */
    HAWQ_TRY(find_seams(g, norms, arena, n_seams, &seam));
    if (how->kind == HAWQ_EQUALIZE) return equalize(seam, *n_seams, arena);
    HAWQ_TRY(hawq_twin_new(g, threads, &twin));
    hawq_status status = with_data(how, g, threads, candidate, n, x, seam,
                                   *n_seams, twin, arena);
    hawq_twin_free(twin);
    return status;
}

hawq_status hawq_rewrite_run(const hawq_rewrite *rewrite, hawq_graph *graph,
                             hawq_threads         *threads,
                             const hawq_candidate *candidate, size_t n,
                             const real *x, int *seams) {
    hawq_arena arena = {0};
    if (hawq_rewrite_needs_data(rewrite) && !n)
        return hawq_fail(HAWQ_EINVAL, "this rewrite looks at images, and there "
                                      "are none");
    if (rewrite->kind == HAWQ_AWQ && !candidate)
        return hawq_fail(HAWQ_EINVAL,
                         "awq judges its scales by a candidate, and there is "
                         "none");
    hawq_status status =
        run(rewrite, graph, threads, candidate, n, x, &arena, seams);
    hawq_arena_free(&arena);
    return status;
}
