/* test_sweep_f64.c -- the executor in double on tiny networks.
 *
 * Claims: the gradient is the central difference of the loss; a Hessian product
 * is the central difference of the gradient; the dense Hessian, column by
 * column, is symmetric; the Gauss-Newton matrix is symmetric, positive
 * semidefinite, and equals the Hessian where the second-order part vanishes
 * (self-distillation at its own start); a reading of a channel is v' H_cc v for
 * a v on that channel alone; results are the same bits for any number of
 * threads and lanes; chunk size changes nothing but rounding; what is rounded
 * is what readers see, and nothing else.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/rng.h"
#include "src/graph/loss.h"
#include "src/graph/reading.h"
#include "src/graph/share.h"
#include "src/graph/sweep.h"
#include "src/ops/ops.h"
#include "tests/check.h"

#include <math.h>

enum { IMAGES = 5, CLASSES = 3, PIXELS = 2 * 6 * 5, MOST = 512 };

/* --- a residual network with every wiring the executor must handle -------- */

static hawq_status weight(hawq_graph *g, const char *name, hawq_shape s) {
    double data[MOST];
    size_t n = (size_t)hawq_shape_count(&s, 0, s.rank);
    for (size_t i = 0; i < n; i++)
        data[i] =
            0.4 * hawq_rng_normal(hawq_rng_key(1, s.dim[0], n, name[0]), i);
    return hawq_graph_constant(g, name, HAWQ_FLOAT, &s, data);
}

static hawq_status node(hawq_graph *g, const char *op, const char *a,
                        const char *b, const char *c, const char *out,
                        int n_attr, const hawq_attr *attr) {
    const char    *in[] = {a, b, c};
    hawq_node_spec spec = {op,     out, b[0] ? (c[0] ? 3 : 2) : 1, 1, in, &out,
                           n_attr, attr};
    return hawq_graph_add(g, &spec);
}

static const int64_t   ones4[] = {1, 1, 1, 1}, two[] = {2, 2};
static const hawq_attr pads[] = {
    {.name = "pads", .type = HAWQ_ATTR_INTS, .n = 4, .ints = ones4}};
static const hawq_attr strided[] = {
    {.name = "pads", .type = HAWQ_ATTR_INTS, .n = 4, .ints = ones4},
    {.name = "strides", .type = HAWQ_ATTR_INTS, .n = 2, .ints = two},
    {.name = "group", .type = HAWQ_ATTR_INT, .i = 2}};
static const hawq_attr trans_b[] = {
    {.name = "transB", .type = HAWQ_ATTR_INT, .i = 1}};

static hawq_status residual(int batch, hawq_graph **out) {
    hawq_graph *g;
    HAWQ_TRY(hawq_graph_new(hawq_op_find, 13, &g));
    hawq_shape input = {4, {batch, 2, 6, 5}};
    HAWQ_TRY(hawq_graph_input(g, "x", &input));
    HAWQ_TRY(weight(g, "a.weight", (hawq_shape){4, {4, 2, 3, 3}}));
    HAWQ_TRY(weight(g, "a.bias", (hawq_shape){1, {4}}));
    HAWQ_TRY(weight(g, "b.weight", (hawq_shape){4, {4, 2, 3, 3}}));
    HAWQ_TRY(weight(g, "c.weight", (hawq_shape){4, {4, 1, 3, 3}}));
    HAWQ_TRY(weight(g, "d.weight", (hawq_shape){2, {CLASSES, 4}}));
    HAWQ_TRY(weight(g, "d.bias", (hawq_shape){1, {CLASSES}}));
    HAWQ_TRY(node(g, "Conv", "x", "a.weight", "a.bias", "ya", 1, pads));
    HAWQ_TRY(node(g, "Sigmoid", "ya", "", "", "ra", 0, NULL));
    HAWQ_TRY(node(g, "Conv", "ra", "b.weight", "", "yb", 3, strided));
    HAWQ_TRY(node(g, "Tanh", "yb", "", "", "rb", 0, NULL));
    const hawq_attr group4 = {.name = "group", .type = HAWQ_ATTR_INT, .i = 4};
    hawq_attr       depthwise[] = {pads[0], group4};
    HAWQ_TRY(node(g, "Conv", "rb", "c.weight", "", "yc", 2, depthwise));
    HAWQ_TRY(node(g, "Add", "yc", "rb", "", "s", 0, NULL));
    HAWQ_TRY(node(g, "Mul", "s", "s", "", "sq", 0, NULL));
    HAWQ_TRY(node(g, "GlobalAveragePool", "sq", "", "", "p", 0, NULL));
    HAWQ_TRY(node(g, "Flatten", "p", "", "", "f", 0, NULL));
    HAWQ_TRY(node(g, "Gemm", "f", "d.weight", "d.bias", "z", 1, trans_b));
    HAWQ_TRY(hawq_graph_finish(g, "z"));
    *out = g;
    return HAWQ_OK;
}

