/* openblas.h -- how OpenBLAS is to start.
 *
 * It reads its settings from the environment and starts its threads while it is
 * being loaded, and it cannot be told afterwards. So nobody is linked with it:
 * who needs it, or a library that needs it, calls this and then loads it with
 * dlopen.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_OPENBLAS_H
#define HAWQ_OPENBLAS_H
#include "src/base/status.h"

/* Asks for one thread, since whole images are what threads here are given, and
 * for the newest core it has good kernels for; where the user's environment
 * already says something, for that. The first call does it. ENOMEM: the address
 * space (ulimit -v) has no room for its working memory, for which it would wait
 * without end. */
HAWQ_NODISCARD hawq_status hawq_openblas_prepare(void);

#endif
