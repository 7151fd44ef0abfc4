/* test_second_order.c -- methods by which weights make up for each other's
 * errors, against oracles that know nothing of them.
 *
 * Claims: GPTQ's codes are those of the textbook with explicit inverses, or the
 * nearest where those cost less, so no row costs more than its nearest codes;
 * coordinate descent on rows short enough for all codes to be tried is close to
 * the best of them, and never above nearest at the same scale; coupled rows
 * likewise, and where outputs do not interact they are the rows of coordinate
 * descent.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/choosing.h"

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

/* --- GPTQ and nearest ----------------------------------------------------- */

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

int main(void) {
    gptq_is_the_textbook();
    gptq_is_never_worse_than_nearest();
    descent_is_close_to_the_best();
    coupled_rows_are_close_to_the_best();
    uncoupled_rows_are_alone();
    DONE();
}
