/* test_train.c -- the optimiser against hand calculation, augmentation pixel
 * by pixel, and the training loop on a problem it must solve.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/rng.h"
#include "src/load/onnx.h"
#include "src/ops/ops.h"
#include "src/train/model.h"
#include "src/train/sgd.h"
#include "src/train/train.h"
#include "tests/check.h"

#include <unistd.h>

enum { SIDE = 8, PIXELS = SIDE * SIDE, IMAGES = 96, CLASSES = 3 };

/* Stripes: across, upright, or a chequered pattern, under noise. */
static real       pixels[IMAGES * PIXELS];
static int64_t    labels[IMAGES];
static hawq_batch images = {IMAGES, pixels, labels, NULL};

static void draw_images(void) {
    for (int n = 0; n < IMAGES; n++) {
        uint64_t key = hawq_rng_key(5, (uint64_t)n, 0, 0);
        labels[n] = n % CLASSES;
        for (int i = 0; i < PIXELS; i++) {
            int y = i / SIDE, x = i % SIDE;
            int on = labels[n] == 0   ? y & 2
                     : labels[n] == 1 ? x & 2
                                      : (x ^ y) & 2;
            pixels[n * PIXELS + i] =
                (real)((on ? 1 : -1) + 0.5 * hawq_rng_normal(key, (uint64_t)i));
        }
    }
}

static hawq_graph *new_model(const char *text, uint64_t seed, int batch) {
    static const int64_t shape[3] = {1, SIDE, SIDE};
    hawq_model           model;
    hawq_graph          *graph = NULL;
    if (!CHECK_OK(hawq_model_parse(text, &model)) ||
        !CHECK_OK(hawq_model_build(&model, seed, batch, shape, CLASSES,
                                   hawq_op_find, &graph)))
        exit(1);
    return graph;
}

static hawq_threads *new_threads(int n) {
    hawq_threads *threads = NULL;
    if (!CHECK_OK(hawq_threads_new(n, &threads))) exit(1);
    return threads;
}

static const hawq_train_options usual = {
    .epochs = 12,
    .batch_size = 16,
    .rate = 0.05,
    .warm_up = 1,
    .sgd = {.momentum = 0.9, .decay = 1e-4, .nesterov = true},
    .seed = 3};

/* Rises in equal steps to the peak, falls along half a cosine, never 0. */
static void rate_follows_the_cosine(void) {
    CHECK_NEAR(hawq_cosine_rate(0.4, 0, 100, 4), 0.1, 1e-15);
    CHECK_NEAR(hawq_cosine_rate(0.4, 3, 100, 4), 0.4, 1e-15);
    CHECK_NEAR(hawq_cosine_rate(0.4, 4, 100, 4), 0.4, 1e-15);
    CHECK_NEAR(hawq_cosine_rate(0.4, 52, 100, 4), 0.2, 1e-15);
    CHECK_NEAR(hawq_cosine_rate(0.4, 28, 100, 4), 0.2 * (1 + sqrt(0.5)), 1e-15);
    CHECK(hawq_cosine_rate(0.4, 99, 100, 4) > 0);
    CHECK_NEAR(hawq_cosine_rate(0.4, 0, 10, 0), 0.4, 1e-15);
}

/* Two steps on one matrix and one bias, by hand, in numbers that are exact in
 * binary: decay reaches the matrix only. */
