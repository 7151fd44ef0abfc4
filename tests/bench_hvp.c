/* bench_hvp.c -- how fast Hessian products are: a program, not a test.
 *
 *     bench_hvp MODEL.onnx IMAGES PROBES [THREADS [CHUNK]]
 *
 * Random images and labels. Prints what it runs, then does what each line of
 * stdin says and answers with the seconds it took:
 *
 *     forward       inference: outputs and loss
 *     gradient      of the loss by all weights
 *     products M    Hv for M <= PROBES random v, primal sweeps included
 *     readings M    v_l'(Hv)_l of every layer and channel, unbiased, without
 *                   Hv (reading.h), for M <= PROBES; -1 where the network has
 *                   no readings
 *     peak          no seconds: GFLOP/s of fused multiply-adds from registers
 *                   alone, on all threads
 *
 * so that a peer can be measured interleaved with it (tests/peers/hvp.py).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/timer.h"
#include "src/base/rng.h"
#include "src/graph/convolve.h"
#include "src/graph/reading.h"
#include "src/graph/sweep.h"
#include "src/load/onnx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bench {
    hawq_graph    *graph;
    hawq_threads  *threads;
    hawq_engine   *forward, *engine;
    hawq_selection weights;
    hawq_arena     arena;
    hawq_batch     batch;
    int            probes;
    real          *v, *outputs;
    double        *products, *gradient, *readings;
} bench;

/* --- the peak ----------------------------------------------------------- */

enum { PEAK_LOOPS = 2000000, PEAK_SUMS = 14 }; /* more than latency x ports */

#if defined(__x86_64__)
#define REPEAT(m)                                                              \
    m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) m(10) m(11) m(12) m(13)
#define CLOBBERED                                                              \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",    \
        "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
#define ZERO(i) "vxorps %%xmm" #i ", %%xmm" #i ", %%xmm" #i "\n\t"
#define FMA512(i) "vfmadd231ps %%zmm14, %%zmm15, %%zmm" #i "\n\t"
#define FMA256(i) "vfmadd231ps %%ymm14, %%ymm15, %%ymm" #i "\n\t"

#define PEAK_LOOP(FMA)                                                         \
    long n = PEAK_LOOPS;                                                       \
    __asm__ volatile(REPEAT(ZERO) ZERO(14) ZERO(15) "1:\n\t" REPEAT(           \
                         FMA) "dec %0\n\tjnz 1b\n\tvzeroupper"                 \
                     : "+r"(n)::CLOBBERED, "cc");

__attribute__((target("avx512f"))) static void peak_avx512(void) {
    PEAK_LOOP(FMA512)
}
__attribute__((target("avx2,fma"))) static void peak_avx2(void) {
    PEAK_LOOP(FMA256)
}
#endif

static int peak_lanes(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) return 16;
    if (__builtin_cpu_supports("fma")) return 8;
#endif
    return 0;
}

static void peak_task(void *self, size_t task, int worker) {
    (void)self, (void)task, (void)worker;
#if defined(__x86_64__)
    if (peak_lanes() == 16)
        peak_avx512();
    else if (peak_lanes() == 8)
        peak_avx2();
#endif
}

static double peak(const bench *b) {
    size_t n = (size_t)hawq_threads_count(b->threads);
    double t0 = (double)hawq_timer_now();
    hawq_threads_run(b->threads, n, peak_task, NULL, NULL);
    double ns = (double)hawq_timer_now() - t0;
    return 2.0 * PEAK_SUMS * PEAK_LOOPS * (double)n * peak_lanes() / ns;
}

/* --- the work ----------------------------------------------------------- */

static hawq_status draw_batch(bench *b, size_t images) {
    size_t   each = b->graph->n_row;
    size_t   out = hawq_per_image(b->graph, b->graph->output);
    size_t   total = hawq_selection_total(&b->weights);
    real    *x;
    int64_t *labels;
    HAWQ_TAKE(x, &b->arena, images * each);
    HAWQ_TAKE(labels, &b->arena, images);
    HAWQ_TAKE(b->outputs, &b->arena, images * out);
    HAWQ_TAKE(b->v, &b->arena, (size_t)b->probes * total);
    HAWQ_TAKE(b->gradient, &b->arena, total);
    HAWQ_TAKE(b->readings, &b->arena,
              (size_t)b->probes * hawq_reading_channels(b->graph));
    for (size_t i = 0; i < images * each; i++)
        x[i] = (real)hawq_rng_normal(1, i);
    for (size_t i = 0; i < images; i++)
        labels[i] = (int64_t)hawq_rng_below(2, i, out);
    for (size_t i = 0; i < (size_t)b->probes * total; i++)
        b->v[i] = (real)hawq_rng_sign(3, i);
    b->batch = (hawq_batch){images, x, labels, NULL};
    return HAWQ_OK;
}

