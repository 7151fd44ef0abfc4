/* top_k.c -- TopK: the k largest (or smallest) elements along an axis, in
 * order, of equal ones the first; and, if asked for, their positions. The
 * positions are integers of a constant input and numbers of what is computed,
 * and have no derivative; with element j of a row being element at[j] of x:
 *     forward   y[j] = x[at[j]]
 *     tangent   dy[j] = dx[at[j]],  adjoint  bx[at[j]] += by[j]
 * Every sweep sorts anew: x is at hand, and memory for the order is not.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/ops.h"

typedef struct top_k {
    size_t outer, n, inner, k; /* rows of n elements, `inner` apart */
    bool   smallest;
} top_k;

/* The number of elements: attribute k, from operator set 10 on an input. */
static hawq_status read_k(const hawq_node *node, int64_t n, size_t *out) {
    const int64_t *given;
    size_t         count;
    int64_t        k = hawq_attr_int(node, "k", -1);
    if (k < 0) {
        HAWQ_TRY(hawq_read_ints(node, NULL, 1, &given, &count));
        k = count == 1 ? given[0] : -1;
    }
    if (k < 0 || k > n)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "k is %lld, expected one number from 0 to %lld",
                              (long long)k, (long long)n);
    *out = (size_t)k;
    return HAWQ_OK;
}

static hawq_status fill_constant(hawq_node *node, hawq_arena *arena);

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    top_k *t;
    HAWQ_TRY(hawq_need_value(node, 0));
    const hawq_tensor *x = node->in[0];
    int64_t            given = hawq_attr_int(node, "axis", -1);
    int                axis = hawq_axis(given, x->shape.rank);
    hawq_shape         out = x->shape;
    if (axis < 0)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "axis %lld is out of range for rank %d",
                              (long long)given, x->shape.rank);
    HAWQ_TAKE(t, arena, 1);
    *t = (top_k){
        .outer = (size_t)hawq_shape_count(&x->shape, 0, axis),
        .n = (size_t)x->shape.dim[axis],
        .inner = (size_t)hawq_shape_count(&x->shape, axis + 1, x->shape.rank),
        .smallest = hawq_attr_int(node, "largest", 1) == 0};
    HAWQ_TRY(read_k(node, x->shape.dim[axis], &t->k));
    out.dim[axis] = (int64_t)t->k;
    node->param = t;
    node->scratch = t->k;
    bool constant = x->role == HAWQ_CONSTANT;
    HAWQ_TRY(hawq_set_out(node, 0, x->dtype, &out));
    node->out[0]->whole = x->whole && !constant;
    if (node->n_out > 1 && node->out[1]) {
        HAWQ_TRY(hawq_set_out(node, 1, constant ? HAWQ_INT : HAWQ_FLOAT, &out));
        node->out[1]->whole = !constant;
    }
    return constant ? fill_constant(node, arena) : HAWQ_OK;
}

/* Of row r: where its first element is, and of the result's. */
static size_t row_start(const top_k *t, size_t r, size_t n) {
    return r / t->inner * n * t->inner + r % t->inner;
}

static bool ahead(const top_k *t, const int64_t *ints, const real *x, size_t a,
                  size_t b) {
    if (t->smallest) return ints ? ints[a] < ints[b] : x[a] < x[b];
    return ints ? ints[a] > ints[b] : x[a] > x[b];
}

/* at[0 .. k): the positions in the row that starts at `first`, best first. */
static void sort_row(const top_k *t, const int64_t *ints, const real *x,
                     size_t first, int32_t *at) {
    size_t found = 0;
    for (size_t i = 0; t->k && i < t->n; i++) {
        size_t j = found, e = first + i * t->inner;
        while (j > 0 &&
               ahead(t, ints, x, e, first + (size_t)at[j - 1] * t->inner))
            j--;
        if (j == t->k) continue;
        if (found < t->k) found++;
        for (size_t m = found - 1; m > j; m--) at[m] = at[m - 1];
        at[j] = (int32_t)i;
    }
}

