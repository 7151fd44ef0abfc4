/* conv_transpose.c -- ConvTranspose, 1-D and 2-D: the adjoint, by data, of the
 * convolution that has the same weights. With x (n, c, h, w), weights (c,
 * o/groups, kh, kw), y (n, o, oh, ow):
 *     oh = stride (h - 1) + output_padding + (kh - 1) dilation + 1 - pads
 * or output_shape (or auto_pad SAME_*: stride h), from which the padding
 * follows. In terms of that convolution, which maps y to x,
 *     forward  y   = b + w^T * x      by x  bx += w * by
 *                                     by w  bw += x * by
 * Bilinear in x and w, so each derivative is the product rule.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/convolve.h"
#include "src/ops/ops.h"

#include <string.h>

enum { X, W, B };

/* One spatial axis. */
typedef struct axis {
    int64_t in, out, kernel, stride, dilation, pad;
} axis;

static int64_t element(const hawq_node *node, const char *attr, int i,
                       int64_t absent) {
    const hawq_attr *a = hawq_attr_find(node, attr);
    return a && a->type == HAWQ_ATTR_INTS && (size_t)i < a->n ? a->ints[i]
                                                              : absent;
}

static hawq_status read_axis(const hawq_node *node, int i, int rank,
                             axis *out) {
    const char *pad = hawq_attr_string(node, "auto_pad", "NOTSET");
    bool        same = strncmp(pad, "SAME", 4) == 0;
    axis        a = {.in = node->in[X]->shape.dim[2 + i],
                     .kernel = node->in[W]->shape.dim[2 + i],
                     .stride = element(node, "strides", i, 1),
                     .dilation = element(node, "dilations", i, 1)};
    if (a.in < 1 || a.kernel < 1 || a.stride < 1 || a.dilation < 1 ||
        a.stride > INT32_MAX || a.dilation > INT32_MAX ||
        a.kernel != element(node, "kernel_shape", i, a.kernel))
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "spatial axis %d: length %lld, kernel %lld, "
                              "stride %lld, dilation %lld do not fit",
                              i, (long long)a.in, (long long)a.kernel,
                              (long long)a.stride, (long long)a.dilation);
    int64_t extra = element(node, "output_padding", i, 0);
    int64_t full = a.stride * (a.in - 1) + (a.kernel - 1) * a.dilation + 1;
    int64_t begin = element(node, "pads", i, 0);
    int64_t end = element(node, "pads", rank + i, 0);
    if (extra > INT32_MAX || begin > INT32_MAX || end > INT32_MAX ||
        end < -INT32_MAX)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "spatial axis %d: padding beyond 2^31", i);
    int64_t wanted =
        element(node, "output_shape", i, same ? a.stride * a.in : -1);
    if (wanted >= 0) {
        int64_t pads = full + extra - wanted;
        if (pads < 0) pads = 0; /* what is beyond gets no contribution */
        begin = strcmp(pad, "SAME_UPPER") == 0 ? pads / 2 : pads - pads / 2;
        a.out = wanted;
    } else {
        a.out = full + extra - begin - end;
    }
    if (begin < 0 || extra < 0 || a.out < 1)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "spatial axis %d: padding %lld and %lld, output "
                              "padding %lld give length %lld",
                              i, (long long)begin, (long long)end,
                              (long long)extra, (long long)a.out);
    a.pad = begin;
    *out = a;
    return HAWQ_OK;
}

static hawq_status check(const hawq_node *node, int64_t group) {
    const hawq_shape  *x = &node->in[X]->shape, *w = &node->in[W]->shape;
    const hawq_tensor *b = hawq_in(node, B);
    char               tx[128], tw[128];
    if (x->rank < 3 || x->rank > 4)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "input has shape %s; supported are N,C,W and "
                              "N,C,H,W",
                              hawq_shape_text(x, tx));
    if (w->rank != x->rank || group < 1 || group > INT32_MAX ||
        w->dim[0] != x->dim[1] || w->dim[0] % group || w->dim[0] < 1 ||
        w->dim[1] < 1)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "weight %s does not fit input %s with %lld "
                              "groups",
                              hawq_shape_text(w, tw), hawq_shape_text(x, tx),
                              (long long)group);
    if (b && b->n != (size_t)(w->dim[1] * group))
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "bias has %zu elements, expected %lld", b->n,
                              (long long)(w->dim[1] * group));
    return HAWQ_OK;
}

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    axis a[2] = {{1, 1, 1, 1, 1, 0}, {1, 1, 1, 1, 1, 0}};
    for (int i = X; i <= B; i++)
        if (hawq_in(node, i)) HAWQ_TRY(hawq_need_float(node, i));
    int64_t group = hawq_attr_int(node, "group", 1);
    HAWQ_TRY(check(node, group));
    const hawq_shape *x = &node->in[X]->shape, *w = &node->in[W]->shape;
    int               rank = x->rank - 2;
    hawq_shape        out = {x->rank, {x->dim[0], w->dim[1] * group}};
    for (int i = 0; i < rank; i++) { /* a 1-D image has one row */
        axis *at = &a[2 - rank + i];
        HAWQ_TRY(read_axis(node, i, rank, at));
        out.dim[2 + i] = at->out;
    }
    HAWQ_TRY(hawq_set_out(node, 0, HAWQ_FLOAT, &out));
    hawq_conv_shape *s; /* of the convolution that maps y to x */
    HAWQ_TAKE(s, arena, 1);
    *s = (hawq_conv_shape){.c = (size_t)out.dim[1],
                           .h = (size_t)a[0].out,
                           .w = (size_t)a[1].out,
                           .o = (size_t)x->dim[1],
                           .oh = (size_t)a[0].in,
                           .ow = (size_t)a[1].in,
                           .kh = (size_t)a[0].kernel,
                           .kw = (size_t)a[1].kernel,
                           .stride_h = (size_t)a[0].stride,
                           .stride_w = (size_t)a[1].stride,
                           .dilation_h = (size_t)a[0].dilation,
                           .dilation_w = (size_t)a[1].dilation,
                           .pad_top = (size_t)a[0].pad,
                           .pad_left = (size_t)a[1].pad,
                           .groups = (size_t)group};
    node->param = s;
    node->scratch = hawq_conv_scratch(s, (size_t)x->dim[0]);
    return HAWQ_OK;
}

