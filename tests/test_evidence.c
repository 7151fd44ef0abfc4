/* test_evidence.c -- what methods look at: moments of inputs, curvature at the
 * outputs; and the refinement made of them.
 *
 * Claims: moments of convolutions (strides, uneven padding, dilation, groups),
 * Gemm (both layouts) and MatMul with several rows an image are those of a
 * double loop over the unfolded inputs, with as many positions, for a number of
 * images that does not fill the last chunk; with the target's cross moments
 * where they are wanted, residual included. The curvature at two layers'
 * outputs is the mean of delta delta' with the loss's factor carried back by
 * hand; a method that needs it and has none is refused. Refinement to 8 bits
 * reproduces the float output; its codes, scales and biases are the same bits
 * for 1 and 3 threads.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/loss.h"
#include "src/graph/mm.h"
#include "src/graph/score.h"
#include "src/quant/curvature.h"
#include "src/quant/refine.h"
#include "tests/deploying.h"

enum { USED = 11 }; /* images: the last chunk is not full */

/* --- moments ------------------------------------------------------------- */

typedef struct geometry {
    const char *op, *attr;
    int64_t     x[4], w[4]; /* shapes; rank 2 where w[2] is 0 */
    int         stride_h, stride_w, top, left, dilation, groups;
} geometry;

static const geometry geometries[] = {
    {"Conv", "pads=1,1,1,1", {3, 6, 5}, {4, 3, 3, 3}, 1, 1, 1, 1, 1, 1},
    {"Conv",
     "strides=2,1 pads=0,2,1,0 group=2",
     {4, 7, 6},
     {6, 2, 3, 3},
     2,
     1,
     0,
     2,
     1,
     2},
    {"Conv",
     "dilations=2,2 pads=2,2,2,2 group=3",
     {3, 6, 5},
     {3, 1, 3, 3},
     1,
     1,
     2,
     2,
     2,
     3},
    {"Gemm", "transB=1", {7}, {5, 7}, 0, 0, 0, 0, 0, 1},
    {"Gemm", "", {7}, {7, 5}, 0, 0, 0, 0, 0, 1},
    {"MatMul", "", {3, 7}, {7, 5}, 0, 0, 0, 0, 0, 1}};

static hawq_graph *one_layer(const geometry *s) {
    int         rank = s->x[2] ? 4 : s->x[1] ? 3 : 2, w_rank = s->w[2] ? 4 : 2;
    int64_t     x[4] = {BATCH, s->x[0], s->x[1], s->x[2]};
    hawq_graph *g = open_graph(rank, x);
    bool        biased = strcmp(s->op, "MatMul") != 0;
    bool        across = w_rank == 2 && !s->attr[0];
    weight(g, "l.weight", 0.5, w_rank, s->w);
    if (biased) weight(g, "l.bias", 0.5, 1, &s->w[across ? 1 : 0]);
    node(g, s->op, biased ? "x l.weight l.bias" : "x l.weight", "y", s->attr);
    CHECK_OK(hawq_graph_finish(g, "y"));
    return g;
}

/* Input k that meets row r at position p of an image. */
static double input(const geometry *s, const float *image, size_t ow, size_t r,
                    size_t p, size_t k) {
    if (!s->w[2]) {
        size_t cols = (size_t)(s->x[1] ? s->x[1] : s->x[0]);
        return (double)image[p * cols + k];
    }
    int per = (int)s->w[1], area = (int)(s->w[2] * s->w[3]);
    int block = (int)r / ((int)s->w[0] / s->groups);
    int c = block * per + (int)k / area, at = (int)k % area;
    int y =
        (int)(p / ow) * s->stride_h - s->top + at / (int)s->w[3] * s->dilation;
    int x =
        (int)(p % ow) * s->stride_w - s->left + at % (int)s->w[3] * s->dilation;
    if (y < 0 || y >= s->x[1] || x < 0 || x >= s->x[2]) return 0;
    return (double)image[(c * s->x[1] + y) * s->x[2] + x];
}

/* z of row r at position p, by the layer's own weights. */
static double output(const hawq_layer *l, const double *u, size_t r,
                     size_t cols) {
    double z = l->bias ? (double)l->bias->data[r] : 0;
    for (size_t k = 0; k < cols; k++)
        z += u[k] * (double)l->weight->data[hawq_weight_at(l, r, k)];
    return z;
}

