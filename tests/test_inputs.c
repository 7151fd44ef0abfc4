/* test_inputs.c -- networks with several inputs, with integers, with inputs of
 * free size and with images along another axis than the first.
 *
 * Claims: (1) they give the outputs of onnxruntime, in every number of images a
 * sweep, and still do after being saved and read; integer programs, whose
 * float nodes handle the integers, give them nearly; (2) values and sizes may
 * come from the data or be given; what is not known, or does not fit, is said
 * in a sentence; (3) gradients with respect to what is gathered are differences
 * of the loss; (4) labels for every row, some ignored, give the loss that numpy
 * computes; (5) several outputs are read as one, of rows where they are alike;
 * (6) a stream of ids is cut into windows with the ids that follow; (7) a
 * public language model has the loss that another program computed.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/deploy/program.h"
#include "src/deploy/run.h"
#include "src/graph/score.h"
#include "src/load/dataset.h"
#include "src/load/onnx.h"
#include "src/quant/choice.h"
#include "src/quant/quantize.h"
#include "tests/check.h"
#include "tests/npz.h"

#include <unistd.h>

static hawq_threads *threads;

static const char *fixture(const char *name, const char *end) {
    static char buffer[4][512];
    static int  next;
    const char *source = getenv("HAWQ_SOURCE");
    char       *path = buffer[next = (next + 1) % 4];
    snprintf(path, 512, "%s/tests/data/inputs/%s%s", source ? source : ".",
             name, end);
    return path;
}

/* A network fed by the arrays of an archive, and the archive for it. */
static hawq_status open_fed(const char *model, const char *archive, int batch,
                            hawq_graph **g, hawq_dataset *d) {
    hawq_arena  arena = {0};
    hawq_feeds  feeds = {0};
    hawq_status status =
        hawq_dataset_list(archive, &arena, &feeds.member, &feeds.n_members);
    if (status == HAWQ_OK) status = hawq_onnx_load_fed(model, &feeds, batch, g);
    hawq_arena_free(&arena);
    if (status != HAWQ_OK) return status;
    hawq_dataset_options o = {.labels = HAWQ_LABELS_OPTIONAL, .graph = *g};
    status = hawq_dataset_load(archive, &o, d);
    if (status != HAWQ_OK) hawq_graph_free(*g);
    return status;
}

/* Its outputs are the targets of the data. */
static void compare(hawq_graph *g, const hawq_dataset *d, const char *name) {
    size_t       each = hawq_per_image(g, g->output);
    hawq_engine *engine;
    double       loss = 1;
    if (!CHECK(each == hawq_dataset_answers(d)) ||
        !CHECK_OK(hawq_dataset_check(d, g, name)) ||
        !CHECK_OK(hawq_engine_new(g, threads, 0, HAWQ_MSE, &engine)))
        return;
    const hawq_batch batch = {.n = d->n, .x = d->x, .targets = d->targets};
    hawq_engine_forward(engine, &batch, NULL, &loss, NULL);
    if (!CHECK(loss < 1e-12)) printf("    %s: off by %g\n", name, sqrt(loss));
    hawq_engine_free(engine);
}

static void agrees(const char *name) {
    char         archive[512];
    hawq_dataset d, again;
    hawq_graph  *g, *saved;
    snprintf(archive, sizeof archive, "%s", fixture(name, ".npz"));
    for (int batch = 0; batch < 4; batch++) {
        if (!CHECK_OK(open_fed(fixture(name, ".onnx"), archive, batch, &g, &d)))
            return;
        compare(g, &d, name);
        CHECK_OK(hawq_onnx_save("inputs.onnx", g, "test"));
        if (CHECK_OK(open_fed("inputs.onnx", archive, 2, &saved, &again))) {
            compare(saved, &again, name);
            hawq_dataset_free(&again);
            hawq_graph_free(saved);
        }
        hawq_dataset_free(&d);
        hawq_graph_free(g);
    }
    remove("inputs.onnx");
}

/* --- as an integer program --------------------------------------------------
 */

