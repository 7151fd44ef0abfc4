/* window.h -- the geometry of convolution and pooling windows.
 *
 * Output position o of an axis reads input positions
 *     o * stride - pad_begin + k * dilation,   0 <= k < kernel,
 * where they lie in [0, in). Number of positions (ONNX operators Conv,
 * MaxPool), with span = (kernel - 1) * dilation + 1:
 *     explicit pads  floor or ceil((in + pads - span) / stride) + 1; after a
 *                    ceil, a last window that would start in the right padding
 *                    is dropped
 *     SAME_*         ceil(in / stride); the padding this needs is split
 *                    evenly, the odd element at the end (UPPER) or begin
 *     VALID          explicit pads of zero
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_WINDOW_H
#define HAWQ_WINDOW_H
#include "src/graph/op.h"

enum { HAWQ_MAX_WINDOW = 3 };

/* Entries at and beyond `rank` describe a trivial axis of length one. */
typedef struct hawq_window {
    int     rank; /* spatial axes, 1..3 */
    int64_t kernel[HAWQ_MAX_WINDOW], stride[HAWQ_MAX_WINDOW];
    int64_t dilation[HAWQ_MAX_WINDOW];
    int64_t pad_begin[HAWQ_MAX_WINDOW], pad_end[HAWQ_MAX_WINDOW];
    int64_t in[HAWQ_MAX_WINDOW], out[HAWQ_MAX_WINDOW];
} hawq_window;

/* Reads kernel_shape, strides, dilations, pads, auto_pad and ceil_mode of a
 * node whose spatial input dimensions are in[0..rank). kernel: the spatial
 * dimensions of the weights, with which kernel_shape must then agree, or NULL
 * if kernel_shape alone defines them. EFORMAT, EUNSUPPORTED. */
HAWQ_NODISCARD hawq_status hawq_window_read(const hawq_node *node, int rank,
                                            const int64_t *in,
                                            const int64_t *kernel,
                                            hawq_window   *out);

/* The k that lie inside the input at output position o of an axis:
 * *first <= k < *last (empty if equal). */
void hawq_window_range(const hawq_window *w, int axis, int64_t o,
                       int64_t *first, int64_t *last);

#endif
