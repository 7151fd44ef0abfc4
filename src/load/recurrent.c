/* recurrent.c -- LSTM, GRU and RNN written out, one time step after another.
 * With X the inputs, W, R, B, P weights, recurrent weights, biases and
 * peepholes of the file, f, g, h the activations, * element by element:
 *     Z = X W' + B, all steps at once;   z = Z[t] + H R'
 *     RNN   H  = f(z)
 *     LSTM  (i o f c) = z,  i = f(i + P_i * C),  f = f(f + P_f * C)
 *           C' = f * C + i * g(c),  o = f(o + P_o * C'),  H' = o * h(C')
 *     GRU   (z r c) = Z[t],  z = f(z + H R_z'),  r = f(r + H R_r')
 *           n  = g(c + (r * H) R_c')   or, with linear_before_reset,
 *                g(c + r * (H R_c' + B_R)),     H' = n + z * (H - n)
 * W and R are a constant each, read by every step: a layer of several nodes.
 * (Without linear_before_reset R has two inputs, H and r * H, and is two.) An
 * initial state of zeros leaves out what it would add nothing to.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/cell.h"

#include <string.h>

enum { X, W, R, B, LENGTHS, INITIAL_H, INITIAL_C, P };

/* --- the operands -------------------------------------------------------- */

static hawq_status check_constant(const cell *c, int i, int rank,
                                  const int64_t *dim, const hawq_tensor **out) {
    hawq_tensor *t = hawq_write_input(&c->w, i);
    hawq_shape   want = {.rank = rank};
    char         got[128], wanted[128];
    *out = t;
    if (!t && i > R) return HAWQ_OK;
    if (!t)
        return hawq_write_fail(&c->w, HAWQ_EFORMAT, "input %d is missing", i);
    if (t->role != HAWQ_CONSTANT || !t->data)
        return hawq_write_fail(&c->w, HAWQ_EUNSUPPORTED,
                               "input '%s' is no constant of floating point",
                               t->name);
    memcpy(want.dim, dim, (size_t)rank * sizeof *dim);
    if (hawq_shape_equal(&want, &t->shape)) return HAWQ_OK;
    return hawq_write_fail(
        &c->w, HAWQ_EFORMAT, "'%s' has shape %s, expected %s", t->name,
        hawq_shape_text(&t->shape, got), hawq_shape_text(&want, wanted));
}

static hawq_status read_sizes(cell *c) {
    const hawq_tensor *x = hawq_write_input(&c->w, X);
    const hawq_tensor *r = hawq_write_input(&c->w, R);
    if (!x || x->shape.rank != 3 || x->dtype != HAWQ_FLOAT || !r ||
        r->shape.rank != 3 || x->shape.dim[0] < 1 || x->shape.dim[1] < 1)
        return hawq_write_fail(&c->w, HAWQ_EFORMAT,
                               "expected inputs and recurrent weights of three "
                               "dimensions each, floating point, and at least "
                               "one step");
    c->by_image = hawq_write_int(&c->w, "layout", 0) != 0;
    c->steps = x->shape.dim[c->by_image];
    c->images = x->shape.dim[!c->by_image];
    c->inputs = x->shape.dim[2];
    c->hidden = r->shape.dim[2];
    c->directions = (int)r->shape.dim[0];
    const hawq_attr *way = hawq_write_attr(&c->w, "direction");
    const char      *name = way ? way->s : "forward";
    c->backward = strcmp(name, "reverse") == 0;
    if (c->directions != 1 + (strcmp(name, "bidirectional") == 0) ||
        (c->directions == 1 && !c->backward && strcmp(name, "forward") != 0) ||
        hawq_write_int(&c->w, "hidden_size", c->hidden) != c->hidden)
        return hawq_write_fail(&c->w, HAWQ_EFORMAT,
                               "direction '%s' and hidden_size do not fit "
                               "recurrent weights of %dx%lldx%lld",
                               name, c->directions, (long long)r->shape.dim[1],
                               (long long)c->hidden);
    return HAWQ_OK;
}

/* How many of the steps count. Sequences of different lengths would make what
 * is said of an image depend on its place in the batch. */