/* Integers of the data stay as they are; each input is found where it is. */
static void deployed(const char *name) {
    hawq_arena       arena = {0};
    hawq_calibration seen;
    hawq_choice     *choice;
    hawq_quantized  *q;
    hawq_dataset     d;
    hawq_graph      *g;
    hawq_engine     *engine;
    hawq_program    *p;
    hawq_runner     *r;
    if (!CHECK_OK(
            open_fed(fixture(name, ".onnx"), fixture(name, ".npz"), 1, &g, &d)))
        return;
    const hawq_batch batch = {.n = d.n, .x = d.x, .targets = d.targets};
    size_t           n = d.n * hawq_dataset_answers(&d);
    real            *y = calloc(n, sizeof *y);
    double           worst = 0;
    CHECK_OK(hawq_engine_new(g, threads, 1, HAWQ_MSE, &engine));
    CHECK_OK(hawq_calibrate(engine, g, &batch, &arena, &seen));
    hawq_engine_free(engine);
    for (int k = 0; k < g->n_inputs; k++) {
        const hawq_tensor *t = g->inputs[k].tensor;
        CHECK(!seen.tensor[t->id] == t->whole);
    }
    CHECK_OK(hawq_choice_uniform(g, 8, 8, &arena, &choice));
    CHECK_OK(
        hawq_quantize_choices(g, g->n_layers, choice, threads, &arena, &q));
    const hawq_lower_options o = {.n_choices = g->n_layers,
                                  .choice = choice,
                                  .quantized = q,
                                  .activation_range = HAWQ_RANGE_MAX};
    if (CHECK_OK(hawq_program_lower(g, &seen, &o, &p))) {
        CHECK(p->n_in == g->n_row);
        if (CHECK_OK(
                hawq_runner_new(p, hawq_kernels_select("ref"), threads, &r))) {
            hawq_runner_run(r, d.n, d.x, y);
            for (size_t i = 0; i < n; i++)
                worst = fmax(worst, fabs((double)(y[i] - d.targets[i])));
            if (!CHECK(worst < 0.03))
                printf("    %s: off by %g\n", name, worst);
            hawq_runner_free(r);
        }
        hawq_program_free(p);
    }
    free(y);
    hawq_arena_free(&arena);
    hawq_dataset_free(&d);
    hawq_graph_free(g);
}

/* --- what is known of them -------------------------------------------------
 */

static const hawq_shape scalar = {0};

static void structure(void) {
    hawq_dataset d;
    hawq_graph  *g;
    if (CHECK_OK(open_fed(fixture("several", ".onnx"),
                          fixture("several", ".npz"), 2, &g, &d))) {
        CHECK(g->n_inputs == 2 && g->n_row == 11 && g->batch == 2);
        CHECK(g->inputs[0].axis == 0 && g->inputs[1].axis == 1);
        CHECK(g->inputs[1].start == 5 && g->inputs[1].n == 6);
        CHECK(d.n == 7 && d.n_inputs == 2);
        hawq_dataset_free(&d);
        hawq_graph_free(g);
    }
    if (CHECK_OK(open_fed(fixture("tokens", ".onnx"), fixture("tokens", ".npz"),
                          2, &g, &d))) {
        CHECK(g->inputs[0].tensor->whole && g->inputs[1].tensor->whole);
        CHECK(hawq_graph_input_limit(g, 0) == 20);
        CHECK(hawq_graph_input_limit(g, 1) == 0);
        CHECK(g->n_rest == 3); /* the tables, of which nothing is quantized */
        hawq_dataset_free(&d);
        hawq_graph_free(g);
    }
}

/* Fails to load so; `feeds` may be changed. */
static void refused(const char *name, const hawq_feeds *feeds, hawq_status code,
                    const char *text) {
    hawq_graph *g;
    bool        says =
        hawq_onnx_load_fed(fixture(name, ".onnx"), feeds, 2, &g) == code &&
        strstr(hawq_message(), text);
    if (!CHECK(says))
        printf("    message: %s, expected: %s\n", hawq_message(), text);
}

