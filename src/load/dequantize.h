/* dequantize.h -- a file of QuantizeLinear and DequantizeLinear becomes the
 * float network it stands for. For onnx.c.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_DEQUANTIZE_H
#define HAWQ_DEQUANTIZE_H
#include "src/load/proto.h"

/* Rewrites the model in place; new memory from the arena. Operators on integers
 * are written as pairs first (qoperators.h).
 * A DequantizeLinear of constants becomes a float constant that keeps its
 * integers and scales (hawq_integers); one of what QuantizeLinear made of an
 * activation becomes an Identity that keeps the values there are (hawq_grid),
 * also where a Clip narrows them, between the two or behind them. If the lowest
 * of them is zero and nothing before says that the activation has no negative
 * values, it becomes a Relu: exporters leave the Relu to the rounding. What
 * does not fit stays as it is. Nothing happens to other models. ENOMEM; EFORMAT
 * for scales or integers of a wrong number. */
HAWQ_NODISCARD hawq_status hawq_proto_dequantize(hawq_proto *model,
                                                 hawq_arena *arena);

/* The file's own text of that key, or NULL. */
const char *hawq_proto_text(const hawq_proto *model, const char *key);

#endif
