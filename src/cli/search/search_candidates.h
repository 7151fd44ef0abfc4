/* search_candidates.h -- candidates as a search sees them: text, and the few
 * facts about it that are not in the analysis.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SEARCH_CANDIDATES_H
#define HAWQ_SEARCH_CANDIDATES_H
#include "src/base/arena.h"

#include <stdbool.h>

typedef struct hawq_named {
    const char *name; /* "w4:gptq"; NULL for a bare number of bits */
    int         weight_bits, activation_bits;
} hawq_named;

/* "w4a8", "w2c:gptq", "k3a4+0.5%", "float", and bare numbers; 8-bit activations
 * where nothing is said. EINVAL: `option` is put before the sentence. */
HAWQ_NODISCARD hawq_status hawq_named_read(const char *option, const char *text,
                                           hawq_arena *arena, hawq_named *out);

/* Has the candidate of this name a method that makes up for its errors, so that
 * |dW|^2 says nothing about its loss? False for what is no name. */
bool hawq_named_compensates(const char *name);

#endif