static void steps_follow_the_formula(void) {
    real             w = 2, b = 1;
    hawq_tensor      matrix = {.shape = {2, {1, 1}}, .n = 1, .data = &w};
    hawq_tensor      vector = {.shape = {1, {1}}, .n = 1, .data = &b};
    hawq_tensor     *tensor[2] = {&matrix, &vector};
    size_t           offset[3] = {0, 1, 2};
    hawq_selection   at = {2, tensor, offset};
    hawq_arena       arena = {0};
    hawq_sgd         sgd;
    const double     gradient[2] = {1, -1};
    hawq_sgd_options o = {.momentum = 0.5, .decay = 0.25};
    CHECK_OK(hawq_sgd_init(&sgd, &o, &at, &arena));
    hawq_sgd_step(&sgd, 0.5, gradient); /* v = 1.5, -1 */
    CHECK(w == 1.25 && b == 1.5);
    hawq_sgd_step(&sgd, 0.5, gradient); /* v = 2.0625, -1.5 */
    CHECK(w == 0.21875 && b == 2.25);
    w = 2, b = 1, o.nesterov = true;
    CHECK_OK(hawq_sgd_init(&sgd, &o, &at, &arena));
    hawq_sgd_step(&sgd, 0.5, gradient); /* along 1.5 + 0.75, -1.5 */
    CHECK(w == 0.875 && b == 1.75);
    w = 2, b = 1, o = (hawq_sgd_options){.clip = 2.5};
    CHECK_OK(hawq_sgd_init(&sgd, &o, &at, &arena));
    hawq_sgd_step(&sgd, 1, (const double[2]){3, -4}); /* halved */
    CHECK(w == 0.5 && b == 3);
    hawq_sgd_step(&sgd, 1, (const double[2]){1.5, 2}); /* just short enough */
    CHECK(w == -1 && b == 1);
    hawq_arena_free(&arena);
}

/* A 2 x 3 image of two channels is moved, filled and mirrored exactly. */
static void pixels_move_exactly(void) {
    static const real    x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    static const int64_t shape[3] = {2, 2, 3};
    static const real    fill[2] = {-1, -2};
    hawq_augment         a = {.flip = true, .shift = 2, .fill = fill};
    const struct {
        hawq_placement place;
        real           want[12];
    } cases[] = {
        {{0, 0, false}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
        {{0, 0, true}, {3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10}},
        {{1, 0, false}, {-1, -1, -1, 1, 2, 3, -2, -2, -2, 7, 8, 9}},
        {{0, -1, false}, {2, 3, -1, 5, 6, -1, 8, 9, -2, 11, 12, -2}},
        {{-1, 2, true}, {-1, -1, 6, -1, -1, -1, -2, -2, 12, -2, -2, -2}}};
    real y[12];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hawq_augment_apply(&a, cases[i].place, shape, x, y);
        CHECK(memcmp(y, cases[i].want, sizeof y) == 0);
    }
    a.fill = NULL;
    hawq_augment_apply(&a, (hawq_placement){2, 0, false}, shape, x, y);
    for (int i = 0; i < 12; i++) CHECK(y[i] == 0);
}

/* All 50 placements of shift 2 with mirror come up about equally often: of
 * 5000 draws 100 each, deviation 10; five deviations either way. The same
 * coordinates give the same draw. */
static void placements_are_fair(void) {
    hawq_augment a = {.flip = true, .shift = 2};
    int          seen[5][5][2] = {0};
    for (uint64_t i = 0; i < 5000; i++) {
        hawq_placement p = hawq_augment_draw(&a, 1, i / 500, i);
        hawq_placement q = hawq_augment_draw(&a, 1, i / 500, i);
        CHECK(p.down == q.down && p.right == q.right &&
              p.mirrored == q.mirrored);
        if (!CHECK(abs(p.down) <= 2 && abs(p.right) <= 2)) return;
        seen[p.down + 2][p.right + 2][p.mirrored]++;
    }
    for (int i = 0; i < 50; i++) CHECK_NEAR((&seen[0][0][0])[i], 100, 50);
    hawq_augment   none = {0};
    hawq_placement p = hawq_augment_draw(&none, 1, 2, 3);
    CHECK(p.down == 0 && p.right == 0 && !p.mirrored);
}

