/* onnx.c -- from an ONNX file's plain structs to a graph.
 *
 * Only what the chosen output needs is built: dead branches, a second head, a
 * label output do not stop a network from loading. The chosen output is the
 * first of floating type.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/onnx.h"

#include "src/graph/mixing.h"
#include "src/load/dequantize.h"
#include "src/load/names.h"
#include "src/load/onnx_check.h"
#include "src/load/onnx_inputs.h"
#include "src/load/onnx_outputs.h"
#include "src/load/proto.h"
#include "src/load/rewrite.h"
#include "src/ops/ops.h"

#include <string.h>

enum { CHOSEN_IMAGES = 32, CHOSEN_ELEMENTS = 1 << 20 };
enum { FEW_IMAGES = 4, CHOSEN_USES = 320, MOST_ELEMENTS = 1 << 25 };

/* What of the file the chosen output needs. */
typedef struct plan {
    const hawq_proto *model;
    hawq_onnx_outputs outputs;
    hawq_onnx_inputs  inputs;
    hawq_names        needed; /* tensors */
    bool             *wanted; /* per node */
} plan;

/* --- what is needed ---------------------------------------------------- */

/* What a node reads; a body of its own reads what is around it, too. */
static hawq_status add_read(plan *p, const hawq_proto_node *node,
                            hawq_arena *arena) {
    for (int j = 0; j < node->spec.n_in; j++)
        HAWQ_TRY(hawq_names_add(&p->needed, arena, node->spec.in[j]));
    for (int b = 0; b < node->n_bodies; b++) {
        const hawq_proto *body = &node->body[b].graph;
        for (size_t i = 0; i < body->n_nodes; i++)
            HAWQ_TRY(add_read(p, &body->node[i], arena));
        for (size_t i = 0; i < body->n_outputs; i++)
            HAWQ_TRY(hawq_names_add(&p->needed, arena, body->output[i].name));
    }
    return HAWQ_OK;
}

/* Backwards through the nodes, which the format keeps in topological order. */
static hawq_status mark_needed(plan *p, hawq_arena *arena) {
    const hawq_proto *m = p->model;
    HAWQ_TAKE(p->wanted, arena, m->n_nodes);
    for (size_t i = 0; i < p->outputs.n; i++)
        HAWQ_TRY(hawq_names_add(&p->needed, arena, p->outputs.name[i]));
    for (size_t i = m->n_nodes; i-- > 0;) {
        const hawq_node_spec *spec = &m->node[i].spec;
        for (int j = 0; j < spec->n_out; j++)
            p->wanted[i] |=
                spec->out[j][0] && hawq_names_has(&p->needed, spec->out[j]);
        if (p->wanted[i]) HAWQ_TRY(add_read(p, &m->node[i], arena));
    }
    return HAWQ_OK;
}

static hawq_status check_nodes(const plan *p, hawq_arena *arena) {
    for (size_t i = 0; i < p->model->n_nodes; i++) {
        const hawq_proto_node *node = &p->model->node[i];
        const char            *name = node->spec.name, *op = node->spec.op_type;
        const char            *why = hawq_onnx_kind(op);
        if (!p->wanted[i]) continue;
        if (!why && node->defect)
            return hawq_fail(HAWQ_EUNSUPPORTED, "node '%s' (%s): %s", name, op,
                             node->defect);
        if (!why && (hawq_op_find(op) || hawq_is_rewritten(op))) continue;
        if (!why) why = hawq_onnx_unsupported(arena, op);
        if (!why) return HAWQ_ENOMEM;
        return hawq_fail(HAWQ_EUNSUPPORTED, "node '%s': operator %s %s", name,
                         op, why);
    }
    return HAWQ_OK;
}

/* --- building ---------------------------------------------------------- */