static double  image[IMAGES * PIXELS], teacher[IMAGES * CLASSES];
static int64_t label[IMAGES];

static hawq_batch data(void) {
    for (size_t i = 0; i < IMAGES * PIXELS; i++)
        image[i] = hawq_rng_normal(77, i);
    for (int i = 0; i < IMAGES; i++) label[i] = i % CLASSES;
    return (hawq_batch){IMAGES, image, label, NULL};
}

typedef struct fixture {
    hawq_arena     arena;
    hawq_graph    *graph;
    hawq_threads  *threads;
    hawq_engine   *engine;
    hawq_selection all;
    size_t         n;
} fixture;

static void fixture_open(fixture *f, int batch, int threads, int lanes,
                         hawq_loss loss) {
    memset(f, 0, sizeof *f);
    CHECK_OK(residual(batch, &f->graph));
    CHECK_OK(hawq_threads_new(threads, &f->threads));
    CHECK_OK(hawq_engine_new(f->graph, f->threads, lanes, loss, &f->engine));
    CHECK_OK(hawq_select_parameters(f->graph, &f->arena, &f->all));
    f->n = hawq_selection_total(&f->all);
}

static void fixture_close(fixture *f) {
    hawq_engine_free(f->engine);
    hawq_threads_free(f->threads);
    hawq_graph_free(f->graph);
    hawq_arena_free(&f->arena);
}

static real *parameter(fixture *f, size_t i) {
    int k = 0;
    while (f->all.offset[k + 1] <= i) k++;
    return &f->all.tensor[k]->data[i - f->all.offset[k]];
}

/* --- claims --------------------------------------------------------------- */

static void gradient_is_the_difference_of_the_loss(hawq_loss loss) {
    fixture    f;
    hawq_batch batch = data();
    double     g[MOST];
    fixture_open(&f, 2, 1, 1, loss);
    for (size_t i = 0; i < IMAGES * CLASSES; i++)
        teacher[i] = hawq_rng_normal(5, i);
    if (loss == HAWQ_SELF_DISTILLATION) batch.targets = teacher;
    hawq_engine_gradient(f.engine, &batch, &f.all, g, NULL, NULL);
    for (size_t i = 0; i < f.n; i += 7) {
        double h = 1e-5, up, down, keep = *parameter(&f, i);
        *parameter(&f, i) = keep + h;
        hawq_engine_forward(f.engine, &batch, NULL, &up, NULL);
        *parameter(&f, i) = keep - h;
        hawq_engine_forward(f.engine, &batch, NULL, &down, NULL);
        *parameter(&f, i) = keep;
        CHECK_NEAR(g[i], (up - down) / (2 * h), 1e-8);
    }
    fixture_close(&f);
}

static void dense(fixture *f, hawq_curvature kind, const hawq_batch *batch,
                  double *matrix) {
    double *v = calloc(f->n * f->n, sizeof *v);
    for (size_t i = 0; i < f->n; i++) v[i * f->n + i] = 1;
    hawq_engine_products(f->engine, batch, kind, (int)f->n, &f->all, v, &f->all,
                         matrix, NULL);
    free(v);
}

