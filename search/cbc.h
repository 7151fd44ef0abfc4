/* cbc.h -- COIN-OR CBC, loaded when it is first needed: it brings OpenBLAS with
 * it, which starts threads as soon as it is loaded (src/base/openblas.h), and
 * most runs need neither.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_CBC_H
#define HAWQ_CBC_H
#include "src/base/status.h"

#include <Cbc_C_Interface.h>

/* The functions of CBC's C interface that are used here, by their names there
 * without "Cbc_". */
#define HAWQ_CBC_FUNCTIONS(F)                                                  \
    F(getVersion)                                                              \
    F(newModel)                                                                \
    F(deleteModel)                                                             \
    F(loadProblem)                                                             \
    F(setInteger)                                                              \
    F(setMaximumSeconds)                                                       \
    F(setLogLevel)                                                             \
    F(setParameter)                                                            \
    F(solve)                                                                   \
    F(bestSolution)                                                            \
    F(isProvenInfeasible)                                                      \
    F(isProvenOptimal)

typedef struct hawq_cbc {
#define HAWQ_CBC_POINTER(name) __typeof__(Cbc_##name) *name;
    HAWQ_CBC_FUNCTIONS(HAWQ_CBC_POINTER)
#undef HAWQ_CBC_POINTER
} hawq_cbc;

/* EIO: CBC is not installed; the sentence says what to install. ENOMEM: no room
 * for its OpenBLAS. */
HAWQ_NODISCARD hawq_status hawq_cbc_open(const hawq_cbc **out);

/* Its version, "2.10.8"; NULL if it cannot be loaded, and
 * hawq_message says why. */
const char *hawq_cbc_version(void);

#endif
