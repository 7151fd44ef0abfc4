/* c_text.c -- see c_text.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/exchange/c_text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LINE = 256, WIDTH = 78 };

static bool make_room(c_text *t, size_t n) {
    size_t room = t->room ? t->room : 4096;
    if (t->status != HAWQ_OK) return false;
    if (t->n + n < t->room) return true;
    while (room <= t->n + n) room *= 2;
    char *wider = hawq_arena_take(t->arena, room, 1);
    if (!wider) {
        t->status = HAWQ_ENOMEM;
        return false;
    }
    if (t->n) memcpy(wider, t->text, t->n);
    t->text = wider;
    t->room = room;
    return true;
}

void hawq_text_append(c_text *t, const char *text, size_t n) {
    if (!make_room(t, n)) return;
    memcpy(t->text + t->n, text, n);
    t->n += n;
}

static bool is_letter(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

/* Is text[i] the beginning of the word "net" or "NET", which '_' may end? */
static bool is_net(const char *text, size_t i) {
    return (!strncmp(text + i, "net", 3) || !strncmp(text + i, "NET", 3)) &&
           !isalnum((unsigned char)text[i + 3]) &&
           !(i && is_letter(text[i - 1]));
}

void hawq_text_fixed(c_text *t, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        bool named = t->name && is_net(text, i), upper = text[i] == 'N';
        if (!named) {
            hawq_text_append(t, text + i, 1);
            continue;
        }
        for (const char *c = t->name; *c; c++) {
            char letter = upper ? (char)toupper((unsigned char)*c) : *c;
            hawq_text_append(t, &letter, 1);
        }
        i += 2;
    }
}

/* The format under the text's name; NULL if there is no memory. */
static const char *renamed(c_text *t, const char *format) {
    c_text other = {.arena = t->arena, .name = t->name};
    if (!t->name) return format;
    hawq_text_fixed(&other, format, strlen(format) + 1);
    if (other.status != HAWQ_OK) t->status = other.status;
    return other.status == HAWQ_OK ? other.text : NULL;
}

void hawq_text_add(c_text *t, const char *format, ...) {
    va_list args, again;
    char    line[LINE];
    format = renamed(t, format);
    if (!format) return;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(line, sizeof line, format, args);
    if (n > 0 && n < LINE)
        hawq_text_append(t, line, (size_t)n);
    else if (n > 0 && make_room(t, (size_t)n + 1))
        t->n += (size_t)vsnprintf(t->text + t->n, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
}

void hawq_text_name(c_text *t, const char *name) {
    for (; *name; name++) {
        bool plain = isalnum((unsigned char)*name) ||
                     strchr("_.:+%- ", *name) ||
                     (*name == '/' && name[1] != '/' && name[1] != '*');
        hawq_text_append(t, plain ? name : "_", 1);
    }
}

void hawq_text_float(c_text *t, float v) {
    char text[32];
    snprintf(text, sizeof text, "%.9g", (double)v);
    hawq_text_add(t, "%s%sf", text, strpbrk(text, ".e") ? "" : ".0");
}

/* --- arrays ------------------------------------------------------------ */

/* A number behind those of its line, or on the next one. */
static void item(c_text *t, size_t i, size_t *column, const char *number) {
    size_t n = strlen(number) + 1;
    if (!i || *column + n + 1 > WIDTH) {
        hawq_text_add(t, "%s\n   ", i ? "," : "");
        *column = 3;
    } else {
        hawq_text_append(t, ",", 1);
    }
    hawq_text_add(t, " %s", number);
    *column += n + 1;
}

static void open_array(c_text *t, const char *type, size_t size,
                       const char *name, size_t n) {
    t->array_bytes += n * size;
    hawq_text_add(t, "static const %s %s[%zu] = {", type, name, n);
}

static long read_u8(const void *v, size_t i) {
    return ((const uint8_t *)v)[i];
}
static long read_s8(const void *v, size_t i) {
    return ((const int8_t *)v)[i];
}
static long read_s16(const void *v, size_t i) {
    return ((const int16_t *)v)[i];
}
static long read_s32(const void *v, size_t i) {
    return ((const int32_t *)v)[i];
}

static void integers(c_text *t, size_t n, const void *v,
                     long (*read)(const void *, size_t)) {
    size_t column = 0;
    char   number[32];
    for (size_t i = 0; i < n; i++) {
        snprintf(number, sizeof number, "%ld", read(v, i));
        item(t, i, &column, number);
    }
    hawq_text_add(t, "};\n");
}

void hawq_text_u8(c_text *t, const char *name, size_t n, const uint8_t *v) {
    open_array(t, "uint8_t", sizeof *v, name, n);
    integers(t, n, v, read_u8);
}

void hawq_text_s8(c_text *t, const char *name, size_t n, const int8_t *v) {
    open_array(t, "int8_t", sizeof *v, name, n);
    integers(t, n, v, read_s8);
}

void hawq_text_s16(c_text *t, const char *name, size_t n, const int16_t *v) {
    open_array(t, "int16_t", sizeof *v, name, n);
    integers(t, n, v, read_s16);
}

void hawq_text_s32(c_text *t, const char *name, size_t n, const int32_t *v) {
    open_array(t, "int32_t", sizeof *v, name, n);
    integers(t, n, v, read_s32);
}

void hawq_text_f32(c_text *t, const char *name, size_t n, const float *v) {
    open_array(t, "float", sizeof *v, name, n);
    for (size_t i = 0; i < n; i++) {
        hawq_text_add(t, i % 5 ? ", " : i ? ",\n    " : "\n    ");
        hawq_text_float(t, v[i]);
    }
    hawq_text_add(t, "};\n");
}
