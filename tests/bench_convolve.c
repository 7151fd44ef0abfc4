/* bench_convolve.c -- how fast the three products of a convolution are: a
 * program, not a test.
 *
 *     bench_convolve [IMAGES [OPERANDS [ROUNDS]]]
 *
 * For every shape and product, billions of operations per second of one thread
 * (2 per multiply-add of the defining sum) for each way of computing it, and
 * for all of them together: what convolve.c chooses. `peak` is the same number
 * for fused multiply-adds that touch no memory. The ways take turns; each
 * number is the best of ROUNDS, in processor time, so that other programs
 * disturb it little.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/rng.h"
#include "src/graph/convolve.h"
#include "src/graph/mm.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

static const struct row {
    const char *network;
    size_t      c, o, size, k, stride, groups;
} rows[] = {{"ResNet20", 16, 16, 32, 3, 1, 1},
            {"ResNet20", 32, 32, 16, 3, 1, 1},
            {"ResNet20", 64, 64, 8, 3, 1, 1},
            {"ResNet18", 64, 64, 56, 3, 1, 1},
            {"ResNet18", 128, 128, 28, 3, 1, 1},
            {"ResNet18", 256, 256, 14, 3, 1, 1},
            {"ResNet18", 512, 512, 7, 3, 1, 1},
            {"ResNet20", 16, 32, 32, 3, 2, 1},
            {"ResNet20", 32, 64, 16, 3, 2, 1},
            {"ResNet20", 32, 64, 16, 1, 2, 1},
            {"ResNet18", 3, 64, 224, 7, 2, 1},
            {"ResNet18", 64, 128, 56, 3, 2, 1},
            {"ResNet18", 128, 256, 28, 3, 2, 1},
            {"ResNet18", 256, 512, 14, 3, 2, 1},
            {"ResNet18", 64, 128, 56, 1, 2, 1},
            {"MobileNetV2", 32, 32, 112, 3, 1, 32},
            {"MobileNetV2", 96, 96, 112, 3, 2, 96},
            {"MobileNetV2", 144, 144, 56, 3, 1, 144},
            {"MobileNetV2", 192, 192, 28, 3, 1, 192},
            {"MobileNetV2", 384, 384, 14, 3, 1, 384},
            {"MobileNetV2", 576, 576, 14, 3, 2, 576},
            {"MobileNetV2", 960, 960, 7, 3, 1, 960},
            {"EfficientNet", 144, 144, 28, 5, 1, 144},
            {"EfficientNet", 240, 240, 28, 5, 2, 240}};

static const struct way {
    const char *name;
    unsigned    without;
} ways[] = {{"chosen", 0},
            {"winograd", HAWQ_CONV_ONEDNN | HAWQ_CONV_NATIVE},
            {"direct", HAWQ_CONV_ONEDNN | HAWQ_CONV_WINOGRAD},
            {"blas", HAWQ_CONV_ONEDNN | HAWQ_CONV_NATIVE | HAWQ_CONV_WINOGRAD}};
enum { WAYS = sizeof ways / sizeof *ways, PRODUCTS = 5, MAX_OPERANDS = 16 };
/* What the operands share stands in front. */
static const char *const products[PRODUCTS] = {
    "w: forward", "x: forward", "w: by data", "y: by data", "x: by weights"};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#if defined(__x86_64__)
/* 24 independent chains hide the latency of two units on every processor; GCC
 * keeps them in registers. Returns operations. */
__attribute__((target("avx512f"))) static double chains512(float *sink) {
    enum { STEPS = 100000, CHAINS = 24 };
    __m512 acc[CHAINS], a = _mm512_set1_ps(0.999F), b = _mm512_set1_ps(1e-3F);
    for (int i = 0; i < CHAINS; i++) acc[i] = a;
    for (int s = 0; s < STEPS; s++) {
#pragma GCC unroll 24
        for (int i = 0; i < CHAINS; i++) acc[i] = _mm512_fmadd_ps(acc[i], a, b);
    }
    for (int i = 0; i < CHAINS; i++) *sink += _mm512_reduce_add_ps(acc[i]);
    return 2.0 * 16 * CHAINS * STEPS;
}

__attribute__((target("avx2,fma"))) static double chains256(float *sink) {
    enum { STEPS = 100000, CHAINS = 12 };
    __m256 acc[CHAINS], a = _mm256_set1_ps(0.999F), b = _mm256_set1_ps(1e-3F);
    for (int i = 0; i < CHAINS; i++) acc[i] = a;
    for (int s = 0; s < STEPS; s++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) acc[i] = _mm256_fmadd_ps(acc[i], a, b);
    }
    for (int i = 0; i < CHAINS; i++) *sink += _mm256_cvtss_f32(acc[i]);
    return 2.0 * 8 * CHAINS * STEPS;
}
#endif

static double peak(void) {
#if defined(__x86_64__)
    volatile float sink = 0;
    float          sum = 0;
    double         t0 = now(), done;
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f"))
        done = chains512(&sum);
    else if (__builtin_cpu_supports("avx2"))
        done = chains256(&sum);
    else
        return 0;
    double seconds = now() - t0;
    sink = sum;
    (void)sink;
    return 1e-9 * done / seconds;
#else
    return 0;
#endif
}

