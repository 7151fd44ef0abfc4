/* wire.h -- protobuf bytes of unknown origin to protobuf-c messages.
 *
 * protobuf-c's unpacking recurses as deep as the bytes say and would exhaust
 * the stack on a hostile file. So the wire format (Protocol Buffers manual,
 * "Encoding") is scanned first: every field must lie inside its message, and
 * messages may nest 64 deep. What is then allocated is proportional to the
 * file and comes from an arena.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_WIRE_H
#define HAWQ_WIRE_H
#include "src/base/arena.h"

#include <stdint.h>

struct ProtobufCMessageDescriptor;
struct ProtobufCMessage;

/* Reads the file as one message of that type; it lives in the arena and is
 * not to be freed. EIO; EFORMAT if empty, truncated or no such message. The
 * sentence does not name the path. */
HAWQ_NODISCARD hawq_status
hawq_wire_read(const char *path, const struct ProtobufCMessageDescriptor *type,
               hawq_arena *arena, struct ProtobufCMessage **out);

/* "1.4.1": of the protobuf-c it runs with. */
const char *hawq_wire_protobuf_version(void);
/* The same of bytes in memory, which may be given back afterwards. */
HAWQ_NODISCARD hawq_status
hawq_wire_unpack(const uint8_t *bytes, size_t n,
                 const struct ProtobufCMessageDescriptor *type,
                 hawq_arena *arena, struct ProtobufCMessage **out);

#endif
