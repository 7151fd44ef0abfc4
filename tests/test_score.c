/* test_score.c -- rows, classes and what outputs are worth.
 *
 * Claims: which shapes have rows of classes, and how many; what does not fit
 * is refused with what was found, what was expected and what to do; loss,
 * accuracy, agreement and squares are those of a calculation by hand, by rows.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/score.h"
#include "tests/check.h"

enum { BATCH = 2 };

/* All that score.c looks at of a network whose output has this shape. */
typedef struct network {
    hawq_tensor input, output;
    hawq_graph  graph;
} network;

static hawq_graph *of_shape(network *n, int rank, const int64_t *dim) {
    *n = (network){.graph = {.batch = BATCH}};
    n->input = (hawq_tensor){.name = "x", .shape = {2, {BATCH, 3}}, .n = 6};
    n->output = (hawq_tensor){.name = "z", .shape = {.rank = rank}, .n = 1};
    for (int i = 0; i < rank; i++) {
        n->output.shape.dim[i] = dim[i];
        n->output.n *= (size_t)dim[i];
    }
    n->graph.input = &n->input;
    n->graph.output = &n->output;
    return &n->graph;
}

static void shapes_are_read(void) {
    static const struct {
        int     rank;
        int64_t dim[5];
        size_t  rows, classes;
        bool    has_classes;
    } cases[] = {
        {2, {2, 4}, 1, 4, true},
        {3, {2, 7, 4}, 7, 4, true},
        {3, {2, 4, 1}, 1, 4, true},
        {3, {2, 1, 4}, 1, 4, true},
        {4, {2, 4, 1, 1}, 1, 4, true},
        {5, {2, 1, 1, 4, 1}, 1, 4, true},
        {1, {2}, 1, 1, false},
        {2, {2, 1}, 1, 1, false},
        {3, {2, 1, 1}, 1, 1, false},
        {4, {2, 5, 6, 7}, 1, 210, false},
        {4, {2, 5, 6, 1}, 1, 30, false},
        {4, {2, 1, 6, 7}, 1, 42, false},
        {5, {2, 2, 1, 3, 1}, 1, 6, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        network     n;
        hawq_graph *g = of_shape(&n, cases[i].rank, cases[i].dim);
        hawq_rows   rows = hawq_score_rows(g);
        if (!(CHECK(rows.rows == cases[i].rows) &
              CHECK(rows.classes == cases[i].classes) &
              CHECK(hawq_score_has_classes(g) == cases[i].has_classes)))
            printf("    case %zu: %zu rows of %zu\n", i, rows.rows,
                   rows.classes);
    }
}

static void outputs_are_checked(void) {
    static const struct {
        int         rank;
        int64_t     dim[5];
        hawq_loss   loss;
        hawq_status code;
        const char *text;
    } bad[] = {
        {2,
         {2, 1},
         HAWQ_CROSS_ENTROPY,
         HAWQ_EINVAL,
         "the output 'z' has shape N x 1, one number an image: its "
         "cross-entropy is always 0; use --loss mse"},
        {1, {2}, HAWQ_SELF_DISTILLATION, HAWQ_EINVAL, "always 0"},
        {4,
         {2, 5, 6, 7},
         HAWQ_CROSS_ENTROPY,
         HAWQ_EUNSUPPORTED,
         "N x 5 x 6 x 7; cross-entropy expects N x classes"},
        {4, {2, 5, 6, 1}, HAWQ_SELF_DISTILLATION, HAWQ_EUNSUPPORTED, "x 6 x 1"},
        {2, {14, 4}, HAWQ_MSE, HAWQ_EUNSUPPORTED, "shape 14x4 for 2 images"},
        {0, {0}, HAWQ_MSE, HAWQ_EUNSUPPORTED, "shape scalar for 2 images"},
    };
    network n;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hawq_graph *g = of_shape(&n, bad[i].rank, bad[i].dim);
        hawq_status got = hawq_score_check_output(g, bad[i].loss);
        if (!CHECK(got == bad[i].code && strstr(hawq_message(), bad[i].text)))
            printf("    case %zu: %s\n", i, hawq_message());
    }
    CHECK_OK(hawq_score_check_output(of_shape(&n, 4, (int64_t[]){2, 5, 6, 7}),
                                     HAWQ_MSE));
    CHECK_OK(hawq_score_check_output(of_shape(&n, 3, (int64_t[]){2, 7, 4}),
                                     HAWQ_CROSS_ENTROPY));
}

