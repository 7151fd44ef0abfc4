/* einsum.c -- Einsum of one or two operands: each label of the equation is an
 * axis; labels that the result does not name are summed over. Both operands
 * are brought into the form of a batch of matrix products,
 *     y[b, m, n] = sum over k of a[b, m, k] c[b, k, n]
 * with b the labels of a, c and y, m those of a and y, n those of c and y, and
 * k the labels that y lacks. A repeated label is a diagonal, a label that an
 * operand lacks repeats it; a single operand is multiplied by ones. Bilinear,
 * so each derivative is the product rule, one line per term.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/mm.h"
#include "src/ops/ops.h"

#include <ctype.h>
#include <string.h>

enum { A, C, Y, SIDES };
enum { LETTERS = 128, LABELS = LETTERS + HAWQ_MAX_RANK };

/* Element i of a side in matrix form is element map[i] of its tensor. */
typedef struct einsum {
    size_t   batch, n, k, m; /* products of n x k and k x m */
    size_t   count[SIDES];
    int32_t *map[SIDES];
} einsum;

/* What the equation says: a label is its letter, or LETTERS + j for the axis
 * of an ellipsis that is number j from its right. */
typedef struct equation {
    int     rank[SIDES], label[SIDES][HAWQ_MAX_RANK];
    int64_t size[LABELS], stride[SIDES][LABELS];
    bool    has[SIDES][LABELS];
} equation;

static hawq_status malformed(const hawq_node *node) {
    return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                          "equation '%s' with %d inputs; supported are one or "
                          "two operands whose axes fit their labels",
                          hawq_attr_string(node, "equation", ""), node->n_in);
}

/* --- reading ------------------------------------------------------------- */

/* The labels of one term, up to ',' or '-' or the end. `dots`: axes an
 * ellipsis stands for. */
static const char *read_term(const char *at, int dots, int *label, int *rank) {
    int n = 0;
    for (; *at && *at != ',' && *at != '-'; at++) {
        if (*at == ' ') continue;
        if (strncmp(at, "...", 3) == 0) {
            for (int j = dots; j-- > 0 && n < HAWQ_MAX_RANK;)
                label[n++] = LETTERS + j;
            at += 2;
        } else if (isalpha((unsigned char)*at) && n < HAWQ_MAX_RANK) {
            label[n++] = *at;
        } else {
            return NULL;
        }
    }
    *rank = n;
    return at;
}

/* Letters of a term, not counting an ellipsis; whether it has one. */
static int count_letters(const char *at, bool *ellipsis) {
    int n = 0;
    *ellipsis = false;
    for (; *at && *at != ',' && *at != '-'; at++) {
        n += isalpha((unsigned char)*at) != 0;
        *ellipsis |= *at == '.';
    }
    return n;
}

/* Without "->": the ellipsis, then the letters that occur once, sorted. */
static bool implied_output(equation *e, int dots, int sides) {
    int n = 0;
    for (int j = dots; j-- > 0;) e->label[Y][n++] = LETTERS + j;
    for (int c = 0; c < LETTERS; c++) {
        int times = 0;
        for (int s = 0; s < sides; s++)
            for (int a = 0; a < e->rank[s]; a++) times += e->label[s][a] == c;
        if (times != 1) continue;
        if (n == HAWQ_MAX_RANK) return false;
        e->label[Y][n++] = c;
    }
    e->rank[Y] = n;
    return true;
}

static hawq_status read_equation(const hawq_node *node, equation *e) {
    const char *at = hawq_attr_string(node, "equation", "");
    int         most = 0;
    for (int s = A; s < node->n_in; s++) {
        bool ellipsis;
        int  dots = node->in[s]->shape.rank - count_letters(at, &ellipsis);
        if (dots < 0 || (dots > 0 && !ellipsis)) return malformed(node);
        if (dots > most) most = dots;
        at = read_term(at, dots, e->label[s], &e->rank[s]);
        if (!at || e->rank[s] != node->in[s]->shape.rank)
            return malformed(node);
        if (s < node->n_in - 1 && *at++ != ',') return malformed(node);
    }
    if (!*at)
        return implied_output(e, most, node->n_in) ? HAWQ_OK : malformed(node);
    if (strncmp(at, "->", 2) != 0) return malformed(node);
    at = read_term(at + 2, most, e->label[Y], &e->rank[Y]);
    return at && !*at ? HAWQ_OK : malformed(node);
}

/* --- planning ------------------------------------------------------------ */

/* Sizes of labels and strides of operands; an axis of length one of an
 * ellipsis is repeated. */
