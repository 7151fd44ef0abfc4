/* c_text.h -- text of a C file that grows in memory; for src/exchange only.
 *
 * A failure for want of memory is kept and told at the end, so that writing
 * reads as a list. Texts of this folder call what is visible outside the file
 * net_run, NET_INPUTS, net.h: where a text has a name, that stands for "net".
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_C_TEXT_H
#define HAWQ_C_TEXT_H
#include "src/base/arena.h"

#include <stdint.h>

typedef struct c_text {
    hawq_arena *arena;
    const char *name; /* for "net", in capitals for "NET"; NULL: as it is */
    char       *text;
    size_t      n, room;
    hawq_status status;
    size_t      array_bytes; /* of all arrays so far */
} c_text;

/* Appends formatted text, n characters of a fixed text, or any n characters;
 * with the name in the format and in the fixed text. */
void hawq_text_add(c_text *t, const char *format, ...) HAWQ_PRINTF(2, 3);
void hawq_text_fixed(c_text *t, const char *text, size_t n);
void hawq_text_append(c_text *t, const char *text, size_t n);

/* Appends a name from a network as it may stand in a comment: what is neither
 * letter, digit nor one of "_./:+%- " becomes '_'. */
void hawq_text_name(c_text *t, const char *name);

/* "static const TYPE NAME[n] = {...};" of n >= 1 numbers. */
void hawq_text_u8(c_text *t, const char *name, size_t n, const uint8_t *v);
void hawq_text_s8(c_text *t, const char *name, size_t n, const int8_t *v);
void hawq_text_s16(c_text *t, const char *name, size_t n, const int16_t *v);
void hawq_text_s32(c_text *t, const char *name, size_t n, const int32_t *v);
void hawq_text_f32(c_text *t, const char *name, size_t n, const float *v);

/* A float32 that reads back as the same bits: "0.100000001f". */
void hawq_text_float(c_text *t, float v);

#endif