static size_t images(const hawq_node *node) {
    return (size_t)node->in[X]->shape.dim[0];
}

/* y = b, broadcast over images and pixels; zero without a bias. */
static void set_bias(const hawq_node *node, const real *b, real *y) {
    const hawq_conv_shape *s = node->param;
    size_t                 pixels = s->h * s->w;
    for (size_t i = 0; y && i < images(node) * s->c; i++)
        for (size_t p = 0; p < pixels; p++)
            y[i * pixels + p] = b ? b[i % s->c] : 0;
}

static void bias_adjoint(const hawq_node *node, const real *by, real *bb) {
    const hawq_conv_shape *s = node->param;
    size_t                 pixels = s->h * s->w;
    for (size_t i = 0; by && bb && i < images(node) * s->c; i++) {
        double sum = 0;
        for (size_t p = 0; p < pixels; p++) sum += (double)by[i * pixels + p];
        bb[i % s->c] += (real)sum;
    }
}

/* y += w^T * x */
static void add_product(const hawq_node *node, const hawq_planes *p,
                        const real *w, const real *x, real *y) {
    if (w && x && y)
        hawq_conv_by_data(node->param, images(node), 1, &w, &x, &y, p->scratch);
}

/* bx += w * by and bw += x * by, for what is there and what is wanted */
static void add_adjoint(const hawq_node *node, const hawq_planes *p,
                        const real *w, const real *x, const real *by, real *bw,
                        real *bx) {
    if (!by) return;
    if (w && bx)
        hawq_conv_forward(node->param, images(node), 1, &w, &by, &bx,
                          p->scratch);
    if (x && bw)
        hawq_conv_by_weights(node->param, images(node), 1, &x, by, &bw,
                             p->scratch);
}

static void forward(const hawq_node *node, const hawq_planes *p) {
    real *y = hawq_val(p, node->out[0]);
    set_bias(node, hawq_val(p, hawq_in(node, B)), y);
    add_product(node, p, hawq_val(p, node->in[W]), hawq_val(p, node->in[X]), y);
}

static void tangent(const hawq_node *node, const hawq_planes *p) {
    const hawq_tensor *x = node->in[X], *w = node->in[W];
    for (int l = 0; l < p->lanes; l++) {
        real *dy = hawq_dot(p, l, node->out[0]);
        set_bias(node, hawq_dot(p, l, hawq_in(node, B)), dy);
        add_product(node, p, hawq_val(p, w), hawq_dot(p, l, x), dy);
        add_product(node, p, hawq_dot(p, l, w), hawq_val(p, x), dy);
    }
}

static void adjoint(const hawq_node *node, const hawq_planes *p) {
    const hawq_tensor *x = node->in[X], *w = node->in[W];
    const real        *by = hawq_bar(p, node->out[0]);
    bias_adjoint(node, by, hawq_bar(p, hawq_in(node, B)));
    add_adjoint(node, p, hawq_val(p, w), hawq_val(p, x), by, hawq_bar(p, w),
                hawq_bar(p, x));
}

static void adjoint_tangent(const hawq_node *node, const hawq_planes *p) {
    const hawq_tensor *x = node->in[X], *w = node->in[W];
    const real        *by = hawq_bar(p, node->out[0]);
    for (int l = 0; l < p->lanes; l++) {
        const real *bdy = hawq_bardot(p, l, node->out[0]);
        real       *bdw = hawq_bardot(p, l, w), *bdx = hawq_bardot(p, l, x);
        bias_adjoint(node, bdy, hawq_bardot(p, l, hawq_in(node, B)));
        add_adjoint(node, p, hawq_val(p, w), hawq_val(p, x), bdy, bdw, bdx);
        add_adjoint(node, p, hawq_dot(p, l, w), hawq_dot(p, l, x), by, bdw,
                    bdx);
    }
}

const hawq_op hawq_op_conv_transpose = {
    .name = "ConvTranspose",
    .attributes = "auto_pad dilations group kernel_shape output_padding "
                  "output_shape pads strides",
    .min_in = 2,
    .max_in = 3,
    .shape = shape,
    .forward = forward,
    .tangent = tangent,
    .adjoint = adjoint,
    .adjoint_tangent = adjoint_tangent,
};
