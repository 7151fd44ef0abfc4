/* scatter.c -- ScatterElements (and Scatter, its older name) and ScatterND:
 * data with some elements replaced by, or increased by, those of `updates`, at
 * places that a constant index names. With update j going to place to[j]:
 *     forward   y = data,  y[to[j]] = u[j]  or  += u[j]
 *     adjoint   bar data += bar y, but not where y was replaced;
 *               bar u[j] += bar y[to[j]]
 * Linear. Of several updates that replace one element the last stays, and the
 * others, which lead nowhere, have to[j] = -1.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/ops.h"

#include <string.h>

enum { DATA, INDEX, UPDATES };

typedef struct scatter {
    size_t   n, block; /* updates of `block` adjacent elements each */
    int32_t *to;       /* of the first of them, or -1 */
    bool     add;
    bool    *replaced; /* per element of data; NULL if they are added */
} scatter;

/* What both operators ask of their operands, before the places are known. */
static hawq_status check(hawq_node *node, const hawq_shape *updates,
                         scatter *s) {
    const int64_t *index;
    size_t         n;
    char           want[128], got[128];
    const char    *how = hawq_attr_string(node, "reduction", "none");
    HAWQ_TRY(hawq_need_value(node, DATA));
    HAWQ_TRY(hawq_read_ints(node, NULL, INDEX, &index, &n));
    HAWQ_TRY(hawq_need_value(node, UPDATES));
    s->add = strcmp(how, "add") == 0;
    if (!s->add && strcmp(how, "none") != 0)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "reduction '%s' is not supported; supported are "
                              "none and add",
                              how);
    if (node->in[DATA]->dtype != node->in[UPDATES]->dtype)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "'%s' and '%s' are of different types",
                              node->in[DATA]->name, node->in[UPDATES]->name);
    if (!hawq_shape_equal(updates, &node->in[UPDATES]->shape))
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "the updates have shape %s, expected %s",
                              hawq_shape_text(&node->in[UPDATES]->shape, got),
                              hawq_shape_text(updates, want));
    return hawq_set_out(node, 0, node->in[DATA]->dtype, &node->in[DATA]->shape);
}

static hawq_status read_index(const hawq_node *node, int64_t given, int64_t d,
                              int64_t *out) {
    *out = given < 0 ? given + d : given;
    if (*out >= 0 && *out < d) return HAWQ_OK;
    return hawq_node_fail(node, HAWQ_EFORMAT,
                          "index %lld is out of range for length %lld",
                          (long long)given, (long long)d);
}

/* Of updates that replace, those that are replaced themselves go. */
static hawq_status keep(hawq_node *node, hawq_arena *arena,
                        const scatter *given) {
    scatter *s;
    HAWQ_TAKE(s, arena, 1);
    *s = *given;
    node->param = s;
    if (s->add || !s->block) return HAWQ_OK;
    HAWQ_TAKE(s->replaced, arena, node->in[DATA]->n);
    for (size_t j = s->n; j-- > 0;) {
        bool *at = &s->replaced[s->to[j]];
        if (*at)
            s->to[j] = -1;
        else
            memset(at, true, s->block * sizeof *at);
    }
    return HAWQ_OK;
}

static hawq_status elements_shape(hawq_node *node, hawq_arena *arena) {
    scatter           s = {.block = 1};
    const hawq_shape *x = &node->in[DATA]->shape, *q = &node->in[INDEX]->shape;
    int64_t           given = hawq_attr_int(node, "axis", 0), at = 0;
    int               axis = hawq_axis(given, x->rank);
    bool              fits = axis >= 0 && x->rank == q->rank;
    for (int a = 0; fits && a < x->rank; a++)
        fits = a == axis || q->dim[a] <= x->dim[a];
    if (!fits)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "the index of rank %d does not fit the input of "
                              "rank %d along axis %lld",
                              q->rank, x->rank, (long long)given);
    HAWQ_TRY(check(node, q, &s));
    s.n = node->in[INDEX]->n;
    HAWQ_TAKE(s.to, arena, s.n);
    for (size_t i = 0; i < s.n; i++) {
        size_t rest = i, stride = 1, offset = 0;
        HAWQ_TRY(read_index(node, node->in[INDEX]->ints[i], x->dim[axis], &at));
        for (int a = x->rank; a-- > 0;) {
            size_t own = rest % (size_t)q->dim[a];
            offset += (a == axis ? (size_t)at : own) * stride;
            rest /= (size_t)q->dim[a];
            stride *= (size_t)x->dim[a];
        }
        s.to[i] = (int32_t)offset;
    }
    return keep(node, arena, &s);
}

