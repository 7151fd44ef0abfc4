/* op_harness.h -- one operator alone, on hand-made planes: its values, and the
 * identities that tie its four functions together.
 *
 * A case is a node: operator, attributes, inputs. Float operands are random
 * (or given), integer operands are given. op_check proves, for one to three
 * lanes, that
 *     tangent          = central difference of forward
 *     adjoint          = transpose of tangent: <u, J v> = <J'u, v>, for all
 *                        inputs together and for each alone
 *     adjoint_tangent  = central difference of adjoint, and the sum of its
 *                        part from bardot(out) (bar NULL: Gauss-Newton) and
 *                        its part from bar(out)
 * and that adjoints add to what is there, tangents overwrite what is there,
 * and NULL planes are zero as operands and skipped as results. Made for the
 * double build: differences hold to 1e-6 there.
 *
 *     static const op_case relu = {"Relu", .in = {ACT(2, 3)}};
 *     op_check(&relu);
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_OP_HARNESS_H
#define HAWQ_OP_HARNESS_H
#include "src/base/rng.h"
#include "src/graph/graph.h"
#include "src/ops/ops.h"
#include "tests/check.h"

enum { OP_IN = 8, OP_OUT = 4, OP_ATTR = 8, OP_LANES = 3 };

typedef struct op_in {
    enum { OP_END, OP_OMITTED, OP_ACT, OP_WEIGHT, OP_FIXED, OP_INTS } kind;
    hawq_shape     shape;
    const int64_t *ints;      /* OP_INTS */
    const double  *values;    /* floats; NULL: uniform in [low, high] */
    double         low, high; /* both 0: [-1, 1] */
} op_in;

typedef struct op_case {
    const char *op;
    int         opset; /* 0: 13 */
    int         n_out; /* 0: 1 */
    bool        iota;  /* element i of float input k is 100 k + i */
    op_in       in[OP_IN];
    hawq_attr   attr[OP_ATTR];
} op_case;

#define OP_COUNT_OF(...) (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))
#define OP_SHAPE(...)                                                          \
    {                                                                          \
        .rank = (int)OP_COUNT_OF(__VA_ARGS__), .dim = { __VA_ARGS__ }          \
    }
/* activation; constant that can be differentiated by; constant that cannot */
#define ACT(...)                                                               \
    { .kind = OP_ACT, .shape = OP_SHAPE(__VA_ARGS__) }
#define WEIGHT(...)                                                            \
    { .kind = OP_WEIGHT, .shape = OP_SHAPE(__VA_ARGS__) }
#define FIXED(...)                                                             \
    { .kind = OP_FIXED, .shape = OP_SHAPE(__VA_ARGS__) }
#define ACT_IN(lo, hi, ...)                                                    \
    {                                                                          \
        .kind = OP_ACT, .shape = OP_SHAPE(__VA_ARGS__), .low = (lo),           \
        .high = (hi)                                                           \
    }
#define FIXED_IN(lo, hi, ...)                                                  \
    {                                                                          \
        .kind = OP_FIXED, .shape = OP_SHAPE(__VA_ARGS__), .low = (lo),         \
        .high = (hi)                                                           \
    }
#define FIXED_SCALAR(value)                                                    \
    {                                                                          \
        .kind = OP_FIXED, .values = (const double[]) {                         \
            value                                                              \
        }                                                                      \
    }
#define INTS(...) /* a list of integers */                                     \
    {                                                                          \
        .kind = OP_INTS, .ints = (const int64_t[]){__VA_ARGS__},               \
        .shape = OP_SHAPE(OP_COUNT_OF(__VA_ARGS__))                            \
    }
#define INT_SCALAR(value)                                                      \
    {                                                                          \
        .kind = OP_INTS, .ints = (const int64_t[]) {                           \
            value                                                              \
        }                                                                      \
    }
#define OMITTED                                                                \
    { .kind = OP_OMITTED }

#define A_INT(key, value)                                                      \
    { .name = (key), .type = HAWQ_ATTR_INT, .i = (value) }
#define A_FLOAT(key, value)                                                    \
    { .name = (key), .type = HAWQ_ATTR_FLOAT, .f = (value) }
