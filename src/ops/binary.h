/* binary.h -- operators y = f(a, b), element by element, with numpy's
 * broadcasting.
 *
 * An operator is its jet: f and its derivatives up to second order at (a, b),
 *     tangent          dy   = fa da + fb db
 *     adjoint          ba  += fa by,  bb += fb by
 *     adjoint_tangent  bda += fa bdy + (faa da + fab db) by
 *                      bdb += fb bdy + (fab da + fbb db) by
 * BINARY_SWEEPS(jet) defines the four sweeps with the jet inlined.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_BINARY_H
#define HAWQ_BINARY_H
#include "src/base/wide.h"
#include "src/ops/ops.h"

typedef struct hawq_jet2 {
    real f, fa, fb, faa, fab, fbb;
} hawq_jet2;

/* The result as rows of `run` elements, over which each operand either runs
 * along (step 1) or stays where it is (step 0). Row r of operand k begins
 * `stride[k]` times index[k][r] elements (NULL: r) into it. */
typedef struct hawq_operands {
    size_t         run, step[2], stride[2];
    const int32_t *index[2];
    const real    *fixed; /* operand 1 where its tensor holds integers */
} hawq_operands;

/* index[i], i < elements of `to`: which element of a tensor of shape `from`,
 * broadcast to `to`, is read. NULL if the shapes are equal. */
HAWQ_NODISCARD hawq_status hawq_broadcast_index(hawq_arena       *arena,
                                                const hawq_shape *from,
                                                const hawq_shape *to,
                                                const int32_t   **index);

/* Two operands of one type, both float or both integer, constant or computed:
 * out[0] takes type and broadcast shape, param becomes the hawq_operands. */
HAWQ_NODISCARD hawq_status hawq_binary_shape(hawq_node  *node,
                                             hawq_arena *arena);

/* The same without asking for one type; out[0] has that of in[0]. */
HAWQ_NODISCARD hawq_status hawq_binary_plan(hawq_node *node, hawq_arena *arena);

/* The element of operand k that element i of the result is made of; without a
 * plan (run 0): i. */
static inline size_t hawq_operand_at(const hawq_operands *o, int k, size_t i) {
    if (!o->run) return i;
    size_t row = i / o->run;
    size_t start = o->index[k] ? (size_t)o->index[k][row] : row;
    return start * o->stride[k] + i % o->run * o->step[k];
}

static inline const real *hawq_operand(const hawq_node   *node,
                                       const hawq_planes *p, int k) {
    const hawq_operands *o = node->param;
    return k == 1 && o->fixed ? o->fixed : hawq_val(p, node->in[k]);
}

/* --- pieces of rows: all that the sweeps see ---------------------------- */

enum { BINARY_BLOCK = 256 };

/* n elements of the result from element i on, and of the operands from `at` */
typedef struct hawq_piece {
    size_t i, n, at[2];
} hawq_piece;

/* The next piece of `total` elements, the first after {0}; false at the end. */
static inline bool hawq_next_piece(const hawq_operands *o, size_t total,
                                   hawq_piece *e) {
    e->i += e->n;
    if (e->i >= total) return false;
    e->n = o->run - e->i % o->run;
    if (e->n > BINARY_BLOCK) e->n = BINARY_BLOCK;
    for (int k = 0; k < 2; k++) e->at[k] = hawq_operand_at(o, k, e->i);
    return true;
}

/* The piece of an operand's plane, in `room` if it must be spelled out; NULL
 * stays NULL. */
HAWQ_INLINE const real *hawq_piece_read(const hawq_operands *o, int k,
                                        const hawq_piece *e, const real *plane,
                                        real *room) {
    if (!plane || o->step[k]) return plane ? plane + e->at[k] : NULL;
    for (size_t j = 0; j < e->n; j++) room[j] = plane[e->at[k]];
    return room;
}

/* plane += v, summed where the operand stays where it is */
HAWQ_INLINE void hawq_piece_add(const hawq_operands *o, int k,
                                const hawq_piece *e, const real *v,
                                real *plane) {
    double sum = 0;
    real  *to = plane + e->at[k];
    if (o->step[k])
        for (size_t j = 0; j < e->n; j++) to[j] += v[j];
    else {
        for (size_t j = 0; j < e->n; j++) sum += (double)v[j];
        *to += (real)sum;
    }
}

/* y = fa u + fb v, y = fa u, ...; NULL: zero */
HAWQ_INLINE void hawq_piece_combine(size_t n, const real *fa, const real *u,
                                    const real *fb, const real *v, real *y) {
    if (u && v)
        for (size_t j = 0; j < n; j++) y[j] = fa[j] * u[j] + fb[j] * v[j];
    else if (u || v)
        for (size_t j = 0; j < n; j++) y[j] = u ? fa[j] * u[j] : fb[j] * v[j];
    else
        for (size_t j = 0; j < n; j++) y[j] = 0;
}

/* plane += d t + (c u + e v) w; t, u, v, w NULL: zero */
HAWQ_INLINE void hawq_piece_back(const hawq_operands *o, int k,
                                 const hawq_piece *e, const real *d,
                                 const real *t, const real *cu, const real *u,
                                 const real *cv, const real *v, const real *w,
                                 real *plane) {
    real sum[BINARY_BLOCK];
    hawq_piece_combine(e->n, cu, w ? u : NULL, cv, w ? v : NULL, sum);
    for (size_t j = 0; w && j < e->n; j++) sum[j] *= w[j];
    for (size_t j = 0; t && j < e->n; j++) sum[j] += d[j] * t[j];
    hawq_piece_add(o, k, e, sum, plane);
}

