/* external.h -- weights that ONNX keeps in files beside the model.
 *
 * onnx.proto, TensorProto.external_data: "location" is a path relative to the
 * model's folder, "offset" and "length" count bytes. A model is data from
 * somewhere, so a location that leaves the folder is refused: absolute, or
 * with ".." in it, or a link that ends elsewhere. Links within the folder are
 * followed.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_EXTERNAL_H
#define HAWQ_EXTERNAL_H
#include "src/base/arena.h"

typedef struct hawq_external {
    const char *folder;   /* of the model, with its slash, or "" */
    const char *location; /* as in the file; NULL if missing */
    const char *offset;   /* decimal text, NULL = 0 */
    const char *length;   /* decimal text, NULL = as much as needed */
} hawq_external;

/* `need` bytes of the tensor into the arena. EFORMAT if the entry or the
 * file's size does not fit, EIO if it cannot be read. Nothing is allocated
 * before the file is known to hold the bytes. */
HAWQ_NODISCARD hawq_status hawq_external_read(const hawq_external *where,
                                              size_t need, hawq_arena *arena,
                                              const void **bytes);

#endif