static void check_moments(const geometry *s) {
    fixture      f;
    hawq_twin   *twin = NULL;
    hawq_moments m, both;
    fixture_open(&f, one_layer(s));
    const hawq_layer *l = &f.graph->layer[0];
    CHECK_OK(hawq_twin_new(f.graph, f.threads, &twin));
    CHECK_OK(hawq_moments_collect(twin, f.graph, f.threads, 0, 1, USED, f.x,
                                  false, &f.arena, &m));
    CHECK_OK(hawq_moments_collect(twin, f.graph, f.threads, 0, 1, USED, f.x,
                                  true, &f.arena, &both));
    const hawq_shape *y = &f.graph->output->shape;
    size_t            ow = y->rank == 4 ? (size_t)y->dim[3] : 1;
    size_t            positions = f.n_out / m.rows, cols = m.cols;
    CHECK(m.blocks == (size_t)s->groups && !m.cross && both.cross);
    CHECK(m.positions == (double)(USED * positions));
    CHECK(m.rows == l->channels && cols == l->outer * l->inner);
    for (size_t r = 0; r < m.rows; r++) {
        double mean[64] = {0}, second[64 * 64] = {0}, cross[64] = {0}, z = 0;
        size_t block = r / (m.rows / m.blocks);
        for (size_t i = 0; i < USED * positions; i++) {
            double u[64];
            for (size_t k = 0; k < cols; k++)
                u[k] = input(s, f.x + i / positions * f.n_in, ow, r,
                             i % positions, k);
            double own = output(l, u, r, cols);
            z += own / m.positions;
            for (size_t k = 0; k < cols; k++) {
                mean[k] += u[k] / m.positions;
                cross[k] += own * u[k] / m.positions;
                for (size_t j = 0; j < cols; j++)
                    second[k * cols + j] += u[k] * u[j] / m.positions;
            }
        }
        if (!l->bias) { /* nothing takes up means: moments about 0 */
            memset(mean, 0, sizeof mean);
            z = 0;
        }
        CHECK_NEAR(both.output_mean[r], z, 1e-5);
        for (size_t k = 0; k < cols; k++) {
            const double *row = m.moment + (block * cols + k) * cols;
            CHECK_NEAR(m.mean[block * cols + k], mean[k], 1e-5);
            CHECK_NEAR(both.cross[r * cols + k], cross[k] - z * mean[k], 2e-5);
            for (size_t j = 0; j < cols; j++)
                CHECK_NEAR(row[j], second[k * cols + j] - mean[k] * mean[j],
                           2e-5);
        }
    }
    hawq_twin_free(twin);
    fixture_close(&f);
}

/* --- a network with a residual addition ---------------------------------- */

static hawq_graph *residual(void) {
    hawq_graph *g = open_image(3, 6, 5);
    weight(g, "c1.weight", 0.3, 4, (int64_t[]){6, 3, 3, 3});
    weight(g, "c1.bias", 0.3, 1, (int64_t[]){6});
    weight(g, "c2.weight", 0.3, 4, (int64_t[]){6, 6, 3, 3});
    weight(g, "c2.bias", 0.3, 1, (int64_t[]){6});
    weight(g, "fc.weight", 0.5, 2, (int64_t[]){4, 6});
    weight(g, "fc.bias", 0.3, 1, (int64_t[]){4});
    node(g, "Conv", "x c1.weight c1.bias", "c1", "pads=1,1,1,1");
    node(g, "Relu", "c1", "r1", "");
    node(g, "Conv", "r1 c2.weight c2.bias", "c2", "pads=1,1,1,1");
    node(g, "Add", "c2 r1", "a", "");
    node(g, "GlobalAveragePool", "a", "p", "");
    node(g, "Flatten", "p", "f", "");
    node(g, "Gemm", "f fc.weight fc.bias", "z", "transB=1");
    CHECK_OK(hawq_graph_finish(g, "z"));
    return g;
}

