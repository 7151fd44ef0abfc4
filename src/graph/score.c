/* score.c -- rows, classes, and what is compared by them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/score.h"

#include <math.h>
#include <stdio.h>

enum { SHAPE_TEXT = 160 };

/* "N x 7 x 4": N for the images, then the dimensions from `from` on. */
static const char *shape_text(const hawq_shape *s, int from,
                              char text[SHAPE_TEXT]) {
    int used = snprintf(text, SHAPE_TEXT, "N");
    for (int i = from; i < s->rank && used < SHAPE_TEXT; i++)
        used += snprintf(text + used, (size_t)(SHAPE_TEXT - used), " x %lld",
                         (long long)s->dim[i]);
    return text;
}

/* --- rows and classes ---------------------------------------------------- */

/* False if the shape has no rows of classes. */
static bool read_rows(const hawq_shape *s, hawq_rows *out) {
    hawq_shape wide = hawq_shape_squeeze(s, 1);
    if (wide.rank == 1)
        *out = (hawq_rows){1, (size_t)wide.dim[0], 1};
    else if (wide.rank == 2 && s->rank == 3)
        *out = (hawq_rows){(size_t)wide.dim[0], (size_t)wide.dim[1], 1};
    else
        return false;
    return true;
}

/* Rows of classes that lie along the axis. */
static hawq_rows rows_along(const hawq_shape *s, int axis) {
    size_t inner = (size_t)hawq_shape_count(s, axis + 1, s->rank);
    return (hawq_rows){(size_t)hawq_shape_count(s, 1, axis) * inner,
                       (size_t)s->dim[axis], inner};
}

hawq_rows hawq_score_rows(const hawq_graph *g) {
    hawq_rows rows = {1, hawq_per_image(g, g->output), 1};
    if (g->class_axis > 0) return rows_along(&g->output->shape, g->class_axis);
    if (g->class_axis == 0) read_rows(&g->output->shape, &rows);
    return rows;
}

bool hawq_score_has_classes(const hawq_graph *g) {
    hawq_rows rows;
    if (g->class_axis > 0) return g->output->shape.dim[g->class_axis] > 1;
    return g->class_axis == 0 && read_rows(&g->output->shape, &rows);
}

/* The output's shape without the images and axis `axis`. */
static hawq_shape without(const hawq_shape *s, int axis) {
    hawq_shape rest = {0};
    for (int i = 1; i < s->rank; i++)
        if (i != axis) rest.dim[rest.rank++] = s->dim[i];
    return hawq_shape_squeeze(&rest, 0);
}

static bool leaves(const hawq_shape *s, int axis, const hawq_shape *labels) {
    hawq_shape rest = without(s, axis);
    return s->dim[axis] > 1 && hawq_shape_equal(&rest, labels);
}

/* Where several axes would do, that of rows of tokens (the last of three), or
 * of images (the second of more). */
static int axis_by_labels(const hawq_shape *s, const hawq_shape *y) {
    hawq_shape labels = hawq_shape_squeeze(y, 0);
    int        first = s->rank == 3 ? 2 : 1;
    if (leaves(s, first, &labels)) return first;
    for (int axis = s->rank; axis-- > 1;)
        if (leaves(s, axis, &labels)) return axis;
    return 0;
}

hawq_status hawq_score_set_axis(hawq_graph *g, int axis, const hawq_shape *y) {
    const hawq_shape *s = &g->output->shape;
    char              text[SHAPE_TEXT];
    if (axis == 0 && g->class_axis == HAWQ_NO_CLASSES) return HAWQ_OK;
    g->class_axis = 0;
    if (axis == 0 && (!y || s->rank < 3)) return HAWQ_OK;
    int found = axis == 0 ? axis_by_labels(s, y) : hawq_axis(axis, s->rank);
    if (found < 1 && axis != 0)
        return hawq_fail(HAWQ_EINVAL,
                         "--class-axis %d: the output has shape %s, and axis 0 "
                         "is the images'",
                         axis, shape_text(s, 1, text));
    if (found == s->rank - 1 && s->rank <= 3) found = 0; /* as without */
    g->class_axis = found > 0 ? found : 0;
    return HAWQ_OK;
}

