/* softmax.c -- Softmax and LogSoftmax along an axis; before operator set 13,
 * over all axes from it on. With <a, b> the sum along the axis:
 *     softmax   y   = e^x / <1, e^x>
 *               dy  = y (dx - <y, dx>)                                   (1)
 *               bx  = y (by - <y, by>)                                   (2)
 *               bdx = dy (by - <y, by>) + y (bdy - <dy, by> - <y, bdy>)  (3)
 *     log       y   = x - log <1, e^x>,  s = e^y
 *               dy  = dx - <s, dx>                                       (4)
 *               bx  = by - s <1, by>                                     (5)
 *               bdx = bdy - s <1, bdy> - s dy <1, by>                    (6)
 * as ds = s dy. Everything is computed from y, which is at hand.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/exponential.h"
#include "src/ops/ops.h"

typedef struct softmax {
    size_t outer, n, inner; /* element k of a row is `inner` from the next */
} softmax;

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    HAWQ_TRY(hawq_need_float(node, 0));
    const hawq_shape *s = &node->in[0]->shape;
    int64_t given = hawq_attr_int(node, "axis", node->opset < 13 ? 1 : -1);
    int     axis = hawq_axis(given, s->rank);
    /* flattened to two axes, the cut may lie behind the last one */
    if (node->opset < 13 && given == s->rank) axis = s->rank;
    if (axis < 0)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "axis %lld is out of range for rank %d",
                              (long long)given, s->rank);
    int      last = node->opset < 13 ? s->rank : axis + 1;
    softmax *m;
    HAWQ_TAKE(m, arena, 1);
    *m = (softmax){(size_t)hawq_shape_count(s, 0, axis),
                   (size_t)hawq_shape_count(s, axis, last),
                   (size_t)hawq_shape_count(s, last, s->rank)};
    node->param = m;
    return hawq_set_out(node, 0, HAWQ_FLOAT, s);
}

static inline size_t rows(const softmax *m) {
    return m->n ? m->outer * m->inner : 0;
}

/* First element of a row. */
static inline size_t row_start(const softmax *m, size_t row) {
    return row / m->inner * m->n * m->inner + row % m->inner;
}

/* Sums in sixteen parts, which run side by side, in a fixed order. `step` is
 * the constant 1 where elements are adjacent, so that those loops vectorize. */
enum { PARTS = 16 };

/* <a, b> of a row; b NULL: ones */
HAWQ_INLINE double row_dot(const softmax *m, const size_t step, const real *a,
                           const real *b) {
    double part[PARTS] = {0};
    size_t k = 0;
    for (; k + PARTS <= m->n; k += PARTS)
        for (size_t i = 0; i < PARTS; i++)
            part[i] +=
                (double)a[(k + i) * step] * (b ? (double)b[(k + i) * step] : 1);
    for (; k < m->n; k++)
        part[k % PARTS] += (double)a[k * step] * (b ? (double)b[k * step] : 1);
    for (size_t i = 1; i < PARTS; i++) part[0] += part[i];
    return part[0];
}

HAWQ_INLINE real row_top(const softmax *m, const size_t step, const real *x) {
    real top = x[0];
    for (size_t k = 1; k < m->n; k++)
        top = x[k * step] > top ? x[k * step] : top;
    return top;
}

HAWQ_INLINE void normalize_row(const softmax *m, const size_t step,
                               const real *x, bool log_of, real *y) {
    real top = row_top(m, step, x);
    for (size_t k = 0; k < m->n; k++) y[k * step] = hawq_exp(x[k * step] - top);
    double sum = row_dot(m, step, y, NULL);
    real   scale = (real)(1 / sum);
    double shift = (double)top + log(sum);
    if (log_of)
        for (size_t k = 0; k < m->n; k++)
            y[k * step] = (real)((double)x[k * step] - shift);
    else
        for (size_t k = 0; k < m->n; k++) y[k * step] *= scale;
}