/* The second convolution is to deliver what the shortcut lacks, too. */
static void residuals_are_made_up_for(void) {
    fixture        f;
    hawq_twin     *twin = NULL;
    hawq_moments   plain, m;
    hawq_quantized q;
    hawq_candidate c;
    fixture_open(&f, residual());
    CHECK_OK(hawq_twin_new(f.graph, f.threads, &twin));
    CHECK_OK(hawq_moments_collect(twin, f.graph, f.threads, 1, 1, IMAGES, f.x,
                                  true, &f.arena, &plain));
    CHECK_OK(hawq_candidate_read("w2", &c));
    CHECK_OK(hawq_quantize(&f.graph->layer[0], &c, NULL, NULL, f.threads,
                           &f.arena, &q));
    CHECK_OK(hawq_twin_put(twin, 0, &q));
    CHECK_OK(hawq_moments_collect(twin, f.graph, f.threads, 1, 1, IMAGES, f.x,
                                  true, &f.arena, &m));
    /* r1 is the shortcut and, at the middle of the kernel, the layer's input */
    for (size_t r = 0; r < 6; r++) {
        double lacks = plain.mean[r * 9 + 4] - m.mean[r * 9 + 4];
        CHECK(fabs(lacks) > 1e-3);
        CHECK_NEAR(m.output_mean[r], plain.output_mean[r] + lacks, 1e-5);
    }
    hawq_twin_free(twin);
    fixture_close(&f);
}

/* --- curvature ----------------------------------------------------------- */

static hawq_graph *two_products(void) {
    hawq_graph *g = open_graph(2, (int64_t[]){BATCH, 6});
    weight(g, "a.weight", 0.6, 2, (int64_t[]){5, 6});
    weight(g, "a.bias", 0.6, 1, (int64_t[]){5});
    weight(g, "b.weight", 0.8, 2, (int64_t[]){4, 5});
    node(g, "Gemm", "x a.weight a.bias", "a", "transB=1");
    node(g, "Relu", "a", "r", "");
    node(g, "Gemm", "r b.weight", "z", "transB=1");
    CHECK_OK(hawq_graph_finish(g, "z"));
    return g;
}

static void curvature_is_carried_back(void) {
    fixture      f;
    hawq_engine *e = NULL;
    double      *g[2], sum[25] = {0}, top[16] = {0};
    fixture_open(&f, two_products());
    CHECK_OK(
        hawq_engine_new(f.graph, f.threads, 1, HAWQ_SELF_DISTILLATION, &e));
    CHECK_OK(hawq_curvature_collect(e, f.threads, USED, f.x, 77, &f.arena, g));
    const hawq_layer *a = &f.graph->layer[0], *b = &f.graph->layer[1];
    for (size_t i = 0; i < USED; i++) {
        double u[6], z[5], delta[5] = {0};
        real   s[4];
        for (size_t k = 0; k < 6; k++) u[k] = (double)f.x[i * 6 + k];
        for (size_t r = 0; r < 5; r++) z[r] = output(a, u, r, 6);
        hawq_loss_factor(HAWQ_SELF_DISTILLATION, (hawq_rows){1, 4, 1},
                         f.float_output + i * 4, NULL, 1,
                         hawq_rng_key(77, i, 0, 0), s);
        for (size_t r = 0; r < 5; r++)
            for (size_t c = 0; z[r] > 0 && c < 4; c++)
                delta[r] += (double)b->weight->data[hawq_weight_at(b, c, r)] *
                            (double)s[c];
        for (size_t k = 0; k < 25; k++)
            sum[k] += delta[k / 5] * delta[k % 5] / USED;
        for (size_t k = 0; k < 16; k++)
            top[k] += (double)s[k / 4] * (double)s[k % 4] / USED;
    }
    for (size_t k = 0; k < 25; k++) CHECK_NEAR(g[0][k], sum[k], 1e-6);
    for (size_t k = 0; k < 16; k++) CHECK_NEAR(g[1][k], top[k], 1e-6);
    CHECK(sum[0] > 1e-3 && top[0] > 1e-3);
    hawq_engine_free(e);
    fixture_close(&f);
}

/* A convolution's G is summed over its pixels: as many numbers as channels,
 * positive, and the same bits for any number of threads. */
