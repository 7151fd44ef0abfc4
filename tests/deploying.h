/* deploying.h -- small networks, built, calibrated, lowered and run: what the
 * tests of src/deploy share.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_DEPLOYING_H
#define HAWQ_TESTS_DEPLOYING_H
#include "src/base/rng.h"
#include "src/deploy/run.h"
#include "src/ops/ops.h"
#include "tests/check.h"

enum { IMAGES = 12, BATCH = 2 };

/* --- building networks --------------------------------------------------- */

static inline hawq_graph *open_graph(int rank, const int64_t *dim) {
    hawq_graph *g = NULL;
    hawq_shape  shape = {.rank = rank};
    memcpy(shape.dim, dim, (size_t)rank * sizeof *dim);
    CHECK_OK(hawq_graph_new(hawq_op_find, 13, &g));
    CHECK_OK(hawq_graph_input(g, "x", &shape));
    return g;
}

static inline hawq_graph *open_image(int64_t c, int64_t h, int64_t w) {
    return open_graph(4, (int64_t[]){BATCH, c, h, w});
}

/* Normal values times `size`, different for different names. */
static inline void weight(hawq_graph *g, const char *name, double size,
                          int rank, const int64_t *dim) {
    static real data[4096];
    hawq_shape  shape = {.rank = rank};
    uint64_t    key = hawq_rng_key(5, (uint64_t)name[0], (uint64_t)name[1],
                                   (uint64_t)name[3]);
    memcpy(shape.dim, dim, (size_t)rank * sizeof *dim);
    size_t n = (size_t)hawq_shape_count(&shape, 0, rank);
    for (size_t i = 0; i < n; i++)
        data[i] = (real)(size * hawq_rng_normal(key, i));
    CHECK_OK(hawq_graph_constant(g, name, HAWQ_FLOAT, &shape, data));
}

static inline void ints(hawq_graph *g, const char *name, int64_t n,
                        const int64_t *value) {
    hawq_shape shape = {1, {n}};
    CHECK_OK(hawq_graph_constant(g, name, HAWQ_INT, &shape, value));
}

static inline void scalar(hawq_graph *g, const char *name, double value) {
    hawq_shape shape = {0};
    real       data = (real)value;
    CHECK_OK(hawq_graph_constant(g, name, HAWQ_FLOAT, &shape, &data));
}

/* "group=2 pads=1,1,1,1": lists by a comma, a plural's s or their name. */
static inline hawq_attr *attributes(hawq_graph *g, const char *text, int *n) {
    hawq_attr *a = hawq_arena_take(&g->arena, 8, sizeof *a);
    char      *copy = hawq_arena_string(&g->arena, text);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
        int64_t *list = hawq_arena_take(&g->arena, 8, sizeof *list);
        char    *at = strchr(word, '=');
        a[*n] = (hawq_attr){.name = word, .ints = list};
        *at = 0;
        bool many = strchr(at + 1, ',') ||
                    (at[-1] == 's' && strcmp(word, "axis") != 0) ||
                    strcmp(word, "kernel_shape") == 0;
        for (; at; at = strchr(at + 1, ','))
            list[a[*n].n++] = strtoll(at + 1, NULL, 10);
        a[*n].type = many ? HAWQ_ATTR_INTS : HAWQ_ATTR_INT;
        a[*n].i = list[0];
        ++*n;
    }
    return a;
}

/* A node; its output has its name. */
static inline void node(hawq_graph *g, const char *op, const char *inputs,
                        const char *out, const char *attr) {
    const char    *in[8];
    char          *copy = hawq_arena_string(&g->arena, inputs);
    hawq_node_spec spec = {
        .op_type = op, .name = out, .in = in, .n_out = 1, .out = &out};
    for (char *at = strtok(copy, " "); at; at = strtok(NULL, " "))
        in[spec.n_in++] = at;
    spec.attr = attributes(g, attr, &spec.n_attr);
    CHECK_OK(hawq_graph_add(g, &spec));
}

/* --- running them -------------------------------------------------------- */

typedef struct fixture {
    hawq_graph      *graph;
    hawq_threads    *threads;
    hawq_arena       arena;
    hawq_calibration calibration;
    size_t           n_in, n_out;
    float           *x, *float_output, *output;
} fixture;

static inline void fixture_open(fixture *f, hawq_graph *g) {
    *f = (fixture){.graph = g};
    hawq_engine *engine = NULL;
    CHECK_OK(hawq_threads_new(3, &f->threads));
    CHECK_OK(hawq_engine_new(g, f->threads, 1, HAWQ_CROSS_ENTROPY, &engine));
    f->n_in = g->n_row;
    f->n_out = hawq_per_image(g, g->output);
    f->x = hawq_arena_take(&f->arena, IMAGES * f->n_in, sizeof *f->x);
    f->output = hawq_arena_take(&f->arena, IMAGES * f->n_out, sizeof *f->x);
    f->float_output =
        hawq_arena_take(&f->arena, IMAGES * f->n_out, sizeof *f->x);
    for (size_t i = 0; i < IMAGES * f->n_in; i++)
        f->x[i] = (float)hawq_rng_normal(99, i);
    hawq_batch batch = {IMAGES, f->x, NULL, NULL};
    hawq_engine_forward(engine, &batch, f->float_output, NULL, NULL);
    CHECK_OK(hawq_calibrate(engine, g, &batch, &f->arena, &f->calibration));
    hawq_engine_free(engine);
}

static inline void fixture_close(fixture *f) {
    hawq_threads_free(f->threads);
    hawq_graph_free(f->graph);
    hawq_arena_free(&f->arena);
}

