/* quantizing.h -- claims about the weight and activation quantizers that hold
 * in float and in double: shared by the two tests.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_QUANTIZING_H
#define HAWQ_TESTS_QUANTIZING_H
#include "src/base/rng.h"
#include "src/quant/calibrate.h"
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

/* With s = 1 (largest weight 7, 4 bits) halves go to the even neighbour. */
static void ties_go_to_even(void) {
    static const double w[] = {7, 0.5, 1.5, 2.5, 3.5, -0.5, -1.5, -6.5, 6.5};
    static const int    want[] = {7, 0, 2, 2, 4, 0, -2, -6, 6};
    weights             x = {0};
    hawq_layer         *l = layer_of(&x, 1, 1, 9);
    hawq_quantizer      how = {.bits = 4};
    double              scale[1];
    int8_t              q[9];
    for (int i = 0; i < 9; i++) x.w[i] = (real)w[i];
    hawq_quant_scales(l, &how, scale);
    CHECK(scale[0] == 1);
    hawq_quant_integers(l, 4, scale, q);
    for (int i = 0; i < 9; i++) CHECK(q[i] == want[i]);
}

/* Every width uses -n .. n and never the odd -n - 1; the extremes are hit. */
static void extremes_are_symmetric(void) {
    weights     x = {0};
    hawq_layer *l = random_layer(&x, 1, 3, 200);
    x.w[0] = -100, x.w[200] = 100, x.w[400] = -100;
    for (int bits = 2; bits <= 8; bits++) {
        hawq_quantizer how = {.bits = bits};
        int            n = (1 << (bits - 1)) - 1, low = 0, high = 0;
        double         scale[3];
        int8_t         q[N_WEIGHTS];
        hawq_quant_scales(l, &how, scale);
        hawq_quant_integers(l, bits, scale, q);
        for (int i = 0; i < N_WEIGHTS; i++) {
            low = q[i] < low ? q[i] : low;
            high = q[i] > high ? q[i] : high;
        }
        CHECK(low == -n && high == n);
    }
}

/* No weight, or weights below every scale: s = 1 and q = 0, no NaN. */
static void empty_channels_have_scale_one(void) {
    weights        x = {0};
    hawq_layer    *l = layer_of(&x, 1, 2, 4);
    hawq_quantizer how = {.bits = 8};
    for (int range = 0; range < 3; range++) {
        double scale[2];
        real   values[8];
        double error;
        x.w[4] = 127;
        how.range = (hawq_range)range;
        hawq_quant_scales(l, &how, scale);
        CHECK(scale[0] == 1 && scale[1] > 0);
        hawq_quant_values(l, 8, scale, values);
        error = hawq_quant_error(l, 8, scale, NULL, NULL);
        CHECK(values[0] == 0 && isfinite(error));
    }
}

/* Conv (1, o, ikk), Gemm transposed (1, o, k) and plain Gemm or MatMul
 * (k, o, 1) hold the same numbers in another order: same scales, same q. */
static void layouts_agree(void) {
    static weights rows, columns;
    hawq_layer    *a = random_layer(&rows, 1, 20, 30);
    hawq_layer    *b = layer_of(&columns, 30, 20, 1);
    hawq_quantizer how = {.bits = 4};
    double         sa[20], sb[20];
    int8_t         qa[N_WEIGHTS], qb[N_WEIGHTS];
    double         ea[20], eb[20];
    for (int c = 0; c < 20; c++)
        for (int k = 0; k < 30; k++) columns.w[k * 20 + c] = rows.w[c * 30 + k];
    hawq_quant_scales(a, &how, sa);
    hawq_quant_scales(b, &how, sb);
    hawq_quant_integers(a, 4, sa, qa);
    hawq_quant_integers(b, 4, sb, qb);
    CHECK(hawq_quant_error(a, 4, sa, NULL, ea) ==
          hawq_quant_error(b, 4, sb, NULL, eb));
    for (int c = 0; c < 20; c++) {
        CHECK(sa[c] == sb[c] && ea[c] == eb[c]);
        for (int k = 0; k < 30; k++) CHECK(qa[c * 30 + k] == qb[k * 20 + c]);
    }
}

