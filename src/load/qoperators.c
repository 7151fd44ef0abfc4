/* qoperators.c -- see qoperators.h. Nodes are read in the file's order, makers
 * before readers, and written into a new list.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/qoperators.h"
#include "src/load/names.h"

#include <string.h>

/* An operator on integers: each of its `operands` is a tensor with scale and
 * zero point behind it, from input `first` on (-1 operands: all that follow).
 * Scale and zero point of the output stand at `y`. */
typedef struct row {
    const char *name, *op;
    bool        standard; /* of ONNX, not of com.microsoft */
    int         first, operands, y;
    int         bias; /* an input of int32 by both scales; 0: none */
    int         axis; /* of the output channels in operand 1 */
} row;

static const row rows[] = {
    {"QLinearConv", "Conv", true, 0, 2, 6, 8, 0},
    {"QLinearMatMul", "MatMul", true, 0, 2, 6, 0, 1},
    {"QGemm", "Gemm", false, 0, 2, 7, 6, 1},
    {"QLinearAdd", "Add", false, 0, 2, 6, 0, 0},
    {"QLinearMul", "Mul", false, 0, 2, 6, 0, 0},
    {"QLinearSigmoid", "Sigmoid", false, 0, 1, 3, 0, 0},
    {"QLinearLeakyRelu", "LeakyRelu", false, 0, 1, 3, 0, 0},
    {"QLinearSoftmax", "Softmax", false, 0, 1, 3, 0, 0},
    {"QLinearAveragePool", "AveragePool", false, 0, 1, 3, 0, 0},
    {"QLinearGlobalAveragePool", "GlobalAveragePool", false, 0, 1, 3, 0, 0},
    {"QLinearConcat", "Concat", false, 2, -1, 0, 0, 0},
};

static const row dynamic_rows[] = {
    {.name = "ConvInteger", .op = "Conv", .axis = 0},
    {.name = "MatMulInteger", .op = "MatMul", .axis = 1},
};

typedef struct rewriting {
    hawq_proto      *model;
    hawq_arena      *arena;
    hawq_names       constants; /* names of them */
    hawq_names       bytes;     /* read by others than DequantizeLinear */
    hawq_names       floats;    /* once integers, now floats */
    hawq_proto_node *node;
    size_t           n;
} rewriting;

/* --- the old list -------------------------------------------------------- */

static bool is(const hawq_node_spec *spec, const char *op) {
    return spec && strcmp(spec->op_type, op) == 0;
}

static const row *find_row(const row *list, size_t n, const char *op) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, op) == 0) return &list[i];
    return NULL;
}

static const row *static_row(const char *op) {
    return find_row(rows, sizeof rows / sizeof *rows, op);
}

static const row *dynamic_row(const char *op) {
    return find_row(dynamic_rows, sizeof dynamic_rows / sizeof *dynamic_rows,
                    op);
}

bool hawq_is_qoperator(const char *domain, const char *op) {
    const row *r = static_row(op);
    return r && !r->standard && strcmp(domain, "com.microsoft") == 0;
}

static const char *input(const hawq_node_spec *spec, int i) {
    return i < spec->n_in ? spec->in[i] : "";
}

/* The node of this operator that makes the name. */
static const hawq_node_spec *maker(const rewriting *r, const char *name,
                                   const char *op) {
    for (size_t i = 0; i < r->model->n_nodes; i++) {
        const hawq_node_spec *spec = &r->model->node[i].spec;
        for (int j = 0; j < spec->n_out; j++)
            if (is(spec, op) && strcmp(spec->out[j], name) == 0) return spec;
    }
    return NULL;
}

/* The first one that reads it. */
static const hawq_node_spec *reader(const rewriting *r, const char *name,
                                    const char *op) {
    for (size_t i = 0; i < r->model->n_nodes; i++) {
        const hawq_node_spec *spec = &r->model->node[i].spec;
        for (int j = 0; j < spec->n_in; j++)
            if (is(spec, op) && strcmp(spec->in[j], name) == 0) return spec;
    }
    return NULL;
}

static const hawq_tensor *float_constant(const rewriting *r, const char *name) {
    for (size_t i = 0; i < r->model->n_constants; i++)
        if (strcmp(r->model->constant[i].name, name) == 0)
            return r->model->constant[i].data ? &r->model->constant[i] : NULL;
    return NULL;
}

/* --- the new list -------------------------------------------------------- */

