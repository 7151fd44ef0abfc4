/* memory.c -- see memory.h. Linux says it all in text files; where they are not
 * there, nothing is known and nothing is refused.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/memory.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

void hawq_memory_add(hawq_memory *m, const char *name, size_t bytes) {
    m->part[m->n].name = name;
    m->part[m->n++].bytes = bytes;
    m->total += bytes;
}

void hawq_memory_print(const hawq_memory *m, hawq_cli *cli) {
    for (int i = 0; i < m->n; i++)
        hawq_cli_detail(cli, "memory: %-28s %10s", m->part[i].name,
                        hawq_bytes_text(&cli->arena, (double)m->part[i].bytes));
    hawq_cli_detail(cli, "memory: %-28s %10s", "in all",
                    hawq_bytes_text(&cli->arena, (double)m->total));
}

/* The number after `format` in a file, or SIZE_MAX. */
static size_t number_in(const char *path, const char *format) {
    char               line[256];
    unsigned long long value = 0;
    size_t             found = SIZE_MAX;
    FILE              *f = fopen(path, "r");
    while (f && found == SIZE_MAX && fgets(line, sizeof line, f))
        if (sscanf(line, format, &value) == 1) found = (size_t)value;
    if (f) fclose(f);
    return found;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

size_t hawq_memory_available(void) {
    size_t        kib = number_in("/proc/meminfo", "MemAvailable: %llu kB");
    size_t        bytes = kib == SIZE_MAX ? kib : 1024 * kib;
    struct rlimit space;
    bytes = least(bytes, number_in("/sys/fs/cgroup/memory.max", "%llu"));
    bytes = least(bytes, number_in("/sys/fs/cgroup/memory/"
                                   "memory.limit_in_bytes",
                                   "%llu"));
    if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY)
        bytes = least(bytes, (size_t)space.rlim_cur);
    return bytes;
}

size_t hawq_memory_resident(void) {
    size_t pages = number_in("/proc/self/statm", "%*u %llu");
    return pages == SIZE_MAX ? 0 : pages * (size_t)sysconf(_SC_PAGESIZE);
}

size_t hawq_memory_resident_most(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) ? 0 : 1024 * (size_t)usage.ru_maxrss;
}

void hawq_memory_trim(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}
