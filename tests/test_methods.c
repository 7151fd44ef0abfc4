/* test_methods.c -- how codes are chosen, against oracles that know nothing of
 * it.
 *
 * Claims: m * level stays in 8 bits, and decoded weights are those of the
 * formula in 64-bit integers; GPTQ's codes are those of the textbook with
 * explicit inverses, or the nearest where those cost less; coordinate descent
 * on rows short enough for all codes to be tried is close to the best of them,
 * and never above nearest at the same scale; coupled rows likewise, and where
 * outputs do not interact they are the rows of coordinate descent; adaround
 * never leaves the two levels around a weight and beats nearest; hqq has fewer
 * large errors than the scales it starts from; fitted levels are close to the
 * best k-means, found by dynamic programming. All methods give the same bits
 * for 1 and 3 threads.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/rng.h"
#include "src/quant/quantize.h"
#include "src/quant/rounding.h"
#include "tests/check.h"

/* --- evidence out of random numbers -------------------------------------- */

/* Rows of normal targets, and moments of inputs that are mixed with their
 * neighbours: C = B B' / n. Blocks differ. */
typedef struct problem {
    hawq_arena    arena;
    hawq_threads *threads;
    hawq_evidence e;
    double       *target, *moment, *mean, *curvature;
} problem;

static double *psd(hawq_arena *arena, size_t n, uint64_t key) {
    double *c = hawq_arena_take(arena, n * n, sizeof *c);
    for (size_t s = 0; s < 2 * n + 3; s++) {
        double u[256];
        for (size_t k = 0; k < n; k++)
            u[k] = hawq_rng_normal(key, s * n + k) * (1 + (double)(k % 3)) +
                   (k ? 0.8 * u[k - 1] : 0);
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < n; k++)
                c[i * n + k] += u[i] * u[k] / (double)(2 * n + 3);
    }
    return c;
}

static problem open_problem(size_t rows, size_t cols, size_t blocks,
                            uint64_t seed) {
    problem p = {0};
    CHECK_OK(hawq_threads_new(1, &p.threads));
    p.target = hawq_arena_take(&p.arena, rows * cols, sizeof(double));
    p.moment = hawq_arena_take(&p.arena, blocks * cols * cols, sizeof(double));
    p.mean = hawq_arena_take(&p.arena, blocks * cols, sizeof(double));
    for (size_t i = 0; i < rows * cols; i++)
        p.target[i] = hawq_rng_normal(hawq_rng_key(seed, 1, 0, 0), i);
    for (size_t b = 0; b < blocks; b++)
        memcpy(p.moment + b * cols * cols,
               psd(&p.arena, cols, hawq_rng_key(seed, 2, b, 0)),
               cols * cols * sizeof(double));
    p.curvature = psd(&p.arena, rows, hawq_rng_key(seed, 3, 0, 0));
    p.e = (hawq_evidence){.rows = rows,
                          .cols = cols,
                          .blocks = blocks,
                          .target = p.target,
                          .moment = p.moment,
                          .mean = p.mean,
                          .output_curvature = p.curvature};
    return p;
}

static void close_problem(problem *p) {
    hawq_threads_free(p->threads);
    hawq_arena_free(&p->arena);
}

static hawq_quantized choose(problem *p, const char *name) {
    hawq_candidate c;
    hawq_quantized q = {0};
    CHECK_OK(hawq_candidate_read(name, &c));
    CHECK_OK(
        hawq_quantized_new(&c.format, p->e.rows, p->e.cols, &p->arena, &q));
    CHECK_OK(c.method->run(&p->e, p->threads, &q));
    return q;
}

/* H: C with the damping of second_order.h. */
static double *damped(problem *p, size_t block) {
    size_t  n = p->e.cols;
    double *h = hawq_arena_take(&p->arena, n * n, sizeof *h), mean = 0;
    memcpy(h, p->moment + block * n * n, n * n * sizeof *h);
    for (size_t k = 0; k < n; k++) mean += h[k * n + k] / (double)n;
    for (size_t k = 0; k < n; k++) h[k * n + k] += 0.01 * mean;
    return h;
}

