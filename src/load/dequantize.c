/* dequantize.c -- see dequantize.h.
 *
 * Nodes are looked at once, in the file's order. Names are found in two sorted
 * lists, of constants and of what nodes make.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/dequantize.h"
#include "src/load/qoperators.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A name, and which constant has it or which node makes it. */
typedef struct entry {
    const char *name;
    size_t      at;
} entry;

typedef struct entries {
    entry *item;
    size_t n;
} entries;

typedef struct rewriting {
    hawq_proto *model;
    hawq_arena *arena;
    entries     constants, makers;
    size_t     *uses;     /* per node: inputs that read its first output */
    bool       *gone;     /* per node: it became a constant */
    bool       *positive; /* per node: no output is below 0 */
    bool        exact;    /* pairs change nothing but the rounding */
} rewriting;

/* Integers of a constant, and the type they have in the file. */
typedef struct constant {
    const hawq_tensor *t;
    hawq_number        number;
} constant;

/* Parameters of a QuantizeLinear or DequantizeLinear. */
typedef struct rounding {
    const hawq_tensor *scale, *zero; /* zero: NULL where it is 0 */
    hawq_number        number;       /* of the integers, if `zero` says it */
    int64_t            axis;
} rounding;

/* --- names --------------------------------------------------------------- */

