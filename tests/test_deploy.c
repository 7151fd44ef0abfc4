/* test_deploy.c -- the integer program computes exactly what its definition
 * says.
 *
 * Claims: on a network that has every kind of step, at mixed widths, the
 * program's outputs equal, bit for bit, those of an oracle written here: nested
 * loops over NCHW in 64-bit integers from the formulas of kernels/arith.h and
 * src/deploy/layer.c, without a line of either. All tables of kernels and any
 * number of threads give the same bits. Fewer bits cost fewer bytes and more
 * accuracy. On real networks 8 bits cost at most 0.3 and 0.5 points.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/dataset.h"
#include "src/load/onnx.h"
#include "tests/deploying.h"

/* --- the oracle ---------------------------------------------------------- */

enum { MAX_MAP = 600 };

/* An activation of one image, NCHW. */
typedef struct map {
    int         c, h, w;
    hawq_affine q;
    int64_t     v[MAX_MAP];
} map;

typedef struct window {
    int kh, kw, stride_h, stride_w, top, left, groups;
} window;

static int64_t clip(double v, int64_t low, int64_t high) {
    return v < (double)low ? low : v > (double)high ? high : (int64_t)v;
}

/* value * M as multiplication by m and one shift, half up. */
static int64_t dyadic(int64_t value, double M) {
    int     e;
    int64_t m = (int64_t)floor(frexp(M, &e) * 2147483648.0 + 0.5);
    int     s = 31 - e;
    return (value * m + ((int64_t)1 << (s - 1))) >> s;
}

static hawq_affine affine(const fixture *f, const char *tensor, int bits) {
    const hawq_tensor *t = hawq_graph_find(f->graph, tensor);
    return hawq_affine_find(f->calibration.tensor[t->id], bits, HAWQ_RANGE_MSE);
}

static int64_t at(const map *m, int c, int y, int x) {
    bool inside = y >= 0 && y < m->h && x >= 0 && x < m->w;
    return inside ? m->v[(c * m->h + y) * m->w + x] : m->q.zero;
}

/* Weights of one output channel: integers, and the channel's scale, which is
 * stored in 32 bits. */
static double quantize_row(const real *w, int n, int bits, int64_t *q) {
    int    top = (1 << (bits - 1)) - 1;
    double scale, largest = 0;
    for (int i = 0; i < n; i++) largest = fmax(largest, fabs((double)w[i]));
    scale = largest / top;
    for (int i = 0; i < n; i++)
        q[i] = clip(rint((double)w[i] / scale), -top, top);
    return (double)(float)scale;
}

/* Accumulators of a convolution, and s_x s_w of every channel. */
static void accumulate(const fixture *f, const char *name, int bits, window k,
                       const map *x, map *acc, double *scale) {
    int          layer = hawq_graph_find_layer(f->graph, name);
    const real  *w = f->graph->layer[layer].weight->data;
    hawq_tensor *bias = f->graph->layer[layer].bias;
    int          per_group = x->c / k.groups, n = per_group * k.kh * k.kw;
    int64_t      q[256];
    for (int o = 0; o < acc->c; o++) {
        int    first = o / (acc->c / k.groups) * per_group;
        double s = quantize_row(w + o * n, n, bits, q);
        scale[o] = (double)x->q.scale * s;
        double b = bias ? (double)bias->data[o] : 0;
        for (int y = 0; y < acc->h; y++)
            for (int z = 0; z < acc->w; z++) {
                int64_t sum = (int64_t)rint(b / scale[o]);
                for (int i = 0; i < n; i++) {
                    int c = i / (k.kh * k.kw), dy = i / k.kw % k.kh;
                    sum += q[i] * (at(x, first + c, y * k.stride_h - k.top + dy,
                                      z * k.stride_w - k.left + i % k.kw) -
                                   x->q.zero);
                }
                acc->v[(o * acc->h + y) * acc->w + z] = sum;
            }
    }
}