static void given(void) {
    real        half = (real)0.5;
    int64_t     rate = 1600;
    hawq_tensor scale = {.dtype = HAWQ_FLOAT, .data = &half, .n = 1};
    hawq_tensor hertz = {.dtype = HAWQ_INT, .ints = &rate, .n = 1};
    hawq_member value[] = {{"scale", scalar, HAWQ_FLOAT, &scale},
                           {"rate", scalar, HAWQ_INT, &hertz}};
    hawq_feeds  feeds = {.n_values = 2, .value = value};
    hawq_graph *g;
    char        two[HAWQ_HASH_TEXT], three[HAWQ_HASH_TEXT];
    if (CHECK_OK(
            hawq_onnx_load_fed(fixture("several", ".onnx"), &feeds, 2, &g))) {
        CHECK(g->n_inputs == 2);
        hawq_graph_hash(g, two);
        hawq_graph_free(g);
    }
    feeds.n_values = 1;
    refused("several", &feeds, HAWQ_EINVAL,
            "input 'rate' has no dimension of images: give its value");
    value[1].value = &scale;
    feeds.n_values = 2;
    refused("several", &feeds, HAWQ_EINVAL, "holds integers, its value does");
    value[1] = (hawq_member){"sacle", scalar, HAWQ_FLOAT, &scale};
    refused("several", &feeds, HAWQ_EINVAL, "no such input");
    value[1] = (hawq_member){"state", scalar, HAWQ_FLOAT, &scale};
    hawq_member more[] = {
        value[0], value[1], {"rate", scalar, HAWQ_INT, &hertz}};
    feeds = (hawq_feeds){.n_values = 3, .value = more};
    for (int batch = 2; batch < 4; batch++) /* a row for each image */
        if (CHECK_OK(hawq_onnx_load_fed(fixture("several", ".onnx"), &feeds,
                                        batch, &g))) {
            CHECK(g->n_inputs == 1 && g->n_row == 5);
            hawq_graph_hash(g, batch == 2 ? two : three);
            hawq_graph_free(g);
        }
    CHECK(strcmp(two, three) == 0);
}

static void sizes(void) {
    hawq_member shape = {"x", {3, {2, 6, 8}}, HAWQ_FLOAT, NULL};
    hawq_feeds  feeds = {.n_shapes = 1, .shape = &shape};
    hawq_feeds  none = {0};
    hawq_graph *g;
    refused("free_size", &none, HAWQ_EUNSUPPORTED,
            "dimension 2 of input 'x' is free (height): give its size, as in "
            "--input-shape x=3x224x224, or data that has it");
    if (CHECK_OK(
            hawq_onnx_load_fed(fixture("free_size", ".onnx"), &feeds, 2, &g))) {
        CHECK(g->n_row == 96);
        hawq_graph_free(g);
    }
    shape.shape.dim[0] = 3;
    refused("free_size", &feeds, HAWQ_EINVAL, "is 2 in the file, not 3");
    shape.shape.rank = 2;
    refused("free_size", &feeds, HAWQ_EINVAL, "the input has 4 dimensions");
    shape.name = "y";
    refused("free_size", &feeds, HAWQ_EINVAL, "no such input");
}

/* --- data that does not fit --------------------------------------------------
 */

/* tokens without a mask: x is the ids, the mask is given. */
static void bad_ids(void) {
    int64_t      ids[12] = {0}, one = 1, label[2] = {0};
    hawq_tensor  mask = {.dtype = HAWQ_INT, .ints = &one, .n = 1};
    hawq_member  value = {"mask", scalar, HAWQ_INT, &mask};
    hawq_feeds   feeds = {.n_values = 1, .value = &value};
    npz_array    x = {"<i8", 2, {2, 6}, ids}, y = {"<i8", 1, {2}, label};
    hawq_graph  *g;
    hawq_dataset d;
    if (!CHECK_OK(
            hawq_onnx_load_fed(fixture("tokens", ".onnx"), &feeds, 2, &g)))
        return;
    hawq_dataset_options o = {.graph = g};
    put_npz("ids.npz", &x, &y);
    if (CHECK_OK(hawq_dataset_load("ids.npz", &o, &d))) hawq_dataset_free(&d);
    o.scale = 0.5;
    CHECK_FAILS(hawq_dataset_load("ids.npz", &o, &d), HAWQ_EINVAL,
                "are for images; input 'ids' holds integers");
    o.scale = 0;
    ids[7] = 20;
    put_npz("ids.npz", &x, &y);
    CHECK_FAILS(hawq_dataset_load("ids.npz", &o, &d), HAWQ_EINVAL,
                "image 1 has 20 for input 'ids', expected 0 to 19");
    ids[7] = (1 << 24) + 1;
    put_npz("ids.npz", &x, &y);
    CHECK_FAILS(hawq_dataset_load("ids.npz", &o, &d), HAWQ_EUNSUPPORTED,
                "of at most 16777216");
    x.dim[1] = 5;
    put_npz("ids.npz", &x, &y);
    CHECK_FAILS(hawq_dataset_load("ids.npz", &o, &d), HAWQ_EINVAL,
                "images have shape 5, the model's input expects 6");
    hawq_graph_free(g);
    feeds.n_values = 0;
    if (CHECK_OK(
            hawq_onnx_load_fed(fixture("tokens", ".onnx"), &feeds, 2, &g))) {
        o.graph = g;
        CHECK_FAILS(hawq_dataset_load("ids.npz", &o, &d), HAWQ_EFORMAT,
                    "has no members 'ids' and 'mask'");
        CHECK_FAILS(hawq_dataset_load("cifar:a.bin", &o, &d), HAWQ_EINVAL,
                    "feeds one input, and the network has 2: 'ids', 'mask'");
        hawq_graph_free(g);
    }
    remove("ids.npz");
}

