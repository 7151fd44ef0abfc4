/* test_methods.c -- how codes are chosen, against oracles that know nothing of
 * it; those that pass errors on are in test_second_order.c.
 *
 * Claims: m * level stays in 8 bits, and decoded weights are those of the
 * formula in 64-bit integers; adaround never leaves the two levels around a
 * weight and beats nearest; hqq has fewer large errors than the scales it
 * starts from; fitted levels are close to the best k-means, found by dynamic
 * programming. All methods give the same bits for 1 and 3 threads.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/rounding.h"
#include "tests/choosing.h"

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
    decoding_is_integer_arithmetic();
    adaround_goes_up_or_down();
    hqq_has_few_large_errors();
    fitted_levels_are_close_to_the_best();
    threads_change_nothing();
    DONE();
}