/* A node of one output like `from`, with n_in inputs. */
static hawq_status put(rewriting *r, const hawq_proto_node *from,
                       const char *op, const char *const *in, int n_in,
                       const char *out) {
    hawq_proto_node *node = &r->node[r->n++];
    const char     **inputs, **output;
    HAWQ_TAKE(inputs, r->arena, (size_t)n_in);
    HAWQ_TAKE(output, r->arena, 1);
    memcpy(inputs, in, (size_t)n_in * sizeof *inputs);
    output[0] = out;
    *node = *from;
    node->spec = (hawq_node_spec){.op_type = op,
                                  .name = out,
                                  .n_in = n_in,
                                  .n_out = 1,
                                  .in = inputs,
                                  .out = output};
    return HAWQ_OK;
}

static hawq_status put_dequantize(rewriting *r, const hawq_proto_node *from,
                                  const char *const in[3], int axis,
                                  const char *out) {
    hawq_attr *attr;
    HAWQ_TRY(put(r, from, "DequantizeLinear", in, in[2][0] ? 3 : 2, out));
    HAWQ_TAKE(attr, r->arena, 1);
    *attr = (hawq_attr){.name = "axis", .type = HAWQ_ATTR_INT, .i = axis};
    r->node[r->n - 1].spec.attr = attr;
    r->node[r->n - 1].spec.n_attr = 1;
    return HAWQ_OK;
}

/* The floats `from` rounded, under the name of the bytes that were here. */
static hawq_status put_pair(rewriting *r, const hawq_proto_node *like,
                            const char *from, const char *scale,
                            const char *zero, const char *name) {
    char       *q = hawq_arena_format(r->arena, "%s:bytes", name);
    const char *quantize[3] = {from, scale, zero};
    const char *back[3] = {q, scale, zero};
    if (!q) return HAWQ_ENOMEM;
    HAWQ_TRY(put(r, like, "QuantizeLinear", quantize, zero[0] ? 3 : 2, q));
    HAWQ_TRY(put_dequantize(r, like, back, 1, name));
    return hawq_names_add(&r->floats, r->arena, name);
}

static const hawq_attr *attribute(const hawq_node_spec *spec,
                                  const char           *name) {
    for (int i = 0; i < spec->n_attr; i++)
        if (strcmp(spec->attr[i].name, name) == 0) return &spec->attr[i];
    return NULL;
}

/* What the float operator has as well. */
static hawq_status copy_attributes(rewriting *r, const hawq_node_spec *from,
                                   hawq_node_spec *to) {
    hawq_attr *attr;
    HAWQ_TAKE(attr, r->arena, (size_t)from->n_attr);
    to->attr = attr;
    for (int i = 0; i < from->n_attr; i++)
        if (strcmp(from->attr[i].name, "channels_last") != 0 &&
            strcmp(from->attr[i].name, "opset") != 0)
            attr[to->n_attr++] = from->attr[i];
    return HAWQ_OK;
}

/* --- static operators ---------------------------------------------------- */

static bool is_constant(const rewriting *r, const char *name) {
    return hawq_names_has(&r->constants, name);
}

static bool can_rewrite(const rewriting *r, const row *row,
                        const hawq_node_spec *spec) {
    const hawq_attr *last = attribute(spec, "channels_last");
    int n = row->operands < 0 ? (spec->n_in - row->first) / 3 : row->operands;
    if ((last && last->i) || n < 1 || spec->n_out != 1) return false;
    for (int i = 0; i < n; i++) {
        const char *x = input(spec, row->first + 3 * i);
        if (!is_constant(r, x) && !hawq_names_has(&r->floats, x)) return false;
    }
    return !row->bias || !input(spec, row->bias)[0] ||
           (float_constant(r, input(spec, 1)) &&
            float_constant(r, input(spec, 4)));
}

/* The floats of operand i; *out is their name. */
static hawq_status put_operand(rewriting *r, const hawq_proto_node *node,
                               const row *row, int i, const char **out) {
    const hawq_node_spec *spec = &node->spec;
    int                   at = row->first + 3 * i;
    const char           *in[3] = {spec->in[at], input(spec, at + 1),
                                   input(spec, at + 2)};
    const hawq_attr      *turned = attribute(spec, "transB");
    *out = spec->in[at];
    if (hawq_names_has(&r->floats, *out)) return HAWQ_OK;
    *out = hawq_arena_format(r->arena, "%s:%s", spec->in[at], spec->out[0]);
    if (!*out) return HAWQ_ENOMEM;
    return put_dequantize(r, node, in, turned && turned->i ? 0 : row->axis,
                          *out);
}

