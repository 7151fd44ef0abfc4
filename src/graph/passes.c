/* passes.c -- clean-up after loading, and folding.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/passes.h"

#include "src/graph/product.h"

#include <math.h>
#include <string.h>

/* What stands for a tensor whose node went, by its id; NULL: itself. Readers
 * come after makers, so one walk through the nodes renames all uses. */
typedef struct stand_ins {
    int           n;
    hawq_tensor **of;
} stand_ins;

static hawq_status stand_ins_new(hawq_graph *g, stand_ins *s) {
    s->n = g->n_tensors;
    HAWQ_TAKE(s->of, &g->arena, (size_t)s->n);
    return HAWQ_OK;
}

static hawq_tensor *stand_in(const stand_ins *s, hawq_tensor *t) {
    return t && t->id < s->n && s->of[t->id] ? s->of[t->id] : t;
}

static void rename_inputs(const stand_ins *s, hawq_node *node) {
    for (int j = 0; j < node->n_in; j++) node->in[j] = stand_in(s, node->in[j]);
}

/* What the file says of a tensor's values holds for what stands for it. */
static void keep_grid(const hawq_tensor *from, hawq_tensor *to) {
    if (from->grid) to->grid = from->grid;
}

hawq_status hawq_pass_identities(hawq_graph *g) {
    stand_ins s;
    int       kept = 0;
    HAWQ_TRY(stand_ins_new(g, &s));
    for (int i = 0; i < g->n_nodes; i++) {
        hawq_node *node = g->node[i];
        rename_inputs(&s, node);
        bool cast = hawq_is(node, "Cast") && !node->op->tangent &&
                    node->in[0]->whole == node->out[0]->whole;
        if (hawq_is(node, "Identity") || hawq_is(node, "Dropout") || cast) {
            s.of[node->out[0]->id] = node->in[0];
            keep_grid(node->out[0], node->in[0]);
        } else {
            g->node[kept++] = node;
        }
    }
    g->output = stand_in(&s, g->output);
    g->n_nodes = kept;
    return HAWQ_OK;
}

static void mark_needed(hawq_graph *g) {
    for (int i = 0; i < g->n_tensors; i++) g->tensor[i]->n_uses = 0;
    g->output->n_uses = 1;
    for (int k = 0; k < g->n_inputs; k++) g->inputs[k].tensor->n_uses = 1;
    for (int i = g->n_nodes; i-- > 0;) {
        hawq_node *node = g->node[i];
        bool       needed = false;
        for (int j = 0; j < node->n_out; j++)
            needed |= node->out[j] && node->out[j]->n_uses > 0;
        for (int j = 0; needed && j < node->n_in; j++)
            if (node->in[j]) node->in[j]->n_uses++;
        if (!needed) g->node[i] = NULL;
    }
    /* the output and the inputs were counted once for being what they are */
    g->output->n_uses--;
    for (int k = 0; k < g->n_inputs; k++) g->inputs[k].tensor->n_uses--;
}

void hawq_pass_unused(hawq_graph *g) {
    mark_needed(g);
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++)
        if (g->node[i]) g->node[n++] = g->node[i];
    g->n_nodes = n;
    /* outputs nobody reads keep their planes: -1 uses, for the moment */
    for (int i = 0; i < g->n_nodes; i++)
        for (int j = 0; j < g->node[i]->n_out; j++)
            if (g->node[i]->out[j] && !g->node[i]->out[j]->n_uses)
                g->node[i]->out[j]->n_uses = -1;
    n = 0;
    for (int i = 0; i < g->n_tensors; i++) {
        hawq_tensor *t = g->tensor[i];
        if (!t->n_uses && !hawq_is_input(t) && t != g->output) continue;
        if (t->n_uses < 0) t->n_uses = 0;
        t->id = n;
        g->tensor[n++] = t;
    }
    g->n_tensors = n;
}

/* --- folding into the preceding product -------------------------------- */