static double quadratic(size_t n, const double *h, const double *d) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) sum += d[i] * h[i * n + k] * d[k];
    return sum;
}

/* d'Hd of row c for codes as given. */
static double error_of(const problem *p, const hawq_quantized *q,
                       const double *h, size_t c, const uint8_t *code) {
    double d[64];
    for (size_t k = 0; k < p->e.cols; k++)
        d[k] = (double)q->scale[c] * hawq_quantized_levels(q, c)[code[k]] -
               p->target[c * p->e.cols + k];
    return quadratic(p->e.cols, h, d);
}

/* --- arithmetic ---------------------------------------------------------- */

/* A layer around a problem's targets. */
static hawq_layer layer_around(problem *p, hawq_tensor *t) {
    size_t n = p->e.rows * p->e.cols;
    real  *w = hawq_arena_take(&p->arena, n, sizeof *w);
    for (size_t i = 0; i < n; i++) w[i] = (real)p->target[i];
    *t = (hawq_tensor){.data = w, .n = n};
    return (hawq_layer){.name = "l",
                        .op = "Gemm",
                        .weight = t,
                        .outer = 1,
                        .channels = p->e.rows,
                        .inner = p->e.cols};
}

static int64_t integer(const hawq_quantized *q, size_t c, size_t k) {
    const int8_t *level = q->level;
    int64_t       v = 1;
    if (q->format.family == HAWQ_FITTED) level += c * (size_t)q->n_levels;
    if (q->multiplier)
        v = q->multiplier[c * ((q->cols + 7) / 8) + k / 8]; /* g8 */
    v *= level[q->code[c * q->cols + k]];
    CHECK(v >= -128 && v <= 127);
    for (int i = q->outlier_start ? q->outlier_start[c] : 0;
         q->outlier_start && i < q->outlier_start[c + 1]; i++)
        if ((size_t)q->outlier_at[i] == k) v += q->outlier[i];
    return v;
}

static const char *const formats[] = {
    "w8",   "w7",  "w6",  "w5",  "w4",  "w3",  "w2",  "w8f",
    "w7f",  "w6f", "w5f", "w4f", "w3f", "w2f", "w7c", "w6c",
    "w5c",  "w4c", "w3c", "w2c", "w1",  "t",   "nf4", "log4",
    "log3", "k4",  "k3",  "k2",  "k4l", "k3l", "k2l"};
enum { FORMATS = sizeof formats / sizeof *formats };

static void decoding_is_integer_arithmetic(void) {
    static const char *const more[] = {"", "g8", "+5%", "g8+5%"};
    problem                  p = open_problem(6, 29, 1, 4);
    hawq_tensor              t;
    p.target[40] = 30; /* worth keeping apart */
    hawq_layer   l = layer_around(&p, &t);
    hawq_moments m = {.rows = 6,
                      .cols = 29,
                      .blocks = 1,
                      .positions = 1,
                      .moment = p.moment,
                      .mean = p.mean};
    for (int i = 0; i < FORMATS; i++)
        for (int k = 0; k < 4; k++) {
            char           name[64];
            hawq_candidate c;
            hawq_quantized q;
            real           values[6 * 29];
            double         worst = 0;
            snprintf(name, sizeof name, "%s%s:coordinate", formats[i], more[k]);
            CHECK_OK(hawq_candidate_read(name, &c));
            if (!CHECK_OK(
                    hawq_quantize(&l, &c, &m, NULL, p.threads, &p.arena, &q)))
                continue;
            hawq_quantized_decode(&q, &l, values);
            for (size_t r = 0; r < 6; r++)
                for (size_t j = 0; j < 29; j++) {
                    double v = (double)q.scale[r] * (double)integer(&q, r, j);
                    CHECK(values[r * 29 + j] == (real)v);
                    CHECK(hawq_quantized_value(&q, r, j) == v);
                }
            if (q.outlier_start) {
                worst = fabs((double)values[40] - 30) / (double)q.scale[1];
                CHECK(q.outlier_start[6] == 9); /* 5 % of 174 */
                CHECK(worst <= 0.5 + 1e-6);
            }
        }
    close_problem(&p);
}

