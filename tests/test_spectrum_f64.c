/* test_spectrum_f64.c -- eigenvalues and densities of matrices written out.
 *
 * Claims: A = Q' D Q with chosen D gives back D, equal eigenvalues as often as
 * they are there; a quadrature of m steps has the moments of v' A^p v up to
 * p = 2 m - 1 exactly, and its weights sum to 1; the same seed gives the same
 * numbers; memory that fails is an error.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "hessian/spectrum.h"
#include "tests/check.h"
#include "tests/dense.h"

enum { N = 12 };

/* Q = I - 2 u u' with a random unit u, so A = Q D Q. */
static void fill(double a[N * N], const double *d) {
    double u[N], norm = 0;
    for (int i = 0; i < N; i++) {
        u[i] = hawq_rng_normal(hawq_rng_key(3, 0, 0, 0), (uint64_t)i);
        norm += u[i] * u[i];
    }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int k = 0; k < N; k++)
                sum += ((i == k) - 2 * u[i] * u[k] / norm) * d[k] *
                       ((k == j) - 2 * u[k] * u[j] / norm);
            a[i * N + j] = sum;
        }
}

static void eigenvalues_come_back(const double *d, int k) {
    static double   a[N * N];
    hawq_arena      arena = {0};
    hawq_eigenpairs e, again;
    fill(a, d);
    dense        m = {.n = N, .a = a};
    hawq_lanczos how = {dense_linop(&m), 50, 1e-10, 5};
    CHECK_OK(hawq_lanczos_largest(&how, k, &arena, &e));
    CHECK_OK(hawq_lanczos_largest(&how, k, &arena, &again));
    CHECK(e.n == (k < N ? k : N));
    for (int i = 0; i < e.n; i++) {
        CHECK_NEAR(e.value[i], d[i], 1e-9 * (1 + fabs(d[0])));
        CHECK(e.residual[i] <= 1e-8 * (1 + fabs(d[0])));
        CHECK(e.value[i] == again.value[i]);
        for (int j = 0; j < i; j++) {
            double dot = 0;
            for (int x = 0; x < N; x++)
                dot +=
                    (double)e.vector[i * N + x] * (double)e.vector[j * N + x];
            CHECK_NEAR(dot, 0, 1e-9);
        }
    }
    hawq_arena_free(&arena);
}

static void moments_are_exact(const double *d) {
    enum { STEPS = 4 };
    static double   a[N * N];
    hawq_arena      arena = {0};
    hawq_quadrature q;
    fill(a, d);
    dense        m = {.n = N, .a = a};
    hawq_lanczos how = {dense_linop(&m), STEPS, 0, 5};
    CHECK_OK(hawq_lanczos_quadrature(&how, 2, &arena, &q));
    /* the start is signs of a key: found again as the moment of A^0 .. A^7 of
     * the same quadrature with all steps, which is exact */
    hawq_quadrature all;
    how.most = N;
    CHECK_OK(hawq_lanczos_quadrature(&how, 2, &arena, &all));
    CHECK(q.n == STEPS && all.n <= N);
    for (int p = 0; p < 2 * STEPS; p++) {
        double few = 0, exact = 0;
        for (int i = 0; i < q.n; i++) few += q.weight[i] * pow(q.node[i], p);
        for (int i = 0; i < all.n; i++)
            exact += all.weight[i] * pow(all.node[i], p);
        CHECK_NEAR(few, exact, 1e-9 * (1 + fabs(exact)));
        if (p == 0) CHECK_NEAR(few, 1, 1e-12);
    }
    for (int i = 0; i < all.n; i++) { /* nodes of all steps: eigenvalues */
        double nearest = INFINITY;
        for (int j = 0; j < N; j++)
            nearest = fmin(nearest, fabs(all.node[i] - d[j]));
        if (all.weight[i] > 1e-9) CHECK(nearest < 1e-6);
    }
    hawq_arena_free(&arena);
}

/* The mean over starts of the first moment is tr(A) / n. */
static void density_has_the_trace(const double *d) {
    enum { STARTS = 400 };
    static double a[N * N];
    double        sum = 0, trace = 0, offdiagonal = 0;
    fill(a, d);
    dense        m = {.n = N, .a = a};
    hawq_lanczos how = {dense_linop(&m), 3, 0, 5};
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            if (i == j) trace += a[i * N + j] / N;
            if (i != j) offdiagonal += a[i * N + j] * a[i * N + j] / (N * N);
        }
    for (uint64_t k = 0; k < STARTS; k++) {
        hawq_arena      arena = {0};
        hawq_quadrature q;
        CHECK_OK(hawq_lanczos_quadrature(&how, k, &arena, &q));
        for (int i = 0; i < q.n; i++) sum += q.weight[i] * q.node[i] / STARTS;
        hawq_arena_free(&arena);
    }
    CHECK_NEAR(sum, trace, 4 * sqrt(2 * offdiagonal / STARTS));
}

static void memory_may_fail(const double *d) {
    static double a[N * N];
    hawq_status   status = HAWQ_ENOMEM;
    fill(a, d);
    dense        m = {.n = N, .a = a};
    hawq_lanczos how = {dense_linop(&m), N, 1e-9, 5};
    for (long k = 1; status != HAWQ_OK && k < 50; k++) {
        hawq_arena      arena = {0};
        hawq_eigenpairs e;
        hawq_arena_fail_at(k);
        status = hawq_lanczos_largest(&how, 3, &arena, &e);
        hawq_arena_fail_at(0);
        CHECK(status == HAWQ_OK || status == HAWQ_ENOMEM);
        hawq_arena_free(&arena);
    }
    CHECK(status == HAWQ_OK);
}

static void nonfinite_is_refused(void) {
    static double   a[N * N];
    dense           m = {.n = N, .a = a};
    hawq_arena      arena = {0};
    hawq_eigenpairs e;
    hawq_lanczos    how = {dense_linop(&m), N, 1e-9, 5};
    a[0] = NAN;
    CHECK_FAILS(hawq_lanczos_largest(&how, 1, &arena, &e), HAWQ_ENONFINITE,
                "not a finite number");
    hawq_arena_free(&arena);
}

int main(void) {
    const double distinct[N] = {9, 7, 5, 3, 2, 1, .5, .1, 0, -1, -2, -4};
    const double equal[N] = {4, 4, 4, 1, 1, 0, 0, 0, 0, 0, -3, -3};
    const double zero[N] = {0}, flat[N] = {2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2};
    const double huge[N] = {1e12, 1e6, 1e3, 1, 1, 0, 0, 0, 0, 0, 0, -1e5};
    for (int k = 1; k <= N + 1; k += 4) {
        eigenvalues_come_back(distinct, k);
        eigenvalues_come_back(equal, k);
        eigenvalues_come_back(zero, k);
        eigenvalues_come_back(flat, k);
        eigenvalues_come_back(huge, k);
    }
    moments_are_exact(distinct);
    moments_are_exact(equal);
    density_has_the_trace(distinct);
    memory_may_fail(distinct);
    nonfinite_is_refused();
    DONE();
}
