/* test_sensitivity_f64.c -- curvature and sensitivities of a network of 32
 * weights, in double, against its dense Hessian written out column by column.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "hessian/hvp.h"
#include "hessian/sensitivity.h"
#include "src/base/rng.h"
#include "src/ops/ops.h"
#include "tests/check.h"

enum { INPUTS = 5, HIDDEN = 4, OUTPUTS = 3, IMAGES = 7, CHUNK = 2 };
enum { N1 = HIDDEN * INPUTS, N2 = OUTPUTS * HIDDEN, N = N1 + N2 };

/* x -> fc1 -> activation -> fc2, on 7 images in chunks of 2. */
typedef struct net {
    hawq_arena    arena;
    hawq_graph   *graph;
    hawq_threads *threads;
    hawq_engine  *engine;
    real          x[IMAGES * INPUTS];
    int64_t       labels[IMAGES];
    hawq_batch    data;
    double        h[N][N], g[N]; /* dense Hessian and gradient */
} net;

static double normal(uint64_t stream, uint64_t i) {
    return hawq_rng_normal(hawq_rng_key(17, stream, 0, 0), i);
}

static void add_constant(net *w, const char *name, int64_t rows, int64_t cols,
                         uint64_t stream) {
    hawq_shape shape = {cols ? 2 : 1, {rows, cols}};
    real       value[N];
    int64_t    n = cols ? rows * cols : rows;
    for (int64_t i = 0; i < n; i++)
        value[i] = (real)normal(stream, (uint64_t)i);
    CHECK_OK(hawq_graph_constant(w->graph, name, HAWQ_FLOAT, &shape, value));
}

static void add_node(net *w, const char *op, int n_in, const char *const *in,
                     const char *out) {
    static const hawq_attr transpose = {
        .name = "transB", .type = HAWQ_ATTR_INT, .i = 1};
    int n_attr = strcmp(op, "Gemm") == 0;
    CHECK_OK(
        hawq_graph_add(w->graph, &(hawq_node_spec){op, out, n_in, 1, in, &out,
                                                   n_attr, &transpose}));
}

static void net_open(net *w, const char *activation, int chunk) {
    hawq_shape input = {2, {chunk, INPUTS}};
    memset(w, 0, sizeof *w);
    CHECK_OK(hawq_graph_new(hawq_op_find, 13, &w->graph));
    CHECK_OK(hawq_graph_input(w->graph, "x", &input));
    add_constant(w, "fc1.weight", HIDDEN, INPUTS, 1);
    add_constant(w, "fc1.bias", HIDDEN, 0, 2);
    add_constant(w, "fc2.weight", OUTPUTS, HIDDEN, 3);
    add_constant(w, "fc2.bias", OUTPUTS, 0, 4);
    add_node(w, "Gemm", 3, (const char *[]){"x", "fc1.weight", "fc1.bias"},
             "y1");
    add_node(w, activation, 1, (const char *[]){"y1"}, "a1");
    add_node(w, "Gemm", 3, (const char *[]){"a1", "fc2.weight", "fc2.bias"},
             "y2");
    CHECK_OK(hawq_graph_finish(w->graph, "y2"));
    CHECK(w->graph->n_layers == 2);
    CHECK_OK(hawq_threads_new(2, &w->threads));
    CHECK_OK(hawq_engine_new(w->graph, w->threads, 3, HAWQ_CROSS_ENTROPY,
                             &w->engine));
    for (uint64_t i = 0; i < IMAGES * INPUTS; i++) w->x[i] = (real)normal(5, i);
    for (uint64_t i = 0; i < IMAGES; i++)
        w->labels[i] = (int64_t)hawq_rng_below(6, i, OUTPUTS);
    w->data = (hawq_batch){IMAGES, w->x, w->labels, NULL};
}

static void net_close(net *w) {
    hawq_engine_free(w->engine);
    hawq_threads_free(w->threads);
    hawq_graph_free(w->graph);
    hawq_arena_free(&w->arena);
}

/* Weight i of the network, counted through both layers. */
static real *weight(const net *w, int i) {
    return i < N1 ? &w->graph->layer[0].weight->data[i]
                  : &w->graph->layer[1].weight->data[i - N1];
}

