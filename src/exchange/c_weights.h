/* c_weights.h -- the integers of a layer packed at their bits; for
 * src/exchange only.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_C_WEIGHTS_H
#define HAWQ_C_WEIGHTS_H
#include "src/deploy/program.h"

/* bits 8: `plain` are the weights. Else weight i of the rows is
 *     level[code i] * multiplier[channel][group of its input],
 * code i among `codes` as kernels/arith.h packs b bits, or five to a byte. */
typedef struct c_weights {
    int            bits; /* 0: five codes a byte */
    const int8_t  *plain;
    const uint8_t *codes;
    size_t         n_codes; /* bytes */
    const int8_t  *level;
    size_t         n_levels;   /* of one table */
    size_t         own_levels; /* n_levels if every channel has a table, or 0 */
    const uint8_t *multiplier; /* NULL: all are 1 */
    size_t         group, n_groups; /* of a row */
} c_weights;

/* w: of a step, with rows in its own order; q: what they were made from.
 * Integers that the program changed (hawq_program_lower halves channels whose
 * bias would not fit) are kept at their bits where a table for every channel
 * can hold them, else as bytes. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_c_weights_pack(const hawq_weights   *w,
                                               const hawq_quantized *q,
                                               hawq_arena           *arena,
                                               c_weights            *out);

#endif
