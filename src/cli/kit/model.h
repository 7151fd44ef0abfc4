/* model.h -- the network a program works on.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_CLI_MODEL_H
#define HAWQ_CLI_MODEL_H
#include "src/cli/kit/cli.h"
#include "src/graph/sweep.h"

/* hawq_onnx_load_fed with what --input, --input-shape and the arrays of --data
 * say of its inputs. */
HAWQ_NODISCARD hawq_status hawq_model_read(const char *path, int batch,
                                           hawq_graph **out);

/* hawq_model_read, and the logits of a network that ends in Softmax or
 * LogSoftmax (hawq_graph_take_logits), which a note says, as it names the float
 * outputs that are left out. The caller frees *out. */
HAWQ_NODISCARD hawq_status hawq_model_load(const hawq_cli *cli,
                                           const char *path, int batch,
                                           hawq_graph **out);

/* The same for a loss: mse takes the output as it is, the others logits. All
 * programs see one network, with one hash (hawq_graph_hash). Fails also as
 * hawq_score_check_output does. */
HAWQ_NODISCARD hawq_status hawq_model_load_for(const hawq_cli *cli,
                                               const char *path, int batch,
                                               hawq_loss    loss,
                                               hawq_graph **out);

#endif
