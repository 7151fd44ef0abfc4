/* graph.h -- a network: tensors and nodes in topological order.
 *
 * Legal call order: new; input, constant, add in topological order; output;
 * finish. After finish the graph is fixed but for the numbers in its float
 * constants, which its owner may change between sweeps.
 *
 * The batch dimension is concrete: a graph is built for one number of images
 * (`batch`, the chunk of the executor), and every shape is known.
 *
 * add() folds: a node whose inputs are all constants is evaluated at once and
 * leaves no node behind. finish() drops identities and what the output does
 * not need, multiplies constants of Gemm into its operands, folds
 * BatchNormalization and constant bias additions into the preceding Conv,
 * ConvTranspose, Gemm or MatMul, makes one of constants that one constant of
 * the file became with the same numbers, and lists the layers.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_GRAPH_H
#define HAWQ_GRAPH_H
#include "src/graph/op.h"

/* A quantizable layer: a weight tensor and the nodes that use it. */
typedef struct hawq_layer {
    const char  *name; /* no two layers have the same: see layers.c */
    const char  *op;   /* "Conv", "ConvTranspose", "Gemm" or "MatMul" */
    hawq_tensor *weight;
    hawq_tensor *bias; /* float constant, or NULL */
    hawq_node  **node; /* n_nodes >= 1 users; more than one: shared weight */
    int          n_nodes;
    /* weight element (a, c, b) with c the output channel sits at
     * (a * channels + c) * inner + b, a < outer. Conv: outer 1. As the first
     * node reads it: see product.h. */
    size_t outer, channels, inner;
    int    axis;  /* of the first node's output that holds the channels; -1: no
                     single one does */
    int64_t macs; /* multiply-accumulates per image, over all nodes */
} hawq_layer;

/* 128 bits that tell one network from another, see hash.h. */
enum { HAWQ_HASH_TEXT = 33 }; /* 32 hex digits and a zero */
typedef struct hawq_digest {
    uint64_t half[2];
} hawq_digest;

/* A line of a file's metadata. */
typedef struct hawq_text {
    const char *key, *value;
} hawq_text;

/* What the caller feeds. The numbers of an image, of all inputs one after the
 * other, are a row; within an input they keep their order. */
typedef struct hawq_input {
    hawq_tensor *tensor;
    int          axis;  /* along which the images lie */
    size_t       n;     /* numbers of an image */
    size_t       start; /* of them in the row */
} hawq_input;

enum { HAWQ_NO_CLASSES = -1 };

/* The node that joins several outputs in one, and its inputs' makers begin with
 * this name. */
#define HAWQ_JOINED "outputs.joined"

typedef struct hawq_graph {
    hawq_arena    arena;
    int           batch; /* images per sweep */
    int           n_tensors, n_nodes, n_layers;
    hawq_tensor **tensor;
    hawq_node   **node;
    hawq_layer   *layer;  /* in order of first use */
    int           n_rest; /* float constants of two dimensions or more that no
                             layer has: they are not quantized */
    const hawq_tensor **rest;
    hawq_tensor        *input, *output; /* input: the first of the inputs */
    int class_axis; /* of the output, along which its classes lie; 0: as its
                       shape tells (score.h); or HAWQ_NO_CLASSES */
    int         n_inputs;
    hawq_input *inputs;
    size_t      n_row; /* numbers of an image, over all inputs */
    int         opset;
    bool        fixed_batch; /* the file itself fixes the batch dimension */
    const char *left_out;    /* further float outputs of the file, or NULL */
    int         n_texts;     /* what else the file says: keys and values */
    const hawq_text *text;
    /* private to graph.c */
    const hawq_op *(*find_op)(const char *op_type);
    int           capacity_tensors, capacity_nodes;
    hawq_tensor **named; /* by hash of the name, 2^k slots */
    size_t        n_named, capacity_named;
    hawq_digest   digest; /* of what was added; once kept, of all */
    bool          digest_is_kept;
    size_t        room; /* bytes that nodes may still take, see add */
} hawq_graph;

/* Versions of ONNX's default domain: the first that is read, and the newest
 * whose operators were all checked against their data. What came later is
 * either a new operator or attribute, which is refused by name, or a new type
 * (of 23 to 28 that is all there is): what an opset left unchanged runs. */
enum { HAWQ_FIRST_OPSET = 7, HAWQ_CHECKED_OPSET = 22 };

/* find_op maps an ONNX op_type to its operator or NULL (hawq_op_find).
 * opset: version of ONNX's default domain. */
HAWQ_NODISCARD hawq_status
     hawq_graph_new(const hawq_op *(*find_op)(const char *op_type), int opset,
                    hawq_graph **out);
void hawq_graph_free(hawq_graph *graph);

/* A float input. shape->dim[0] is the batch. */
HAWQ_NODISCARD hawq_status hawq_graph_input(hawq_graph *graph, const char *name,
                                            const hawq_shape *shape);
/* An input whose images lie along `axis`; all inputs have the same number of
 * them. whole: it holds integers or truth values. EUNSUPPORTED for an axis that
 * is not there, is empty or has another length than the first input's. */
HAWQ_NODISCARD hawq_status hawq_graph_add_input(hawq_graph       *graph,
                                                const char       *name,
                                                const hawq_shape *shape,
                                                int axis, bool whole);