/* A row function's call for every row, with the step spelled out. */
#define EACH_ROW(m, at, call)                                                  \
    for (size_t row = 0; row < rows(m); row++) {                               \
        const size_t at = row_start(m, row);                                   \
        if ((m)->inner == 1) {                                                 \
            const size_t step = 1;                                             \
            call;                                                              \
        } else {                                                               \
            const size_t step = (m)->inner;                                    \
            call;                                                              \
        }                                                                      \
    }

HAWQ_INLINE void normalize(const hawq_node *node, const hawq_planes *p,
                           bool log_of) {
    const softmax *m = node->param;
    const real    *x = hawq_val(p, node->in[0]);
    real          *y = hawq_val(p, node->out[0]);
    EACH_ROW(m, at, normalize_row(m, step, x + at, log_of, y + at))
}

/* --- Softmax ------------------------------------------------------------- */

HAWQ_WIDE static void softmax_forward(const hawq_node   *node,
                                      const hawq_planes *p) {
    normalize(node, p, false);
}

/* to = y (from - <y, from>), or +=: (1) and (2) */
HAWQ_INLINE void project_row(const softmax *m, const size_t step, const real *y,
                             const real *from, bool add, real *to) {
    real mean = (real)row_dot(m, step, y, from);
    if (add)
        for (size_t k = 0; k < m->n; k++)
            to[k * step] += y[k * step] * (from[k * step] - mean);
    else
        for (size_t k = 0; k < m->n; k++)
            to[k * step] = y[k * step] * (from[k * step] - mean);
}

HAWQ_INLINE void project(const softmax *m, const real *y, const real *from,
                         bool add, real *to) {
    if (from && to)
        EACH_ROW(m, at, project_row(m, step, y + at, from + at, add, to + at))
}

HAWQ_WIDE static void softmax_tangent(const hawq_node   *node,
                                      const hawq_planes *p) {
    for (int l = 0; l < p->lanes; l++)
        project(node->param, hawq_val(p, node->out[0]),
                hawq_dot(p, l, node->in[0]), false,
                hawq_dot(p, l, node->out[0]));
}

HAWQ_WIDE static void softmax_adjoint(const hawq_node   *node,
                                      const hawq_planes *p) {
    project(node->param, hawq_val(p, node->out[0]), hawq_bar(p, node->out[0]),
            true, hawq_bar(p, node->in[0]));
}

/* bdx += dy (by - <y, by>) - y <dy, by>, of (3) */
HAWQ_INLINE void curve_row(const softmax *m, const size_t step, const real *y,
                           const real *by, const real *dx, real *bdx) {
    double part[PARTS] = {0}, both = 0;
    real   xm = (real)row_dot(m, step, y, dx);
    real   bm = (real)row_dot(m, step, y, by);
    size_t k = 0;
    for (; k + PARTS <= m->n; k += PARTS)
        for (size_t i = 0; i < PARTS; i++) {
            size_t at = (k + i) * step;
            part[i] += (double)(y[at] * (dx[at] - xm)) * (double)by[at];
        }
    for (; k < m->n; k++)
        both +=
            (double)(y[k * step] * (dx[k * step] - xm)) * (double)by[k * step];
    for (size_t i = 0; i < PARTS; i++) both += part[i];
    real mean = (real)both;
    for (k = 0; k < m->n; k++) {
        size_t at = k * step;
        bdx[at] += y[at] * ((dx[at] - xm) * (by[at] - bm) - mean);
    }
}

HAWQ_WIDE static void softmax_adjoint_tangent(const hawq_node   *node,
                                              const hawq_planes *p) {
    const softmax *m = node->param;
    const real    *y = hawq_val(p, node->out[0]);
    const real    *by = hawq_bar(p, node->out[0]);
    for (int l = 0; l < p->lanes; l++) {
        const real *dx = hawq_dot(p, l, node->in[0]);
        real       *bdx = hawq_bardot(p, l, node->in[0]);
        project(m, y, hawq_bardot(p, l, node->out[0]), true, bdx);
        if (by && dx && bdx)
            EACH_ROW(m, at,
                     curve_row(m, step, y + at, by + at, dx + at, bdx + at))
    }
}

