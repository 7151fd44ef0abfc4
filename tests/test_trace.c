/* test_trace.c -- the estimators against matrices whose traces are known, and
 * the statistics against their formulas.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "hessian/sampler.h"
#include "hessian/statistics.h"
#include "hessian/trace.h"
#include "tests/check.h"
#include "tests/dense.h"

static hawq_arena arena;

/* The k-th of the 2^n sign vectors: turns the estimator into exact sums. Block
 * l of n elements reads bits l * n ... of k. */
static void draw_all(uint64_t seed, uint64_t k, int block, size_t n, real *v) {
    (void)seed;
    for (size_t i = 0; i < n; i++)
        v[i] = (k >> ((size_t)block * n + i) & 1) ? 1 : -1;
}
static const hawq_probe all = {"all", draw_all};

static hawq_tracer tracer_of(dense *m, const hawq_probe *probe, int n_blocks,
                             const hawq_block *block) {
    hawq_tracer t = {.A = dense_linop(m),
                     .probe = probe,
                     .n_blocks = n_blocks,
                     .block = block};
    CHECK_OK(hawq_tracer_init(&t, &arena));
    return t;
}

/* E[v'Av] = tr A; Var = 2 sum_{i!=j} A_ij^2 = 2*2*(1+4+.25) = 21. The sample
 * variance over all 8 divides by 7: stderr = sqrt(21*8/7/8) = sqrt 3. */
static void exact_over_all_sign_vectors(void) {
    static const double a[9] = {4, 1, -2, 1, 3, 0.5, -2, 0.5, -1};
    dense               m = {.n = 3, .a = a};
    const hawq_block    one = {"all", 0, 1, 1, 3};
    hawq_tracer         t = tracer_of(&m, &all, 1, &one);
    double              reading[8], channel;
    for (uint64_t k = 0; k < 8; k++)
        CHECK_OK(hawq_tracer_sample(&t, k, &reading[k], &channel));
    hawq_estimate e = hawq_estimate_of(reading, 1, 8);
    CHECK_NEAR(e.mean, 6.0, 1e-12);
    CHECK_NEAR(e.stderr1, sqrt(3.0), 1e-12);
    /* t(7, 0.975) = 2.364624251592784 */
    CHECK_NEAR(e.high - e.mean, 2.364624251592784 * sqrt(3.0), 1e-9);
    CHECK(e.n == 8);
}

/* A 4x4 with two blocks of two channels, of which the first has curvature 1e6
 * times the second's and strong cross terms. */
static const double     unequal[16] = {3e6, 1e6,  800, 300, 1e6, 5e6, -500, 900,
                                       800, -500, 2,   0.5, 300, 900, 0.5,  4};
static const hawq_block two[2] = {{"large", 0, 1, 2, 1}, {"small", 2, 1, 2, 1}};

/* Whatever the scales, the mean over all sign vectors is every block's and
 * every channel's trace exactly; balancing shrinks the small block's error to
 * the size of its own off-diagonal. */
static void balanced_probes_are_unbiased_and_better(void) {
    dense       m = {.n = 4, .a = unequal};
    hawq_tracer t = tracer_of(&m, &all, 2, two);
    double      stderr1[2];
    for (int balanced = 0; balanced < 2; balanced++) {
        double block[16][2], channel[16][4];
        if (balanced) CHECK_OK(hawq_tracer_balance(&t, 5, 4));
        for (uint64_t k = 0; k < 16; k++)
            CHECK_OK(hawq_tracer_sample(&t, k, block[k], channel[k]));
        CHECK_NEAR(hawq_estimate_of(&block[0][0], 2, 16).mean, 8e6, 1e-6);
        CHECK_NEAR(hawq_estimate_of(&block[0][1], 2, 16).mean, 6, 1e-9);
        for (int c = 0; c < 4; c++)
            CHECK_NEAR(hawq_estimate_of(&channel[0][c], 4, 16).mean,
                       unequal[5 * c], 1e-9 * fabs(unequal[5 * c]));
        stderr1[balanced] = hawq_estimate_of(&block[0][1], 2, 16).stderr1;
    }
    /* a_j ~ ||A_jj||^(-1/2): the ratio is sqrt(5.4e6 / 4.5) = 1095 */
    double ratio = t.scale[1] / t.scale[0];
    CHECK(ratio > 1095 / 4.0 && ratio < 1095 * 4.0);
    for (int l = 0; l < 2; l++) {
        int exponent;
        CHECK(frexp(t.scale[l], &exponent) == 0.5);
    }
    CHECK(stderr1[0] > 100);
    CHECK(stderr1[1] < 2);
}

