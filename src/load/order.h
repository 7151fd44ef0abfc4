/* order.h -- nodes of a file in an order in which makers come before readers.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_ORDER_H
#define HAWQ_ORDER_H
#include "src/load/proto.h"

/* ONNX wants that order, but some tools append nodes (Casts to float16, say) at
 * the end. Nothing happens to a file in order; nodes in a circle stay behind
 * the others. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_proto_sort(hawq_proto *model,
                                           hawq_arena *arena);

#endif