static void hessian_is_the_difference_of_the_gradient(void) {
    fixture    f;
    hawq_batch batch = data();
    fixture_open(&f, 3, 2, 5, HAWQ_CROSS_ENTROPY);
    size_t  n = f.n;
    double *H = malloc(n * n * sizeof *H), up[MOST], down[MOST];
    dense(&f, HAWQ_HESSIAN, &batch, H);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            CHECK_NEAR(H[i * n + j], H[j * n + i], 1e-12);
    for (size_t i = 0; i < n; i += 11) {
        double h = 1e-5, keep = *parameter(&f, i);
        *parameter(&f, i) = keep + h;
        hawq_engine_gradient(f.engine, &batch, &f.all, up, NULL, NULL);
        *parameter(&f, i) = keep - h;
        hawq_engine_gradient(f.engine, &batch, &f.all, down, NULL, NULL);
        *parameter(&f, i) = keep;
        for (size_t j = 0; j < n; j++)
            CHECK_NEAR(H[i * n + j], (up[j] - down[j]) / (2 * h), 1e-8);
    }
    free(H);
    fixture_close(&f);
}

/* The second-order part of the network is weighted by dL/dz, which is zero
 * when the target is the network's own output. */
static void gauss_newton_is_the_hessian_at_its_own_target(void) {
    fixture    f;
    hawq_batch batch = data();
    fixture_open(&f, 2, 1, 4, HAWQ_SELF_DISTILLATION);
    size_t  n = f.n;
    double *H = malloc(n * n * sizeof *H), *G = malloc(n * n * sizeof *G);
    hawq_engine_forward(f.engine, &batch, teacher, NULL, NULL);
    batch.targets = teacher;
    dense(&f, HAWQ_HESSIAN, &batch, H);
    dense(&f, HAWQ_GAUSS_NEWTON, &batch, G);
    double trace = 0;
    for (size_t i = 0; i < n * n; i++) CHECK_NEAR(H[i], G[i], 1e-12);
    for (size_t i = 0; i < n; i++) trace += G[i * n + i];
    CHECK(trace > 1e-3);
    for (uint64_t k = 0; k < 50; k++) { /* v' G v >= 0 */
        double quadratic = 0;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                quadratic +=
                    hawq_rng_sign(k, i) * hawq_rng_sign(k, j) * G[i * n + j];
        CHECK(quadratic > -1e-12);
    }
    free(H);
    free(G);
    fixture_close(&f);
}

/* v on one layer and the result on another: the off-diagonal block. */
static void selections_are_blocks_of_the_whole(void) {
    fixture        f;
    hawq_batch     batch = data();
    hawq_selection one, other;
    fixture_open(&f, 2, 1, 2, HAWQ_CROSS_ENTROPY);
    size_t  n = f.n;
    double *H = malloc(n * n * sizeof *H), v[MOST], product[MOST], grad[MOST];
    dense(&f, HAWQ_HESSIAN, &batch, H);
    for (int i = 0; i < f.graph->n_layers; i++)
        for (int j = 0; j < f.graph->n_layers; j++) {
            CHECK_OK(hawq_select_weights(f.graph, i, &f.arena, &one));
            CHECK_OK(hawq_select_weights(f.graph, j, &f.arena, &other));
            size_t from = 0, to = 0;
            while (f.all.tensor[from] != one.tensor[0]) from++;
            while (f.all.tensor[to] != other.tensor[0]) to++;
            from = f.all.offset[from];
            to = f.all.offset[to];
            size_t rows = other.offset[1], cols = one.offset[1];
            for (size_t c = 0; c < cols; c++) v[c] = hawq_rng_normal(9, c);
            hawq_engine_products(f.engine, &batch, HAWQ_HESSIAN, 1, &one, v,
                                 &other, product, grad);
            for (size_t r = 0; r < rows; r++) {
                double want = 0;
                for (size_t c = 0; c < cols; c++)
                    want += H[(from + c) * n + to + r] * v[c];
                CHECK_NEAR(product[r], want, 1e-12);
            }
        }
    free(H);
    fixture_close(&f);
}

/* The mean of bar bar' over random signs is the loss's second derivative,
 * within 5 standard errors of N draws; 20 classes are more than are put in
 * order. */
