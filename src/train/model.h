/* model.h -- small residual networks to be trained from scratch.
 *
 * He, Zhang, Ren, Sun (2016), figure 2, in Conv, Relu and Add only: the
 * executor never uses batch statistics, so what normalisation does at the
 * start of training is left to the initial weights: L branches whose variance
 * is scaled by 1 / L keep the sum's within a factor (1 + 1/L)^L < e, whatever
 * the depth (Hanin and Rolnick 2018; Zhang, Dauphin, Ma 2019, "Fixup"; De and
 * Smith 2020). Training such a network needs gradient clipping: see sgd.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_MODEL_H
#define HAWQ_MODEL_H
#include "src/graph/graph.h"

enum { HAWQ_MODEL_MAX_STAGES = 8 };

/* Stages of `blocks` residual blocks (two 3x3 convolutions each) of the given
 * widths; each stage but the first halves height and width. */
typedef struct hawq_model {
    int n_stages;
    int width[HAWQ_MODEL_MAX_STAGES]; /* channels, 1 to 4096 */
    int blocks;                       /* per stage, 1 to 64 */
} hawq_model;

/* Reads "resnet:16,32,64" or "resnet:16,32,64:2" (two blocks per width).
 * EINVAL with the form expected. */
HAWQ_NODISCARD hawq_status hawq_model_parse(const char *text, hawq_model *out);

/* A new graph for `batch` images of shape image[0] x image[1] x image[2]
 * (channels, height, width) with `classes` outputs. Layers are conv1,
 * layer1.0.conv1, layer1.0.conv2, layer2.0.shortcut, ..., fc; their constants
 * are named <layer>.weight and <layer>.bias. The same seed gives the same
 * weights for any batch. find_op as in hawq_graph_new; the caller frees. */
HAWQ_NODISCARD hawq_status hawq_model_build(
    const hawq_model *model, uint64_t seed, int batch, const int64_t image[3],
    int64_t      classes, const hawq_op *(*find_op)(const char *op_type),
    hawq_graph **out);

#endif