/* values = s q; dw = values - w up to one rounding; the error is the sum of
 * its squares; |dw| <= s / 2 where nothing is clipped. */
static void error_is_what_was_changed(void) {
    static weights x;
    hawq_layer    *l = random_layer(&x, 3, 10, 20);
    hawq_quantizer how = {.bits = 4};
    double         scale[10];
    real           dw[N_WEIGHTS], values[N_WEIGHTS];
    int8_t         q[N_WEIGHTS];
    double         per_channel[10], sum = 0, total = 0;
    hawq_quant_scales(l, &how, scale);
    hawq_quant_integers(l, 4, scale, q);
    hawq_quant_values(l, 4, scale, values);
    double error = hawq_quant_error(l, 4, scale, dw, per_channel);
    for (size_t i = 0; i < N_WEIGHTS; i++) {
        double s = scale[i / 20 % 10];
        CHECK(values[i] == (real)(s * q[i]));
        CHECK_NEAR((double)dw[i], (double)values[i] - (double)x.w[i], 1e-6);
        CHECK(fabs((double)dw[i]) <= s / 2 * (1 + 1e-6));
        sum += (double)dw[i] * (double)dw[i];
    }
    for (int c = 0; c < 10; c++) total += per_channel[c];
    CHECK_NEAR(error, sum, 1e-6 * sum);
    CHECK(error == total);
}

/* A searched range is never worse than the largest magnitude, better for few
 * bits on a normal distribution; one scale for the tensor is worse than many;
 * the percentile leaves out a lone outlier of 200. */
static void ranges_keep_their_promise(void) {
    static weights x;
    hawq_layer    *l = random_layer(&x, 1, 3, 200);
    double         scale[3], tensor[3];
    for (int bits = 2; bits <= 8; bits++) {
        hawq_quantizer max = {.bits = bits};
        hawq_quantizer mse = {.bits = bits, .range = HAWQ_RANGE_MSE};
        hawq_quantizer one = {.bits = bits, .granularity = HAWQ_PER_TENSOR};
        hawq_quant_scales(l, &max, scale);
        double by_max = hawq_quant_error(l, bits, scale, NULL, NULL);
        hawq_quant_scales(l, &one, tensor);
        double by_tensor = hawq_quant_error(l, bits, tensor, NULL, NULL);
        CHECK(tensor[0] == tensor[2] && tensor[0] >= scale[1]);
        CHECK(by_tensor > by_max);
        hawq_quant_scales(l, &mse, scale);
        double by_mse = hawq_quant_error(l, bits, scale, NULL, NULL);
        CHECK(bits <= 4 ? by_mse < 0.9 * by_max : by_mse <= by_max);
    }
    hawq_quantizer percentile = {.bits = 8, .range = HAWQ_RANGE_PERCENTILE};
    x.w[0] = 1000;
    hawq_quant_scales(l, &percentile, scale);
    CHECK(127 * (double)scale[0] < 5 && 127 * (double)scale[0] > 1.5);
}

static void names_and_widths_are_checked(void) {
    hawq_quantizer how = {.bits = 1};
    CHECK(hawq_range_find("mse") == HAWQ_RANGE_MSE);
    CHECK(hawq_range_find("best") == -1);
    CHECK(hawq_granularity_find("tensor") == HAWQ_PER_TENSOR);
    for (int i = 0; i < 3; i++)
        CHECK(hawq_range_find(hawq_range_name((hawq_range)i)) == i);
    for (int i = 0; i < 2; i++)
        CHECK(hawq_granularity_find(
                  hawq_granularity_name((hawq_granularity)i)) == i);
    CHECK_FAILS(hawq_quantizer_check(&how), HAWQ_EINVAL, "choose 2 to 8");
    how.bits = 8;
    CHECK_OK(hawq_quantizer_check(&how));
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
    names_and_widths_are_checked();
    zero_is_exact();
    histogram_ignores_the_order_of_chunks();
    activation_ranges_keep_their_promise();
    DONE();
}

#endif