static void loss_factors_square_to_its_curvature(hawq_loss loss, size_t c) {
    enum { N = 20000, ROWS = 2, MOST_Z = 40 };
    const hawq_rows shape = {ROWS, c, 1};
    const size_t    n = ROWS * c;
    static double   sum[MOST_Z][MOST_Z], squares[MOST_Z][MOST_Z];
    double          z[MOST_Z], bar[MOST_Z];
    memset(sum, 0, sizeof sum);
    memset(squares, 0, sizeof squares);
    for (size_t i = 0; i < n; i++) z[i] = 1.5 * hawq_rng_normal(c, i);
    for (uint64_t k = 0; k < N; k++) {
        hawq_loss_factor(loss, shape, z, NULL, 0.7, hawq_rng_key(8, k, 0, 0),
                         bar);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                sum[i][j] += bar[i] * bar[j];
                squares[i][j] += bar[i] * bar[j] * bar[i] * bar[j];
            }
    }
    for (size_t j = 0; j < n; j++) {
        double unit[MOST_Z] = {0}, column[MOST_Z];
        unit[j] = 1;
        hawq_loss_curvature(loss, shape, z, NULL, 0.7, unit, column);
        for (size_t i = 0; i < n; i++) {
            double mean = sum[i][j] / N;
            double var = squares[i][j] / N - mean * mean;
            CHECK_NEAR(mean, column[i], 5 * sqrt(fmax(var, 0) / N) + 1e-12);
        }
    }
}

/* Classes along another axis are the same numbers elsewhere, and a row that is
 * ignored has no loss, no gradient and no curvature. Row r of the 6 is row
 * r % 2 of part r / 2. */
static void rows_lie_anywhere(hawq_loss loss) {
    enum { ROWS = 6, C = 4, INNER = 2, N = ROWS * C, SKIPPED = 3 };
    const hawq_rows near = {ROWS, C, 1}, far = {ROWS, C, INNER};
    const int64_t   label[ROWS] = {1, 0, 3, HAWQ_IGNORED, 2, 2};
    double          a[5][N], b[5][N]; /* z, target, direction, two results */
    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < C; c++)
            for (size_t k = 0; k < 3; k++)
                b[k][(r / INNER * C + c) * INNER + r % INNER] =
                    a[k][r * C + c] = hawq_rng_normal(17 + k, r * C + c);
    const double *t = loss == HAWQ_CROSS_ENTROPY ? NULL : a[1];
    double value = hawq_loss_value(loss, near, a[0], label, t, 0.7, a[3]);
    CHECK(value ==
          hawq_loss_value(loss, far, b[0], label, t ? b[1] : NULL, 0.7, b[3]));
    for (int what = 0; what < 3; what++) {
        if (what == 1) {
            hawq_loss_curvature(loss, near, a[0], label, 0.7, a[2], a[3]);
            hawq_loss_curvature(loss, far, b[0], label, 0.7, b[2], b[3]);
        } else if (what == 2) {
            hawq_loss_factor(loss, near, a[0], label, 0.7, 5, a[3]);
            hawq_loss_factor(loss, far, b[0], label, 0.7, 5, b[3]);
        }
        for (size_t r = 0; r < ROWS; r++)
            for (size_t c = 0; c < C; c++) {
                double own = a[3][r * C + c];
                CHECK(own == b[3][hawq_row_start(far, r) + c * INNER]);
                CHECK(own != 0 || r == SKIPPED);
                CHECK(r != SKIPPED || own == 0);
            }
    }
    double without = 0; /* its own row alone is missing */
    for (size_t r = 0; r < ROWS; r++)
        if (r != SKIPPED)
            without +=
                hawq_loss_value(loss, (hawq_rows){1, C, 1}, a[0] + r * C,
                                label + r, t ? t + r * C : NULL, 1, NULL);
    CHECK_NEAR(value, without / ROWS, 1e-14);
}

/* Two classes, the others all but impossible: one column of the factor, whose
 * square is the curvature whatever the sign. */
static void two_classes_leave_no_noise(void) {
    const hawq_rows shape = {1, 4, 1};
    const double    z[4] = {-50, 1, -60, 0.5}, unit[4] = {0, 1, 0, 0};
    double          bar[4], column[4];
    hawq_loss_curvature(HAWQ_CROSS_ENTROPY, shape, z, NULL, 1, unit, column);
    for (uint64_t k = 0; k < 8; k++) {
        hawq_loss_factor(HAWQ_CROSS_ENTROPY, shape, z, NULL, 1, k, bar);
        for (int i = 0; i < 4; i++)
            CHECK_NEAR(bar[i] * bar[1], column[i], 1e-10);
    }
}

