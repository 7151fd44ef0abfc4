/* spectrum.c -- see spectrum.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "hessian/spectrum.h"

#include "hessian/tridiagonal.h"
#include "src/base/rng.h"

#include <math.h>
#include <string.h>

/* Keys of starts; no probe or walk has these last coordinates. */
enum { START_STREAM = 4, AGAIN_STREAM = 5 };
static const double nothing = 1e-9; /* of A's size: no direction is left */

typedef struct basis {
    const hawq_lanczos *how;
    uint64_t            draw;
    size_t              n;
    int                 m, most;
    double             *v;     /* [most][n], orthonormal rows */
    double             *w;     /* [n], A v less what the basis has of it */
    double             *a, *b; /* T; b[m-1] = |w| after m steps */
    real               *x;
    double              size;      /* the largest |a| and |b| so far */
    bool                whole;     /* nothing is left outside of the basis */
    double             *theta, *s; /* of T */
} basis;

static double dot(size_t n, const double *x, const double *y) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

/* w -= V V' w, twice, for once leaves what rounding brought in. */
static void orthogonalise(basis *l) {
    for (int pass = 0; pass < 2; pass++)
        for (int j = 0; j < l->m; j++) {
            const double *v = l->v + (size_t)j * l->n;
            double        share = dot(l->n, v, l->w);
            for (size_t i = 0; i < l->n; i++) l->w[i] -= share * v[i];
        }
}

static void draw_signs(basis *l) {
    uint64_t key = hawq_rng_key(l->how->seed, l->draw, 0, START_STREAM);
    for (size_t i = 0; i < l->n; i++) l->w[i] = hawq_rng_sign(key, i);
}

/* Normal numbers: signs may lie in the span of others. */
static void draw_again(basis *l) {
    uint64_t key =
        hawq_rng_key(l->how->seed, l->draw, (uint64_t)l->m, AGAIN_STREAM);
    for (size_t i = 0; i < l->n; i++) l->w[i] = hawq_rng_normal(key, i);
}

/* The next row of V is w / |w|. */
static void push(basis *l, double norm) {
    double *v = l->v + (size_t)l->m * l->n;
    for (size_t i = 0; i < l->n; i++) v[i] = l->w[i] / norm;
    l->m++;
}

static void multiply(basis *l) {
    const double *v = l->v + (size_t)(l->m - 1) * l->n;
    for (size_t i = 0; i < l->n; i++) l->x[i] = (real)v[i];
    l->how->A.apply(l->how->A.self, l->draw, l->x, l->w);
}

/* a, w and b of the last row of V. */
static void step(basis *l) {
    const double *v = l->v + (size_t)(l->m - 1) * l->n;
    multiply(l);
    double a = dot(l->n, v, l->w);
    orthogonalise(l);
    double b = sqrt(dot(l->n, l->w, l->w));
    l->a[l->m - 1] = a;
    l->b[l->m - 1] = b;
    l->size = fmax(l->size, fmax(fabs(a), b));
}

/* A invariant on the basis: T falls apart, and a fresh direction finds what
 * is outside, an eigenvalue of another multiplicity for one. */
static void begin_again(basis *l) {
    l->b[l->m - 1] = 0;
    draw_again(l);
    orthogonalise(l);
    double left = sqrt(dot(l->n, l->w, l->w));
    if ((size_t)l->m >= l->n || left <= nothing * sqrt((double)l->n))
        l->whole = true;
    else
        push(l, left);
}

static hawq_status take(basis *l, const hawq_lanczos *how, uint64_t draw,
                        hawq_arena *arena) {
    size_t n = how->A.n;
    int    most = (size_t)how->most < n ? how->most : (int)n;
    *l = (basis){.how = how, .draw = draw, .n = n, .most = most};
    HAWQ_TAKE(l->v, arena, (size_t)most * n);
    HAWQ_TAKE(l->w, arena, n);
    HAWQ_TAKE(l->x, arena, n);
    HAWQ_TAKE(l->a, arena, (size_t)most);
    HAWQ_TAKE(l->b, arena, (size_t)most);
    HAWQ_TAKE(l->theta, arena, (size_t)most);
    HAWQ_TAKE(l->s, arena, (size_t)most * (size_t)most);
    draw_signs(l);
    push(l, sqrt((double)n));
    return HAWQ_OK;
}

static hawq_status solve(basis *l) {
    return hawq_tridiagonal_solve(l->m, l->a, l->b, l->theta, l->s);
}

