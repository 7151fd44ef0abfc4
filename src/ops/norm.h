/* norm.h -- normalization of groups of adjacent elements by their own
 * statistics: the one implementation of LayerNormalization,
 * GroupNormalization, InstanceNormalization and RMSNormalization.
 *
 * A group x of m elements, <.> its mean:
 *     c = x - <x>  (RMS: c = x),   r = (<c^2> + epsilon)^(-1/2),   h = c r
 *     y = s h + t                                                        (1)
 * s and t hold one value per element of the group or per channel. With
 * q = <h dc>, dc = dx - <dx> (RMS: dx), so that dr = -r^2 q:
 *     dh = r (dc - h q)                                                  (2)
 *     dy = s dh + ds h + dt                                              (3)
 * and with g = s by, dg = s bdy + ds by, k = <h g>, dk = <dh g> + <h dg>:
 *     bx  += r (g - <g> - h k)                                           (4)
 *     bs  += by h,  bt += by                                             (5)
 *     bdx += r (dg - <dg> - dh k - h dk) - r^2 q (g - <g> - h k)         (6)
 *     bds += bdy h + by dh,  bdt += bdy                                  (7)
 * where RMS leaves out <g> and <dg>. Means are taken in double.
 *
 * The optional outputs of LayerNormalization are u = <x> and r:
 *     du   = <dx>,  dr = -r^2 q                                          (8)
 *     bx  += (bu - r^2 h br) / m                                         (9)
 *     bdx += (bdu - r^2 h bdr - (2 r dr h + r^2 dh) br) / m             (10)
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_NORM_H
#define HAWQ_NORM_H
#include "src/graph/op.h"

/* Element i of the tensor has the scale number (i / run) % channels. */
typedef struct hawq_norm {
    size_t groups, m;
    size_t run, channels;
    double epsilon;
    bool   rms; /* no mean is taken off, and there is no t */
} hawq_norm;

/* Inputs x, scale and, but for RMS, bias, which may be absent: checks them
 * against the plan, keeps it as param, shapes out[0] like x, asks for scratch.
 * EFORMAT for a scale or bias that is not norm->channels values. */
HAWQ_NODISCARD hawq_status hawq_norm_set(hawq_node *node, hawq_arena *arena,
                                         const hawq_norm *norm);

/* The sweeps of an operator whose param is a hawq_norm. */
void hawq_norm_forward(const hawq_node *node, const hawq_planes *p);
void hawq_norm_tangent(const hawq_node *node, const hawq_planes *p);
void hawq_norm_adjoint(const hawq_node *node, const hawq_planes *p);
void hawq_norm_adjoint_tangent(const hawq_node *node, const hawq_planes *p);

#endif