static size_t weight_offset(const fixture *f, const hawq_layer *layer) {
    int k = 0;
    while (f->all.tensor[k] != layer->weight) k++;
    return f->all.offset[k];
}

/* Random v on channel c of layer l, zero elsewhere: v' H v from the matrix of
 * all parameters, and every channel's reading, of which c's alone is not 0. */
static void check_channel(fixture *f, hawq_curvature kind,
                          const hawq_batch *batch, const double *H,
                          const hawq_selection *weights, int l, size_t c) {
    const hawq_layer *layer = &f->graph->layer[l];
    size_t            at = weight_offset(f, layer), first = 0;
    double            v[MOST] = {0}, reading[MOST], want = 0;
    double           *own = v + weights->offset[l];
    for (int i = 0; i < l; i++) first += f->graph->layer[i].channels;
    for (size_t i = 0; i < layer->weight->n; i++)
        if (i / layer->inner % layer->channels == c)
            own[i] = hawq_rng_normal(c + 1, i);
    for (size_t i = 0; i < layer->weight->n; i++)
        for (size_t j = 0; j < layer->weight->n; j++)
            want += own[i] * own[j] * H[(at + i) * f->n + at + j];
    hawq_engine_readings(f->engine, batch, kind, 1, weights, v, reading);
    for (size_t i = 0; i < hawq_reading_channels(f->graph); i++)
        CHECK_NEAR(reading[i], i == first + c ? want : 0, 1e-12);
}

static void readings_are_diagonal_blocks(hawq_curvature kind) {
    fixture        f;
    hawq_batch     batch = data();
    hawq_selection weights;
    fixture_open(&f, 2, 2, 3, HAWQ_CROSS_ENTROPY);
    CHECK(hawq_can_read(f.graph));
    CHECK_OK(hawq_select_weights(f.graph, -1, &f.arena, &weights));
    double *H = malloc(f.n * f.n * sizeof *H);
    dense(&f, kind, &batch, H);
    for (int l = 0; l < f.graph->n_layers; l++)
        for (size_t c = 0; c < f.graph->layer[l].channels; c++)
            check_channel(&f, kind, &batch, H, &weights, l, c);
    free(H);
    fixture_close(&f);
}

static void threads_and_lanes_change_no_bit(void) {
    fixture    a, b;
    hawq_batch batch = data();
    fixture_open(&a, 2, 1, 1, HAWQ_CROSS_ENTROPY);
    fixture_open(&b, 2, 3, 4, HAWQ_CROSS_ENTROPY);
    size_t  n = a.n;
    double *v = malloc(6 * n * sizeof *v), *ha = malloc(6 * n * sizeof *ha);
    double *hb = malloc(6 * n * sizeof *hb), ga[MOST], gb[MOST], la, lb;
    size_t  ca, cb;
    for (size_t i = 0; i < 6 * n; i++) v[i] = hawq_rng_sign(3, i);
    hawq_engine_products(a.engine, &batch, HAWQ_HESSIAN, 6, &a.all, v, &a.all,
                         ha, ga);
    hawq_engine_products(b.engine, &batch, HAWQ_HESSIAN, 6, &b.all, v, &b.all,
                         hb, gb);
    CHECK(memcmp(ha, hb, 6 * n * sizeof *ha) == 0);
    CHECK(memcmp(ga, gb, n * sizeof *ga) == 0);
    hawq_engine_gradient(a.engine, &batch, &a.all, ga, &la, &ca);
    hawq_engine_gradient(b.engine, &batch, &b.all, gb, &lb, &cb);
    CHECK(memcmp(ga, gb, n * sizeof *ga) == 0);
    CHECK(la == lb && ca == cb);
    hawq_selection weights;
    size_t         rows = 6 * hawq_reading_channels(a.graph);
    CHECK_OK(hawq_select_weights(a.graph, -1, &a.arena, &weights));
    hawq_engine_readings(a.engine, &batch, HAWQ_HESSIAN, 6, &weights, v, ha);
    hawq_engine_readings(b.engine, &batch, HAWQ_HESSIAN, 6, &weights, v, hb);
    CHECK(memcmp(ha, hb, rows * sizeof *ha) == 0);
    free(v);
    free(ha);
    free(hb);
    fixture_close(&a);
    fixture_close(&b);
}

