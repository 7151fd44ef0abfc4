/* qdq_save.c -- a program's network as an ONNX file, see qdq.h.
 *
 * It begins with what a file of the float network would say (onnx_save.c);
 * constants of layers are put in its place as integers, and nodes that round
 * are put behind those that make what is rounded.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/exchange/qdq_write.h"
#include "src/load/file.h"
#include "src/load/raise.h"

#include <string.h>

/* --- constants and nodes ------------------------------------------------- */

const char *hawq_qdq_name(hawq_qdq_writer *w, const char *name,
                          const char *suffix) {
    const char *made = hawq_arena_format(w->arena, "%s%s", name, suffix);
    for (int k = 2; made && hawq_names_has(&w->used, made); k++)
        made = hawq_arena_format(w->arena, "%s%s_%d", name, suffix, k);
    if (!made || hawq_names_add(&w->used, w->arena, made) != HAWQ_OK)
        return NULL;
    return made;
}

static void add_constant(hawq_qdq_writer *w, const hawq_tensor *t,
                         hawq_number number) {
    w->out.constant[w->out.n_constants] = *t;
    w->out.number[w->out.n_constants++] = number;
}

hawq_status hawq_qdq_floats(hawq_qdq_writer *w, const char *name,
                            const hawq_shape *shape, size_t n,
                            const real *data) {
    hawq_tensor t = {.name = name,
                     .role = HAWQ_CONSTANT,
                     .dtype = HAWQ_FLOAT,
                     .shape = *shape,
                     .n = n};
    HAWQ_TAKE(t.data, w->arena, n);
    memcpy(t.data, data, n * sizeof *data);
    add_constant(w, &t, HAWQ_F32);
    return HAWQ_OK;
}

hawq_status hawq_qdq_integers(hawq_qdq_writer *w, const char *name,
                              const hawq_shape *shape, size_t n, int64_t *ints,
                              hawq_number number) {
    hawq_tensor t = {.name = name,
                     .role = HAWQ_CONSTANT,
                     .dtype = HAWQ_INT,
                     .shape = *shape,
                     .n = n,
                     .ints = ints};
    add_constant(w, &t, number);
    return HAWQ_OK;
}

hawq_status hawq_qdq_node(hawq_qdq_writer *w, const char *op, const char *out,
                          const char *const *in, int axis) {
    hawq_node_spec *spec = &w->out.node[w->out.n_nodes++].spec;
    const char    **inputs, **output;
    hawq_attr      *attr;
    int             n = 0;
    while (in[n]) n++;
    HAWQ_TAKE(inputs, w->arena, (size_t)n);
    memcpy(inputs, in, (size_t)n * sizeof *inputs);
    HAWQ_TAKE(output, w->arena, 1);
    output[0] = out;
    HAWQ_TAKE(attr, w->arena, 1);
    *attr = (hawq_attr){.name = "axis", .type = HAWQ_ATTR_INT, .i = axis};
    *spec = (hawq_node_spec){.op_type = op,
                             .name = out,
                             .n_in = n,
                             .n_out = 1,
                             .in = inputs,
                             .out = output,
                             .n_attr = axis >= 0,
                             .attr = attr};
    return HAWQ_OK;
}

/* --- preparing ----------------------------------------------------------- */

static hawq_status collect_names(hawq_qdq_writer *w) {
    const hawq_proto *m = &w->base;
    for (size_t i = 0; i < m->n_inputs; i++)
        HAWQ_TRY(hawq_names_add(&w->used, w->arena, m->input[i].name));
    for (size_t i = 0; i < m->n_constants; i++)
        HAWQ_TRY(hawq_names_add(&w->used, w->arena, m->constant[i].name));
    for (size_t i = 0; i < m->n_nodes; i++)
        for (int j = 0; j < m->node[i].spec.n_out; j++)
            HAWQ_TRY(
                hawq_names_add(&w->used, w->arena, m->node[i].spec.out[j]));
    return HAWQ_OK;
}

/* Integers and scales of each layer's weight and of each node's bias; scale,
 * zero and bound of each activation; a Quantize, Dequantize and Clip; scale,
 * bound, Dequantize and Clip of two addends a node. */
