/* rewrite.h -- nodes of a file that stand for many: recurrent operators and
 * control flow. They are added to a graph as the operators there are, one time
 * step or pass of a loop after another, so that everything else knows only
 * those. For onnx.c.
 *
 * That is done while the graph is built, when every shape is known and
 * constants are worked out: a condition or a number of passes that follows from
 * the size of an image is a constant by then.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_REWRITE_H
#define HAWQ_REWRITE_H
#include "src/load/proto.h"

/* Is it LSTM, GRU, RNN, If, Loop or Scan? */
bool hawq_is_rewritten(const char *op_type);

/* Adds what the node stands for; its outputs then have their names.
 * EUNSUPPORTED for a form that cannot be written out (a condition that depends
 * on the data), EFORMAT for operands that do not fit; the sentence names the
 * node. */
HAWQ_NODISCARD hawq_status hawq_rewrite_recurrent(hawq_graph            *graph,
                                                  const hawq_proto_node *node);
HAWQ_NODISCARD hawq_status hawq_rewrite_control(hawq_graph            *graph,
                                                const hawq_proto_node *node);
/* Either of them. */
HAWQ_NODISCARD hawq_status hawq_rewrite(hawq_graph            *graph,
                                        const hawq_proto_node *node);

/* --- adding nodes, in onnx.c -------------------------------------------- */

/* A node of a file, rewritten if need be; a constant of a file. All memory goes
 * to the graph. */
HAWQ_NODISCARD hawq_status hawq_onnx_add_node(hawq_graph            *graph,
                                              const hawq_proto_node *node);
HAWQ_NODISCARD hawq_status hawq_onnx_add_constant(hawq_graph        *graph,
                                                  const char        *name,
                                                  const hawq_tensor *constant);

/* --- adding nodes by short calls ---------------------------------------- */

typedef struct hawq_writer {
    hawq_graph            *graph;
    const hawq_proto_node *from; /* what is rewritten */
} hawq_writer;

typedef struct hawq_call {
    const char        *op;
    int                n_in;
    const char *const *in;
    hawq_attr          attr[2]; /* those with a name */
    const char        *out;     /* name of the only output, or NULL: made up */
    const char        *layer;   /* as in hawq_node, in the graph's arena */
} hawq_call;

#define HAWQ_IN(...)                                                           \
    .n_in = (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),     \
    .in = (const char *[]) {                                                   \
        __VA_ARGS__                                                            \
    }
#define HAWQ_SET(key, value)                                                   \
    .attr = {{.name = (key), .type = HAWQ_ATTR_INT, .i = (value)}}

/* A name that no other tensor has: the begin of the node's, and how many
 * tensors there are. EUNSUPPORTED if these are more than 2^18: a few bytes of a
 * file can ask for any number of steps. */
HAWQ_NODISCARD hawq_status hawq_write_made_up(hawq_writer *w, const char **out);

/* Adds a node; *out is what its output is called. */
HAWQ_NODISCARD hawq_status hawq_write(hawq_writer *w, const hawq_call *call,
                                      const char **out);

/* A constant; of shape NULL: one number. */
HAWQ_NODISCARD hawq_status hawq_write_ints(hawq_writer      *w,
                                           const hawq_shape *shape,
                                           const int64_t    *ints,
                                           const char      **out);
HAWQ_NODISCARD hawq_status hawq_write_reals(hawq_writer      *w,
                                            const hawq_shape *shape,
                                            const real *data, const char **out);

/* Entry `at` along an axis, which goes. */
HAWQ_NODISCARD hawq_status hawq_write_entry(hawq_writer *w, const char *x,
                                            int64_t at, int axis,
                                            const char **out);

/* x with an axis of one element before axis `axis`. */
HAWQ_NODISCARD hawq_status hawq_write_unsqueeze(hawq_writer *w, const char *x,
                                                int axis, const char **out);

/* n >= 1 tensors one after the other along an axis, called `name`. */
HAWQ_NODISCARD hawq_status hawq_write_joined(hawq_writer *w, int n,
                                             const char *const *part, int axis,
                                             const char *name);

/* The same tensor by another name. */
HAWQ_NODISCARD hawq_status hawq_write_name(hawq_writer *w, const char *x,
                                           const char *name);

/* "node 'lstm' (LSTM): " and the sentence. */
HAWQ_NODISCARD hawq_status hawq_write_fail(const hawq_writer *w,
                                           hawq_status code, const char *format,
                                           ...) HAWQ_PRINTF(3, 4);

/* The attributes of what is rewritten, as hawq_attr_find and its kin. */
const hawq_attr *hawq_write_attr(const hawq_writer *w, const char *name);
int64_t hawq_write_int(const hawq_writer *w, const char *name, int64_t def);

/* Input i of what is rewritten: its tensor, NULL if it is omitted. */
hawq_tensor *hawq_write_input(const hawq_writer *w, int i);

#endif
