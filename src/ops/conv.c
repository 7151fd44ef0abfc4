/* conv.c -- y = w * x + b (ONNX Conv: cross-correlation), 1-D and 2-D, grouped,
 * depthwise, dilated, any padding. Bilinear in x and w, so each derivative is
 * the product rule, one line per term. The bias enters linearly.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/convolve.h"
#include "src/ops/ops.h"
#include "src/ops/window.h"

#include <string.h>

enum { X, W, B, MAX_LANES = 64 };

static hawq_status check_weight(const hawq_node *node, int64_t group) {
    const hawq_shape  *x = &node->in[X]->shape, *w = &node->in[W]->shape;
    const hawq_tensor *b = hawq_in(node, B);
    char               tx[128], tw[128];
    if (x->rank < 3 || x->rank > 4)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "input has shape %s; supported are N,C,W and "
                              "N,C,H,W",
                              hawq_shape_text(x, tx));
    if (w->rank != x->rank || group < 1 || w->dim[0] < 1 ||
        w->dim[1] * group != x->dim[1] || w->dim[0] % group)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "weight %s does not fit input %s with %lld "
                              "groups",
                              hawq_shape_text(w, tw), hawq_shape_text(x, tx),
                              (long long)group);
    if (b && b->n != (size_t)w->dim[0])
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "bias has %zu elements, expected %lld", b->n,
                              (long long)w->dim[0]);
    return HAWQ_OK;
}

static hawq_conv_shape conv_shape(const hawq_node *node, const hawq_window *win,
                                  int64_t group) {
    int h = win->rank - 2, w = win->rank - 1; /* a 1-D image has one row */
    hawq_conv_shape s = {
        .c = (size_t)node->in[X]->shape.dim[1],
        .o = (size_t)node->in[W]->shape.dim[0],
        .h = h < 0 ? 1 : (size_t)win->in[h],
        .oh = h < 0 ? 1 : (size_t)win->out[h],
        .kh = h < 0 ? 1 : (size_t)win->kernel[h],
        .stride_h = h < 0 ? 1 : (size_t)win->stride[h],
        .dilation_h = h < 0 ? 1 : (size_t)win->dilation[h],
        .pad_top = h < 0 ? 0 : (size_t)win->pad_begin[h],
        .w = (size_t)win->in[w],
        .ow = (size_t)win->out[w],
        .kw = (size_t)win->kernel[w],
        .stride_w = (size_t)win->stride[w],
        .dilation_w = (size_t)win->dilation[w],
        .pad_left = (size_t)win->pad_begin[w],
        .groups = (size_t)group,
    };
    return s;
}

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    for (int i = X; i <= B; i++)
        if (hawq_in(node, i)) HAWQ_TRY(hawq_need_float(node, i));
    int64_t group = hawq_attr_int(node, "group", 1);
    HAWQ_TRY(check_weight(node, group));
    const hawq_shape *x = &node->in[X]->shape, *w = &node->in[W]->shape;
    hawq_window       win;
    HAWQ_TRY(hawq_window_read(node, x->rank - 2, x->dim + 2, w->dim + 2, &win));
    hawq_shape out = {x->rank, {x->dim[0], w->dim[0]}};
    for (int i = 0; i < win.rank; i++) out.dim[2 + i] = win.out[i];
    HAWQ_TRY(hawq_set_out(node, 0, HAWQ_FLOAT, &out));
    hawq_conv_shape *s;
    HAWQ_TAKE(s, arena, 1);
    *s = conv_shape(node, &win, group);
    node->param = s;
    node->scratch = hawq_conv_scratch(s, (size_t)x->dim[0]);
    return HAWQ_OK;
}

/* y = b, broadcast over images and pixels; zero without a bias. */
static void set_bias(const hawq_conv_shape *s, size_t n, const real *b,
                     real *y) {
    size_t pixels = s->oh * s->ow;
    if (!y) return;
    if (!b) {
        memset(y, 0, n * s->o * pixels * sizeof *y);
        return;
    }
    for (size_t i = 0; i < n * s->o; i++)
        for (size_t p = 0; p < pixels; p++) y[i * pixels + p] = b[i % s->o];
}

/* bb += sum of by over images and pixels */
static void bias_adjoint(const hawq_conv_shape *s, size_t n, const real *by,
                         real *bb) {
    size_t pixels = s->oh * s->ow;
    if (!bb || !by) return;
    for (size_t i = 0; i < n * s->o; i++) {
        double sum = 0;
        for (size_t p = 0; p < pixels; p++) sum += by[i * pixels + p];
        bb[i % s->o] += (real)sum;
    }
}

static size_t images(const hawq_node *node) {
    return (size_t)node->in[X]->shape.dim[0];
}

static void forward(const hawq_node *node, const hawq_planes *p) {
    hawq_conv_shape s = *(const hawq_conv_shape *)node->param;
    const real     *w = hawq_val(p, node->in[W]);
    const real     *x = hawq_val(p, node->in[X]);
    real           *y = hawq_val(p, node->out[0]);
    if (p->exact) s.without |= HAWQ_CONV_WINOGRAD;
    set_bias(&s, images(node), hawq_val(p, hawq_in(node, B)), y);
    hawq_conv_forward(&s, images(node), 1, &w, &x, &y, p->scratch);
}