static hawq_status make_room(hawq_qdq_writer *w) {
    const hawq_graph *g = w->graph;
    size_t tensors = (size_t)g->n_tensors, nodes = (size_t)g->n_nodes;
    size_t constants = w->base.n_constants + 3 * tensors +
                       3 * (size_t)g->n_layers + 7 * nodes +
                       hawq_proto_raise_room(&w->base);
    w->out = w->base;
    w->out.n_constants = w->out.n_nodes = 0;
    HAWQ_TAKE(w->out.constant, w->arena, constants);
    HAWQ_TAKE(w->out.number, w->arena, constants);
    HAWQ_TAKE(w->out.node, w->arena,
              3 * tensors + 6 * nodes + (size_t)g->n_layers);
    HAWQ_TAKE(w->rounded, w->arena, tensors);
    HAWQ_TAKE(w->integers, w->arena, tensors);
    HAWQ_TAKE(w->zero, w->arena, tensors);
    HAWQ_TAKE(w->gone, w->arena, tensors);
    HAWQ_TAKE(w->data, w->arena, tensors);
    HAWQ_TAKE(w->in, w->arena, nodes);
    for (size_t i = 0; i < nodes; i++) {
        const hawq_node_spec *spec = &w->base.node[i].spec;
        HAWQ_TAKE(w->in[i], w->arena, (size_t)spec->n_in);
        memcpy(w->in[i], spec->in, (size_t)spec->n_in * sizeof *w->in[i]);
    }
    return HAWQ_OK;
}

/* --- the network --------------------------------------------------------- */

/* Is the network's output the rounded one? */
static bool rounds_output(const hawq_program *p) {
    const hawq_step *last = &p->step[p->n_steps - 1];
    return last->kind == HAWQ_STEP_DEQUANTIZE && last->u.boundary.outside;
}

/* The tensor's rounding, if it has any. The output's keeps the name. */
static hawq_status round_tensor(hawq_qdq_writer *w, const hawq_tensor *t,
                                const char *from) {
    const char *to = w->name[t->id];
    if (!w->program->has_map[t->id] || !to) return HAWQ_OK;
    if (from == to) to = hawq_qdq_name(w, to, "_rounded");
    if (!to) return HAWQ_ENOMEM;
    w->rounded[t->id] = to;
    return hawq_qdq_round(w, t, from, to);
}

static hawq_status write_node(hawq_qdq_writer *w, int i) {
    const hawq_node *node = w->graph->node[i];
    hawq_node_spec  *spec;
    const char     **out;
    for (int j = 0; j < node->n_in; j++) {
        const hawq_tensor *t = node->in[j];
        if (t && w->rounded[t->id] && !hawq_qdq_reads_floats(w, i, t))
            w->in[i][j] = w->rounded[t->id];
    }
    HAWQ_TRY(hawq_qdq_addends(w, i));
    spec = &w->out.node[w->out.n_nodes].spec;
    w->out.node[w->out.n_nodes++] = w->base.node[i];
    HAWQ_TAKE(out, w->arena, (size_t)spec->n_out);
    for (int j = 0; j < spec->n_out; j++) out[j] = spec->out[j];
    for (int j = 0; j < node->n_out; j++)
        if (node->out[j] && node->out[j] == w->graph->output &&
            rounds_output(w->program))
            out[j] = hawq_qdq_name(w, out[j], "_float");
    spec->in = w->in[i];
    spec->out = out;
    for (int j = 0; j < node->n_out; j++) {
        if (!node->out[j]) continue;
        if (!out[j]) return HAWQ_ENOMEM;
        HAWQ_TRY(round_tensor(w, node->out[j], out[j]));
    }
    return HAWQ_OK;
}