static hawq_status read_length(cell *c) {
    const hawq_tensor *t = hawq_write_input(&c->w, LENGTHS);
    c->length = c->steps;
    if (!t) return HAWQ_OK;
    if (!t->ints)
        return hawq_write_fail(&c->w, HAWQ_EUNSUPPORTED,
                               "the lengths of the sequences, '%s', depend on "
                               "the data; only constant ones are supported",
                               t->name);
    for (size_t i = 0; i < t->n; i++)
        if (t->ints[i] != t->ints[0] || t->ints[i] < 1 || t->ints[i] > c->steps)
            return hawq_write_fail(&c->w, HAWQ_EUNSUPPORTED,
                                   "a sequence has length %lld and the first "
                                   "one %lld; expected one length from 1 to "
                                   "%lld for all",
                                   (long long)t->ints[i], (long long)t->ints[0],
                                   (long long)c->steps);
    if (t->n) c->length = t->ints[0];
    return HAWQ_OK;
}

static hawq_status read_operands(cell *c) {
    const int64_t d = c->directions, h = c->hidden, g = c->gates * h;
    HAWQ_TRY(check_constant(c, W, 3, (int64_t[]){d, g, c->inputs}, &c->W));
    HAWQ_TRY(check_constant(c, R, 3, (int64_t[]){d, g, h}, &c->R));
    HAWQ_TRY(check_constant(c, B, 2, (int64_t[]){d, 2 * g}, &c->B));
    if (c->gates == 4)
        HAWQ_TRY(check_constant(c, P, 2, (int64_t[]){d, 3 * h}, &c->P));
    return read_length(c);
}

static const char *const known[] = {
    "activation_alpha",    "activation_beta", "activations",  "clip",
    "direction",           "hidden_size",     "input_forget", "layout",
    "linear_before_reset", "output_sequence"};

static hawq_status check_attributes(const cell *c) {
    const hawq_node_spec *s = &c->w.from->spec;
    for (int i = 0; i < s->n_attr; i++) {
        bool found = false;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            found |= strcmp(s->attr[i].name, known[k]) == 0;
        if (!found)
            return hawq_write_fail(&c->w, HAWQ_EUNSUPPORTED,
                                   "attribute '%s' is not supported",
                                   s->attr[i].name);
    }
    return HAWQ_OK;
}

/* --- weights of one direction -------------------------------------------- */

/* "lstm.R", of the second of two directions "lstm.R_reverse". */
static const char *layer_name(const cell *c, const char *matrix) {
    const hawq_proto_node *node = c->w.from;
    return hawq_arena_format(&c->w.graph->arena, "%s.%s%s",
                             node->scope ? node->scope : node->spec.name,
                             matrix, c->direction ? "_reverse" : "");
}

/* Rows from .. to of this direction's part of W or R, transposed. */
static hawq_status take_matrix(cell *c, int input, int64_t from, int64_t to,
                               const char *matrix, product *out) {
    static const int64_t turned[] = {1, 0};
    hawq_writer         *w = &c->w;
    const char          *part, *index;
    int64_t             *rows;
    HAWQ_TRY(
        hawq_write_entry(w, w->from->spec.in[input], c->direction, 0, &part));
    if (from > 0 || to < c->gates * c->hidden) {
        HAWQ_TAKE(rows, &w->graph->arena, (size_t)(to - from));
        for (int64_t i = from; i < to; i++) rows[i - from] = i;
        HAWQ_TRY(
            hawq_write_ints(w, &(hawq_shape){1, {to - from}}, rows, &index));
        HAWQ_TRY(hawq_write(
            w, &(hawq_call){.op = "Gather", HAWQ_IN(part, index)}, &part));
    }
    out->layer = layer_name(c, matrix);
    if (!out->layer) return HAWQ_ENOMEM;
    return hawq_write(w,
                      &(hawq_call){.op = "Transpose",
                                   HAWQ_IN(part),
                                   .attr = {{.name = "perm",
                                             .type = HAWQ_ATTR_INTS,
                                             .n = 2,
                                             .ints = turned}}},
                      &out->weight);
}

/* The bias of X W' holds that of H R', too, but for the last gate of a GRU with
 * linear_before_reset, where the reset gate comes between. */