/* A bias by the product of both operands' scales. */
static hawq_status put_bias(rewriting *r, const hawq_proto_node *node,
                            const row *row, const char **out) {
    const hawq_node_spec *spec = &node->spec;
    const hawq_tensor    *x = float_constant(r, spec->in[1]);
    const hawq_tensor    *w = float_constant(r, spec->in[4]);
    hawq_tensor          *t = &r->model->constant[r->model->n_constants];
    char *name = hawq_arena_format(r->arena, "%s:bias", spec->out[0]);
    char *scale = hawq_arena_format(r->arena, "%s:bias_scale", spec->out[0]);
    if (!name || !scale) return HAWQ_ENOMEM;
    *t = *w;
    t->name = scale;
    HAWQ_TAKE(t->data, r->arena, w->n);
    for (size_t i = 0; i < w->n; i++)
        t->data[i] = (real)((float)x->data[0] * (float)w->data[i]);
    r->model->number[r->model->n_constants++] = HAWQ_F32;
    const char *in[3] = {spec->in[row->bias], scale, ""};
    *out = name;
    return put_dequantize(r, node, in, 0, name);
}

static hawq_status rewrite_static(rewriting *r, const hawq_proto_node *node,
                                  const row *row) {
    const hawq_node_spec *spec = &node->spec;
    const char          **in, *out = spec->out[0];
    int                   n = row->operands;
    if (n < 0) n = (spec->n_in - row->first) / 3;
    HAWQ_TAKE(in, r->arena, (size_t)n + 1);
    for (int i = 0; i < n; i++) HAWQ_TRY(put_operand(r, node, row, i, &in[i]));
    if (row->bias && input(spec, row->bias)[0])
        HAWQ_TRY(put_bias(r, node, row, &in[n++]));
    bool rounds = input(spec, row->y)[0];
    if (rounds) out = hawq_arena_format(r->arena, "%s:floats", out);
    if (!out) return HAWQ_ENOMEM;
    HAWQ_TRY(put(r, node, row->op, in, n, out));
    r->node[r->n - 1].spec.name = spec->name;
    r->node[r->n - 1].defect = NULL;
    HAWQ_TRY(copy_attributes(r, spec, &r->node[r->n - 1].spec));
    if (!rounds) return HAWQ_OK;
    return put_pair(r, node, out, spec->in[row->y], input(spec, row->y + 1),
                    spec->out[0]);
}

/* --- dynamic operators --------------------------------------------------- */

/* ConvInteger(q, w, q_zero, w_zero), cast, times s_x s_w. */
typedef struct dynamic {
    const hawq_node_spec *quantize, *cast, *scale, *product;
    const char           *weight_scale;
} dynamic;

static bool match_dynamic(const rewriting *r, const hawq_node_spec *spec,
                          dynamic *d) {
    *d =
        (dynamic){.quantize = maker(r, input(spec, 0), "DynamicQuantizeLinear"),
                  .cast = reader(r, spec->out[0], "Cast")};
    if (!d->quantize || d->quantize->n_out != 3 || !d->cast ||
        !is_constant(r, input(spec, 1)))
        return false;
    d->scale = reader(r, d->cast->out[0], "Mul");
    if (!d->scale) return false;
    bool second = strcmp(d->scale->in[1], d->cast->out[0]) == 0;
    d->product = maker(r, d->scale->in[!second], "Mul");
    if (!d->product) return false;
    second = strcmp(d->product->in[1], d->quantize->out[1]) == 0;
    d->weight_scale = d->product->in[!second];
    return strcmp(d->product->in[second], d->quantize->out[1]) == 0 &&
           is_constant(r, d->weight_scale);
}

/* Bytes become the float activation, the integers by their own scale floats;
 * what casts and scales the result gives it on. */
static hawq_status rewrite_dynamic(rewriting *r, const hawq_proto_node *node,
                                   const row *row, const dynamic *d) {
    const hawq_node_spec *spec = &node->spec;
    char *w = hawq_arena_format(r->arena, "%s:%s", spec->in[1], spec->out[0]);
    const char *weight[3] = {spec->in[1], d->weight_scale, input(spec, 3)};
    const char *in[2] = {d->quantize->in[0], w};
    if (!w) return HAWQ_ENOMEM;
    HAWQ_TRY(put_dequantize(r, node, weight, row->axis, w));
    HAWQ_TRY(put(r, node, row->op, in, 2, spec->out[0]));
    r->node[r->n - 1].spec.name = spec->name;
    HAWQ_TRY(copy_attributes(r, spec, &r->node[r->n - 1].spec));
    HAWQ_TRY(hawq_names_add(&r->floats, r->arena, d->cast->out[0]));
    HAWQ_TRY(hawq_names_add(&r->floats, r->arena, d->scale->out[0]));
    const char *again[1] = {spec->out[0]};
    HAWQ_TRY(put(r, node, "Identity", again, 1, d->cast->out[0]));
    return put(r, node, "Identity", again, 1, d->scale->out[0]);
}

/* --- the whole ----------------------------------------------------------- */

