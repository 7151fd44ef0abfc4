/* wire.c -- scanning protobuf's wire format, then unpacking it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/wire.h"

#include "src/load/file.h"

#include <protobuf-c/protobuf-c.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { MOST_NESTED = 64 };

typedef struct wire {
    const uint8_t *at, *end;
} wire;

static bool varint(wire *w, uint64_t *value) {
    *value = 0;
    for (int shift = 0; shift < 70 && w->at < w->end; shift += 7) {
        uint8_t byte = *w->at++;
        if (shift < 64) *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return true;
    }
    return false;
}

/* Fields that hold names, which reach tables, databases and terminals. */
static bool is_name(const ProtobufCFieldDescriptor *field) {
    static const char *const names[] = {
        "name", "op_type", "domain", "input", "output", "dim_param", "key"};
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        found |= strcmp(field->name, names[i]) == 0;
    return found && field->type == PROTOBUF_C_TYPE_STRING;
}

/* Without control characters, those of Latin-1 (C2 80 to C2 9F) included. */
static bool is_printable(const uint8_t *at, const uint8_t *end) {
    for (; at < end; at++) {
        bool latin = *at == 0xc2 && end - at > 1 && at[1] < 0xa0;
        if (*at < ' ' || *at == 0x7f || latin) return false;
    }
    return true;
}

static bool skip(wire *w, uint64_t n) {
    if (n > (uint64_t)(w->end - w->at)) return false;
    w->at += n;
    return true;
}

/* Is this a well-formed message of at most `depth` levels? bad_name: the first
 * name that is not printable, if there is one. */
static bool well_formed(wire w, const ProtobufCMessageDescriptor *message,
                        int depth, wire *bad_name) {
    while (w.at < w.end) {
        uint64_t key, n = 0;
        if (!varint(&w, &key)) return false;
        int kind = key & 7;
        if (kind == 0 && varint(&w, &n)) continue;
        if (kind == 1 && skip(&w, 8)) continue;
        if (kind == 5 && skip(&w, 4)) continue;
        wire inner = w;
        if (kind != 2 || !varint(&w, &n)) return false;
        inner.at = w.at;
        if (!skip(&w, n)) return false;
        inner.end = w.at;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(message,
                                                    (unsigned)(key >> 3));
        if (field && field->type == PROTOBUF_C_TYPE_MESSAGE &&
            (depth == 0 ||
             !well_formed(inner, field->descriptor, depth - 1, bad_name)))
            return false;
        if (field && !bad_name->at && is_name(field) &&
            !is_printable(inner.at, inner.end))
            *bad_name = inner;
    }
    return true;
}

typedef struct heap {
    hawq_arena *arena;
    bool        exhausted;
} heap;

static void *take(void *self, size_t bytes) {
    heap *h = self;
    void *memory = hawq_arena_take(h->arena, 1, bytes);
    if (!memory) h->exhausted = true;
    return memory;
}

static void keep(void *self, void *memory) {
    (void)self, (void)memory; /* the arena gives all back at once */
}

/* Bytes that the file would need for its last field, if that field is known
 * and ends beyond the file; else 0. */
static uint64_t bytes_missing(wire w, const ProtobufCMessageDescriptor *type) {
    uint64_t key, n;
    while (varint(&w, &key) && (key & 7) != 1 && (key & 7) < 3) {
        if (!varint(&w, &n)) return 0;
        if ((key & 7) == 0 || skip(&w, n)) continue;
        return protobuf_c_message_descriptor_get_field(type,
                                                       (unsigned)(key >> 3))
                   ? n - (uint64_t)(w.end - w.at)
                   : 0;
    }
    return 0;
}

static hawq_status refuse_name(wire name) {
    char   shown[65];
    size_t n = 0;
    for (; n < sizeof shown - 1 && name.at + n < name.end; n++)
        shown[n] =
            name.at[n] < ' ' || name.at[n] > '~' ? '?' : (char)name.at[n];
    shown[n] = 0;
    return hawq_fail(HAWQ_EFORMAT,
                     "the name '%s' holds a control character (shown as ?), "
                     "which tables cannot show; rename it",
                     shown);
}

hawq_status hawq_wire_unpack(const uint8_t *bytes, size_t n,
                             const ProtobufCMessageDescriptor *type,
                             hawq_arena *arena, ProtobufCMessage **out) {
    heap               h = {arena, false};
    ProtobufCAllocator allocator = {take, keep, &h};
    wire               w = {bytes, bytes + n};
    wire               bad_name = {NULL, NULL};
    if (!well_formed(w, type, MOST_NESTED, &bad_name)) {
        uint64_t missing = bytes_missing(w, type);
        if (missing && missing < UINT32_MAX)
            return hawq_fail(HAWQ_EFORMAT,
                             "truncated: found %zu bytes, expected at least "
                             "%llu; or not an ONNX model",
                             n, (unsigned long long)(n + missing));
        return hawq_fail(HAWQ_EFORMAT, "is not an ONNX model, or is damaged");
    }
    if (bad_name.at) return refuse_name(bad_name);
    *out = protobuf_c_message_unpack(type, &allocator, n, bytes);
    if (!*out && h.exhausted) return HAWQ_ENOMEM;
    if (!*out)
        return hawq_fail(HAWQ_EFORMAT, "is not an ONNX model, or is damaged");
    return HAWQ_OK;
}

static hawq_status read_bytes(const char *path, hawq_arena *arena,
                              uint8_t **bytes, size_t *n) {
    uint64_t size = 0;
    HAWQ_TRY(hawq_file_size(path, &size));
    if (size == 0) return hawq_fail(HAWQ_EFORMAT, "is empty");
    if (size > INT32_MAX)
        return hawq_fail(HAWQ_EFORMAT,
                         "has %llu bytes, an ONNX file has less than 2 GiB: "
                         "export with external data",
                         (unsigned long long)size);
    HAWQ_TAKE(*bytes, arena, (size_t)size);
    *n = (size_t)size;
    return hawq_file_read(path, 0, *n, *bytes);
}

hawq_status hawq_wire_read(const char                       *path,
                           const ProtobufCMessageDescriptor *type,
                           hawq_arena *arena, ProtobufCMessage **out) {
    hawq_arena  scratch = {0};
    uint8_t    *bytes = NULL;
    size_t      n = 0;
    hawq_status status = read_bytes(path, &scratch, &bytes, &n);
    if (status == HAWQ_OK)
        status = hawq_wire_unpack(bytes, n, type, arena, out);
    hawq_arena_free(&scratch);
    return status;
}

const char *hawq_wire_protobuf_version(void) {
    return protobuf_c_version();
}