/* --- gradients ----------------------------------------------------------- */

/* Of the table, which is read through the ids. */
static void gradient(void) {
    hawq_dataset d;
    hawq_graph  *g;
    hawq_engine *engine;
    if (!CHECK_OK(open_fed(fixture("tokens", ".onnx"),
                           fixture("tokens", ".npz"), 2, &g, &d)))
        return;
    hawq_tensor   *table = hawq_graph_find(g, "table");
    size_t         offset[2] = {0, table->n};
    hawq_selection at = {1, &table, offset};
    double        *grad = calloc(table->n, sizeof *grad), up, down, worst = 0;
    for (size_t i = 0; i < d.n * hawq_dataset_answers(&d); i++)
        d.targets[i] += (real)0.5;
    const hawq_batch batch = {.n = d.n, .x = d.x, .targets = d.targets};
    if (CHECK_OK(hawq_engine_new(g, threads, 1, HAWQ_MSE, &engine))) {
        hawq_engine_gradient(engine, &batch, &at, grad, NULL, NULL);
        for (size_t i = 0; i < table->n; i++) {
            real kept = table->data[i];
            table->data[i] = kept + (real)0.0625;
            hawq_engine_forward(engine, &batch, NULL, &up, NULL);
            table->data[i] = kept - (real)0.0625;
            hawq_engine_forward(engine, &batch, NULL, &down, NULL);
            table->data[i] = kept;
            worst = fmax(worst, fabs((up - down) / 0.125 - grad[i]));
        }
        CHECK(worst < 1e-4);
        hawq_engine_free(engine);
    }
    free(grad);
    hawq_dataset_free(&d);
    hawq_graph_free(g);
}

/* --- labels by row ------------------------------------------------------- */

static double known(const hawq_member *list, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0)
            return (double)list[i].value->data[0];
    return NAN;
}

/* The mean is over the pixels that have a label, of all images together; the
 * gradient is the difference of that. */
static void segments(void) {
    hawq_arena         arena = {0};
    const hawq_member *list = NULL;
    size_t             n = 0, correct = 0, counted = 0;
    hawq_dataset       d;
    hawq_graph        *g;
    hawq_engine       *engine;
    double             loss = 0, up = 0, down = 0, gradient[4 * 3];
    CHECK_OK(hawq_dataset_list(fixture("segments", ".npz"), &arena, &list, &n));
    if (!CHECK_OK(open_fed(fixture("segments", ".onnx"),
                           fixture("segments", ".npz"), 2, &g, &d)))
        return;
    CHECK_FAILS(hawq_dataset_check_loss(&d, g, HAWQ_CROSS_ENTROPY, "d"),
                HAWQ_EINVAL, "y holds integers");
    CHECK_OK(hawq_score_set_axis(g, 0, &d.y));
    CHECK_OK(hawq_dataset_check_loss(&d, g, HAWQ_CROSS_ENTROPY, "d"));
    const hawq_batch batch = {.n = d.n, .x = d.x, .labels = d.labels};
    real            *z = calloc(d.n * hawq_per_image(g, g->output), sizeof *z);
    hawq_tensor     *w = hawq_graph_find(g, "conv2.weight");
    size_t           offset[2] = {0, 12};
    hawq_selection   at = {1, &w, offset};
    counted = hawq_score_count(g, &batch);
    if (CHECK_OK(hawq_engine_new(g, threads, 1, HAWQ_CROSS_ENTROPY, &engine))) {
        hawq_engine_forward(engine, &batch, z, &loss, &correct);
        CHECK_NEAR(loss, known(list, n, "loss"), 1e-6);
        CHECK_NEAR((double)correct / (double)counted,
                   known(list, n, "accuracy"), 1e-7);
        hawq_score s = hawq_score_outputs(g, HAWQ_CROSS_ENTROPY, &batch, z, z);
        CHECK_NEAR(s.loss, loss, 1e-12);
        CHECK_NEAR(s.accuracy, known(list, n, "accuracy"), 1e-7);
        hawq_engine_gradient(engine, &batch, &at, gradient, NULL, NULL);
        for (size_t i = 0; i < 12; i++) {
            real kept = w->data[i];
            w->data[i] = kept + (real)0.015625;
            hawq_engine_forward(engine, &batch, NULL, &up, NULL);
            w->data[i] = kept - (real)0.015625;
            hawq_engine_forward(engine, &batch, NULL, &down, NULL);
            w->data[i] = kept;
            CHECK_NEAR(gradient[i], (up - down) / 0.03125, 1e-5);
        }
        hawq_engine_free(engine);
    }
    free(z);
    hawq_arena_free(&arena);
    hawq_dataset_free(&d);
    hawq_graph_free(g);
}