static int by_name(const void *a, const void *b) {
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

static bool find(const entries *e, const char *name, size_t *at) {
    entry  key = {.name = name};
    entry *found = bsearch(&key, e->item, e->n, sizeof key, by_name);
    if (found) *at = found->at;
    return found != NULL;
}

static const hawq_node_spec *maker(const rewriting *r, const char *name,
                                   size_t *at) {
    return name[0] && find(&r->makers, name, at) ? &r->model->node[*at].spec
                                                 : NULL;
}

static bool is(const hawq_node_spec *spec, const char *op) {
    return spec && strcmp(spec->op_type, op) == 0;
}

static const char *input(const hawq_node_spec *spec, int i) {
    return i < spec->n_in ? spec->in[i] : "";
}

static hawq_status index_names(rewriting *r) {
    const hawq_proto *m = r->model;
    size_t            outputs = 0, at;
    HAWQ_TAKE(r->constants.item, r->arena, m->n_constants);
    for (size_t i = 0; i < m->n_constants; i++)
        r->constants.item[r->constants.n++] = (entry){m->constant[i].name, i};
    for (size_t i = 0; i < m->n_nodes; i++)
        outputs += (size_t)m->node[i].spec.n_out;
    HAWQ_TAKE(r->makers.item, r->arena, outputs);
    for (size_t i = 0; i < m->n_nodes; i++)
        for (int j = 0; j < m->node[i].spec.n_out; j++)
            if (m->node[i].spec.out[j][0])
                r->makers.item[r->makers.n++] =
                    (entry){m->node[i].spec.out[j], i};
    qsort(r->constants.item, r->constants.n, sizeof(entry), by_name);
    qsort(r->makers.item, r->makers.n, sizeof(entry), by_name);
    for (size_t i = 0; i < m->n_nodes; i++)
        for (int j = 0; j < m->node[i].spec.n_in; j++)
            if (maker(r, m->node[i].spec.in[j], &at)) r->uses[at]++;
    for (size_t i = 0; i < m->n_outputs; i++)
        if (maker(r, m->output[i].name, &at)) r->uses[at]++;
    return HAWQ_OK;
}

/* A constant by its name: of the file, or of a Constant or Identity node. */
static bool find_constant(const rewriting *r, const char *name, constant *out) {
    const hawq_proto     *m = r->model;
    const hawq_node_spec *spec;
    size_t                at, last = m->n_nodes;
    for (;;) {
        if (find(&r->constants, name, &at)) {
            *out = (constant){&m->constant[at], m->number[at]};
            return true;
        }
        spec = maker(r, name, &at);
        if (!spec || at >= last) return false; /* makers come before readers */
        last = at;
        if (!is(spec, "Identity") || spec->n_in != 1) break;
        name = spec->in[0];
    }
    if (!is(spec, "Constant")) return false;
    for (int i = 0; i < spec->n_attr; i++)
        if (spec->attr[i].type == HAWQ_ATTR_TENSOR) {
            *out =
                (constant){spec->attr[i].tensor, (hawq_number)spec->attr[i].i};
            return true;
        }
    return false;
}

/* --- integers ------------------------------------------------------------ */

static const hawq_attr *attribute(const hawq_node_spec *spec,
                                  const char           *name) {
    for (int i = 0; i < spec->n_attr; i++)
        if (strcmp(spec->attr[i].name, name) == 0) return &spec->attr[i];
    return NULL;
}

static bool is_signed(hawq_number number) {
    return number == HAWQ_I8 || number == HAWQ_I16 || number == HAWQ_I32 ||
           number == HAWQ_I4 || number == HAWQ_I2;
}

static int64_t lowest(hawq_number number) {
    return is_signed(number) ? -((int64_t)1 << (hawq_number_bits(number) - 1))
                             : 0;
}

static int64_t highest(hawq_number number) {
    return lowest(number) + ((int64_t)1 << hawq_number_bits(number)) - 1;
}

/* Reads inputs 1 and 2. False: they are no constants, or block-wise. */
static bool read_rounding(const rewriting *r, const hawq_node_spec *spec,
                          rounding *out) {
    constant         scale, zero;
    const hawq_attr *axis = attribute(spec, "axis");
    const hawq_attr *block = attribute(spec, "block_size");
    *out = (rounding){.number = HAWQ_U8, .axis = axis ? axis->i : 1};
    if (block && block->i) return false;
    if (!find_constant(r, input(spec, 1), &scale) || !scale.t->data)
        return false;
    out->scale = scale.t;
    for (size_t i = 0; i < scale.t->n; i++)
        if (!(scale.t->data[i] > 0)) return false;
    if (!input(spec, 2)[0]) return true;
    if (!find_constant(r, spec->in[2], &zero) || !zero.t->ints ||
        zero.t->n != scale.t->n)
        return false;
    out->zero = zero.t;
    out->number = zero.number;
    return true;
}

/* Elements behind the axis along which scales lie; 0 where they fit nowhere. */
static size_t scale_inner(const hawq_tensor *t, const rounding *by, int *axis) {
    *axis = 0;
    if (by->scale->n == 1) return t->n ? t->n : 1;
    *axis = hawq_axis(by->axis, t->shape.rank);
    if (*axis < 0 || (size_t)t->shape.dim[*axis] != by->scale->n) return 0;
    return (size_t)hawq_shape_count(&t->shape, *axis + 1, t->shape.rank);
}

/* What QuantizeLinear makes of constants. */
static hawq_status quantize(rewriting *r, const hawq_tensor *t,
                            const rounding *by, hawq_tensor *out) {
    int    axis;
    size_t inner = scale_inner(t, by, &axis);
    *out = *t;
    out->dtype = HAWQ_INT;
    out->data = NULL;
    HAWQ_TAKE(out->ints, r->arena, t->n);
    for (size_t i = 0; inner && i < t->n; i++) {
        size_t  c = i / inner % by->scale->n;
        int64_t zero = by->zero ? by->zero->ints[c] : 0;
        double  q = rint((double)(float)(t->data[i] / by->scale->data[c]));
        q = fmax((double)lowest(by->number),
                 fmin((double)highest(by->number), q + (double)zero));
        out->ints[i] = (int64_t)q;
    }
    return HAWQ_OK;
}

/* The float constant that the integers x stand for, which it keeps. */
static hawq_status dequantize(rewriting *r, const hawq_node_spec *spec,
                              const hawq_tensor *x, hawq_number number,
                              const rounding *by) {
    hawq_proto    *m = r->model;
    hawq_tensor   *t = &m->constant[m->n_constants];
    hawq_integers *kept;
    int32_t       *value;
    float         *scale;
    int            axis;
    size_t         inner = scale_inner(x, by, &axis);
    if (!inner)
        return hawq_fail(HAWQ_EFORMAT,
                         "node '%s' (DequantizeLinear): %zu scales do not lie "
                         "along axis %lld of its integers",
                         spec->name, by->scale->n, (long long)by->axis);
    *t = *x;
    t->name = spec->out[0];
    t->dtype = HAWQ_FLOAT;
    t->ints = NULL;
    HAWQ_TAKE(t->data, r->arena, x->n);
    HAWQ_TAKE(value, r->arena, x->n);
    HAWQ_TAKE(scale, r->arena, by->scale->n);
    HAWQ_TAKE(kept, r->arena, 1);
    for (size_t c = 0; c < by->scale->n; c++)
        scale[c] = (float)by->scale->data[c];
    for (size_t i = 0; i < x->n; i++) {
        size_t c = i / inner % by->scale->n;
        value[i] = (int32_t)(x->ints[i] - (by->zero ? by->zero->ints[c] : 0));
        t->data[i] = (real)((double)scale[c] * value[i]);
    }
    *kept = (hawq_integers){value, scale, by->scale->n, axis,
                            hawq_number_bits(number)};
    t->integers = kept;
    m->number[m->n_constants++] = HAWQ_F32;
    return HAWQ_OK;
}

/* --- activations --------------------------------------------------------- */

/* The node becomes one of input x and no attributes. */
static hawq_status become(rewriting *r, size_t at, const char *op,
                          const char *x) {
    hawq_node_spec *spec = &r->model->node[at].spec;
    const char    **in;
    HAWQ_TAKE(in, r->arena, 1);
    in[0] = x;
    *spec = (hawq_node_spec){.op_type = op,
                             .name = spec->name,
                             .n_in = 1,
                             .n_out = 1,
                             .in = in,
                             .out = spec->out};
    return HAWQ_OK;
}

/* scale (q - zero) for q = low .. high as a grid; NULL where it has no place in
 * a byte. */
static hawq_status make_grid(rewriting *r, double scale, int64_t zero,
                             int64_t low, int64_t high, const hawq_grid **out) {
    hawq_grid *grid;
    *out = NULL;
    if (low > zero || high < zero || high <= low || high - low > 255)
        return HAWQ_OK;
    HAWQ_TAKE(grid, r->arena, 1);
    *grid =
        (hawq_grid){(float)scale, (uint8_t)(zero - low), (uint8_t)(high - low)};
    *out = grid;
    return HAWQ_OK;
}

/* Bounds of a Clip of integers, narrowing low .. high. */
static void narrow(const rewriting *r, const hawq_node_spec *clip, int64_t *low,
                   int64_t *high) {
    constant bound;
    if (find_constant(r, input(clip, 1), &bound) && bound.t->ints &&
        bound.t->n == 1 && bound.t->ints[0] > *low)
        *low = bound.t->ints[0];
    if (find_constant(r, input(clip, 2), &bound) && bound.t->ints &&
        bound.t->n == 1 && bound.t->ints[0] < *high)
        *high = bound.t->ints[0];
}

static bool never_negative(const rewriting *r, const char *name) {
    size_t at;
    return maker(r, name, &at) && r->positive[at];
}

/* DequantizeLinear at node `at` of what node q rounded, through a Clip or not.
 */
static hawq_status join(rewriting *r, size_t at, const hawq_node_spec *q,
                        const hawq_node_spec *clip, const rounding *by) {
    hawq_proto_node *node = &r->model->node[at];
    int64_t          low = lowest(by->number), high = highest(by->number);
    int64_t          zero = by->zero ? by->zero->ints[0] : 0;
    if (clip) narrow(r, clip, &low, &high);
    HAWQ_TRY(
        make_grid(r, (double)by->scale->data[0], zero, low, high, &node->grid));
    bool clamps = !r->exact && zero == low && !never_negative(r, q->in[0]);
    return become(r, at, clamps ? "Relu" : "Identity", q->in[0]);
}

static bool same(const hawq_tensor *a, const hawq_tensor *b) {
    if (!a || !b) {
        const hawq_tensor *t = a ? a : b; /* none means zeros */
        for (size_t i = 0; t && i < t->n; i++)
            if (!t->ints || t->ints[i]) return false;
        return true;
    }
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++)
        if (a->data ? a->data[i] != b->data[i] : a->ints[i] != b->ints[i])
            return false;
    return true;
}

