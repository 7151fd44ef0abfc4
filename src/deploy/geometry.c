/* geometry.c -- windows of convolutions and pools, read off a node's
 * attributes and shapes, and what the integer forms ask of them.
 *
 * The shapes were worked out by the operator, so what remains is where the
 * first window starts: pads[i], or for auto_pad SAME the smaller (UPPER) or
 * larger (LOWER) half of the padding that the output's size implies.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/deploy/lower.h"

#include <string.h>

/* One of the two spatial axes. */
typedef struct axis {
    int in, out, kernel, stride, dilation, pad;
} axis;

static int64_t entry(const hawq_node *node, const char *name, size_t i,
                     int64_t missing) {
    const hawq_attr *a = hawq_attr_find(node, name);
    return a && i < a->n ? a->ints[i] : missing;
}

static hawq_status need_image(const hawq_node *node) {
    char text[128];
    int  rank = node->in[0]->shape.rank;
    if (rank == 3 || rank == 4) return HAWQ_OK;
    return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                          "input of shape %s; integer convolutions and pools "
                          "have N x C x H x W or N x C x W",
                          hawq_shape_text(&node->in[0]->shape, text));
}

static axis read_axis(const hawq_node *node, size_t i, int64_t kernel) {
    const char *mode = hawq_attr_string(node, "auto_pad", "NOTSET");
    axis        a = {.in = (int)node->in[0]->shape.dim[2 + i],
                     .out = (int)node->out[0]->shape.dim[2 + i],
                     .kernel = (int)kernel,
                     .stride = (int)entry(node, "strides", i, 1),
                     .dilation = (int)entry(node, "dilations", i, 1)};
    int         span = (a.kernel - 1) * a.dilation + 1;
    int         total = (a.out - 1) * a.stride + span - a.in;
    if (strcmp(mode, "SAME_UPPER") == 0)
        a.pad = total > 0 ? total / 2 : 0;
    else if (strcmp(mode, "SAME_LOWER") == 0)
        a.pad = total > 0 ? (total + 1) / 2 : 0;
    else if (strcmp(mode, "VALID") != 0)
        a.pad = (int)entry(node, "pads", i, 0);
    return a;
}

/* Height, which a signal of one dimension has 1 of, and width. `kernel`: the
 * windows' sizes along the axes there are. */
static void read_axes(const hawq_node *node, const int64_t *kernel, axis *y,
                      axis *x) {
    size_t last = (size_t)node->in[0]->shape.rank - 3;
    *y = (axis){1, 1, 1, 1, 1, 0};
    if (last) *y = read_axis(node, 0, kernel[0]);
    *x = read_axis(node, last, kernel[last]);
}

hawq_status hawq_lower_conv_shape(const hawq_node *node, hawq_conv *out) {
    HAWQ_TRY(need_image(node));
    const int64_t *w = node->in[1]->shape.dim;
    axis           y, x;
    read_axes(node, w + 2, &y, &x);
    *out = (hawq_conv){.h = y.in,
                       .w = x.in,
                       .c = (int)node->in[0]->shape.dim[1],
                       .oh = y.out,
                       .ow = x.out,
                       .oc = (int)w[0],
                       .kh = y.kernel,
                       .kw = x.kernel,
                       .stride_h = y.stride,
                       .stride_w = x.stride,
                       .dilation_h = y.dilation,
                       .dilation_w = x.dilation,
                       .pad_top = y.pad,
                       .pad_left = x.pad,
                       .groups = (int)hawq_attr_int(node, "group", 1)};
    return HAWQ_OK;
}

/* --- products ---------------------------------------------------------- */

hawq_status hawq_lower_check_product(const hawq_node *node, size_t n,
                                     size_t k) {
    const hawq_tensor *b = node->n_in > 2 ? node->in[2] : NULL;
    size_t out = (size_t)node->out[0]->shape.dim[node->out[0]->shape.rank - 1];
    if (hawq_attr_int(node, "transA", 0) ||
        hawq_attr_float(node, "alpha", 1) != 1 ||
        hawq_attr_float(node, "beta", 1) != 1)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "integer layers have alpha = beta = 1 and no "
                              "transA");
    if (n % k != 0)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "%zu inputs per image, expected a multiple of "
                              "%zu: images must not share a row",
                              n, k);
    if (b && (b->role != HAWQ_CONSTANT || (b->n != out && b->n != 1)))
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "integer layers have one constant bias per "
                              "output channel");
    return HAWQ_OK;
}

/* --- pools ------------------------------------------------------------- */

/* ReduceMean over axes 2 and 3 (attribute, or second input) is a global
 * average. */
static hawq_status need_spatial_mean(const hawq_node *node) {
    const hawq_attr *a = hawq_attr_find(node, "axes");
    const int64_t   *axes = a ? a->ints : NULL;
    size_t           n = a ? a->n : 0;
    unsigned         seen = 0;
    if (!a && node->n_in > 1 && node->in[1]) {
        axes = node->in[1]->ints;
        n = node->in[1]->n;
    }
    for (size_t i = 0; axes && i < n; i++)
        seen |= 1u << (axes[i] < 0 ? axes[i] + 4 : axes[i]);
    if (seen == (1u << 2 | 1u << 3)) return HAWQ_OK;
    return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                          "only the mean over axes 2 and 3 (height and width) "
                          "runs on integer kernels");
}

/* A window that reaches beyond the right padding (ceil_mode) would need a
 * divisor of its own where padding counts. */
static bool overhangs(const hawq_node *node, size_t i, axis a) {
    size_t  axes = (size_t)node->in[0]->shape.rank - 2;
    int64_t padded = a.in + a.pad + entry(node, "pads", i + axes, 0);
    return (a.out - 1) * a.stride + a.kernel > padded;
}

hawq_status hawq_lower_pool_shape(const hawq_node *node, hawq_pool *out) {
    HAWQ_TRY(need_image(node));
    const int64_t *in = node->in[0]->shape.dim;
    size_t         last = (size_t)node->in[0]->shape.rank - 3;
    int            h = last ? (int)in[2] : 1, w = (int)in[2 + last];
    bool           mean = hawq_is(node, "ReduceMean");
    if (mean) HAWQ_TRY(need_spatial_mean(node));
    *out = (hawq_pool){.h = h,
                       .w = w,
                       .c = (int)in[1],
                       .oh = 1,
                       .ow = 1,
                       .kh = h,
                       .kw = w,
                       .stride_h = 1,
                       .stride_w = 1};
    if (mean || strncmp(node->op->name, "Global", 6) == 0) return HAWQ_OK;
    const int64_t kernel[] = {entry(node, "kernel_shape", 0, 1),
                              entry(node, "kernel_shape", 1, 1)};
    axis          y, x;
    read_axes(node, kernel, &y, &x);
    if (y.dilation != 1 || x.dilation != 1)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "integer pools have no dilation");
    out->oh = y.out, out->kh = y.kernel, out->stride_h = y.stride;
    out->ow = x.out, out->kw = x.kernel, out->stride_w = x.stride;
    out->pad_top = y.pad, out->pad_left = x.pad;
    out->count_pad = hawq_is(node, "AveragePool") &&
                     hawq_attr_int(node, "count_include_pad", 0) != 0;
    if (out->count_pad &&
        ((last && overhangs(node, 0, y)) || overhangs(node, last, x)))
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "integer average pools that count their padding "
                              "have no windows beyond it (ceil_mode)");
    return HAWQ_OK;
}
