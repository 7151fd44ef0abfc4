/* taps.c -- planning and sweeps of pooling and reduction.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/ops/taps.h"
#include "src/ops/ops.h"

#include <math.h>
#include <string.h>

static hawq_status taps_new(hawq_arena *arena, size_t planes, size_t n_in,
                            size_t n_out, size_t n_taps, int32_t **start,
                            int32_t **tap, hawq_taps **out) {
    hawq_taps *t;
    HAWQ_TAKE(t, arena, 1);
    HAWQ_TAKE(*start, arena, n_out + 1);
    HAWQ_TAKE(*tap, arena, n_taps);
    HAWQ_TAKE(t->weight, arena, n_out);
    for (size_t o = 0; o < n_out; o++) t->weight[o] = 1;
    t->planes = planes;
    t->n_in = n_in;
    t->n_out = n_out;
    t->start = *start;
    t->tap = *tap;
    *out = t;
    return HAWQ_OK;
}

/* --- windows ----------------------------------------------------------- */

/* Sum over the positions of an axis of their taps. The sum over all axes is
 * the product of these. */
static hawq_status axis_taps(const hawq_node *node, const hawq_window *w,
                             int axis, int64_t *total) {
    *total = 0;
    for (int64_t o = 0; o < w->out[axis]; o++) {
        int64_t first, last;
        hawq_window_range(w, axis, o, &first, &last);
        if (first == last)
            return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                                  "a window of spatial axis %d lies in the "
                                  "padding altogether; padding must be smaller "
                                  "than the window",
                                  axis);
        *total += last - first;
    }
    return HAWQ_OK;
}

/* The taps of output position at[], written from `tap` on; returns the end. */
static int32_t *window_taps(const hawq_window *w, const int64_t at[3],
                            int32_t *tap) {
    int64_t first[3], last[3], x[3], k[3];
    for (int a = 0; a < 3; a++)
        hawq_window_range(w, a, at[a], &first[a], &last[a]);
    for (k[0] = first[0]; k[0] < last[0]; k[0]++)
        for (k[1] = first[1]; k[1] < last[1]; k[1]++)
            for (k[2] = first[2]; k[2] < last[2]; k[2]++) {
                for (int a = 0; a < 3; a++)
                    x[a] = at[a] * w->stride[a] - w->pad_begin[a] +
                           k[a] * w->dilation[a];
                *tap++ = (int32_t)((x[0] * w->in[1] + x[1]) * w->in[2] + x[2]);
            }
    return tap;
}

hawq_status hawq_taps_window(const hawq_node *node, hawq_arena *arena,
                             const hawq_window *w, size_t planes,
                             hawq_taps **out) {
    int64_t  total = 1, n_out = 1, n_in = 1, at[3];
    int32_t *start, *tap;
    for (int a = 0; a < 3; a++) {
        int64_t along;
        HAWQ_TRY(axis_taps(node, w, a, &along));
        if (along > INT32_MAX || (total *= along) > INT32_MAX)
            return hawq_node_fail(node, HAWQ_EUNSUPPORTED,
                                  "all windows together have more than 2^31 - "
                                  "1 elements");
        n_out *= w->out[a];
        n_in *= w->in[a];
    }
    HAWQ_TRY(taps_new(arena, planes, (size_t)n_in, (size_t)n_out, (size_t)total,
                      &start, &tap, out));
    int32_t *end = tap;
    for (at[0] = 0; at[0] < w->out[0]; at[0]++)
        for (at[1] = 0; at[1] < w->out[1]; at[1]++)
            for (at[2] = 0; at[2] < w->out[2]; at[2]++) {
                *start++ = (int32_t)(end - tap);
                end = window_taps(w, at, end);
            }
    *start = (int32_t)(end - tap);
    return HAWQ_OK;
}

/* --- axes -------------------------------------------------------------- */

hawq_status hawq_taps_axes(const hawq_node *node, hawq_arena *arena,
                           const hawq_shape *s, const bool *reduced,
                           hawq_taps **out) {
    size_t   planes = 1, n_in, n_out = 1;
    int      first = 0;
    int32_t *start, *tap;
    if (hawq_shape_count(s, 0, s->rank) == 0)
        return hawq_node_fail(node, HAWQ_EUNSUPPORTED, "the input is empty");
    for (; first < s->rank && !reduced[first]; first++)
        planes *= (size_t)s->dim[first];
    for (int a = first; a < s->rank; a++)
        if (!reduced[a]) n_out *= (size_t)s->dim[a];
    n_in = (size_t)hawq_shape_count(s, first, s->rank);
    HAWQ_TRY(taps_new(arena, planes, n_in, n_out, n_in, &start, &tap, out));
    for (size_t o = 0; o <= n_out; o++) start[o] = (int32_t)(n_in / n_out * o);
    /* Walk the input in order: each element is its output's next tap. */
    int32_t *next;
    HAWQ_TAKE(next, arena, n_out);
    memcpy(next, start, n_out * sizeof *next);
    for (size_t i = 0; i < n_in; i++) {
        size_t rest = i, o = 0, stride = 1;
        for (int a = s->rank - 1; a >= first; a--) {
            size_t d = (size_t)s->dim[a];
            if (!reduced[a]) o += rest % d * stride, stride *= d;
            rest /= d;
        }
        tap[next[o]++] = (int32_t)i;
    }
    return HAWQ_OK;
}

