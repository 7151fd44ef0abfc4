/* hash.h -- the identity of a network, in two steps.
 *
 * While a graph is built, everything the file says is taken into a digest that
 * does not depend on the number of images: every constant of whatever type, and
 * of every node its operator, names, and attributes of every type. What is
 * folded away counts as well. hawq_graph_hash then adds the float constants as
 * they stand, which training changes.
 *
 * Digests are XXH3's of 128 bits. Each item is hashed behind its length and
 * behind the digest of all before it, so that no two lists run together.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_HASH_H
#define HAWQ_HASH_H
#include "src/graph/graph.h"

/* A constant as given: its name, type, shape and numbers (t->data or ints). */
void hawq_digest_constant(hawq_digest *digest, const hawq_tensor *t);

/* A node as given. */
void hawq_digest_node(hawq_digest *digest, const hawq_node_spec *spec);

/* n numbers of the executor's type. */
void hawq_digest_reals(hawq_digest *digest, const real *x, size_t n);

/* 32 hex digits and a zero. */
void hawq_digest_text(const hawq_digest *digest, char text[HAWQ_HASH_TEXT]);

#endif
