/* model.c -- a residual network, node by node.
 *
 *     conv1 3x3, Relu
 *     per block:  y = Relu(s(x) + conv2(Relu(conv1(x))))
 *     GlobalAveragePool, Flatten, Gemm
 *
 * s is the identity, or a 1x1 convolution where the shape changes. Initial
 * weights, for L residual branches:
 *     conv2 of a branch   normal, variance 2 / (fan_in L)
 *     fc                  0: all classes are equally likely at first
 *     all others          normal, variance 2 / fan_in        (He et al. 2015)
 * Biases are 0.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/train/model.h"

#include "src/base/rng.h"
#include "src/train/stream.h"

#include <stdlib.h>
#include <string.h>

enum { OPSET = 13 };

typedef struct builder {
    hawq_graph *graph;
    uint64_t    seed, n_constants;
    int64_t     batch, branches;
    const char *at;       /* the tensor that the next node reads */
    int64_t     channels; /* of that tensor */
} builder;

/* One stage width or block count out of *text, which moves past it. */
static bool parse_count(const char **text, long max, int *out) {
    char *end;
    if (**text < '0' || **text > '9') return false;
    long v = strtol(*text, &end, 10);
    if (v < 1 || v > max) return false;
    *text = end;
    *out = (int)v;
    return true;
}

static bool parse(const char *text, hawq_model *m) {
    if (strncmp(text, "resnet:", 7) != 0) return false;
    text += 7;
    for (;;) {
        if (m->n_stages == HAWQ_MODEL_MAX_STAGES) return false;
        if (!parse_count(&text, 4096, &m->width[m->n_stages++])) return false;
        if (*text != ',') break;
        text++;
    }
    m->blocks = 1;
    if (*text == ':' && (text++, !parse_count(&text, 64, &m->blocks)))
        return false;
    return *text == 0;
}

hawq_status hawq_model_parse(const char *text, hawq_model *out) {
    hawq_model m = {0};
    if (!parse(text, &m))
        return hawq_fail(HAWQ_EINVAL,
                         "model '%s': expected resnet:WIDTH,WIDTH,...[:BLOCKS] "
                         "with up to %d widths of 1 to 4096 channels and 1 to "
                         "64 blocks per width, such as resnet:16,32,64",
                         text, HAWQ_MODEL_MAX_STAGES);
    *out = m;
    return HAWQ_OK;
}

/* A node `name` with one output, "<name>.out", from which we go on. */
static hawq_status add_node(builder *b, const char *op, const char *name,
                            int n_in, const char *const *in, int n_attr,
                            const hawq_attr *attr) {
    const char *out = hawq_arena_format(&b->graph->arena, "%s.out", name);
    if (!out) return HAWQ_ENOMEM;
    hawq_node_spec spec = {.op_type = op,
                           .name = name,
                           .n_in = n_in,
                           .n_out = 1,
                           .in = in,
                           .out = &out,
                           .n_attr = n_attr,
                           .attr = attr};
    HAWQ_TRY(hawq_graph_add(b->graph, &spec));
    b->at = out;
    return HAWQ_OK;
}

/* A unary node named "<prefix><suffix>". */
static hawq_status add_unary(builder *b, const char *op, const char *prefix,
                             const char *suffix) {
    const char *name =
        hawq_arena_format(&b->graph->arena, "%s%s", prefix, suffix);
    if (!name) return HAWQ_ENOMEM;
    return add_node(b, op, name, 1, &b->at, 0, NULL);
}

/* The constant "<layer><suffix>": normal draws of this deviation, or zeros. */
static hawq_status add_constant(builder *b, const char *layer,
                                const char *suffix, const hawq_shape *shape,
                                double deviation, const char **name) {
    hawq_arena *arena = &b->graph->arena;
    const char *text = hawq_arena_format(arena, "%s%s", layer, suffix);
    if (!text) return HAWQ_ENOMEM;
    size_t   n = (size_t)hawq_shape_count(shape, 0, shape->rank);
    uint64_t key = hawq_rng_key(b->seed, HAWQ_STREAM_INIT, b->n_constants++, 0);
    hawq_arena scratch = {0};
    real      *value = hawq_arena_take(&scratch, n, sizeof *value);
    if (!value) return HAWQ_ENOMEM;
    for (size_t i = 0; deviation > 0 && i < n; i++)
        value[i] = (real)(deviation * hawq_rng_normal(key, i));
    hawq_status s =
        hawq_graph_constant(b->graph, text, HAWQ_FLOAT, shape, value);
    hawq_arena_free(&scratch);
    *name = text;
    return s;
}

/* A k x k convolution with padding k / 2; its weights' variance is
 * gain * 2 / fan_in. */
