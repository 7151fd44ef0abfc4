/* arena.h -- all heap memory of the library.
 *
 * An arena is a growable chain of blocks; what is taken from it lives until
 * the arena is freed or reset to an earlier mark. Memory is zeroed and aligned
 * to 64 bytes. There is no single-object free: one owner, one arena.
 *
 *     hawq_arena a = {0};
 *     float *x;
 *     HAWQ_TAKE(x, &a, n);              returns HAWQ_ENOMEM from the function
 *     hawq_arena_free(&a);
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_ARENA_H
#define HAWQ_ARENA_H
#include "src/base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct hawq_arena {
    struct hawq_block *last;    /* newest block; blocks link backwards */
    bool               limited; /* then no more than `left` bytes are given: */
    size_t             left;    /* what asks for more gets NULL, EUNSUPPORTED */
} hawq_arena;

typedef struct hawq_mark {
    struct hawq_block *block;
    size_t             used;
} hawq_mark;

/* count * size zeroed bytes, or NULL with HAWQ_ENOMEM recorded (also when the
 * product overflows). A zero-sized request returns a valid pointer. */
void *hawq_arena_take(hawq_arena *arena, size_t count, size_t size);

/* Copies a string, or its first n bytes, into the arena; NULL if no memory. */
char *hawq_arena_string(hawq_arena *arena, const char *text);
char *hawq_arena_string_n(hawq_arena *arena, const char *text, size_t n);

/* An array with room for one more item after the n it has: the same one, or a
 * copy of twice the size when n is a power of two. For arrays that grow by one
 * and were made by this function (n = 0: array is not looked at). NULL if no
 * memory. */
void *hawq_arena_grow(hawq_arena *arena, void *array, size_t n, size_t size);

/* Formats into the arena; NULL if no memory. */
char *hawq_arena_format(hawq_arena *arena, const char *format, ...)
    HAWQ_PRINTF(2, 3);

/* Makes room: the next `bytes` taken (each item rounded up to 64) need no block
 * and so cannot fail. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_arena_reserve(hawq_arena *arena, size_t bytes);

/* Bytes taken so far, each item rounded up to 64. */
size_t hawq_arena_bytes(const hawq_arena *arena);

/* Everything taken after the mark is given back by the reset. */
hawq_mark hawq_arena_mark(const hawq_arena *arena);
void      hawq_arena_reset(hawq_arena *arena, hawq_mark mark);

/* Frees all; the arena is empty and usable again. */
void hawq_arena_free(hawq_arena *arena);

/* Tests only: the k-th block request from now on fails (1 = the next);
 * 0 switches it off. Process-wide. */
void hawq_arena_fail_at(long k);

#define HAWQ_TAKE(pointer, arena, count)                                       \
    do {                                                                       \
        (pointer) = hawq_arena_take((arena), (count), sizeof *(pointer));      \
        if (!(pointer)) return HAWQ_ENOMEM;                                    \
    } while (0)

#endif
