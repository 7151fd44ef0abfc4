/* control.c -- If, Loop and Scan whose course is known: the branch that is
 * taken, and the body as often as it is run, in place of the node.
 *
 * A tensor's name stands for the latest one of that name, so a body is added
 * again as it is: what it reads of itself was added just before. Its inputs are
 * further names of what comes in. A Constant in it, and its initializers, are
 * added once: a weight that every pass reads is one weight.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/rewrite.h"

#include <stdio.h>
#include <string.h>

enum { MOST_PASSES = 1 << 16 };

static hawq_status find_body(const hawq_writer *w, const char *name,
                             const hawq_proto **out) {
    const hawq_proto_node *node = w->from;
    for (int i = 0; i < node->n_bodies; i++)
        if (strcmp(node->body[i].name, name) == 0) {
            *out = &node->body[i].graph;
            return HAWQ_OK;
        }
    return hawq_write_fail(w, HAWQ_EFORMAT, "attribute '%s' is missing", name);
}

static hawq_status check_count(const hawq_writer *w, const char *what,
                               size_t found, size_t expected) {
    if (found == expected) return HAWQ_OK;
    return hawq_write_fail(w, HAWQ_EFORMAT, "its body has %zu %s, expected %zu",
                           found, what, expected);
}

/* --- bodies -------------------------------------------------------------- */

/* Is this constant in the graph already, as the latest of its name? */
static bool is_there(const hawq_graph *g, const char *name,
                     const hawq_tensor *t) {
    const hawq_tensor *old = hawq_graph_find(g, name);
    size_t             size = t->data ? sizeof *t->data : sizeof *t->ints;
    if (!old || old->role != HAWQ_CONSTANT || old->dtype != t->dtype ||
        !hawq_shape_equal(&old->shape, &t->shape) || !old->data != !t->data ||
        !old->ints != !t->ints)
        return false;
    const void *a = t->data ? (void *)t->data : t->ints;
    const void *b = t->data ? (void *)old->data : old->ints;
    return !t->n || !a || memcmp(a, b, t->n * size) == 0;
}

/* The tensor of a Constant, or NULL. */
static const hawq_tensor *constant_of(const hawq_proto_node *node) {
    const hawq_node_spec *s = &node->spec;
    bool one = strcmp(s->op_type, "Constant") == 0 && s->n_attr == 1;
    return one && s->attr[0].type == HAWQ_ATTR_TENSOR ? s->attr[0].tensor
                                                      : NULL;
}

/* A node of a body; of pass 0, 1, ... it is called "node:0", "node:1", ... */
static hawq_status add_node(hawq_graph *g, const hawq_proto_node *node,
                            int64_t pass) {
    hawq_proto_node    copy = *node;
    const hawq_tensor *t = constant_of(node);
    if (node->defect)
        return hawq_fail(HAWQ_EUNSUPPORTED, "node '%s' (%s): %s",
                         node->spec.name, node->spec.op_type, node->defect);
    if (t && is_there(g, node->spec.out[0], t)) return HAWQ_OK;
    if (pass >= 0)
        copy.spec.name = hawq_arena_format(&g->arena, "%.48s:%lld",
                                           node->spec.name, (long long)pass);
    return copy.spec.name ? hawq_onnx_add_node(g, &copy) : HAWQ_ENOMEM;
}

static hawq_status add_body(hawq_writer *w, const hawq_proto *body,
                            int64_t pass) {
    for (size_t i = 0; i < body->n_constants; i++) {
        const hawq_tensor *t = &body->constant[i];
        if (!is_there(w->graph, t->name, t))
            HAWQ_TRY(hawq_onnx_add_constant(w->graph, t->name, t));
    }
    for (size_t i = 0; i < body->n_nodes; i++)
        HAWQ_TRY(add_node(w->graph, &body->node[i], pass));
    for (size_t i = 0; i < body->n_outputs; i++)
        if (!hawq_graph_find(w->graph, body->output[i].name))
            return hawq_write_fail(w, HAWQ_EFORMAT,
                                   "nothing in its body makes '%s'",
                                   body->output[i].name);
    return HAWQ_OK;
}