#define A_STRING(key, value)                                                   \
    { .name = (key), .type = HAWQ_ATTR_STRING, .s = (value) }
#define A_INTS(key, ...)                                                       \
    {                                                                          \
        .name = (key), .type = HAWQ_ATTR_INTS, .n = OP_COUNT_OF(__VA_ARGS__),  \
        .ints = (const int64_t[]) {                                            \
            __VA_ARGS__                                                        \
        }                                                                      \
    }

/* A case built: the node, and a value for each float input. */
typedef struct op_run {
    const op_case *c;
    hawq_graph    *graph;
    hawq_node     *node; /* NULL if everything was folded into constants */
    int            n_in, n_out;
    hawq_tensor   *in[OP_IN], *out[OP_OUT];
    real          *x[OP_IN];    /* values of float inputs */
    bool           free[OP_IN]; /* can be differentiated by */
    uint64_t       draws;
} op_run;

/* --- building ---------------------------------------------------------- */

static double op_draw(op_run *r, double low, double high) {
    uint64_t key = hawq_rng_key(20, 4, 8, 0);
    return low + (high - low) * hawq_rng_uniform(key, r->draws++);
}

static real *op_plane(size_t n) {
    real *plane = malloc((n ? n : 1) * sizeof *plane);
    if (!plane) abort();
    for (size_t i = 0; i < n; i++) plane[i] = NAN;
    return plane;
}

static real *op_random(op_run *r, size_t n) {
    real *plane = op_plane(n);
    for (size_t i = 0; i < n; i++) plane[i] = (real)op_draw(r, -1, 1);
    return plane;
}

static hawq_status op_input(op_run *r, int k, const char *name) {
    const op_in *in = &r->c->in[k];
    size_t       n = (size_t)hawq_shape_count(&in->shape, 0, in->shape.rank);
    bool         standard = in->low == 0 && in->high == 0;
    if (in->kind == OP_INTS)
        return hawq_graph_constant(r->graph, name, HAWQ_INT, &in->shape,
                                   in->ints);
    r->x[k] = op_plane(n);
    r->free[k] = in->kind != OP_FIXED;
    for (size_t i = 0; i < n; i++)
        r->x[k][i] = (real)(in->values   ? in->values[i]
                            : r->c->iota ? 100.0 * k + (double)i
                            : standard   ? op_draw(r, -1, 1)
                                         : op_draw(r, in->low, in->high));
    HAWQ_TRY(
        hawq_graph_constant(r->graph, name, HAWQ_FLOAT, &in->shape, r->x[k]));
    if (in->kind == OP_ACT)
        hawq_graph_find(r->graph, name)->role = HAWQ_ACTIVATION;
    return HAWQ_OK;
}

/* Builds the graph of one node; call op_close in any case. */
static hawq_status op_open(op_run *r, const op_case *c) {
    static const char *const ins[OP_IN] = {"x0", "x1", "x2", "x3",
                                           "x4", "x5", "x6", "x7"};
    static const char *const outs[OP_OUT] = {"y0", "y1", "y2", "y3"};
    const char              *given[OP_IN];
    int                      n_attr = 0;
    *r = (op_run){.c = c, .n_out = c->n_out ? c->n_out : 1};
    HAWQ_TRY(hawq_graph_new(hawq_op_find, c->opset ? c->opset : 13, &r->graph));
    for (int k = 0; k < OP_IN && c->in[k].kind != OP_END; k++, r->n_in++) {
        given[k] = c->in[k].kind == OP_OMITTED ? "" : ins[k];
        if (c->in[k].kind == OP_OMITTED) continue;
        HAWQ_TRY(op_input(r, k, ins[k]));
        r->in[k] = hawq_graph_find(r->graph, ins[k]);
    }
    while (n_attr < OP_ATTR && c->attr[n_attr].name) n_attr++;
    HAWQ_TRY(hawq_graph_add(r->graph, &(hawq_node_spec){.op_type = c->op,
                                                        .name = "node",
                                                        .n_in = r->n_in,
                                                        .n_out = r->n_out,
                                                        .in = given,
                                                        .out = outs,
                                                        .n_attr = n_attr,
                                                        .attr = c->attr}));
    for (int k = 0; k < r->n_out; k++)
        r->out[k] = hawq_graph_find(r->graph, outs[k]);
    if (r->graph->n_nodes) r->node = r->graph->node[0];
    return HAWQ_OK;
}

