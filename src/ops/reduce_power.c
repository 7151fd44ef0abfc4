/* reduce_power.c -- ReduceL1, ReduceL2, ReduceSumSquare, ReduceLogSum,
 * ReduceLogSumExp: y = F(S), S = sum of f(x_i); ReduceMin; ReduceProd.
 *     dy   = F' dS,               dS = sum f'(x_i) dx_i
 *     bx  += f' F' by
 *     bdx += f'' dx F' by + f' (F'' dS by + F' bdy)
 * The minimum is the maximum with another forward. The product, with
 * P_i = prod_(j != i) x_j from products before and after i, so that zeros need
 * no division:
 *     dy   = sum P_i dx_i,  bx_i += P_i by,  bdx_i += P_i bdy + dP_i by
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/ops.h"
#include "src/ops/reduce.h"

#include <math.h>

typedef struct jet {
    double f, d, dd; /* value, first and second derivative */
} jet;

/* f at x and F at the sum s; `top` is the largest x of the sum. */
typedef struct reduction {
    jet (*inner)(double x, double top);
    jet (*outer)(double s, double top);
    bool needs_top;
} reduction;

static inline jet same(double x, double top) {
    (void)top;
    return (jet){x, 1, 0};
}
static inline jet square(double x, double top) {
    (void)top;
    return (jet){x * x, 2 * x, 2};
}
static inline jet size(double x, double top) {
    (void)top;
    return (jet){fabs(x), (x > 0) - (x < 0), 0};
}
static inline jet shifted_exp(double x, double top) {
    double e = exp(x - top);
    return (jet){e, e, e};
}
static inline jet root(double s, double top) { /* flat at zero */
    (void)top;
    double r = sqrt(s);
    return s > 0 ? (jet){r, 0.5 / r, -0.25 / (s * r)} : (jet){0, 0, 0};
}
static inline jet logarithm(double s, double top) {
    (void)top;
    return (jet){log(s), 1 / s, -1 / (s * s)};
}
static inline jet shifted_log(double s, double top) {
    return (jet){log(s) + top, 1 / s, -1 / (s * s)};
}

static const reduction l1 = {size, same, false};
static const reduction l2 = {square, root, false};
static const reduction sum_square = {square, same, false};
static const reduction log_sum = {same, logarithm, false};
static const reduction log_sum_exp = {shifted_exp, shifted_log, true};

/* One output element: its taps and what they have in common. */
typedef struct cell {
    const int32_t *tap;
    size_t         n;
    double         top;
    jet            outer;
} cell;

static cell find_cell(const hawq_taps *t, size_t o, const real *x,
                      const reduction *f) {
    cell   c = {.tap = t->tap + t->start[o], .n = hawq_taps_count(t, o)};
    double sum = 0;
    for (size_t i = 0; f->needs_top && i < c.n; i++) {
        double v = (double)x[c.tap[i]];
        c.top = i == 0 || v > c.top ? v : c.top;
    }
    for (size_t i = 0; i < c.n; i++)
        sum += f->inner((double)x[c.tap[i]], c.top).f;
    c.outer = f->outer(sum, c.top);
    return c;
}

/* dS */
static double sum_dot(const cell *c, const reduction *f, const real *x,
                      const real *dx) {
    double sum = 0;
    for (size_t i = 0; dx && i < c->n; i++)
        sum += f->inner((double)x[c->tap[i]], c->top).d * (double)dx[c->tap[i]];
    return sum;
}

static void add_curved(const cell *c, const reduction *f, const real *x,
                       const real *dx, double by, double bdy, real *bdx) {
    double common = c->outer.dd * sum_dot(c, f, x, dx) * by + c->outer.d * bdy;
    for (size_t i = 0; i < c->n; i++) {
        jet    j = f->inner((double)x[c->tap[i]], c->top);
        double own = dx ? j.dd * (double)dx[c->tap[i]] * c->outer.d * by : 0;
        bdx[c->tap[i]] += (real)(own + j.d * common);
    }
}

#define FOR_EACH_CELL(node, p)                                                 \
    const hawq_taps *t = (node)->param;                                        \
    const real      *x = hawq_val(p, (node)->in[0]);                           \
    for (size_t q = 0; q < t->planes; q++, x += t->n_in)                       \
        for (size_t o = 0, in = q * t->n_in, at = q * t->n_out; o < t->n_out;  \
             o++, at++)

static void forward(const hawq_node *node, const hawq_planes *p,
                    const reduction *f) {
    real *y = hawq_val(p, node->out[0]);
    FOR_EACH_CELL(node, p) {
        (void)in;
        y[at] = (real)find_cell(t, o, x, f).outer.f;
    }
}