/* What is only added, by a scale of its own, is not read by the other one. */
static hawq_status drop_unread(hawq_qdq_writer *w) {
    hawq_proto *m = &w->out;
    hawq_names  read = {0};
    size_t      to = m->n_nodes;
    for (size_t i = 0; i < m->n_outputs; i++)
        HAWQ_TRY(hawq_names_add(&read, w->arena, m->output[i].name));
    for (size_t i = m->n_nodes; i-- > 0;) {
        const hawq_node_spec *spec = &m->node[i].spec;
        bool                  rounds = strcmp(spec->op_type, "Clip") == 0 ||
                      strcmp(spec->op_type, "DequantizeLinear") == 0;
        if (rounds && !hawq_names_has(&read, spec->out[0])) continue;
        for (int j = 0; j < spec->n_in; j++)
            HAWQ_TRY(hawq_names_add(&read, w->arena, spec->in[j]));
        m->node[--to] = m->node[i];
    }
    m->n_nodes -= to;
    memmove(m->node, m->node + to, m->n_nodes * sizeof *m->node);
    return HAWQ_OK;
}

/* Constants of the float network that are still there. */
static void copy_constants(hawq_qdq_writer *w) {
    for (size_t i = 0; i < w->base.n_constants; i++) {
        hawq_tensor t = w->base.constant[i];
        bool        own = w->name[t.id] == t.name; /* else a Reshape's target */
        if (own && w->gone[t.id]) continue;
        if (own && w->data[t.id]) t.data = w->data[t.id];
        add_constant(w, &t, t.dtype == HAWQ_FLOAT ? HAWQ_F32 : HAWQ_I64);
    }
}

static hawq_status write_texts(hawq_qdq_writer *w) {
    const hawq_program *p = w->program;
    size_t              n = 1 + (size_t)p->n_layers;
    hawq_text          *text;
    HAWQ_TAKE(text, w->arena, n + (size_t)w->options->n_texts);
    text[0] = (hawq_text){"hawq.version", HAWQ_VERSION};
    for (int l = 0; l < p->n_layers; l++) {
        const hawq_choice *c = &p->choice[l];
        text[l + 1].key =
            hawq_arena_format(w->arena, "hawq.layer.%s", c->layer);
        text[l + 1].value = hawq_arena_format(w->arena, "%s a%d", c->candidate,
                                              c->activation_bits);
        if (!text[l + 1].key || !text[l + 1].value) return HAWQ_ENOMEM;
    }
    for (int i = 0; i < w->options->n_texts; i++)
        text[n++] = w->options->text[i];
    w->out.text = text;
    w->out.n_texts = n;
    return HAWQ_OK;
}

/* Nodes of the network, not those that round, may be of an older opset. */
static hawq_status raise_base(hawq_qdq_writer *w) {
    const hawq_graph *g = w->graph;
    hawq_tensor      *constant;
    hawq_number      *number;
    int              *rank;
    size_t            n = w->base.n_constants + hawq_proto_raise_room(&w->base);
    HAWQ_TAKE(constant, w->arena, n);
    HAWQ_TAKE(number, w->arena, n);
    memcpy(constant, w->base.constant, w->base.n_constants * sizeof *constant);
    w->base.constant = constant;
    w->base.number = number;
    HAWQ_TAKE(rank, w->arena, (size_t)g->n_nodes);
    for (int i = 0; i < g->n_nodes; i++)
        rank[i] = g->node[i]->in[0] ? g->node[i]->in[0]->shape.rank : 0;
    size_t      before = w->base.n_constants;
    hawq_status status =
        hawq_proto_raise(&w->base, w->options->opset, rank, w->arena);
    for (size_t i = before; i < w->base.n_constants; i++)
        w->base.constant[i].id = 0;
    return status;
}

static hawq_status build(hawq_qdq_writer *w) {
    const hawq_graph *g = w->graph;
    HAWQ_TRY(hawq_onnx_describe(g, "hawq-c " HAWQ_VERSION, w->arena, &w->base,
                                &w->name));
    HAWQ_TRY(raise_base(w));
    HAWQ_TRY(collect_names(w));
    HAWQ_TRY(make_room(w));
    HAWQ_TRY(hawq_qdq_find_floats(w));
    HAWQ_TRY(hawq_qdq_layers(w));
    for (int k = 0; k < g->n_inputs; k++) {
        const hawq_tensor *t = g->inputs[k].tensor;
        HAWQ_TRY(round_tensor(w, t, w->name[t->id]));
    }
    for (int i = 0; i < g->n_nodes; i++) HAWQ_TRY(write_node(w, i));
    HAWQ_TRY(drop_unread(w));
    copy_constants(w);
    return write_texts(w);
}