/* --- GPTQ ---------------------------------------------------------------- */

/* a becomes its inverse, by Gauss and Jordan. */
static void invert(size_t n, double *a) {
    double b[64 * 64] = {0};
    for (size_t i = 0; i < n; i++) b[i * n + i] = 1;
    for (size_t i = 0; i < n; i++) {
        double pivot = a[i * n + i];
        for (size_t k = 0; k < n; k++) a[i * n + k] /= pivot;
        for (size_t k = 0; k < n; k++) b[i * n + k] /= pivot;
        for (size_t r = 0; r < n; r++) {
            double f = a[r * n + i];
            if (r == i) continue;
            for (size_t k = 0; k < n; k++) a[r * n + k] -= f * a[i * n + k];
            for (size_t k = 0; k < n; k++) b[r * n + k] -= f * b[i * n + k];
        }
    }
    memcpy(a, b, n * n * sizeof *a);
}

static size_t nearest_level(const hawq_quantized *q, size_t c, double x) {
    size_t best = 0;
    for (size_t i = 1; i < (size_t)q->n_levels; i++)
        if (fabs((double)q->scale[c] * hawq_quantized_levels(q, c)[i] - x) <
            fabs((double)q->scale[c] * hawq_quantized_levels(q, c)[best] - x))
            best = i;
    return best;
}

/* Optimal brain surgery: the weight of the largest H_jj that is left goes to
 * its nearest level, the others move by -e [F^-1]_.j / [F^-1]_jj, F being H of
 * those left, inverted anew each time. */
static void textbook(const hawq_quantized *q, const double *h, size_t n,
                     size_t c, const double *target, uint8_t *code) {
    double w[64];
    bool   done[64] = {false};
    memcpy(w, target, n * sizeof *w);
    for (size_t step = 0; step < n; step++) {
        size_t j = n, left[64], m = 0, at = 0;
        double f[64 * 64];
        for (size_t k = 0; k < n; k++)
            if (!done[k] && (j == n || h[k * n + k] > h[j * n + j])) j = k;
        for (size_t k = 0; k < n; k++)
            if (!done[k]) left[m++] = k;
        for (size_t i = 0; i < m; i++)
            for (size_t k = 0; k < m; k++)
                f[i * m + k] = h[left[i] * n + left[k]];
        invert(m, f);
        while (left[at] != j) at++;
        code[j] = (uint8_t)nearest_level(q, c, w[j]);
        double e =
            w[j] - (double)q->scale[c] * hawq_quantized_levels(q, c)[code[j]];
        for (size_t i = 0; i < m; i++)
            w[left[i]] -= e * f[i * m + at] / f[at * m + at];
        done[j] = true;
    }
}

static void gptq_is_the_textbook(void) {
    static const char *const names[] = {"w3:gptq", "w2c:gptq", "nf4:gptq",
                                        "k3:gptq"};
    for (int i = 0; i < 4; i++) {
        problem        p = open_problem(20, 12, 2, 70 + (uint64_t)i);
        hawq_quantized q = choose(&p, names[i]);
        int            differ = 0;
        for (size_t c = 0; c < 20; c++) {
            const double *m = p.moment + c / 10 * 144;
            uint8_t       code[64], near[64];
            textbook(&q, damped(&p, c / 10), 12, c, p.target + c * 12, code);
            for (size_t k = 0; k < 12; k++)
                near[k] = (uint8_t)nearest_level(&q, c, p.target[c * 12 + k]);
            bool lost =
                error_of(&p, &q, m, c, near) < error_of(&p, &q, m, c, code);
            differ += memcmp(lost ? near : code, q.code + c * 12, 12) != 0;
        }
        CHECK(differ == 0);
        close_problem(&p);
    }
}

