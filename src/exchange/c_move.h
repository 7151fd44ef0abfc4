/* c_move.h -- an index map as nested loops; for src/exchange only.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_C_MOVE_H
#define HAWQ_C_MOVE_H
#include "src/deploy/program.h"

enum { C_LOOPS = 4, C_MOVES = 16 };

/* y[to + sum_k i_k to_step[k]] = table[x[from + sum_k i_k from_step[k]]] for
 * all 0 <= i_k < count[k]; the other elements of y are the fill. */
typedef struct c_loops {
    int32_t from, to;
    int32_t count[C_LOOPS], from_step[C_LOOPS], to_step[C_LOOPS];
    bool    filled; /* there are others */
} c_loops;

/* Sets of loops that together do what the map does, the fill by the first: one,
 * or as many as a concatenation has parts; *n = 0 where C_MOVES of them cannot.
 * ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_c_loops_find(const hawq_gather *g,
                                             hawq_arena        *arena,
                                             c_loops out[C_MOVES], int *n);

#endif