/* y of two images against an output: whether it fits, and what is said. */
typedef struct fitting {
    hawq_shape  output, y;
    bool        labels, targets, whole;
    hawq_loss   loss;
    const char *text; /* NULL: fits */
} fitting;

static const fitting cases[] = {
    {{2, {2, 4}}, {0, {0}}, true, false, false, HAWQ_CROSS_ENTROPY, NULL},
    {{2, {2, 4}}, {1, {1}}, true, false, false, HAWQ_CROSS_ENTROPY, NULL},
    {{2, {2, 4}}, {0, {0}}, true, false, false, HAWQ_MSE, NULL},
    {{3, {2, 3, 4}}, {1, {3}}, true, false, false, HAWQ_CROSS_ENTROPY, NULL},
    {{3, {2, 3, 4}}, {2, {3, 4}}, false, true, false, HAWQ_MSE, NULL},
    {{3, {2, 3, 4}}, {1, {12}}, false, true, false, HAWQ_MSE, NULL},
    {{4, {2, 5, 1, 1}}, {1, {5}}, false, true, false, HAWQ_MSE, NULL},
    {{1, {2}}, {1, {1}}, false, true, false, HAWQ_MSE, NULL},
    {{2, {2, 4}}, {0, {0}}, false, false, false, HAWQ_SELF_DISTILLATION, NULL},
    {{3, {2, 3, 4}},
     {0, {0}},
     true,
     false,
     false,
     HAWQ_CROSS_ENTROPY,
     "y has labels of shape N, and the output is N x 3 x 4, 3 rows of 4 "
     "classes an image: y must hold one integer a row, N x 3"},
    {{3, {2, 3, 4}},
     {0, {0}},
     true,
     false,
     false,
     HAWQ_SELF_DISTILLATION,
     "one integer a row, N x 3"},
    {{2, {2, 4}},
     {1, {3}},
     true,
     false,
     false,
     HAWQ_CROSS_ENTROPY,
     "labels of shape N x 3, and the output is N x 4, 1 row of 4 classes "
     "an image: y must hold one integer a row, N"},
    {{2, {2, 4}},
     {1, {4}},
     true,
     false,
     false,
     HAWQ_CROSS_ENTROPY,
     "save y.argmax(-1) if they are one-hot"},
    {{2, {2, 4}},
     {1, {4}},
     true,
     false,
     false,
     HAWQ_MSE,
     "y.astype(numpy.float32) if they are targets"},
    {{2, {2, 1}},
     {0, {0}},
     true,
     false,
     false,
     HAWQ_MSE,
     "the output is N x 1: save y.astype(numpy.float32)"},
    {{4, {2, 5, 6, 7}},
     {2, {6, 7}},
     true,
     false,
     false,
     HAWQ_MSE,
     "the output is N x 5 x 6 x 7: save"},
    {{2, {2, 4}},
     {1, {4}},
     false,
     true,
     false,
     HAWQ_CROSS_ENTROPY,
     "y holds targets (floating point, N x 4; one-hot?), not labels "
     "(integers, N): save y.argmax(-1), or use --loss mse"},
    {{2, {2, 4}},
     {0, {0}},
     false,
     true,
     true,
     HAWQ_CROSS_ENTROPY,
     "save y.astype(numpy.int64)"},
    {{2, {2, 4}},
     {0, {0}},
     false,
     true,
     false,
     HAWQ_CROSS_ENTROPY,
     "needs labels (integers, N), --loss mse targets"},
    {{2, {2, 4}},
     {0, {0}},
     false,
     false,
     false,
     HAWQ_CROSS_ENTROPY,
     "--loss self-distillation needs none"},
    {{2, {2, 4}},
     {0, {0}},
     false,
     false,
     false,
     HAWQ_MSE,
     "neither targets nor labels"},
    {{3, {2, 3, 4}},
     {2, {4, 3}},
     false,
     true,
     false,
     HAWQ_MSE,
     "y holds targets (floating point, N x 4 x 3), and the output is N x "
     "3 x 4: they must have the same shape"},
    {{2, {2, 4}}, {1, {5}}, false, true, false, HAWQ_MSE, "same shape"},
};

