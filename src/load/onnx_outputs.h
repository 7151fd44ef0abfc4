/* onnx_outputs.h -- which output of a file is the network's, and several as
 * one. For onnx.c.
 *
 * Several outputs become one tensor:
 *     N x C or N x T x C, all of the same C     N x (sum of T) x C, their rows
 *     any other                                 N x (all numbers), no classes
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_ONNX_OUTPUTS_H
#define HAWQ_ONNX_OUTPUTS_H
#include "src/load/feeds.h"
#include "src/load/proto.h"

typedef struct hawq_onnx_outputs {
    size_t             n;
    const char *const *name;   /* of tensors, declared as outputs or not */
    const char        *joined; /* what they become, or the only one's name */
    bool               asked;  /* for by name */
} hawq_onnx_outputs;

/* Those that are asked for; else the first of floating type, or the first. */
HAWQ_NODISCARD hawq_status hawq_onnx_choose_outputs(const hawq_proto  *model,
                                                    const hawq_feeds  *feeds,
                                                    hawq_arena        *arena,
                                                    hawq_onnx_outputs *out);

/* Once all nodes are added and before the graph is finished: joins them. */
HAWQ_NODISCARD hawq_status
hawq_onnx_join_outputs(const hawq_onnx_outputs *outputs, hawq_graph *graph);

#endif
