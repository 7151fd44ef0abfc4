/* origin.h -- which constant of the file a constant of the graph was made of,
 * so that a layer can be called by what stands in the file.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_ORIGIN_H
#define HAWQ_ORIGIN_H
#include "src/graph/op.h"

/* t stands in the file. */
void hawq_originate(hawq_tensor *t);

/* Origin and axes of the outputs of a node that was evaluated at load: those of
 * its one float operand, or none. Which axis became which is read off the
 * operator itself: it is run on the coordinates along each axis. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_trace_origin(hawq_node  *node,
                                             hawq_arena *arena);

#endif