static void answers_are_checked(void) {
    static int64_t labels[64];
    static real    halves[64], whole[64];
    for (int i = 0; i < 64; i++) halves[i] = (real)0.5;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const fitting *c = &cases[i];
        network        n;
        hawq_graph    *g = of_shape(&n, c->output.rank, c->output.dim);
        hawq_batch     b = {.n = BATCH};
        if (c->labels) b.labels = labels;
        if (c->targets) b.targets = c->whole ? whole : halves;
        hawq_status got = hawq_score_check(g, c->loss, &b, &c->y, 0);
        bool        fits = got == HAWQ_OK;
        if (c->text ? !CHECK(!fits && strstr(hawq_message(), c->text))
                    : !CHECK(fits))
            printf("    case %zu: %s\n", i, fits ? "fits" : hawq_message());
    }
}

/* A label is named by its image in the file, and its row. */
static void labels_are_within_the_classes(void) {
    static int64_t   labels[6] = {0, 3, 1, 2, 4, 0};
    const hawq_shape one = {0, {0}}, three = {1, {3}};
    network          n;
    hawq_graph      *g = of_shape(&n, 2, (int64_t[]){2, 4});
    hawq_batch       b = {.n = 6, .labels = labels};
    CHECK_FAILS(hawq_score_check(g, HAWQ_CROSS_ENTROPY, &b, &one, 10),
                HAWQ_EINVAL, "label of image 14 is 4, expected 0 to 3: the");
    g = of_shape(&n, 3, (int64_t[]){2, 3, 4});
    b.n = 2;
    CHECK_FAILS(hawq_score_check(g, HAWQ_CROSS_ENTROPY, &b, &three, 10),
                HAWQ_EINVAL, "label of image 11, row 1 is 4, expected 0 to 3");
    labels[4] = 3;
    CHECK_OK(hawq_score_check(g, HAWQ_CROSS_ENTROPY, &b, &three, 10));
    labels[0] = -99;
    CHECK_FAILS(hawq_score_check(g, HAWQ_MSE, &b, &three, 0), HAWQ_EINVAL,
                "is -99");
    labels[0] = HAWQ_IGNORED;
    CHECK_OK(hawq_score_check(g, HAWQ_CROSS_ENTROPY, &b, &three, 0));
    CHECK(hawq_score_count(g, &b) == 5);
    for (int i = 0; i < 6; i++) labels[i] = HAWQ_IGNORED;
    CHECK_FAILS(hawq_score_check(g, HAWQ_CROSS_ENTROPY, &b, &three, 0),
                HAWQ_EINVAL, "all labels are -100");
}