static void curvature_of_convolutions(void) {
    fixture       f;
    hawq_threads *one = NULL;
    hawq_engine  *e = NULL, *alone = NULL;
    double       *g[3], *h[3];
    fixture_open(&f, residual());
    CHECK_OK(hawq_threads_new(1, &one));
    CHECK_OK(
        hawq_engine_new(f.graph, f.threads, 1, HAWQ_SELF_DISTILLATION, &e));
    CHECK_OK(hawq_engine_new(f.graph, one, 1, HAWQ_SELF_DISTILLATION, &alone));
    CHECK_OK(hawq_curvature_collect(e, f.threads, USED, f.x, 7, &f.arena, g));
    CHECK_OK(hawq_curvature_collect(alone, one, USED, f.x, 7, &f.arena, h));
    for (int l = 0; l < 3; l++)
        CHECK(!memcmp(g[l], h[l],
                      f.graph->layer[l].channels * f.graph->layer[l].channels *
                          sizeof(double)));
    /* behind the mean over 30 pixels, every pixel has the same delta, that of
     * the pool's output over 30: G(c2) = W' G(fc) W / 900 */
    const hawq_layer *fc = &f.graph->layer[2];
    for (size_t a = 0; a < 6; a++)
        for (size_t b = 0; b < 6; b++) {
            double want = 0;
            for (size_t i = 0; i < 4; i++)
                for (size_t k = 0; k < 4; k++)
                    want += (double)fc->weight->data[hawq_weight_at(fc, i, a)] *
                            g[2][i * 4 + k] *
                            (double)fc->weight->data[hawq_weight_at(fc, k, b)];
            CHECK_NEAR(900 * g[1][a * 6 + b], want, 1e-6);
        }
    hawq_engine_free(e);
    hawq_engine_free(alone);
    hawq_threads_free(one);
    fixture_close(&f);
}

static void what_is_not_known_is_asked_for(void) {
    fixture        f;
    hawq_twin     *twin = NULL;
    hawq_moments   m;
    hawq_quantized q;
    hawq_candidate c;
    fixture_open(&f, two_products());
    CHECK_OK(hawq_twin_new(f.graph, f.threads, &twin));
    CHECK_OK(hawq_moments_collect(twin, f.graph, f.threads, 0, 1, USED, f.x,
                                  false, &f.arena, &m));
    CHECK_OK(hawq_candidate_read("w2c:kron", &c));
    CHECK_FAILS(hawq_quantize(&f.graph->layer[0], &c, NULL, NULL, f.threads,
                              &f.arena, &q),
                HAWQ_EINVAL, "layer's inputs, which are not known");
    CHECK_FAILS(hawq_quantize(&f.graph->layer[0], &c, &m, NULL, f.threads,
                              &f.arena, &q),
                HAWQ_EINVAL, "curvature of the loss");
    char           text[HAWQ_CANDIDATE_TEXT];
    hawq_candidate next = hawq_candidate_possible(&c, &m);
    CHECK(!strcmp(hawq_candidate_text(&next, text), "w2c:coordinate"));
    next = hawq_candidate_possible(&c, NULL);
    CHECK(!strcmp(hawq_candidate_text(&next, text), "w2c:mse"));
    double g[25] = {1};
    for (int i = 0; i < 25; i++) g[i] = i % 6 ? 0.2 : 1;
    m.curvature = g;
    next = hawq_candidate_possible(&c, &m);
    CHECK(next.method == c.method);
    CHECK_OK(hawq_quantize(&f.graph->layer[0], &c, &m, NULL, f.threads,
                           &f.arena, &q));
    CHECK(q.bias != NULL);
    hawq_twin_free(twin);
    fixture_close(&f);
}

/* --- refinement ---------------------------------------------------------- */

static void refine(const fixture *f, hawq_threads *threads, const char *name,
                   double *const *curvature, hawq_arena *arena,
                   hawq_quantized *out, hawq_divergence *d) {
    hawq_candidate how[8];
    hawq_twin     *twin = NULL;
    for (int l = 0; l < f->graph->n_layers; l++)
        CHECK_OK(hawq_candidate_read(name, &how[l]));
    CHECK_OK(hawq_twin_new(f->graph, threads, &twin));
    hawq_refine r = {.graph = f->graph,
                     .threads = threads,
                     .twin = twin,
                     .candidate = how,
                     .n = IMAGES,
                     .x = f->x,
                     .arena = arena,
                     .curvature = curvature};
    CHECK_OK(hawq_refine_run(&r, out));
    hawq_twin_diverge(twin, f->graph, IMAGES, f->x, d);
    hawq_twin_free(twin);
}