/* Arrays and names of the attributes into the graph's own memory. */
static hawq_status copy_attribute(const hawq_attr *from, hawq_arena *arena,
                                  hawq_attr *to) {
    int64_t *ints;
    double  *floats;
    *to = *from;
    to->name = hawq_arena_string(arena, from->name);
    if (!to->name) return HAWQ_ENOMEM;
    if (from->type == HAWQ_ATTR_STRING) {
        to->s = hawq_arena_string(arena, from->s);
        if (!to->s) return HAWQ_ENOMEM;
    } else if (from->type == HAWQ_ATTR_INTS) {
        HAWQ_TAKE(ints, arena, from->n);
        if (from->n) memcpy(ints, from->ints, from->n * sizeof *ints);
        to->ints = ints;
    } else if (from->type == HAWQ_ATTR_FLOATS) {
        HAWQ_TAKE(floats, arena, from->n);
        if (from->n) memcpy(floats, from->floats, from->n * sizeof *floats);
        to->floats = floats;
    } else if (from->type == HAWQ_ATTR_TENSOR) {
        hawq_tensor *t;
        HAWQ_TAKE(t, arena, 1);
        *t = *from->tensor;
        if (t->data) HAWQ_TAKE(t->data, arena, t->n);
        if (t->ints) HAWQ_TAKE(t->ints, arena, t->n);
        if (t->data && t->n)
            memcpy(t->data, from->tensor->data, t->n * sizeof *t->data);
        if (t->ints && t->n)
            memcpy(t->ints, from->tensor->ints, t->n * sizeof *t->ints);
        t->name = "";
        to->tensor = t;
    }
    return HAWQ_OK;
}

/* The integers that a constant was read from, for the tensor of that name. */
static hawq_status copy_integers(hawq_graph *g, const char *name,
                                 const hawq_tensor *t) {
    hawq_integers *copy;
    int32_t       *value;
    float         *scale;
    HAWQ_TAKE(copy, &g->arena, 1);
    HAWQ_TAKE(value, &g->arena, t->n);
    HAWQ_TAKE(scale, &g->arena, t->integers->n_scales);
    *copy = *t->integers;
    if (t->n) memcpy(value, copy->value, t->n * sizeof *value);
    memcpy(scale, copy->scale, copy->n_scales * sizeof *scale);
    copy->value = value;
    copy->scale = scale;
    hawq_graph_find(g, name)->integers = copy;
    return HAWQ_OK;
}

hawq_status hawq_onnx_add_constant(hawq_graph *g, const char *name,
                                   const hawq_tensor *t) {
    HAWQ_TRY(hawq_graph_constant(g, name, t->dtype, &t->shape,
                                 t->dtype == HAWQ_FLOAT ? (const void *)t->data
                                                        : t->ints));
    return t->integers ? copy_integers(g, name, t) : HAWQ_OK;
}

static hawq_status copy_grid(hawq_graph *g, const hawq_proto_node *node) {
    hawq_grid *copy;
    if (!node->grid) return HAWQ_OK;
    HAWQ_TAKE(copy, &g->arena, 1);
    *copy = *node->grid;
    hawq_graph_find(g, node->spec.out[0])->grid = copy;
    return HAWQ_OK;
}

static hawq_status copy_texts(hawq_graph *g, const hawq_proto *m) {
    hawq_text *copy;
    HAWQ_TAKE(copy, &g->arena, m->n_texts);
    for (size_t i = 0; i < m->n_texts; i++) {
        copy[i].key = hawq_arena_string(&g->arena, m->text[i].key);
        copy[i].value = hawq_arena_string(&g->arena, m->text[i].value);
        if (!copy[i].key || !copy[i].value) return HAWQ_ENOMEM;
    }
    g->text = copy;
    g->n_texts = (int)m->n_texts;
    return HAWQ_OK;
}

hawq_status hawq_onnx_add_node(hawq_graph *g, const hawq_proto_node *node) {
    hawq_node_spec spec = node->spec;
    hawq_attr     *attr;
    if (hawq_is_rewritten(spec.op_type)) return hawq_rewrite(g, node);
    HAWQ_TAKE(attr, &g->arena, (size_t)spec.n_attr);
    for (int i = 0; i < spec.n_attr; i++)
        HAWQ_TRY(copy_attribute(&spec.attr[i], &g->arena, &attr[i]));
    spec.attr = attr;
    int next = g->n_nodes;
    HAWQ_TRY(hawq_graph_add(g, &spec));
    HAWQ_TRY(copy_grid(g, node));
    if (g->n_nodes == next || !node->scope) return HAWQ_OK;
    g->node[next]->scope = hawq_arena_string(&g->arena, node->scope);
    return g->node[next]->scope ? HAWQ_OK : HAWQ_ENOMEM;
}

