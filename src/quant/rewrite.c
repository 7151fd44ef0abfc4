/* rewrite.c -- see rewrite.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/rewrite.h"

#include "src/quant/seams.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 50, EXPONENTS = 20 };

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

/* --- activations --------------------------------------------------------- */

typedef struct watch {
    const hawq_graph *graph;
    hawq_seam        *seam;
    int               n;
} watch;

/* Largest and summed magnitude of every channel; in chunk order, so that the
 * sum has the same bits for any number of threads. */
static void look(void *self, const hawq_chunk *chunk) {
    const watch *w = self;
    for (int i = 0; i < w->n; i++) {
        const hawq_seam  *s = &w->seam[i];
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

/* s_j = sqrt(r_j / c_j) makes the ranges of row and column equal; but a row of
 * one seam is a column of another, so the seams are gone through until no
 * factor differs from 1 by more than 0.1 %. */
static hawq_status equalize(const hawq_seam *seam, int n, hawq_arena *arena) {
    for (int round = 0; round < ROUNDS; round++) {
        double most = 0;
        for (int i = 0; i < n; i++) {
            double   *out, *in;
            hawq_mark mark = hawq_arena_mark(arena);
            HAWQ_TAKE(out, arena, seam[i].channels);
            HAWQ_TAKE(in, arena, seam[i].channels);
            hawq_seam_largest_out(&seam[i], out);
            hawq_seam_largest_in(&seam[i], in);
            for (size_t j = 0; j < seam[i].channels; j++) {
                out[j] = sane(sqrt(out[j] / in[j]));
                most = fmax(most, fabs(log(out[j])));
            }
            hawq_seam_apply(&seam[i], out);
            hawq_arena_reset(arena, mark);
        }
        if (most < 1e-3) return HAWQ_OK;
    }
    return HAWQ_OK;
}

/* s_j = a_j^alpha / c_j^(1 - alpha): the larger alpha, the more of the range is
 * moved from the activations into the weights that read them. */
static hawq_status smooth(const hawq_seam *seam, int n, double alpha,
                          hawq_arena *arena) {
    for (int i = 0; i < n; i++) {
        double *s;
        HAWQ_TAKE(s, arena, seam[i].channels);
        hawq_seam_largest_in(&seam[i], s);
        for (size_t j = 0; j < seam[i].channels; j++)
            s[j] = sane(pow(seam[i].largest[j], alpha) / pow(s[j], 1 - alpha));
        hawq_seam_apply(&seam[i], s);
    }
    return HAWQ_OK;
}

/* What awq's trials need. */
typedef struct trial {
    const hawq_candidate *candidate;
    hawq_threads         *threads;
    const hawq_seam      *seam;
    const hawq_moments   *moments; /* of each reader */
} trial;

/* Moments of the inputs u_k / s_k: m_k / s_k, C_ik / (s_i s_k). */
static hawq_status divided(const hawq_layer *l, const hawq_moments *m,
                           const double *s, hawq_arena *arena,
                           hawq_moments *out) {
    size_t n = m->cols, rows = m->rows / m->blocks;
    *out = *m;
    HAWQ_TAKE(out->moment, arena, m->blocks * n * n);
    HAWQ_TAKE(out->mean, arena, m->blocks * n);
    for (size_t b = 0; b < m->blocks; b++)
        for (size_t i = 0; i < n; i++) {
            double si = s[hawq_seam_channel(l, b * rows, i)];
            out->mean[b * n + i] = m->mean[b * n + i] / si;
            for (size_t k = 0; k < n; k++)
                out->moment[(b * n + i) * n + k] =
                    m->moment[(b * n + i) * n + k] / si /
                    s[hawq_seam_channel(l, b * rows, k)];
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
    hawq_candidate how = hawq_candidate_possible(t->candidate, &m);
    memcpy(own, l->weight->data, l->weight->n * sizeof *own);
    hawq_seam_scale_inputs(l, s);
    hawq_status status =
        hawq_quantize(l, &how, &m, NULL, t->threads, arena, &q);
    if (status == HAWQ_OK) *error += hawq_quantize_output_error(l, &q, &m);
    memcpy(l->weight->data, own, l->weight->n * sizeof *own);
    return status;
}

/* s_j = a_j^alpha, scaled so that the largest and the smallest are inverse. */
static void factors(const hawq_seam *s, double alpha, double *out) {
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

/* The first of the exponents 0, 1/20, ..., 19/20 with the least error; 0 leaves
 * everything as it is, so the readers are never worse for it. */
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
    hawq_seam_apply(t->seam, best);
    return HAWQ_OK;
}

/* --- the whole ----------------------------------------------------------- */

/* Activations are looked at once, before anything is moved: a seam's factors
 * change the values at that seam alone. */
static hawq_status with_data(const hawq_rewrite *how, hawq_graph *g,
                             hawq_threads         *threads,
                             const hawq_candidate *candidate, size_t n,
                             const real *x, hawq_seam *seam, int n_seams,
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

/* Equalizing goes by the ranges of rows, which normalizations do not have. */
static bool takes_norms(const hawq_rewrite *how) {
    return how->kind != HAWQ_EQUALIZE;
}

static hawq_status move(const hawq_rewrite *how, hawq_graph *g,
                        hawq_threads *threads, const hawq_candidate *candidate,
                        size_t n, const real *x, hawq_seam *seam, int n_seams,
                        hawq_arena *arena) {
    hawq_twin *twin;
    if (how->kind == HAWQ_EQUALIZE) return equalize(seam, n_seams, arena);
    HAWQ_TRY(hawq_twin_new(g, threads, &twin));
    hawq_status status =
        with_data(how, g, threads, candidate, n, x, seam, n_seams, twin, arena);
    hawq_twin_free(twin);
    return status;
}

/* The constants as they are, by tensor id, or back from there. */
static hawq_status save(const hawq_graph *g, hawq_arena *arena, real ***out) {
    HAWQ_TAKE(*out, arena, (size_t)g->n_tensors);
    for (int i = 0; i < g->n_tensors; i++) {
        const hawq_tensor *t = g->tensor[i];
        if (!t->data || !t->n) continue;
        HAWQ_TAKE((*out)[i], arena, t->n);
        memcpy((*out)[i], t->data, t->n * sizeof *t->data);
    }
    return HAWQ_OK;
}

static void restore(const hawq_graph *g, real *const *saved) {
    for (int i = 0; i < g->n_tensors; i++)
        if (saved[i])
            memcpy(g->tensor[i]->data, saved[i],
                   g->tensor[i]->n * sizeof **saved);
}

/* The products of all factors, of which only one rounding of each weight is
 * left when they are applied. */
static hawq_status collect(const hawq_seam *seam, int n, hawq_arena *arena,
                           hawq_rewrite_factors *out) {
    size_t  at = 0;
    double *factor;
    *out = (hawq_rewrite_factors){.seams = n};
    for (int i = 0; i < n; i++) out->n += seam[i].channels;
    HAWQ_TAKE(factor, arena, out->n);
    out->factor = factor;
    for (int i = 0; i < n; i++)
        for (size_t j = 0; j < seam[i].channels; j++)
            factor[at++] = seam[i].total[j];
    return HAWQ_OK;
}

static hawq_status find(const hawq_rewrite *how, hawq_graph *g,
                        hawq_threads *threads, const hawq_candidate *candidate,
                        size_t n, const real *x, hawq_arena *scratch,
                        hawq_arena *arena, hawq_rewrite_factors *out) {
    hawq_seam *seam;
    real     **saved;
    int        n_seams;
    HAWQ_TRY(hawq_seams_find(g, takes_norms(how), scratch, &n_seams, &seam));
    HAWQ_TRY(save(g, scratch, &saved));
    hawq_status status =
        move(how, g, threads, candidate, n, x, seam, n_seams, scratch);
    restore(g, saved);
    return status == HAWQ_OK ? collect(seam, n_seams, arena, out) : status;
}

hawq_status hawq_rewrite_find(const hawq_rewrite *rewrite, hawq_graph *graph,
                              hawq_threads         *threads,
                              const hawq_candidate *candidate, size_t n,
                              const real *x, hawq_arena *arena,
                              hawq_rewrite_factors *out) {
    hawq_arena scratch = {0};
    if (hawq_rewrite_needs_data(rewrite) && !n)
        return hawq_fail(HAWQ_EINVAL, "this rewrite looks at images, and there "
                                      "are none");
    if (rewrite->kind == HAWQ_AWQ && !candidate)
        return hawq_fail(HAWQ_EINVAL,
                         "awq judges its scales by a candidate, and there is "
                         "none");
    hawq_status status =
        find(rewrite, graph, threads, candidate, n, x, &scratch, arena, out);
    hawq_arena_free(&scratch);
    return status;
}

static hawq_status check(const hawq_rewrite_factors *factors,
                         const hawq_seam *seam, int n_seams) {
    size_t n = 0;
    bool   positive = true;
    for (int i = 0; i < n_seams; i++) n += seam[i].channels;
    for (size_t i = 0; i < factors->n; i++)
        positive &= factors->factor[i] > 0 && isfinite(factors->factor[i]);
    if (n == factors->n && positive) return HAWQ_OK;
    return hawq_fail(HAWQ_EFORMAT,
                     "%zu factors of a rewrite, %s; this network's %d seams "
                     "have %zu channels",
                     factors->n, positive ? "all positive" : "not all positive",
                     n_seams, n);
}

static hawq_status apply_all(const hawq_rewrite *how, const hawq_graph *g,
                             const hawq_rewrite_factors *factors,
                             hawq_arena                 *arena) {
    hawq_seam *seam;
    int        n;
    size_t     at = 0;
    HAWQ_TRY(hawq_seams_find(g, takes_norms(how), arena, &n, &seam));
    HAWQ_TRY(check(factors, seam, n));
    for (int i = 0; i < n; at += seam[i++].channels)
        hawq_seam_apply(&seam[i], factors->factor + at);
    return HAWQ_OK;
}

hawq_status hawq_rewrite_apply(const hawq_rewrite *rewrite, hawq_graph *graph,
                               const hawq_rewrite_factors *factors) {
    hawq_arena arena = {0};
    hawq_graph_keep_hash(graph);
    hawq_status status = apply_all(rewrite, graph, factors, &arena);
    hawq_arena_free(&arena);
    return status;
}

hawq_status hawq_rewrite_run(const hawq_rewrite *rewrite, hawq_graph *graph,
                             hawq_threads         *threads,
                             const hawq_candidate *candidate, size_t n,
                             const real *x, int *seams) {
    hawq_arena           arena = {0};
    hawq_rewrite_factors f;
    hawq_status          status =
        hawq_rewrite_find(rewrite, graph, threads, candidate, n, x, &arena, &f);
    if (status == HAWQ_OK) status = hawq_rewrite_apply(rewrite, graph, &f);
    if (status == HAWQ_OK) *seams = f.seams;
    hawq_arena_free(&arena);
    return status;
}