static bool measure(equation *e, int side, const hawq_shape *s) {
    int64_t stride = 1;
    for (int a = s->rank; a-- > 0;) {
        int     c = e->label[side][a];
        int64_t d = s->dim[a];
        bool    known = e->size[c] != 0;
        if (d < 1) return false;
        if (known && d != e->size[c] &&
            (c < LETTERS || (d != 1 && e->size[c] != 1)))
            return false;
        if (!known || e->size[c] == 1) e->size[c] = d;
        if (d > 1) e->stride[side][c] += stride;
        e->has[side][c] = true;
        stride *= d;
    }
    return true;
}

static bool measure_output(equation *e, hawq_shape *out) {
    int64_t stride = 1;
    out->rank = e->rank[Y];
    for (int a = out->rank; a-- > 0;) {
        int c = e->label[Y][a];
        if (!e->size[c] || e->has[Y][c]) return false;
        e->has[Y][c] = true;
        e->stride[Y][c] = stride;
        out->dim[a] = e->size[c];
        stride *= e->size[c];
        if (stride > INT32_MAX) return false;
    }
    return true;
}

/* 0: b, 1: m of a, 2: k, 3: n of c */
static int role(const equation *e, int c) {
    if (!e->has[Y][c]) return 2;
    return e->has[A][c] ? (e->has[C][c] ? 0 : 1) : 3;
}

/* The labels with one of the three roles, in that order. */
static int ordered(const equation *e, const int roles[3], int *label) {
    int n = 0;
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < LABELS; c++)
            if (e->size[c] && role(e, c) == roles[r]) label[n++] = c;
    return n;
}

static hawq_status plan_side(const hawq_node *node, hawq_arena *arena,
                             const equation *e, int side, const int roles[3],
                             einsum *p) {
    int     label[LABELS], n = ordered(e, roles, label);
    int64_t count = 1, at[LABELS] = {0};
    for (int a = 0; a < n; a++)
        if ((count *= e->size[label[a]]) > INT32_MAX) return malformed(node);
    p->count[side] = (size_t)count;
    HAWQ_TAKE(p->map[side], arena, p->count[side]);
    int32_t offset = 0;
    for (size_t i = 0; i < p->count[side]; i++) {
        p->map[side][i] = offset;
        for (int a = n; a-- > 0;) { /* odometer */
            int64_t stride = e->stride[side][label[a]];
            offset += (int32_t)stride;
            if (++at[a] < e->size[label[a]]) break;
            offset -= (int32_t)(stride * at[a]);
            at[a] = 0;
        }
    }
    return HAWQ_OK;
}

static hawq_status plan(hawq_node *node, hawq_arena *arena, const equation *e) {
    static const int roles[SIDES][3] = {{0, 1, 2}, {0, 2, 3}, {0, 1, 3}};
    int64_t          size[4] = {1, 1, 1, 1};
    einsum          *p;
    HAWQ_TAKE(p, arena, 1);
    for (int c = 0; c < LABELS; c++)
        if (e->size[c] && (size[role(e, c)] *= e->size[c]) > INT32_MAX)
            return malformed(node);
    p->batch = (size_t)size[0];
    p->n = (size_t)size[1];
    p->k = (size_t)size[2];
    p->m = (size_t)size[3];
    for (int side = A; side < SIDES; side++)
        HAWQ_TRY(plan_side(node, arena, e, side, roles[side], p));
    node->param = p;
    node->scratch = p->count[A] + p->count[C] + p->count[Y];
    return HAWQ_OK;
}

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    equation  *e;
    hawq_shape out = {0};
    HAWQ_TAKE(e, arena, 1);
    for (int s = A; s < node->n_in; s++) HAWQ_TRY(hawq_need_float(node, s));
    HAWQ_TRY(read_equation(node, e));
    for (int s = A; s < node->n_in; s++)
        if (!measure(e, s, &node->in[s]->shape)) return malformed(node);
    if (!measure_output(e, &out)) return malformed(node);
    HAWQ_TRY(hawq_set_out(node, 0, HAWQ_FLOAT, &out));
    return plan(node, arena, e);
}

/* --- sweeps -------------------------------------------------------------- */

static real *room(const einsum *e, const hawq_planes *p, int side) {
    return p->scratch + (side > A ? e->count[A] : 0) +
           (side > C ? e->count[C] : 0);
}

/* A side in matrix form, in scratch. */
static real *pack(const einsum *e, const hawq_planes *p, int side,
                  const real *x) {
    real *to = room(e, p, side);
    for (size_t i = 0; i < e->count[side]; i++)
        to[i] = x ? x[e->map[side][i]] : 1;
    return to;
}

