/* proto.h -- what an ONNX file says, in plain structs, checked but not yet
 * understood. Only the two files behind it (one reads, one writes) see the
 * protobuf messages; onnx.c and onnx_save.c see these structs.
 *
 * A node or an input that this library cannot use is no failure here: it
 * carries its `defect`, a sentence, so that the caller decides whether it
 * matters (it does not if the output does not need it).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_PROTO_H
#define HAWQ_PROTO_H
#include "src/graph/graph.h"
#include "src/load/numbers.h"

/* A graph input or output as declared. */
typedef struct hawq_proto_value {
    const char *name;
    bool        is_float; /* or of no declared type */
    bool        is_whole; /* integers or truth values */
    hawq_number number;   /* its type in the file, if it is one or the other */
    hawq_shape  shape;    /* -1 where a dimension is free */
    const char *symbol[HAWQ_MAX_RANK]; /* what a free one is called, or NULL */
    const char *defect; /* why it cannot be an input; else NULL */
} hawq_proto_value;

typedef struct hawq_proto_node {
    hawq_node_spec   spec; /* name never empty: "Conv_12" if missing */
    const char      *defect;
    const char      *scope; /* as in hawq_node */
    const hawq_grid *grid;  /* of its first output, or NULL */
    /* Its attributes that are graphs, which spec.attr leaves out. */
    int                     n_bodies;
    struct hawq_proto_body *body;
} hawq_proto_node;

typedef struct hawq_proto {
    const char       *producer;
    int               opset; /* of the default domain */
    size_t            n_inputs, n_outputs, n_constants, n_nodes;
    hawq_proto_value *input, *output;
    hawq_tensor      *constant; /* name, dtype, shape, n, data or ints */
    hawq_number      *number;   /* per constant: its type in the file; NULL, if
                                   written: float32 and int64 */
    hawq_proto_node *node;      /* in file order */
    size_t           n_texts;   /* metadata of the model */
    hawq_text       *text;
} hawq_proto;

/* A graph within a node: the branch of an If, what a Loop repeats. It reads
 * tensors of the graphs around it by their names. */
typedef struct hawq_proto_body {
    const char *name; /* of the attribute */
    hawq_proto  graph;
} hawq_proto_body;

/* Reads the file; all memory from the arena. numbers: also read the values of
 * initializers (else constants have only names). EIO, EFORMAT, EUNSUPPORTED;
 * the sentence does not name the path. */
HAWQ_NODISCARD hawq_status hawq_proto_read(const char *path, bool numbers,
                                           hawq_arena *arena, hawq_proto *out);

/* What a file of the network says, in the opset its nodes were read under:
 * node i is node i of the graph, and (*name)[id] is what a tensor is called
 * (NULL if nothing needs it). Names are lent by the graph or in the arena.
 * ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_onnx_describe(const hawq_graph *graph,
                                              const char       *producer,
                                              hawq_arena       *arena,
                                              hawq_proto       *out,
                                              const char     ***name);

/* Bytes of the ONNX file that says this. Inputs that are free (-1) in their
 * first dimension get the name "N" there. Numbers are written as raw bytes,
 * floats as float32, integers as their type says. ENOMEM; EUNSUPPORTED: 2 GiB
 * or more. */
HAWQ_NODISCARD hawq_status hawq_proto_pack(const hawq_proto *model,
                                           hawq_arena *arena, uint8_t **bytes,
                                           size_t *n);

/* A file, and the one beside it with the bytes of its larger constants. */
typedef struct hawq_proto_file {
    uint8_t    *bytes, *data;
    size_t      n, n_data;
    const char *location; /* the other's name, relative to this one's folder */
} hawq_proto_file;

/* The same with constants of 1 KiB and more in a file of the name `location`
 * (external data), which may have any size. */
HAWQ_NODISCARD hawq_status hawq_proto_pack_apart(const hawq_proto *model,
                                                 const char       *location,
                                                 hawq_arena       *arena,
                                                 hawq_proto_file  *out);

#endif
