/* test_rewrite.c -- scales moved between layers.
 *
 * Claims: on the families of networks that people train, equalize, smooth and
 * awq leave the float output within 1e-5 of its largest number, and do move
 * something where there is a seam: a layer, Relu and a layer; a normalization
 * and the layers behind it. Equalized rows and columns have the same largest
 * weight; smoothed with all of it, all activations have the same largest value;
 * awq's scales lower the error of the readers' outputs. What may not
 * be moved is left: behind Clip, a residual's other reader, the output. The
 * same bits for 1 and 3 threads. Names are read, what is none is refused.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/dataset.h"
#include "src/load/onnx.h"
#include "src/quant/rewrite.h"
#include "tests/deploying.h"

static const char *const all[] = {"equalize", "smooth:0.5", "smooth:0.8",
                                  "awq"};
enum { ALL = 4 };

static hawq_status rewrite(hawq_graph *g, const char *name,
                           hawq_threads *threads, size_t n, const real *x,
                           int *seams) {
    hawq_rewrite   how;
    hawq_candidate c;
    HAWQ_TRY(hawq_rewrite_read(name, &how));
    HAWQ_TRY(hawq_candidate_read("w4", &c));
    return hawq_rewrite_run(&how, g, threads, &c, n, x, seams);
}

/* --- real networks ------------------------------------------------------- */

static void outputs(hawq_graph *g, hawq_threads *threads, size_t n,
                    const real *x, real *out) {
    hawq_engine *e = NULL;
    hawq_batch   batch = {n, x, NULL, NULL};
    if (!CHECK_OK(hawq_engine_new(g, threads, 1, HAWQ_MSE, &e))) return;
    hawq_engine_forward(e, &batch, out, NULL, NULL);
    hawq_engine_free(e);
}

/* A hash of all constants. */
static uint64_t constants(const hawq_graph *g) {
    uint64_t h = 1;
    for (int i = 0; i < g->n_tensors; i++)
        for (size_t k = 0; g->tensor[i]->data && k < g->tensor[i]->n; k++) {
            float    v = (float)g->tensor[i]->data[k];
            uint32_t bits;
            memcpy(&bits, &v, sizeof bits);
            h = hawq_rng_mix(h ^ bits);
        }
    return h;
}

/* Seams of the network, -1 if it could not be opened; all constants' hash. */
static int check_network(const char *path, const char *name, int threads,
                         uint64_t *hash) {
    char          file[1024];
    hawq_graph   *g = NULL;
    hawq_threads *t = NULL;
    hawq_dataset  data;
    int           seams = 0;
    snprintf(file, sizeof file, "%s.npz", path);
    if (!CHECK_OK(hawq_dataset_load(file, NULL, &data))) return -1;
    snprintf(file, sizeof file, "%s.onnx", path);
    if (!CHECK_OK(hawq_onnx_load(file, 2, &g)) ||
        !CHECK_OK(hawq_threads_new(threads, &t)))
        return -1;
    size_t n = hawq_per_image(g, g->output) * data.n;
    real  *before = calloc(2 * n, sizeof *before), *after = before + n;
    double worst = 0, largest = 0;
    outputs(g, t, data.n, data.x, before);
    uint64_t old = constants(g);
    CHECK_OK(rewrite(g, name, t, data.n, data.x, &seams));
    *hash = constants(g);
    outputs(g, t, data.n, data.x, after);
    for (size_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs((double)(after[i] - before[i])));
        largest = fmax(largest, fabs((double)before[i]));
    }
    CHECK(worst <= 1e-5 * largest);
    if (worst > 1e-5 * largest)
        printf("%s %s: %g\n", path, name, worst / largest);
    CHECK(seams || *hash == old);
    free(before);
    hawq_dataset_free(&data);
    hawq_threads_free(t);
    hawq_graph_free(g);
    return seams;
}

static void outputs_stay(void) {
    static const struct {
        const char *name;
        bool        has_seams;
    } networks[] = {
        {"residual", true},   {"mobile", false}, {"dense", false},
        {"inception", false}, {"unet", false},   {"vit", true},
        {"bert", false},      {"gpt", true},     {"encoder", false}};
    const char *source = getenv("HAWQ_SOURCE");
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++)
        for (int k = 0; k < 2 * ALL; k++) {
            char     path[1000];
            uint64_t one, three;
            snprintf(path, sizeof path, "%s/tests/data/networks/%s%s",
                     source ? source : ".", networks[i].name,
                     k < ALL ? "" : "_script");
            int seams = check_network(path, all[k % ALL], 1, &one);
            check_network(path, all[k % ALL], 3, &three);
            CHECK(one == three);
            if (networks[i].has_seams && k && k < ALL) CHECK(seams > 0);
        }
}

