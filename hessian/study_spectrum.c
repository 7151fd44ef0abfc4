/* study_spectrum.c -- eigenvalues, density and walks of a study's images.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "hessian/sensitivity.h"
#include "src/graph/score.h"

#include <math.h>
#include <string.h>

/* The Hessian of the mean loss over all images, on a layer or on all. */
typedef struct block {
    hawq_study     *s;
    hawq_selection *at;
} block;

static void apply(void *self, uint64_t draw, const real *v, double *av) {
    block *b = self;
    (void)draw; /* all images, every time */
    hawq_engine_products(b->s->engine, &b->s->data, HAWQ_HESSIAN, 1, b->at, v,
                         b->at, av, NULL);
}

static hawq_lanczos lanczos_of(hawq_study *s, int layer, block *b, int steps,
                               double tolerance, uint64_t seed) {
    *b = (block){s, layer < 0 ? &s->all : &s->layer[layer]};
    return (hawq_lanczos){{hawq_selection_total(b->at), apply, b, NULL, NULL},
                          steps,
                          tolerance,
                          seed};
}

hawq_status hawq_study_eigen(hawq_study *s, int layer, int k, int steps,
                             double tolerance, uint64_t seed,
                             hawq_eigenpairs *out) {
    block        b;
    hawq_lanczos how = lanczos_of(s, layer, &b, steps, tolerance, seed);
    return hawq_lanczos_largest(&how, k, s->arena, out);
}

hawq_status hawq_study_density(hawq_study *s, int layer, int steps,
                               uint64_t seed, uint64_t probe,
                               hawq_quadrature *out) {
    block        b;
    hawq_lanczos how = lanczos_of(s, layer, &b, steps, 0, seed);
    return hawq_lanczos_quadrature(&how, probe, s->arena, out);
}

hawq_status hawq_study_walk(hawq_study *s, const real *v, int n,
                            const double *step, double *loss) {
    hawq_mark mark = hawq_arena_mark(s->arena);
    real     *keep;
    HAWQ_TAKE(keep, s->arena, hawq_selection_total(&s->all));
    for (int l = 0; l < s->all.n; l++)
        memcpy(keep + s->all.offset[l], s->all.tensor[l]->data,
               s->all.tensor[l]->n * sizeof *keep);
    for (int i = 0; i <= n; i++) { /* the last puts them back */
        for (int l = 0; l < s->all.n; l++) {
            real  *w = s->all.tensor[l]->data;
            size_t at = s->all.offset[l];
            for (size_t j = 0; j < s->all.tensor[l]->n; j++)
                w[j] = i < n ? (real)((double)keep[at + j] +
                                      step[i] * (double)v[at + j])
                             : keep[at + j];
        }
        if (i < n)
            hawq_engine_forward(s->engine, &s->data, NULL, &loss[i], NULL);
    }
    hawq_arena_reset(s->arena, mark);
    return HAWQ_OK;
}

static hawq_status terms(hawq_study *s, const real *v, double *first,
                         double *second) {
    size_t  n = hawq_selection_total(&s->all);
    double *g, *hv, gv = 0, vhv = 0;
    HAWQ_TAKE(g, s->arena, n);
    HAWQ_TAKE(hv, s->arena, n);
    hawq_engine_products(s->engine, &s->data, HAWQ_HESSIAN, 1, &s->all, v,
                         &s->all, hv, g);
    for (size_t i = 0; i < n; i++) {
        gv += g[i] * (double)v[i];
        vhv += hv[i] * (double)v[i];
    }
    if (!isfinite(gv) || !isfinite(vhv))
        return hawq_fail(HAWQ_ENONFINITE,
                         "the curvature along the quantization error of all "
                         "layers is not a finite number");
    *first = gv;
    *second = vhv / 2;
    return HAWQ_OK;
}

hawq_status hawq_study_terms(hawq_study *s, const real *v, double *first,
                             double *second) {
    hawq_mark   mark = hawq_arena_mark(s->arena);
    hawq_status status = terms(s, v, first, second);
    hawq_arena_reset(s->arena, mark);
    return status;
}
