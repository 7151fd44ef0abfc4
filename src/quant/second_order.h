/* second_order.h -- codes that make the layer's outputs, not its weights,
 * resemble their target; for the methods of src/quant only.
 *
 * Per row, with H = C + damping: of the clips the scale with the least d'Hd;
 * then GPTQ (Frantar et al. 2023): inputs by falling H_jj, U the upper Cholesky
 * factor of the inverse of H (H^-1 = U'U),
 *     q_j = nearest(w_j),  e = (w_j - q_j) / U_jj,  w_k -= e U_jk for k > j
 * then coordinate descent, g = (q - t)H, q_j <- nearest(q_j - g_j / H_jj), and
 * refits of the scale, s = v'Ht / v'Hv over the integers v, in turns; at the
 * last scale a second descent starts from the nearest codes, and the better end
 * is kept, so descent is never worse than rounding to nearest at its scale.
 *
 * Coupled rows: with the curvature G of the loss at the outputs, the error
 * costs tr(G D H D'), and the inverse of the Kronecker product factors like the
 * product of the factors. So GPTQ runs over rows as it does over inputs, and
 * then every row aims at t_c - sum_{r != c} G_cr / G_cc d_r in turns.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SECOND_ORDER_H
#define HAWQ_SECOND_ORDER_H
#include "src/quant/method.h"

typedef enum hawq_effort {
    HAWQ_SCALE_ONLY, /* nearest codes at the best scale */
    HAWQ_GPTQ,       /* or GPTQ's, where d'Cd of the row is no larger */
    HAWQ_DESCENT,    /* and descent with refits */
    HAWQ_COUPLED     /* and rows that make up for each other's errors */
} hawq_effort;

/* evidence->moment must be there, and evidence->output_curvature for coupled
 * rows. Rows are shared among the threads, blocks where rows are coupled.
 * ENOMEM; ENONFINITE if the moments have no Cholesky factor. */
HAWQ_NODISCARD hawq_status hawq_second_order(const hawq_evidence *evidence,
                                             hawq_threads        *threads,
                                             hawq_effort          effort,
                                             hawq_quantized      *out);

#endif