/* Saturation to the output's map is all there is to a Relu or Clip. */
static void convolve(const fixture *f, const char *name, int bits, window k,
                     const map *x, map *y) {
    double scale[64];
    accumulate(f, name, bits, k, x, y, scale);
    int area = y->h * y->w;
    for (int i = 0; i < y->c * area; i++) {
        double M = scale[i / area] / (double)y->q.scale;
        y->v[i] = clip((double)(y->q.zero + dyadic(y->v[i], M)), 0, y->q.high);
    }
}

static void add_maps(const map *a, const map *b, map *y) {
    double ra = (double)a->q.scale / (double)y->q.scale;
    double rb = (double)b->q.scale / (double)y->q.scale;
    int    t = 22;
    while (floor(fmax(ra, rb) * (1 << t) + 0.5) >= 32768) t--;
    int64_t ma = (int64_t)floor(ra * (1 << t) + 0.5);
    int64_t mb = (int64_t)floor(rb * (1 << t) + 0.5);
    for (int i = 0; i < y->c * y->h * y->w; i++) {
        int64_t sum = (a->v[i] - a->q.zero) * ma + (b->v[i] - b->q.zero) * mb;
        int64_t v = y->q.zero + ((sum + ((int64_t)1 << (t - 1))) >> t);
        y->v[i] = clip((double)v, 0, y->q.high);
    }
}

/* Maximum, or average over what lies inside. */
static void pool(const map *x, window k, bool average, map *y) {
    for (int i = 0; i < y->c * y->h * y->w; i++) {
        int     c = i / (y->h * y->w), oy = i / y->w % y->h, ox = i % y->w;
        int64_t sum = 0, most = 0, n = 0;
        for (int j = 0; j < k.kh * k.kw; j++) {
            int iy = oy * k.stride_h - k.top + j / k.kw;
            int ix = ox * k.stride_w - k.left + j % k.kw;
            if (iy < 0 || iy >= x->h || ix < 0 || ix >= x->w) continue;
            int64_t v = at(x, c, iy, ix);
            most = v > most ? v : most;
            sum += v - x->q.zero;
            n++;
        }
        double M = (double)x->q.scale / ((double)y->q.scale * (double)n);
        y->v[i] =
            !average ? most
                     : clip((double)(y->q.zero + dyadic(sum, M)), 0, y->q.high);
    }
}

/* Channels of x, on y's map, behind the `first` ones of y. */
static void append(const map *x, map *y, int first) {
    int area = y->h * y->w;
    for (int i = 0; i < x->c * area; i++) {
        double v = (double)x->q.scale * (double)(x->v[i] - x->q.zero);
        y->v[first * area + i] =
            clip(rint(v / (double)y->q.scale) + y->q.zero, 0, y->q.high);
    }
}

/* --- a network with every step ------------------------------------------- */

/* Bits of x, r1, r2, r3 = mp = pd, and of the five layers' weights. */
typedef struct widths {
    int x, r1, r2, mp, fl, c1, c2, c3, c4, fc;
} widths;