/* --- a stream of ids -------------------------------------------------------
 */

static void put_ids(const char *path, size_t bytes, size_t n) {
    unsigned char id[4] = {0};
    FILE         *f = fopen(path, "wb");
    if (!CHECK(f != NULL)) return;
    for (size_t i = 0; i < n; i++) {
        id[0] = (unsigned char)(i % 19);
        CHECK(fwrite(id, 1, bytes, f) == bytes);
    }
    fclose(f);
}

static void streams(void) {
    int64_t          one = 1;
    hawq_tensor      mask = {.dtype = HAWQ_INT, .ints = &one, .n = 1};
    hawq_member      value = {"mask", scalar, HAWQ_INT, &mask};
    const hawq_feeds feeds = {.n_values = 1, .value = &value};
    const char      *spec[] = {"tokens:ids.bin", "tokens:ids.u32"};
    hawq_dataset     d;
    hawq_graph      *g;
    if (!CHECK_OK(
            hawq_onnx_load_fed(fixture("tokens", ".onnx"), &feeds, 2, &g)))
        return;
    hawq_dataset_options o = {.graph = g};
    put_ids("ids.bin", 2,
            24); /* 3 windows of 6; the fourth has no last label */
    put_ids("ids.u32", 4, 25);
    for (size_t k = 0; k < 2; k++) {
        if (!CHECK_OK(hawq_dataset_load(spec[k], &o, &d))) continue;
        CHECK(d.n == 3 + k && d.y.rank == 1 && d.y.dim[0] == 6);
        for (size_t i = 0; i < d.n * 6; i++)
            CHECK(d.x[i] == (real)(i % 19) &&
                  d.labels[i] == (int64_t)((i + 1) % 19));
        hawq_dataset_free(&d);
    }
    o.skip = o.limit = 1;
    if (CHECK_OK(hawq_dataset_load(spec[1], &o, &d))) {
        CHECK(d.n == 1 && d.x[0] == 6 && d.labels[0] == 7);
        hawq_dataset_free(&d);
    }
    put_ids("ids.bin", 2, 6);
    CHECK_FAILS(hawq_dataset_load(spec[0], &o, &d), HAWQ_EFORMAT,
                "holds 12 bytes, expected more than 6 ids of 2 bytes");
    o.graph = NULL;
    CHECK_FAILS(hawq_dataset_load(spec[0], &o, &d), HAWQ_EINVAL,
                "has not been given");
    remove("ids.bin");
    remove("ids.u32");
    hawq_graph_free(g);
}

/* --- several outputs -------------------------------------------------------
 */

static bool outputs_of(const char *name, size_t n, const char *const *output,
                       const hawq_feeds *more, hawq_graph **g) {
    hawq_feeds feeds = *more;
    feeds.n_outputs = n;
    feeds.output = output;
    return CHECK_OK(hawq_onnx_load_fed(fixture(name, ".onnx"), &feeds, 2, g));
}