/* --- whether all fits ---------------------------------------------------- */

static const char *output_text(const hawq_graph *g, char text[SHAPE_TEXT]) {
    return shape_text(&g->output->shape, 1, text);
}

hawq_status hawq_score_check_output(const hawq_graph *g, hawq_loss loss) {
    const hawq_shape *s = &g->output->shape;
    char              text[SHAPE_TEXT];
    if (s->rank < 1 || s->dim[0] != g->batch)
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "the output '%s' has shape %s for %d images; expected "
                         "the images along its first dimension",
                         g->output->name, hawq_shape_text(s, (char[128]){0}),
                         g->batch);
    if (loss == HAWQ_MSE || hawq_score_has_classes(g)) return HAWQ_OK;
    if (hawq_per_image(g, g->output) == 1)
        return hawq_fail(HAWQ_EINVAL,
                         "the output '%s' has shape %s, one number an image: "
                         "its %s is always 0; use --loss mse, with a y of "
                         "floating point",
                         g->output->name, output_text(g, text),
                         hawq_loss_name(loss));
    return hawq_fail(HAWQ_EUNSUPPORTED,
                     "the output '%s' has shape %s; %s expects N x classes, or "
                     "N x tokens x classes; say with --class-axis where the "
                     "classes are, or use --loss mse, with a y of floating "
                     "point and that shape",
                     g->output->name, output_text(g, text),
                     hawq_loss_name(loss));
}

static bool are_whole(const hawq_batch *b, size_t each) {
    for (size_t i = 0; i < b->n * each; i++)
        if (rint((double)b->targets[i]) != (double)b->targets[i]) return false;
    return true;
}

/* "N" or "N x 7": the labels of so many rows. */
static const char *labels_text(hawq_rows rows, char text[SHAPE_TEXT]) {
    hawq_shape s = {rows.rows > 1, {(int64_t)rows.rows}};
    return shape_text(&s, 0, text);
}

/* Cross-entropy of a y of floating point: what may have been meant? */
static hawq_status no_labels(const hawq_graph *g, const hawq_batch *b,
                             const hawq_shape *y) {
    hawq_rows rows = hawq_score_rows(g);
    size_t    each = (size_t)hawq_shape_count(y, 0, y->rank);
    char      found[SHAPE_TEXT], wanted[SHAPE_TEXT], output[SHAPE_TEXT];
    if (!b->targets)
        return hawq_fail(HAWQ_EINVAL,
                         "there are no labels (member y of a .npz file, "
                         "PREFIX-labels-idx1-ubyte of idx:PREFIX), which "
                         "--loss cross-entropy needs; --loss self-distillation "
                         "needs none");
    shape_text(y, 0, found);
    labels_text(rows, wanted);
    if (each == rows.rows * rows.classes)
        return hawq_fail(HAWQ_EINVAL,
                         "y holds targets (floating point, %s; one-hot?), not "
                         "labels (integers, %s): save y.argmax(-1), or use "
                         "--loss mse",
                         found, wanted);
    if (each == rows.rows && are_whole(b, each))
        return hawq_fail(HAWQ_EINVAL,
                         "y holds targets (floating point, %s), not labels: "
                         "save y.astype(numpy.int64)",
                         found);
    return hawq_fail(HAWQ_EINVAL,
                     "y holds targets (floating point, %s), and the output is "
                     "%s: --loss cross-entropy needs labels (integers, %s), "
                     "--loss mse targets of the output's shape",
                     found, output_text(g, output), wanted);
}