static hawq_status add_conv(builder *b, const char *name, int64_t channels,
                            int64_t k, int64_t stride, double gain) {
    hawq_shape  weight = {4, {channels, b->channels, k, k}};
    hawq_shape  bias = {1, {channels}};
    double      deviation = sqrt(gain * 2 / (double)(b->channels * k * k));
    const char *in[3] = {b->at, NULL, NULL};
    HAWQ_TRY(add_constant(b, name, ".weight", &weight, deviation, &in[1]));
    HAWQ_TRY(add_constant(b, name, ".bias", &bias, 0, &in[2]));
    int64_t *size;
    HAWQ_TAKE(size, &b->graph->arena, 8);
    size[0] = size[1] = k;
    size[2] = size[3] = stride;
    for (int i = 4; i < 8; i++) size[i] = k / 2;
    const hawq_attr attr[3] = {
        {.name = "kernel_shape", .type = HAWQ_ATTR_INTS, .n = 2, .ints = size},
        {.name = "strides", .type = HAWQ_ATTR_INTS, .n = 2, .ints = size + 2},
        {.name = "pads", .type = HAWQ_ATTR_INTS, .n = 4, .ints = size + 4}};
    HAWQ_TRY(add_node(b, "Conv", name, 3, in, 3, attr));
    b->channels = channels;
    return HAWQ_OK;
}

static hawq_status add_block(builder *b, const char *name, int64_t channels,
                             int64_t stride) {
    hawq_arena *arena = &b->graph->arena;
    const char *part[3] = {hawq_arena_format(arena, "%s.conv1", name),
                           hawq_arena_format(arena, "%s.conv2", name),
                           hawq_arena_format(arena, "%s.shortcut", name)};
    const char *add = hawq_arena_format(arena, "%s.add", name);
    if (!part[0] || !part[1] || !part[2] || !add) return HAWQ_ENOMEM;
    builder     before = *b;
    const char *sum[2];
    HAWQ_TRY(add_conv(b, part[0], channels, 3, stride, 1));
    HAWQ_TRY(add_unary(b, "Relu", part[0], ".relu"));
    HAWQ_TRY(add_conv(b, part[1], channels, 3, 1, 1.0 / (double)b->branches));
    sum[0] = b->at;
    b->at = before.at;
    if (stride != 1 || before.channels != channels) {
        b->channels = before.channels;
        HAWQ_TRY(add_conv(b, part[2], channels, 1, stride, 1));
    }
    sum[1] = b->at;
    HAWQ_TRY(add_node(b, "Add", add, 2, sum, 0, NULL));
    return add_unary(b, "Relu", name, ".relu");
}

static hawq_status add_head(builder *b, int64_t classes) {
    static const hawq_attr transpose = {
        .name = "transB", .type = HAWQ_ATTR_INT, .i = 1};
    hawq_shape  weight = {2, {classes, b->channels}};
    hawq_shape  bias = {1, {classes}};
    const char *in[3];
    HAWQ_TRY(add_unary(b, "GlobalAveragePool", "pool", ""));
    HAWQ_TRY(add_unary(b, "Flatten", "flatten", ""));
    in[0] = b->at;
    HAWQ_TRY(add_constant(b, "fc", ".weight", &weight, 0, &in[1]));
    HAWQ_TRY(add_constant(b, "fc", ".bias", &bias, 0, &in[2]));
    return add_node(b, "Gemm", "fc", 3, in, 1, &transpose);
}

static hawq_status build(builder *b, const hawq_model *m,
                         const int64_t image[3], int64_t classes) {
    hawq_shape input = {4, {b->batch, image[0], image[1], image[2]}};
    HAWQ_TRY(hawq_graph_input(b->graph, "image", &input));
    b->at = "image";
    b->channels = image[0];
    b->branches = (int64_t)m->n_stages * m->blocks;
    HAWQ_TRY(add_conv(b, "conv1", m->width[0], 3, 1, 1));
    HAWQ_TRY(add_unary(b, "Relu", "conv1", ".relu"));
    for (int i = 0; i < m->n_stages; i++)
        for (int j = 0; j < m->blocks; j++) {
            const char *name =
                hawq_arena_format(&b->graph->arena, "layer%d.%d", i + 1, j);
            if (!name) return HAWQ_ENOMEM;
            HAWQ_TRY(add_block(b, name, m->width[i], i > 0 && j == 0 ? 2 : 1));
        }
    HAWQ_TRY(add_head(b, classes));
    return hawq_graph_finish(b->graph, b->at);
}

hawq_status hawq_model_build(const hawq_model *model, uint64_t seed, int batch,
                             const int64_t image[3], int64_t classes,
                             const hawq_op *(*find_op)(const char *op_type),
                             hawq_graph **out) {
    builder b = {.seed = seed, .batch = batch};
    HAWQ_TRY(hawq_graph_new(find_op, OPSET, &b.graph));
    hawq_status s = build(&b, model, image, classes);
    if (s != HAWQ_OK) {
        hawq_graph_free(b.graph);
        return s;
    }
    *out = b.graph;
    return HAWQ_OK;
}