/* A truth value that is known. */
static hawq_status read_condition(const hawq_writer *w, const hawq_tensor *t,
                                  bool *out) {
    if (t && t->role == HAWQ_CONSTANT && t->n == 1 && (t->ints || t->data)) {
        *out = t->ints ? t->ints[0] != 0 : t->data[0] != 0;
        return HAWQ_OK;
    }
    return hawq_write_fail(
        w, HAWQ_EUNSUPPORTED,
        "its condition '%s' depends on the data; only one that follows from "
        "constants and shapes is supported: export the network so that every "
        "node always runs",
        t ? t->name : "");
}

/* --- If ------------------------------------------------------------------ */

static hawq_status write_if(hawq_writer *w) {
    const hawq_node_spec *spec = &w->from->spec;
    const hawq_proto     *body = NULL;
    bool                  yes = false;
    HAWQ_TRY(read_condition(w, hawq_write_input(w, 0), &yes));
    HAWQ_TRY(find_body(w, yes ? "then_branch" : "else_branch", &body));
    HAWQ_TRY(check_count(w, "outputs", body->n_outputs, (size_t)spec->n_out));
    HAWQ_TRY(add_body(w, body, -1));
    for (int i = 0; i < spec->n_out; i++)
        if (spec->out[i][0])
            HAWQ_TRY(hawq_write_name(w, body->output[i].name, spec->out[i]));
    return HAWQ_OK;
}

/* --- Loop and Scan ------------------------------------------------------- */

/* A body that is run several times: what goes from one pass to the next, and
 * what every pass adds to. */
typedef struct repetition {
    const hawq_proto *body;
    int               n_states, n_series; /* of the results */
    const char      **state;
    const char     ***series; /* [n_series][passes] */
    int64_t           passes, room;
} repetition;

static hawq_status start(hawq_writer *w, int first, int n_states, int n_series,
                         int64_t room, repetition *r) {
    const hawq_node_spec *spec = &w->from->spec;
    hawq_arena           *arena = &w->graph->arena;
    HAWQ_TRY(find_body(w, "body", &r->body));
    r->n_states = n_states;
    r->n_series = n_series;
    r->room = room;
    if (room < 1 || room > MOST_PASSES)
        return hawq_write_fail(w, HAWQ_EUNSUPPORTED,
                               "it runs %lld times, supported are 1 to %d",
                               (long long)room, MOST_PASSES);
    HAWQ_TAKE(r->state, arena, (size_t)n_states);
    HAWQ_TAKE(r->series, arena, (size_t)n_series);
    for (int k = 0; k < n_states; k++) r->state[k] = spec->in[first + k];
    for (int k = 0; k < n_series; k++)
        HAWQ_TAKE(r->series[k], arena, (size_t)room);
    return HAWQ_OK;
}

/* A pass whose inputs but the states are there: the body's inputs from `in` on
 * are the states, its outputs from `out` on states and entries of series. Names
 * are given to the states first: one may be what another becomes. */
static hawq_status run_pass(hawq_writer *w, repetition *r, int in, int out) {
    const hawq_proto *body = r->body;
    const hawq_call   same = {.op = "Identity"};
    for (int k = 0; k < r->n_states; k++)
        HAWQ_TRY(hawq_write_name(w, r->state[k], body->input[in + k].name));
    HAWQ_TRY(add_body(w, body, r->passes));
    for (int k = 0; k < r->n_states + r->n_series; k++) {
        const char *name = body->output[out + k].name;
        hawq_call   call = same;
        call.n_in = 1;
        call.in = &name;
        HAWQ_TRY(hawq_write(w, &call,
                            k < r->n_states
                                ? &r->state[k]
                                : &r->series[k - r->n_states][r->passes]));
    }
    r->passes++;
    return HAWQ_OK;
}

