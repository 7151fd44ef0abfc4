/* arena.c -- blocks of at least 64 KiB, doubling with use, newest first.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/arena.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64, FIRST_BLOCK = 1 << 16, LARGEST_STEP = 1 << 24 };

typedef struct hawq_block {
    struct hawq_block *previous;
    size_t             capacity, used; /* bytes after the header */
    unsigned char     *bytes;
} hawq_block;

static atomic_long fail_countdown;

void hawq_arena_fail_at(long k) {
    atomic_store(&fail_countdown, k);
}

static bool request_fails(void) {
    return atomic_load(&fail_countdown) > 0 &&
           atomic_fetch_sub(&fail_countdown, 1) == 1;
}

static hawq_block *block_new(hawq_block *previous, size_t need) {
    size_t step = previous ? 2 * previous->capacity : FIRST_BLOCK;
    if (step > LARGEST_STEP) step = LARGEST_STEP;
    size_t capacity = need > step ? need : step;
    if (request_fails() || capacity > SIZE_MAX - 2 * ALIGN) return NULL;
    size_t head = (sizeof(hawq_block) + ALIGN - 1) / ALIGN * ALIGN;
    size_t whole = (head + capacity + ALIGN - 1) / ALIGN * ALIGN;
    void  *memory = aligned_alloc(ALIGN, whole);
    if (!memory) return NULL;
    hawq_block *block = memory;
    *block =
        (hawq_block){previous, capacity, 0, (unsigned char *)memory + head};
    return block;
}

/* The newest block has room for `bytes` from here on. */
static bool make_room(hawq_arena *arena, size_t bytes) {
    hawq_block *block = arena->last;
    if (block && block->capacity - block->used >= bytes) return true;
    block = block_new(block, bytes);
    if (block)
        arena->last = block;
    else
        hawq_fail(HAWQ_ENOMEM, "out of memory: %zu bytes requested", bytes);
    return block != NULL;
}

hawq_status hawq_arena_reserve(hawq_arena *arena, size_t bytes) {
    return make_room(arena, bytes) ? HAWQ_OK : HAWQ_ENOMEM;
}

size_t hawq_arena_bytes(const hawq_arena *arena) {
    size_t bytes = 0;
    for (const hawq_block *b = arena->last; b; b = b->previous)
        bytes += b->used;
    return bytes;
}

void *hawq_arena_take(hawq_arena *arena, size_t count, size_t size) {
    if (arena->limited && size && count > arena->left / size) {
        hawq_fail(HAWQ_EUNSUPPORTED,
                  "needs a table of %zu times %zu bytes, and no more than %zu "
                  "bytes are left for what is not in the file itself",
                  count, size, arena->left);
        return NULL;
    }
    if (arena->limited) arena->left -= count * size;
    if (size && count > (SIZE_MAX / 2) / size) {
        hawq_fail(HAWQ_ENOMEM, "out of memory: %zu items of %zu bytes", count,
                  size);
        return NULL;
    }
    size_t bytes = (count * size + ALIGN - 1) / ALIGN * ALIGN;
    if (!make_room(arena, bytes)) return NULL;
    void *taken = arena->last->bytes + arena->last->used;
    arena->last->used += bytes;
    return memset(taken, 0, bytes);
}

char *hawq_arena_string_n(hawq_arena *arena, const char *text, size_t n) {
    char *copy = hawq_arena_take(arena, n + 1, 1);
    return copy ? memcpy(copy, text, n) : NULL;
}

char *hawq_arena_string(hawq_arena *arena, const char *text) {
    return hawq_arena_string_n(arena, text, strlen(text));
}

void *hawq_arena_grow(hawq_arena *arena, void *array, size_t n, size_t size) {
    if (n && (n & (n - 1))) return array; /* full at 0, 1, 2, 4, 8, ... */
    void *grown = hawq_arena_take(arena, n ? 2 * n : 1, size);
    if (grown && n) memcpy(grown, array, n * size);
    return grown;
}

char *hawq_arena_format(hawq_arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int   n = vsnprintf(NULL, 0, format, args);
    char *text = n < 0 ? NULL : hawq_arena_take(arena, (size_t)n + 1, 1);
    if (text) vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

hawq_mark hawq_arena_mark(const hawq_arena *arena) {
    return (hawq_mark){arena->last, arena->last ? arena->last->used : 0};
}

void hawq_arena_reset(hawq_arena *arena, hawq_mark mark) {
    while (arena->last != mark.block) {
        hawq_block *previous = arena->last->previous;
        free(arena->last);
        arena->last = previous;
    }
    if (mark.block) mark.block->used = mark.used;
}

void hawq_arena_free(hawq_arena *arena) {
    hawq_arena_reset(arena, (hawq_mark){NULL, 0});
}
