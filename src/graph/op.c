/* op.c -- attributes and shapes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/op.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool hawq_op_has_attribute(const hawq_op *op, const char *name) {
    size_t n = strlen(name);
    for (const char *at = op->attributes; at && *at;) {
        size_t length = strcspn(at, " ");
        if (length == n && memcmp(at, name, n) == 0) return true;
        at += length + (at[length] == ' ');
    }
    return false;
}

const hawq_attr *hawq_attr_find(const hawq_node *node, const char *name) {
    for (int i = 0; i < node->n_attr; i++)
        if (strcmp(node->attr[i].name, name) == 0) return &node->attr[i];
    return NULL;
}

int64_t hawq_attr_int(const hawq_node *node, const char *name, int64_t def) {
    const hawq_attr *a = hawq_attr_find(node, name);
    return a && a->type == HAWQ_ATTR_INT ? a->i : def;
}

double hawq_attr_float(const hawq_node *node, const char *name, double def) {
    const hawq_attr *a = hawq_attr_find(node, name);
    return a && a->type == HAWQ_ATTR_FLOAT ? a->f : def;
}

const char *hawq_attr_string(const hawq_node *node, const char *name,
                             const char *def) {
    const hawq_attr *a = hawq_attr_find(node, name);
    return a && a->type == HAWQ_ATTR_STRING ? a->s : def;
}

hawq_status hawq_node_fail(const hawq_node *node, hawq_status code,
                           const char *format, ...) {
    char    text[768];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return hawq_fail(code, "node '%s' (%s): %s", node->name, node->op->name,
                     text);
}

int64_t hawq_shape_count(const hawq_shape *shape, int from, int to) {
    int64_t count = 1;
    for (int i = from; i < to; i++) count *= shape->dim[i];
    return count;
}

bool hawq_shape_equal(const hawq_shape *a, const hawq_shape *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

const char *hawq_shape_text(const hawq_shape *shape, char text[128]) {
    int used = 0;
    text[0] = 0;
    if (shape->rank == 0) snprintf(text, 128, "scalar");
    for (int i = 0; i < shape->rank && used < 128; i++)
        used += snprintf(text + used, (size_t)(128 - used), "%s%lld",
                         i ? "x" : "", (long long)shape->dim[i]);
    return text;
}

hawq_shape hawq_shape_squeeze(const hawq_shape *shape, int from) {
    hawq_shape kept = {0};
    for (int i = from; i < shape->rank; i++)
        if (shape->dim[i] != 1) kept.dim[kept.rank++] = shape->dim[i];
    return kept;
}

int hawq_axis(int64_t axis, int rank) {
    if (axis < -rank || axis >= rank) return -1;
    return (int)(axis < 0 ? axis + rank : axis);
}