typedef struct bench {
    hawq_conv_shape shape[WAYS];
    size_t          images;
    int             n;
    real           *x[MAX_OPERANDS], *w[MAX_OPERANDS], *y[MAX_OPERANDS];
    real           *scratch;
} bench;

static real *draw(uint64_t key, size_t n) {
    real *x = malloc(n * sizeof *x);
    if (!x) exit(1);
    for (size_t i = 0; i < n; i++)
        x[i] = (real)(2 * hawq_rng_uniform(key, i) - 1);
    return x;
}

static void open_bench(bench *b, const struct row *r) {
    size_t pad = r->k / 2, out = (r->size + 2 * pad - r->k) / r->stride + 1;
    size_t scratch = 0;
    for (int v = 0; v < WAYS; v++) {
        hawq_conv_shape *s = &b->shape[v];
        *s = (hawq_conv_shape){.c = r->c,
                               .h = r->size,
                               .w = r->size,
                               .o = r->o,
                               .oh = out,
                               .ow = out,
                               .kh = r->k,
                               .kw = r->k,
                               .stride_h = r->stride,
                               .stride_w = r->stride,
                               .dilation_h = 1,
                               .dilation_w = 1,
                               .pad_top = pad,
                               .pad_left = pad,
                               .groups = r->groups,
                               .without = ways[v].without};
        size_t wants = hawq_conv_scratch(s, b->images);
        if (wants > scratch) scratch = wants;
    }
    b->scratch = draw(1, scratch + 1);
    for (int i = 0; i < b->n; i++) {
        b->x[i] = draw(2, b->images * r->c * r->size * r->size);
        b->w[i] = draw(3, r->o * r->c / r->groups * r->k * r->k);
        b->y[i] = draw(4, b->images * r->o * out * out);
    }
}

static void close_bench(bench *b) {
    free(b->scratch);
    for (int i = 0; i < b->n; i++) {
        free(b->x[i]);
        free(b->w[i]);
        free(b->y[i]);
    }
}

static void run(bench *b, int way, int product) {
    const hawq_conv_shape *s = &b->shape[way];
    const real            *w[MAX_OPERANDS], *x[MAX_OPERANDS], *y[MAX_OPERANDS];
    for (int i = 0; i < b->n; i++) {
        bool same_w = product == 0 || product == 2;
        w[i] = b->w[same_w ? 0 : i];
        x[i] = b->x[same_w ? i : 0];
        y[i] = b->y[same_w ? i : 0];
    }
    if (product < 2)
        hawq_conv_forward(s, b->images, b->n, w, x, b->y, b->scratch);
    else if (product < 4)
        hawq_conv_by_data(s, b->images, b->n, w, y, b->x, b->scratch);
    else
        hawq_conv_by_weights(s, b->images, b->n, (const void *)b->y, x[0], b->w,
                             b->scratch);
}

/* Sums grow from call to call, by less than what a float holds. */
static void measure(bench *b, const struct row *r, int product, int rounds) {
    double best[WAYS] = {0}, roof = 0, out = (double)b->shape[0].oh;
    double work = 2 * (double)b->images * b->n * (double)(r->o * r->c) /
                  (double)r->groups * (double)(r->k * r->k) * out * out;
    for (int i = 0; i < rounds; i++) {
        double p = peak();
        if (p > roof) roof = p;
        for (int v = 0; v < WAYS; v++) {
            double t0 = now();
            run(b, v, product);
            double rate = 1e-9 * work / (now() - t0);
            if (rate > best[v]) best[v] = rate;
        }
    }
    printf("%-10s %4zu>%-4zu %3zux%-3zu k%zu s%zu g%-4zu %-13s %5.0f",
           r->network, r->c, r->o, r->size, r->size, r->k, r->stride, r->groups,
           products[product], roof);
    for (int v = 0; v < WAYS; v++) printf(" %8.0f", best[v]);
    printf("\n");
    fflush(stdout);
}

int main(int n, char **arg) {
    bench b = {0};
    long  operands = n > 2 ? strtol(arg[2], NULL, 10) : 8;
    int   rounds = n > 3 ? (int)strtol(arg[3], NULL, 10) : 15;
    b.images = n > 1 ? (size_t)strtoul(arg[1], NULL, 10) : 8;
    if (b.images < 1 || operands < 1 || operands > MAX_OPERANDS || rounds < 1) {
        fprintf(stderr,
                "usage: bench_convolve [IMAGES [OPERANDS <= %d "
                "[ROUNDS]]]\n",
                MAX_OPERANDS);
        return 2;
    }
    b.n = (int)operands;
    if (hawq_mm_open() != HAWQ_OK) return 1;
    printf("%s; %zu images, %d operands\n", hawq_conv_provider(), b.images,
           b.n);
    printf("%-52s peak", "GF/s");
    for (int v = 0; v < WAYS; v++) printf(" %8s", ways[v].name);
    printf("\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        open_bench(&b, &rows[i]);
        for (int p = 0; p < PRODUCTS; p++) measure(&b, &rows[i], p, rounds);
        close_bench(&b);
    }
    return 0;
}