/* Are the k largest within the tolerance? */
static bool is_settled(const basis *l, int k) {
    if (l->m < k) return false;
    for (int i = 0; i < k; i++) {
        double residual =
            l->b[l->m - 1] *
            fabs(l->s[(size_t)(l->m - 1) * (size_t)l->m + (size_t)i]);
        if (residual > l->how->tolerance * fabs(l->theta[i])) return false;
    }
    return true;
}

/* Looks at T every so many steps, for its eigenvalues cost m^3. */
static hawq_status run_largest(basis *l, int k) {
    enum { LOOK = 4 };
    for (;;) {
        step(l);
        bool last = l->m == l->most;
        bool invariant = l->b[l->m - 1] <= nothing * l->size;
        if (last || invariant || l->m % LOOK == 0) {
            HAWQ_TRY(solve(l));
            if (last || (!invariant && is_settled(l, k))) return HAWQ_OK;
        }
        if (invariant) {
            begin_again(l);
            if (l->whole) return HAWQ_OK;
        } else
            push(l, l->b[l->m - 1]);
    }
}

/* x = V s and its residual, by a product. */
static void ritz(basis *l, int i, real *x, double *residual) {
    memset(l->w, 0, l->n * sizeof *l->w);
    for (int j = 0; j < l->m; j++) {
        double        s = l->s[(size_t)j * (size_t)l->m + (size_t)i];
        const double *v = l->v + (size_t)j * l->n;
        for (size_t e = 0; e < l->n; e++) l->w[e] += s * v[e];
    }
    for (size_t e = 0; e < l->n; e++) x[e] = (real)l->w[e];
    l->how->A.apply(l->how->A.self, l->draw, x, l->w);
    double sum = 0;
    for (size_t e = 0; e < l->n; e++) {
        double r = l->w[e] - l->theta[i] * (double)x[e];
        sum += r * r;
    }
    *residual = sqrt(sum);
}

static hawq_status find(basis *l, int k, hawq_eigenpairs *out) {
    HAWQ_TRY(run_largest(l, k));
    out->n = k < l->m ? k : l->m;
    out->products = l->m + out->n;
    for (int i = 0; i < out->n; i++) {
        out->value[i] = l->theta[i];
        ritz(l, i, out->vector + (size_t)i * l->n, &out->residual[i]);
        if (!isfinite(out->residual[i]))
            return hawq_fail(HAWQ_ENONFINITE,
                             "the curvature along an eigenvector is not a "
                             "finite number; look for overflow in the network "
                             "or its data");
    }
    return HAWQ_OK;
}

hawq_status hawq_lanczos_largest(const hawq_lanczos *how, int k,
                                 hawq_arena *arena, hawq_eigenpairs *out) {
    basis           l;
    hawq_eigenpairs e = {0};
    HAWQ_TAKE(e.value, arena, (size_t)k);
    HAWQ_TAKE(e.residual, arena, (size_t)k);
    HAWQ_TAKE(e.vector, arena, (size_t)k * how->A.n);
    hawq_mark   mark = hawq_arena_mark(arena);
    hawq_status status = take(&l, how, 0, arena);
    if (status == HAWQ_OK) status = find(&l, k, &e);
    hawq_arena_reset(arena, mark);
    HAWQ_TRY(status);
    *out = e;
    return HAWQ_OK;
}

static hawq_status quadrature(basis *l, hawq_quadrature *out) {
    for (;;) {
        step(l);
        if (l->m == l->most || l->b[l->m - 1] <= nothing * l->size) break;
        push(l, l->b[l->m - 1]);
    }
    HAWQ_TRY(solve(l));
    out->n = l->m;
    for (int i = 0; i < l->m; i++) {
        out->node[i] = l->theta[i];
        out->weight[i] = l->s[i] * l->s[i]; /* row 0 */
    }
    return HAWQ_OK;
}

hawq_status hawq_lanczos_quadrature(const hawq_lanczos *how, uint64_t probe,
                                    hawq_arena *arena, hawq_quadrature *out) {
    basis           l;
    hawq_quadrature q = {0};
    HAWQ_TAKE(q.node, arena, (size_t)how->most);
    HAWQ_TAKE(q.weight, arena, (size_t)how->most);
    hawq_mark   mark = hawq_arena_mark(arena);
    hawq_status status = take(&l, how, probe, arena);
    if (status == HAWQ_OK) status = quadrature(&l, &q);
    hawq_arena_reset(arena, mark);
    HAWQ_TRY(status);
    *out = q;
    return HAWQ_OK;
}
