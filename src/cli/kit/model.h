/* model.h -- the network a program works on.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_CLI_MODEL_H
#define HAWQ_CLI_MODEL_H
#include "src/cli/kit/cli.h"
#include "src/graph/graph.h"

/* hawq_onnx_load, and the logits of a network that ends in Softmax or
 * LogSoftmax (hawq_graph_take_logits), which a note says, as it names the float
 * outputs that are left out: all programs see the same network, with the same
 * hash. EUNSUPPORTED also for an output that is not
 * images x classes or images x tokens x classes. The caller frees
 * *out. */
HAWQ_NODISCARD hawq_status hawq_model_load(const hawq_cli *cli,
                                           const char *path, int batch,
                                           hawq_graph **out);

#endif