/* --- sums -------------------------------------------------------------- */

void hawq_taps_sum_forward(const hawq_node *node, const hawq_planes *p) {
    const hawq_taps *t = node->param;
    const real      *x = hawq_val(p, node->in[0]);
    real            *y = hawq_val(p, node->out[0]);
    if (!y) return;
    if (!x) {
        memset(y, 0, t->planes * t->n_out * sizeof *y);
        return;
    }
    for (size_t q = 0; q < t->planes; q++, x += t->n_in, y += t->n_out)
        for (size_t o = 0; o < t->n_out; o++) {
            double sum = 0;
            for (int32_t i = t->start[o]; i < t->start[o + 1]; i++)
                sum += (double)x[t->tap[i]];
            y[o] = (real)(sum * t->weight[o]);
        }
}

void hawq_taps_sum_adjoint(const hawq_node *node, const hawq_planes *p) {
    const hawq_taps *t = node->param;
    const real      *ybar = hawq_bar(p, node->out[0]);
    real            *xbar = hawq_bar(p, node->in[0]);
    if (!ybar || !xbar) return;
    for (size_t q = 0; q < t->planes; q++, xbar += t->n_in, ybar += t->n_out)
        for (size_t o = 0; o < t->n_out; o++) {
            real share = (real)((double)ybar[o] * t->weight[o]);
            for (int32_t i = t->start[o]; i < t->start[o + 1]; i++)
                xbar[t->tap[i]] += share;
        }
}

/* --- maxima ------------------------------------------------------------ */

/* Without a branch that depends on the data. A NaN among the taps is not
 * hidden by what is larger. */
static inline real largest(const hawq_taps *t, const real *x, size_t o) {
    real top = x[t->tap[t->start[o]]];
    bool nan = top != top;
    for (int32_t i = t->start[o] + 1; i < t->start[o + 1]; i++) {
        real value = x[t->tap[i]];
        nan |= value != value;
        top = value > top ? value : top;
    }
    return nan ? (real)NAN : top;
}

/* Index into x of the first tap that has the output's value y. */
static inline size_t source(const hawq_taps *t, const real *x, real y,
                            size_t o) {
    int32_t i = t->start[o], last = t->start[o + 1] - 1;
    /* The last tap needs no look: if it is none before, it is that one (or y
     * is NaN). */
    while (i < last && x[t->tap[i]] != y) i++;
    return (size_t)t->tap[i];
}

void hawq_taps_max_forward(const hawq_node *node, const hawq_planes *p) {
    const hawq_taps *t = node->param;
    const real      *x = hawq_val(p, node->in[0]);
    real            *y = hawq_val(p, node->out[0]);
    for (size_t q = 0; q < t->planes; q++, x += t->n_in, y += t->n_out)
        for (size_t o = 0; o < t->n_out; o++) y[o] = largest(t, x, o);
}

void hawq_taps_max_tangent(const hawq_node *node, const hawq_planes *p) {
    const hawq_taps *t = node->param;
    const real      *x = hawq_val(p, node->in[0]);
    const real      *y = hawq_val(p, node->out[0]);
    for (size_t q = 0; q < t->planes; q++, x += t->n_in, y += t->n_out)
        for (size_t o = 0; o < t->n_out; o++) {
            size_t from = q * t->n_in + source(t, x, y[o], o);
            for (int l = 0; l < p->lanes; l++) {
                const real *xdot = hawq_dot(p, l, node->in[0]);
                real       *ydot = hawq_dot(p, l, node->out[0]);
                if (ydot) ydot[q * t->n_out + o] = xdot ? xdot[from] : 0;
            }
        }
}

void hawq_taps_max_adjoint(const hawq_node *node, const hawq_planes *p) {
    const hawq_taps *t = node->param;
    const real      *x = hawq_val(p, node->in[0]);
    const real      *y = hawq_val(p, node->out[0]);
    const real      *ybar = hawq_bar(p, node->out[0]);
    real            *xbar = hawq_bar(p, node->in[0]);
    if (!ybar || !xbar) return;
    for (size_t q = 0; q < t->planes; q++, x += t->n_in, y += t->n_out)
        for (size_t o = 0; o < t->n_out; o++)
            xbar[q * t->n_in + source(t, x, y[o], o)] += ybar[q * t->n_out + o];
}

void hawq_taps_max_adjoint_tangent(const hawq_node   *node,
                                   const hawq_planes *p) {
    const hawq_taps *t = node->param;
    const real      *x = hawq_val(p, node->in[0]);
    const real      *y = hawq_val(p, node->out[0]);
    for (size_t q = 0; q < t->planes; q++, x += t->n_in, y += t->n_out)
        for (size_t o = 0; o < t->n_out; o++) {
            size_t to = q * t->n_in + source(t, x, y[o], o);
            for (int l = 0; l < p->lanes; l++) {
                const real *ybar = hawq_bardot(p, l, node->out[0]);
                real       *xbar = hawq_bardot(p, l, node->in[0]);
                if (ybar && xbar) xbar[to] += ybar[q * t->n_out + o];
            }
        }
}