static void gradient_at(net *w, const hawq_selection *at, double *g) {
    hawq_engine_gradient(w->engine, &w->data, at, g, NULL, NULL);
}

/* The dense Hessian, its columns being products with unit vectors, equals the
 * central differences of the gradient and is symmetric. */
static void dense_hessian(net *w) {
    const double   step = 1e-5;
    static real    unit[N][N];
    hawq_selection at;
    double         plus[N], minus[N];
    CHECK_OK(hawq_select_weights(w->graph, -1, &w->arena, &at));
    CHECK(hawq_selection_total(&at) == N);
    for (int i = 0; i < N; i++) unit[i][i] = 1;
    hawq_engine_products(w->engine, &w->data, HAWQ_HESSIAN, N, &at, &unit[0][0],
                         &at, &w->h[0][0], w->g);
    for (int i = 0; i < N; i++) {
        real keep = *weight(w, i);
        *weight(w, i) = keep + (real)step;
        gradient_at(w, &at, plus);
        *weight(w, i) = keep - (real)step;
        gradient_at(w, &at, minus);
        *weight(w, i) = keep;
        for (int j = 0; j < N; j++) {
            CHECK_NEAR(w->h[i][j], (plus[j] - minus[j]) / (2 * step), 1e-8);
            CHECK_NEAR(w->h[i][j], w->h[j][i], 1e-14);
        }
    }
}

static hawq_tracer tracer_of(net *w, hawq_hvp *h, hawq_block **block) {
    CHECK_OK(hawq_hvp_blocks(w->graph, &w->arena, block));
    hawq_tracer t = {.A = hawq_hvp_linop(h),
                     .probe = &hawq_probe_rademacher,
                     .seed = 3,
                     .n_blocks = 2,
                     .block = *block};
    CHECK_OK(hawq_tracer_init(&t, &w->arena));
    return t;
}

/* Readings on mini-batches of 3 of the 7 images (7 samples = 3 walks, so their
 * mean is over all images equally) average to the traces of the dense
 * diagonal blocks and of every channel within 4 standard errors; with a probe,
 * or image by image. */
static void traces_match_the_dense_hessian(net *w, hawq_engine *single,
                                           bool piecewise) {
    enum { SAMPLES = 7 * 60, CHANNELS = HIDDEN + OUTPUTS };
    static double  block[SAMPLES][2], channel[SAMPLES][CHANNELS];
    hawq_selection at;
    hawq_sampler   sampler;
    hawq_block    *blocks;
    CHECK_OK(hawq_select_weights(w->graph, -1, &w->arena, &at));
    CHECK_OK(hawq_sampler_init(&sampler, w->graph, &w->data, 3, 1, &w->arena));
    hawq_hvp h = {.engine = w->engine,
                  .curvature = HAWQ_HESSIAN,
                  .at = &at,
                  .sampler = &sampler,
                  .single = single};
    CHECK_OK(hawq_hvp_check(&h, 1u << 20, 2, &w->arena));
    CHECK(h.rest_vanishes == piecewise);
    hawq_tracer t = tracer_of(w, &h, &blocks);
    CHECK(t.n_channels == CHANNELS && !!t.A.trace == !!single);
    CHECK(!!t.A.read == !(single && piecewise));
    CHECK_OK(hawq_tracer_balance(&t, 1000000, 4));
    for (uint64_t k = 0; k < SAMPLES; k++)
        CHECK_OK(hawq_tracer_sample(&t, k, block[k], channel[k]));
    double trace[2] = {0}, by_channel[CHANNELS] = {0};
    for (int i = 0; i < N; i++) {
        trace[i >= N1] += w->h[i][i];
        by_channel[i < N1 ? i / INPUTS : HIDDEN + (i - N1) / HIDDEN] +=
            w->h[i][i];
    }
    for (int l = 0; l < 2; l++) {
        hawq_estimate e = hawq_estimate_of(&block[0][l], 2, SAMPLES);
        CHECK_NEAR(e.mean, trace[l], 4 * e.stderr1);
        CHECK(e.stderr1 < 0.3);
    }
    for (int c = 0; c < CHANNELS; c++) {
        hawq_estimate e = hawq_estimate_of(&channel[0][c], CHANNELS, SAMPLES);
        CHECK_NEAR(e.mean, by_channel[c], 4 * e.stderr1);
    }
}

