/* onnx_check.h -- what a file says wrongly or what no operator answers, found
 * before a graph is built from it. For onnx.c.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_ONNX_CHECK_H
#define HAWQ_ONNX_CHECK_H
#include "src/load/names.h"
#include "src/load/proto.h"

/* Collects every tensor of the file in *defined: inputs, initializers, outputs
 * of nodes. EFORMAT if one is defined twice (an initializer that is listed
 * among the inputs, too, as before IR version 4, is one definition). */
HAWQ_NODISCARD hawq_status hawq_onnx_collect(const hawq_proto *model,
                                             hawq_arena       *arena,
                                             hawq_names       *defined);

/* EFORMAT if the output, or an input of a wanted node, is defined nowhere. */
HAWQ_NODISCARD hawq_status hawq_onnx_check_defined(const hawq_proto *model,
                                                   const bool       *wanted,
                                                   const char       *output,
                                                   const hawq_names *defined);

/* "draws random numbers, ...": why operators of this one's kind do not run, and
 * what to do; NULL if it is of none of the kinds that are known. Static. */
const char *hawq_onnx_kind(const char *op_type);

/* "is not supported; spelled alike, and supported, are: Neg, Not", or, if no
 * name is near, that it is not among those supported. NULL without memory. */
const char *hawq_onnx_unsupported(hawq_arena *arena, const char *op_type);

#endif
