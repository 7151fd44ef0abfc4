/* test_exponential.c -- exp and its relatives in float, and that one source
 * gives one result for every vector width.
 *
 * Claims: over floats of all sizes and both signs, the error against the C
 * library in double is at most what exponential.h says, in units of the last
 * place (below FLT_MIN: FLT_MIN); NaN stays NaN and infinities reach their
 * limits; a loop compiled for the processor's widest vectors gives the bits of
 * the same function called for one number.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/exponential.h"
#include "tests/check.h"

#include <float.h>

enum { BATCH = 4096 };

/* Every 4099th pattern of bits: a prime, so that all low digits occur. */
#define PATTERNS 4099u

static double units(double got, double want) {
    int e;
    if (isnan(want)) return isnan(got) ? 0 : INFINITY;
    if (fabs(want) > FLT_MAX)
        return got == (want > 0 ? INFINITY : -INFINITY) ? 0 : INFINITY;
    if (fabs(want) < FLT_MIN) return fabs(got - want) <= FLT_MIN ? 0 : INFINITY;
    frexp(want, &e);
    return fabs(got - want) / ldexp(1, e - FLT_MANT_DIG);
}

static double density(double x) {
    return exp(-0.5 * x * x) / sqrt(2 * M_PI);
}
static double gauss(double x) {
    return exp(-x * x);
}
static double normal(double x) {
    return 0.5 * erfc(-x * M_SQRT1_2);
}
static double logistic(double x) {
    return 1 / (1 + exp(-x));
}

static float erf_gauss(float x) {
    real g;
    (void)hawq_erf(x, &g);
    return g;
}
static float erf_value(float x) {
    real g;
    return hawq_erf(x, &g);
}
static float normal_density(float x) {
    real g;
    (void)hawq_normal(x, &g);
    return g;
}
static float normal_value(float x) {
    real g;
    return hawq_normal(x, &g);
}
static float exp_value(float x) {
    return hawq_exp(x);
}
static float tanh_value(float x) {
    return hawq_tanh(x);
}
static float sigmoid_value(float x) {
    return hawq_sigmoid(x);
}

static const struct function {
    const char *name;
    float (*ours)(float);
    double (*exact)(double);
    double most; /* units in the last place */
} functions[] = {{"exp", exp_value, exp, 1},
                 {"sigmoid", sigmoid_value, logistic, 3},
                 {"tanh", tanh_value, tanh, 2},
                 {"erf", erf_value, erf, 3},
                 {"e^(-x^2)", erf_gauss, gauss, 2},
                 {"normal", normal_value, normal, 6},
                 {"density", normal_density, density, 2}};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

static void errors(void) {
    for (int f = 0; f < FUNCTIONS; f++) {
        double   worst = 0, here = 0;
        uint32_t u = 0;
        do {
            float  x = hawq_bits_float(u);
            double e = units((double)functions[f].ours(x),
                             functions[f].exact((double)x));
            if (e > worst) worst = e, here = (double)x;
            u += PATTERNS;
        } while (u >= PATTERNS);
        if (!CHECK(worst <= functions[f].most))
            printf("%s: %g units at %g\n", functions[f].name, worst, here);
    }
}

static void limits(void) {
    CHECK(hawq_exp(INFINITY) == INFINITY && hawq_exp(-INFINITY) == 0);
    CHECK(hawq_tanh(INFINITY) == 1 && hawq_tanh(-INFINITY) == -1);
    CHECK(erf_value(INFINITY) == 1 && erf_value(-INFINITY) == -1);
    CHECK(normal_value(INFINITY) == 1 && normal_value(-INFINITY) == 0);
    CHECK(sigmoid_value(INFINITY) == 1 && sigmoid_value(-INFINITY) == 0);
    CHECK(signbit(tanh_value(-0.0f)) && signbit(erf_value(-0.0f)));
    CHECK(isnan(exp_value(NAN)) && isnan(normal_value(NAN)));
}

/* exp, normal and tanh of each in a loop that vectorizes */
HAWQ_WIDE static void wide(size_t n, const real *x, real (*y)[BATCH]) {
    for (size_t i = 0; i < n; i++) {
        real d;
        y[0][i] = hawq_exp(x[i]);
        y[1][i] = hawq_normal(x[i], &d);
        y[2][i] = hawq_tanh(x[i]);
    }
}

static void one_result(void) {
    static real x[BATCH], y[3][BATCH];
    int         different = 0;
    for (int i = 0; i < BATCH; i++) x[i] = (real)(i - BATCH / 2) * (real)0.0471;
    wide(BATCH, x, y);
    for (int i = 0; i < BATCH; i++)
        different += y[0][i] != exp_value(x[i]) ||
                     y[1][i] != normal_value(x[i]) ||
                     y[2][i] != tanh_value(x[i]);
    CHECK(different == 0);
}

int main(void) {
    errors();
    limits();
    one_result();
    DONE();
}