/* An input that has the same value for every image: a constant. shape and data
 * are those of one image, the axis of the images included (of length 1) unless
 * `axis` is -1: then there is none. batch: images, if no input came before. */
HAWQ_NODISCARD hawq_status hawq_graph_fix_input(
    hawq_graph *graph, const char *name, hawq_dtype dtype,
    const hawq_shape *shape, int axis, int batch, const void *data);

/* A tensor's number of elements from its shape. EFORMAT if that is absurd. */
HAWQ_NODISCARD hawq_status hawq_tensor_count(hawq_tensor *tensor);

/* Whether a row per image, one after the other, is the first input's tensor. */
static inline bool hawq_graph_takes_rows(const hawq_graph *g) {
    return g->n_inputs == 1 && g->inputs[0].axis == 0;
}

/* The numbers of an image (g->n_row of them) to place i of the inputs' planes;
 * row NULL: zeros. val: by tensor id. */
void hawq_graph_feed(const hawq_graph *graph, size_t i, const real *row,
                     real *const *val);

/* The smallest number of slices that a Gather whose indices are input k,
 * perhaps in another shape, has to choose from; 0 if there is none. */
int64_t hawq_graph_input_limit(const hawq_graph *graph, int k);

/* Is the tensor an input? */
static inline bool hawq_is_input(const hawq_tensor *t) {
    return t->role == HAWQ_INPUT;
}

/* A constant of the graph; `data` is real[] or int64_t[] and is copied. Its
 * numbers are checked by finish, which knows where they are used. EFORMAT for
 * an absurd shape; ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_graph_constant(hawq_graph       *graph,
                                               const char       *name,
                                               hawq_dtype        dtype,
                                               const hawq_shape *shape,
                                               const void       *data);

/* Nodes may take 512 MiB for their tables and for constants that are worked
 * out, and 8 bytes for each byte of the constants given: a few bytes of a file
 * can ask for anything. */
enum { HAWQ_NODE_ROOM = 1 << 29, HAWQ_ROOM_PER_BYTE = 8 };

/* A node by names. in[i] == "" is an omitted optional input. Attributes are
 * copied shallowly: their arrays must live in graph->arena or be static.
 * EUNSUPPORTED for an unknown operator or attribute, EFORMAT for unknown
 * inputs or shapes that do not fit; ENOMEM for one that needs too much; the
 * sentence names the node. */
typedef struct hawq_node_spec {
    const char        *op_type, *name;
    int                n_in, n_out;
    const char *const *in, *const *out;
    int              n_attr;
    const hawq_attr *attr;
} hawq_node_spec;
HAWQ_NODISCARD hawq_status hawq_graph_add(hawq_graph           *graph,
                                          const hawq_node_spec *spec);

/* Latest tensor of that name, or NULL. */
hawq_tensor *hawq_graph_find(const hawq_graph *graph, const char *name);

/* Names the output (a float activation) and runs the passes above. */
HAWQ_NODISCARD hawq_status hawq_graph_finish(hawq_graph *graph,
                                             const char *output);

/* A network that ends in Softmax or LogSoftmax over its classes (the last axis)
 * gives probabilities; losses and arg max want what goes in. Makes that input
 * the output and drops the node; false if there is none. Of joined outputs,
 * each. After finish. */
bool hawq_graph_take_logits(hawq_graph *graph);

/* Index of the layer of that name, or -1. */
int hawq_graph_find_layer(const hawq_graph *graph, const char *name);

/* Elements per image of a tensor whose leading dimension is the batch. */
static inline size_t hawq_per_image(const hawq_graph *g, const hawq_tensor *t) {
    return t->n / (size_t)g->batch;
}

/* Elements of the constants in graph->rest, as a file has to hold them: what
 * was spread over the images counts once. */
size_t hawq_graph_rest_elements(const hawq_graph *graph);
/* Bytes of the same, in float32; and their names, "embed, mask" (as they are
 * called in the file, at most a handful, then "and 3 more"), in the arena;
 * NULL: no memory. */
static inline int64_t hawq_graph_rest_bytes(const hawq_graph *graph) {
    return 4 * (int64_t)hawq_graph_rest_elements(graph);
}
const char *hawq_graph_rest_names(const hawq_graph *graph, hawq_arena *arena);

/* The name of the layer's weight in the file, and the axis of that tensor along
 * which its channels lie. EUNSUPPORTED: it was computed from several constants,
 * or is not laid out like one of the file; the sentence names the layer. */
HAWQ_NODISCARD hawq_status hawq_layer_in_file(const hawq_layer *layer,
                                              const char **name, int *axis);

/* Identity of a network: 128-bit XXH3 of the opset, the size of an image, every
 * constant and node that was added (names, operators, attributes of every type)
 * and the float constants as they stand; 32 hex digits into text. Independent
 * of the batch and of which node is the output. */
void hawq_graph_hash(const hawq_graph *graph, char text[HAWQ_HASH_TEXT]);

/* From now on that identity stays, whatever becomes of the constants: for
 * passes that leave the outputs as they are. */
void hawq_graph_keep_hash(hawq_graph *graph);

/* --- used by the passes (fold.c) and by programs that edit a graph ----- */

/* Replaces every use of `from` (and the output) by `to`. */
void hawq_graph_replace(hawq_graph *graph, const hawq_tensor *from,
                        hawq_tensor *to);

#endif
