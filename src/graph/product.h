/* product.h -- a node that multiplies an activation with constant weights, and
 * how the output channels lie in them: what folding and the list of layers
 * share.
 *
 *     Conv           w (o, c/groups, kh, kw)      channels o
 *     ConvTranspose  w (c, o/groups, kh, kw)      channels o; with groups, c
 *     Gemm, MatMul   x w, w (..., k, m)           channels m, the last axis
 *                    w x, w (..., n, k)           channels: every row
 * Gemm's transposes exchange rows and columns.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_PRODUCT_H
#define HAWQ_PRODUCT_H
#include "src/graph/graph.h"

typedef struct hawq_product {
    hawq_node   *node;
    hawq_tensor *weight, *input;
    size_t       outer, channels, inner; /* of the weight, as in hawq_layer */
    int          axis;                   /* of the output, as in hawq_layer */
    bool         folds; /* a factor or summand for each channel of the output
                           can go into weight and bias (input 2) */
    int64_t macs;       /* per image of a batch of so many */
} hawq_product;

/* Is the node one? */
bool hawq_product_find(hawq_node *node, int batch, hawq_product *out);

/* The operand of such a node that is not the weight. */
static inline hawq_tensor *hawq_product_input(const hawq_node *node) {
    return node->in[0]->role == HAWQ_CONSTANT ? node->in[1] : node->in[0];
}
static inline hawq_tensor *hawq_product_weight(const hawq_node *node) {
    return node->in[0]->role == HAWQ_CONSTANT ? node->in[0] : node->in[1];
}

#endif
