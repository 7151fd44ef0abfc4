/* onnx_inputs.h -- which inputs a network needs, where their images lie, how
 * large they are and which are constants. For onnx.c.
 *
 * The images of an input lie along the dimension that
 *     --input-shape says (N); else
 *     is called as the first input's is, or N, batch, batch_size; else
 *     is free and the first; else
 *     is the only free one, where another input's images are free; else
 *     is as long as the first input's fixed number of images (the first such,
 *     or the only one).
 * An input without any is the same for every image and needs a value.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_ONNX_INPUTS_H
#define HAWQ_ONNX_INPUTS_H
#include "src/graph/graph.h"
#include "src/load/feeds.h"
#include "src/load/names.h"
#include "src/load/proto.h"

enum { HAWQ_MOST_IMAGES = 65536 };

typedef struct hawq_onnx_input {
    const hawq_proto_value *declared;
    hawq_shape shape; /* of one image; of length 1 along `axis`, which is -1 in
                         an input without images */
    int                axis;
    int                images; /* as the file fixes them; 0: free */
    const hawq_tensor *value;  /* the same for all, or NULL */
} hawq_onnx_input;

typedef struct hawq_onnx_inputs {
    size_t           n;
    hawq_onnx_input *input;
    int              images; /* as the file fixes them; 0: free */
} hawq_onnx_inputs;

/* Inputs without free dimensions whose value is known become initializers, so
 * that what depends on them alone can be worked out: those of --input, and
 * scalars of which the data has a member. EINVAL: the value does not fit; or an
 * option names no input. */
HAWQ_NODISCARD hawq_status hawq_onnx_fix_inputs(hawq_proto       *model,
                                                const hawq_feeds *feeds,
                                                hawq_arena       *arena);

/* The inputs whose names are in `needed` and no initializers'. EUNSUPPORTED or
 * EINVAL for one that cannot be used, or of which too little is known: the
 * sentence says what to give. */
HAWQ_NODISCARD hawq_status hawq_onnx_find_inputs(const hawq_proto *model,
                                                 const hawq_names *needed,
                                                 const hawq_feeds *feeds,
                                                 hawq_arena       *arena,
                                                 hawq_onnx_inputs *out);

/* Adds them to the graph, for `batch` images unless the file fixes them; sets
 * graph->fixed_batch. EFORMAT if none is left that takes images. */
HAWQ_NODISCARD hawq_status hawq_onnx_add_inputs(const hawq_onnx_inputs *inputs,
                                                int batch, hawq_graph *graph);

#endif