static hawq_status fill_constant(hawq_node *node, hawq_arena *arena) {
    const top_k       *t = node->param;
    const hawq_tensor *x = node->in[0];
    hawq_tensor       *y = node->out[0];
    hawq_tensor       *place = node->n_out > 1 ? node->out[1] : NULL;
    int32_t           *at;
    HAWQ_TRY(hawq_make_constant(node, arena, x->dtype, &y->shape));
    HAWQ_TAKE(at, arena, t->k);
    if (place) {
        HAWQ_TAKE(place->ints, arena, place->n);
        place->role = HAWQ_CONSTANT;
    }
    for (size_t r = 0; r < t->outer * t->inner; r++) {
        size_t from = row_start(t, r, t->n), to = row_start(t, r, t->k);
        sort_row(t, x->ints, x->data, from, at);
        for (size_t j = 0; j < t->k; j++) {
            size_t e = from + (size_t)at[j] * t->inner, i = to + j * t->inner;
            if (y->ints)
                y->ints[i] = x->ints[e];
            else
                y->data[i] = x->data[e];
            if (place) place->ints[i] = at[j];
        }
    }
    return HAWQ_OK;
}

/* --- sweeps ------------------------------------------------------------ */

/* The order of row r, in scratch. */
static const int32_t *order(const hawq_node *node, const hawq_planes *p,
                            size_t r) {
    const top_k *t = node->param;
    int32_t     *at = (int32_t *)(void *)p->scratch;
    sort_row(t, NULL, hawq_val(p, node->in[0]), row_start(t, r, t->n), at);
    return at;
}

/* y[j] = x[at[j]] of row r; x NULL: 0 */
static void take(const top_k *t, size_t r, const int32_t *at, const real *x,
                 real *y) {
    size_t from = row_start(t, r, t->n), to = row_start(t, r, t->k);
    for (size_t j = 0; j < t->k; j++)
        y[to + j * t->inner] = x ? x[from + (size_t)at[j] * t->inner] : 0;
}

static void give_back(const top_k *t, size_t r, const int32_t *at,
                      const real *by, real *bx) {
    size_t to = row_start(t, r, t->n), from = row_start(t, r, t->k);
    for (size_t j = 0; j < t->k; j++)
        bx[to + (size_t)at[j] * t->inner] += by[from + j * t->inner];
}

static hawq_tensor *positions(const hawq_node *node) {
    return node->n_out > 1 ? node->out[1] : NULL;
}

static void forward(const hawq_node *node, const hawq_planes *p) {
    const top_k *t = node->param;
    const real  *x = hawq_val(p, node->in[0]);
    real        *y = hawq_val(p, node->out[0]);
    real        *place = hawq_val(p, positions(node));
    for (size_t r = 0; r < t->outer * t->inner; r++) {
        const int32_t *at = order(node, p, r);
        take(t, r, at, x, y);
        for (size_t j = 0; place && j < t->k; j++)
            place[row_start(t, r, t->k) + j * t->inner] = (real)at[j];
    }
}

static void tangent(const hawq_node *node, const hawq_planes *p) {
    const top_k       *t = node->param;
    const hawq_tensor *place = positions(node);
    for (size_t r = 0; r < t->outer * t->inner; r++) {
        const int32_t *at = order(node, p, r);
        for (int l = 0; l < p->lanes; l++) {
            real *dy = hawq_dot(p, l, node->out[0]);
            if (dy) take(t, r, at, hawq_dot(p, l, node->in[0]), dy);
        }
    }
    for (int l = 0; l < p->lanes; l++) {
        real *none = hawq_dot(p, l, place);
        for (size_t i = 0; none && i < place->n; i++) none[i] = 0;
    }
}

static void adjoint(const hawq_node *node, const hawq_planes *p) {
    const top_k *t = node->param;
    const real  *by = hawq_bar(p, node->out[0]);
    real        *bx = hawq_bar(p, node->in[0]);
    for (size_t r = 0; by && bx && r < t->outer * t->inner; r++)
        give_back(t, r, order(node, p, r), by, bx);
}

static void adjoint_tangent(const hawq_node *node, const hawq_planes *p) {
    const top_k *t = node->param;
    for (size_t r = 0; r < t->outer * t->inner; r++) {
        const int32_t *at = order(node, p, r);
        for (int l = 0; l < p->lanes; l++) {
            const real *bdy = hawq_bardot(p, l, node->out[0]);
            real       *bdx = hawq_bardot(p, l, node->in[0]);
            if (bdy && bdx) give_back(t, r, at, bdy, bdx);
        }
    }
}

const hawq_op hawq_op_top_k = {.name = "TopK",
                               .attributes = "axis k largest sorted",
                               .min_in = 1,
                               .max_in = 2,
                               .shape = shape,
                               .retypes = true,
                               .forward = forward,
                               .tangent = tangent,
                               .adjoint = adjoint,
                               .adjoint_tangent = adjoint_tangent,
                               .piecewise_linear = true};
