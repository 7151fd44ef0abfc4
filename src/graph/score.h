/* score.h -- what outputs are worth: the one place that says how many rows an
 * image's output has and how many classes a row, whether that fits what the
 * data knows of the images, and that counts what is right.
 *
 *     N x C, N x C x 1 x 1, N x 1 x C   one row of C classes an image
 *     N x T x C                         T rows of C classes
 *     N x 1                             one number, no classes
 *     N x C x H x W and others          numbers, no rows, for mse only, unless
 *                                       graph->class_axis says where the
 * classes are: then H x W rows of C classes
 *
 * Dimensions of 1 say nothing, so they are passed over; in more than three
 * dimensions only one may be larger, for the classes would not be the last.
 * A label may be HAWQ_IGNORED: the row counts nowhere.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SCORE_H
#define HAWQ_SCORE_H
#include "src/graph/loss.h"

/* As above; where there are no rows of classes, one row of all numbers. */
hawq_rows hawq_score_rows(const hawq_graph *graph);

/* Whether the output has rows of two or more classes. */
bool hawq_score_has_classes(const hawq_graph *graph);

/* Sets graph->class_axis: to `axis`, counted in the output (from its end if
 * negative), or, if that is 0, to what labels of shape y (of one image) tell:
 * the axis without which the output has the labels' shape (of several the last
 * of N x T x C and the second of N x C x H x W), where its shape alone says
 * otherwise. y may be NULL. EINVAL for an axis that is not there. */
HAWQ_NODISCARD hawq_status hawq_score_set_axis(hawq_graph *graph, int axis,
                                               const hawq_shape *y);

/* Rows that count: all, but those that are ignored. */
size_t hawq_score_count(const hawq_graph *graph, const hawq_batch *batch);

/* Whether the loss can be taken of the network's output at all. EUNSUPPORTED
 * if its first dimension is not the images' or, for the losses of classes, if
 * it has no rows of classes; EINVAL for one number, whose softmax is always 1.
 */
HAWQ_NODISCARD hawq_status hawq_score_check_output(const hawq_graph *graph,
                                                   hawq_loss         loss);

/* Whether the loss can compare the output with the batch's labels or targets;
 * after hawq_score_check_output. y: the shape of one image's; first: the number
 * of image 0 in sentences. Labels must be one a row, each within the classes;
 * targets must have the output's shape, or lie flat. Self-distillation needs
 * neither, but labels that are there must fit. EINVAL says what was found,
 * what was expected and what to do. */
HAWQ_NODISCARD hawq_status hawq_score_check(const hawq_graph *graph,
                                            hawq_loss         loss,
                                            const hawq_batch *batch,
                                            const hawq_shape *y, size_t first);

/* Images [first, first + n) of a batch. */
hawq_batch hawq_score_part(const hawq_graph *graph, const hawq_batch *batch,
                           size_t first, size_t n);

/* Rows whose largest output is the label (the first of equals), which is not
 * ignored. */
size_t hawq_score_correct(hawq_rows shape, const real *z, const int64_t *label);

/* Rows of one image whose largest output is at the same place in a and in b. */
size_t hawq_score_agreeing(hawq_rows shape, const real *a, const real *b);

/* The share of the batch's rows that count that n_correct is; NaN without
 * labels. */
double hawq_score_accuracy(const hawq_graph *graph, const hawq_batch *batch,
                           size_t n_correct);

/* The perplexity that a loss stands for: e to a cross-entropy of rows; NaN for
 * other losses and where an image has but one row. */
double hawq_score_perplexity(const hawq_graph *graph, hawq_loss loss,
                             double value);

/* NaN: not known. */
typedef struct hawq_score {
    double loss;      /* mean over the rows that count; unknown without labels
                         and targets */
    double accuracy;  /* share of them whose largest output is the label */
    double agreement; /* share of the rows whose largest output is that of the
                         reference; unknown where the numbers are no classes */
    double mse;       /* mean squared difference from the reference */
} hawq_score;

/* Of the outputs z of all images of the batch (its x is not read), against its
 * labels or targets and against other outputs of the same images. */
hawq_score hawq_score_outputs(const hawq_graph *graph, hawq_loss loss,
                              const hawq_batch *batch, const real *z,
                              const real *reference);

#endif
