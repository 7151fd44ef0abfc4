/* fuzz.h -- what the fuzz targets share. A target is one file tests/fuzz_x.c
 * with LLVMFuzzerTestOneInput: any bytes at all go through one reader, which
 * must end with a status. It is built twice: with fuzz_main.c, as a test that
 * replays tests/corpus/x; and, in a build with -DHAWQ_FUZZ=ON, as a fuzzer.
 *
 * Readers want the names of files, so the bytes are put into files of memory
 * that are known by links in a scratch folder.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_FUZZ_H
#define HAWQ_TESTS_FUZZ_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FUZZ_FILES = 2, FUZZ_PATH = 96 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static char fuzz_folder[] = "/tmp/hawq-fuzz-XXXXXX";
static char fuzz_link[FUZZ_FILES][FUZZ_PATH];
static int  fuzz_files; /* opened */

static inline void fuzz_clean_up(void) {
    for (int k = 0; k < fuzz_files; k++) unlink(fuzz_link[k]);
    rmdir(fuzz_folder);
}

/* A file of that name in the scratch folder, to be filled by fuzz_put. Returns
 * its descriptor. */
static inline int fuzz_open(const char *name) {
    char target[32];
    int  file = memfd_create(name, MFD_CLOEXEC);
    if (file < 0 || (fuzz_files == 0 && !mkdtemp(fuzz_folder))) abort();
    if (fuzz_files == 0) atexit(fuzz_clean_up);
    char *link = fuzz_link[fuzz_files++];
    snprintf(link, FUZZ_PATH, "%s/%s", fuzz_folder, name);
    snprintf(target, sizeof target, "/proc/self/fd/%d", file);
    if (symlink(target, link)) abort();
    return file;
}

static inline void fuzz_put(int file, const uint8_t *bytes, size_t n) {
    if (ftruncate(file, 0) || lseek(file, 0, SEEK_SET) ||
        (n && write(file, bytes, n) != (ssize_t)n))
        abort();
}

#endif