static hawq_study study_of(net *w, size_t batch_size) {
    hawq_study s = {.graph = w->graph,
                    .engine = w->engine,
                    .data = w->data,
                    .batch_size = batch_size,
                    .arena = &w->arena};
    CHECK_OK(hawq_study_init(&s));
    return s;
}

static void fill_error(real *dw, int n, double size, uint64_t stream) {
    for (int i = 0; i < n; i++)
        dw[i] = (real)(size * normal(stream, (uint64_t)i));
}

/* x' H y over the rows from `row` and columns from `column`. */
static double form(const net *w, const real *x, int row, int n, const real *y,
                   int column, int m) {
    double sum = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < m; j++)
            sum += (double)x[i] * w->h[row + i][column + j] * (double)y[j];
    return sum;
}

/* quadratic = g.dW + 1/2 dW'H dW and the interactions = dW_i'H dW_j of the
 * dense Hessian, for any batch size; the error is infinite for one batch. */
static void quadratic_matches_the_dense_hessian(net *w) {
    static double products[2][N];
    real          dw[2][N1], other[N2];
    fill_error(dw[0], 2 * N1, 0.1, 8);
    fill_error(other, N2, 0.1, 9);
    for (size_t batch = 1; batch <= IMAGES; batch += 2) {
        hawq_study    s = study_of(w, batch);
        hawq_estimate rise[2], alone[2];
        CHECK_OK(hawq_study_quadratic(&s, 0, 2, dw[0], rise, products[0]));
        CHECK_OK(hawq_study_quadratic(&s, 0, 2, dw[0], alone, NULL));
        for (int j = 0; j < 2; j++) {
            double want = form(w, dw[j], 0, N1, dw[j], 0, N1) / 2;
            for (int i = 0; i < N1; i++) want += w->g[i] * (double)dw[j][i];
            CHECK_NEAR(rise[j].mean, want, 1e-13);
            CHECK_NEAR(alone[j].mean, want, 1e-13);
            CHECK(isinf(rise[j].stderr1) == (batch == IMAGES));
            CHECK_NEAR(hawq_study_interaction(&s, products[j], 1, other),
                       form(w, dw[j], 0, N1, other, N1, N2), 1e-13);
        }
        double squares = 0;
        for (int i = 0; i < N; i++) squares += w->g[i] * w->g[i];
        CHECK_NEAR(s.gradient_norm, sqrt(squares), 1e-13);
    }
}

/* measured - quadratic is of third order: a tenth of the error, a thousandth
 * of the difference. No error, no rise; weights come back bit for bit. */
static void measured_is_quadratic_to_third_order(net *w) {
    hawq_study   s = study_of(w, 3);
    hawq_tensor *t = w->graph->layer[1].weight;
    real         before[N2], dw[N2], values[N2];
    double       difference[2];
    hawq_passed  passed;
    memcpy(before, t->data, sizeof before);
    for (int k = 0; k < 2; k++) {
        hawq_estimate quadratic;
        fill_error(dw, N2, k ? 0.001 : 0.01, 10);
        for (int i = 0; i < N2; i++) values[i] = t->data[i] + dw[i];
        CHECK_OK(hawq_study_quadratic(&s, 1, 1, dw, &quadratic, NULL));
        CHECK_OK(hawq_study_measure(&s, 1, values, NULL, &passed));
        CHECK(passed.rise.n == 3 && passed.noise > 0);
        CHECK(passed.divergence.mean > 0);
        difference[k] = passed.rise.mean - quadratic.mean;
    }
    CHECK_NEAR(difference[0] / difference[1], 1000, 100);
    CHECK_OK(hawq_study_measure(&s, 1, before, NULL, &passed));
    CHECK(passed.rise.mean == 0 && passed.rise.stderr1 == 0);
    CHECK(passed.noise == 0 && fabs(passed.divergence.mean) < 1e-15);
    CHECK(memcmp(before, t->data, sizeof before) == 0);
}