/* The node's outputs: states, then series along their axes. */
static hawq_status finish(hawq_writer *w, repetition *r, const int *axis,
                          const bool *backward) {
    const hawq_node_spec *spec = &w->from->spec;
    for (int k = 0; k < r->n_states && k < spec->n_out; k++)
        if (spec->out[k][0])
            HAWQ_TRY(hawq_write_name(w, r->state[k], spec->out[k]));
    for (int k = 0; k < r->n_series; k++) {
        int at = r->n_states + k;
        if (at >= spec->n_out || !spec->out[at][0]) continue;
        const char **part = r->series[k];
        for (int64_t i = 0; i < r->passes; i++)
            HAWQ_TRY(
                hawq_write_unsqueeze(w, part[i], axis ? axis[k] : 0, &part[i]));
        for (int64_t i = 0; backward && backward[k] && 2 * i < r->passes - 1;
             i++) {
            const char *swap = part[i];
            part[i] = part[r->passes - 1 - i];
            part[r->passes - 1 - i] = swap;
        }
        HAWQ_TRY(hawq_write_joined(w, (int)r->passes, part, axis ? axis[k] : 0,
                                   spec->out[at]));
    }
    return HAWQ_OK;
}

/* The trip count; without one as many as the condition lasts. */
static hawq_status read_trips(const hawq_writer *w, int64_t *out) {
    const hawq_tensor *t = hawq_write_input(w, 0);
    *out = MOST_PASSES;
    if (!t) return HAWQ_OK;
    if (!t->ints || t->n != 1)
        return hawq_write_fail(w, HAWQ_EUNSUPPORTED,
                               "its trip count '%s' depends on the data; only "
                               "one that follows from constants and shapes is "
                               "supported",
                               t->name);
    if (t->ints[0] < *out || hawq_write_input(w, 1) == NULL) *out = t->ints[0];
    return HAWQ_OK;
}

/* inputs: trips, condition, states; of the body: pass, condition, states; its
 * outputs: condition, states, entries of series */
static hawq_status write_loop(hawq_writer *w) {
    const hawq_node_spec *spec = &w->from->spec;
    int                   n_states = spec->n_in > 2 ? spec->n_in - 2 : 0;
    int64_t               trips = 0;
    bool                  go_on = true;
    repetition            r = {0};
    if (spec->n_out < n_states)
        return hawq_write_fail(w, HAWQ_EFORMAT, "%d outputs for %d states",
                               spec->n_out, n_states);
    HAWQ_TRY(read_trips(w, &trips));
    if (hawq_write_input(w, 1))
        HAWQ_TRY(read_condition(w, hawq_write_input(w, 1), &go_on));
    HAWQ_TRY(
        start(w, 2, n_states, spec->n_out - n_states, go_on ? trips : 0, &r));
    HAWQ_TRY(check_count(w, "inputs", r.body->n_inputs, 2 + (size_t)n_states));
    HAWQ_TRY(
        check_count(w, "outputs", r.body->n_outputs, 1 + (size_t)spec->n_out));
    const hawq_shape one = {0};
    const int64_t    yes = 1;
    while (go_on && r.passes < trips) {
        HAWQ_TRY(hawq_graph_constant(w->graph, r.body->input[0].name, HAWQ_INT,
                                     &one, &r.passes));
        HAWQ_TRY(hawq_graph_constant(w->graph, r.body->input[1].name, HAWQ_INT,
                                     &one, &yes));
        HAWQ_TRY(run_pass(w, &r, 2, 1));
        const hawq_tensor *c =
            hawq_graph_find(w->graph, r.body->output[0].name);
        HAWQ_TRY(read_condition(w, c, &go_on));
    }
    if (go_on && r.passes == MOST_PASSES && !hawq_write_input(w, 0))
        return hawq_write_fail(w, HAWQ_EUNSUPPORTED,
                               "it runs more than %d times", MOST_PASSES);
    return finish(w, &r, NULL, NULL);
}

/* --- Scan ---------------------------------------------------------------- */

/* Entry k of a list of integers, 0 if it is not given. */
static int64_t listed(const hawq_writer *w, const char *name, int k) {
    const hawq_attr *a = hawq_write_attr(w, name);
    return a && a->type == HAWQ_ATTR_INTS && (size_t)k < a->n ? a->ints[k] : 0;
}

