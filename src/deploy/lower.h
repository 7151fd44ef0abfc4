/* lower.h -- what the files of the lowering share; for src/deploy only.
 *
 * classify.c decides what each node becomes and which activation maps belong
 * together, floats.c what stays in float; lower.c, moves.c and floats.c emit
 * the steps (emit.c); layer.c computes a layer's constants, geometry.c windows;
 * buffers.c gives every value its place, bytes.c counts. While steps are
 * emitted, `in`, `in2` and `out` of a step are numbers of slots; buffers.c
 * turns them into offsets.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_LOWER_H
#define HAWQ_LOWER_H
#include "src/deploy/program.h"

/* What a node becomes. */
typedef enum node_kind {
    KIND_LAYER, /* Conv, Gemm or MatMul with its activation */
    KIND_ADD,   /* of two activations, with its activation */
    KIND_FUSED, /* Relu or Clip: a clamp of the node before */
    KIND_CONCAT,
    KIND_MAX_POOL,
    KIND_AVERAGE_POOL,
    KIND_POINTWISE, /* a function of one element: a table of 256 entries */
    KIND_MOVE,      /* an index map */
    KIND_FLOAT,     /* its own function, on floats */
    KIND_CLAMP      /* Relu or Clip of floats that are quantized next: the
                       quantization clamps */
} node_kind;

/* A Relu or Clip behind a layer or an addition costs nothing: the map of its
 * output was made from values already clamped, so saturating to the ends of
 * the map clamps them (a Relu's map has zero = 0). */
typedef struct node_plan {
    node_kind        kind;
    int              layer;  /* its index, or -1 */
    const char      *why;    /* KIND_FLOAT: in the program's arena */
    bool             logits; /* its accumulators are the output */
    bool             scaled; /* only its accumulators as floats are wanted */
    const hawq_node *end;    /* the last node fused into it, or NULL: an Add of
                                its bias, then a Relu or Clip */
    const hawq_tensor *bias; /* of that Add, or NULL */
    const int32_t     *map;  /* KIND_MOVE: row-major, per image; -1 fill */
    double             fill;
    bool               identity; /* KIND_MOVE: the map changes nothing */
} node_plan;

/* Order of a value's bytes: byte p holds row-major element
 * p % channels * (n / channels) + p / channels of its image. channels = 1:
 * row-major; NHWC has channels = C. */
typedef struct value {
    size_t      n, channels;
    hawq_affine q;
    int         slot;
} value;

/* A buffer; it lives from the step that writes it to its last reader. */
typedef struct slot {
    size_t bytes, offset;
    int    first, last;
} slot;

/* lowering.floats without a slot: none, or the image itself. */
enum { NO_SLOT = -1, IMAGE = -2 };

typedef struct lowering {
    const hawq_graph         *graph;
    const hawq_calibration   *calibration;
    const hawq_lower_options *options;
    hawq_program             *program;
    hawq_arena               *scratch; /* lives as long as the lowering */
    node_plan                *plan;    /* per node */
    int                      *root;    /* per tensor id: whose map it shares */
    int                      *bits;    /* per tensor id, at roots */
    hawq_format              *format;  /* per layer, of its weights */
    int *source;    /* per tensor id: the tensor it is a function of, element by
                       element; its own id if it is none */
    value  *value;  /* per tensor id; n is 0 before it is there */
    int    *floats; /* per tensor id: slot of its floats, NO_SLOT or IMAGE */
    slot   *slot;
    size_t *out_offset; /* per step: where in its slot it writes */
    int     n_slots, capacity_slots, capacity_steps;
    const char **failed; /* per node: why its integers did not fit, found when
                            its steps were emitted before; or NULL */
    int node;            /* being emitted, or -1 */
} lowering;

static inline bool is_activation(const hawq_tensor *t) {
    return t && t->role != HAWQ_CONSTANT;
}

/* Fills plan, root and bits. */
HAWQ_NODISCARD hawq_status hawq_lower_classify(lowering *low);

/* The last failure, without the name of its node. */
const char *hawq_lower_reason(const hawq_node *node);

/* A Relu, or a Clip with constant bounds and 0 between them? (Every map holds
 * 0, so its ends cannot stand for other bounds.) */
bool hawq_lower_is_clamp(const hawq_node *node);

/* --- emit.c: steps and values ------------------------------------------ */

/* A new buffer of so many bytes. */
HAWQ_NODISCARD hawq_status hawq_lower_slot(lowering *low, size_t bytes,
                                           int *out);

/* Appends a step; in, in2 and out are numbers of slots, which now live until
 * this step at least. It writes out_offset bytes into its slot. */
HAWQ_NODISCARD hawq_status hawq_lower_emit(lowering *low, const hawq_step *step,
                                           size_t out_offset);

/* Both extremes of an order of channels are the row-major one, 1. */
size_t hawq_lower_order(size_t n, size_t channels);