/* Files of this program add by the factors that it computes with, which differ
 * a little from the scales. */
static bool same_scale(const rewriting *r, const hawq_tensor *a,
                       const hawq_tensor *b) {
    if (!r->exact || a->n != 1 || b->n != 1) return same(a, b);
    double x = (double)a->data[0], y = (double)b->data[0];
    return fabs(x - y) <= 0x1p-5 * y;
}

static hawq_status rewrite_dequantize(rewriting *r, size_t at) {
    const hawq_node_spec *spec = &r->model->node[at].spec, *clip = NULL;
    rounding              by, before;
    constant              x;
    size_t                where;
    if (spec->n_in < 2 || spec->n_out != 1 || !read_rounding(r, spec, &by))
        return HAWQ_OK;
    if (find_constant(r, spec->in[0], &x)) {
        if (!x.t->ints) return HAWQ_OK;
        r->gone[at] = true;
        return dequantize(r, spec, x.t, x.number, &by);
    }
    const hawq_node_spec *q = maker(r, spec->in[0], &where);
    if (is(q, "Clip") && q->n_in) {
        clip = q;
        q = maker(r, clip->in[0], &where);
    }
    if (!is(q, "QuantizeLinear") || q->n_in < 2 ||
        !read_rounding(r, q, &before) ||
        !same_scale(r, by.scale, before.scale) || !same(by.zero, before.zero))
        return HAWQ_OK;
    if (find_constant(r, q->in[0], &x) && x.t->data && !clip) {
        hawq_tensor rounded;
        HAWQ_TRY(quantize(r, x.t, &before, &rounded));
        r->gone[at] = true;
        return dequantize(r, spec, &rounded, before.number, &by);
    }
    return by.scale->n == 1 ? join(r, at, q, clip, &before) : HAWQ_OK;
}

