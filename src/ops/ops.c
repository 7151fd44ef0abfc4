/* ops.c -- the table of operators, from ops.def, and what shape functions
 * share. SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/ops.h"

#include <string.h>

static const hawq_op *const table[] = {
#define OP(name) &hawq_op_##name,
#include "src/ops/ops.def"
#undef OP
    NULL};

const hawq_op *hawq_op_find(const char *op_type) {
    for (size_t k = 0; table[k]; k++)
        if (strcmp(table[k]->name, op_type) == 0) return table[k];
    return NULL;
}

const hawq_op *hawq_op_at(size_t k) {
    return k < sizeof table / sizeof table[0] ? table[k] : NULL;
}

hawq_status hawq_need_value(const hawq_node *node, int i) {
    const hawq_tensor *t = hawq_in(node, i);
    if (!t) return hawq_node_fail(node, HAWQ_EFORMAT, "input %d is missing", i);
    if (t->dtype == HAWQ_INT && t->role != HAWQ_CONSTANT)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "input '%s' is computed as integers; only "
                              "constant integers are supported",
                              t->name);
    return HAWQ_OK;
}

hawq_status hawq_need_float(const hawq_node *node, int i) {
    HAWQ_TRY(hawq_need_value(node, i));
    if (node->in[i]->dtype != HAWQ_FLOAT)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "input '%s' holds integers; floating point is "
                              "supported",
                              node->in[i]->name);
    return HAWQ_OK;
}

hawq_status hawq_take_reals(hawq_node *node, hawq_arena *arena, int i) {
    hawq_tensor *t = hawq_in(node, i);
    real        *data;
    if (!t || t->role != HAWQ_CONSTANT || t->dtype != HAWQ_INT || t->data)
        return HAWQ_OK;
    HAWQ_TAKE(data, arena, t->n);
    for (size_t k = 0; k < t->n; k++) {
        int64_t value = t->ints[k];
        data[k] = (real)value;
        bool exact = value > -((int64_t)1 << 53) && value < (int64_t)1 << 53 &&
                     (int64_t)data[k] == value;
        if (!exact && value != INT64_MAX && value != INT64_MIN &&
            value != INT32_MAX)
            return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                                  "'%s' holds %lld, and what it meets is "
                                  "computed from the data: such integers are "
                                  "carried as floats, exactly up to 16777216",
                                  t->name, (long long)value);
    }
    t->data = data;
    return HAWQ_OK;
}

/* Elements an output may have. A few bytes of a file can ask for a constant of
 * any size, so what is made of constants alone is held to 2^26 elements, or to
 * the size of what it is made of. */
static int64_t most_elements(const hawq_node *node) {
    int64_t most = 1 << 26;
    for (int i = 0; i < node->n_in; i++) {
        if (!node->in[i]) continue;
        if (node->in[i]->role != HAWQ_CONSTANT) return INT32_MAX;
        if ((int64_t)node->in[i]->n > most) most = (int64_t)node->in[i]->n;
    }
    return most < INT32_MAX ? most : INT32_MAX;
}

hawq_status hawq_set_out(const hawq_node *node, int i, hawq_dtype dtype,
                         const hawq_shape *shape) {
    char    text[128];
    int64_t n = 1, most = most_elements(node);
    for (int a = 0; a < shape->rank; a++) {
        int64_t d = shape->dim[a];
        if (d < 0)
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "the output would have shape %s",
                                  hawq_shape_text(shape, text));
        if (d > most || (n = n * d) > most)
            return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                                  "the output %s has more than %lld elements",
                                  hawq_shape_text(shape, text),
                                  (long long)most);
    }
    if (node->out[i]) {
        node->out[i]->shape = *shape;
        node->out[i]->dtype = dtype;
        node->out[i]->n = (size_t)n;
    }
    return HAWQ_OK;
}

hawq_status hawq_make_constant(hawq_node *node, hawq_arena *arena,
                               hawq_dtype dtype, const hawq_shape *shape) {
    hawq_tensor *y = node->out[0];
    HAWQ_TRY(hawq_set_out(node, 0, dtype, shape));
    if (dtype == HAWQ_INT)
        HAWQ_TAKE(y->ints, arena, y->n);
    else
        HAWQ_TAKE(y->data, arena, y->n);
    y->role = HAWQ_CONSTANT;
    return HAWQ_OK;
}

hawq_status hawq_read_ints(const hawq_node *node, const char *attr, int input,
                           const int64_t **ints, size_t *n) {
    static const int64_t none[1];
    const hawq_attr     *a = attr ? hawq_attr_find(node, attr) : NULL;
    const hawq_tensor   *t = input >= 0 ? hawq_in(node, input) : NULL;
    if (a && a->type != HAWQ_ATTR_INTS)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "attribute '%s' is not a list of integers", attr);
    if (t && t->role != HAWQ_CONSTANT)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                              "input '%s' depends on the data; only a constant "
                              "is supported there",
                              t->name);
    if (t && t->dtype != HAWQ_INT)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "input '%s' should hold integers, it holds "
                              "floating point",
                              t->name);
    const int64_t *found = a ? a->ints : t ? t->ints : NULL;
    *n = a ? a->n : t ? t->n : 0;
    *ints = (a || t) && !found ? none : found;
    return HAWQ_OK;
}

hawq_status hawq_read_axes(const hawq_node *node, const int64_t *ints, size_t n,
                           int rank, bool used[HAWQ_MAX_RANK]) {
    memset(used, 0, HAWQ_MAX_RANK * sizeof used[0]);
    for (size_t i = 0; i < n; i++) {
        int axis = hawq_axis(ints[i], rank);
        if (axis < 0)
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "axis %lld is out of range for rank %d",
                                  (long long)ints[i], rank);
        if (used[axis])
            return hawq_node_fail(node, HAWQ_EFORMAT,
                                  "axis %lld is given twice",
                                  (long long)ints[i]);
        used[axis] = true;
    }
    return HAWQ_OK;
}
