/* reduce.h -- what the reductions share: axes and taps.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_REDUCE_H
#define HAWQ_REDUCE_H
#include "src/ops/taps.h"

#define HAWQ_REDUCE_ATTRIBUTES "axes keepdims noop_with_empty_axes"

/* Reads the axes of a reduction (an attribute or input 1; without axes, or
 * with none in the list: all, unless noop_with_empty_axes), sets the shape of
 * out[0], and makes param its hawq_taps, of weight 1 / count for a mean. */
HAWQ_NODISCARD hawq_status hawq_reduce_axes(hawq_node *node, hawq_arena *arena,
                                            bool mean);

/* out[0]->ints: every set of integers combined, from the first one on; param is
 * its hawq_taps. */
HAWQ_NODISCARD hawq_status hawq_reduce_fold(hawq_node *node, hawq_arena *arena,
                                            int64_t combine(int64_t, int64_t));

#endif