/* Names, sizes and initial values are those of the header. */
static void models_are_built_as_named(void) {
    static const char *const want[] = {
        "conv1",          "layer1.0.conv1", "layer1.0.conv2",
        "layer2.0.conv1", "layer2.0.conv2", "layer2.0.shortcut",
        "layer2.1.conv1", "layer2.1.conv2", "fc"};
    hawq_graph *g = new_model("resnet:4,6:1", 1, 2);
    hawq_graph_free(g);
    g = new_model("resnet:4,6:2", 1, 2);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        CHECK(hawq_graph_find_layer(g, want[i]) >= 0);
    CHECK(g->n_layers == 11); /* and two of layer1.1 */
    CHECK(g->output->shape.rank == 2 && g->output->shape.dim[1] == CLASSES);
    const hawq_tensor *w = hawq_graph_find(g, "fc.weight");
    for (size_t i = 0; w && i < w->n; i++) CHECK(w->data[i] == 0);
    hawq_graph *h = new_model("resnet:4,6:2", 1, 7);
    hawq_graph *other = new_model("resnet:4,6:2", 2, 7);
    const char *name = "layer2.0.conv1.weight";
    w = hawq_graph_find(g, name);
    CHECK(memcmp(w->data, hawq_graph_find(h, name)->data,
                 w->n * sizeof *w->data) == 0);
    CHECK(w->data[0] != hawq_graph_find(other, name)->data[0]);
    hawq_graph_free(g);
    hawq_graph_free(h);
    hawq_graph_free(other);
}

static void model_texts_are_checked(void) {
    static const char *const bad[] = {"",
                                      "vgg:16",
                                      "resnet:",
                                      "resnet:16,",
                                      "resnet:0",
                                      "resnet:4097",
                                      "resnet:16:0",
                                      "resnet:16:65",
                                      "resnet:-4",
                                      "resnet:8:1:",
                                      "resnet:8,8,8,8,8,8,8,8,8",
                                      "resnet:8 ,4"};
    hawq_model               m;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_FAILS(hawq_model_parse(bad[i], &m), HAWQ_EINVAL,
                    "expected resnet:WIDTH");
    CHECK_OK(hawq_model_parse("resnet:16,32,64:3", &m));
    CHECK(m.n_stages == 3 && m.width[2] == 64 && m.blocks == 3);
}

/* On a fixed batch, small steps against the gradient lower the loss each
 * time; it starts at log 3, because the last layer starts as zero. */
static void a_step_lowers_the_loss(void) {
    hawq_graph            *g = new_model("resnet:4,8", 1, 8);
    hawq_threads          *threads = new_threads(1);
    hawq_engine           *engine = NULL;
    hawq_arena             arena = {0};
    hawq_selection         at;
    hawq_sgd               sgd;
    double                 before = 0, loss, *gradient;
    const hawq_sgd_options plain = {0};
    CHECK_OK(hawq_select_parameters(g, &arena, &at));
    CHECK_OK(hawq_engine_new(g, threads, 1, HAWQ_CROSS_ENTROPY, &engine));
    CHECK_OK(hawq_sgd_init(&sgd, &plain, &at, &arena));
    gradient =
        hawq_arena_take(&arena, hawq_selection_total(&at), sizeof *gradient);
    for (int i = 0; i < 20; i++) {
        hawq_engine_gradient(engine, &images, &at, gradient, &loss, NULL);
        if (i == 0) CHECK_NEAR(loss, log(3), 1e-6);
        CHECK(i == 0 || loss < before);
        before = loss;
        hawq_sgd_step(&sgd, 0.01, gradient);
    }
    hawq_engine_free(engine);
    hawq_threads_free(threads);
    hawq_graph_free(g);
    hawq_arena_free(&arena);
}

/* What the loop reports. */
typedef struct seen {
    int              n_epochs;
    size_t           n_steps, steps;
    hawq_train_epoch last;
    hawq_status      answer;
} seen;

static void see_step(void *self, size_t done, size_t steps, double loss) {
    seen *s = self;
    s->n_steps++;
    s->steps = steps;
    CHECK(done == s->n_steps && isfinite(loss));
}