/* sum p log(p / q) of two rows of logits. */
static double divergence(const real *z, const real *y) {
    double sum_z = 0, sum_y = 0, kl = 0;
    for (int i = 0; i < OUTPUTS; i++) {
        sum_z += exp((double)z[i]);
        sum_y += exp((double)y[i]);
    }
    for (int i = 0; i < OUTPUTS; i++)
        kl += exp((double)z[i]) / sum_z *
              ((double)z[i] - log(sum_z) - (double)y[i] + log(sum_y));
    return kl;
}

/* noise / signal of the outputs, with the last layer's weights zeroed: what is
 * left is the bias. */
static void noise_is_relative_to_the_signal(net *w) {
    hawq_study  s = study_of(w, 2);
    const real *bias = w->graph->layer[1].bias->data;
    real        zero[N2] = {0};
    double      signal = 0, noise = 0, kl = 0;
    hawq_passed got;
    for (int i = 0; i < IMAGES * OUTPUTS; i++) {
        double z = (double)s.outputs[i];
        signal += z * z;
        noise += pow(z - (double)bias[i % OUTPUTS], 2);
    }
    for (int i = 0; i < IMAGES; i++)
        kl += divergence(&s.outputs[i * OUTPUTS], bias) / IMAGES;
    CHECK_OK(hawq_study_measure(&s, 1, zero, NULL, &got));
    CHECK_NEAR(got.noise, noise / signal, 1e-13);
    CHECK_NEAR(got.divergence.mean, kl, 1e-13);
}

static double block_sum(const net *w, int from, int to, bool squares) {
    double sum = 0;
    for (int i = from; i < to; i++)
        for (int j = from; j < to; j++)
            sum += squares ? w->h[i][j] * w->h[i][j] : i == j ? w->h[i][i] : 0;
    return sum;
}

/* All eigenvalues together have the trace and the norm of the dense block, and
 * every pair is one of it; few steps find the same largest. */
static void eigenvalues_match_the_dense_hessian(net *w) {
    static const int from[] = {0, 0, N1}, to[] = {N, N1, N};
    hawq_study       s = study_of(w, 3);
    for (int b = 0; b < 3; b++) {
        int             n = to[b] - from[b];
        double          sum = 0, squares = 0;
        hawq_eigenpairs all, one;
        CHECK_OK(hawq_study_eigen(&s, b - 1, n, n, 1e-12, 3, &all));
        CHECK(all.n == n);
        for (int i = 0; i < n; i++) {
            const real *x = all.vector + (size_t)i * (size_t)n;
            sum += all.value[i];
            squares += all.value[i] * all.value[i];
            CHECK(all.residual[i] < 1e-8);
            CHECK(i == 0 || all.value[i] <= all.value[i - 1]);
            for (int r = 0; r < n; r++) {
                double hx = 0;
                for (int c = 0; c < n; c++)
                    hx += w->h[from[b] + r][from[b] + c] * (double)x[c];
                CHECK_NEAR(hx, all.value[i] * (double)x[r], 1e-8);
            }
        }
        CHECK_NEAR(sum, block_sum(w, from[b], to[b], false), 1e-10);
        CHECK_NEAR(squares, block_sum(w, from[b], to[b], true), 1e-10);
        CHECK_OK(hawq_study_eigen(&s, b - 1, 1, n, 1e-6, 4, &one));
        CHECK(one.n == 1 && one.products <= n + 1);
        CHECK_NEAR(one.value[0], all.value[0], 1e-6 * fabs(all.value[0]));
    }
}

/* g . v and v' H v / 2 of the dense gradient and Hessian. */
static void terms_match_the_dense_hessian(net *w) {
    hawq_study s = study_of(w, 3);
    real       v[N];
    double     first, second, gv = 0, vhv = 0;
    fill_error(v, N, 0.1, 12);
    for (int i = 0; i < N; i++) {
        gv += w->g[i] * (double)v[i];
        for (int j = 0; j < N; j++)
            vhv += (double)v[i] * w->h[i][j] * (double)v[j];
    }
    CHECK_OK(hawq_study_terms(&s, v, &first, &second));
    CHECK_NEAR(first, gv, 1e-12);
    CHECK_NEAR(second, vhv / 2, 1e-12);
}

/* Along an eigenvector of length one the loss has the curvature lambda, and
 * the weights are as before, bit for bit. */
