/* order.c -- see order.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/order.h"
#include "src/load/names.h"

#include <string.h>

typedef struct sorting {
    hawq_names made; /* by a node that is not placed yet, or is */
    hawq_names placed;
} sorting;

static bool is_ready(const sorting *s, const hawq_node_spec *spec) {
    for (int i = 0; i < spec->n_in; i++)
        if (spec->in[i][0] && hawq_names_has(&s->made, spec->in[i]) &&
            !hawq_names_has(&s->placed, spec->in[i]))
            return false;
    return true;
}

static hawq_status add_outputs(hawq_names *names, const hawq_node_spec *spec,
                               hawq_arena *arena) {
    for (int i = 0; i < spec->n_out; i++)
        if (spec->out[i][0])
            HAWQ_TRY(hawq_names_add(names, arena, spec->out[i]));
    return HAWQ_OK;
}

/* Moves the nodes that are ready from `left` to `to`, in their order. */
static hawq_status place(sorting *s, hawq_proto_node *left, size_t *n_left,
                         hawq_proto_node *to, size_t *n_to, hawq_arena *arena) {
    size_t waiting = 0;
    for (size_t i = 0; i < *n_left; i++) {
        if (!is_ready(s, &left[i].spec)) {
            left[waiting++] = left[i];
            continue;
        }
        HAWQ_TRY(add_outputs(&s->placed, &left[i].spec, arena));
        to[(*n_to)++] = left[i];
    }
    *n_left = waiting;
    return HAWQ_OK;
}

hawq_status hawq_proto_sort(hawq_proto *model, hawq_arena *arena) {
    sorting          s = {0};
    hawq_proto_node *left = model->node, *to;
    size_t           n_left = model->n_nodes, n_to = 0, before;
    for (size_t i = 0; i < n_left; i++)
        HAWQ_TRY(add_outputs(&s.made, &left[i].spec, arena));
    HAWQ_TAKE(to, arena, n_left);
    do {
        before = n_left;
        HAWQ_TRY(place(&s, left, &n_left, to, &n_to, arena));
    } while (n_left && n_left < before);
    if (n_left) memcpy(to + n_to, left, n_left * sizeof *to);
    model->node = to;
    return HAWQ_OK;
}