/* Products of many lanes, to be computed together. */
typedef struct pairs {
    const real *w[MAX_LANES], *from[MAX_LANES];
    real       *to[MAX_LANES];
    int         n;
} pairs;

static void add_pair(pairs *p, const real *w, const real *from, real *to) {
    if (!w || !from || !to) return;
    p->w[p->n] = w;
    p->from[p->n] = from;
    p->to[p->n++] = to;
}

static void tangent_block(const hawq_node *node, const hawq_planes *p,
                          int first, int n) {
    const hawq_conv_shape *s = node->param;
    const real *w = hawq_val(p, node->in[W]), *x = hawq_val(p, node->in[X]);
    pairs       of_x = {.n = 0}, of_w = {.n = 0};
    for (int l = first; l < first + n; l++) {
        real *y = hawq_dot(p, l, node->out[0]);
        set_bias(s, images(node), hawq_dot(p, l, hawq_in(node, B)), y);
        add_pair(&of_x, w, hawq_dot(p, l, node->in[X]), y);
        add_pair(&of_w, hawq_dot(p, l, node->in[W]), x, y);
    }
    /* dy = w * dx + dw * x */
    hawq_conv_forward(s, images(node), of_x.n, of_x.w, of_x.from, of_x.to,
                      p->scratch);
    hawq_conv_forward(s, images(node), of_w.n, of_w.w, of_w.from, of_w.to,
                      p->scratch);
}

static void tangent(const hawq_node *node, const hawq_planes *p) {
    for (int first = 0; first < p->lanes; first += MAX_LANES)
        tangent_block(node, p, first,
                      p->lanes - first < MAX_LANES ? p->lanes - first
                                                   : MAX_LANES);
}

/* bx += w^T * by and bw += by * x, for what is there and what is wanted */
static void add_adjoint(const hawq_node *node, const hawq_planes *p,
                        const real *w, const real *x, const real *by, real *bw,
                        real *bx) {
    const hawq_conv_shape *s = node->param;
    if (!by) return;
    if (w && bx)
        hawq_conv_by_data(s, images(node), 1, &w, &by, &bx, p->scratch);
    if (x && bw)
        hawq_conv_by_weights(s, images(node), 1, &by, x, &bw, p->scratch);
}

static void adjoint(const hawq_node *node, const hawq_planes *p) {
    const real *by = hawq_bar(p, node->out[0]);
    bias_adjoint(node->param, images(node), by, hawq_bar(p, hawq_in(node, B)));
    add_adjoint(node, p, hawq_val(p, node->in[W]), hawq_val(p, node->in[X]), by,
                hawq_bar(p, node->in[W]), hawq_bar(p, node->in[X]));
}

static void adjoint_tangent_block(const hawq_node *node, const hawq_planes *p,
                                  int first, int n) {
    const hawq_conv_shape *s = node->param;
    const real *w = hawq_val(p, node->in[W]), *by = hawq_bar(p, node->out[0]);
    const real *bdy[MAX_LANES];
    real       *bdw[MAX_LANES];
    pairs       of_y = {.n = 0}, of_w = {.n = 0};
    int         both = 0; /* lanes with bdy * x to add to bdw */
    for (int l = first; l < first + n; l++) {
        const real *d = bdy[both] = hawq_bardot(p, l, node->out[0]);
        real       *bdx = hawq_bardot(p, l, node->in[X]);
        bdw[both] = hawq_bardot(p, l, node->in[W]);
        bias_adjoint(s, images(node), d, hawq_bardot(p, l, hawq_in(node, B)));
        add_pair(&of_y, w, d, bdx);
        add_pair(&of_w, hawq_dot(p, l, node->in[W]), by, bdx);
        add_adjoint(node, p, NULL, hawq_dot(p, l, node->in[X]), by, bdw[both],
                    NULL);
        both += bdy[both] && bdw[both];
    }
    /* bdx += w^T * bdy + dw^T * by */
    hawq_conv_by_data(s, images(node), of_y.n, of_y.w, of_y.from, of_y.to,
                      p->scratch);
    hawq_conv_by_data(s, images(node), of_w.n, of_w.w, of_w.from, of_w.to,
                      p->scratch);
    /* bdw += by * dx, above, and bdy * x */
    if (both)
        hawq_conv_by_weights(s, images(node), both, bdy,
                             hawq_val(p, node->in[X]), bdw, p->scratch);
}

static void adjoint_tangent(const hawq_node *node, const hawq_planes *p) {
    for (int first = 0; first < p->lanes; first += MAX_LANES)
        adjoint_tangent_block(node, p, first,
                              p->lanes - first < MAX_LANES ? p->lanes - first
                                                           : MAX_LANES);
}

const hawq_op hawq_op_conv = {
    .name = "Conv",
    .attributes = "auto_pad dilations group kernel_shape pads strides",
    .min_in = 2,
    .max_in = 3,
    .shape = shape,
    .forward = forward,
    .tangent = tangent,
    .adjoint = adjoint,
    .adjoint_tangent = adjoint_tangent,
};