/* The series that go in: what each is, along which axis, how long. */
static hawq_status find_length(const hawq_writer *w, int first, int n,
                               int *axis, int64_t *length) {
    *length = -1;
    for (int k = 0; k < n; k++) {
        const hawq_tensor *t = hawq_write_input(w, first + k);
        axis[k] =
            t ? hawq_axis(listed(w, "scan_input_axes", k), t->shape.rank) : -1;
        if (axis[k] < 0 || (*length >= 0 && *length != t->shape.dim[axis[k]]))
            return hawq_write_fail(w, HAWQ_EFORMAT,
                                   "what it scans differs in length, or has "
                                   "not the axis it is scanned along");
        *length = t->shape.dim[axis[k]];
    }
    return HAWQ_OK;
}

/* The axis of a series that comes out, from the rank of an entry. */
static hawq_status find_axes(const hawq_writer *w, const repetition *r,
                             int *axis, bool *backward) {
    for (int k = 0; k < r->n_series; k++) {
        const hawq_tensor *t = hawq_graph_find(w->graph, r->series[k][0]);
        int64_t            given = listed(w, "scan_output_axes", k);
        axis[k] = hawq_axis(given, t->shape.rank + 1);
        backward[k] = listed(w, "scan_output_directions", k) != 0;
        if (axis[k] < 0)
            return hawq_write_fail(w, HAWQ_EFORMAT,
                                   "axis %lld of output %d is out of range",
                                   (long long)given, r->n_states + k);
    }
    return HAWQ_OK;
}

/* inputs: states, series; of the body the same with entries of series; outputs
 * likewise */
static hawq_status write_scan(hawq_writer *w) {
    const hawq_node_spec *spec = &w->from->spec;
    int64_t               n = hawq_write_int(w, "num_scan_inputs", 0), length;
    int                  *axis, *axis_out;
    bool                 *backward;
    repetition            r = {0};
    if (w->graph->opset < 9 || n < 1 || n > spec->n_in ||
        spec->n_in - n > spec->n_out)
        return hawq_write_fail(
            w, HAWQ_EUNSUPPORTED,
            "%lld of %d inputs are scanned, opset %d; "
            "supported are one or more, and opsets from 9 on",
            (long long)n, spec->n_in, w->graph->opset);
    int states = spec->n_in - (int)n;
    HAWQ_TAKE(axis, &w->graph->arena, (size_t)n);
    HAWQ_TAKE(axis_out, &w->graph->arena, (size_t)spec->n_out);
    HAWQ_TAKE(backward, &w->graph->arena, (size_t)spec->n_out);
    HAWQ_TRY(find_length(w, states, (int)n, axis, &length));
    HAWQ_TRY(start(w, 0, states, spec->n_out - states, length, &r));
    HAWQ_TRY(check_count(w, "inputs", r.body->n_inputs, (size_t)spec->n_in));
    HAWQ_TRY(check_count(w, "outputs", r.body->n_outputs, (size_t)spec->n_out));
    for (int64_t i = 0; i < length; i++) {
        for (int k = 0; k < n; k++) {
            bool        back = listed(w, "scan_input_directions", k) != 0;
            const char *entry;
            HAWQ_TRY(hawq_write_entry(w, spec->in[states + k],
                                      back ? length - 1 - i : i, axis[k],
                                      &entry));
            HAWQ_TRY(hawq_write_name(w, entry, r.body->input[states + k].name));
        }
        HAWQ_TRY(run_pass(w, &r, 0, 0));
    }
    HAWQ_TRY(find_axes(w, &r, axis_out, backward));
    return finish(w, &r, axis_out, backward);
}

hawq_status hawq_rewrite_control(hawq_graph *g, const hawq_proto_node *node) {
    hawq_writer w = {g, node};
    if (strcmp(node->spec.op_type, "If") == 0) return write_if(&w);
    if (strcmp(node->spec.op_type, "Loop") == 0) return write_loop(&w);
    return write_scan(&w);
}