static bool reads_floats(const rewriting *r, const hawq_node_spec *spec) {
    for (int i = 0; i < spec->n_in; i++)
        if (spec->in[i][0] && hawq_names_has(&r->floats, spec->in[i]))
            return true;
    return false;
}

static hawq_status rewrite(rewriting *r, const hawq_proto_node *node) {
    const hawq_node_spec *spec = &node->spec;
    const row            *row = static_row(spec->op_type);
    dynamic               d;
    if (row && can_rewrite(r, row, spec)) return rewrite_static(r, node, row);
    row = dynamic_row(spec->op_type);
    if (row && spec->n_out == 1 && match_dynamic(r, spec, &d))
        return rewrite_dynamic(r, node, row, &d);
    bool bytes = spec->n_out == 1 && hawq_names_has(&r->bytes, spec->out[0]);
    if (is(spec, "QuantizeLinear") && spec->n_in >= 2 && bytes)
        return put_pair(r, node, spec->in[0], spec->in[1], input(spec, 2),
                        spec->out[0]);
    if (spec->n_out && hawq_names_has(&r->floats, spec->out[0]))
        return HAWQ_OK; /* a Cast or Mul that was made above */
    if (is(spec, "DequantizeLinear") && reads_floats(r, spec))
        return put(r, node, "Identity", spec->in, 1, spec->out[0]);
    r->node[r->n++] = *node;
    return HAWQ_OK;
}

/* What a node on bytes that are floats now makes is floats, too, if it only
 * moves or pools them. */
static hawq_status pass_on(rewriting *r, const hawq_node_spec *spec) {
    static const char *const moves[] = {
        "MaxPool", "Flatten", "Reshape", "Transpose",    "Squeeze",
        "Slice",   "Gather",  "Split",   "Unsqueeze",    "Identity",
        "Expand",  "Resize",  "Concat",  "DepthToSpace", NULL};
    bool moved = false;
    for (int i = 0; moves[i]; i++) moved |= is(spec, moves[i]);
    if (!moved || !reads_floats(r, spec)) return HAWQ_OK;
    for (int j = 0; j < spec->n_out; j++)
        HAWQ_TRY(hawq_names_add(&r->floats, r->arena, spec->out[j]));
    return HAWQ_OK;
}

static hawq_status make_room(rewriting *r) {
    hawq_proto  *m = r->model;
    hawq_tensor *constant;
    hawq_number *number;
    size_t       nodes = 0;
    HAWQ_TAKE(constant, r->arena, m->n_constants + m->n_nodes);
    HAWQ_TAKE(number, r->arena, m->n_constants + m->n_nodes);
    if (m->n_constants) {
        memcpy(constant, m->constant, m->n_constants * sizeof *constant);
        memcpy(number, m->number, m->n_constants * sizeof *number);
    }
    m->constant = constant;
    m->number = number;
    for (size_t i = 0; i < m->n_nodes; i++)
        nodes += (size_t)m->node[i].spec.n_in + 4;
    HAWQ_TAKE(r->node, r->arena, nodes);
    return HAWQ_OK;
}

static hawq_status collect_names(rewriting *r) {
    hawq_proto *m = r->model;
    for (size_t i = 0; i < m->n_constants; i++)
        HAWQ_TRY(hawq_names_add(&r->constants, r->arena, m->constant[i].name));
    for (size_t i = 0; i < m->n_nodes; i++) {
        const hawq_node_spec *spec = &m->node[i].spec;
        if (is(spec, "Constant") && spec->n_out)
            HAWQ_TRY(hawq_names_add(&r->constants, r->arena, spec->out[0]));
        if (is(spec, "DequantizeLinear") || is(spec, "Clip")) continue;
        for (int j = 0; j < spec->n_in; j++)
            HAWQ_TRY(hawq_names_add(&r->bytes, r->arena, spec->in[j]));
    }
    return HAWQ_OK;
}

static bool is_quantized(const hawq_proto *m) {
    for (size_t i = 0; i < m->n_nodes; i++)
        if (is(&m->node[i].spec, "QuantizeLinear") ||
            dynamic_row(m->node[i].spec.op_type))
            return true;
    return false;
}

hawq_status hawq_proto_float_operators(hawq_proto *model, hawq_arena *arena) {
    rewriting r = {.model = model, .arena = arena};
    if (!is_quantized(model)) return HAWQ_OK;
    HAWQ_TRY(make_room(&r));
    HAWQ_TRY(collect_names(&r));
    for (size_t i = 0; i < model->n_nodes; i++) {
        HAWQ_TRY(rewrite(&r, &model->node[i]));
        HAWQ_TRY(pass_on(&r, &model->node[i].spec));
    }
    model->node = r.node;
    model->n_nodes = r.n;
    return HAWQ_OK;
}
