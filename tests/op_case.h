/* op_case.h -- one operator alone: a node described in place, built, called on
 * hand-made planes; its values and its refusals.
 *
 * A case is a node: operator, attributes, inputs. Float operands are random
 * (or given), integer operands are given.
 *
 *     VALUE(SHAPE(2), VALUES(0, 1), "Squeeze", .in = {ACT(1, 2)});
 *     FAILS(EFORMAT, "missing", "Unsqueeze", .in = {ACT(2)});
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_OP_CASE_H
#define HAWQ_OP_CASE_H
#include "src/base/rng.h"
#include "src/graph/graph.h"
#include "src/ops/ops.h"
#include "tests/check.h"

enum { OP_IN = 8, OP_OUT = 4, OP_ATTR = 8, OP_LANES = 3 };

typedef struct op_in {
    enum {
        OP_END,
        OP_OMITTED,
        OP_ACT,
        OP_WEIGHT,
        OP_FIXED,
        OP_INTS,
        OP_WHOLE /* integers computed from the data, of `values` */
    } kind;
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
#define WHOLE(shape_of, ...)                                                   \
    {                                                                          \
        .kind = OP_WHOLE, .shape = OP_SHAPE shape_of,                          \
        .values = (const double[]) {                                           \
            __VA_ARGS__                                                        \
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
    r->free[k] = in->kind != OP_FIXED && in->kind != OP_WHOLE;
    for (size_t i = 0; i < n; i++)
        r->x[k][i] = (real)(in->values   ? in->values[i]
                            : r->c->iota ? 100.0 * k + (double)i
                            : standard   ? op_draw(r, -1, 1)
                                         : op_draw(r, in->low, in->high));
    HAWQ_TRY(
        hawq_graph_constant(r->graph, name, HAWQ_FLOAT, &in->shape, r->x[k]));
    hawq_tensor *t = hawq_graph_find(r->graph, name);
    if (in->kind == OP_ACT || in->kind == OP_WHOLE) t->role = HAWQ_ACTIVATION;
    t->whole = in->kind == OP_WHOLE;
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
        p.val[r->in[k]->id] = r->x[k] ? r->x[k] : r->in[k]->data;
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

static void op_new_out(const op_run *r, real **v) { /* NaN: to be overwritten */
    for (int k = 0; k < r->n_out; k++) v[k] = op_plane(r->out[k]->n);
}

static void op_free(real **v, int n) {
    for (int k = 0; k < n; k++) {
        free(v[k]);
        v[k] = NULL;
    }
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

/* Whichever request for memory fails, the node is refused for that. */
static inline void op_check_starved(const op_case *c) {
    hawq_status status = HAWQ_ENOMEM;
    long        k = 0;
    while (status == HAWQ_ENOMEM && k < 100) {
        op_run r;
        hawq_arena_fail_at(++k);
        status = op_open(&r, c);
        hawq_arena_fail_at(0);
        op_close(&r);
    }
    if (!CHECK(status == HAWQ_OK && k > 2)) printf("    %s\n", c->op);
}

/* --- cases written in place -------------------------------------------- */

#define SHAPE(...) &(const hawq_shape)OP_SHAPE(__VA_ARGS__)
#define SCALAR                                                                 \
    &(const hawq_shape) {                                                      \
        0                                                                      \
    }
#define VALUES(...)                                                            \
    (const double[]){__VA_ARGS__}, sizeof((double[]){__VA_ARGS__}) / 8
#define NOTHING NULL, 0

/* float inputs count 0, 1, 2 ... */
#define VALUE(shape, values, ...)                                              \
    op_check_values(&(const op_case){__VA_ARGS__, .iota = true}, shape, values)
#define FAILS(code, text, ...)                                                 \
    op_check_fails(&(const op_case){__VA_ARGS__}, HAWQ_##code, text)

#endif
