/* unary.h -- operators y = f(x), element by element.
 *
 * An operator is its jet: f, f' and f'' at x. Then
 *     tangent          dy   = f' dx
 *     adjoint          bx  += f' by
 *     adjoint_tangent  bdx += f' bdy + f'' dx by.
 * UNARY_SWEEPS(jet) defines the four sweeps with the jet inlined; at points
 * where f is not smooth the jet gives the usual subgradient (Relu'(0) = 0) and
 * f'' = 0.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_UNARY_H
#define HAWQ_UNARY_H
#include "src/ops/ops.h"

typedef struct hawq_jet {
    real f, d, dd; /* f(x), f'(x), f''(x) */
} hawq_jet;

/* out[0] takes the shape of in[0], which must be float. */
hawq_status hawq_unary_shape(hawq_node *node, hawq_arena *arena);

#define UNARY_SWEEPS(jet)                                                      \
    static void jet##_forward(const hawq_node *node, const hawq_planes *p) {   \
        const real *x = hawq_val(p, node->in[0]);                              \
        real       *y = hawq_val(p, node->out[0]);                             \
        for (size_t i = 0; i < node->out[0]->n; i++)                           \
            y[i] = jet(x[i], node->param).f;                                   \
    }                                                                          \
    static void jet##_tangent(const hawq_node *node, const hawq_planes *p) {   \
        const real *x = hawq_val(p, node->in[0]);                              \
        for (int l = 0; l < p->lanes; l++) {                                   \
            const real *dx = hawq_dot(p, l, node->in[0]);                      \
            real       *dy = hawq_dot(p, l, node->out[0]);                     \
            for (size_t i = 0; dx && dy && i < node->out[0]->n; i++)           \
                dy[i] = jet(x[i], node->param).d * dx[i];                      \
        }                                                                      \
    }                                                                          \
    static void jet##_adjoint(const hawq_node *node, const hawq_planes *p) {   \
        const real *x = hawq_val(p, node->in[0]);                              \
        const real *by = hawq_bar(p, node->out[0]);                            \
        real       *bx = hawq_bar(p, node->in[0]);                             \
        for (size_t i = 0; bx && by && i < node->out[0]->n; i++)               \
            bx[i] += jet(x[i], node->param).d * by[i];                         \
    }                                                                          \
    static void jet##_adjoint_tangent(const hawq_node   *node,                 \
                                      const hawq_planes *p) {                  \
        const real *x = hawq_val(p, node->in[0]);                              \
        const real *by = hawq_bar(p, node->out[0]);                            \
        for (int l = 0; l < p->lanes; l++) {                                   \
            const real *dx = hawq_dot(p, l, node->in[0]);                      \
            const real *bdy = hawq_bardot(p, l, node->out[0]);                 \
            real       *bdx = hawq_bardot(p, l, node->in[0]);                  \
            for (size_t i = 0; bdx && i < node->out[0]->n; i++) {              \
                hawq_jet j = jet(x[i], node->param);                           \
                if (bdy) bdx[i] += j.d * bdy[i];                               \
                if (by && dx) bdx[i] += j.dd * dx[i] * by[i];                  \
            }                                                                  \
        }                                                                      \
    }

#define UNARY_OP(onnx_name, attribute_list, inputs, shape_fn, jet)             \
    {                                                                          \
        .name = (onnx_name), .attributes = (attribute_list), .min_in = 1,      \
        .max_in = (inputs), .shape = (shape_fn), .forward = jet##_forward,     \
        .tangent = jet##_tangent, .adjoint = jet##_adjoint,                    \
        .adjoint_tangent = jet##_adjoint_tangent                               \
    }

#endif
