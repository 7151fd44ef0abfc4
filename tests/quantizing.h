/* quantizing.h -- claims about weights rounded to nearest and the activation
 * quantizer that hold in float and in double: shared by the two tests.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_QUANTIZING_H
#define HAWQ_TESTS_QUANTIZING_H
#include "src/base/rng.h"
#include "src/quant/calibrate.h"
#include "src/quant/quantize.h"
#include "tests/check.h"

enum { N_WEIGHTS = 600 };

/* A layer around weights in memory: channel c of element (a, c, b). */
typedef struct weights {
    real        w[N_WEIGHTS];
    hawq_tensor tensor;
    hawq_layer  layer;
} weights;

static hawq_layer *layer_of(weights *x, size_t outer, size_t channels,
                            size_t inner) {
    x->tensor = (hawq_tensor){.data = x->w, .n = outer * channels * inner};
    x->layer = (hawq_layer){.name = "l",
                            .weight = &x->tensor,
                            .outer = outer,
                            .channels = channels,
                            .inner = inner};
    return &x->layer;
}

static hawq_layer *random_layer(weights *x, size_t outer, size_t channels,
                                size_t inner) {
    for (size_t i = 0; i < N_WEIGHTS; i++)
        x->w[i] = (real)hawq_rng_normal(hawq_rng_key(7, outer, inner, 0), i);
    return layer_of(x, outer, channels, inner);
}

/* The layer quantized to a candidate; valid until the arena ends. */
static hawq_quantized quantize(const hawq_layer *layer, const char *name,
                               hawq_arena *arena) {
    hawq_candidate candidate;
    hawq_quantized q = {0};
    CHECK_OK(hawq_candidate_read(name, &candidate));
    CHECK_OK(hawq_quantize(layer, &candidate, NULL, NULL, NULL, arena, &q));
    return q;
}

static double squared_error(const hawq_layer *layer, const char *name) {
    hawq_arena     arena = {0};
    hawq_quantized q = quantize(layer, name, &arena);
    double         error = hawq_quantized_error(&q, layer, NULL, NULL);
    hawq_arena_free(&arena);
    return error;
}

/* With s = 1 (largest weight 7, 4 bits) halves go to the even neighbour. */
static void ties_go_to_even(void) {
    static const double w[] = {7, 0.5, 1.5, 2.5, 3.5, -0.5, -1.5, -6.5, 6.5};
    static const int    want[] = {7, 0, 2, 2, 4, 0, -2, -6, 6};
    weights             x = {0};
    hawq_arena          arena = {0};
    hawq_layer         *l = layer_of(&x, 1, 1, 9);
    for (int i = 0; i < 9; i++) x.w[i] = (real)w[i];
    hawq_quantized q = quantize(l, "w4", &arena);
    CHECK(q.scale[0] == 1);
    for (size_t i = 0; i < 9; i++)
        CHECK(hawq_quantized_integer(&q, 0, i) == want[i]);
    hawq_arena_free(&arena);
}

/* Every width uses -n .. n and never the odd -n - 1; the extremes are hit. */
static void extremes_are_symmetric(void) {
    weights     x = {0};
    hawq_layer *l = random_layer(&x, 1, 3, 200);
    x.w[0] = -100, x.w[200] = 100, x.w[400] = -100;
    for (int bits = 2; bits <= 8; bits++) {
        hawq_arena arena = {0};
        char       name[] = {'w', (char)('0' + bits), 0};
        int        n = (1 << (bits - 1)) - 1, low = 0, high = 0;

        hawq_quantized q = quantize(l, name, &arena);
        for (size_t i = 0; i < N_WEIGHTS; i++) {
            int v = hawq_quantized_integer(&q, i / 200, i % 200);
            low = v < low ? v : low;
            high = v > high ? v : high;
        }
        CHECK(low == -n && high == n);
        hawq_arena_free(&arena);
    }
}

