/* move.c -- index maps: planning, both sweeps, folding, broadcasting.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/move.h"
#include "src/ops/ops.h"

#include <string.h>

hawq_status hawq_route_stride(hawq_arena *arena, int64_t n, int64_t start,
                              int64_t step, hawq_route *out) {
    int64_t *from;
    HAWQ_TAKE(from, arena, (size_t)n);
    for (int64_t i = 0; i < n; i++) from[i] = start + i * step;
    *out = (hawq_route){n, from};
    return HAWQ_OK;
}

static bool is_stride(const hawq_route *axis, int64_t step) {
    for (int64_t i = 0; i < axis->n; i++)
        if (axis->from[i] != i * step) return false;
    return true;
}

/* Map of the axes [first, last), row-major: the next entry is the odometer's
 * next position. */
static void fill_map(const hawq_route *axis, int first, int last, size_t n,
                     int32_t *map) {
    int64_t at[HAWQ_MAX_RANK + 2] = {0};
    for (size_t i = 0; i < n; i++) {
        int64_t offset = 0;
        for (int a = first; a < last; a++) {
            int64_t from = axis[a].from[at[a]];
            offset = offset < 0 || from < 0 ? -1 : offset + from;
        }
        map[i] = (int32_t)offset;
        for (int a = last - 1; a >= first && ++at[a] == axis[a].n; a--)
            at[a] = 0;
    }
}

hawq_status hawq_move_plan(hawq_arena *arena, size_t n_in, int n_axes,
                           const hawq_route *axis, double fill,
                           hawq_move *out) {
    hawq_move m = {
        .copies = 1, .n_in = n_in, .n_map = 1, .block = 1, .fill = fill};
    int      first = 0, last = n_axes;
    int32_t *map;
    /* Leading axis of n steps that together make up the whole input: what
     * follows stays within one step, so it is the same map n times. */
    for (; first < last; first++) {
        int64_t n = axis[first].n;
        if (n < 1 || m.n_in % (size_t)n) break;
        if (!is_stride(&axis[first], (int64_t)m.n_in / n)) break;
        m.copies *= (size_t)n;
        m.n_in /= (size_t)n;
    }
    for (; first < last; last--) {
        if (!is_stride(&axis[last - 1], (int64_t)m.block)) break;
        m.block *= (size_t)axis[last - 1].n;
    }
    for (int a = first; a < last; a++) m.n_map *= (size_t)axis[a].n;
    if (m.block == 0) m.block = 1, m.n_map = 0;
    if (first == last && m.n_in == m.block) { /* copied as it is */
        m.block *= m.copies;
        m.n_in = m.block;
        m.copies = 1;
    }
    HAWQ_TAKE(map, arena, m.n_map);
    fill_map(axis, first, last, m.n_map, map);
    m.map = map;
    *out = m;
    return HAWQ_OK;
}

hawq_move hawq_move_whole(size_t n) {
    static const int32_t start[1];
    return (hawq_move){
        .copies = 1, .n_in = n, .n_map = 1, .block = n, .map = start};
}

hawq_status hawq_move_set(hawq_node *node, hawq_arena *arena, int n_axes,
                          const hawq_route *axis) {
    hawq_move *move;
    HAWQ_TAKE(move, arena, 1);
    node->param = move;
    return hawq_move_plan(arena, node->in[0]->n, n_axes, axis, 0, move);
}

hawq_status hawq_move_reshape(hawq_node *node, hawq_arena *arena,
                              const hawq_shape *shape) {
    hawq_move *move;
    HAWQ_TRY(hawq_set_out(node, 0, node->in[0]->dtype, shape));
    HAWQ_TAKE(move, arena, 1);
    *move = hawq_move_whole(node->in[0]->n);
    node->param = move;
    return HAWQ_OK;
}

void hawq_move_apply(const hawq_move *m, const real *x, real *y, double fill) {
    for (size_t c = 0; c < m->copies; c++)
        for (size_t i = 0; i < m->n_map; i++, y += m->block) {
            size_t from = c * m->n_in + (size_t)m->map[i];
            if (m->map[i] < 0)
                for (size_t b = 0; b < m->block; b++) y[b] = (real)fill;
            else if (!x)
                memset(y, 0, m->block * sizeof *y);
            else if (m->block == 1)
                *y = x[from];
            else
                memcpy(y, x + from, m->block * sizeof *y);
        }
}

void hawq_move_add_back(const hawq_move *m, const real *ybar, real *xbar) {
    for (size_t c = 0; c < m->copies; c++)
        for (size_t i = 0; i < m->n_map; i++, ybar += m->block) {
            if (m->map[i] < 0) continue;
            real *to = xbar + c * m->n_in + m->map[i];
            for (size_t b = 0; b < m->block; b++) to[b] += ybar[b];
        }
}