/* A bound of the grid as one of its integers; false if it is between two. (See
 * same_scale about files of this program.) */
static bool on_grid(const rewriting *r, const char *name, const hawq_grid *g,
                    int64_t none, int64_t *out) {
    constant bound;
    *out = none;
    if (!name[0]) return true;
    if (!find_constant(r, name, &bound) || !bound.t->data || bound.t->n != 1)
        return false;
    double at = (double)bound.t->data[0] / (double)g->scale + g->zero;
    double q = rint(at);
    *out = at < 0 ? 0 : at > g->high ? g->high : (int64_t)q;
    return at < 0 || at > g->high || fabs(at - q) < (r->exact ? 0.4 : 1e-5);
}

/* A Clip that alone reads a pair leaves out the ends of its grid. */
static hawq_status rewrite_clip(rewriting *r, size_t at) {
    hawq_proto_node *node = &r->model->node[at];
    size_t           where;
    int64_t          low, high;
    if (!node->spec.n_in || !maker(r, node->spec.in[0], &where)) return HAWQ_OK;
    const hawq_grid *g = r->model->node[where].grid;
    if (!g || r->uses[where] != 1 || node->spec.n_attr ||
        !on_grid(r, input(&node->spec, 1), g, 0, &low) ||
        !on_grid(r, input(&node->spec, 2), g, g->high, &high) ||
        (low == 0 && high == g->high))
        return HAWQ_OK;
    HAWQ_TRY(make_grid(r, (double)g->scale, g->zero, low, high, &node->grid));
    if (!node->grid) return HAWQ_OK;
    return become(r, at, "Identity", node->spec.in[0]);
}

/* --- signs --------------------------------------------------------------- */

static bool one_of(const char *op, const char *const *list) {
    for (; *list; list++)
        if (strcmp(op, *list) == 0) return true;
    return false;
}

