/* arg_max.c -- ArgMax and ArgMin of constants: the position of the largest or
 * smallest element along an axis. Of equal ones the first, or the last with
 * select_last_index. SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/ops.h"

typedef struct search {
    size_t outer, n, inner;
    bool   last;
} search;

static hawq_status shape(hawq_node *node, hawq_arena *arena) {
    const hawq_shape *s = &node->in[0]->shape;
    int64_t           given = hawq_attr_int(node, "axis", 0);
    int               axis = hawq_axis(given, s->rank);
    bool              keep = hawq_attr_int(node, "keepdims", 1) != 0;
    hawq_shape        out = {0};
    search           *f;
    if (axis < 0 || s->dim[axis] < 1)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "axis %lld of an input of rank %d is out of "
                              "range or empty",
                              (long long)given, s->rank);
    for (int a = 0; a < s->rank; a++)
        if (a != axis || keep) out.dim[out.rank++] = a == axis ? 1 : s->dim[a];
    HAWQ_TAKE(f, arena, 1);
    *f = (search){(size_t)hawq_shape_count(s, 0, axis), (size_t)s->dim[axis],
                  (size_t)hawq_shape_count(s, axis + 1, s->rank),
                  hawq_attr_int(node, "select_last_index", 0) != 0};
    node->param = f;
    return hawq_set_out(node, 0, HAWQ_INT, &out);
}

/* sign * (x_a - x_b), as a comparison */
static int order(const hawq_tensor *x, size_t a, size_t b, int sign) {
    int more = x->ints ? (x->ints[a] > x->ints[b]) - (x->ints[a] < x->ints[b])
                       : (x->data[a] > x->data[b]) - (x->data[a] < x->data[b]);
    return sign * more;
}

static hawq_status find(hawq_node *node, hawq_arena *arena, int sign) {
    const search      *f = node->param;
    const hawq_tensor *x = node->in[0];
    hawq_tensor       *y = node->out[0];
    HAWQ_TAKE(y->ints, arena, y->n);
    for (size_t i = 0; i < y->n; i++) {
        size_t first = i / f->inner * f->n * f->inner + i % f->inner, best = 0;
        for (size_t k = 1; k < f->n; k++) {
            int c =
                order(x, first + k * f->inner, first + best * f->inner, sign);
            if (c > 0 || (c == 0 && f->last)) best = k;
        }
        y->ints[i] = (int64_t)best;
    }
    return HAWQ_OK;
}

static hawq_status max_fold(hawq_node *node, hawq_arena *arena) {
    return find(node, arena, 1);
}
static hawq_status min_fold(hawq_node *node, hawq_arena *arena) {
    return find(node, arena, -1);
}

const hawq_op hawq_op_arg_max = {.name = "ArgMax",
                                 .attributes = "axis keepdims "
                                               "select_last_index",
                                 .min_in = 1,
                                 .max_in = 1,
                                 .shape = shape,
                                 .fold = max_fold};
const hawq_op hawq_op_arg_min = {.name = "ArgMin",
                                 .attributes = "axis keepdims "
                                               "select_last_index",
                                 .min_in = 1,
                                 .max_in = 1,
                                 .shape = shape,
                                 .fold = min_fold};
