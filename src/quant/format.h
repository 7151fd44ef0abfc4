/* format.h -- how the codes of a quantized weight decode.
 *
 * Output channel c of a layer has inputs k, and its weights are
 *     w[c][k] = s[c] * m[c][g(k)] * level[code[c][k]]   (+ s[c] *
 * outlier[c][k]) with a float32 scale s, an integer multiplier m for every
 * `group` inputs in a row (1 without groups), and a table of int8 levels, |m *
 * level| <= 127 (or -128). So every format, uniform or not, is a table of small
 * integers, and one integer arithmetic serves all of them.
 *
 * Names, one for each row of the table in format.c:
 *     w8 ... w2    -n ... n, n = 2^(b-1) - 1: symmetric, narrow
 *     w8f ... w2f  -2^(b-1) ... 2^(b-1) - 1: full range
 *     w7c ... w2c  the odd numbers -(2^b - 1) ... 2^b - 1: centred, no zero; w1
 *                  is the binary one of them
 *     t            -1 0 1, five codes a byte (TWN, Li and Liu 2016)
 *     nf4          16 quantiles of a normal (QLoRA, Dettmers et al. 2023)
 *     log4 log3    0 and plus or minus powers of two (INQ, Zhou et al. 2017)
 *     k4 k3 k2     fitted to each channel (Deep Compression, Han et al. 2016)
 *     k4l k3l k2l  fitted to the layer: one table for all channels
 *     f16 float    stored in 16 or 32 bits; the layer runs in float
 * followed by g64 (groups of 64 inputs; GPTQ, AWQ) and +0.5% (that share of the
 * weights kept apart as 16-bit integers at the same scale; SqueezeLLM).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_FORMAT_H
#define HAWQ_FORMAT_H
#include "src/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HAWQ_LEVELS_MAX = 256, HAWQ_GROUP_LEAST = 8 };

typedef enum hawq_family {
    HAWQ_NARROW,
    HAWQ_FULL,
    HAWQ_CENTRED,
    HAWQ_TERNARY,
    HAWQ_NORMAL,
    HAWQ_LOG,
    HAWQ_FITTED,       /* levels of each channel's own */
    HAWQ_FITTED_LAYER, /* levels of the layer's own */
    HAWQ_UNCODED       /* no codes: 16 or 32 bits as they are */
} hawq_family;

typedef struct hawq_format {
    hawq_family family;
    int         bits;     /* of a code, 1 .. 8; 16 or 32 for HAWQ_UNCODED */
    int         group;    /* inputs that share a multiplier; 0: no groups */
    double      outliers; /* share of the weights kept apart, 0 .. 0.1 */
} hawq_format;

/* Reads a format at *text and moves *text behind it. EINVAL with a sentence
 * that quotes the text and lists what there is. */
HAWQ_NODISCARD hawq_status hawq_format_read(const char **text,
                                            hawq_format *out);

/* "w4g64+0.5%": the name that hawq_format_read reads, into text. */
enum { HAWQ_FORMAT_TEXT = 32 };
const char *hawq_format_text(const hawq_format *format,
                             char               text[HAWQ_FORMAT_TEXT]);

/* "w8 ... log3": every name without suffixes, for help and messages. */
const char *hawq_format_names(void);

/* The integer levels, ascending, into level[0 .. n); returns n. For fitted
 * families, whose levels are not known yet, evenly spaced ones from -127 to
 * 127. 0 for HAWQ_UNCODED. */
int hawq_format_levels(const hawq_format *format,
                       int8_t             level[HAWQ_LEVELS_MAX]);

static inline bool hawq_format_is_uncoded(const hawq_format *f) {
    return f->family == HAWQ_UNCODED;
}
static inline bool hawq_format_is_fitted(const hawq_format *f) {
    return f->family == HAWQ_FITTED || f->family == HAWQ_FITTED_LAYER;
}
/* Levels at equal distances: what a packed integer tensor of another runtime
 * can hold. */
bool hawq_format_is_uniform(const hawq_format *format);

/* Bits that a weight takes in the file without scales, levels and outliers: the
 * bits of a code, 1.6 of a ternary one. */
double hawq_format_stored_bits(const hawq_format *format);

bool hawq_format_equal(const hawq_format *a, const hawq_format *b);

#endif