static hawq_status take_biases(cell *c) {
    const size_t n = (size_t)(c->gates * c->hidden),
                 last = n - (size_t)c->hidden;
    const hawq_shape shape = {1, {(int64_t)n}};
    real            *sum, *own;
    c->x.bias = c->h_all.bias = NULL;
    if (!c->B) return HAWQ_OK;
    const real *b = c->B->data + (size_t)c->direction * 2 * n;
    HAWQ_TAKE(sum, &c->w.graph->arena, n);
    HAWQ_TAKE(own, &c->w.graph->arena, n);
    for (size_t i = 0; i < n; i++) {
        bool apart = c->linear && i >= last;
        sum[i] = b[i] + (apart ? 0 : b[n + i]);
        own[i] = apart ? b[n + i] : 0;
    }
    HAWQ_TRY(hawq_write_reals(&c->w, &shape, sum, &c->x.bias));
    if (!c->linear) return HAWQ_OK;
    HAWQ_TRY(hawq_write_reals(&c->w, &shape, own, &c->h_all.bias));
    return hawq_write_reals(&c->w, &(hawq_shape){1, {c->hidden}}, own + last,
                            &c->reset_bias);
}

static hawq_status take_weights(cell *c) {
    const int64_t h = c->hidden, all = c->gates * h;
    HAWQ_TRY(take_matrix(c, W, 0, all, "W", &c->x));
    if (c->gates == 3 && !c->linear) {
        HAWQ_TRY(take_matrix(c, R, 0, 2 * h, "R_zr", &c->h_zr));
        HAWQ_TRY(take_matrix(c, R, 2 * h, all, "R_h", &c->h_n));
    } else {
        HAWQ_TRY(take_matrix(c, R, 0, all, "R", &c->h_all));
    }
    for (int k = 0; k < 3 && c->P; k++)
        HAWQ_TRY(hawq_write_reals(&c->w, &(hawq_shape){1, {h}},
                                  c->P->data + (3 * c->direction + k) * h,
                                  &c->peephole[k]));
    return take_biases(c);
}

/* --- states -------------------------------------------------------------- */

static bool all_zero(const hawq_tensor *t) {
    for (size_t i = 0; i < t->n; i++)
        if (t->data[i] != 0) return false;
    return true;
}

/* A constant state of this direction that is the same for all images, as one
 * row; *out is NULL if it is not. */
static hawq_status common_row(cell *c, const hawq_tensor *t, const char **out) {
    const size_t h = (size_t)c->hidden, d = (size_t)c->direction;
    const real *first = t->data + d * h * (c->by_image ? 1 : (size_t)c->images);
    size_t      step = h * (c->by_image ? (size_t)c->directions : 1);
    *out = NULL;
    for (size_t i = 1; i < (size_t)c->images; i++)
        if (memcmp(first, first + i * step, h * sizeof *first) != 0)
            return HAWQ_OK;
    return hawq_write_reals(&c->w, &(hawq_shape){1, {c->hidden}}, first, out);
}

static hawq_status check_state(const cell *c, const hawq_tensor *t) {
    const int64_t want[] = {c->by_image ? c->images : c->directions,
                            c->by_image ? c->directions : c->images, c->hidden};
    if (t->shape.rank == 3 && t->dtype == HAWQ_FLOAT &&
        memcmp(t->shape.dim, want, sizeof want) == 0)
        return HAWQ_OK;
    return hawq_write_fail(&c->w, HAWQ_EFORMAT,
                           "the initial state '%s' does not fit %lld images "
                           "and %lld hidden units",
                           t->name, (long long)c->images, (long long)c->hidden);
}

/* Zero times x: zeros for as many images as there are. */
static hawq_status zeros_like(cell *c, const char *x, const char **out) {
    const real  zero = 0;
    const char *number;
    HAWQ_TRY(hawq_write_reals(&c->w, NULL, &zero, &number));
    return hawq_write(&c->w, &(hawq_call){.op = "Mul", HAWQ_IN(x, number)},
                      out);
}

/* The initial state of this direction; NULL: zeros. A constant one is added to
 * a zero that is computed, so that its product with R is no constant: R's
 * derivative by the first step would be lost. z: of a step, all gates. */
static hawq_status initial_state(cell *c, int input, const char *z,
                                 const char **out) {
    const hawq_tensor *t = hawq_write_input(&c->w, input);
    const char        *gate[4], *none;
    *out = NULL;
    if (!t) return HAWQ_OK;
    HAWQ_TRY(check_state(c, t));
    if (t->data && all_zero(t)) return HAWQ_OK;
    if (t->data) HAWQ_TRY(common_row(c, t, out));
    if (!*out)
        HAWQ_TRY(hawq_write_entry(&c->w, c->w.from->spec.in[input],
                                  c->direction, c->by_image, out));
    if (!t->data) return HAWQ_OK;
    HAWQ_TRY(hawq_cell_split(c, z, c->gates, gate));
    HAWQ_TRY(zeros_like(c, gate[0], &none));
    return hawq_write(&c->w, &(hawq_call){.op = "Add", HAWQ_IN(none, *out)},
                      out);
}

