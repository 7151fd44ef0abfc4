/* lrn.c -- LRN, the normalization across channels of AlexNet (Krizhevsky 2012):
 * with W(c) the channels around c that there are, `size` of them but at the
 * ends, and k = alpha / size,
 *     s_c  = bias + k <x^2>_W(c),      <.> the sum                       (1)
 *     y_c  = x_c s_c^-b
 * With u = s^-b, v = s^-(b+1), ds = 2 k <x dx>_W, dv = -(b+1) v ds / s:
 *     dy   = u dx - b x v ds                                             (2)
 * and with g = by x v, W' the channels whose windows hold c:
 *     bx  += u by - 2 k b x <g>_W'                                       (3)
 *     dg   = bdy x v + by (dx v + x dv)
 *     bdx += u bdy - b v ds by - 2 k b (dx <g>_W' + x <dg>_W')           (4)
 * A column of channels is worked on at a time, in double.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/ops.h"

#include <math.h>

typedef struct lrn {
    size_t n, c, inner; /* images, channels, elements between channels */
    size_t before, after;
    double bias, k, b;
} lrn;

/* Of a column: scratch of so many times c doubles. */
enum { COLUMN_S, COLUMN_DS, COLUMN_G, COLUMN_DG, COLUMNS };

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    lrn *m;
    HAWQ_TRY(hawq_need_float(node, 0));
    const hawq_shape *s = &node->in[0]->shape;
    int64_t           size = hawq_attr_int(node, "size", 0);
    if (s->rank < 2 || size < 1)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "size is %lld for an input of rank %d, expected "
                              "at least 1 and a rank of at least 2",
                              (long long)size, s->rank);
    HAWQ_TAKE(m, arena, 1);
    *m = (lrn){.n = (size_t)s->dim[0],
               .c = (size_t)s->dim[1],
               .inner = (size_t)hawq_shape_count(s, 2, s->rank),
               .before = (size_t)(size - 1) / 2,
               .after = (size_t)size / 2,
               .bias = hawq_attr_float(node, "bias", 1),
               .k = hawq_attr_float(node, "alpha", 1e-4) / (double)size,
               .b = hawq_attr_float(node, "beta", 0.75)};
    if (m->bias <= 0 || m->k < 0)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "bias is %g and alpha %g, expected a positive "
                              "bias and no negative alpha",
                              m->bias, m->k * (double)size);
    node->param = m;
    node->scratch = COLUMNS * m->c * (sizeof(double) / sizeof(real)) + 1;
    return hawq_set_out(node, 0, HAWQ_FLOAT, s);
}

static double *column(const lrn *m, const hawq_planes *p, int k) {
    uintptr_t at = (uintptr_t)p->scratch;
    return (double *)((at + 7) & ~(uintptr_t)7) + (size_t)k * m->c;
}

/* Where element 0 of column i is. */
static size_t column_start(const lrn *m, size_t i) {
    return i / m->inner * m->c * m->inner + i % m->inner;
}

/* sum[c] = the sum of value[j] over c - before <= j <= c + after */
static void add_windows(const lrn *m, size_t before, size_t after,
                        const double *value, double *sum) {
    for (size_t c = 0; c < m->c; c++) {
        size_t from = c > before ? c - before : 0;
        size_t to = after < m->c - c ? c + after + 1 : m->c;
        sum[c] = 0;
        for (size_t j = from; j < to; j++) sum[c] += value[j];
    }
}

/* s of (1) of the column at x. */
static void find_s(const lrn *m, const hawq_planes *p, const real *x) {
    double *s = column(m, p, COLUMN_S), *square = column(m, p, COLUMN_G);
    for (size_t c = 0; c < m->c; c++) {
        double v = (double)x[c * m->inner];
        square[c] = v * v;
    }
    add_windows(m, m->before, m->after, square, s);
    for (size_t c = 0; c < m->c; c++) s[c] = m->bias + m->k * s[c];
}

/* ds of the column, 0 if dx is NULL. */
static void find_ds(const lrn *m, const hawq_planes *p, const real *x,
                    const real *dx) {
    double *ds = column(m, p, COLUMN_DS), *both = column(m, p, COLUMN_G);
    for (size_t c = 0; c < m->c; c++)
        both[c] =
            dx ? 2 * m->k * (double)x[c * m->inner] * (double)dx[c * m->inner]
               : 0;
    add_windows(m, m->before, m->after, both, ds);
}

static void forward(const hawq_node *node, const hawq_planes *p) {
    const lrn    *m = node->param;
    const real   *x = hawq_val(p, node->in[0]);
    real         *y = hawq_val(p, node->out[0]);
    const double *s = column(m, p, COLUMN_S);
    for (size_t i = 0; i < m->n * m->inner; i++) {
        size_t at = column_start(m, i);
        find_s(m, p, x + at);
        for (size_t c = 0; c < m->c; c++) {
            size_t e = at + c * m->inner;
            y[e] = (real)((double)x[e] * pow(s[c], -m->b));
        }
    }
}

