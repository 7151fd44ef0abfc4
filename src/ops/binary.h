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
#include "src/ops/ops.h"

typedef struct hawq_jet2 {
    real f, fa, fb, faa, fab, fbb;
} hawq_jet2;

/* Element i of the result reads element index[k][i] of operand k; NULL: i. */
typedef struct hawq_operands {
    const int32_t *index[2];
    const real    *fixed; /* operand 1 where its tensor holds integers */
} hawq_operands;

/* index[i], i < elements of `to`: which element of a tensor of shape `from`,
 * broadcast to `to`, is read. NULL if the shapes are equal. */
HAWQ_NODISCARD hawq_status hawq_broadcast_index(hawq_arena       *arena,
                                                const hawq_shape *from,
                                                const hawq_shape *to,
                                                const int32_t   **index);

/* Two operands of one type, both float or both integer constants: out[0] takes
 * type and broadcast shape, param becomes the hawq_operands. */
HAWQ_NODISCARD hawq_status hawq_binary_shape(hawq_node  *node,
                                             hawq_arena *arena);

/* The same without asking for one type; out[0] has that of in[0]. */
HAWQ_NODISCARD hawq_status hawq_binary_plan(hawq_node *node, hawq_arena *arena);

static inline size_t hawq_operand_at(const hawq_operands *o, int k, size_t i) {
    return o->index[k] ? (size_t)o->index[k][i] : i;
}

static inline const real *hawq_operand(const hawq_node   *node,
                                       const hawq_planes *p, int k) {
    const hawq_operands *o = node->param;
    return k == 1 && o->fixed ? o->fixed : hawq_val(p, node->in[k]);
}

#define BINARY_SWEEPS(jet)                                                     \
    static void jet##_forward(const hawq_node *node, const hawq_planes *p) {   \
        const hawq_operands *o = node->param;                                  \
        const real          *a = hawq_operand(node, p, 0);                     \
        const real          *b = hawq_operand(node, p, 1);                     \
        real                *y = hawq_val(p, node->out[0]);                    \
        for (size_t i = 0; i < node->out[0]->n; i++)                           \
            y[i] =                                                             \
                jet(a[hawq_operand_at(o, 0, i)], b[hawq_operand_at(o, 1, i)])  \
                    .f;                                                        \
    }                                                                          \
    static void jet##_tangent(const hawq_node *node, const hawq_planes *p) {   \
        const hawq_operands *o = node->param;                                  \
        const real          *a = hawq_operand(node, p, 0);                     \
        const real          *b = hawq_operand(node, p, 1);                     \
        for (int l = 0; l < p->lanes; l++) {                                   \
            const real *da = hawq_dot(p, l, node->in[0]);                      \
            const real *db = hawq_dot(p, l, node->in[1]);                      \
            real       *dy = hawq_dot(p, l, node->out[0]);                     \
            for (size_t i = 0; dy && i < node->out[0]->n; i++) {               \
                size_t    ia = hawq_operand_at(o, 0, i);                       \
                size_t    ib = hawq_operand_at(o, 1, i);                       \
                hawq_jet2 j = jet(a[ia], b[ib]);                               \
                dy[i] = (da ? j.fa * da[ia] : 0) + (db ? j.fb * db[ib] : 0);   \
            }                                                                  \
        }                                                                      \
    }                                                                          \
    static void jet##_adjoint(const hawq_node *node, const hawq_planes *p) {   \
        const hawq_operands *o = node->param;                                  \
        const real          *a = hawq_operand(node, p, 0);                     \
        const real          *b = hawq_operand(node, p, 1);                     \
        const real          *by = hawq_bar(p, node->out[0]);                   \
        real                *ba = hawq_bar(p, node->in[0]);                    \
        real                *bb = hawq_bar(p, node->in[1]);                    \
        for (size_t i = 0; by && i < node->out[0]->n; i++) {                   \
            size_t    ia = hawq_operand_at(o, 0, i);                           \
            size_t    ib = hawq_operand_at(o, 1, i);                           \
            hawq_jet2 j = jet(a[ia], b[ib]);                                   \
            if (ba) ba[ia] += j.fa * by[i];                                    \
            if (bb) bb[ib] += j.fb * by[i];                                    \
        }                                                                      \
    }                                                                          \
    static void jet##_adjoint_tangent(const hawq_node   *node,                 \
                                      const hawq_planes *p) {                  \
        const hawq_operands *o = node->param;                                  \
        const real          *a = hawq_operand(node, p, 0);                     \
        const real          *b = hawq_operand(node, p, 1);                     \
        const real          *by = hawq_bar(p, node->out[0]);                   \
        for (int l = 0; l < p->lanes; l++) {                                   \
            const real *da = hawq_dot(p, l, node->in[0]);                      \
            const real *db = hawq_dot(p, l, node->in[1]);                      \
            const real *bdy = hawq_bardot(p, l, node->out[0]);                 \
            real       *bda = hawq_bardot(p, l, node->in[0]);                  \
            real       *bdb = hawq_bardot(p, l, node->in[1]);                  \
            for (size_t i = 0; i < node->out[0]->n; i++) {                     \
                size_t    ia = hawq_operand_at(o, 0, i);                       \
                size_t    ib = hawq_operand_at(o, 1, i);                       \
                hawq_jet2 j = jet(a[ia], b[ib]);                               \
                real      u = da ? da[ia] : 0, v = db ? db[ib] : 0;            \
                real      w = by ? by[i] : 0, t = bdy ? bdy[i] : 0;            \
                if (bda) bda[ia] += j.fa * t + (j.faa * u + j.fab * v) * w;    \
                if (bdb) bdb[ib] += j.fb * t + (j.fab * u + j.fbb * v) * w;    \
            }                                                                  \
        }                                                                      \
    }

#define BINARY_OP(onnx_name, attribute_list, shape_fn, jet)                    \
    {                                                                          \
        .name = (onnx_name), .attributes = (attribute_list), .min_in = 2,      \
        .max_in = 2, .shape = (shape_fn), .forward = jet##_forward,            \
        .tangent = jet##_tangent, .adjoint = jet##_adjoint,                    \
        .adjoint_tangent = jet##_adjoint_tangent, .fold = jet##_fold           \
    }

#endif