static hawq_status see_epoch(void *self, const hawq_train_epoch *e) {
    seen *s = self;
    s->n_epochs++;
    s->last = *e;
    CHECK(e->epoch == s->n_epochs && e->seconds >= 0);
    return s->answer == HAWQ_OK ? HAWQ_OK : hawq_fail(s->answer, "enough");
}

/* The stripes are told apart without an error, in reports that add up. */
static void stripes_are_learned(void) {
    hawq_graph       *g = new_model("resnet:4,8", 1, 8);
    hawq_threads     *threads = new_threads(2);
    seen              s = {0};
    hawq_train_report report = {&s, see_step, see_epoch};
    CHECK_OK(hawq_train(g, threads, HAWQ_CROSS_ENTROPY, &images, &images,
                        &usual, &report));
    CHECK(s.n_epochs == usual.epochs && s.n_steps == s.steps);
    CHECK(s.steps == (size_t)usual.epochs * IMAGES / usual.batch_size);
    CHECK_NEAR(s.last.test_accuracy, 1, 0);
    CHECK(s.last.test_loss < 0.1 && s.last.loss < 0.2);
    hawq_threads_free(threads);
    hawq_graph_free(g);
}

/* With everything random switched on and an uneven last mini-batch, the
 * weights after two epochs are the same bits for 1, 2 and 3 threads, and
 * others for another seed. */
static void threads_do_not_change_a_bit(void) {
    hawq_train_options o = usual;
    hawq_graph        *g[4];
    o.epochs = 2;
    o.batch_size = 20;
    o.augment = (hawq_augment){.flip = true, .shift = 1};
    for (int i = 0; i < 4; i++) {
        hawq_threads *threads = new_threads(i < 3 ? i + 1 : 1);
        if (i == 3) o.seed++;
        g[i] = new_model("resnet:4,8", 1, 4);
        CHECK_OK(hawq_train(g[i], threads, HAWQ_CROSS_ENTROPY, &images, NULL,
                            &o, NULL));
        hawq_threads_free(threads);
    }
    for (int i = 1; i < 4; i++) {
        const hawq_tensor *a = hawq_graph_find(g[0], "conv1.weight");
        const hawq_tensor *b = hawq_graph_find(g[i], "conv1.weight");
        CHECK((memcmp(a->data, b->data, a->n * sizeof *a->data) == 0) ==
              (i < 3));
        char first[HAWQ_HASH_TEXT], other[HAWQ_HASH_TEXT];
        hawq_graph_hash(g[0], first);
        hawq_graph_hash(g[i], other);
        CHECK((strcmp(first, other) == 0) == (i < 3));
    }
    for (int i = 0; i < 4; i++) hawq_graph_free(g[i]);
}

/* The file written is the network: read again, equal logits, bit for bit. */
static void a_saved_network_is_the_same(void) {
    char               path[] = "/tmp/hawq_train_XXXXXX";
    hawq_train_options o = usual;
    hawq_graph        *g = new_model("resnet:4,8:2", 1, 8), *again = NULL;
    hawq_threads      *threads = new_threads(1);
    static real        z[2][IMAGES * CLASSES];
    o.epochs = 2;
    int file = mkstemp(path);
    CHECK(file >= 0);
    close(file);
    CHECK_OK(
        hawq_train(g, threads, HAWQ_CROSS_ENTROPY, &images, NULL, &o, NULL));
    CHECK_OK(hawq_onnx_save(path, g, "hawq"));
    if (CHECK_OK(hawq_onnx_load(path, g->batch, &again))) {
        hawq_graph *both[2] = {g, again};
        for (int i = 0; i < 2; i++) {
            hawq_engine *engine;
            if (!CHECK_OK(hawq_engine_new(both[i], threads, 0,
                                          HAWQ_CROSS_ENTROPY, &engine)))
                continue;
            hawq_engine_forward(engine, &images, z[i], NULL, NULL);
            hawq_engine_free(engine);
        }
        CHECK(memcmp(z[0], z[1], sizeof z[0]) == 0 && z[0][0] != z[0][1]);
        CHECK(hawq_graph_find_layer(again, "layer2.0.shortcut") >= 0);
    }
    hawq_graph_free(again);
    hawq_graph_free(g);
    hawq_threads_free(threads);
    unlink(path);
}