static hawq_status check_output(const hawq_graph *g) {
    char text[128];
    if (g->output->shape.rank >= 1 && g->output->shape.dim[0] == g->batch)
        return HAWQ_OK;
    return hawq_fail(HAWQ_EUNSUPPORTED,
                     "output '%s' has shape %s for a batch of %d, expected "
                     "the batch as its first dimension",
                     g->output->name, hawq_shape_text(&g->output->shape, text),
                     g->batch);
}

static bool is_chosen(const plan *p, const char *name) {
    for (size_t i = 0; i < p->outputs.n; i++)
        if (strcmp(p->outputs.name[i], name) == 0) return true;
    return false;
}

/* g->left_out = "'aux', 'mask'": the float outputs that are not chosen. */
static hawq_status list_left_out(hawq_graph *g, const plan *p) {
    const hawq_proto *m = p->model;
    for (size_t i = 0; i < m->n_outputs; i++) {
        const hawq_proto_value *v = &m->output[i];
        if (!v->is_float || p->outputs.asked || is_chosen(p, v->name)) continue;
        g->left_out = hawq_arena_format(&g->arena, "%s%s'%s'",
                                        g->left_out ? g->left_out : "",
                                        g->left_out ? ", " : "", v->name);
        if (!g->left_out) return HAWQ_ENOMEM;
    }
    return HAWQ_OK;
}

static hawq_status fill(hawq_graph *g, const plan *p, int batch) {
    const hawq_proto *m = p->model;
    HAWQ_TRY(hawq_onnx_add_inputs(&p->inputs, batch, g));
    for (size_t i = 0; i < m->n_constants; i++)
        if (hawq_names_has(&p->needed, m->constant[i].name))
            HAWQ_TRY(hawq_onnx_add_constant(g, m->constant[i].name,
                                            &m->constant[i]));
    for (size_t i = 0; i < m->n_nodes; i++)
        if (p->wanted[i]) HAWQ_TRY(hawq_onnx_add_node(g, &m->node[i]));
    HAWQ_TRY(hawq_onnx_join_outputs(&p->outputs, g));
    HAWQ_TRY(hawq_graph_finish(g, p->outputs.joined));
    HAWQ_TRY(list_left_out(g, p));
    HAWQ_TRY(copy_texts(g, m));
    return check_output(g);
}

static hawq_status build(const plan *p, int batch, hawq_graph **out) {
    hawq_graph *g = NULL;
    HAWQ_TRY(hawq_graph_new(hawq_op_find, p->model->opset, &g));
    hawq_status status = fill(g, p, batch);
    if (status == HAWQ_OK)
        *out = g;
    else
        hawq_graph_free(g);
    return status;
}

/* How often the weights of the layers are used for an image, on average. */
static double weight_uses(const hawq_graph *g) {
    double macs = 0, weights = 1;
    for (int i = 0; i < g->n_layers; i++) {
        macs += (double)g->layer[i].macs;
        weights += (double)g->layer[i].weight->n;
    }
    return macs / weights;
}

/* Largest power of two up to 32 whose activations fit the cache; or, if that
 * is more, enough for what is done once per weight and sweep (transforming it,
 * adding up its gradient in double) to be small beside its uses. */
static int choose_batch(const hawq_graph *g) {
    size_t per_image = 0;
    double uses = weight_uses(g);
    for (int i = 0; i < g->n_tensors; i++)
        if (g->tensor[i]->role == HAWQ_ACTIVATION)
            per_image += hawq_per_image(g, g->tensor[i]);
    int batch = CHOSEN_IMAGES;
    while (batch > 1 && (size_t)batch * per_image > CHOSEN_ELEMENTS) batch /= 2;
    while (batch < FEW_IMAGES && uses * batch < CHOSEN_USES &&
           2 * (size_t)batch * per_image <= MOST_ELEMENTS)
        batch *= 2;
    return batch;
}

/* On a graph of two images, unless the file fixes their number. That a free
 * batch cannot be two, after all, is for its user to find. */
static hawq_status check_mixing(const plan *p) {
    hawq_graph *g;
    if (build(p, 2, &g) != HAWQ_OK) return HAWQ_OK;
    hawq_status status = hawq_graph_check_mixing(g);
    hawq_graph_free(g);
    return status;
}