static void tangent(const hawq_node *node, const hawq_planes *p,
                    const reduction *f) {
    FOR_EACH_CELL(node, p) {
        cell c = find_cell(t, o, x, f);
        for (int l = 0; l < p->lanes; l++) {
            const real *dx = hawq_dot(p, l, node->in[0]);
            real       *dy = hawq_dot(p, l, node->out[0]);
            if (dy)
                dy[at] =
                    (real)(c.outer.d * sum_dot(&c, f, x, dx ? dx + in : NULL));
        }
    }
}

static void adjoint(const hawq_node *node, const hawq_planes *p,
                    const reduction *f) {
    const real *by = hawq_bar(p, node->out[0]);
    real       *bx = hawq_bar(p, node->in[0]);
    if (!by || !bx) return;
    FOR_EACH_CELL(node, p) {
        cell c = find_cell(t, o, x, f);
        add_curved(&c, f, x, NULL, 0, (double)by[at], bx + in);
    }
}

static void adjoint_tangent(const hawq_node *node, const hawq_planes *p,
                            const reduction *f) {
    const real *by = hawq_bar(p, node->out[0]);
    FOR_EACH_CELL(node, p) {
        cell c = find_cell(t, o, x, f);
        for (int l = 0; l < p->lanes; l++) {
            const real *dx = hawq_dot(p, l, node->in[0]);
            const real *bdy = hawq_bardot(p, l, node->out[0]);
            real       *bdx = hawq_bardot(p, l, node->in[0]);
            if (bdx)
                add_curved(&c, f, x, dx ? dx + in : NULL,
                           by ? (double)by[at] : 0, bdy ? (double)bdy[at] : 0,
                           bdx + in);
        }
    }
}

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    HAWQ_TRY(hawq_need_float(node, 0));
    return hawq_reduce_axes(node, arena, false);
}

#define REDUCTION(f, onnx_name)                                                \
    static void f##_forward(const hawq_node *node, const hawq_planes *p) {     \
        forward(node, p, &(f));                                                \
    }                                                                          \
    static void f##_tangent(const hawq_node *node, const hawq_planes *p) {     \
        tangent(node, p, &(f));                                                \
    }                                                                          \
    static void f##_adjoint(const hawq_node *node, const hawq_planes *p) {     \
        adjoint(node, p, &(f));                                                \
    }                                                                          \
    static void f##_adjoint_tangent(const hawq_node   *node,                   \
                                    const hawq_planes *p) {                    \
        adjoint_tangent(node, p, &(f));                                        \
    }                                                                          \
    const hawq_op hawq_op_reduce_##f = {.name = (onnx_name),                   \
                                        .attributes = HAWQ_REDUCE_ATTRIBUTES,  \
                                        .min_in = 1,                           \
                                        .max_in = 2,                           \
                                        .shape = shape,                        \
                                        .forward = f##_forward,                \
                                        .tangent = f##_tangent,                \
                                        .adjoint = f##_adjoint,                \
                                        .adjoint_tangent =                     \
                                            f##_adjoint_tangent};

REDUCTION(l1, "ReduceL1")
REDUCTION(l2, "ReduceL2")
REDUCTION(sum_square, "ReduceSumSquare")
REDUCTION(log_sum, "ReduceLogSum")
REDUCTION(log_sum_exp, "ReduceLogSumExp")

/* --- ReduceMin ------------------------------------------------------------ */

static void min_forward(const hawq_node *node, const hawq_planes *p) {
    real *y = hawq_val(p, node->out[0]);
    FOR_EACH_CELL(node, p) {
        (void)in;
        const int32_t *tap = t->tap + t->start[o];
        real           least = x[*tap];
        for (size_t i = 1; i < hawq_taps_count(t, o); i++)
            if (x[tap[i]] < least || x[tap[i]] != x[tap[i]]) least = x[tap[i]];
        y[at] = least;
    }
}

static hawq_status min_shape(hawq_node *node, hawq_arena *arena) {
    return hawq_reduce_axes(node, arena, false);
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}
static hawq_status min_fold(hawq_node *node, hawq_arena *arena) {
    return hawq_reduce_fold(node, arena, smaller);
}

/* The tap a maximum is taken from is found by its value, so the derivatives
 * of the maximum are those of the minimum. */
const hawq_op hawq_op_reduce_min = {.name = "ReduceMin",
                                    .attributes = HAWQ_REDUCE_ATTRIBUTES,
                                    .min_in = 1,
                                    .max_in = 2,
                                    .shape = min_shape,
                                    .fold = min_fold,
                                    .forward = min_forward,
                                    .tangent = hawq_taps_max_tangent,
                                    .adjoint = hawq_taps_max_adjoint,
                                    .adjoint_tangent =
                                        hawq_taps_max_adjoint_tangent};