/* No weight, or weights below every scale: s = 1 and q = 0, no NaN. */
static void empty_channels_have_scale_one(void) {
    static const char *const ranges[] = {"w8", "w8:mse", "w8:percentile"};
    weights                  x = {0};
    hawq_layer              *l = layer_of(&x, 1, 2, 4);
    x.w[4] = 127;
    for (int i = 0; i < 3; i++) {
        hawq_arena     arena = {0};
        real           values[8];
        hawq_quantized q = quantize(l, ranges[i], &arena);
        CHECK(q.scale[0] > 0 && q.scale[1] > 0);
        hawq_quantized_decode(&q, l, values);
        CHECK(values[0] == 0);
        CHECK(isfinite(hawq_quantized_error(&q, l, NULL, NULL)));
        hawq_arena_free(&arena);
    }
}

/* Conv (1, o, ikk), Gemm transposed (1, o, k) and plain Gemm or MatMul
 * (k, o, 1) hold the same numbers in another order: same scales, same q. */
static void layouts_agree(void) {
    static weights rows, columns;
    hawq_arena     arena = {0};
    hawq_layer    *a = random_layer(&rows, 1, 20, 30);
    hawq_layer    *b = layer_of(&columns, 30, 20, 1);
    double         ea[20], eb[20];
    for (int c = 0; c < 20; c++)
        for (int k = 0; k < 30; k++) columns.w[k * 20 + c] = rows.w[c * 30 + k];
    hawq_quantized qa = quantize(a, "w4", &arena);
    hawq_quantized qb = quantize(b, "w4", &arena);
    CHECK(hawq_quantized_error(&qa, a, NULL, ea) ==
          hawq_quantized_error(&qb, b, NULL, eb));
    CHECK(memcmp(qa.code, qb.code, 600) == 0);
    for (int c = 0; c < 20; c++)
        CHECK(qa.scale[c] == qb.scale[c] && ea[c] == eb[c]);
    hawq_arena_free(&arena);
}

/* values = s q; dw = values - w up to one rounding; the error is the sum of
 * its squares; |dw| <= s / 2 where nothing is clipped. */
static void error_is_what_was_changed(void) {
    static weights x;
    hawq_arena     arena = {0};
    hawq_layer    *l = random_layer(&x, 3, 10, 20);
    real           dw[N_WEIGHTS], values[N_WEIGHTS];
    double         per_channel[10], sum = 0, total = 0;
    hawq_quantized q = quantize(l, "w4", &arena);
    hawq_quantized_decode(&q, l, values);
    double error = hawq_quantized_error(&q, l, dw, per_channel);
    for (size_t c = 0; c < 10; c++)
        for (size_t k = 0; k < 60; k++) {
            size_t i = hawq_weight_at(l, c, k);
            double s = (double)q.scale[c];
            CHECK(values[i] == (real)(s * hawq_quantized_integer(&q, c, k)));
            CHECK_NEAR((double)dw[i], (double)values[i] - (double)x.w[i], 1e-6);
            CHECK(fabs((double)dw[i]) <= s / 2 * (1 + 1e-6));
            sum += (double)dw[i] * (double)dw[i];
        }
    for (int c = 0; c < 10; c++) total += per_channel[c];
    CHECK_NEAR(error, sum, 1e-6 * sum);
    CHECK(error == total);
    hawq_arena_free(&arena);
}

/* A searched range is never worse than the largest magnitude, better for few
 * bits on a normal distribution; the percentile leaves out a lone weight. */
static void ranges_keep_their_promise(void) {
    static weights x;
    hawq_arena     arena = {0};
    hawq_layer    *l = random_layer(&x, 1, 3, 200);
    for (int bits = 2; bits <= 8; bits++) {
        char max[] = {'w', (char)('0' + bits), 0}, mse[8];
        snprintf(mse, sizeof mse, "%s:mse", max);
        double by_max = squared_error(l, max), by_mse = squared_error(l, mse);
        CHECK(bits <= 4 ? by_mse < 0.9 * by_max : by_mse <= by_max);
    }
    x.w[0] = 1000;
    hawq_quantized q = quantize(l, "w8:percentile", &arena);
    CHECK(127 * (double)q.scale[0] < 5 && 127 * (double)q.scale[0] > 1.5);
    hawq_arena_free(&arena);
}