void hawq_move_ints(const hawq_move *m, const int64_t *x, int64_t *y) {
    for (size_t c = 0; c < m->copies; c++)
        for (size_t i = 0; i < m->n_map; i++)
            for (size_t b = 0; b < m->block; b++)
                *y++ = m->map[i] < 0 ? (int64_t)m->fill
                                     : x[c * m->n_in + (size_t)m->map[i] + b];
}

/* --- sweeps ------------------------------------------------------------ */

void hawq_move_forward(const hawq_node *node, const hawq_planes *p) {
    const hawq_move *m = node->param;
    real            *y = hawq_val(p, node->out[0]);
    if (y) hawq_move_apply(m, hawq_val(p, node->in[0]), y, m->fill);
}

void hawq_move_adjoint(const hawq_node *node, const hawq_planes *p) {
    const real *ybar = hawq_bar(p, node->out[0]);
    real       *xbar = hawq_bar(p, node->in[0]);
    if (ybar && xbar) hawq_move_add_back(node->param, ybar, xbar);
}

void hawq_move_tangent(const hawq_node *node, const hawq_planes *p) {
    for (int l = 0; l < p->lanes; l++) {
        real *y = hawq_dot(p, l, node->out[0]);
        if (y) hawq_move_apply(node->param, hawq_dot(p, l, node->in[0]), y, 0);
    }
}

void hawq_move_adjoint_tangent(const hawq_node *node, const hawq_planes *p) {
    for (int l = 0; l < p->lanes; l++) {
        const real *ybar = hawq_bardot(p, l, node->out[0]);
        real       *xbar = hawq_bardot(p, l, node->in[0]);
        if (ybar && xbar) hawq_move_add_back(node->param, ybar, xbar);
    }
}

hawq_status hawq_move_fold(hawq_node *node, hawq_arena *arena) {
    HAWQ_TAKE(node->out[0]->ints, arena, node->out[0]->n);
    hawq_move_ints(node->param, node->in[0]->ints, node->out[0]->ints);
    return HAWQ_OK;
}

/* --- broadcasting ------------------------------------------------------ */

/* dim[a] of a shape right-aligned to `rank` axes. */
static int64_t aligned(const hawq_shape *s, int a, int rank) {
    int own = a - (rank - s->rank);
    return own < 0 ? 1 : s->dim[own];
}

hawq_status hawq_broadcast_shape(const hawq_node *node, const hawq_shape *a,
                                 const hawq_shape *b, hawq_shape *out) {
    char       text_a[128], text_b[128];
    hawq_shape s = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 0; i < s.rank; i++) {
        int64_t da = aligned(a, i, s.rank), db = aligned(b, i, s.rank);
        if (da != db && da != 1 && db != 1)
            return hawq_node_fail(
                node, HAWQ_EFORMAT, "shapes %s and %s do not broadcast",
                hawq_shape_text(a, text_a), hawq_shape_text(b, text_b));
        s.dim[i] = da == 1 ? db : da;
    }
    *out = s;
    return HAWQ_OK;
}

hawq_status hawq_broadcast_plan(hawq_arena *arena, const hawq_shape *from,
                                const hawq_shape *to, hawq_move *out) {
    hawq_route axis[HAWQ_MAX_RANK];
    int64_t    step = 1;
    for (int a = to->rank - 1; a >= 0; a--) {
        int64_t n = aligned(from, a, to->rank);
        HAWQ_TRY(hawq_route_stride(arena, to->dim[a], 0, n == 1 ? 0 : step,
                                   &axis[a]));
        step *= n;
    }
    return hawq_move_plan(arena, (size_t)hawq_shape_count(from, 0, from->rank),
                          to->rank, axis, 0, out);
}

hawq_status hawq_fold_binary_ints(hawq_node *node, hawq_arena *arena,
                                  hawq_int_fn *fn) {
    hawq_tensor *y = node->out[0];
    hawq_move    move[2];
    int64_t     *operand[2];
    for (int k = 0; k < 2; k++) {
        HAWQ_TRY(hawq_broadcast_plan(arena, &node->in[k]->shape, &y->shape,
                                     &move[k]));
        HAWQ_TAKE(operand[k], arena, y->n);
        hawq_move_ints(&move[k], node->in[k]->ints, operand[k]);
    }
    for (size_t i = 0; i < y->n; i++)
        operand[0][i] = fn(operand[0][i], operand[1][i]);
    y->ints = operand[0];
    return HAWQ_OK;
}
