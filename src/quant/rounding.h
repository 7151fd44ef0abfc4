/* rounding.h -- one row of a quantized weight while its codes are chosen; for
 * the methods of src/quant only.
 *
 * Everything is in double. A row's integers are v_k = m_g(k) level[code_k], its
 * values s v_k. Weights that are kept apart as outliers count as exact: no
 * method moves their codes or sees an error in them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_ROUNDING_H
#define HAWQ_ROUNDING_H
#include "src/quant/method.h"

/* The clips that every search of a scale looks at: max, 0.99 max, ... */
enum { HAWQ_CLIPS = 80 };

typedef struct hawq_row {
    size_t         cols;
    const double  *target;
    const uint8_t *apart;          /* [cols], nonzero: kept apart; or NULL */
    const double  *moment;         /* C of the row's block, or NULL */
    int            n_levels, step; /* step: between even levels, else 0 */
    const int8_t  *level;
    size_t         group;      /* inputs of a group; cols without groups */
    uint8_t       *multiplier; /* one for each group, or NULL */
    uint8_t       *code;
    double         scale;
} hawq_row;

/* Row c of `out`, which is filled through it; the scale is written back with
 * hawq_row_finish. */
hawq_row hawq_row_of(const hawq_evidence *e, const hawq_quantized *out,
                     size_t c);
void     hawq_row_finish(const hawq_row *row, hawq_quantized *out, size_t c);

/* The code of the level nearest to x / s of input k: half to even where levels
 * are evenly spaced, else down. */
uint8_t hawq_row_nearest(const hawq_row *row, size_t k, double x);
/* All codes so, of the target. */
void hawq_row_round(hawq_row *row);

/* s v_k. */
static inline double hawq_row_value(const hawq_row *row, size_t k) {
    int m = row->multiplier ? row->multiplier[k / row->group] : 1;
    return row->scale * (m * row->level[row->code[k]]);
}

/* The scale at which no target is clipped; 1 if all are 0. */
double hawq_row_scale_max(const hawq_row *row);
/* Of the clips, the one whose nearest codes have the least sum of squared
 * errors; of those errors weighted by weight[k] if it is not NULL. */
double hawq_row_scale_mse(const hawq_row *row, const double *weight);
/* The smallest clip that covers 99 % of the targets. */
double hawq_row_scale_percentile(const hawq_row *row);

/* Multipliers of a row with groups: every group's own best clip by squared
 * error, as a multiple of one scale that leaves |m level| <= 127. Sets scale
 * and multipliers; nothing without groups. */
void hawq_row_fit_groups(hawq_row *row, const double *weight);

/* Levels by k-means in one dimension (Lloyd 1982) of the targets weighted by
 * weight[k] (NULL: evenly), started half-way between quantiles and even
 * spacing; as int8 levels, ascending, and the scale that makes 127 of the
 * largest. `rows` rows of `cols` share them. */
HAWQ_NODISCARD hawq_status hawq_cluster_levels(const double *target,
                                               const double *weight, size_t n,
                                               const uint8_t *apart,
                                               int n_levels, int8_t *level,
                                               double *scale);

/* Before a method chooses codes: fits levels of fitted formats (weight: [rows]
 * [cols], or NULL), sets groups. For every row then, `scale` is set. */
HAWQ_NODISCARD hawq_status hawq_prepare_levels(const hawq_evidence *e,
                                               hawq_quantized      *out);

/* d'Cd of the row as it is. */
double hawq_row_error(const hawq_row *row);

#endif
