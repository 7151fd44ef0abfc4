/* layer_norm.c -- LayerNormalization (Ba et al. 2016), RMSNormalization (Zhang
 * and Sennrich 2019), GroupNormalization (Wu and He 2018) and
 * InstanceNormalization (Ulyanov et al. 2016): which elements form a group,
 * see norm.h. SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/norm.h"
#include "src/ops/ops.h"

static hawq_status need_elements(const hawq_node *node) {
    HAWQ_TRY(hawq_need_float(node, 0));
    if (node->in[0]->n > 0) return HAWQ_OK;
    return hawq_node_fail(node, HAWQ_EUNSUPPORTED, "the input is empty");
}

/* Groups: the axes from `axis` on. */
static hawq_status from_axis(hawq_node *node, hawq_arena *arena, bool rms) {
    HAWQ_TRY(need_elements(node));
    const hawq_shape *s = &node->in[0]->shape;
    int64_t           given = hawq_attr_int(node, "axis", -1);
    int               axis = hawq_axis(given, s->rank);
    if (axis < 0)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "axis %lld is out of range for rank %d",
                              (long long)given, s->rank);
    size_t     m = (size_t)hawq_shape_count(s, axis, s->rank);
    hawq_shape one = *s;
    for (int a = axis; a < s->rank; a++) one.dim[a] = 1;
    for (int i = 1; i < node->n_out; i++)
        HAWQ_TRY(hawq_set_out(node, i, HAWQ_FLOAT, &one));
    return hawq_norm_set(
        node, arena,
        &(hawq_norm){.groups = node->in[0]->n / m,
                     .m = m,
                     .run = 1,
                     .channels = m,
                     .epsilon = hawq_attr_float(node, "epsilon", 1e-5),
                     .rms = rms});
}

static hawq_status layer_shape(hawq_node *node, hawq_arena *arena) {
    return from_axis(node, arena, false);
}
static hawq_status rms_shape(hawq_node *node, hawq_arena *arena) {
    return from_axis(node, arena, true);
}

/* Groups: `groups` equal parts of the channels of each image. The scale has a
 * value per part in operator set 18, per channel since 21. */
static hawq_status by_channels(hawq_node *node, hawq_arena *arena,
                               int64_t groups, bool per_group) {
    const hawq_shape *s = &node->in[0]->shape;
    char              text[128];
    if (s->rank < 3 || groups < 1 || s->dim[1] % groups)
        return hawq_node_fail(node, HAWQ_EFORMAT,
                              "input %s is not cut into %lld groups of "
                              "channels",
                              hawq_shape_text(s, text), (long long)groups);
    size_t m = (size_t)(hawq_shape_count(s, 1, s->rank) / groups);
    size_t inner = (size_t)hawq_shape_count(s, 2, s->rank);
    return hawq_norm_set(
        node, arena,
        &(hawq_norm){.groups = node->in[0]->n / m,
                     .m = m,
                     .run = per_group ? m : inner,
                     .channels = (size_t)(per_group ? groups : s->dim[1]),
                     .epsilon = hawq_attr_float(node, "epsilon", 1e-5)});
}

static hawq_status group_shape(hawq_node *node, hawq_arena *arena) {
    HAWQ_TRY(need_elements(node));
    return by_channels(node, arena, hawq_attr_int(node, "num_groups", 0),
                       node->opset < 21);
}

static hawq_status instance_shape(hawq_node *node, hawq_arena *arena) {
    HAWQ_TRY(need_elements(node));
    const hawq_shape *s = &node->in[0]->shape;
    return by_channels(node, arena, s->rank > 1 ? s->dim[1] : 0, false);
}

#define NORM_OP(onnx_name, attribute_list, least, most, shape_fn)              \
    {                                                                          \
        .name = (onnx_name), .attributes = (attribute_list),                   \
        .min_in = (least), .max_in = (most), .shape = (shape_fn),              \
        .forward = hawq_norm_forward, .tangent = hawq_norm_tangent,            \
        .adjoint = hawq_norm_adjoint,                                          \
        .adjoint_tangent = hawq_norm_adjoint_tangent                           \
    }

const hawq_op hawq_op_layer_norm =
    NORM_OP("LayerNormalization", "axis epsilon stash_type", 2, 3, layer_shape);
const hawq_op hawq_op_rms_norm =
    NORM_OP("RMSNormalization", "axis epsilon stash_type", 2, 2, rms_shape);
const hawq_op hawq_op_group_norm = NORM_OP(
    "GroupNormalization", "epsilon num_groups stash_type", 3, 3, group_shape);
const hawq_op hawq_op_instance_norm =
    NORM_OP("InstanceNormalization", "epsilon", 3, 3, instance_shape);