static void oracle(const fixture *f, widths b, const float *image, float *y) {
    static map x, r1, r2, c3, r3, mp, pd, c4, a2, cat, ap, acc;
    double     scale[64];
    x = (map){.c = 3, .h = 8, .w = 7, .q = affine(f, "x", b.x)};
    float inverse = 1 / x.q.scale;
    for (int i = 0; i < 3 * 8 * 7; i++)
        x.v[i] =
            clip((double)rintf(image[i] * inverse) + x.q.zero, 0, x.q.high);
    r1 = (map){.c = 8, .h = 4, .w = 7, .q = affine(f, "r1", b.r1)};
    convolve(f, "c1", b.c1, (window){3, 3, 2, 1, 1, 1, 1}, &x, &r1);
    r2 = (map){.c = 8, .h = 4, .w = 7, .q = affine(f, "r2", b.r2)};
    convolve(f, "c2", b.c2, (window){3, 3, 1, 1, 1, 1, 8}, &r1, &r2);
    c3 = (map){.c = 8, .h = 4, .w = 7, .q = affine(f, "c3", 8)};
    convolve(f, "c3", b.c3, (window){1, 1, 1, 1, 0, 0, 2}, &r2, &c3);
    r3 = (map){.c = 8, .h = 4, .w = 7, .q = affine(f, "r3", b.mp)};
    add_maps(&c3, &r1, &r3);
    mp = (map){.c = 8, .h = 2, .w = 4, .q = r3.q};
    pool(&r3, (window){2, 2, 2, 2, 0, 1, 1}, false, &mp);
    pd = (map){.c = 12, .h = 2, .w = 4, .q = r3.q};
    for (int i = 0; i < 12 * 8; i++)
        pd.v[i] = i < 16 || i >= 80 ? pd.q.zero : mp.v[i - 16];
    c4 = (map){.c = 12, .h = 2, .w = 4, .q = affine(f, "c4", 8)};
    convolve(f, "c4", b.c4, (window){3, 3, 1, 1, 1, 1, 1}, &mp, &c4);
    a2 = (map){.c = 12, .h = 2, .w = 4, .q = affine(f, "a2", 8)};
    add_maps(&c4, &pd, &a2);
    cat = (map){.c = 20, .h = 2, .w = 4, .q = affine(f, "cat", 8)};
    append(&a2, &cat, 0);
    append(&mp, &cat, 12);
    ap = (map){.c = 20, .h = 1, .w = 2, .q = affine(f, "ap", b.fl)};
    pool(&cat, (window){2, 3, 1, 2, 0, 1, 1}, true, &ap);
    ap.c = 40, ap.w = 1;
    acc = (map){.c = 5, .h = 1, .w = 1};
    accumulate(f, "fc", b.fc, (window){1, 1, 1, 1, 0, 0, 1}, &ap, &acc, scale);
    for (int i = 0; i < 5; i++) y[i] = (float)acc.v[i] * (float)scale[i];
}

static void check_against_oracle(const fixture *f, widths b) {
    const hawq_choice choice[] = {{"fc", b.fc, b.fl, NULL},
                                  {"c2", b.c2, b.r1, NULL},
                                  {"c1", b.c1, b.x, NULL},
                                  {"c4", b.c4, b.mp, NULL},
                                  {"c3", b.c3, b.r2, NULL}};
    hawq_program     *p = NULL;
    float             want[5], *same;
    if (!CHECK_OK(lower(f, 5, choice, &p))) return;
    run(f, p, "ref", f->output);
    int differ = 0;
    for (size_t i = 0; i < IMAGES; i++) {
        oracle(f, b, f->x + i * f->n_in, want);
        for (size_t j = 0; j < 5; j++)
            differ += want[j] != f->output[i * 5 + j];
    }
    CHECK(differ == 0);
    same = malloc(IMAGES * 5 * sizeof *same);
    for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++) {
        if (!(*k)->usable()) continue;
        run(f, p, (*k)->name, same);
        CHECK(memcmp(same, f->output, IMAGES * 5 * sizeof *same) == 0);
    }
    hawq_threads *one = NULL;
    CHECK_OK(hawq_threads_new(1, &one));
    run_on(f, p, NULL, one, same);
    CHECK(memcmp(same, f->output, IMAGES * 5 * sizeof *same) == 0);
    hawq_threads_free(one);
    free(same);
    hawq_program_free(p);
}

static void program_equals_the_oracle(void) {
    fixture f;
    fixture_open(&f, every_step());
    check_against_oracle(&f, (widths){8, 8, 8, 8, 8, 8, 8, 8, 8, 8});
    check_against_oracle(&f, (widths){8, 4, 8, 4, 8, 8, 4, 2, 4, 8});
    check_against_oracle(&f, (widths){4, 8, 4, 2, 4, 4, 2, 4, 8, 4});
    check_against_oracle(&f, (widths){2, 2, 2, 8, 2, 2, 8, 8, 2, 2});
    fixture_close(&f);
}

