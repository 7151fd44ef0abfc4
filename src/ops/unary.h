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
#include "src/base/wide.h"
#include "src/ops/ops.h"

typedef struct hawq_jet {
    real f, d, dd; /* f(x), f'(x), f''(x) */
} hawq_jet;

/* out[0] takes the shape of in[0], which must be float. */
hawq_status hawq_unary_shape(hawq_node *node, hawq_arena *arena);

/* Derivatives are worked out for so many elements at a time, then used by all
 * lanes: a jet may cost an exponential. */
enum { UNARY_BLOCK = 256 };

static inline size_t hawq_unary_block(size_t n, size_t at) {
    return n - at < UNARY_BLOCK ? n - at : UNARY_BLOCK;
}

/* to += d from + curve dx; NULL: zero */
HAWQ_INLINE void hawq_unary_back(size_t n, const real *d, const real *from,
                                 const real *curve, const real *dx, real *to) {
    if (from && dx)
        for (size_t k = 0; k < n; k++)
            to[k] += d[k] * from[k] + curve[k] * dx[k];
    else if (from)
        for (size_t k = 0; k < n; k++) to[k] += d[k] * from[k];
    else if (dx)
        for (size_t k = 0; k < n; k++) to[k] += curve[k] * dx[k];
}

#define UNARY_SWEEPS(jet) UNARY_SWEEPS_OF(jet, true)
/* of a jet whose f'' is 0 everywhere: neither dx nor by is read */
#define KINKED_SWEEPS(jet) UNARY_SWEEPS_OF(jet, false)

#define UNARY_SWEEPS_OF(jet, curved)                                           \
    HAWQ_WIDE static void jet##_forward(const hawq_node   *node,               \
                                        const hawq_planes *p) {                \
        const real *x = hawq_val(p, node->in[0]);                              \
        real       *y = hawq_val(p, node->out[0]);                             \
        const void *param = node->param;                                       \
        size_t      n = node->out[0]->n;                                       \
        for (size_t i = 0; i < n; i++) y[i] = jet(x[i], param).f;              \
    }                                                                          \
    HAWQ_WIDE static void jet##_tangent(const hawq_node   *node,               \
                                        const hawq_planes *p) {                \
        const real *x = hawq_val(p, node->in[0]);                              \
        const void *param = node->param;                                       \
        real        d[UNARY_BLOCK];                                            \
        for (size_t i = 0, n; i < node->out[0]->n; i += n) {                   \
            n = hawq_unary_block(node->out[0]->n, i);                          \
            for (size_t k = 0; k < n; k++) d[k] = jet(x[i + k], param).d;      \
            for (int l = 0; l < p->lanes; l++) {                               \
                const real *dx = hawq_dot(p, l, node->in[0]);                  \
                real       *dy = hawq_dot(p, l, node->out[0]);                 \
                if (!dx || !dy) continue;                                      \
                for (size_t k = 0; k < n; k++) dy[i + k] = d[k] * dx[i + k];   \
            }                                                                  \
        }                                                                      \
    }                                                                          \
    HAWQ_WIDE static void jet##_adjoint(const hawq_node   *node,               \
                                        const hawq_planes *p) {                \
        const real *x = hawq_val(p, node->in[0]);                              \
        const real *by = hawq_bar(p, node->out[0]);                            \
        real       *bx = hawq_bar(p, node->in[0]);                             \
        const void *param = node->param;                                       \
        size_t      n = bx && by ? node->out[0]->n : 0;                        \
        for (size_t i = 0; i < n; i++) bx[i] += jet(x[i], param).d * by[i];    \
    }                                                                          \
    HAWQ_WIDE static void jet##_adjoint_tangent(const hawq_node   *node,       \
                                                const hawq_planes *p) {        \
        const real *x = hawq_val(p, node->in[0]);                              \
        const real *by = (curved) ? hawq_bar(p, node->out[0]) : NULL;          \
        const void *param = node->param;                                       \
        real        d[UNARY_BLOCK], curve[UNARY_BLOCK];                        \
        for (size_t i = 0, n; i < node->out[0]->n; i += n) {                   \
            n = hawq_unary_block(node->out[0]->n, i);                          \
            for (size_t k = 0; k < n; k++) {                                   \
                hawq_jet j = jet(x[i + k], param);                             \
                d[k] = j.d;                                                    \
                curve[k] = j.dd;                                               \
            }                                                                  \
            for (size_t k = 0; by && k < n; k++) curve[k] *= by[i + k];        \
            for (int l = 0; l < p->lanes; l++) {                               \
                const real *dx = by ? hawq_dot(p, l, node->in[0]) : NULL;      \
                const real *bdy = hawq_bardot(p, l, node->out[0]);             \
                real       *bdx = hawq_bardot(p, l, node->in[0]);              \
                if (bdx)                                                       \
                    hawq_unary_back(n, d, bdy ? bdy + i : NULL, curve,         \
                                    dx ? dx + i : NULL, bdx + i);              \
            }                                                                  \
        }                                                                      \
    }

#define UNARY_OP(onnx_name, attribute_list, inputs, shape_fn, jet)             \
    { UNARY_FIELDS(onnx_name, attribute_list, inputs, shape_fn, jet) }
/* of KINKED_SWEEPS */
#define KINKED_OP(onnx_name, attribute_list, inputs, shape_fn, jet)            \
    {                                                                          \
        UNARY_FIELDS(onnx_name, attribute_list, inputs, shape_fn, jet),        \
            .piecewise_linear = true                                           \
    }
/* the same, and f(s x) = s f(x) for s > 0 */
#define HOMOGENEOUS_OP(onnx_name, attribute_list, inputs, shape_fn, jet)       \
    {                                                                          \
        UNARY_FIELDS(onnx_name, attribute_list, inputs, shape_fn, jet),        \
            .piecewise_linear = true, .homogeneous = true                      \
    }

#define UNARY_FIELDS(onnx_name, attribute_list, inputs, shape_fn, jet)         \
    .name = (onnx_name), .attributes = (attribute_list), .min_in = 1,          \
    .max_in = (inputs), .shape = (shape_fn), .forward = jet##_forward,         \
    .tangent = jet##_tangent, .adjoint = jet##_adjoint,                        \
    .adjoint_tangent = jet##_adjoint_tangent, .pointwise = true

#endif