/* --- ReduceProd ----------------------------------------------------------- */

static void prod_forward(const hawq_node *node, const hawq_planes *p) {
    real *y = hawq_val(p, node->out[0]);
    FOR_EACH_CELL(node, p) {
        (void)in;
        double product = 1;
        for (int32_t i = t->start[o]; i < t->start[o + 1]; i++)
            product *= (double)x[t->tap[i]];
        y[at] = (real)product;
    }
}

/* bx_i += P_i by + dP_i bw, from products after i kept in room (2 n). */
static void prod_add(const int32_t *tap, size_t n, const real *x,
                     const real *dx, double by, double bw, real *bx,
                     real *room) {
    double before = 1, dbefore = 0, after = 1, dafter = 0;
    for (size_t i = n; i-- > 0;) {
        double v = (double)x[tap[i]], d = dx ? (double)dx[tap[i]] : 0;
        room[2 * i] = (real)after;
        room[2 * i + 1] = (real)dafter;
        dafter = dafter * v + after * d;
        after *= v;
    }
    for (size_t i = 0; i < n; i++) {
        double v = (double)x[tap[i]], d = dx ? (double)dx[tap[i]] : 0;
        double a = (double)room[2 * i], da = (double)room[2 * i + 1];
        bx[tap[i]] +=
            (real)(before * a * by + (dbefore * a + before * da) * bw);
        dbefore = dbefore * v + before * d;
        before *= v;
    }
}

static void prod_tangent(const hawq_node *node, const hawq_planes *p) {
    FOR_EACH_CELL(node, p) {
        for (int l = 0; l < p->lanes; l++) {
            const real *dx = hawq_dot(p, l, node->in[0]);
            real       *dy = hawq_dot(p, l, node->out[0]);
            double      product = 1, moved = 0;
            for (int32_t i = t->start[o]; dx && i < t->start[o + 1]; i++) {
                double v = (double)x[t->tap[i]];
                moved =
                    moved * v + product * (double)dx[in + (size_t)t->tap[i]];
                product *= v;
            }
            if (dy) dy[at] = (real)moved;
        }
    }
}

static void prod_adjoint(const hawq_node *node, const hawq_planes *p) {
    const real *by = hawq_bar(p, node->out[0]);
    real       *bx = hawq_bar(p, node->in[0]);
    if (!by || !bx) return;
    FOR_EACH_CELL(node, p)
    prod_add(t->tap + t->start[o], hawq_taps_count(t, o), x, NULL,
             (double)by[at], 0, bx + in, p->scratch);
}

static void prod_adjoint_tangent(const hawq_node *node, const hawq_planes *p) {
    const real *by = hawq_bar(p, node->out[0]);
    FOR_EACH_CELL(node, p) {
        for (int l = 0; l < p->lanes; l++) {
            const real *dx = hawq_dot(p, l, node->in[0]);
            const real *bdy = hawq_bardot(p, l, node->out[0]);
            real       *bdx = hawq_bardot(p, l, node->in[0]);
            if (bdx)
                prod_add(t->tap + t->start[o], hawq_taps_count(t, o), x,
                         dx ? dx + in : NULL, bdy ? (double)bdy[at] : 0,
                         by ? (double)by[at] : 0, bdx + in, p->scratch);
        }
    }
}

static hawq_status prod_shape(hawq_node *node, hawq_arena *arena) {
    HAWQ_TRY(hawq_reduce_axes(node, arena, false));
    const hawq_taps *t = node->param;
    node->scratch = t->n_out ? 2 * (t->n_in / t->n_out) : 0;
    return HAWQ_OK;
}

static int64_t times(int64_t a, int64_t b) { /* in two's complement */
    return (int64_t)((uint64_t)a * (uint64_t)b);
}
static hawq_status prod_fold(hawq_node *node, hawq_arena *arena) {
    return hawq_reduce_fold(node, arena, times);
}

const hawq_op hawq_op_reduce_prod = {.name = "ReduceProd",
                                     .attributes = HAWQ_REDUCE_ATTRIBUTES,
                                     .min_in = 1,
                                     .max_in = 2,
                                     .shape = prod_shape,
                                     .fold = prod_fold,
                                     .forward = prod_forward,
                                     .tangent = prod_tangent,
                                     .adjoint = prod_adjoint,
                                     .adjoint_tangent = prod_adjoint_tangent};