static hawq_status check_label_shape(const hawq_graph *g, hawq_loss loss,
                                     const hawq_shape *y) {
    hawq_rows  rows = hawq_score_rows(g);
    hawq_shape wide = hawq_shape_squeeze(y, 0);
    char       found[SHAPE_TEXT], wanted[SHAPE_TEXT], output[SHAPE_TEXT];
    size_t     each = (size_t)hawq_shape_count(y, 0, y->rank);
    hawq_shape rest = without(&g->output->shape, g->class_axis);
    bool       fits = g->class_axis > 0
                          ? hawq_shape_equal(&wide, &rest)
                          : wide.rank == (rows.rows > 1) && each == rows.rows;
    if (fits && hawq_score_has_classes(g)) return HAWQ_OK;
    shape_text(y, 0, found);
    output_text(g, output);
    if (!hawq_score_has_classes(g))
        return hawq_fail(HAWQ_EINVAL,
                         "y holds integers (%s), which are labels of classes, "
                         "and the output is %s: save y.astype(numpy.float32) "
                         "if they are targets",
                         found, output);
    const char *advice =
        each != rows.rows * rows.classes ? ""
        : loss == HAWQ_MSE ? "; save y.argmax(-1) if they are one-hot labels, "
                             "y.astype(numpy.float32) if they are targets"
                           : "; save y.argmax(-1) if they are one-hot";
    return hawq_fail(HAWQ_EINVAL,
                     "y has labels of shape %s, and the output is %s, %zu "
                     "row%s of %zu classes an image: y must hold one integer a "
                     "row, %s%s",
                     found, output, rows.rows, rows.rows > 1 ? "s" : "",
                     rows.classes, labels_text(rows, wanted), advice);
}

size_t hawq_score_count(const hawq_graph *g, const hawq_batch *b) {
    size_t rows = b->n * hawq_score_rows(g).rows, ignored = 0;
    for (size_t i = 0; b->labels && i < rows; i++)
        ignored += b->labels[i] == HAWQ_IGNORED;
    return rows - ignored;
}

static hawq_status check_labels(const hawq_graph *g, const hawq_batch *b,
                                size_t first) {
    hawq_rows rows = hawq_score_rows(g);
    long long most = (long long)rows.classes - 1;
    for (size_t i = 0; i < b->n * rows.rows; i++) {
        long long label = (long long)b->labels[i];
        size_t    image = first + i / rows.rows;
        if ((label >= 0 && label <= most) || label == HAWQ_IGNORED) continue;
        if (rows.rows == 1)
            return hawq_fail(HAWQ_EINVAL,
                             "label of image %zu is %lld, expected 0 to %lld: "
                             "the model has %zu outputs",
                             image, label, most, rows.classes);
        return hawq_fail(HAWQ_EINVAL,
                         "label of image %zu, row %zu is %lld, expected 0 to "
                         "%lld: a row has %zu classes",
                         image, i % rows.rows, label, most, rows.classes);
    }
    if (hawq_score_count(g, b) == 0)
        return hawq_fail(HAWQ_EINVAL, "all labels are %d, which is ignored",
                         HAWQ_IGNORED);
    return HAWQ_OK;
}

static hawq_status check_targets(const hawq_graph *g, const hawq_shape *y) {
    hawq_shape wanted = hawq_shape_squeeze(&g->output->shape, 1);
    hawq_shape found = hawq_shape_squeeze(y, 0);
    size_t     each = (size_t)hawq_shape_count(y, 0, y->rank);
    bool       flat = y->rank == 1 && each == hawq_per_image(g, g->output);
    char       a[SHAPE_TEXT], b[SHAPE_TEXT];
    if (flat || hawq_shape_equal(&wanted, &found)) return HAWQ_OK;
    return hawq_fail(HAWQ_EINVAL,
                     "y holds targets (floating point, %s), and the output is "
                     "%s: they must have the same shape; a y of floating point "
                     "holds targets, one of integers labels of classes",
                     shape_text(y, 0, a), output_text(g, b));
}