static void walks_have_the_curvature(net *w) {
    const double    step[] = {-1e-3, 0, 1e-3};
    hawq_study      s = study_of(w, 3);
    hawq_eigenpairs top;
    double          loss[3];
    real            before = w->graph->layer[1].weight->data[5];
    CHECK_OK(hawq_study_eigen(&s, -1, 1, N, 1e-10, 3, &top));
    CHECK_OK(hawq_study_walk(&s, top.vector, 3, step, loss));
    CHECK_NEAR((loss[0] - 2 * loss[1] + loss[2]) / 1e-6, top.value[0],
               1e-4 * top.value[0]);
    CHECK(loss[1] == s.loss || fabs(loss[1] - s.loss) < 1e-14);
    CHECK(w->graph->layer[1].weight->data[5] == before);
}

/* A reading of fisher over all images is the sum of squares of every image's
 * gradient, channel by channel. */
static void fisher_is_the_mean_square(net *w) {
    hawq_selection at;
    hawq_sampler   sampler;
    double         g[N], want[HIDDEN + OUTPUTS] = {0}, block[2];
    double         channel[HIDDEN + OUTPUTS];
    hawq_block    *blocks;
    CHECK_OK(hawq_select_weights(w->graph, -1, &w->arena, &at));
    CHECK_OK(
        hawq_sampler_init(&sampler, w->graph, &w->data, IMAGES, 1, &w->arena));
    for (size_t i = 0; i < IMAGES; i++) {
        hawq_batch one = {1, w->x + i * INPUTS, w->labels + i, NULL};
        hawq_engine_gradient(w->engine, &one, &at, g, NULL, NULL);
        for (int j = 0; j < N; j++)
            want[j < N1 ? j / INPUTS : HIDDEN + (j - N1) / HIDDEN] +=
                g[j] * g[j] / IMAGES;
    }
    hawq_hvp h = {.engine = w->engine,
                  .at = &at,
                  .sampler = &sampler,
                  .fisher = true,
                  .gradient = g};
    CHECK_OK(hawq_hvp_check(&h, 0, 1, &w->arena));
    hawq_tracer t = tracer_of(w, &h, &blocks);
    CHECK_OK(hawq_tracer_balance(&t, 9, 2));
    CHECK_OK(hawq_tracer_sample(&t, 0, block, channel));
    for (int c = 0; c < HIDDEN + OUTPUTS; c++)
        CHECK_NEAR(channel[c], want[c], 1e-13);
}

/* A weight that makes the loss NaN is an error with the layer's name, and the
 * network is as before. */
static void nonfinite_is_refused(net *w) {
    hawq_study s = study_of(w, 2);
    real       values[N2] = {NAN}, first = w->graph->layer[1].weight->data[0];
    hawq_estimate rise = {.mean = 7};
    hawq_passed   passed = {.noise = 7};
    CHECK_FAILS(hawq_study_measure(&s, 1, values, NULL, &passed),
                HAWQ_ENONFINITE, "'fc2'");
    CHECK_FAILS(hawq_study_quadratic(&s, 1, 1, values, &rise, NULL),
                HAWQ_ENONFINITE, "'fc2'");
    CHECK(rise.mean == 7 && passed.noise == 7);
    CHECK(w->graph->layer[1].weight->data[0] == first);
    s.data.n = 0;
    CHECK_FAILS(hawq_study_init(&s), HAWQ_EINVAL, "no images");
}

/* One reading of the `trace` metric for layer fc1 with |dW_c|^2 = size[c]^2,
 * and, for comparison, of the product of the layer's own trace and error. */
static void read_rise(net *w, const double *size, double *by_channel,
                      double *by_layer) {
    double         block[2], channel[HIDDEN + OUTPUTS], error[HIDDEN], sum = 0;
    hawq_selection at;
    hawq_sampler   sampler;
    hawq_block    *blocks;
    CHECK_OK(hawq_select_weights(w->graph, -1, &w->arena, &at));
    CHECK_OK(hawq_sampler_init(&sampler, w->graph, &w->data, 7, 1, &w->arena));
    hawq_hvp    h = {.engine = w->engine,
                     .curvature = HAWQ_GAUSS_NEWTON,
                     .at = &at,
                     .sampler = &sampler,
                     .rest_vanishes = true};
    hawq_tracer t = tracer_of(w, &h, &blocks);
    t.scale[1] = 0; /* the probe on fc1 alone: no cross terms */
    block[0] = block[1] = 0;
    CHECK_OK(hawq_tracer_sample(&t, 0, block, channel));
    for (int c = 0; c < HIDDEN; c++) {
        error[c] = size[c] * size[c];
        sum += error[c];
    }
    *by_channel = hawq_trace_rise(&blocks[0], channel, error);
    *by_layer = block[0] / N1 * sum / 2;
}