static void op_close(op_run *r) {
    for (int k = 0; k < OP_IN; k++) free(r->x[k]);
    hawq_graph_free(r->graph);
}

/* --- one call on hand-made planes -------------------------------------- */

/* Operands and results of a call; NULL planes allowed anywhere. The inputs'
 * values are r->x. Results have their own memory. */
typedef struct op_planes {
    real *val[OP_OUT], *bar[OP_OUT], *in_bar[OP_IN];
    real *dot[OP_LANES][OP_IN], *out_dot[OP_LANES][OP_OUT];
    real *bardot[OP_LANES][OP_OUT], *in_bardot[OP_LANES][OP_IN];
} op_planes;

typedef enum op_function {
    OP_FORWARD,
    OP_TANGENT,
    OP_ADJOINT,
    OP_ADJOINT_TANGENT
} op_function;

/* Calls one of the four functions as the executor does, `lanes` lanes. */
static void op_call(const op_run *r, op_function f, int lanes,
                    const op_planes *q) {
    size_t      n = (size_t)r->graph->n_tensors;
    real      **table = calloc((2 + 2 * OP_LANES) * n, sizeof *table);
    real      **dot[OP_LANES], **bardot[OP_LANES];
    hawq_planes p = {.val = table,
                     .bar = table + n,
                     .lanes = lanes,
                     .dot = dot,
                     .bardot = bardot};
    if (!table) abort();
    for (int l = 0; l < OP_LANES; l++) {
        dot[l] = table + (2 + 2 * (size_t)l) * n;
        bardot[l] = dot[l] + n;
    }
    for (int k = 0; k < r->n_in; k++) {
        if (!r->in[k]) continue;
        p.val[r->in[k]->id] = r->x[k];
        p.bar[r->in[k]->id] = q->in_bar[k];
        for (int l = 0; l < OP_LANES; l++) {
            dot[l][r->in[k]->id] = q->dot[l][k];
            bardot[l][r->in[k]->id] = q->in_bardot[l][k];
        }
    }
    for (int k = 0; k < r->n_out; k++) {
        p.val[r->out[k]->id] = q->val[k];
        p.bar[r->out[k]->id] = q->bar[k];
        for (int l = 0; l < OP_LANES; l++) {
            dot[l][r->out[k]->id] = q->out_dot[l][k];
            bardot[l][r->out[k]->id] = q->bardot[l][k];
        }
    }
    p.scratch =
        op_plane(r->node->scratch + (size_t)lanes * r->node->scratch_lane);
    const hawq_op *op = r->node->op;
    hawq_sweep_fn *whole = f == OP_FORWARD   ? op->forward
                           : f == OP_ADJOINT ? op->adjoint
                           : f == OP_TANGENT ? op->tangent
                                             : op->adjoint_tangent;
    hawq_sweep_fn *linear = f == OP_TANGENT ? op->forward : op->adjoint;
    if (whole) whole(r->node, &p);
    for (int l = 0; !whole && l < lanes; l++)
        linear(r->node, &(hawq_planes){.val = dot[l],
                                       .bar = bardot[l],
                                       .scratch = p.scratch});
    free(p.scratch);
    free(table);
}

/* --- vectors over all inputs or outputs -------------------------------- */

static real **op_new_in(const op_run *r, real **v, double value) {
    for (int k = 0; k < r->n_in; k++) {
        v[k] = r->free[k] ? op_plane(r->in[k]->n) : NULL;
        for (size_t i = 0; v[k] && i < r->in[k]->n; i++) v[k][i] = (real)value;
    }
    return v;
}

static void op_random_in(op_run *r, real **v) {
    for (int k = 0; k < r->n_in; k++)
        v[k] = r->free[k] ? op_random(r, r->in[k]->n) : NULL;
}

static void op_random_out(op_run *r, real **v) {
    for (int k = 0; k < r->n_out; k++) v[k] = op_random(r, r->out[k]->n);
}

static void op_new_out(const op_run *r, real **v) { /* NaN: to be overwritten */
    for (int k = 0; k < r->n_out; k++) v[k] = op_plane(r->out[k]->n);
}