/* "conv1.weight" -> "conv1.bias" */
static const char *bias_name(hawq_graph *g, const hawq_tensor *weight) {
    size_t n = strlen(weight->name);
    if (n > 7 && strcmp(weight->name + n - 7, ".weight") == 0) n -= 7;
    return hawq_arena_format(&g->arena, "%.*s.bias", (int)n, weight->name);
}

/* Is t a constant with one value per channel of axis `axis` of `like` (or one
 * value for all)? Other dimensions must be 1. */
static bool per_channel(const hawq_tensor *t, const hawq_shape *like,
                        int axis) {
    if (t->role != HAWQ_CONSTANT || t->dtype != HAWQ_FLOAT) return false;
    if (t->shape.rank > like->rank) return false;
    for (int i = 0; i < t->shape.rank; i++) {
        int at = like->rank - t->shape.rank + i;
        if (t->shape.dim[i] != 1 &&
            (at != axis || t->shape.dim[i] != like->dim[axis]))
            return false;
    }
    return true;
}

/* A bias of one value per channel that may be edited. Gemm may broadcast a
 * bias of other shapes: those are left alone (false). */
static hawq_status own_bias(hawq_graph *g, const hawq_product *p, bool *ok) {
    hawq_tensor *b = p->node->n_in > 2 ? p->node->in[2] : NULL;
    *ok = hawq_attr_float(p->node, "beta", 1) == 1 &&
          (!b || (b->role == HAWQ_CONSTANT && b->n == p->channels &&
                  (hawq_is(p->node, "Conv") ||
                   per_channel(b, &p->node->out[0]->shape, p->axis))));
    if (!*ok) return HAWQ_OK;
    const char *name = bias_name(g, p->weight);
    if (!name) return HAWQ_ENOMEM;
    HAWQ_TRY(hawq_own_constant(g, p->node, 2, name, p->channels));
    return p->node->op->shape(p->node, &g->arena); /* plans the bias */
}

/* x w + b of two dimensions is a Gemm, which has a place for b; *ok = false:
 * a MatMul of more, which has none. */
static hawq_status as_gemm(hawq_graph *g, hawq_product *p, bool *ok) {
    *ok = p->folds;
    if (!*ok || !hawq_is(p->node, "MatMul")) return HAWQ_OK;
    *ok = p->node->out[0]->shape.rank == 2;
    if (!*ok) return HAWQ_OK;
    hawq_tensor **in;
    HAWQ_TAKE(in, &g->arena, 4);
    memcpy(in, p->node->in, 2 * sizeof *in);
    p->node->in = in;
    p->node->op = g->find_op("Gemm");
    return p->node->op->shape(p->node, &g->arena);
}

static hawq_status fold_batch_norm(hawq_graph *g, hawq_node *bn,
                                   hawq_product *p, bool *folded) {
    for (int i = 1; i < 5; i++)
        if (!bn->in[i] || bn->in[i]->role != HAWQ_CONSTANT ||
            bn->in[i]->n != p->channels)
            return HAWQ_OK;
    if (p->axis != 1) return HAWQ_OK;
    bool ok;
    HAWQ_TRY(as_gemm(g, p, &ok));
    if (ok) HAWQ_TRY(own_bias(g, p, &ok));
    if (!ok) return HAWQ_OK;
    HAWQ_TRY(hawq_own_constant(g, p->node, 1, "", p->node->in[1]->n));
    double      epsilon = hawq_attr_float(bn, "epsilon", 1e-5);
    real       *w = p->node->in[1]->data, *b = p->node->in[2]->data;
    const real *gamma = bn->in[1]->data, *beta = bn->in[2]->data;
    const real *mean = bn->in[3]->data, *var = bn->in[4]->data;
    for (size_t c = 0; c < p->channels; c++) {
        double factor = gamma[c] / sqrt(var[c] + epsilon);
        for (size_t a = 0; a < p->outer; a++)
            for (size_t i = 0; i < p->inner; i++) {
                size_t at = (a * p->channels + c) * p->inner + i;
                w[at] = (real)(w[at] * factor);
            }
        b[c] = (real)(((double)b[c] - mean[c]) * factor + beta[c]);
    }
    *folded = true;
    return HAWQ_OK;
}