/* Scaling channel c of fc1 by s_c and its column in fc2 by 1 / s_c leaves a
 * ReLU network as it is (BatchNorm folding does just this). Channel traces go
 * with 1 / s^2 and errors with s^2: with probes that touch one channel, the
 * `trace` metric stays, and the layer's trace times the layer's error does
 * not. */
static void trace_rise_survives_rescaling(void) {
    static net w;
    double     before[2], after[2], size[HIDDEN] = {1, 2, 3, 4};
    hawq_block one = {"c", 0, 1, 3, 2};
    net_open(&w, "Relu", CHUNK);
    for (int i = INPUTS; i < N1; i++) *weight(&w, i) = 0; /* channel 0 alone */
    for (int c = 1; c < HIDDEN; c++) w.graph->layer[0].bias->data[c] = -1;
    read_rise(&w, size, &before[0], &before[1]);
    for (int i = 0; i < INPUTS; i++) *weight(&w, i) *= 8;
    w.graph->layer[0].bias->data[0] *= 8;
    for (int o = 0; o < OUTPUTS; o++) *weight(&w, N1 + o * HIDDEN) /= 8;
    size[0] *= 8;
    read_rise(&w, size, &after[0], &after[1]);
    CHECK(before[0] > 0);
    CHECK_NEAR(after[0], before[0], 1e-12 * before[0]);
    CHECK(fabs(after[1] / before[1] - 1) > 0.5);
    net_close(&w);
    /* 1/2 (1*2 + 10*3 + 100*5) / 2 */
    CHECK_NEAR(
        hawq_trace_rise(&one, (double[]){1, 10, 100}, (double[]){2, 3, 5}), 133,
        1e-12);
}

static void to_eighths(const void *self, real *x, size_t n) {
    (void)self;
    for (size_t i = 0; i < n; i++) x[i] = rint(8 * x[i]) / 8;
}

/* The rise with the input rounded is the loss on rounded images over that on
 * the images, batch by batch; a rounding that changes nothing costs nothing;
 * afterwards the network is as before. */
static void rounded_activations_are_measured(net *w) {
    hawq_study    s = {.graph = w->graph,
                       .engine = w->engine,
                       .data = w->data,
                       .batch_size = 3,
                       .arena = &w->arena};
    hawq_rounding eighths = {to_eighths, NULL}, nothing = {NULL, NULL};
    hawq_estimate rise, same;
    real          rounded[IMAGES * INPUTS];
    double        loss, before;
    hawq_batch    batch = w->data;
    CHECK_OK(hawq_study_init(&s));
    hawq_engine_forward(w->engine, &batch, NULL, &before, NULL);
    CHECK_OK(hawq_study_round(&s, w->graph->input, &eighths, &rise));
    CHECK_OK(
        hawq_study_round(&s, hawq_graph_find(w->graph, "a1"), &nothing, &same));
    CHECK(same.mean == 0 && same.stderr1 == 0);
    hawq_engine_forward(w->engine, &batch, NULL, &loss, NULL);
    CHECK(loss == before);
    memcpy(rounded, w->x, sizeof rounded);
    to_eighths(NULL, rounded, IMAGES * INPUTS);
    batch.x = rounded;
    hawq_engine_forward(w->engine, &batch, NULL, &loss, NULL);
    CHECK_NEAR(rise.mean, loss - before, 1e-14);
    CHECK(rise.n == 3 && rise.stderr1 > 0);
}

/* Image by image, and a probe only where the network is not piecewise linear;
 * for Gauss-Newton never. */