/* free_size: of a N x 3 x 6 x 8, c N x 3 and y N x 3. */
static void joined(void) {
    hawq_member       shape = {"x", {3, {2, 6, 8}}, HAWQ_FLOAT, NULL};
    const hawq_feeds  feeds = {.n_shapes = 1, .shape = &shape};
    const char *const alike[] = {"y", "c"}, *const mixed[] = {"y", "a"};
    const char *const none[] = {"y", "q"}, *const early[] = {"b"};
    hawq_graph *g, *alone;
    if (outputs_of("free_size", 2, alike, &feeds, &g)) {
        hawq_rows rows = hawq_score_rows(g);
        CHECK(rows.rows == 2 && rows.classes == 3);
        CHECK(hawq_per_image(g, g->output) == 6 && !g->left_out);
        hawq_graph_free(g);
    }
    if (outputs_of("free_size", 2, mixed, &feeds, &g)) {
        CHECK(hawq_per_image(g, g->output) == 3 + 3 * 48);
        CHECK(!hawq_score_has_classes(g));
        CHECK_OK(hawq_score_check_output(g, HAWQ_MSE));
        CHECK_FAILS(hawq_score_check_output(g, HAWQ_CROSS_ENTROPY),
                    HAWQ_EUNSUPPORTED, "--class-axis");
        hawq_graph_free(g);
    }
    if (outputs_of("free_size", 1, early, &feeds, &g)) { /* inside */
        CHECK(g->n_layers == 1 && hawq_per_image(g, g->output) == 3 * 48);
        hawq_graph_free(g);
    }
    hawq_feeds wrong = feeds;
    wrong.n_outputs = 2;
    wrong.output = none;
    refused("free_size", &wrong, HAWQ_EFORMAT, "'q' is made by no node");
    /* the values are those of each alone */
    if (!outputs_of("free_size", 2, alike, &feeds, &g)) return;
    real         x[4 * 96], both[4 * 6], one[4 * 3];
    hawq_engine *engine;
    for (size_t i = 0; i < 4 * 96; i++) x[i] = (real)(i % 7) - 3;
    const hawq_batch batch = {.n = 4, .x = x};
    for (size_t k = 0; k < 2; k++) {
        if (!outputs_of("free_size", 1, &alike[k], &feeds, &alone)) continue;
        CHECK_OK(hawq_engine_new(g, threads, 0, HAWQ_MSE, &engine));
        hawq_engine_forward(engine, &batch, both, NULL, NULL);
        hawq_engine_free(engine);
        CHECK_OK(hawq_engine_new(alone, threads, 0, HAWQ_MSE, &engine));
        hawq_engine_forward(engine, &batch, one, NULL, NULL);
        hawq_engine_free(engine);
        for (size_t i = 0; i < 12; i++)
            CHECK(both[i / 3 * 6 + 3 * k + i % 3] == one[i]);
        hawq_graph_free(alone);
    }
    hawq_graph_free(g);
}

/* --- a language model --------------------------------------------------------
 */

/* The mean cross-entropy of a token as computed in float64 elsewhere. */
static void stories(void) {
    const char *folder = check_data();
    static const struct {
        const char *archive;
        double      loss;
    } known_loss[] = {{"stories_test", 1.555994669},
                      {"stories_calibration", 1.396220652}};
    for (size_t k = 0; folder && k < 2; k++) {
        char         model[512], archive[512];
        hawq_dataset d;
        hawq_graph  *g;
        hawq_engine *engine;
        double       loss = 0;
        snprintf(model, sizeof model, "%s/models/stories260k.onnx", folder);
        snprintf(archive, sizeof archive, "%s/tinystories/%s.npz", folder,
                 known_loss[k].archive);
        if (!CHECK_OK(open_fed(model, archive, 0, &g, &d))) return;
        const hawq_batch batch = {.n = d.n, .x = d.x, .labels = d.labels};
        CHECK_OK(hawq_dataset_check_loss(&d, g, HAWQ_CROSS_ENTROPY, archive));
        CHECK_OK(hawq_engine_new(g, threads, 0, HAWQ_CROSS_ENTROPY, &engine));
        hawq_engine_forward(engine, &batch, NULL, &loss, NULL);
        CHECK_NEAR(loss, known_loss[k].loss, 1e-6);
        CHECK_NEAR(hawq_score_perplexity(g, HAWQ_CROSS_ENTROPY, loss),
                   exp(known_loss[k].loss), 1e-5);
        hawq_engine_free(engine);
        hawq_dataset_free(&d);
        hawq_graph_free(g);
    }
}

int main(void) {
    if (!CHECK_OK(hawq_threads_new(2, &threads))) return 1;
    agrees("tokens");
    agrees("several");
    agrees("free_size");
    deployed("tokens");
    deployed("several");
    structure();
    given();
    sizes();
    bad_ids();
    gradient();
    segments();
    streams();
    joined();
    stories();
    hawq_threads_free(threads);
    DONE();
}