/* 5 images in chunks of 1, 2, 4, 8, with shared and with private buffers. */
static void chunks_do_not_matter(void) {
    double z[IMAGES * CLASSES], want[IMAGES * CLASSES], loss, wanted = 0;
    for (int size = 1; size <= 8; size *= 2)
        for (int lanes = 0; lanes < 2; lanes++) {
            fixture    f;
            hawq_batch batch = data();
            fixture_open(&f, size, 2, lanes, HAWQ_CROSS_ENTROPY);
            hawq_engine_forward(f.engine, &batch, z, &loss, NULL);
            if (size == 1 && lanes == 0) {
                memcpy(want, z, sizeof z);
                wanted = loss;
            }
            for (int i = 0; i < IMAGES * CLASSES; i++)
                CHECK_NEAR(z[i], want[i], 1e-13);
            CHECK_NEAR(loss, wanted, 1e-13);
            fixture_close(&f);
        }
}

static void to_quarters(const void *self, double *x, size_t n) {
    (void)self;
    for (size_t i = 0; i < n; i++) x[i] = rint(4 * x[i]) / 4;
}

static void to_number(const void *self, double *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = *(const double *)self;
}

/* Rounding the input is rounding a copy of the images; an activation made 0
 * leaves the last layer its bias; without rounding the bits are as before. */
static void rounding_is_what_readers_see(int lanes) {
    static const double zero = 0;
    double        z[IMAGES * CLASSES], y[IMAGES * CLASSES], rounded[PIXELS];
    double        keep[IMAGES * PIXELS], before[IMAGES * CLASSES];
    hawq_rounding table[32] = {0};
    fixture       f;
    hawq_batch    batch = data();
    fixture_open(&f, 2, 2, lanes, HAWQ_CROSS_ENTROPY);
    CHECK(f.graph->n_tensors <= 32);
    memcpy(keep, image, sizeof keep);
    hawq_engine_forward(f.engine, &batch, before, NULL, NULL);
    hawq_engine_round(f.engine, table);
    hawq_engine_forward(f.engine, &batch, z, NULL, NULL);
    CHECK(memcmp(z, before, sizeof z) == 0);
    table[f.graph->input->id] = (hawq_rounding){to_quarters, NULL};
    hawq_engine_forward(f.engine, &batch, z, NULL, NULL);
    CHECK(memcmp(keep, image, sizeof keep) == 0);
    hawq_engine_round(f.engine, NULL);
    for (int i = 0; i < IMAGES; i++) {
        hawq_batch one = {1, rounded, NULL, NULL};
        memcpy(rounded, image + i * PIXELS, sizeof rounded);
        to_quarters(NULL, rounded, PIXELS);
        hawq_engine_forward(f.engine, &one, y + i * CLASSES, NULL, NULL);
    }
    CHECK(memcmp(z, y, sizeof z) == 0 && memcmp(z, before, sizeof z) != 0);
    table[f.graph->input->id].round = NULL;
    table[hawq_graph_find(f.graph, "sq")->id] =
        (hawq_rounding){to_number, &zero};
    hawq_engine_round(f.engine, table);
    hawq_engine_forward(f.engine, &batch, z, NULL, NULL);
    for (int i = 0; i < IMAGES * CLASSES; i++)
        CHECK(z[i] == f.graph->layer[3].bias->data[i % CLASSES]);
    hawq_engine_round(f.engine, NULL);
    hawq_engine_forward(f.engine, &batch, z, NULL, NULL);
    CHECK(memcmp(z, before, sizeof z) == 0);
    fixture_close(&f);
}

/* Every request for memory fails once: a sentence, and nothing kept. */
static void memory_may_run_out(void) {
    hawq_graph   *graph;
    hawq_threads *threads;
    hawq_engine  *engine = NULL;
    hawq_status   status = HAWQ_ENOMEM;
    int           k = 0;
    CHECK_OK(residual(64, &graph));
    CHECK_OK(hawq_threads_new(2, &threads));
    while (status == HAWQ_ENOMEM && ++k < 1000) {
        hawq_arena_fail_at(k);
        status =
            hawq_engine_new(graph, threads, 16, HAWQ_CROSS_ENTROPY, &engine);
        hawq_arena_fail_at(0);
        CHECK(status == HAWQ_OK || strstr(hawq_message(), "out of memory"));
    }
    CHECK(status == HAWQ_OK && k > 3);
    hawq_engine_free(engine);
    hawq_threads_free(threads);
    hawq_graph_free(graph);
}

