/* onnx.h -- networks from and to ONNX files.
 *
 * Reads opsets from 7 of the default domain (checked up to 22, see graph.h):
 * weights in every encoding of TensorProto (typed arrays, raw bytes, files
 * beside the model), Constant nodes, inputs that are also initializers, a free
 * or a fixed batch dimension. What operators and attributes mean is src/ops'
 * business; this reader turns the file into calls of hawq_graph_input,
 * _constant, _add and _finish.
 *
 * Every sentence of a failure begins with the path, and where a node is to
 * blame with the node: "net.onnx: node 'conv1' (Conv): ...". A file may be
 * anything at all: nothing is believed before it has been checked, and memory
 * stays proportional to the size of the file.
 *
 *     hawq_graph *graph;
 *     HAWQ_TRY(hawq_onnx_load("net.onnx", 0, &graph));
 *     ... hawq_graph_free(graph);
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_ONNX_H
#define HAWQ_ONNX_H
#include "src/graph/graph.h"
#include "src/load/feeds.h"

/* Reads, folds and finishes a network.
 * batch: images per sweep for a model whose batch dimension is free, 1 to
 * 65536; 0 chooses the largest power of two up to 32 for which all activations
 * of a sweep together hold at most 2^20 elements (at least 1), or, up to 4 and
 * 2^25 elements, as many as use every weight 320 times on average. A batch
 * dimension fixed by the file wins over both, and graph->fixed_batch is set.
 * EIO if unreadable; EFORMAT if not ONNX or inconsistent; EUNSUPPORTED for an
 * opset, operator, attribute or type outside of what runs, or a node that mixes
 * the images of a batch (mixing.h); ENONFINITE for NaN or infinity in a weight.
 * *out belongs to the caller. */
HAWQ_NODISCARD hawq_status hawq_onnx_load(const char *path, int batch,
                                          hawq_graph **out);

/* The same with what is known of its inputs (onnx_inputs.h says how they are
 * found). EINVAL too: for a value or a size that does not fit the file. */
HAWQ_NODISCARD hawq_status hawq_onnx_load_fed(const char       *path,
                                              const hawq_feeds *feeds,
                                              int batch, hawq_graph **out);

/* Writes the network as it stands: in the opset its nodes were read under
 * (graph->opset), batch dimension "N" (or the number, if graph->fixed_batch or
 * if a constant is joined with what images make: it has a row for each),
 * float32 weights as raw bytes. The file appears complete or not at all
 * (written beside, then renamed); EIO says why not. producer: written as
 * producer_name. */
HAWQ_NODISCARD hawq_status hawq_onnx_save(const char       *path,
                                          const hawq_graph *graph,
                                          const char       *producer);

/* One node of a file and whether it would run. */
typedef struct hawq_onnx_row {
    const char *name, *op_type; /* name: made up as "Conv_12" if missing */
    bool        runs;
    const char *why_not; /* "" if it runs; else unknown operator, attribute
                            or form of the operator */
} hawq_onnx_row;

/* Judges every node by itself, in file order; needs neither known shapes nor
 * the rest of the graph, so a node reported to run may still be refused by
 * hawq_onnx_load for its shapes. rows and texts live in the arena. */
HAWQ_NODISCARD hawq_status hawq_onnx_list_ops(const char     *path,
                                              hawq_arena     *arena,
                                              hawq_onnx_row **rows, size_t *n);

#endif