/* Are the node's outputs never negative, whatever comes, or if no input is? */
static bool is_positive(const rewriting *r, const hawq_node_spec *spec) {
    static const char *const always[] = {
        "Relu", "Sigmoid", "HardSigmoid", "Softmax", "Abs", "Exp", NULL};
    static const char *const never_below[] = {
        "Identity",          "MaxPool",       "AveragePool", "Add", "Concat",
        "GlobalAveragePool", "GlobalMaxPool", "Dropout",     NULL};
    static const char *const first_only[] = {
        "Flatten", "Reshape",    "Transpose", "Squeeze", "Unsqueeze",
        "Slice",   "ReduceMean", "ReduceSum", "Gather",  NULL};
    constant low;
    if (one_of(spec->op_type, always)) return true;
    if (is(spec, "Clip"))
        return find_constant(r, input(spec, 1), &low) && low.t->data &&
               low.t->n == 1 && low.t->data[0] >= 0;
    bool all = one_of(spec->op_type, never_below);
    if (!all && !one_of(spec->op_type, first_only)) return false;
    for (int i = 0; i < (all ? spec->n_in : spec->n_in > 0); i++)
        if (!never_negative(r, spec->in[i])) return false;
    return true;
}

/* --- the whole ----------------------------------------------------------- */

const char *hawq_proto_text(const hawq_proto *model, const char *key) {
    for (size_t i = 0; i < model->n_texts; i++)
        if (strcmp(model->text[i].key, key) == 0) return model->text[i].value;
    return NULL;
}

/* Room for a constant of every node that may become one. */
static hawq_status make_room(rewriting *r, size_t more) {
    hawq_proto  *m = r->model;
    hawq_tensor *constant;
    hawq_number *number;
    HAWQ_TAKE(constant, r->arena, m->n_constants + more);
    HAWQ_TAKE(number, r->arena, m->n_constants + more);
    if (m->n_constants) {
        memcpy(constant, m->constant, m->n_constants * sizeof *constant);
        memcpy(number, m->number, m->n_constants * sizeof *number);
    }
    m->constant = constant;
    m->number = number;
    HAWQ_TAKE(r->uses, r->arena, m->n_nodes);
    HAWQ_TAKE(r->gone, r->arena, m->n_nodes);
    HAWQ_TAKE(r->positive, r->arena, m->n_nodes);
    return index_names(r);
}

/* A QuantizeLinear, or a Clip of its integers, that nobody reads now. */
static bool is_left_over(const rewriting *r, size_t at) {
    const hawq_node_spec *spec = &r->model->node[at].spec;
    size_t                where;
    if (r->uses[at]) return false;
    if (is(spec, "Clip") && spec->n_in) spec = maker(r, spec->in[0], &where);
    return is(spec, "QuantizeLinear");
}

static void drop_nodes(rewriting *r) {
    hawq_proto *m = r->model;
    size_t      kept = 0, at;
    memset(r->uses, 0, m->n_nodes * sizeof *r->uses);
    for (size_t i = 0; i < m->n_outputs; i++)
        if (maker(r, m->output[i].name, &at)) r->uses[at]++;
    for (size_t i = m->n_nodes; i-- > 0;) {
        r->gone[i] |= is_left_over(r, i);
        for (int j = 0; !r->gone[i] && j < m->node[i].spec.n_in; j++)
            if (maker(r, m->node[i].spec.in[j], &at)) r->uses[at]++;
    }
    for (size_t i = 0; i < m->n_nodes; i++)
        if (!r->gone[i]) m->node[kept++] = m->node[i];
    m->n_nodes = kept;
}

hawq_status hawq_proto_dequantize(hawq_proto *model, hawq_arena *arena) {
    rewriting r = {.model = model,
                   .arena = arena,
                   .exact = hawq_proto_text(model, "hawq.version") != NULL};
    size_t    n = 0;
    HAWQ_TRY(hawq_proto_float_operators(model, arena));
    for (size_t i = 0; i < model->n_nodes; i++)
        n += is(&model->node[i].spec, "DequantizeLinear");
    if (!n) return HAWQ_OK;
    HAWQ_TRY(make_room(&r, n));
    for (size_t i = 0; i < model->n_nodes; i++) {
        const hawq_node_spec *spec = &model->node[i].spec;
        if (is(spec, "DequantizeLinear")) HAWQ_TRY(rewrite_dequantize(&r, i));
        if (is(spec, "Clip")) HAWQ_TRY(rewrite_clip(&r, i));
        r.positive[i] = is_positive(&r, spec);
    }
    drop_nodes(&r);
    return HAWQ_OK;
}