static void names_of_ranges(void) {
    CHECK(hawq_range_find("mse") == HAWQ_RANGE_MSE);
    CHECK(hawq_range_find("best") == -1);
    for (int i = 0; i < 3; i++)
        CHECK(hawq_range_find(hawq_range_name((hawq_range)i)) == i);
}

/* --- activations ------------------------------------------------------- */

static void zero_is_exact(void) {
    hawq_affine relu = hawq_affine_make(0, 5.1, 8);
    hawq_affine both = hawq_affine_make(-1.7, 3.4, 4);
    hawq_affine never = hawq_affine_make(0, 0, 8);
    hawq_affine below = hawq_affine_make(-3, 0, 8);
    CHECK(relu.zero == 0 && relu.high == 255);
    CHECK_NEAR((double)relu.scale, 0.02, 1e-9);
    CHECK(both.zero == 5 && both.high == 15);
    CHECK(never.scale == 1 && never.zero == 0);
    CHECK(below.zero == 255);
}

/* The histogram does not depend on how the values arrive, and counts all. */
static void histogram_ignores_the_order_of_chunks(void) {
    static hawq_histogram a, b;
    static real           x[5000];
    uint64_t              total = 0;
    for (size_t i = 0; i < 5000; i++)
        x[i] = (real)(hawq_rng_normal(3, i) * (i < 2500 ? 1 : 64));
    hawq_histogram_init(&a);
    hawq_histogram_init(&b);
    hawq_histogram_add(&a, x, 5000);
    hawq_histogram_add(&b, x, 100);
    hawq_histogram_add(&b, x + 2500, 2500);
    hawq_histogram_add(&b, x + 100, 2400);
    CHECK(memcmp(&a, &b, sizeof a) == 0);
    for (int i = 0; i < HAWQ_BINS; i++) total += a.count[i];
    CHECK(total == 5000);
}

static double squared_loss(const real *x, size_t n, hawq_affine a) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double q = rint((double)x[i] / a.scale) + a.zero;
        q = fmin(fmax(q, 0), a.high);
        double d = a.scale * (q - a.zero) - (double)x[i];
        sum += d * d;
    }
    return sum;
}

/* mse beats max for 4 bits of a long-tailed distribution, one-sided and
 * two-sided; percentile leaves out a lone outlier; pixels 0 .. 255 are exact
 * at 8 bits whatever the method. */
static void activation_ranges_keep_their_promise(void) {
    static hawq_histogram h;
    static real           x[20000];
    for (int relu = 0; relu < 2; relu++) {
        for (size_t i = 0; i < 20000; i++) {
            double z = hawq_rng_normal(11, i);
            x[i] = (real)(relu && z < 0 ? 0 : z);
        }
        x[0] = 12;
        hawq_histogram_init(&h);
        hawq_histogram_add(&h, x, 20000);
        double max =
            squared_loss(x, 20000, hawq_affine_find(&h, 4, HAWQ_RANGE_MAX));
        double mse =
            squared_loss(x, 20000, hawq_affine_find(&h, 4, HAWQ_RANGE_MSE));
        hawq_affine p = hawq_affine_find(&h, 8, HAWQ_RANGE_PERCENTILE);
        CHECK(mse < 0.4 * max);
        CHECK(p.scale * (float)(p.high - p.zero) < 5);
        CHECK((p.zero > 0) == !relu);
    }
    for (size_t i = 0; i < 20000; i++) x[i] = (real)(i % 256);
    hawq_histogram_init(&h);
    hawq_histogram_add(&h, x, 20000);
    for (int m = 0; m < 3; m++) {
        hawq_affine a = hawq_affine_find(&h, 8, (hawq_range)m);
        CHECK(a.scale == 1 && a.zero == 0);
    }
}

static int check_quantizers(void) {
    ties_go_to_even();
    extremes_are_symmetric();
    empty_channels_have_scale_one();
    layouts_agree();
    error_is_what_was_changed();
    ranges_keep_their_promise();
    names_of_ranges();
    zero_is_exact();
    histogram_ignores_the_order_of_chunks();
    activation_ranges_keep_their_promise();
    DONE();
}

#endif