static hawq_status fold_bias(hawq_graph *g, hawq_node *add,
                             const hawq_tensor *value, hawq_product *p,
                             bool *folded) {
    const hawq_shape *shape = &p->node->out[0]->shape;
    if (!per_channel(value, shape, p->axis) ||
        !hawq_shape_equal(&add->out[0]->shape, shape))
        return HAWQ_OK;
    bool ok;
    HAWQ_TRY(as_gemm(g, p, &ok));
    if (ok) HAWQ_TRY(own_bias(g, p, &ok));
    if (!ok) return HAWQ_OK;
    real *b = p->node->in[2]->data;
    for (size_t c = 0; c < p->channels; c++)
        b[c] += value->data[value->n == 1 ? 0 : c];
    *folded = true;
    return HAWQ_OK;
}

/* *into: the product's output, if the node went into it. */
static hawq_status fold_node(hawq_graph *g, hawq_node *node,
                             hawq_tensor **into) {
    hawq_product p;
    for (int i = 0; i < (hawq_is(node, "Add") ? 2 : 1) && !*into; i++) {
        bool         folded = false;
        hawq_tensor *x = node->in[i];
        if (!x || x == g->output || x->n_uses != 1 ||
            !hawq_product_find(x->producer, g->batch, &p))
            continue;
        if (hawq_is(node, "BatchNormalization"))
            HAWQ_TRY(fold_batch_norm(g, node, &p, &folded));
        else if (hawq_is(node, "Add"))
            HAWQ_TRY(fold_bias(g, node, node->in[1 - i], &p, &folded));
        if (folded) *into = x;
    }
    return HAWQ_OK;
}

hawq_status hawq_pass_fold(hawq_graph *g) {
    stand_ins s;
    int       kept = 0;
    HAWQ_TRY(stand_ins_new(g, &s));
    for (int i = 0; i < g->n_nodes; i++) {
        hawq_node   *node = g->node[i];
        hawq_tensor *into = NULL;
        rename_inputs(&s, node);
        HAWQ_TRY(fold_node(g, node, &into));
        if (!into) {
            g->node[kept++] = node;
            continue;
        }
        /* the product's output takes over the readers of the node's */
        for (int j = 0; j < node->n_in; j++)
            if (node->in[j]) node->in[j]->n_uses--;
        into->n_uses += node->out[0]->n_uses;
        s.of[node->out[0]->id] = into;
        keep_grid(node->out[0], into);
        if (g->output == node->out[0]) g->output = into;
    }
    g->n_nodes = kept;
    return HAWQ_OK;
}

/* A mask adds or selects -inf where attention must not look. */
static bool allowed(const hawq_node *node, double value) {
    return isfinite(value) ||
           ((hawq_is(node, "Add") || hawq_is(node, "Where")) && value < 0);
}

hawq_status hawq_pass_check_finite(const hawq_graph *g) {
    for (int i = 0; i < g->n_nodes; i++) {
        const hawq_node *node = g->node[i];
        if (hawq_is(node, "Clip")) continue; /* its bounds may be infinite */
        for (int j = 0; j < node->n_in; j++) {
            const hawq_tensor *t = node->in[j];
            for (size_t k = 0; t && t->data && k < t->n; k++)
                if (!allowed(node, t->data[k]))
                    return hawq_fail(HAWQ_ENONFINITE,
                                     "node '%s' (%s): constant '%s' is %g at "
                                     "element %zu, expected a finite number",
                                     node->name, node->op->name, t->name,
                                     (double)t->data[k], k);
        }
    }
    return HAWQ_OK;
}
