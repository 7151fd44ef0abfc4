/* bench_hvp.c -- how fast Hessian products are: a program, not a test.
 *
 *     bench_hvp MODEL.onnx IMAGES PROBES [THREADS [CHUNK]]
 *
 * Random images. Prints what it runs, then the seconds of a forward sweep, a
 * gradient and PROBES Hessian products over the IMAGES; and once more for every
 * line read from stdin, so that a peer can be measured interleaved with it
 * (tests/peers/hvp.py).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/timer.h"
#include "src/base/rng.h"
#include "src/graph/convolve.h"
#include "src/graph/sweep.h"
#include "src/load/onnx.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct bench {
    hawq_graph    *graph;
    hawq_threads  *threads;
    hawq_engine   *forward, *engine;
    hawq_selection weights;
    hawq_arena     arena;
    hawq_batch     batch;
    int            probes;
    real          *v;
    double        *products, *gradient;
} bench;

static hawq_status open_bench(bench *b, char **arg, int n) {
    size_t images = (size_t)strtoul(arg[2], NULL, 10);
    int    threads = n > 4 ? (int)strtol(arg[4], NULL, 10) : 0;
    int    chunk = n > 5 ? (int)strtol(arg[5], NULL, 10) : 0;
    b->probes = (int)strtol(arg[3], NULL, 10);
    if (images < 1 || b->probes < 1)
        return hawq_fail(HAWQ_EINVAL, "IMAGES and PROBES must be positive");
    HAWQ_TRY(hawq_onnx_load(arg[1], chunk, &b->graph));
    HAWQ_TRY(hawq_threads_new(threads, &b->threads));
    HAWQ_TRY(hawq_engine_new(b->graph, b->threads, 0, HAWQ_CROSS_ENTROPY,
                             &b->forward));
    HAWQ_TRY(hawq_engine_new(b->graph, b->threads, b->probes,
                             HAWQ_CROSS_ENTROPY, &b->engine));
    HAWQ_TRY(hawq_select_weights(b->graph, -1, &b->arena, &b->weights));
    size_t   total = hawq_selection_total(&b->weights);
    size_t   each = hawq_per_image(b->graph, b->graph->input);
    size_t   classes = hawq_per_image(b->graph, b->graph->output);
    real    *x;
    int64_t *labels;
    HAWQ_TAKE(x, &b->arena, images * each);
    HAWQ_TAKE(labels, &b->arena, images);
    HAWQ_TAKE(b->v, &b->arena, (size_t)b->probes * total);
    HAWQ_TAKE(b->products, &b->arena, (size_t)b->probes * total);
    HAWQ_TAKE(b->gradient, &b->arena, total);
    for (size_t i = 0; i < images * each; i++)
        x[i] = (real)hawq_rng_normal(1, i);
    for (size_t i = 0; i < images; i++)
        labels[i] = (int64_t)hawq_rng_below(2, i, classes);
    for (size_t i = 0; i < (size_t)b->probes * total; i++)
        b->v[i] = (real)hawq_rng_sign(3, i);
    b->batch = (hawq_batch){images, x, labels, NULL};
    return HAWQ_OK;
}

static void measure(bench *b) {
    double loss, t0 = hawq_timer_now();
    hawq_engine_forward(b->forward, &b->batch, NULL, &loss, NULL);
    double t1 = hawq_timer_now();
    hawq_engine_gradient(b->engine, &b->batch, &b->weights, b->gradient, NULL,
                         NULL);
    double t2 = hawq_timer_now();
    hawq_engine_products(b->engine, &b->batch, HAWQ_HESSIAN, b->probes,
                         &b->weights, b->v, &b->weights, b->products, NULL);
    double t3 = hawq_timer_now();
    printf("%.6f %.6f %.6f\n", 1e-9 * (t1 - t0), 1e-9 * (t2 - t1),
           1e-9 * (t3 - t2));
    fflush(stdout);
}

int main(int n, char **arg) {
    bench b = {0};
    char  line[64];
    if (n < 4) {
        fprintf(stderr, "usage: bench_hvp MODEL.onnx IMAGES PROBES [THREADS "
                        "[CHUNK]]\n");
        return 2;
    }
    if (open_bench(&b, arg, n) != HAWQ_OK) {
        fprintf(stderr, "bench_hvp: %s\n", hawq_message());
        return 1;
    }
    double macs = 0;
    for (int i = 0; i < b.graph->n_layers; i++)
        macs += (double)b.graph->layer[i].macs;
    printf("%d images a chunk, %.1f MMAC an image, %.0f MB, %s\n",
           b.graph->batch, macs * 1e-6,
           1e-6 * (double)hawq_engine_taken(b.engine).total,
           hawq_conv_provider());
    printf("seconds: forward, gradient, %d Hessian products\n", b.probes);
    measure(&b);
    while (fgets(line, sizeof line, stdin)) measure(&b);
    hawq_engine_free(b.engine);
    hawq_engine_free(b.forward);
    hawq_threads_free(b.threads);
    hawq_graph_free(b.graph);
    hawq_arena_free(&b.arena);
    return 0;
}
