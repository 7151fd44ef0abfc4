/* bench_network.c -- how fast a whole integer network is: a program, not a
 * test.
 *
 *     bench_network MODEL.onnx CANDIDATE BATCH [THREADS [KERNELS]]
 *
 * Random images; every layer is quantized to CANDIDATE (w8, w4, w2c ...).
 * Prints the table of kernels it runs on, then does what each line of stdin
 * says:
 *
 *     integer N     N batches on the integer kernels
 *     float N       N batches in float32
 *     steps N       a table of the integer program's steps: microseconds a
 * batch of wall time (medians of N), kernel, GOP/s
 *
 * and answers the first two with the median, in microseconds of processor time
 * of all threads together, so that a peer can be measured interleaved with it
 * on a machine that others use, too (tests/peers/speed.py).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/timer.h"
#include "src/base/rng.h"
#include "src/deploy/run.h"
#include "src/load/onnx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 1001, CALIBRATION_IMAGES = 4 };

typedef struct bench {
    hawq_arena    arena;
    hawq_graph   *graph;
    hawq_threads *threads;
    hawq_engine  *engine;
    hawq_program *program;
    hawq_runner  *runner;
    hawq_batch    batch;
    float        *outputs;
} bench;

static hawq_status draw_images(bench *b, size_t n) {
    size_t each = hawq_per_image(b->graph, b->graph->input);
    size_t images = n > CALIBRATION_IMAGES ? n : CALIBRATION_IMAGES;
    float *x;
    HAWQ_TAKE(x, &b->arena, images * each);
    HAWQ_TAKE(b->outputs, &b->arena,
              images * hawq_per_image(b->graph, b->graph->output));
    for (size_t i = 0; i < images * each; i++)
        x[i] = (float)hawq_rng_normal(1, i);
    b->batch = (hawq_batch){n, x, NULL, NULL};
    return HAWQ_OK;
}

static hawq_status lower(bench *b, const char *candidate) {
    hawq_choice     *choice;
    hawq_quantized  *quantized;
    hawq_calibration calibration;
    hawq_batch       some = b->batch;
    some.n = CALIBRATION_IMAGES;
    HAWQ_TRY(
        hawq_calibrate(b->engine, b->graph, &some, &b->arena, &calibration));
    HAWQ_TRY(hawq_choice_everywhere(b->graph, candidate, &b->arena, &choice));
    HAWQ_TRY(hawq_quantize_choices(b->graph, b->graph->n_layers, choice,
                                   b->threads, &b->arena, &quantized));
    hawq_lower_options options = {.n_choices = b->graph->n_layers,
                                  .choice = choice,
                                  .quantized = quantized,
                                  .activation_range = HAWQ_RANGE_MSE};
    return hawq_program_lower(b->graph, &calibration, &options, &b->program);
}

static hawq_status open_bench(bench *b, char **arg, int n) {
    size_t              images = (size_t)strtoul(arg[3], NULL, 10);
    int                 threads = n > 4 ? (int)strtol(arg[4], NULL, 10) : 1;
    const hawq_kernels *kernels = hawq_kernels_select(n > 5 ? arg[5] : NULL);
    if (images < 1 || !kernels)
        return hawq_fail(HAWQ_EINVAL,
                         "BATCH must be positive and KERNELS one "
                         "of: %s",
                         hawq_kernels_usable_names());
    HAWQ_TRY(hawq_onnx_load(arg[1], 1, &b->graph));
    HAWQ_TRY(hawq_threads_new(threads, &b->threads));
    HAWQ_TRY(hawq_engine_new(b->graph, b->threads, 1, HAWQ_CROSS_ENTROPY,
                             &b->engine));
    HAWQ_TRY(draw_images(b, images));
    HAWQ_TRY(lower(b, arg[2]));
    HAWQ_TRY(hawq_runner_new(b->program, kernels, b->threads, &b->runner));
    printf("%s\n", kernels->name);
    return HAWQ_OK;
}

static double processor_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* The first batch warms up. */
static double median_us(bench *b, bool integer, int n) {
    double sample[MOST];
    for (int i = -1; i < n; i++) {
        double from = processor_ns();
        if (integer)
            hawq_runner_run(b->runner, b->batch.n, b->batch.x, b->outputs);
        else
            hawq_engine_forward(b->engine, &b->batch, b->outputs, NULL, NULL);
        if (i >= 0) sample[i] = processor_ns() - from;
    }
    return hawq_timing_of(sample, n).median_ns / 1e3;
}

static double operations(const hawq_step *s) {
    const hawq_conv *v = &s->u.weights.shape;
    if (s->kind != HAWQ_STEP_CONV && s->kind != HAWQ_STEP_CONV_S32) return 0;
    return 2.0 * v->oh * v->ow * v->oc * v->kh * v->kw * (v->c / v->groups);
}

static hawq_status print_steps(bench *b, int n) {
    const hawq_program *p = b->program;
    hawq_arena          arena = {0};
    double             *samples, *ns;
    HAWQ_TAKE(ns, &arena, (size_t)p->n_steps);
    HAWQ_TAKE(samples, &arena, (size_t)p->n_steps * (size_t)n);
    hawq_runner_profile(b->runner, b->batch.n, b->batch.x, n, samples, ns);
    for (int i = 0; i < p->n_steps; i++) {
        const hawq_conv *v = &p->step[i].u.weights.shape;
        double           ops = operations(&p->step[i]) * (double)b->batch.n;
        printf("%10.2f  %-24s %8.1f  %d %s", ns[i] / 1e3,
               hawq_runner_kernel(b->runner, i), ops / ns[i],
               (int)p->step[i].kind, p->step[i].name);
        if (ops > 0)
            printf("  %dx%dx%d > %d, %dx%d/%d groups %d", v->h, v->w, v->c,
                   v->oc, v->kh, v->kw, v->stride_h, v->groups);
        printf("\n");
    }
    printf("\n");
    hawq_arena_free(&arena);
    return HAWQ_OK;
}

static hawq_status obey(bench *b, const char *line) {
    char word[16] = "";
    int  n = 15;
    sscanf(line, "%15s %d", word, &n);
    if (n < 1 || n > MOST) n = 15;
    if (!strcmp(word, "steps")) return print_steps(b, n);
    if (strcmp(word, "integer") != 0 && strcmp(word, "float") != 0)
        return hawq_fail(HAWQ_EINVAL,
                         "'%s' is none of integer, float and steps", word);
    printf("%.3f\n", median_us(b, *word == 'i', n));
    return HAWQ_OK;
}

static hawq_status run(bench *b, char **arg, int n) {
    char line[64];
    HAWQ_TRY(open_bench(b, arg, n));
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
        fprintf(stderr, "usage: bench_network MODEL.onnx CANDIDATE BATCH "
                        "[THREADS [KERNELS]]\n");
        return 2;
    }
    hawq_status status = run(&b, arg, n);
    if (status != HAWQ_OK)
        fprintf(stderr, "bench_network: %s\n", hawq_message());
    hawq_runner_free(b.runner);
    hawq_program_free(b.program);
    hawq_engine_free(b.engine);
    hawq_threads_free(b.threads);
    hawq_graph_free(b.graph);
    hawq_arena_free(&b.arena);
    return status != HAWQ_OK;
}