static hawq_status nd_shape(hawq_node *node, hawq_arena *arena) {
    scatter           s = {.block = 1};
    const hawq_shape *x = &node->in[DATA]->shape, *q = &node->in[INDEX]->shape;
    int64_t           depth = q->rank > 0 ? q->dim[q->rank - 1] : 0;
    hawq_shape        updates = *q;
    if (depth < 1 || depth > x->rank ||
        q->rank - 1 + x->rank - depth > HAWQ_MAX_RANK)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "an index of %lld positions does not fit an "
                              "input of rank %d",
                              (long long)depth, x->rank);
    updates.rank = q->rank - 1;
    for (int a = (int)depth; a < x->rank; a++)
        updates.dim[updates.rank++] = x->dim[a];
    HAWQ_TRY(check(node, &updates, &s));
    s.n = node->in[INDEX]->n / (size_t)depth;
    s.block = (size_t)hawq_shape_count(x, (int)depth, x->rank);
    HAWQ_TAKE(s.to, arena, s.n);
    for (size_t i = 0; i < s.n; i++) {
        const int64_t *index = node->in[INDEX]->ints + i * (size_t)depth;
        int64_t        offset = 0, at = 0;
        for (int64_t k = 0; k < depth; k++) {
            HAWQ_TRY(read_index(node, index[k], x->dim[k], &at));
            offset = offset * x->dim[k] + at;
        }
        s.to[i] = (int32_t)(offset * (int64_t)s.block);
    }
    return keep(node, arena, &s);
}

/* --- sweeps ------------------------------------------------------------ */

static void forward(const hawq_node *node, const hawq_planes *p) {
    const scatter *s = node->param;
    const real    *x = hawq_val(p, node->in[DATA]);
    const real    *u = hawq_val(p, node->in[UPDATES]);
    real          *y = hawq_val(p, node->out[0]);
    if (!y) return;
    if (x && node->out[0]->n)
        memcpy(y, x, node->out[0]->n * sizeof *y);
    else if (!x)
        memset(y, 0, node->out[0]->n * sizeof *y);
    for (size_t j = 0; j < s->n; j++) {
        if (s->to[j] < 0) continue;
        for (size_t b = 0; b < s->block; b++) {
            real  v = u ? u[j * s->block + b] : 0;
            real *to = &y[(size_t)s->to[j] + b];
            *to = s->add ? *to + v : v;
        }
    }
}

static void adjoint(const hawq_node *node, const hawq_planes *p) {
    const scatter *s = node->param;
    const real    *by = hawq_bar(p, node->out[0]);
    real          *bx = hawq_bar(p, node->in[DATA]);
    real          *bu = hawq_bar(p, node->in[UPDATES]);
    for (size_t i = 0; by && bx && i < node->out[0]->n; i++)
        if (!s->replaced || !s->replaced[i]) bx[i] += by[i];
    for (size_t j = 0; by && bu && j < s->n; j++) {
        if (s->to[j] < 0) continue;
        for (size_t b = 0; b < s->block; b++)
            bu[j * s->block + b] += by[(size_t)s->to[j] + b];
    }
}

static hawq_status fold(hawq_node *node, hawq_arena *arena) {
    const scatter *s = node->param;
    hawq_tensor   *y = node->out[0];
    const int64_t *u = node->in[UPDATES]->ints;
    HAWQ_TAKE(y->ints, arena, y->n);
    for (size_t i = 0; i < y->n; i++) y->ints[i] = node->in[DATA]->ints[i];
    for (size_t j = 0; j < s->n; j++) {
        if (s->to[j] < 0) continue;
        for (size_t b = 0; b < s->block; b++) {
            int64_t *to = &y->ints[(size_t)s->to[j] + b];
            int64_t  v = u[j * s->block + b];
            *to = s->add ? (int64_t)((uint64_t)*to + (uint64_t)v) : v;
        }
    }
    return HAWQ_OK;
}

#define SCATTER(x, onnx_name, attribute_list, shape_fn)                        \
    const hawq_op hawq_op_##x = {.name = (onnx_name),                          \
                                 .attributes = (attribute_list),               \
                                 .min_in = 3,                                  \
                                 .max_in = 3,                                  \
                                 .shape = (shape_fn),                          \
                                 .fold = fold,                                 \
                                 .forward = forward,                           \
                                 .adjoint = adjoint};

SCATTER(scatter, "Scatter", "axis", elements_shape)
SCATTER(scatter_elements, "ScatterElements", "axis reduction", elements_shape)
SCATTER(scatter_nd, "ScatterND", "reduction", nd_shape)