/* Eight bits are close to float, four less so, and cost half the weights. */
static void fewer_bits_deviate_more(void) {
    fixture       f;
    hawq_program *p8 = NULL, *p4 = NULL;
    fixture_open(&f, every_step());
    CHECK_OK(lower_uniform(&f, 8, 8, &p8));
    CHECK_OK(lower_uniform(&f, 4, 4, &p4));
    run(&f, p8, "ref", f.output);
    double eight = deviation(&f, f.output);
    run(&f, p4, "ref", f.output);
    double four = deviation(&f, f.output);
    CHECK(eight < 0.02);
    CHECK(four > eight && four < 0.5);
    int64_t params = 8 * 27 + 8 * 9 + 8 * 4 + 12 * 72 + 200;
    int64_t scales = 4 * (8 + 8 + 8 + 12 + 5);
    CHECK(p8->weight_bytes == params + scales);
    CHECK(p4->weight_bytes == params / 2 + scales);
    CHECK(p8->file_bytes > p8->weight_bytes - scales);
    CHECK(p8->choice[1].weight_bits == 8 && p4->choice[1].weight_bits == 4);
    hawq_program_free(p8);
    hawq_program_free(p4);
    fixture_close(&f);
}

/* The steps' times of a batch, on one thread and on two. */
static double profiled(const fixture *f, const hawq_program *p, int workers,
                       size_t n) {
    enum { REPEATS = 201 };
    hawq_threads *threads = NULL;
    hawq_runner  *r = NULL;
    double        sum = 0;
    size_t        steps = (size_t)p->n_steps;
    double       *ns = malloc(steps * sizeof *ns);
    double       *samples = malloc(steps * REPEATS * sizeof *ns);
    CHECK_OK(hawq_threads_new(workers, &threads));
    CHECK_OK(hawq_runner_new(p, hawq_kernels_select(NULL), threads, &r));
    hawq_runner_profile(r, n, f->x, REPEATS, samples, ns);
    for (size_t i = 0; i < steps; i++) {
        CHECK(ns[i] >= 0);
        sum += ns[i];
    }
    hawq_runner_free(r);
    hawq_threads_free(threads);
    free(samples);
    free(ns);
    return sum;
}

/* They are shares of its time: twelve images take more than one, at most about
 * twelve times as long. The bounds leave room for a busy machine. */
static void steps_share_the_time_of_a_batch(void) {
    fixture       f;
    hawq_program *p = NULL;
    fixture_open(&f, every_step());
    if (CHECK_OK(lower_uniform(&f, 8, 8, &p))) {
        double one = profiled(&f, p, 1, 1), all = profiled(&f, p, 1, IMAGES);
        CHECK(all > 0.3 * IMAGES * one && all < 3.0 * IMAGES * one);
        CHECK(profiled(&f, p, 2, IMAGES) > 0.15 * IMAGES * one);
    }
    hawq_program_free(p);
    fixture_close(&f);
}

/* Every allocation of memory in turn fails: an error each time, no leak. */
static void running_out_of_memory_is_an_error(void) {
    fixture f;
    fixture_open(&f, every_step());
    hawq_status status = HAWQ_ENOMEM;
    for (long k = 1; k < 1000 && status != HAWQ_OK; k++) {
        hawq_program *p = NULL;
        hawq_runner  *r = NULL;
        hawq_arena_fail_at(k);
        status = lower_uniform(&f, 8, 8, &p);
        if (status == HAWQ_OK)
            status =
                hawq_runner_new(p, hawq_kernels_select(NULL), f.threads, &r);
        hawq_arena_fail_at(0);
        CHECK(status == HAWQ_OK || status == HAWQ_ENOMEM);
        hawq_runner_free(r);
        hawq_program_free(p);
    }
    CHECK(status == HAWQ_OK);
    fixture_close(&f);
}

/* --- real networks ------------------------------------------------------- */

typedef struct network {
    const char *file;
    bool        normalized;
    int         float_correct, lost; /* of 10,000 test images */
} network;

static int load_cifar(const char *folder, const char *file, size_t limit,
                      const network *net, hawq_dataset *out) {
    hawq_dataset_options o = {.limit = limit};
    char                 spec[4096];
    if (net->normalized) {
        o.scale = 1 / 255.0;
        o.n_mean = o.n_std = 3;
        memcpy(o.mean, (double[]){0.485, 0.456, 0.406}, 3 * sizeof *o.mean);
        memcpy(o.std, (double[]){0.229, 0.224, 0.225}, 3 * sizeof *o.std);
    }
    snprintf(spec, sizeof spec, "cifar:%s/cifar10/%s", folder, file);
    return CHECK_OK(hawq_dataset_load(spec, &o, out));
}