/* In a chain of nodes of one size two buffers do, both ways; what is kept has
 * its own, and no two tensors that meet at a node have the same. */
static void lives_share_buffers(void) {
    static const char *const name[] = {"x", "a", "b", "c", "d", "e", "z"};
    hawq_arena               arena = {0};
    hawq_graph              *g;
    hawq_lives               lives;
    hawq_sharing             s;
    bool                     kept[7] = {false, true, false, true};
    CHECK_OK(hawq_graph_new(hawq_op_find, 13, &g));
    CHECK_OK(hawq_graph_input(g, "x", &(hawq_shape){2, {2, 3}}));
    for (int i = 1; i < 7; i++)
        CHECK_OK(node(g, "Tanh", name[i - 1], "", "", name[i], 0, NULL));
    CHECK_OK(hawq_graph_finish(g, "z"));
    CHECK_OK(hawq_lives_find(g, &arena, &lives));
    for (int backward = 0; backward < 2; backward++) {
        CHECK_OK(hawq_share(g, &lives, backward, NULL, &arena, &s));
        CHECK(s.n == 2 && s.size[0] == 6 && s.size[1] == 6 && s.buffer[0] < 0);
        for (int i = 2; i < 7; i++) CHECK(s.buffer[i] != s.buffer[i - 1]);
        CHECK_OK(hawq_share(g, &lives, backward, kept, &arena, &s));
        CHECK(s.n == 4 && s.buffer[1] != s.buffer[3]);
        for (int i = 2; i < 7; i++)
            CHECK(i == 3 ||
                  (s.buffer[i] != s.buffer[1] && s.buffer[i] != s.buffer[3]));
    }
    hawq_graph_free(g);
    hawq_arena_free(&arena);
}

/* What is predicted is what is taken, to the byte. */
static void memory_is_predicted(void) {
    for (int threads = 1; threads <= 3; threads++)
        for (int lanes = 0; lanes <= 4; lanes += 2) {
            fixture f;
            fixture_open(&f, 3, threads, lanes, HAWQ_CROSS_ENTROPY);
            hawq_engine_size want =
                hawq_engine_measure(f.graph, threads, lanes);
            hawq_engine_size took = hawq_engine_taken(f.engine);
            CHECK(memcmp(&want, &took, sizeof want) == 0);
            CHECK(took.total > took.planes + took.lanes + took.scratch);
            fixture_close(&f);
        }
}

int main(void) {
    memory_may_run_out();
    lives_share_buffers();
    memory_is_predicted();
    gradient_is_the_difference_of_the_loss(HAWQ_CROSS_ENTROPY);
    gradient_is_the_difference_of_the_loss(HAWQ_MSE);
    gradient_is_the_difference_of_the_loss(HAWQ_SELF_DISTILLATION);
    hessian_is_the_difference_of_the_gradient();
    gauss_newton_is_the_hessian_at_its_own_target();
    selections_are_blocks_of_the_whole();
    loss_factors_square_to_its_curvature(HAWQ_CROSS_ENTROPY, 3);
    loss_factors_square_to_its_curvature(HAWQ_CROSS_ENTROPY, 20);
    loss_factors_square_to_its_curvature(HAWQ_MSE, 3);
    two_classes_leave_no_noise();
    rows_lie_anywhere(HAWQ_CROSS_ENTROPY);
    rows_lie_anywhere(HAWQ_MSE);
    rows_lie_anywhere(HAWQ_SELF_DISTILLATION);
    readings_are_diagonal_blocks(HAWQ_HESSIAN);
    readings_are_diagonal_blocks(HAWQ_GAUSS_NEWTON);
    threads_and_lanes_change_no_bit();
    chunks_do_not_matter();
    for (int lanes = 0; lanes < 2; lanes++) rounding_is_what_readers_see(lanes);
    DONE();
}