/* --- coordinate descent and coupled rows --------------------------------- */

/* The least error over all codes of n weights, `of` giving it for codes. */
typedef double code_error(void *self, const uint8_t *code);

static double best_of_all(size_t n, int levels, code_error *of, void *self) {
    uint8_t code[16] = {0};
    double  best = INFINITY;
    for (;;) {
        size_t k = 0;
        best = fmin(best, of(self, code));
        while (k < n && ++code[k] == levels) code[k++] = 0;
        if (k == n) return best;
    }
}

typedef struct one_row {
    problem        *p;
    hawq_quantized *q;
    const double   *h;
    size_t          c;
} one_row;

static double row_error(void *self, const uint8_t *code) {
    one_row *r = self;
    return error_of(r->p, r->q, r->h, r->c, code);
}

static void descent_is_close_to_the_best(void) {
    static const char *const names[] = {"w2:coordinate", "w2f:coordinate",
                                        "w2c:coordinate"};
    for (int i = 0; i < 3; i++) {
        problem        p = open_problem(200, 4, 1, 20 + (uint64_t)i);
        hawq_quantized q = choose(&p, names[i]);
        double        *h = damped(&p, 0), sum = 0, best = 0, plain = 0;
        for (size_t c = 0; c < 200; c++) {
            one_row r = {&p, &q, h, c};
            uint8_t code[4];
            double  own = row_error(&r, q.code + c * 4);
            for (size_t k = 0; k < 4; k++)
                code[k] = (uint8_t)nearest_level(&q, c, p.target[c * 4 + k]);
            double least = best_of_all(4, q.n_levels, row_error, &r);
            CHECK(own <= row_error(&r, code) * (1 + 1e-6));
            CHECK(own >= least * (1 - 1e-6));
            sum += own;
            best += least;
            plain += row_error(&r, code);
        }
        CHECK(sum <= 1.1 * best && plain > sum);
        if (sum > 1.1 * best)
            printf("%s: %g, best %g, nearest %g\n", names[i], sum, best, plain);
        close_problem(&p);
    }
}

/* tr(G D H D') of 3 rows of 2. */
static double coupled_error(void *self, const uint8_t *code) {
    one_row *r = self;
    problem *p = r->p;
    size_t   rows = p->e.rows, cols = p->e.cols;
    double   d[16], g[16] = {0}, sum = 0, mean = 0;
    for (size_t i = 0; i < rows * cols; i++)
        d[i] = (double)r->q->scale[i / cols] *
                   hawq_quantized_levels(r->q, i / cols)[code[i]] -
               p->target[i];
    for (size_t a = 0; a < rows; a++)
        mean += p->curvature[a * rows + a] / (double)rows;
    for (size_t a = 0; a < rows; a++)
        for (size_t b = 0; b < rows; b++)
            g[a * rows + b] =
                p->curvature[a * rows + b] + (a == b ? 0.01 * mean : 0);
    for (size_t a = 0; a < rows; a++)
        for (size_t b = 0; b < rows; b++)
            for (size_t i = 0; i < cols; i++)
                for (size_t k = 0; k < cols; k++)
                    sum += g[a * rows + b] * d[a * cols + i] *
                           r->h[i * cols + k] * d[b * cols + k];
    return sum;
}

static void coupled_rows_are_close_to_the_best(void) {
    double sum = 0, best = 0, alone = 0;
    for (uint64_t i = 0; i < 60; i++) {
        problem        p = open_problem(3, 2, 1, 300 + i);
        hawq_quantized q = choose(&p, "w2c:kron");
        hawq_quantized a = choose(&p, "w2c:coordinate");
        one_row        r = {&p, &q, damped(&p, 0), 0};
        double         own = coupled_error(&r, q.code);
        double         least = best_of_all(6, q.n_levels, coupled_error, &r);
        CHECK(own >= least * (1 - 1e-6));
        sum += own;
        best += least;
        r.q = &a;
        alone += coupled_error(&r, a.code);
        close_problem(&p);
    }
    CHECK(sum <= 1.35 * best && sum < 0.8 * alone);
    if (sum > 1.35 * best || sum >= 0.8 * alone)
        printf("kron: %g, best %g, each row alone %g\n", sum, best, alone);
}