/* --- LogSoftmax ---------------------------------------------------------- */

HAWQ_WIDE static void log_forward(const hawq_node *node, const hawq_planes *p) {
    normalize(node, p, true);
}

/* <e^y, a> of a row */
static double row_mean(const softmax *m, const real *y, const real *a) {
    double sum = 0;
    for (size_t k = 0; k < m->n; k++)
        sum += exp((double)y[k * m->inner]) * (double)a[k * m->inner];
    return sum;
}

static void log_tangent(const hawq_node *node, const hawq_planes *p) {
    const softmax *m = node->param;
    const real    *y = hawq_val(p, node->out[0]);
    for (int l = 0; l < p->lanes; l++) {
        const real *dx = hawq_dot(p, l, node->in[0]);
        real       *dy = hawq_dot(p, l, node->out[0]);
        for (size_t row = 0; dx && dy && row < rows(m); row++) { /* (4) */
            size_t at = row_start(m, row);
            real   mean = (real)row_mean(m, y + at, dx + at);
            for (size_t k = 0; k < m->n; k++)
                dy[at + k * m->inner] = dx[at + k * m->inner] - mean;
        }
    }
}

static void log_project(const softmax *m, const real *y, const real *by,
                        real *bx) {
    for (size_t row = 0; by && bx && row < rows(m); row++) { /* (5) */
        size_t at = row_start(m, row);
        double sum = row_dot(m, m->inner, by + at, NULL);
        for (size_t k = 0; k < m->n; k++) {
            size_t i = at + k * m->inner;
            bx[i] += (real)((double)by[i] - exp((double)y[i]) * sum);
        }
    }
}

static void log_adjoint(const hawq_node *node, const hawq_planes *p) {
    log_project(node->param, hawq_val(p, node->out[0]),
                hawq_bar(p, node->out[0]), hawq_bar(p, node->in[0]));
}

static void log_adjoint_tangent(const hawq_node *node, const hawq_planes *p) {
    const softmax *m = node->param;
    const real    *y = hawq_val(p, node->out[0]);
    const real    *by = hawq_bar(p, node->out[0]);
    for (int l = 0; l < p->lanes; l++) {
        const real *dx = hawq_dot(p, l, node->in[0]);
        real       *bdx = hawq_bardot(p, l, node->in[0]);
        log_project(m, y, hawq_bardot(p, l, node->out[0]), bdx);
        for (size_t row = 0; by && dx && bdx && row < rows(m);
             row++) { /* (6) */
            size_t at = row_start(m, row);
            double sum = row_dot(m, m->inner, by + at, NULL);
            double mean = row_mean(m, y + at, dx + at);
            for (size_t k = 0; k < m->n; k++) {
                size_t i = at + k * m->inner;
                bdx[i] -=
                    (real)(exp((double)y[i]) * ((double)dx[i] - mean) * sum);
            }
        }
    }
}

const hawq_op hawq_op_softmax = {.name = "Softmax",
                                 .attributes = "axis",
                                 .min_in = 1,
                                 .max_in = 1,
                                 .shape = shape,
                                 .forward = softmax_forward,
                                 .tangent = softmax_tangent,
                                 .adjoint = softmax_adjoint,
                                 .adjoint_tangent = softmax_adjoint_tangent};
const hawq_op hawq_op_log_softmax = {.name = "LogSoftmax",
                                     .attributes = "axis",
                                     .min_in = 1,
                                     .max_in = 1,
                                     .shape = shape,
                                     .forward = log_forward,
                                     .tangent = log_tangent,
                                     .adjoint = log_adjoint,
                                     .adjoint_tangent = log_adjoint_tangent};
