/* memory.h -- what a run will take, said before it starts, and what there is.
 *
 * A prediction is a list of parts with their sum. It says what will be resident
 * at the worst moment; pages that are asked for and never touched do not count.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_CLI_MEMORY_H
#define HAWQ_CLI_MEMORY_H
#include "src/cli/kit/cli.h"

enum { HAWQ_MEMORY_PARTS = 12 };

typedef struct hawq_memory {
    int n;
    struct {
        const char *name; /* borrowed */
        size_t      bytes;
    } part[HAWQ_MEMORY_PARTS];
    size_t total;
} hawq_memory;

void hawq_memory_add(hawq_memory *m, const char *name, size_t bytes);

/* One line a part and one for the sum, with --verbose. */
void hawq_memory_print(const hawq_memory *m, hawq_cli *cli);

/* Bytes that a process can have more than it has: the least of what the
 * system calls available and the limits of its control group and of its
 * address space. SIZE_MAX if none of these is known. */
size_t hawq_memory_available(void);

/* Bytes resident in this process: now, and at most so far. 0 if unknown. */
size_t hawq_memory_resident(void);
size_t hawq_memory_resident_most(void);

/* Gives freed memory back to the system, so that it does not count twice. */
void hawq_memory_trim(void);

#endif