static inline hawq_status lower(const fixture *f, int n,
                                const hawq_choice *choice, hawq_program **out) {
    hawq_arena         arena = {0};
    hawq_quantized    *quantized = NULL;
    hawq_lower_options options = {
        .n_choices = n, .choice = choice, .activation_range = HAWQ_RANGE_MSE};
    hawq_status status = hawq_quantize_choices(f->graph, n, choice, f->threads,
                                               &arena, &quantized);
    options.quantized = quantized;
    if (status == HAWQ_OK)
        status = hawq_program_lower(f->graph, &f->calibration, &options, out);
    hawq_arena_free(&arena);
    return status;
}

static inline hawq_status lower_uniform(fixture *f, int weight_bits,
                                        int            activation_bits,
                                        hawq_program **out) {
    hawq_choice *choice;
    HAWQ_TRY(hawq_choice_uniform(f->graph, weight_bits, activation_bits,
                                 &f->arena, &choice));
    return lower(f, f->graph->n_layers, choice, out);
}

/* Every layer quantized to a candidate, with biases that some method might have
 * corrected, and its program; the objects, one a layer, are the fixture's. */
static inline hawq_status lower_candidate(fixture *f, const char *name,
                                          bool corrects, hawq_quantized **q,
                                          hawq_program **out) {
    hawq_choice *choice;
    HAWQ_TRY(hawq_choice_everywhere(f->graph, name, &f->arena, &choice));
    HAWQ_TRY(hawq_quantize_choices(f->graph, f->graph->n_layers, choice,
                                   f->threads, &f->arena, q));
    for (int l = 0; l < f->graph->n_layers && corrects; l++) {
        if (!f->graph->layer[l].bias) continue;
        HAWQ_TAKE((*q)[l].bias, &f->arena, (*q)[l].rows);
        for (size_t c = 0; c < (*q)[l].rows; c++)
            (*q)[l].bias[c] =
                f->graph->layer[l].bias->data[c] + (real)0.01 * (real)(c + 1);
    }
    hawq_lower_options options = {.n_choices = f->graph->n_layers,
                                  .choice = choice,
                                  .quantized = *q,
                                  .activation_range = HAWQ_RANGE_MSE};
    return hawq_program_lower(f->graph, &f->calibration, &options, out);
}

static inline void run_on(const fixture *f, const hawq_program *p,
                          const char *kernels, hawq_threads *threads,
                          float *output) {
    hawq_runner *runner = NULL;
    if (!CHECK_OK(
            hawq_runner_new(p, hawq_kernels_select(kernels), threads, &runner)))
        return;
    hawq_runner_run(runner, IMAGES, f->x, output);
    hawq_runner_free(runner);
}

static inline void run(const fixture *f, const hawq_program *p,
                       const char *kernels, float *output) {
    run_on(f, p, kernels, f->threads, output);
}

/* Largest difference to the float outputs, relative to the largest of these. */
static inline double deviation(const fixture *f, const float *output) {
    double worst = 0, largest = 0;
    for (size_t i = 0; i < IMAGES * f->n_out; i++) {
        worst = fmax(worst, fabs((double)(output[i] - f->float_output[i])));
        largest = fmax(largest, fabs((double)f->float_output[i]));
    }
    return worst / largest;
}

/* --- a network with every step ------------------------------------------- */

static inline hawq_graph *every_step(void) {
    hawq_graph *g = open_image(3, 8, 7);
    weight(g, "c1.weight", 0.3, 4, (int64_t[]){8, 3, 3, 3});
    weight(g, "c1.bias", 0.3, 1, (int64_t[]){8});
    weight(g, "c2.weight", 0.5, 4, (int64_t[]){8, 1, 3, 3});
    weight(g, "c2.bias", 0.5, 1, (int64_t[]){8});
    weight(g, "c3.weight", 0.5, 4, (int64_t[]){8, 4, 1, 1});
    weight(g, "c4.weight", 0.2, 4, (int64_t[]){12, 8, 3, 3});
    weight(g, "c4.bias", 0.2, 1, (int64_t[]){12});
    weight(g, "fc.weight", 0.3, 2, (int64_t[]){5, 40});
    weight(g, "fc.bias", 0.3, 1, (int64_t[]){5});
    scalar(g, "zero", 0);
    scalar(g, "two", 2);
    ints(g, "padding", 8, (int64_t[]){0, 2, 0, 0, 0, 2, 0, 0});
    node(g, "Conv", "x c1.weight c1.bias", "c1", "strides=2,1 pads=1,1,1,1");
    node(g, "Relu", "c1", "r1", "");
    node(g, "Conv", "r1 c2.weight c2.bias", "c2", "group=8 pads=1,1,1,1");
    node(g, "Clip", "c2 zero two", "r2", "");
    node(g, "Conv", "r2 c3.weight", "c3", "group=2");
    node(g, "Add", "c3 r1", "a1", "");
    node(g, "Relu", "a1", "r3", "");
    node(g, "MaxPool", "r3", "mp", "kernel_shape=2,2 strides=2,2 pads=0,1,0,0");
    node(g, "Pad", "mp padding", "pd", "");
    node(g, "Conv", "mp c4.weight c4.bias", "c4", "pads=1,1,1,1");
    node(g, "Add", "c4 pd", "a2", "");
    node(g, "Concat", "a2 mp", "cat", "axis=1");
    node(g, "AveragePool", "cat", "ap",
         "kernel_shape=2,3 strides=1,2 pads=0,1,0,1");
    node(g, "Flatten", "ap", "fl", "");
    node(g, "Gemm", "fl fc.weight fc.bias", "fc", "transB=1");
    CHECK_OK(hawq_graph_finish(g, "fc"));
    return g;
}

#endif