static hawq_status open_bench(bench *b, char **arg, int n) {
    size_t images = (size_t)strtoul(arg[2], NULL, 10);
    int    threads = n > 4 ? (int)strtol(arg[4], NULL, 10) : 0;
    int    chunk = n > 5 ? (int)strtol(arg[5], NULL, 10) : 0;
    b->probes = (int)strtol(arg[3], NULL, 10);
    if (images < 1 || b->probes < 1)
        return hawq_fail(HAWQ_EINVAL, "IMAGES and PROBES must be positive");
    HAWQ_TRY(hawq_onnx_load(arg[1], chunk, &b->graph));
    HAWQ_TRY(hawq_threads_new(threads, &b->threads));
    HAWQ_TRY(hawq_engine_new(b->graph, b->threads, b->probes,
                             HAWQ_CROSS_ENTROPY, &b->engine));
    HAWQ_TRY(hawq_select_weights(b->graph, -1, &b->arena, &b->weights));
    return draw_batch(b, images);
}

/* Multiply-adds per image of all products: the layers', and those of one
 * activation with another (attention). */
static double multiply_adds(const hawq_graph *g) {
    double sum = 0;
    for (int i = 0; i < g->n_layers; i++) sum += (double)g->layer[i].macs;
    for (int i = 0; i < g->n_nodes; i++) {
        const hawq_node  *node = g->node[i];
        const hawq_shape *a = &node->in[0]->shape;
        if (!strcmp(node->op->name, "MatMul") && !node->in[1]->data)
            sum += (double)hawq_per_image(g, node->out[0]) *
                   (double)a->dim[a->rank - 1];
    }
    return sum;
}

/* What takes memory is made when first asked for, so that the process's peak of
 * memory is that of what it was asked to do. */
static hawq_status forward(bench *b) {
    double loss;
    if (!b->forward)
        HAWQ_TRY(hawq_engine_new(b->graph, b->threads, 0, HAWQ_CROSS_ENTROPY,
                                 &b->forward));
    hawq_engine_forward(b->forward, &b->batch, b->outputs, &loss, NULL);
    return HAWQ_OK;
}

static hawq_status products(bench *b, int m) {
    size_t total = hawq_selection_total(&b->weights);
    if (!b->products)
        HAWQ_TAKE(b->products, &b->arena, (size_t)b->probes * total);
    hawq_engine_products(b->engine, &b->batch, HAWQ_HESSIAN, m, &b->weights,
                         b->v, &b->weights, b->products, NULL);
    return HAWQ_OK;
}

static hawq_status obey(bench *b, const char *line) {
    char   word[16] = "";
    int    m = b->probes;
    double t0 = (double)hawq_timer_now();
    sscanf(line, "%15s %d", word, &m);
    if (m < 1 || m > b->probes) m = b->probes;
    if (!strcmp(word, "peak") ||
        (!strcmp(word, "readings") && !hawq_can_read(b->graph))) {
        printf("%.1f\n", *word == 'p' ? peak(b) : -1.0);
        return HAWQ_OK;
    }
    if (!strcmp(word, "forward"))
        HAWQ_TRY(forward(b));
    else if (!strcmp(word, "gradient"))
        hawq_engine_gradient(b->engine, &b->batch, &b->weights, b->gradient,
                             NULL, NULL);
    else if (!strcmp(word, "products"))
        HAWQ_TRY(products(b, m));
    else if (!strcmp(word, "readings"))
        hawq_engine_readings(b->engine, &b->batch, HAWQ_HESSIAN, m, &b->weights,
                             b->v, b->readings);
    else
        return hawq_fail(HAWQ_EINVAL,
                         "'%s' is none of forward, gradient, products, "
                         "readings and peak",
                         word);
    printf("%.6f\n", 1e-9 * ((double)hawq_timer_now() - t0));
    return HAWQ_OK;
}

static void describe(const bench *b) {
    printf("%d images a chunk, %.1f MMAC an image, %.0f MB, %s\n",
           b->graph->batch, multiply_adds(b->graph) * 1e-6,
           1e-6 * (double)hawq_engine_taken(b->engine).total,
           hawq_conv_provider());
}

static hawq_status run(bench *b, char **arg, int n) {
    char line[64];
    HAWQ_TRY(open_bench(b, arg, n));
    describe(b);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        HAWQ_TRY(obey(b, line));
        fflush(stdout);
    }
    return HAWQ_OK;
}

int main(int n, char **arg) {
    bench b = {0};
    if (n < 4) {
        fprintf(stderr, "usage: bench_hvp MODEL.onnx IMAGES PROBES [THREADS "
                        "[CHUNK]]\n");
        return 2;
    }
    hawq_status status = run(&b, arg, n);
    if (status != HAWQ_OK) fprintf(stderr, "bench_hvp: %s\n", hawq_message());
    hawq_engine_free(b.engine);
    hawq_engine_free(b.forward);
    hawq_threads_free(b.threads);
    hawq_graph_free(b.graph);
    hawq_arena_free(&b.arena);
    return status != HAWQ_OK;
}