static void eight_bits_are_the_float_network(void) {
    fixture         f;
    hawq_quantized  q[3];
    hawq_divergence d;
    fixture_open(&f, one_layer(&geometries[3]));
    refine(&f, f.threads, "w8", NULL, &f.arena, q, &d);
    CHECK(d.kl < 1e-4 && d.agreement == 1 && d.rows == IMAGES);
    fixture_close(&f);
    fixture_open(&f, residual());
    refine(&f, f.threads, "w8", NULL, &f.arena, q, &d);
    CHECK(d.kl < 1e-4 && d.agreement == 1);
    refine(&f, f.threads, "float", NULL, &f.arena, q, &d);
    CHECK(d.kl < 1e-9 && q[0].values && q[0].values[0] == q[0].values[0]);
    fixture_close(&f);
}

/* Behind a layer of few bits the next ones make up for it: refined, the
 * network is closer to the float one than with each layer on its own. */
static void refinement_gains(void) {
    fixture         f;
    hawq_quantized  q[3];
    hawq_divergence refined, alone;
    hawq_twin      *twin = NULL;
    hawq_candidate  c;
    fixture_open(&f, residual());
    refine(&f, f.threads, "w3", NULL, &f.arena, q, &refined);
    CHECK_OK(hawq_twin_new(f.graph, f.threads, &twin));
    CHECK_OK(hawq_candidate_read("w3:coordinate", &c));
    for (int l = 0; l < 3; l++) {
        hawq_moments m;
        CHECK_OK(hawq_moments_collect(twin, f.graph, f.threads, l, 1, IMAGES,
                                      f.x, false, &f.arena, &m));
        CHECK_OK(hawq_quantize(&f.graph->layer[l], &c, &m, NULL, f.threads,
                               &f.arena, &q[l]));
    }
    for (int l = 0; l < 3; l++) CHECK_OK(hawq_twin_put(twin, l, &q[l]));
    hawq_twin_diverge(twin, f.graph, IMAGES, f.x, &alone);
    CHECK(refined.kl < alone.kl);
    if (refined.kl >= alone.kl)
        printf("refined %g, alone %g\n", refined.kl, alone.kl);
    hawq_twin_free(twin);
    fixture_close(&f);
}

static void same(const hawq_quantized *a, const hawq_quantized *b) {
    CHECK(!memcmp(a->code, b->code, a->rows * a->cols));
    CHECK(!memcmp(a->scale, b->scale, a->rows * sizeof *a->scale));
    CHECK(!memcmp(a->bias, b->bias, a->rows * sizeof *a->bias));
}

static void threads_change_nothing(void) {
    static const char *const names[] = {"w2c", "k3", "w3g8+5%", "w2c:kron"};
    fixture                  f;
    hawq_threads            *one = NULL;
    hawq_engine             *e = NULL;
    double                  *g[3];
    fixture_open(&f, residual());
    CHECK_OK(hawq_threads_new(1, &one));
    CHECK_OK(hawq_engine_new(f.graph, one, 1, HAWQ_SELF_DISTILLATION, &e));
    CHECK_OK(hawq_curvature_collect(e, one, IMAGES, f.x, 7, &f.arena, g));
    for (int i = 0; i < 4; i++) {
        hawq_quantized  a[3], b[3];
        hawq_divergence d;
        refine(&f, one, names[i], g, &f.arena, a, &d);
        refine(&f, f.threads, names[i], g, &f.arena, b, &d);
        for (int l = 0; l < 3; l++) same(&a[l], &b[l]);
    }
    hawq_engine_free(e);
    hawq_threads_free(one);
    fixture_close(&f);
}

int main(void) {
    for (size_t i = 0; i < sizeof geometries / sizeof *geometries; i++)
        check_moments(&geometries[i]);
    residuals_are_made_up_for();
    curvature_is_carried_back();
    curvature_of_convolutions();
    what_is_not_known_is_asked_for();
    eight_bits_are_the_float_network();
    refinement_gains();
    threads_change_nothing();
    DONE();
}