hawq_status hawq_score_check(const hawq_graph *g, hawq_loss loss,
                             const hawq_batch *b, const hawq_shape *y,
                             size_t first) {
    if (b->labels) {
        HAWQ_TRY(check_label_shape(g, loss, y));
        return check_labels(g, b, first);
    }
    if (loss == HAWQ_SELF_DISTILLATION) return HAWQ_OK;
    if (loss == HAWQ_CROSS_ENTROPY) return no_labels(g, b, y);
    if (b->targets) return check_targets(g, y);
    return hawq_fail(HAWQ_EINVAL,
                     "there are neither targets nor labels (member y of a .npz "
                     "file), one of which --loss mse needs; --loss "
                     "self-distillation needs none");
}

/* --- what outputs are worth ---------------------------------------------- */

hawq_batch hawq_score_part(const hawq_graph *g, const hawq_batch *b,
                           size_t first, size_t n) {
    hawq_rows  rows = hawq_score_rows(g);
    hawq_batch part = {.n = n};
    if (b->x) part.x = b->x + first * g->n_row;
    if (b->labels) part.labels = b->labels + first * rows.rows;
    if (b->targets)
        part.targets = b->targets + first * rows.rows * rows.classes;
    return part;
}

/* The class of row r. */
static size_t largest(hawq_rows s, const real *z, size_t r) {
    size_t best = 0, step = hawq_class_step(s);
    z += hawq_row_start(s, r);
    for (size_t i = 1; i < s.classes; i++)
        if (z[i * step] > z[best * step]) best = i;
    return best;
}

size_t hawq_score_correct(hawq_rows shape, const real *z,
                          const int64_t *label) {
    size_t correct = 0;
    for (size_t r = 0; r < shape.rows; r++)
        correct += label[r] >= 0 && (int64_t)largest(shape, z, r) == label[r];
    return correct;
}

double hawq_score_accuracy(const hawq_graph *g, const hawq_batch *b,
                           size_t n_correct) {
    if (!b->labels) return NAN;
    return (double)n_correct / (double)hawq_score_count(g, b);
}

double hawq_score_perplexity(const hawq_graph *g, hawq_loss loss,
                             double value) {
    bool rows = hawq_score_has_classes(g) && hawq_score_rows(g).rows > 1;
    return loss == HAWQ_CROSS_ENTROPY && rows ? exp(value) : NAN;
}

size_t hawq_score_agreeing(hawq_rows shape, const real *a, const real *b) {
    size_t agreeing = 0;
    for (size_t r = 0; r < shape.rows; r++)
        agreeing += largest(shape, a, r) == largest(shape, b, r);
    return agreeing;
}

hawq_score hawq_score_outputs(const hawq_graph *g, hawq_loss loss,
                              const hawq_batch *batch, const real *z,
                              const real *reference) {
    hawq_rows shape = hawq_score_rows(g);
    size_t    each = shape.rows * shape.classes, correct = 0, agreeing = 0;
    bool      known = batch->labels || batch->targets;
    double    sum = 0, squares = 0, n = (double)batch->n;
    for (size_t i = 0; i < batch->n; i++) {
        hawq_batch  one = hawq_score_part(g, batch, i, 1);
        const real *own = z + i * each, *other = reference + i * each;
        agreeing += hawq_score_agreeing(shape, own, other);
        for (size_t k = 0; k < each; k++)
            squares += pow((double)own[k] - (double)other[k], 2);
        if (known)
            sum += hawq_loss_value(loss, shape, own, one.labels, one.targets, 1,
                                   NULL);
        if (one.labels) correct += hawq_score_correct(shape, own, one.labels);
    }
    bool   classes = hawq_score_has_classes(g) && !batch->targets;
    double rows = n * (double)shape.rows;
    double counted = (double)hawq_score_count(g, batch);
    if (counted < rows) sum *= rows / counted;
    return (hawq_score){.loss = known ? sum / n : NAN,
                        .accuracy = hawq_score_accuracy(g, batch, correct),
                        .agreement = classes ? (double)agreeing /
                                                   (n * (double)shape.rows)
                                             : NAN,
                        .mse = squares / (n * (double)each)};
}