/* --- what is moved, and what is not -------------------------------------- */

/* Convolutions a, b (depthwise), c of two groups, then two products that read
 * the same; d and e may be moved, too. */
static hawq_graph *chain(void) {
    hawq_graph *g = open_image(3, 5, 4);
    weight(g, "a.weight", 0.3, 4, (int64_t[]){8, 3, 3, 3});
    weight(g, "a.bias", 0.3, 1, (int64_t[]){8});
    weight(g, "b.weight", 0.9, 4, (int64_t[]){8, 1, 3, 3});
    weight(g, "c.weight", 0.2, 4, (int64_t[]){6, 4, 1, 1});
    weight(g, "c.bias", 0.2, 1, (int64_t[]){6});
    weight(g, "d.weight", 0.7, 4, (int64_t[]){5, 6, 1, 1});
    weight(g, "e.weight", 0.1, 4, (int64_t[]){5, 6, 3, 3});
    node(g, "Conv", "x a.weight a.bias", "a", "pads=1,1,1,1");
    node(g, "Relu", "a", "ra", "");
    node(g, "Conv", "ra b.weight", "b", "group=8 pads=1,1,1,1");
    node(g, "LeakyRelu", "b", "rb", "");
    node(g, "Conv", "rb c.weight c.bias", "c", "group=2");
    node(g, "Conv", "c d.weight", "d", "");
    node(g, "Conv", "c e.weight", "e", "pads=1,1,1,1");
    node(g, "Add", "d e", "y", "");
    CHECK_OK(hawq_graph_finish(g, "y"));
    return g;
}

static double largest_of_row(const hawq_layer *l, size_t r) {
    double most = 0;
    for (size_t k = 0; k < l->inner; k++)
        most = fmax(most, fabs((double)l->weight->data[r * l->inner + k]));
    return most;
}

/* Of a convolution without groups. */
static double largest_of_input(const hawq_layer *l, size_t c, size_t area) {
    double most = 0;
    for (size_t r = 0; r < l->channels; r++)
        for (size_t k = c * area; k < (c + 1) * area; k++)
            most = fmax(most, fabs((double)l->weight->data[r * l->inner + k]));
    return most;
}

static void equalized_ranges_are_equal(void) {
    fixture f;
    float   after[IMAGES * 128];
    int     seams = 0;
    fixture_open(&f, chain());
    CHECK_OK(rewrite(f.graph, "equalize", f.threads, 0, NULL, &seams));
    CHECK(seams == 3);
    const hawq_layer *l = f.graph->layer;
    for (size_t r = 0; r < 8; r++) /* a to b, depthwise */
        CHECK_NEAR(largest_of_row(&l[0], r) / largest_of_row(&l[1], r), 1,
                   5e-3);
    for (size_t r = 0; r < 6; r++) { /* c to both readers */
        double in =
            fmax(largest_of_input(&l[3], r, 1), largest_of_input(&l[4], r, 9));
        CHECK_NEAR(largest_of_row(&l[2], r) / in, 1, 5e-3);
    }
    outputs(f.graph, f.threads, IMAGES, f.x, after);
    CHECK(deviation(&f, after) < 1e-5);
    fixture_close(&f);
}

/* With s = a^1 every activation has the same largest value, 1. */
static void smoothing_moves_the_ranges(void) {
    fixture f;
    int     seams = 0;
    fixture_open(&f, chain());
    CHECK_OK(rewrite(f.graph, "smooth:1", f.threads, IMAGES, f.x, &seams));
    hawq_engine *e = NULL;
    hawq_batch   batch = {IMAGES, f.x, NULL, NULL};
    CHECK_OK(hawq_engine_new(f.graph, f.threads, 1, HAWQ_MSE, &e));
    hawq_calibration c;
    CHECK_OK(hawq_calibrate(e, f.graph, &batch, &f.arena, &c));
    const char *const at[] = {"ra", "rb", "c"};
    for (int i = 0; i < 3; i++) {
        hawq_histogram *h = c.tensor[hawq_graph_find(f.graph, at[i])->id];
        CHECK_NEAR(fmax(h->max, -h->min), 1, 1e-5);
    }
    hawq_engine_free(e);
    fixture_close(&f);
}