/* Outputs that do not interact: no row has anything to make up for. */
static void uncoupled_rows_are_alone(void) {
    problem p = open_problem(12, 10, 2, 9);
    for (size_t i = 0; i < 12 * 12; i++)
        if (i / 12 != i % 12) p.curvature[i] = 0;
    hawq_quantized q = choose(&p, "w3:kron"), a = choose(&p, "w3:coordinate");
    CHECK(!memcmp(q.code, a.code, 120));
    for (size_t c = 0; c < 12; c++)
        CHECK_NEAR((double)q.scale[c], (double)a.scale[c],
                   1e-6 * (double)a.scale[c]);
    close_problem(&p);
}

/* --- adaround and hqq ---------------------------------------------------- */

static void adaround_goes_up_or_down(void) {
    problem        p = open_problem(40, 24, 2, 12);
    hawq_quantized q = choose(&p, "w3:adaround"), m = choose(&p, "w3:moments");
    double         own = 0, plain = 0;
    int            moved = 0;
    for (size_t c = 0; c < 40; c++) {
        CHECK(q.scale[c] == m.scale[c]);
        for (size_t k = 0; k < 24; k++) {
            double x = p.target[c * 24 + k] / (double)q.scale[c];
            int    level = hawq_quantized_integer(&q, c, k);
            bool   inside = fabs(x) <= 3;
            moved += q.code[c * 24 + k] != m.code[c * 24 + k];
            if (inside) CHECK(fabs(level - x) <= 1 + 1e-6);
            if (!inside) CHECK(abs(level) == 3);
        }
        const double *h = p.moment + c / 20 * 24 * 24;
        own += error_of(&p, &q, h, c, q.code + c * 24);
        plain += error_of(&p, &m, h, c, m.code + c * 24);
    }
    CHECK(moved > 40 && own < 0.7 * plain);
    if (own >= 0.7 * plain) printf("adaround %g, nearest %g\n", own, plain);
    close_problem(&p);
}

static double power_sum(const problem *p, const hawq_quantized *q, size_t c) {
    double sum = 0;
    for (size_t k = 0; k < p->e.cols; k++)
        sum += pow(
            fabs(hawq_quantized_value(q, c, k) - p->target[c * p->e.cols + k]),
            0.7);
    return sum;
}

static void hqq_has_few_large_errors(void) {
    problem p = open_problem(40, 60, 1, 13);
    for (size_t c = 0; c < 40; c++) p.target[c * 60 + c] *= 4;
    hawq_quantized q = choose(&p, "w4:hqq"), a = choose(&p, "w4"),
                   b = choose(&p, "w4:mse");
    double own = 0, max = 0, mse = 0;
    for (size_t c = 0; c < 40; c++) {
        CHECK(power_sum(&p, &q, c) <= power_sum(&p, &a, c) * (1 + 1e-6));
        CHECK(power_sum(&p, &q, c) <= power_sum(&p, &b, c) * (1 + 1e-6));
        own += power_sum(&p, &q, c);
        max += power_sum(&p, &a, c);
        mse += power_sum(&p, &b, c);
    }
    CHECK(own < 0.99 * mse && own < max);
    if (own >= 0.99 * mse) printf("hqq %g, mse %g, max %g\n", own, mse, max);
    close_problem(&p);
}

/* --- fitted levels ------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The least sum of squares of n sorted points in k clusters: best[j][i] over
 * the first i points in j clusters. */