static hawq_status load(const char *path, const hawq_feeds *feeds, int batch,
                        hawq_arena *arena, hawq_graph **out) {
    hawq_proto model;
    plan       p = {.model = &model};
    hawq_names defined = {0};
    if (batch < 0 || batch > HAWQ_MOST_IMAGES)
        return hawq_fail(HAWQ_EINVAL, "batch of %d images, expected 0 to %d",
                         batch, HAWQ_MOST_IMAGES);
    HAWQ_TRY(hawq_proto_read(path, true, arena, &model));
    HAWQ_TRY(hawq_onnx_fix_inputs(&model, feeds, arena));
    HAWQ_TRY(hawq_proto_dequantize(&model, arena));
    HAWQ_TRY(hawq_onnx_choose_outputs(&model, feeds, arena, &p.outputs));
    HAWQ_TRY(mark_needed(&p, arena));
    HAWQ_TRY(hawq_onnx_collect(&model, arena, &defined));
    for (size_t i = 0; i < p.outputs.n; i++)
        HAWQ_TRY(hawq_onnx_check_defined(&model, p.wanted, p.outputs.name[i],
                                         &defined));
    HAWQ_TRY(check_nodes(&p, arena));
    HAWQ_TRY(hawq_onnx_find_inputs(&model, &p.needed, feeds, arena, &p.inputs));
    hawq_graph *first = NULL;
    HAWQ_TRY(build(&p, batch ? batch : 1, &first));
    hawq_status status = check_mixing(&p);
    if (status != HAWQ_OK || batch || first->fixed_batch ||
        (batch = choose_batch(first)) == 1) {
        if (status == HAWQ_OK)
            *out = first;
        else
            hawq_graph_free(first);
        return status;
    }
    hawq_graph_free(first);
    return build(&p, batch, out);
}

hawq_status hawq_onnx_load_fed(const char *path, const hawq_feeds *feeds,
                               int batch, hawq_graph **out) {
    hawq_arena  arena = {0};
    hawq_status status = load(path, feeds, batch, &arena, out);
    hawq_arena_free(&arena);
    return status == HAWQ_OK ? status : hawq_prefix("%s: ", path);
}

hawq_status hawq_onnx_load(const char *path, int batch, hawq_graph **out) {
    const hawq_feeds none = {0};
    return hawq_onnx_load_fed(path, &none, batch, out);
}

/* --- judging nodes one by one ------------------------------------------ */

typedef struct trial {
    hawq_graph *graph; /* as much of the network as could be built */
    hawq_names  known; /* tensors that are in it */
    hawq_arena *scratch;
} trial;

/* What can be said without the inputs. "" if nothing speaks against it. */
static const char *objection(const hawq_proto_node *node, hawq_arena *arena) {
    const hawq_node_spec *spec = &node->spec;
    const char           *kind = hawq_onnx_kind(spec->op_type);
    if (kind) return hawq_arena_string(arena, kind);
    if (node->defect) return hawq_arena_string(arena, node->defect);
    if (hawq_is_rewritten(spec->op_type)) return "";
    const hawq_op *op = hawq_op_find(spec->op_type);
    if (!op) return hawq_onnx_unsupported(arena, spec->op_type);
    for (int i = 0; i < spec->n_attr; i++)
        if (!hawq_op_has_attribute(op, spec->attr[i].name))
            return hawq_arena_format(
                arena, "attribute '%s' is not supported; supported: %s",
                spec->attr[i].name,
                op->attributes && *op->attributes ? op->attributes : "none");
    if (spec->n_in < op->min_in || spec->n_in > op->max_in)
        return hawq_arena_format(arena, "%d inputs, expected %d to %d",
                                 spec->n_in, op->min_in, op->max_in);
    return "";
}

/* The last message without the node's name, which the row tells already. */
static const char *reason(const hawq_node_spec *spec, hawq_arena *arena) {
    const char *said = hawq_message();
    const char *prefix =
        hawq_arena_format(arena, "node '%s' (%s): ", spec->name, spec->op_type);
    if (!prefix) return NULL;
    size_t n = strlen(prefix);
    return hawq_arena_string(arena,
                             strncmp(said, prefix, n) == 0 ? said + n : said);
}