static size_t count_correct(const hawq_dataset *data, const float *y,
                            size_t n_out) {
    size_t correct = 0;
    for (size_t i = 0; i < data->n; i++) {
        size_t best = 0;
        for (size_t j = 1; j < n_out; j++)
            if (y[i * n_out + j] > y[i * n_out + best]) best = j;
        correct += best == (size_t)data->labels[i];
    }
    return correct;
}

/* Calibrated on 512 training images, scored on the 10,000 test images. */
static void eight_bits_lose_little(const char *folder, const network *net) {
    char          path[4096];
    hawq_dataset  train = {0}, test = {0};
    fixture       f = {0};
    hawq_engine  *engine = NULL;
    hawq_program *p = NULL;
    hawq_runner  *r = NULL;
    snprintf(path, sizeof path, "%s/models/%s", folder, net->file);
    if (!load_cifar(folder, "data_batch_1.bin", 512, net, &train) ||
        !load_cifar(folder, "test_batch.bin", 0, net, &test) ||
        !CHECK_OK(hawq_onnx_load(path, 0, &f.graph)))
        return;
    CHECK_OK(hawq_threads_new(0, &f.threads));
    CHECK_OK(
        hawq_engine_new(f.graph, f.threads, 1, HAWQ_CROSS_ENTROPY, &engine));
    hawq_batch batch = {train.n, train.x, train.labels, NULL};
    CHECK_OK(hawq_calibrate(engine, f.graph, &batch, &f.arena, &f.calibration));
    CHECK_OK(lower_uniform(&f, 8, 8, &p));
    CHECK_OK(hawq_runner_new(p, hawq_kernels_select(NULL), f.threads, &r));
    float *y = hawq_arena_take(&f.arena, test.n * p->n_out, sizeof *y);
    hawq_runner_run(r, test.n, test.x, y);
    int correct = (int)count_correct(&test, y, p->n_out);
    printf("%s: %d of %zu at 8 bits, %d in float\n", net->file, correct, test.n,
           net->float_correct);
    CHECK(correct >= net->float_correct - net->lost);
    hawq_runner_free(r);
    hawq_program_free(p);
    hawq_engine_free(engine);
    hawq_dataset_free(&train);
    hawq_dataset_free(&test);
    fixture_close(&f);
}

static void check_real_networks(void) {
    static const network resnet8 = {"resnet8_cifar10.onnx", false, 8719, 50};
    static const network resnet20 = {"resnet20_cifar10.onnx", true, 9173, 30};
    const char          *folder = check_data();
    if (!folder) return;
    if (strcmp(hawq_kernels_select(NULL)->name, "ref") == 0) {
        printf("skipped: reference kernels alone are slow\n");
        return;
    }
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    printf("skipped: 20,000 images are slow under a sanitizer\n");
    return;
#endif
    eight_bits_lose_little(folder, &resnet8);
    eight_bits_lose_little(folder, &resnet20);
}

/* An activation rounded in float is what the kernels' integers mean. */
static void rounding_in_float_is_the_kernels(void) {
    enum { N = 4096 };
    static real    x[N];
    static float   given[N];
    static uint8_t q[N];
    for (int k = 0; k < 6; k++) {
        int         bits = 2 << k % 3;
        hawq_affine map = hawq_affine_make(k < 3 ? 0 : -1.7, 3.1, bits);
        for (int i = 0; i < N; i++)
            x[i] = given[i] =
                (float)(hawq_rng_normal(hawq_rng_key(3, 0, 0, 0), (uint64_t)i) *
                        (i % 64 ? 2 : 1e6));
        hawq_kernels_select("ref")->quantize(N, given, 1 / map.scale, map.zero,
                                             0, map.high, q);
        hawq_affine_round(&map, x, N);
        for (int i = 0; i < N; i++)
            CHECK(x[i] == map.scale * (float)(q[i] - map.zero));
    }
}

int main(void) {
    rounding_in_float_is_the_kernels();
    program_equals_the_oracle();
    fewer_bits_deviate_more();
    steps_share_the_time_of_a_batch();
    running_out_of_memory_is_an_error();
    check_real_networks();
    DONE();
}
