/* batch_norm.c -- y = gamma (x - mean) / sqrt(var + epsilon) + beta per
 * channel, in evaluation mode: the statistics are constants. Most are folded
 * into the preceding product at load; this serves the rest. Affine in x, and
 * differentiated with respect to x only.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/ops.h"

#include <math.h>

enum { X, GAMMA, BETA, MEAN, VAR };

typedef struct batch_norm {
    size_t n, channels, inner;
    double epsilon;
} batch_norm;

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    const hawq_shape *x = &node->in[X]->shape;
    HAWQ_TRY(hawq_need_float(node, X));
    if (hawq_attr_int(node, "training_mode", 0) ||
        !hawq_attr_int(node, "spatial", 1))
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "only evaluation mode per channel is supported: "
                              "export the model after model.eval()");
    if (x->rank < 2)
        return hawq_node_fail(node, HAWQ_EFORMAT, "input has no channel axis");
    for (int i = GAMMA; i <= VAR; i++)
        if (node->in[i]->role != HAWQ_CONSTANT || !node->in[i]->data ||
            node->in[i]->n != (size_t)x->dim[1])
            return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                                  "input %d must be a constant of %lld values",
                                  i, (long long)x->dim[1]);
    batch_norm *b;
    HAWQ_TAKE(b, arena, 1);
    *b = (batch_norm){.n = (size_t)x->dim[0],
                      .channels = (size_t)x->dim[1],
                      .inner = (size_t)hawq_shape_count(x, 2, x->rank),
                      .epsilon = hawq_attr_float(node, "epsilon", 1e-5)};
    node->param = b;
    return hawq_set_out(node, 0, HAWQ_FLOAT, x);
}

static double factor(const hawq_node *node, size_t c) {
    const batch_norm *b = node->param;
    return node->in[GAMMA]->data[c] / sqrt(node->in[VAR]->data[c] + b->epsilon);
}

/* y = x * factor + shift, or y += */
static void scale(const hawq_node *node, const real *x, bool shift, bool add,
                  real *y) {
    const batch_norm *b = node->param;
    for (size_t i = 0; x && y && i < b->n * b->channels; i++) {
        size_t c = i % b->channels;
        real   f = (real)factor(node, c);
        real   t = (real)(node->in[BETA]->data[c] -
                        node->in[MEAN]->data[c] * factor(node, c));
        for (size_t k = i * b->inner; k < (i + 1) * b->inner; k++)
            /* y = f x + t. Tangents and adjoints have no t; adjoints add. */
            y[k] = (add ? y[k] : shift ? t : 0) + f * x[k];
    }
}

static void forward(const hawq_node *node, const hawq_planes *p) {
    scale(node, hawq_val(p, node->in[X]), true, false,
          hawq_val(p, node->out[0]));
}

static void tangent(const hawq_node *node, const hawq_planes *p) {
    for (int l = 0; l < p->lanes; l++)
        scale(node, hawq_dot(p, l, node->in[X]), false, false,
              hawq_dot(p, l, node->out[0]));
}

static void adjoint(const hawq_node *node, const hawq_planes *p) {
    scale(node, hawq_bar(p, node->out[0]), false, true,
          hawq_bar(p, node->in[X]));
}

static void adjoint_tangent(const hawq_node *node, const hawq_planes *p) {
    for (int l = 0; l < p->lanes; l++)
        scale(node, hawq_bardot(p, l, node->out[0]), false, true,
              hawq_bardot(p, l, node->in[X]));
}

const hawq_op hawq_op_batch_norm = {
    .name = "BatchNormalization",
    .attributes = "epsilon momentum spatial training_mode",
    .min_in = 5,
    .max_in = 5,
    .shape = shape,
    .forward = forward,
    .tangent = tangent,
    .adjoint = adjoint,
    .adjoint_tangent = adjoint_tangent,
};