/* Element (a, c, b) of a block belongs to channel c. */
static void channels_follow_the_layout(void) {
    enum { OUTER = 2, CHANNELS = 3, INNER = 2, N = OUTER * CHANNELS * INNER };
    static double    a[N * N];
    dense            m = {.n = N, .a = a};
    const hawq_block b = {"b", 0, OUTER, CHANNELS, INNER};
    double           block, channel[CHANNELS];
    for (int i = 0; i < N; i++) a[i * N + i] = 1 << i;
    hawq_tracer t = tracer_of(&m, &hawq_probe_rademacher, 1, &b);
    CHECK(t.n_channels == CHANNELS);
    CHECK_OK(hawq_tracer_sample(&t, 0, &block, channel)); /* diagonal: exact */
    CHECK_NEAR(block, (1 << N) - 1, 0);
    CHECK_NEAR(channel[0], 1 + 2 + 64 + 128, 0);
    CHECK_NEAR(channel[1], 4 + 8 + 256 + 512, 0);
    CHECK_NEAR(channel[2], 16 + 32 + 1024 + 2048, 0);
}

/* Signs are a function of (seed, sample, block, element), fair, and the blocks'
 * and samples' streams are unrelated: correlations of 4096 signs have standard
 * deviation 1/64, and none is beyond 5 of those. */
static void probes_are_pure_and_fair(void) {
    enum { N = 4096 };
    static real v[4][N];
    const struct {
        uint64_t seed, sample;
        int      block;
    } at[4] = {{1, 2, 3}, {1, 2, 4}, {1, 3, 3}, {2, 2, 3}};
    for (int k = 0; k < 4; k++)
        hawq_probe_rademacher.draw(at[k].seed, at[k].sample, at[k].block, N,
                                   v[k]);
    for (int j = 0; j < 4; j++)
        for (int k = j; k < 4; k++) {
            double sum = 0, plain = 0;
            for (int i = 0; i < N; i++) {
                sum += (double)(v[j][i] * v[k][i]);
                plain += (double)v[j][i];
            }
            CHECK_NEAR(sum / N, j == k, 5.0 / 64);
            CHECK_NEAR(plain / N, 0, 5.0 / 64);
        }
    real again[N];
    hawq_probe_rademacher.draw(1, 2, 3, N, again);
    CHECK(memcmp(again, v[0], sizeof again) == 0);
}

/* The 95 % interval of 12 samples covers the trace in 95 % of 2000 seeds, with
 * and without noise between the draws of the operator. The count is binomial:
 * its standard deviation is 0.0049; 4 of them are allowed. */
static void intervals_cover(void) {
    enum { N = 20, SAMPLES = 12, SEEDS = 2000 };
    static double a[N * N];
    double        trace = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j <= i; j++)
            a[i * N + j] = a[j * N + i] =
                hawq_rng_normal(hawq_rng_key(9, i, j, 0), 0);
    for (size_t i = 0; i < N; i++) trace += a[i * N + i];
    for (int noisy = 0; noisy < 2; noisy++) {
        dense            m = {.n = N, .a = a, .noise = noisy ? 2 : 0};
        const hawq_block b = {"b", 0, 1, 1, N};
        hawq_tracer      t = tracer_of(&m, &hawq_probe_rademacher, 1, &b);
        int              covered = 0;
        for (int seed = 0; seed < SEEDS; seed++) {
            double reading[SAMPLES], channel;
            t.seed = m.seed = (uint64_t)seed;
            for (int k = 0; k < SAMPLES; k++)
                CHECK_OK(
                    hawq_tracer_sample(&t, (uint64_t)k, &reading[k], &channel));
            hawq_estimate e = hawq_estimate_of(reading, 1, SAMPLES);
            covered += e.low <= trace && trace <= e.high;
        }
        CHECK_NEAR((double)covered / SEEDS, 0.95, 4 * 0.0049);
    }
}

/* Groups of sizes 3 and 1 with means 2 and 6: mean 3, and
 * stderr^2 = 2/1 * (9*1 + 1*9) / 16 = 9/4. Equal weights: the plain formula. */
static void weighted_estimates(void) {
    const double  x[4] = {1, 2, 4, 9}, equal[4] = {5, 5, 5, 5};
    const double  y[2] = {2, 6}, weight[2] = {3, 1};
    hawq_estimate e = hawq_estimate_weighted(y, weight, 2);
    CHECK_NEAR(e.mean, 3, 1e-15);
    CHECK_NEAR(e.stderr1, 1.5, 1e-15);
    hawq_estimate p = hawq_estimate_of(x, 1, 4);
    hawq_estimate q = hawq_estimate_weighted(x, equal, 4);
    CHECK_NEAR(p.mean, 4, 1e-15);
    CHECK_NEAR(p.stderr1, sqrt(38.0 / 12), 1e-15);
    CHECK_NEAR(q.stderr1, p.stderr1, 1e-15);
    CHECK_NEAR(q.high, p.high, 1e-12);
    hawq_estimate single = hawq_estimate_of(x, 1, 1);
    CHECK(isinf(single.stderr1) && isinf(single.high) && single.low < 0);
    CHECK(!hawq_estimate_within(&single, 1, 1e300));
    double half = (p.high - p.low) / 2;
    CHECK(hawq_estimate_within(&p, 1, half / 4 * 1.0001));
    CHECK(!hawq_estimate_within(&p, 1, half / 4 * 0.9999));
}