static void traces_by_image_match(const char *activation, bool piecewise) {
    static net     w, one;
    hawq_selection at;
    hawq_sampler   sampler;
    net_open(&w, activation, CHUNK);
    net_open(&one, activation, 1);
    CHECK_OK(hawq_select_weights(w.graph, -1, &w.arena, &at));
    CHECK_OK(hawq_sampler_init(&sampler, w.graph, &w.data, 3, 1, &w.arena));
    hawq_hvp h = {.engine = w.engine,
                  .curvature = HAWQ_GAUSS_NEWTON,
                  .at = &at,
                  .sampler = &sampler,
                  .single = one.engine};
    CHECK_OK(hawq_hvp_check(&h, 1000, 2, &w.arena));
    CHECK(h.rest_vanishes && !hawq_hvp_linop(&h).read);
    dense_hessian(&w);
    traces_match_the_dense_hessian(&w, one.engine, piecewise);
    net_close(&w);
    net_close(&one);
}

static hawq_status take_everything(net *w, hawq_arena *arena) {
    hawq_study    s = {.graph = w->graph,
                       .engine = w->engine,
                       .data = w->data,
                       .batch_size = 2,
                       .arena = arena};
    real          dw[N1] = {0};
    double        products[N];
    hawq_estimate rise;
    hawq_sampler  sampler;
    hawq_block   *blocks;
    hawq_tracer   t = {.A.n = N, .n_blocks = 2};
    HAWQ_TRY(hawq_sampler_init(&sampler, w->graph, &w->data, 3, 1, arena));
    HAWQ_TRY(hawq_hvp_blocks(w->graph, arena, &blocks));
    t.block = blocks;
    HAWQ_TRY(hawq_tracer_init(&t, arena));
    HAWQ_TRY(hawq_study_init(&s));
    return hawq_study_quadratic(&s, 0, 1, dw, &rise, products);
}

/* Whichever request for memory fails, the failure is ENOMEM and the next
 * attempt succeeds. */
static void memory_may_fail(net *w) {
    hawq_status status = HAWQ_ENOMEM;
    int         k = 0;
    while (status != HAWQ_OK && k < 1000) {
        hawq_arena arena = {0};
        hawq_arena_fail_at(++k);
        status = take_everything(w, &arena);
        hawq_arena_fail_at(0);
        CHECK(status == HAWQ_OK || status == HAWQ_ENOMEM);
        hawq_arena_free(&arena);
    }
    CHECK(status == HAWQ_OK && k > 1);
}

/* Positive means as they are; else the upper limit, never below zero. */
static void search_values(void) {
    hawq_estimate e = {.mean = 2, .low = -1, .high = 5};
    CHECK(hawq_search_value(&e) == 2 && hawq_is_unresolved(&e));
    e = (hawq_estimate){.mean = -2, .low = -7, .high = 3};
    CHECK(hawq_search_value(&e) == 3 && hawq_is_unresolved(&e));
    e = (hawq_estimate){.mean = -2, .low = -3, .high = -1};
    CHECK(hawq_search_value(&e) == 0 && !hawq_is_unresolved(&e));
    e = (hawq_estimate){.mean = 2, .low = 1, .high = 3};
    CHECK(hawq_search_value(&e) == 2 && !hawq_is_unresolved(&e));
    CHECK(hawq_depth_rise(0, 10, 2) == 10.0 / 16);
    CHECK(hawq_depth_rise(9, 10, 4) == 1.0 / 256);
}

int main(void) {
    static net w;
    net_open(&w, "Tanh", CHUNK);
    dense_hessian(&w);
    traces_match_the_dense_hessian(&w, NULL, false);
    quadratic_matches_the_dense_hessian(&w);
    measured_is_quadratic_to_third_order(&w);
    noise_is_relative_to_the_signal(&w);
    eigenvalues_match_the_dense_hessian(&w);
    walks_have_the_curvature(&w);
    terms_match_the_dense_hessian(&w);
    fisher_is_the_mean_square(&w);
    nonfinite_is_refused(&w);
    rounded_activations_are_measured(&w);
    memory_may_fail(&w);
    net_close(&w);
    trace_rise_survives_rescaling();
    search_values();
    traces_by_image_match("Relu", true);
    traces_by_image_match("LeakyRelu", true);
    traces_by_image_match("Tanh", false);
    DONE();
}
