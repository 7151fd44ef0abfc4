/* range.h -- how much of what was observed a quantizer covers.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_RANGE_H
#define HAWQ_RANGE_H

typedef enum hawq_range {
    HAWQ_RANGE_MAX,       /* the largest magnitude: nothing is clipped */
    HAWQ_RANGE_MSE,       /* the clip with the smallest squared error */
    HAWQ_RANGE_PERCENTILE /* the smallest clip that covers nearly all */
} hawq_range;

/* "max", "mse", "percentile"; -1 if unknown. */
int         hawq_range_find(const char *name);
const char *hawq_range_name(hawq_range range);

#endif