static void op_free(real **v, int n) {
    for (int k = 0; k < n; k++) {
        free(v[k]);
        v[k] = NULL;
    }
}

static double op_dot(const real *a, const real *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; a && b && i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Equal within 1e-6 of the larger of 1 and the values' size; says where not. */
static int op_same(const op_run *r, const char *what, int k, const real *got,
                   const real *want, size_t n, double tolerance) {
    for (size_t i = 0; i < n; i++) {
        double scale = fmax(1, fabs((double)want[i]));
        if (!(fabs((double)(got[i] - want[i])) <= tolerance * scale)) {
            printf("    %s: %s of operand %d, element %zu: %.12g, expected "
                   "%.12g\n",
                   r->c->op, what, k, i, (double)got[i], (double)want[i]);
            return CHECK(!"values agree");
        }
    }
    return CHECK("values agree");
}

/* x += t * v on all free inputs */
static void op_move(op_run *r, real *const *v, double t) {
    for (int k = 0; k < r->n_in; k++)
        for (size_t i = 0; r->free[k] && i < r->in[k]->n; i++)
            r->x[k][i] += (real)t * v[k][i];
}

enum { OP_STEPS = 2 };
static const double op_step = 1e-6;

/* --- the identities ---------------------------------------------------- */

/* tangent against (forward(x + h v) - forward(x - h v)) / 2h, all lanes. */
static void op_check_tangent(op_run *r, int lanes, real *v[][OP_IN]) {
    op_planes q = {0};
    for (int l = 0; l < lanes; l++) {
        memcpy(q.dot[l], v[l], sizeof q.dot[l]);
        op_new_out(r, q.out_dot[l]);
    }
    op_new_out(r, q.val);
    op_call(r, OP_FORWARD, 0, &q);
    op_call(r, OP_TANGENT, lanes, &q);
    op_free(q.val, r->n_out);
    for (int l = 0; l < lanes; l++) {
        op_planes at[OP_STEPS];
        memset(at, 0, sizeof at);
        for (int s = 0; s < OP_STEPS; s++) {
            op_new_out(r, at[s].val);
            op_move(r, v[l], s ? -2 * op_step : op_step);
            op_call(r, OP_FORWARD, 0, &at[s]);
        }
        op_move(r, v[l], op_step);
        for (int k = 0; k < r->n_out; k++) {
            for (size_t i = 0; i < r->out[k]->n; i++)
                at[0].val[k][i] =
                    (at[0].val[k][i] - at[1].val[k][i]) / (real)(2 * op_step);
            op_same(r, "tangent", k, q.out_dot[l][k], at[0].val[k],
                    r->out[k]->n, 1e-6);
        }
        op_free(q.out_dot[l], r->n_out);
        for (int s = 0; s < OP_STEPS; s++) op_free(at[s].val, r->n_out);
    }
}

/* <u, J v> = <J'u, v> for the inputs flagged in `use`; the planes of all
 * others are NULL. The adjoint is added to ones. */
static void op_check_transpose(op_run *r, const bool *use, real **v, real **u) {
    op_planes q = {0};
    double    left = 0, right = 0;
    op_new_out(r, q.val);
    op_call(r, OP_FORWARD, 0, &q);
    op_new_in(r, q.in_bar, 1);
    for (int k = 0; k < r->n_in; k++) {
        if (!use[k]) op_free(&q.in_bar[k], 1);
        q.dot[0][k] = use[k] ? v[k] : NULL;
    }
    memcpy(q.bar, u, sizeof q.bar);
    op_new_out(r, q.out_dot[0]);
    op_call(r, OP_TANGENT, 1, &q);
    op_call(r, OP_ADJOINT, 1, &q);
    for (int k = 0; k < r->n_out; k++)
        left += op_dot(u[k], q.out_dot[0][k], r->out[k]->n);
    for (int k = 0; k < r->n_in; k++)
        for (size_t i = 0; use[k] && i < r->in[k]->n; i++)
            right += (double)(q.in_bar[k][i] - 1) * (double)v[k][i];
    if (!CHECK_NEAR(left, right, 1e-10 * fmax(1, fabs(left))))
        printf("    %s: <u, J v> and <J'u, v>\n", r->c->op);
    op_free(q.val, r->n_out);
    op_free(q.in_bar, r->n_in);
    op_free(q.out_dot[0], r->n_out);
}

static void op_check_transposes(op_run *r, real **v, real **u) {
    op_check_transpose(r, r->free, v, u);
    for (int k = 0; k < r->n_in; k++) {
        bool one[OP_IN] = {false};
        one[k] = r->free[k];
        if (r->free[k]) op_check_transpose(r, one, v, u);
    }
}

/* adjoint at x + t v, u + t s into bars of zeros. */
static void op_adjoint_at(op_run *r, real **v, real **u, real **s, double t,
                          real **in_bar) {
    op_planes q = {0};
    op_new_out(r, q.val);
    op_new_out(r, q.bar);
    for (int k = 0; k < r->n_out; k++)
        for (size_t i = 0; i < r->out[k]->n; i++)
            q.bar[k][i] = u[k][i] + (real)t * s[k][i];
    memcpy(q.in_bar, op_new_in(r, in_bar, 0), sizeof q.in_bar);
    op_move(r, v, t);
    op_call(r, OP_FORWARD, 0, &q);
    op_call(r, OP_ADJOINT, 0, &q);
    op_move(r, v, -t);
    op_free(q.val, r->n_out);
    op_free(q.bar, r->n_out);
}

/* One call of adjoint_tangent with these operands (u or v may be NULL: all
 * their planes are), added to ones, which are taken off again. */
static void op_adjoint_tangent(op_run *r, int lanes, real *v[][OP_IN], real **u,
                               real *s[][OP_OUT], real *result[][OP_IN]) {
    op_planes q = {0};
    op_new_out(r, q.val);
    op_call(r, OP_FORWARD, 0, &q);
    if (u) memcpy(q.bar, u, sizeof q.bar);
    for (int l = 0; l < lanes; l++) {
        if (v) memcpy(q.dot[l], v[l], sizeof q.dot[l]);
        if (s) memcpy(q.bardot[l], s[l], sizeof q.bardot[l]);
        memcpy(q.in_bardot[l], op_new_in(r, result[l], 1),
               sizeof q.in_bardot[l]);
    }
    op_call(r, OP_ADJOINT_TANGENT, lanes, &q);
    for (int l = 0; l < lanes; l++)
        for (int k = 0; k < r->n_in; k++)
            for (size_t i = 0; r->free[k] && i < r->in[k]->n; i++)
                result[l][k][i] -= 1;
    op_free(q.val, r->n_out);
}

static void op_check_adjoint_tangent(op_run *r, int lanes, real *v[][OP_IN],
                                     real **u, real *s[][OP_OUT]) {
    real *whole[OP_LANES][OP_IN] = {{0}}, *gauss[OP_LANES][OP_IN] = {{0}};
    real *rest[OP_LANES][OP_IN] = {{0}};
    op_adjoint_tangent(r, lanes, v, u, s, whole);
    op_adjoint_tangent(r, lanes, v, NULL, s, gauss);
    op_adjoint_tangent(r, lanes, v, u, NULL, rest);
    for (int l = 0; l < lanes; l++) {
        real *plus[OP_IN] = {0}, *minus[OP_IN] = {0};
        op_adjoint_at(r, v[l], u, s[l], op_step, plus);
        op_adjoint_at(r, v[l], u, s[l], -op_step, minus);
        for (int k = 0; k < r->n_in; k++) {
            if (!r->free[k]) continue;
            for (size_t i = 0; i < r->in[k]->n; i++) {
                plus[k][i] = (plus[k][i] - minus[k][i]) / (real)(2 * op_step);
                rest[l][k][i] += gauss[l][k][i];
            }
            op_same(r, "adjoint_tangent", k, whole[l][k], plus[k], r->in[k]->n,
                    1e-6);
            op_same(r, "sum of the parts of adjoint_tangent", k, rest[l][k],
                    whole[l][k], r->in[k]->n, 1e-10);
        }
        op_free(plus, OP_IN);
        op_free(minus, OP_IN);
        op_free(whole[l], OP_IN);
        op_free(gauss[l], OP_IN);
        op_free(rest[l], OP_IN);
    }
}

/* Gauss-Newton with nothing moving: adjoint_tangent is the adjoint; and no
 * wanted result: nothing is touched. */
static void op_check_null(op_run *r, real **s) {
    real     *got[1][OP_IN] = {{0}}, *want[OP_IN] = {0};
    real     *seed[1][OP_OUT], *zero[OP_IN];
    op_planes nothing = {0};
    memcpy(seed[0], s, sizeof seed[0]);
    op_adjoint_tangent(r, 1, NULL, NULL, seed, got);
    op_adjoint_at(r, op_new_in(r, zero, 0), s, s, 0, want);
    for (int k = 0; k < r->n_in; k++)
        if (r->free[k])
            op_same(r, "adjoint_tangent of bardot alone", k, got[0][k], want[k],
                    r->in[k]->n, 1e-10);
    op_new_out(r, nothing.val);
    op_call(r, OP_FORWARD, 0, &nothing);
    op_call(r, OP_ADJOINT, 0, &nothing);
    op_call(r, OP_TANGENT, 1, &nothing);
    op_call(r, OP_ADJOINT_TANGENT, 1, &nothing);
    op_free(nothing.val, r->n_out);
    op_free(got[0], OP_IN);
    op_free(want, OP_IN);
    op_free(zero, r->n_in);
}

/* All of the above; the case must leave a node (some input is ACT). */
static inline void op_check(const op_case *c) {
    op_run r;
    if (CHECK_OK(op_open(&r, c)) && CHECK(r.node))
        for (int lanes = 1; lanes <= OP_LANES; lanes++) {
            real *v[OP_LANES][OP_IN] = {{0}}, *s[OP_LANES][OP_OUT] = {{0}};
            real *u[OP_OUT] = {0};
            for (int l = 0; l < lanes; l++) {
                op_random_in(&r, v[l]);
                op_random_out(&r, s[l]);
            }
            op_random_out(&r, u);
            op_check_tangent(&r, lanes, v);
            op_check_transposes(&r, v[0], u);
            op_check_adjoint_tangent(&r, lanes, v, u, s);
            op_check_null(&r, s[0]);
            for (int l = 0; l < lanes; l++) {
                op_free(v[l], OP_IN);
                op_free(s[l], OP_OUT);
            }
            op_free(u, OP_OUT);
        }
    op_close(&r);
}

/* --- values ------------------------------------------------------------ */

/* The case has outputs of this shape (of output 0) and these elements (of all
 * outputs, one after the other). Also where it was folded into constants. */
static inline void op_check_values(const op_case *c, const hawq_shape *shape,
                                   const double *want, size_t n) {
    op_run    r;
    op_planes q = {0};
    size_t    at = 0;
    char      text[128];
    if (CHECK_OK(op_open(&r, c))) {
        if (!CHECK(hawq_shape_equal(&r.out[0]->shape, shape)))
            printf("    %s: shape %s\n", c->op,
                   hawq_shape_text(&r.out[0]->shape, text));
        if (r.node) {
            op_new_out(&r, q.val);
            op_call(&r, OP_FORWARD, 0, &q);
        }
        for (int k = 0; k < r.n_out; k++)
            for (size_t i = 0; i < r.out[k]->n; i++, at++) {
                double got = r.node           ? (double)q.val[k][i]
                             : r.out[k]->ints ? (double)r.out[k]->ints[i]
                                              : (double)r.out[k]->data[i];
                if (at < n && !CHECK_NEAR(got, want[at], 1e-6))
                    printf("    %s: element %zu\n", c->op, at);
            }
        if (!CHECK(at == n)) printf("    %s: %zu elements\n", c->op, at);
        op_free(q.val, r.n_out);
    }
    op_close(&r);
}

/* The case is refused with a sentence that contains this text and names the
 * node. */
static inline void op_check_fails(const op_case *c, hawq_status code,
                                  const char *text) {
    op_run r;
    if (!CHECK(op_open(&r, c) == code && strstr(hawq_message(), text)) ||
        !CHECK(strstr(hawq_message(), "node 'node'")))
        printf("    %s, expected: %s\n", hawq_message(), text);
    op_close(&r);
}

#endif