static void unpack_add(const einsum *e, const hawq_planes *p, int side,
                       real *x) {
    const real *from = room(e, p, side);
    for (size_t i = 0; i < e->count[side]; i++) x[e->map[side][i]] += from[i];
}

/* y += a c */
static void product(const hawq_node *node, const hawq_planes *p, const real *a,
                    const real *c, real *y) {
    const einsum *e = node->param;
    if (!a || (!c && node->n_in > 1) || !y) return;
    const real *left = pack(e, p, A, a), *right = pack(e, p, C, c);
    for (size_t b = 0; b < e->batch; b++)
        hawq_mm(false, false, e->n, e->m, e->k, 1, left + b * e->n * e->k, e->k,
                right + b * e->k * e->m, e->m, 0,
                room(e, p, Y) + b * e->n * e->m, e->m);
    unpack_add(e, p, Y, y);
}

/* ba += by c' */
static void by_a(const hawq_node *node, const hawq_planes *p, const real *c,
                 const real *by, real *ba) {
    const einsum *e = node->param;
    if ((!c && node->n_in > 1) || !by || !ba) return;
    const real *right = pack(e, p, C, c), *bar = pack(e, p, Y, by);
    for (size_t b = 0; b < e->batch; b++)
        hawq_mm(false, true, e->n, e->k, e->m, 1, bar + b * e->n * e->m, e->m,
                right + b * e->k * e->m, e->m, 0,
                room(e, p, A) + b * e->n * e->k, e->k);
    unpack_add(e, p, A, ba);
}

/* bc += a' by */
static void by_c(const hawq_node *node, const hawq_planes *p, const real *a,
                 const real *by, real *bc) {
    const einsum *e = node->param;
    if (!a || !by || !bc) return;
    const real *left = pack(e, p, A, a), *bar = pack(e, p, Y, by);
    for (size_t b = 0; b < e->batch; b++)
        hawq_mm(true, false, e->k, e->m, e->n, 1, left + b * e->n * e->k, e->k,
                bar + b * e->n * e->m, e->m, 0, room(e, p, C) + b * e->k * e->m,
                e->m);
    unpack_add(e, p, C, bc);
}

static void zero(const hawq_node *node, real *y) {
    if (y) memset(y, 0, node->out[0]->n * sizeof *y);
}

static void forward(const hawq_node *node, const hawq_planes *p) {
    real *y = hawq_val(p, node->out[0]);
    zero(node, y);
    product(node, p, hawq_val(p, node->in[A]), hawq_val(p, hawq_in(node, C)),
            y);
}

static void tangent(const hawq_node *node, const hawq_planes *p) {
    const hawq_tensor *a = node->in[A], *c = hawq_in(node, C);
    for (int l = 0; l < p->lanes; l++) {
        real *dy = hawq_dot(p, l, node->out[0]);
        zero(node, dy);
        product(node, p, hawq_dot(p, l, a), hawq_val(p, c), dy);
        if (c) product(node, p, hawq_val(p, a), hawq_dot(p, l, c), dy);
    }
}

static void adjoint(const hawq_node *node, const hawq_planes *p) {
    const hawq_tensor *a = node->in[A], *c = hawq_in(node, C);
    const real        *by = hawq_bar(p, node->out[0]);
    by_a(node, p, hawq_val(p, c), by, hawq_bar(p, a));
    by_c(node, p, hawq_val(p, a), by, hawq_bar(p, c));
}

static void adjoint_tangent(const hawq_node *node, const hawq_planes *p) {
    const hawq_tensor *a = node->in[A], *c = hawq_in(node, C);
    const real        *by = hawq_bar(p, node->out[0]);
    for (int l = 0; l < p->lanes; l++) {
        const real *bdy = hawq_bardot(p, l, node->out[0]);
        by_a(node, p, hawq_val(p, c), bdy, hawq_bardot(p, l, a));
        by_c(node, p, hawq_val(p, a), bdy, hawq_bardot(p, l, c));
        if (!c) continue;
        by_a(node, p, hawq_dot(p, l, c), by, hawq_bardot(p, l, a));
        by_c(node, p, hawq_dot(p, l, a), by, hawq_bardot(p, l, c));
    }
}

const hawq_op hawq_op_einsum = {.name = "Einsum",
                                .attributes = "equation",
                                .min_in = 1,
                                .max_in = 2,
                                .shape = shape,
                                .forward = forward,
                                .tangent = tangent,
                                .adjoint = adjoint,
                                .adjoint_tangent = adjoint_tangent};