/* Spearman: 1 - 6 sum d^2 / (n (n^2 - 1)) without ties. */
static void rank_correlation(void) {
    const double x[5] = {1, 2, 3, 4, 5}, up[5] = {1, 10, 11, 12, 1000};
    const double y[5] = {2, 1, 4, 3, 5}, flat[5] = {7, 7, 7, 7, 7};
    double       work[10];
    CHECK_NEAR(hawq_rank_correlation(x, up, 5, work), 1, 1e-15);
    CHECK_NEAR(hawq_rank_correlation(x, y, 5, work), 0.8, 1e-15);
    CHECK(isnan(hawq_rank_correlation(x, flat, 5, work)));
    CHECK(isnan(hawq_rank_correlation(x, y, 2, work)));
}

static void explode(void *self, uint64_t k, const real *v, double *av) {
    dense_apply(self, k, v, av);
    if (k == 3) av[3] = NAN;
}

/* A sample that is not finite is an error naming the layer, and no reading. */
static void nonfinite_is_refused(void) {
    dense       m = {.n = 4, .a = unequal};
    hawq_tracer t = tracer_of(&m, &all, 2, two);
    double      block[2] = {7, 7}, channel[4];
    t.A.apply = explode;
    CHECK_OK(hawq_tracer_sample(&t, 2, block, channel));
    block[0] = block[1] = 7;
    CHECK_FAILS(hawq_tracer_sample(&t, 3, block, channel), HAWQ_ENONFINITE,
                "'small'");
    CHECK(block[0] == 7 && block[1] == 7);
    CHECK_FAILS(hawq_tracer_balance(&t, 2, 2), HAWQ_ENONFINITE, "'small'");
}

/* Mini-batch k is the same whatever was drawn before; each walk has every
 * image once; walks, and seeds, differ. */
static void mini_batches(void) {
    enum { N = 10, SIZE = 4 };
    static real    x[N];
    static int64_t labels[N];
    hawq_tensor    in = {.n = 1}, out = {.n = 1};
    hawq_graph   graph = {.batch = 1, .n_row = 1, .input = &in, .output = &out};
    hawq_batch   data = {N, x, labels, NULL};
    hawq_sampler s, other;
    int64_t      drawn[5 * SIZE], first[SIZE];
    for (int i = 0; i < N; i++) {
        x[i] = (real)i;
        labels[i] = i;
    }
    CHECK_OK(hawq_sampler_init(&s, &graph, &data, SIZE, 1, &arena));
    CHECK_OK(hawq_sampler_init(&other, &graph, &data, SIZE, 2, &arena));
    for (uint64_t k = 0; k < 5; k++) { /* 5 batches of 4 = 2 walks of 10 */
        hawq_batch b = hawq_sampler_draw(&s, k);
        CHECK(b.n == SIZE);
        for (int i = 0; i < SIZE; i++) {
            CHECK(b.x[i] == (real)b.labels[i]);
            drawn[k * SIZE + (uint64_t)i] = b.labels[i];
        }
    }
    int seen[2][N] = {{0}};
    for (int i = 0; i < 2 * N; i++) seen[i / N][drawn[i]]++;
    for (int i = 0; i < 2 * N; i++) CHECK(seen[i / N][i % N] == 1);
    CHECK(memcmp(drawn, drawn + N, N * sizeof *drawn) != 0);
    memcpy(first, hawq_sampler_draw(&s, 0).labels, sizeof first);
    CHECK(memcmp(first, drawn, sizeof first) == 0);
    CHECK(memcmp(first, hawq_sampler_draw(&other, 0).labels, sizeof first) !=
          0);
    CHECK_FAILS(hawq_sampler_init(&s, &graph, &data, N + 1, 1, &arena),
                HAWQ_EINVAL, "--batch-size");
}

int main(void) {
    exact_over_all_sign_vectors();
    balanced_probes_are_unbiased_and_better();
    channels_follow_the_layout();
    probes_are_pure_and_fair();
    intervals_cover();
    weighted_estimates();
    rank_correlation();
    nonfinite_is_refused();
    mini_batches();
    hawq_arena_free(&arena);
    DONE();
}