static hawq_status judge(trial *t, const hawq_proto_node *node,
                         hawq_arena *arena, hawq_onnx_row *row) {
    const hawq_node_spec *spec = &node->spec;
    bool                  possible = true;
    row->name = hawq_arena_string(arena, spec->name);
    row->op_type = hawq_arena_string(arena, spec->op_type);
    row->why_not = objection(node, arena);
    if (!row->name || !row->op_type || !row->why_not) return HAWQ_ENOMEM;
    for (int i = 0; i < spec->n_in; i++)
        possible &= !spec->in[i][0] || hawq_names_has(&t->known, spec->in[i]);
    if (!row->why_not[0] && possible) {
        hawq_status status = hawq_onnx_add_node(t->graph, node);
        if (status == HAWQ_ENOMEM) return status;
        if (status != HAWQ_OK) row->why_not = reason(spec, arena);
        if (!row->why_not) return HAWQ_ENOMEM;
        for (int i = 0; status == HAWQ_OK && i < spec->n_out; i++)
            HAWQ_TRY(hawq_names_add(&t->known, t->scratch, spec->out[i]));
    }
    row->runs = !row->why_not[0];
    return HAWQ_OK;
}

/* An input as far as it is known without data; those of which too little is
 * are not there. */
static hawq_status try_input(trial *t, const hawq_proto *m,
                             const hawq_proto_value *v) {
    const hawq_feeds none = {0};
    hawq_names       name = {0};
    hawq_onnx_inputs one = {0};
    HAWQ_TRY(hawq_names_add(&name, t->scratch, v->name));
    if (hawq_onnx_find_inputs(m, &name, &none, t->scratch, &one) != HAWQ_OK ||
        (t->graph->input && one.images && one.images != t->graph->batch) ||
        hawq_onnx_add_inputs(&one, t->graph->input ? t->graph->batch : 1,
                             t->graph) != HAWQ_OK)
        return HAWQ_OK;
    return hawq_names_add(&t->known, t->scratch, v->name);
}

/* Constants, and the inputs that can be some. */
static hawq_status begin(trial *t, const hawq_proto *m, bool numbers) {
    HAWQ_TRY(hawq_graph_new(hawq_op_find, m->opset, &t->graph));
    for (size_t i = 0; numbers && i < m->n_constants; i++) {
        const char *name = m->constant[i].name;
        HAWQ_TRY(hawq_onnx_add_constant(t->graph, name, &m->constant[i]));
        HAWQ_TRY(hawq_names_add(&t->known, t->scratch, name));
    }
    for (size_t i = 0; i < m->n_inputs; i++)
        if (!hawq_names_has(&t->known, m->input[i].name))
            HAWQ_TRY(try_input(t, m, &m->input[i]));
    return HAWQ_OK;
}

static hawq_status list_ops(const char *path, trial *t, hawq_arena *arena,
                            hawq_onnx_row **rows, size_t *n) {
    hawq_proto model;
    bool       numbers = true;
    if (hawq_proto_read(path, true, t->scratch, &model) != HAWQ_OK) {
        numbers = false; /* a weight is missing or of an unknown type */
        HAWQ_TRY(hawq_proto_read(path, false, t->scratch, &model));
    }
    if (numbers) HAWQ_TRY(hawq_proto_dequantize(&model, t->scratch));
    HAWQ_TRY(begin(t, &model, numbers));
    hawq_onnx_row *row;
    HAWQ_TAKE(row, arena, model.n_nodes);
    for (size_t i = 0; i < model.n_nodes; i++)
        HAWQ_TRY(judge(t, &model.node[i], arena, &row[i]));
    *rows = row;
    *n = model.n_nodes;
    return HAWQ_OK;
}

hawq_status hawq_onnx_list_ops(const char *path, hawq_arena *arena,
                               hawq_onnx_row **rows, size_t *n) {
    hawq_arena  scratch = {0};
    trial       t = {.scratch = &scratch};
    hawq_status status = list_ops(path, &t, arena, rows, n);
    hawq_graph_free(t.graph);
    hawq_arena_free(&scratch);
    return status == HAWQ_OK ? status : hawq_prefix("%s: ", path);
}
