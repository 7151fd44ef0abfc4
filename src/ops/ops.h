/* ops.h -- the table of operators, and what their shape functions share.
 *
 * Adding an operator: one file (or one struct in a family's file), one line
 * in ops.def, one case in the tests.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_OPS_H
#define HAWQ_OPS_H
#include "src/graph/op.h"

#define OP(name) extern const hawq_op hawq_op_##name;
#include "src/ops/ops.def"
#undef OP

/* The operator of an ONNX op_type, or NULL. */
const hawq_op *hawq_op_find(const char *op_type);

/* The k-th operator in the order of ops.def, or NULL past the last. */
const hawq_op *hawq_op_at(size_t k);

/* --- what shape functions share ---------------------------------------- */

/* in[i], or NULL if it is omitted or beyond the last one given. */
static inline hawq_tensor *hawq_in(const hawq_node *node, int i) {
    return i < node->n_in ? node->in[i] : NULL;
}

/* Input i is present and floating point. EUNSUPPORTED otherwise. */
HAWQ_NODISCARD hawq_status hawq_need_float(const hawq_node *node, int i);

/* Input i is present, and floating point or an integer constant: what an
 * operator that only moves values accepts. EUNSUPPORTED otherwise. */
HAWQ_NODISCARD hawq_status hawq_need_value(const hawq_node *node, int i);

/* Integers or truth values, constant or computed? */
static inline bool hawq_is_integer(const hawq_tensor *t) {
    return t->dtype == HAWQ_INT || t->whole;
}

/* Input i as reals, where it is an integer constant and another operand is
 * computed: the sweeps read them. EUNSUPPORTED for one that reals do not hold
 * exactly, but for the largest ones of 32 and 64 bits, which stand for "without
 * end". Nothing is done with other inputs. */
HAWQ_NODISCARD hawq_status hawq_take_reals(hawq_node *node, hawq_arena *arena,
                                           int i);

/* Sets shape, dtype and n of output i. EUNSUPPORTED beyond 2^31 - 1 elements
 * (index maps are 32 bits wide), or 2^26 if made of smaller constants; EFORMAT
 * for a negative dimension. */
HAWQ_NODISCARD hawq_status hawq_set_out(const hawq_node *node, int i,
                                        hawq_dtype        dtype,
                                        const hawq_shape *shape);

/* Makes output 0 an integer or float constant of this shape, zero for now,
 * filled in by the caller: out[0]->ints or out[0]->data. Fails as
 * hawq_set_out does. */
HAWQ_NODISCARD hawq_status hawq_make_constant(hawq_node        *node,
                                              hawq_arena       *arena,
                                              hawq_dtype        dtype,
                                              const hawq_shape *shape);

/* A list of integers that is attribute `attr` in old operator sets and the
 * constant input `input` in new ones (either may be absent: NULL, -1). Absent
 * altogether: *ints = NULL, *n = 0; empty: *ints not NULL, *n = 0.
 * EUNSUPPORTED if the input is not a constant, EFORMAT if it is not integer. */
HAWQ_NODISCARD hawq_status hawq_read_ints(const hawq_node *node,
                                          const char *attr, int input,
                                          const int64_t **ints, size_t *n);

/* The axes among ints[0..n) of a tensor of that rank as flags: used[axis].
 * EFORMAT for one out of range or given twice. */
HAWQ_NODISCARD hawq_status hawq_read_axes(const hawq_node *node,
                                          const int64_t *ints, size_t n,
                                          int rank, bool used[HAWQ_MAX_RANK]);

#endif
