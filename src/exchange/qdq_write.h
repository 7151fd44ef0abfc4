/* qdq_write.h -- what the files that write QDQ share; for src/exchange only.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_QDQ_WRITE_H
#define HAWQ_QDQ_WRITE_H
#include "src/exchange/qdq.h"
#include "src/load/names.h"
#include "src/load/proto.h"

typedef struct hawq_qdq_writer {
    const hawq_program     *program;
    const hawq_graph       *graph;
    const hawq_quantized   *quantized;
    const hawq_qdq_options *options;
    hawq_arena             *arena;
    hawq_proto              base, out; /* the float network, and the file */
    hawq_names              used;
    const char            **name;     /* per tensor id, in the file */
    const char            **rounded;  /* per tensor id: after its rounding */
    const char            **integers; /* likewise: its bytes, and their zero */
    const char            **zero;
    const char           ***in;       /* per node: its inputs */
    bool                   *is_float; /* per node: it reads floats */
    bool       *gone; /* per tensor id: no constant of its own now */
    real      **data; /* per tensor id: numbers in place of its own */
    const char *unpacked;
} hawq_qdq_writer;

/* "NAME SUFFIX" in one word, with a number behind if it is taken; NULL: no
 * memory. */
const char *hawq_qdq_name(hawq_qdq_writer *w, const char *name,
                          const char *suffix);

/* Appends a constant: of floats, of one float, of integers. */
HAWQ_NODISCARD hawq_status hawq_qdq_floats(hawq_qdq_writer *w, const char *name,
                                           const hawq_shape *shape, size_t n,
                                           const real *data);
HAWQ_NODISCARD hawq_status hawq_qdq_integers(hawq_qdq_writer  *w,
                                             const char       *name,
                                             const hawq_shape *shape, size_t n,
                                             int64_t *ints, hawq_number number);

/* Appends a node of one output, whose inputs end in NULL, with an axis if it is
 * not below 0. */
HAWQ_NODISCARD hawq_status hawq_qdq_node(hawq_qdq_writer *w, const char *op,
                                         const char *out, const char *const *in,
                                         int axis);

/* qdq_layers.c: weights and biases of all layers. */
HAWQ_NODISCARD hawq_status hawq_qdq_layers(hawq_qdq_writer *w);

/* qdq_maps.c: fills is_float; and the rounding of a tensor, made by its node
 * under the name `from`. */
HAWQ_NODISCARD hawq_status hawq_qdq_find_floats(hawq_qdq_writer *w);
bool hawq_qdq_reads_floats(const hawq_qdq_writer *w, int node,
                           const hawq_tensor *t);
HAWQ_NODISCARD hawq_status hawq_qdq_round(hawq_qdq_writer   *w,
                                          const hawq_tensor *t,
                                          const char *from, const char *to);
/* The inputs of node i, where integers add them, by the program's factors. */
HAWQ_NODISCARD hawq_status hawq_qdq_addends(hawq_qdq_writer *w, int i);

#endif