/* Where classes are: as the option says, else as the labels tell. */
static void class_axes(void) {
    network          n;
    hawq_graph      *g = of_shape(&n, 4, (int64_t[]){2, 5, 3, 4});
    const hawq_shape image = {2, {3, 4}}, one = {1, {4}};
    int64_t          labels[24] = {4};
    hawq_batch       b = {.n = 2, .labels = labels};
    CHECK(!hawq_score_has_classes(g));
    CHECK_OK(hawq_score_set_axis(g, 0, &image));
    hawq_rows rows = hawq_score_rows(g);
    CHECK(g->class_axis == 1 && hawq_score_has_classes(g));
    CHECK(rows.rows == 12 && rows.classes == 5 && rows.inner == 12);
    CHECK(hawq_row_start(rows, 3) == 3);
    CHECK_OK(hawq_score_check_output(g, HAWQ_CROSS_ENTROPY));
    CHECK_OK(hawq_score_check(g, HAWQ_CROSS_ENTROPY, &b, &image, 0));
    CHECK_FAILS(hawq_score_check(g, HAWQ_CROSS_ENTROPY, &b, &one, 0),
                HAWQ_EINVAL, "12 rows of 5 classes");
    CHECK_OK(hawq_score_set_axis(g, 0, &one));
    CHECK(g->class_axis == 0);
    CHECK_OK(hawq_score_set_axis(g, 0, &(hawq_shape){2, {5, 3}}));
    CHECK(g->class_axis == 3);
    CHECK_OK(hawq_score_set_axis(g, -2, NULL));
    rows = hawq_score_rows(g);
    CHECK(g->class_axis == 2 && rows.rows == 20 && rows.inner == 4);
    CHECK(hawq_row_start(rows, 5) == 13);
    CHECK_FAILS(hawq_score_set_axis(g, 4, NULL), HAWQ_EINVAL, "--class-axis 4");
    CHECK_FAILS(hawq_score_set_axis(g, -4, NULL), HAWQ_EINVAL, "the images'");
    g = of_shape(&n, 3, (int64_t[]){2, 3, 4});
    CHECK_OK(hawq_score_set_axis(g, 0, &(hawq_shape){1, {3}}));
    CHECK(g->class_axis == 0); /* the last, as without labels */
    CHECK_OK(hawq_score_set_axis(g, 0, &one));
    CHECK(g->class_axis == 1);
}

/* Two images of two rows of three classes: logits whose softmax is known. */
static void outputs_are_scored_by_rows(void) {
    const real    a = (real)log(2), b = (real)log(6);
    const real    z[12] = {0, a, 0, b, 0, 0, 0, 0, a, a, 0, 0};
    const real    other[12] = {1, a, 0, b, 0, 0, 0, 0, a, a, 0, 2};
    const int64_t labels[4] = {1, 0, 1, 0};
    const real    targets[12] = {0, a, 0, b, 0, 0, 0, 0, a, a, 0, 3};
    network       n;
    hawq_graph   *g = of_shape(&n, 3, (int64_t[]){2, 2, 3});
    hawq_batch    batch = {.n = 2, .labels = labels};
    hawq_score s = hawq_score_outputs(g, HAWQ_CROSS_ENTROPY, &batch, z, other);
    CHECK_NEAR(s.loss, (log(2) + log(8.0 / 6) + log(4) + log(2)) / 4, 1e-6);
    CHECK_NEAR(s.accuracy, 0.75, 0);
    CHECK_NEAR(s.agreement, 0.5, 0); /* the first and the last row differ */
    CHECK_NEAR(s.mse, 5.0 / 12, 1e-12);
    hawq_batch second = hawq_score_part(g, &batch, 1, 1);
    CHECK(second.n == 1 && second.labels == labels + 2 && !second.targets);
    CHECK_NEAR(hawq_score_accuracy(g, &second, 1), 0.5, 0);
    batch = (hawq_batch){.n = 2, .targets = targets};
    s = hawq_score_outputs(g, HAWQ_MSE, &batch, z, z);
    CHECK_NEAR(s.loss, 9.0 / 12, 1e-12);
    CHECK(isnan(s.accuracy) && isnan(s.agreement) && s.mse == 0);
    batch = (hawq_batch){.n = 2};
    s = hawq_score_outputs(g, HAWQ_CROSS_ENTROPY, &batch, z, z);
    CHECK(isnan(s.loss) && isnan(s.accuracy) && s.agreement == 1);
    g = of_shape(&n, 2, (int64_t[]){2, 1});
    s = hawq_score_outputs(g, HAWQ_CROSS_ENTROPY, &batch, z, other);
    CHECK(isnan(s.agreement) && fabs(s.mse - 0.5) < 1e-12);
}

int main(void) {
    class_axes();
    shapes_are_read();
    outputs_are_checked();
    answers_are_checked();
    labels_are_within_the_classes();
    outputs_are_scored_by_rows();
    DONE();
}
