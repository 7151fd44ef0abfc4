/* qoperators.h -- operators on integers become QuantizeLinear,
 * DequantizeLinear and operators on floats. For dequantize.c.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_QOPERATORS_H
#define HAWQ_QOPERATORS_H
#include "src/load/proto.h"

/* Is it one of those of the domain com.microsoft that are written anew? */
bool hawq_is_qoperator(const char *domain, const char *op);

/* Rewrites the model in place; new memory from the arena.
 * Static ones (QLinearConv, QLinearMatMul, QGemm, QLinearAdd and others): the
 * float operator between a DequantizeLinear for each input that is constant and
 * a rounded pair behind the output, which keeps its name but is a float. So is
 * what QuantizeLinear makes for them, and what only moves or pools it.
 * Dynamic ones (DynamicQuantizeLinear, ConvInteger or MatMulInteger, Cast, and
 * Mul by both scales): the float operator on the float activation and on
 * integers of the weights' own scale.
 * What does not fit stays as it is. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_proto_float_operators(hawq_proto *model,
                                                      hawq_arena *arena);

#endif