/* --- a direction, and the whole ------------------------------------------ */

/* y[t]: what step t puts out. */
static hawq_status run_direction(cell *c, const char **y) {
    hawq_writer *w = &c->w;
    const char  *Z, *z, *h = NULL, *memory = NULL;
    HAWQ_TRY(take_weights(c));
    HAWQ_TRY(hawq_write(w,
                        &(hawq_call){.op = "MatMul",
                                     HAWQ_IN(w->from->spec.in[X], c->x.weight),
                                     .layer = c->x.layer},
                        &Z));
    if (c->x.bias)
        HAWQ_TRY(hawq_write(w, &(hawq_call){.op = "Add", HAWQ_IN(Z, c->x.bias)},
                            &Z));
    for (int64_t i = 0; i < c->length; i++) {
        bool    back = c->direction == 1 || c->backward;
        int64_t t = back ? c->length - 1 - i : i;
        HAWQ_TRY(hawq_write_entry(w, Z, t, c->by_image, &z));
        if (i == 0) HAWQ_TRY(initial_state(c, INITIAL_H, z, &h));
        if (i == 0 && c->gates == 4)
            HAWQ_TRY(initial_state(c, INITIAL_C, z, &memory));
        if (i == 0) c->h = h, c->c = memory;
        HAWQ_TRY(hawq_cell_step(c, z));
        y[t] = c->h;
    }
    return HAWQ_OK;
}

static bool wanted(const cell *c, int i) {
    return i < c->w.from->spec.n_out && c->w.from->spec.out[i][0];
}

/* Y of this direction: the steps, one after the other, with an axis for the
 * directions. */
static hawq_status join_steps(cell *c, const char **step_y, const char **out) {
    int direction_axis = c->by_image ? 2 : 1, time_axis = c->by_image;
    for (int64_t t = 0; t < c->steps; t++) {
        if (t >= c->length) HAWQ_TRY(zeros_like(c, c->h, &step_y[t]));
        HAWQ_TRY(hawq_write_unsqueeze(&c->w, step_y[t], time_axis, &step_y[t]));
    }
    HAWQ_TRY(hawq_write_made_up(&c->w, out));
    HAWQ_TRY(hawq_write_joined(&c->w, (int)c->steps, step_y, time_axis, *out));
    return hawq_write_unsqueeze(&c->w, *out, direction_axis, out);
}

static hawq_status write_out(cell *c) {
    enum { Y, Y_H, Y_C, OUTPUTS };
    const char *part[OUTPUTS][2], **all;
    HAWQ_TAKE(all, &c->w.graph->arena, (size_t)c->steps);
    for (c->direction = 0; c->direction < c->directions; c->direction++) {
        HAWQ_TRY(hawq_cell_functions(c));
        HAWQ_TRY(run_direction(c, all));
        if (wanted(c, Y)) HAWQ_TRY(join_steps(c, all, &part[Y][c->direction]));
        if (wanted(c, Y_H))
            HAWQ_TRY(hawq_write_unsqueeze(&c->w, c->h, c->by_image,
                                          &part[Y_H][c->direction]));
        if (wanted(c, Y_C))
            HAWQ_TRY(hawq_write_unsqueeze(&c->w, c->c, c->by_image,
                                          &part[Y_C][c->direction]));
    }
    for (int i = 0; i < OUTPUTS; i++) {
        int axis = c->by_image + (i == Y);
        if (wanted(c, i))
            HAWQ_TRY(hawq_write_joined(&c->w, c->directions, part[i], axis,
                                       c->w.from->spec.out[i]));
    }
    return HAWQ_OK;
}

hawq_status hawq_rewrite_recurrent(hawq_graph *g, const hawq_proto_node *node) {
    const char *op = node->spec.op_type;
    cell        c = {.w = {g, node},
                     .gates = strcmp(op, "LSTM") == 0  ? 4
                              : strcmp(op, "GRU") == 0 ? 3
                                                       : 1};
    c.linear =
        c.gates == 3 && hawq_write_int(&c.w, "linear_before_reset", 0) != 0;
    c.coupled = c.gates == 4 && hawq_write_int(&c.w, "input_forget", 0) != 0;
    HAWQ_TRY(check_attributes(&c));
    HAWQ_TRY(read_sizes(&c));
    HAWQ_TRY(read_operands(&c));
    return write_out(&c);
}