/* Element names of a sweep: its operands, their values' pieces x and z */
#define BINARY_PIECES                                                          \
    const hawq_operands *o = node->param;                                      \
    const real          *a = hawq_operand(node, p, 0);                         \
    const real          *b = hawq_operand(node, p, 1);                         \
    real                 room[4][BINARY_BLOCK];                                \
    const real          *x, *z;                                                \
    for (hawq_piece e = {0};                                                   \
         hawq_next_piece(o, node->out[0]->n, &e) &&                            \
         (x = hawq_piece_read(o, 0, &e, a, room[0]),                           \
         z = hawq_piece_read(o, 1, &e, b, room[1]), true);)

#define BINARY_SWEEPS(jet)                                                     \
    HAWQ_WIDE static void jet##_forward(const hawq_node   *node,               \
                                        const hawq_planes *p) {                \
        BINARY_PIECES {                                                        \
            real *y = hawq_val(p, node->out[0]) + e.i;                         \
            for (size_t j = 0; j < e.n; j++) y[j] = jet(x[j], z[j]).f;         \
        }                                                                      \
    }                                                                          \
    HAWQ_WIDE static void jet##_tangent(const hawq_node   *node,               \
                                        const hawq_planes *p) {                \
        real fa[BINARY_BLOCK], fb[BINARY_BLOCK];                               \
        BINARY_PIECES {                                                        \
            for (size_t j = 0; j < e.n; j++) {                                 \
                hawq_jet2 q = jet(x[j], z[j]);                                 \
                fa[j] = q.fa;                                                  \
                fb[j] = q.fb;                                                  \
            }                                                                  \
            for (int l = 0; l < p->lanes; l++) {                               \
                const real *da = hawq_dot(p, l, node->in[0]);                  \
                const real *db = hawq_dot(p, l, node->in[1]);                  \
                real       *dy = hawq_dot(p, l, node->out[0]);                 \
                da = hawq_piece_read(o, 0, &e, da, room[2]);                   \
                db = hawq_piece_read(o, 1, &e, db, room[3]);                   \
                if (dy) hawq_piece_combine(e.n, fa, da, fb, db, dy + e.i);     \
            }                                                                  \
        }                                                                      \
    }                                                                          \
    HAWQ_WIDE static void jet##_adjoint(const hawq_node   *node,               \
                                        const hawq_planes *p) {                \
        const real *by = hawq_bar(p, node->out[0]);                            \
        real       *ba = hawq_bar(p, node->in[0]);                             \
        real       *bb = hawq_bar(p, node->in[1]);                             \
        if (!by) return;                                                       \
        BINARY_PIECES {                                                        \
            const real *w = by + e.i;                                          \
            for (size_t j = 0; j < e.n; j++) {                                 \
                hawq_jet2 q = jet(x[j], z[j]);                                 \
                room[2][j] = q.fa * w[j];                                      \
                room[3][j] = q.fb * w[j];                                      \
            }                                                                  \
            if (ba) hawq_piece_add(o, 0, &e, room[2], ba);                     \
            if (bb) hawq_piece_add(o, 1, &e, room[3], bb);                     \
        }                                                                      \
    }                                                                          \
    HAWQ_WIDE static void jet##_adjoint_tangent(const hawq_node   *node,       \
                                                const hawq_planes *p) {        \
        const real *by = hawq_bar(p, node->out[0]);                            \
        real        fa[BINARY_BLOCK], fb[BINARY_BLOCK], faa[BINARY_BLOCK];     \
        real        fab[BINARY_BLOCK], fbb[BINARY_BLOCK];                      \
        BINARY_PIECES {                                                        \
            for (size_t j = 0; j < e.n; j++) {                                 \
                hawq_jet2 q = jet(x[j], z[j]);                                 \
                fa[j] = q.fa;                                                  \
                fb[j] = q.fb;                                                  \
                faa[j] = q.faa;                                                \
                fab[j] = q.fab;                                                \
                fbb[j] = q.fbb;                                                \
            }                                                                  \
            for (int l = 0; l < p->lanes; l++) {                               \
                const real *da = hawq_dot(p, l, node->in[0]);                  \
                const real *db = hawq_dot(p, l, node->in[1]);                  \
                const real *bdy = hawq_bardot(p, l, node->out[0]);             \
                real       *bda = hawq_bardot(p, l, node->in[0]);              \
                real       *bdb = hawq_bardot(p, l, node->in[1]);              \
                const real *w = by ? by + e.i : NULL;                          \
                da = hawq_piece_read(o, 0, &e, da, room[2]);                   \
                db = hawq_piece_read(o, 1, &e, db, room[3]);                   \
                if (bdy) bdy += e.i;                                           \
                if (bda)                                                       \
                    hawq_piece_back(o, 0, &e, fa, bdy, faa, da, fab, db, w,    \
                                    bda);                                      \
                if (bdb)                                                       \
                    hawq_piece_back(o, 1, &e, fb, bdy, fab, da, fbb, db, w,    \
                                    bdb);                                      \
            }                                                                  \
        }                                                                      \
    }

#define BINARY_OP(onnx_name, attribute_list, shape_fn, jet)                    \
    {                                                                          \
        .name = (onnx_name), .attributes = (attribute_list), .min_in = 2,      \
        .max_in = 2, .shape = (shape_fn), .forward = jet##_forward,            \
        .tangent = jet##_tangent, .adjoint = jet##_adjoint,                    \
        .adjoint_tangent = jet##_adjoint_tangent, .fold = jet##_fold,          \
        .pointwise = true                                                      \
    }

#endif