/* The map of a tensor whose values are new (not moved or pooled). */
HAWQ_NODISCARD hawq_status hawq_lower_affine(const lowering    *low,
                                             const hawq_tensor *t,
                                             hawq_affine       *out);

/* A new value for tensor t, in a slot of its own. */
HAWQ_NODISCARD hawq_status hawq_lower_value(lowering *low, const hawq_tensor *t,
                                            size_t channels, hawq_affine q,
                                            value *out);

/* Starts a move of n bytes between slots with the table that changes nothing;
 * the caller fills the map and emits the step. */
HAWQ_NODISCARD hawq_status hawq_lower_gather(lowering *low, const char *name,
                                             int in, int out, size_t n,
                                             hawq_step *step, int32_t **map);

/* The value of t in an order of so many channels, moved if need be; the moved
 * one then replaces it for later readers. */
HAWQ_NODISCARD hawq_status hawq_lower_reorder(lowering          *low,
                                              const hawq_node   *node,
                                              const hawq_tensor *t,
                                              size_t channels, value *out);

/* --- moves.c ----------------------------------------------------------- */

HAWQ_NODISCARD hawq_status hawq_lower_move(lowering *low, const hawq_node *node,
                                           const node_plan *plan);
/* Node i, a function of one element; nothing where only further ones read
 * it. */
HAWQ_NODISCARD hawq_status hawq_lower_pointwise(lowering *low, int i);
HAWQ_NODISCARD hawq_status hawq_lower_concat(lowering        *low,
                                             const hawq_node *node);

/* --- floats.c ---------------------------------------------------------- */

/* After the kinds by operator: layers without codes are in float; and
 * activation_bits of what is. */
HAWQ_NODISCARD hawq_status hawq_lower_float_layers(lowering *low);

/* After all steps: fills program->decoded. */
HAWQ_NODISCARD hawq_status hawq_lower_decode(lowering *low);

/* After that: so is what would only lose by a quantization between two float
 * nodes. */
HAWQ_NODISCARD hawq_status hawq_lower_find_floats(lowering *low);

/* After all kinds are known: layers that float nodes alone read have their
 * accumulators scaled, not quantized. */
void hawq_lower_find_scaled(lowering *low);

/* A slot for the floats of t. */
HAWQ_NODISCARD hawq_status hawq_lower_take_floats(lowering          *low,
                                                  const hawq_tensor *t);

/* Node i with its floats, and one that only clamps floats. */
HAWQ_NODISCARD hawq_status hawq_lower_float(lowering *low, int i);
HAWQ_NODISCARD hawq_status hawq_lower_clamp(lowering        *low,
                                            const hawq_node *node);

/* The value of t, quantized now if only its floats are there. */
HAWQ_NODISCARD hawq_status hawq_lower_quantized(lowering          *low,
                                                const hawq_tensor *t);

/* --- bytes.c ----------------------------------------------------------- */

/* weight_bytes and file_bytes of the finished program. */
HAWQ_NODISCARD hawq_status hawq_lower_count_bytes(lowering *low);

/* --- constants, geometry, places --------------------------------------- */

/* Places the slots and turns slot numbers into offsets. */
HAWQ_NODISCARD hawq_status hawq_lower_place(lowering *low);

/* Constants of a layer from its quantized weights, with the rows in the order
 * of the given channels: bias and requantization for input map x and output map
 * y. Fills all of *what but the geometry of what->shape. bias: of the node, one
 * value per channel or for all, or NULL. `scale` receives s_x s_w per channel.
 */
HAWQ_NODISCARD hawq_status hawq_lower_weights(lowering *low, int layer,
                                              const hawq_tensor *bias,
                                              size_t             row_channels,
                                              hawq_affine x, hawq_affine y,
                                              hawq_weights *what, float *scale);

/* Are weights of the layer kept apart? */
bool hawq_lower_has_outliers(const lowering *low, int layer);

/* Geometry. EUNSUPPORTED names what does not fit. */
HAWQ_NODISCARD hawq_status hawq_lower_conv_shape(const hawq_node *node,
                                                 hawq_conv       *out);
HAWQ_NODISCARD hawq_status hawq_lower_pool_shape(const hawq_node *node,
                                                 hawq_pool       *out);
/* A Gemm or MatMul of n values per image, k in a row. */
HAWQ_NODISCARD hawq_status hawq_lower_check_product(const hawq_node *node,
                                                    size_t n, size_t k);

/* A planes structure in which n nodes can run alone: their inputs' and outputs'
 * planes are allocated, constants are in place. */
HAWQ_NODISCARD hawq_status hawq_lower_planes(const hawq_graph       *graph,
                                             const hawq_node *const *node,
                                             int n, hawq_arena *arena,
                                             hawq_planes *out);

static inline size_t value_logical(size_t n, size_t channels, size_t p) {
    return p % channels * (n / channels) + p / channels;
}

static inline size_t value_position(size_t n, size_t channels, size_t i) {
    return i % (n / channels) * channels + i / (n / channels);
}

#endif