static void tangent_column(const lrn *m, const hawq_planes *p, const real *x,
                           const real *dx, real *dy) {
    const double *s = column(m, p, COLUMN_S), *ds = column(m, p, COLUMN_DS);
    find_ds(m, p, x, dx);
    for (size_t c = 0; c < m->c; c++) { /* (2) */
        size_t e = c * m->inner;
        double u = pow(s[c], -m->b);
        dy[e] =
            (real)(u * ((double)dx[e] - m->b * (double)x[e] * ds[c] / s[c]));
    }
}

static void tangent(const hawq_node *node, const hawq_planes *p) {
    const lrn  *m = node->param;
    const real *x = hawq_val(p, node->in[0]);
    for (size_t i = 0; i < m->n * m->inner; i++) {
        size_t at = column_start(m, i);
        find_s(m, p, x + at);
        for (int l = 0; l < p->lanes; l++) {
            const real *dx = hawq_dot(p, l, node->in[0]);
            real       *dy = hawq_dot(p, l, node->out[0]);
            if (dx && dy) tangent_column(m, p, x + at, dx + at, dy + at);
        }
    }
}

/* (3), for any by. */
static void adjoint_column(const lrn *m, const hawq_planes *p, const real *x,
                           const real *by, real *bx) {
    const double *s = column(m, p, COLUMN_S);
    double       *g = column(m, p, COLUMN_G), *sum = column(m, p, COLUMN_DG);
    for (size_t c = 0; c < m->c; c++) {
        size_t e = c * m->inner;
        g[c] = (double)by[e] * (double)x[e] * pow(s[c], -m->b - 1);
    }
    add_windows(m, m->after, m->before, g, sum);
    for (size_t c = 0; c < m->c; c++) {
        size_t e = c * m->inner;
        bx[e] += (real)(pow(s[c], -m->b) * (double)by[e] -
                        2 * m->k * m->b * (double)x[e] * sum[c]);
    }
}

static void adjoint(const hawq_node *node, const hawq_planes *p) {
    const lrn  *m = node->param;
    const real *x = hawq_val(p, node->in[0]), *by = hawq_bar(p, node->out[0]);
    real       *bx = hawq_bar(p, node->in[0]);
    for (size_t i = 0; by && bx && i < m->n * m->inner; i++) {
        size_t at = column_start(m, i);
        find_s(m, p, x + at);
        adjoint_column(m, p, x + at, by + at, bx + at);
    }
}

/* The part of (4) with dx: g and dg share their window sums. */
static void curve_column(const lrn *m, const hawq_planes *p, const real *x,
                         const real *dx, const real *by, real *bdx) {
    const double *s = column(m, p, COLUMN_S), *ds = column(m, p, COLUMN_DS);
    double       *g = column(m, p, COLUMN_G), *sum = column(m, p, COLUMN_DG);
    double        two_kb = 2 * m->k * m->b;
    find_ds(m, p, x, dx);
    for (size_t c = 0; c < m->c; c++) {
        size_t e = c * m->inner;
        g[c] = (double)by[e] * (double)x[e] * pow(s[c], -m->b - 1);
    }
    add_windows(m, m->after, m->before, g, sum);
    for (size_t c = 0; c < m->c; c++) {
        size_t e = c * m->inner;
        double v = pow(s[c], -m->b - 1);
        bdx[e] -= (real)(m->b * v * ds[c] * (double)by[e] +
                         two_kb * (double)dx[e] * sum[c]);
        g[c] = (double)by[e] * v *
               ((double)dx[e] - (m->b + 1) * (double)x[e] * ds[c] / s[c]);
    }
    add_windows(m, m->after, m->before, g, sum);
    for (size_t c = 0; c < m->c; c++)
        bdx[c * m->inner] -= (real)(two_kb * (double)x[c * m->inner] * sum[c]);
}

static void adjoint_tangent(const hawq_node *node, const hawq_planes *p) {
    const lrn  *m = node->param;
    const real *x = hawq_val(p, node->in[0]), *by = hawq_bar(p, node->out[0]);
    for (size_t i = 0; i < m->n * m->inner; i++) {
        size_t at = column_start(m, i);
        find_s(m, p, x + at);
        for (int l = 0; l < p->lanes; l++) {
            const real *dx = hawq_dot(p, l, node->in[0]);
            const real *bdy = hawq_bardot(p, l, node->out[0]);
            real       *bdx = hawq_bardot(p, l, node->in[0]);
            if (bdx && bdy) adjoint_column(m, p, x + at, bdy + at, bdx + at);
            if (bdx && by && dx)
                curve_column(m, p, x + at, dx + at, by + at, bdx + at);
        }
    }
}

const hawq_op hawq_op_lrn = {.name = "LRN",
                             .attributes = "alpha beta bias size",
                             .min_in = 1,
                             .max_in = 1,
                             .shape = shape,
                             .forward = forward,
                             .tangent = tangent,
                             .adjoint = adjoint,
                             .adjoint_tangent = adjoint_tangent};