static double best_means(const double *x, size_t n, size_t k) {
    static double best[9][65];
    for (size_t i = 0; i <= n; i++) best[0][i] = i ? INFINITY : 0;
    for (size_t j = 1; j <= k; j++)
        for (size_t i = 0; i <= n; i++) {
            double sum = 0, squares = 0;
            best[j][i] = best[j - 1][i];
            for (size_t from = i; from-- > 0;) {
                sum += x[from];
                squares += x[from] * x[from];
                double own = squares - sum * sum / (double)(i - from);
                best[j][i] = fmin(best[j][i], best[j - 1][from] + own);
            }
        }
    return best[k][n];
}

static void fitted_levels_are_close_to_the_best(void) {
    double own = 0, best = 0;
    for (uint64_t trial = 0; trial < 100; trial++) {
        double x[48], scale;
        int8_t level[8];
        int    k = trial % 2 ? 4 : 8;
        for (size_t i = 0; i < 48; i++) x[i] = hawq_rng_normal(trial + 5, i);
        CHECK_OK(hawq_cluster_levels(x, NULL, 48, NULL, k, level, &scale));
        CHECK(abs(level[0]) == 127 || abs(level[k - 1]) == 127);
        for (int j = 1; j < k; j++) CHECK(level[j] >= level[j - 1]);
        double sum = 0;
        for (size_t i = 0; i < 48; i++) {
            double least = INFINITY;
            for (int j = 0; j < k; j++)
                least = fmin(least, fabs(x[i] - scale * level[j]));
            sum += least * least;
        }
        qsort(x, 48, sizeof *x, by_value);
        double lower = best_means(x, 48, (size_t)k);
        CHECK(sum >= lower * (1 - 1e-9));
        own += sum;
        best += lower;
    }
    CHECK(own <= 1.25 * best);
    if (own > 1.25 * best) printf("levels %g, best %g\n", own, best);
}

/* --- GPTQ's own promise --------------------------------------------------- */

/* d'Cd of every row at the same scale, which `moments` finds alike; and there
 * are rows on which the textbook's codes would lose. */
static void gptq_is_never_worse_than_nearest(void) {
    int lost = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        problem        p = open_problem(16, 6, 2, seed);
        hawq_quantized q = choose(&p, "w2c:gptq"),
                       near = choose(&p, "w2c:moments");
        for (size_t c = 0; c < 16; c++) {
            const double *m = p.moment + c / 8 * 36;
            double        own = error_of(&p, &q, m, c, q.code + c * 6);
            double        other = error_of(&p, &near, m, c, near.code + c * 6);
            CHECK(q.scale[c] == near.scale[c]);
            CHECK(own <= other * (1 + 1e-12));
            lost += !memcmp(q.code + c * 6, near.code + c * 6, 6);
        }
        close_problem(&p);
    }
    CHECK(lost > 0 && lost < 16 * 20);
}

/* --- threads ------------------------------------------------------------- */

static void threads_change_nothing(void) {
    int                       n;
    const hawq_method *const *all = hawq_methods(&n);
    for (int i = 0; i < n; i++) {
        problem p = open_problem(36, 20, 2, 33);
        char    name[64];
        snprintf(name, sizeof name, "w2c:%s", all[i]->name);
        hawq_quantized one = choose(&p, name);
        hawq_threads_free(p.threads);
        CHECK_OK(hawq_threads_new(3, &p.threads));
        hawq_quantized three = choose(&p, name);
        CHECK(!memcmp(one.code, three.code, 36 * 20));
        CHECK(!memcmp(one.scale, three.scale, 36 * sizeof *one.scale));
        close_problem(&p);
    }
}

int main(void) {
    gptq_is_never_worse_than_nearest();
    decoding_is_integer_arithmetic();
    gptq_is_the_textbook();
    descent_is_close_to_the_best();
    coupled_rows_are_close_to_the_best();
    uncoupled_rows_are_alone();
    adaround_goes_up_or_down();
    hqq_has_few_large_errors();
    fitted_levels_are_close_to_the_best();
    threads_change_nothing();
    DONE();
}
