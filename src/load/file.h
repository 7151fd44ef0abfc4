/* file.h -- whole files in and out, for the readers of this folder.
 *
 * Sentences of failure do not name the file: the caller prefixes it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_FILE_H
#define HAWQ_FILE_H
#include "src/base/status.h"

#include <stddef.h>
#include <stdint.h>

/* Bytes of a regular file. EIO if it is missing, a folder or a device. */
HAWQ_NODISCARD hawq_status hawq_file_size(const char *path, uint64_t *size);

/* Exactly n bytes from `offset` into the caller's memory; EIO if the file
 * cannot be read or ends before. */
HAWQ_NODISCARD hawq_status hawq_file_read(const char *path, uint64_t offset,
                                          size_t n, void *bytes);

/* Whether hawq_file_write would find a folder it may write in: makes an empty
 * file beside it and removes that. For before hours of work. EIO. */
HAWQ_NODISCARD hawq_status hawq_file_probe(const char *path);

/* Replaces or makes the file: written beside it, synced, renamed, so that no
 * reader and no crash sees half of it. EIO; nothing is left behind then. */
HAWQ_NODISCARD hawq_status hawq_file_write(const char *path, const void *bytes,
                                           size_t n);

#endif