/* Options out of range, a diverging run and a failing report end with one
 * sentence each. */
static void failures_are_sentences(void) {
    hawq_graph        *g = new_model("resnet:4,8", 1, 8);
    hawq_threads      *threads = new_threads(1);
    hawq_train_options o = usual;
#define FAILS(field, value, code, text)                                        \
    o = usual, o.field = (value);                                              \
    CHECK_FAILS(                                                               \
        hawq_train(g, threads, HAWQ_CROSS_ENTROPY, &images, NULL, &o, NULL),   \
        code, text)
    FAILS(epochs, 0, HAWQ_EINVAL, "0 epochs");
    FAILS(batch_size, 0, HAWQ_EINVAL, "batch size 0");
    FAILS(rate, NAN, HAWQ_EINVAL, "rate nan");
    FAILS(warm_up, 12.5, HAWQ_EINVAL, "warm-up of 12.5 epochs");
    FAILS(sgd.momentum, 1, HAWQ_EINVAL, "momentum 1");
    FAILS(sgd.decay, -1, HAWQ_EINVAL, "weight decay -1");
    FAILS(sgd.clip, NAN, HAWQ_EINVAL, "clip nan");
    FAILS(augment.shift, -1, HAWQ_EINVAL, "shift -1");
    FAILS(augment.shift, SIDE, HAWQ_EINVAL, "half of an image of");
    hawq_train_state other = {1, 1, &(double){0}};
    FAILS(start, &other, HAWQ_EINVAL, "after epoch 1 with 1 parameters");
    FAILS(rate, 1e30, HAWQ_ENONFINITE, "in epoch 1: lower the rate");
#undef FAILS
    hawq_graph_free(g);
    g = new_model("resnet:4,8", 1, 8);
    seen              s = {.answer = HAWQ_EIO};
    hawq_train_report report = {&s, NULL, see_epoch};
    CHECK_FAILS(hawq_train(g, threads, HAWQ_CROSS_ENTROPY, &images, NULL,
                           &usual, &report),
                HAWQ_EIO, "enough");
    CHECK(s.n_epochs == 1 && isnan(s.last.test_accuracy));
    hawq_threads_free(threads);
    hawq_graph_free(g);
}

/* Whichever request for memory fails, building and fitting end with ENOMEM and
 * give everything back. */
static void memory_may_run_out(void) {
    static const int64_t shape[3] = {1, SIDE, SIDE};
    const hawq_model     model = {1, {2}, 1};
    hawq_threads        *threads = new_threads(1);
    hawq_train_options   o = usual;
    hawq_status          s = HAWQ_ENOMEM;
    long                 k;
    o.epochs = 1;
    for (k = 1; s == HAWQ_ENOMEM && k < 1000; k++) {
        hawq_graph *g = NULL;
        hawq_arena_fail_at(k);
        s = hawq_model_build(&model, 1, 8, shape, CLASSES, hawq_op_find, &g);
        if (s == HAWQ_OK)
            s = hawq_train(g, threads, HAWQ_CROSS_ENTROPY, &images, NULL, &o,
                           NULL);
        hawq_arena_fail_at(0);
        hawq_graph_free(g);
    }
    CHECK(s == HAWQ_OK && k > 3);
    hawq_threads_free(threads);
}

int main(void) {
    draw_images();
    rate_follows_the_cosine();
    steps_follow_the_formula();
    pixels_move_exactly();
    placements_are_fair();
    model_texts_are_checked();
    models_are_built_as_named();
    a_step_lowers_the_loss();
    stripes_are_learned();
    threads_do_not_change_a_bit();
    a_saved_network_is_the_same();
    failures_are_sentences();
    memory_may_run_out();
    DONE();
}