static double reader_error(fixture *f) {
    hawq_twin     *twin = NULL;
    hawq_candidate c;
    double         sum = 0;
    CHECK_OK(hawq_candidate_read("w4", &c));
    CHECK_OK(hawq_twin_new(f->graph, f->threads, &twin));
    for (int l = 1; l < 5; l++) {
        hawq_moments   m;
        hawq_quantized q;
        CHECK_OK(hawq_moments_collect(twin, f->graph, f->threads, l, 1, IMAGES,
                                      f->x, false, &f->arena, &m));
        CHECK_OK(hawq_quantize(&f->graph->layer[l], &c, &m, NULL, f->threads,
                               &f->arena, &q));
        if (l > 2)
            sum += hawq_quantize_output_error(&f->graph->layer[l], &q, &m);
    }
    hawq_twin_free(twin);
    return sum;
}

/* Channels of c are of very different sizes: few weights matter. */
static void awq_lowers_the_error(void) {
    fixture f;
    int     seams = 0;
    fixture_open(&f, chain());
    hawq_layer *c = &f.graph->layer[2];
    for (size_t i = 0; i < c->weight->n; i++)
        c->weight->data[i] *= i / c->inner == 2 ? 20 : 1;
    double before = reader_error(&f);
    CHECK_OK(rewrite(f.graph, "awq", f.threads, IMAGES, f.x, &seams));
    double after = reader_error(&f);
    CHECK(seams == 3 && after < 0.9 * before);
    if (after >= 0.9 * before)
        printf("awq: %g before, %g after\n", before, after);
    fixture_close(&f);
}

/* Clip6, a residual, the output: nothing may be moved. */
static void what_is_fixed_is_left(void) {
    fixture     f;
    int         seams = 1;
    hawq_graph *g = open_image(3, 5, 4);
    weight(g, "a.weight", 0.3, 4, (int64_t[]){3, 3, 1, 1});
    weight(g, "b.weight", 0.3, 4, (int64_t[]){3, 3, 1, 1});
    weight(g, "c.weight", 0.3, 4, (int64_t[]){3, 3, 1, 1});
    scalar(g, "zero", 0);
    scalar(g, "six", 6);
    node(g, "Conv", "x a.weight", "a", "");
    node(g, "Clip", "a zero six", "r", "");
    node(g, "Conv", "r b.weight", "b", "");
    node(g, "Conv", "b c.weight", "c", "");
    node(g, "Add", "b c", "y", "");
    CHECK_OK(hawq_graph_finish(g, "y"));
    fixture_open(&f, g);
    for (int i = 0; i < ALL; i++) {
        CHECK_OK(rewrite(f.graph, all[i], f.threads, IMAGES, f.x, &seams));
        CHECK(seams == 0);
    }
    fixture_close(&f);
}

static void names(void) {
    hawq_rewrite r;
    hawq_graph  *g = chain();
    int          seams;
    CHECK_OK(hawq_rewrite_read("smooth", &r));
    CHECK(r.kind == HAWQ_SMOOTH && r.alpha == 0.5);
    CHECK_OK(hawq_rewrite_read("smooth:0.25", &r));
    CHECK(r.alpha == 0.25 && hawq_rewrite_needs_data(&r));
    CHECK_FAILS(hawq_rewrite_read("smooth:1.5", &r), HAWQ_EINVAL,
                "from 0 to 1");
    CHECK_FAILS(hawq_rewrite_read("smooth:", &r), HAWQ_EINVAL, "from 0 to 1");
    CHECK_FAILS(hawq_rewrite_read("smoother", &r), HAWQ_EINVAL,
                "equalize, smooth:ALPHA, awq");
    CHECK_FAILS(rewrite(g, "smooth", NULL, 0, NULL, &seams), HAWQ_EINVAL,
                "looks at images");
    hawq_graph_free(g);
}

int main(void) {
    outputs_stay();
    equalized_ranges_are_equal();
    smoothing_moves_the_ranges();
    awq_lowers_the_error();
    what_is_fixed_is_left();
    names();
    DONE();
}
