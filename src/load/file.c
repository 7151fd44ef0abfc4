/* file.c -- whole files in and out.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/file.h"

#include "src/base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

hawq_status hawq_file_size(const char *path, uint64_t *size) {
    struct stat info;
    if (stat(path, &info) != 0)
        return hawq_fail(HAWQ_EIO, "cannot be read: %s", strerror(errno));
    if (S_ISDIR(info.st_mode))
        return hawq_fail(HAWQ_EIO, "is a folder, expected a file");
    if (!S_ISREG(info.st_mode))
        return hawq_fail(HAWQ_EIO, "is not a regular file");
    *size = (uint64_t)info.st_size;
    return HAWQ_OK;
}

/* read() until n bytes are there; false at an early end (errno 0) or error */
static int read_all(int file, char *bytes, size_t n) {
    while (n) {
        errno = 0;
        ssize_t got = read(file, bytes, n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return 0;
        bytes += got;
        n -= (size_t)got;
    }
    return 1;
}

static int write_all(int file, const char *bytes, size_t n) {
    while (n) {
        ssize_t put = write(file, bytes, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return 0;
        bytes += put;
        n -= (size_t)put;
    }
    return 1;
}

hawq_status hawq_file_read(const char *path, uint64_t offset, size_t n,
                           void *bytes) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return hawq_fail(HAWQ_EIO, "cannot be read: %s", strerror(errno));
    int ok =
        lseek(file, (off_t)offset, SEEK_SET) >= 0 && read_all(file, bytes, n);
    int why = errno;
    close(file);
    if (ok) return HAWQ_OK;
    return hawq_fail(HAWQ_EIO, "cannot be read: %s",
                     why ? strerror(why) : "it ends early");
}

static hawq_status replace(const char *path, const char *beside,
                           const void *bytes, size_t n) {
    int file = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0)
        return hawq_fail(HAWQ_EIO, "cannot be written: %s", strerror(errno));
    int ok = write_all(file, bytes, n) && fsync(file) == 0;
    int why = errno;
    if (close(file) != 0 && ok) ok = 0, why = errno;
    if (ok && rename(beside, path) != 0) ok = 0, why = errno;
    if (ok) return HAWQ_OK;
    unlink(beside);
    return hawq_fail(HAWQ_EIO, "cannot be written: %s", strerror(why));
}

hawq_status hawq_file_probe(const char *path) {
    hawq_arena  arena = {0};
    struct stat info;
    const char *beside =
        hawq_arena_format(&arena, "%s.part%ld", path, (long)getpid());
    if (!beside) return HAWQ_ENOMEM;
    int file = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    int why = errno;
    if (file >= 0) {
        close(file);
        unlink(beside);
        why = stat(path, &info) == 0 && S_ISDIR(info.st_mode) ? EISDIR : 0;
    }
    hawq_arena_free(&arena);
    if (why == 0) return HAWQ_OK;
    return hawq_fail(HAWQ_EIO, "cannot be written: %s", strerror(why));
}

hawq_status hawq_file_write(const char *path, const void *bytes, size_t n) {
    hawq_arena  arena = {0};
    const char *beside =
        hawq_arena_format(&arena, "%s.part%ld", path, (long)getpid());
    hawq_status status = beside ? replace(path, beside, bytes, n) : HAWQ_ENOMEM;
    hawq_arena_free(&arena);
    return status;
}