/* --- bytes --------------------------------------------------------------- */

/* A field of protobuf has a byte or two for its kind and as many for its length
 * before its text. */
enum { FIELD = 2, OF_CONSTANT = 16, OF_NODE = 4, OF_ATTRIBUTE = 14 };

static int64_t field(const char *text) {
    return FIELD + (int64_t)strlen(text);
}

static int64_t predict(const hawq_proto *m) {
    int64_t bytes = 128;
    for (size_t i = 0; i < m->n_constants; i++)
        bytes += OF_CONSTANT + field(m->constant[i].name) +
                 2 * m->constant[i].shape.rank +
                 (int64_t)hawq_numbers_size(m->number[i], m->constant[i].n);
    for (size_t i = 0; i < m->n_nodes; i++) {
        const hawq_node_spec *spec = &m->node[i].spec;
        bytes += OF_NODE + field(spec->name) + field(spec->op_type) +
                 OF_ATTRIBUTE * spec->n_attr;
        for (int j = 0; j < spec->n_in; j++) bytes += field(spec->in[j]);
        for (int j = 0; j < spec->n_out; j++) bytes += field(spec->out[j]);
    }
    for (size_t i = 0; i < m->n_texts; i++)
        bytes += FIELD + field(m->text[i].key) + field(m->text[i].value);
    return bytes;
}

/* --- the whole ----------------------------------------------------------- */

static const int64_t apart_from = (int64_t)3 << 29; /* 1.5 GiB */

/* One file, or two: the one with the constants first, lest the other point to
 * nothing. */
static hawq_status write_files(const char *path, hawq_qdq_writer *w,
                               hawq_qdq_report *report) {
    hawq_proto_file file = {0};
    int64_t         most = w->options->apart_from;
    if (!most) most = apart_from;
    report->predicted_bytes = predict(&w->out);
    if (report->predicted_bytes <= most) {
        HAWQ_TRY(hawq_proto_pack(&w->out, w->arena, &file.bytes, &file.n));
    } else {
        const char *slash = strrchr(path, '/');
        const char *name = slash ? slash + 1 : path;
        char       *location = hawq_arena_format(w->arena, "%s.data", name);
        char       *data = hawq_arena_format(w->arena, "%s.data", path);
        if (!location || !data) return HAWQ_ENOMEM;
        HAWQ_TRY(hawq_proto_pack_apart(&w->out, location, w->arena, &file));
        HAWQ_TRY(hawq_file_write(data, file.data, file.n_data));
    }
    report->bytes = (int64_t)(file.n + file.n_data);
    return hawq_file_write(path, file.bytes, file.n);
}

static hawq_status save(const char *path, hawq_qdq_writer *w,
                        hawq_qdq_report *report) {
    int opset = w->options->opset;
    if (opset != 13 && opset != 21 && opset != 25)
        return hawq_fail(HAWQ_EINVAL,
                         "opset %d; a quantized file is written in 13 (8-bit "
                         "integers), 21 (4-bit ones packed) or 25 (2-bit ones "
                         "packed, too)",
                         opset);
    HAWQ_TRY(build(w));
    *report = (hawq_qdq_report){0};
    return write_files(path, w, report);
}

hawq_status hawq_qdq_save(const char *path, const hawq_program *program,
                          const hawq_quantized   *quantized,
                          const hawq_qdq_options *options, hawq_arena *arena,
                          hawq_qdq_report *report) {
    hawq_arena      scratch = {0};
    hawq_qdq_writer w = {.program = program,
                         .graph = program->graph,
                         .quantized = quantized,
                         .options = options,
                         .arena = &scratch};
    hawq_status     status = save(path, &w, report);
    if (status == HAWQ_OK && w.unpacked) {
        report->unpacked = hawq_arena_string(arena, w.unpacked);
        if (!report->unpacked) status = HAWQ_ENOMEM;
    }
    hawq_arena_free(&scratch);
    return status == HAWQ_OK ? status : hawq_prefix("%s: ", path);
}
