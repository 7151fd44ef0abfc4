/* quantized.h -- a quantized weight: one layer's codes in one format.
 *
 * It is made once for a layer and a candidate (quantize.h). The analysis takes
 * its error from it, the search its bytes, the program its integers, the file
 * its bits; nothing quantizes again.
 *
 *     w[c][k] = s[c] * (m[c][g(k)] * level[code[c][k]] + outlier[c][k])
 *
 * c < rows are the layer's output channels, k < cols the inputs of one: row c
 * and column k are element ((k / inner) * channels + c) * inner + k % inner of
 * the layer's weight tensor.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_QUANTIZED_H
#define HAWQ_QUANTIZED_H
#include "src/graph/graph.h"
#include "src/quant/format.h"

typedef struct hawq_quantized {
    hawq_format format;
    size_t      rows, cols;
    int         n_levels;   /* of one table; 0: no codes */
    uint8_t    *code;       /* [rows][cols], each < n_levels; NULL: no codes */
    int8_t     *level;      /* [n_levels], or [rows][n_levels] if HAWQ_FITTED */
    real       *scale;      /* [rows], > 0 */
    uint8_t    *multiplier; /* [rows][n_groups], 1 .. 127; NULL: all are 1 */
    /* Outliers of row c are number start[c] to start[c + 1] - 1, at ascending
     * columns; all NULL where there are none. */
    int32_t *outlier_start, *outlier_at;
    int16_t *outlier;
    real    *values; /* [rows][cols] of a format without codes, else NULL */
    /* [rows]: the layer's bias after its correction, or NULL: the layer's */
    real *bias;
} hawq_quantized;

/* Element of the weight tensor at row c and column k. */
static inline size_t hawq_weight_at(const hawq_layer *l, size_t c, size_t k) {
    return (k / l->inner * l->channels + c) * l->inner + k % l->inner;
}

/* Groups of a row; 1 without groups. */
static inline size_t hawq_quantized_groups(const hawq_quantized *q) {
    size_t group = (size_t)q->format.group;
    return group ? (q->cols + group - 1) / group : 1;
}

/* An empty one: room for codes, scales 1, multipliers 1, the format's levels.
 * No outliers (hawq_quantized_keep_apart makes room) and no bias. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_quantized_new(const hawq_format *format,
                                              size_t rows, size_t cols,
                                              hawq_arena     *arena,
                                              hawq_quantized *out);

/* The levels of row c. */
static inline const int8_t *hawq_quantized_levels(const hawq_quantized *q,
                                                  size_t                c) {
    bool own = q->format.family == HAWQ_FITTED;
    return q->level + (own ? c * (size_t)q->n_levels : 0);
}

/* The integer m * level of one weight, -128 .. 127, without its outlier. */
static inline int hawq_quantized_integer(const hawq_quantized *q, size_t c,
                                         size_t k) {
    int m = q->multiplier ? q->multiplier[c * hawq_quantized_groups(q) +
                                          k / (size_t)q->format.group]
                          : 1;
    return m * hawq_quantized_levels(q, c)[q->code[c * q->cols + k]];
}

/* The weight at row c and column k, in double; looks for its outlier. */
double hawq_quantized_value(const hawq_quantized *q, size_t c, size_t k);

/* What the weights have become: values[i] for every element of the layer's
 * weight tensor, rounded to real. */
void hawq_quantized_decode(const hawq_quantized *q, const hawq_layer *layer,
                           real *values);

/* dw = decoded - w (unless dw is NULL), per_channel[c] = sum of its squares
 * over channel c (unless NULL); returns the sum over the layer, in channel
 * order. */
double hawq_quantized_error(const hawq_quantized *q, const hawq_layer *layer,
                            real *dw, double *per_channel);

/* Bytes in a file: packed codes, 4 per scale, 1 per multiplier, fitted levels,
 * 4 per outlier and 2 per row of them. The one count of search and benchmark.
 * Biases are the network's, not counted here. */
int64_t hawq_quantized_bytes(const hawq_quantized *q);
/* The same for a format before anything is quantized to it. */
int64_t hawq_format_bytes(const hawq_format *format, size_t rows, size_t cols);

/* How many weights a format keeps apart: the share, rounded. */
size_t hawq_format_outliers(const hawq_format *format, size_t rows,
                            size_t cols);

/* Room for the format's outliers, none set yet: start is all 0. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_quantized_keep_apart(hawq_quantized *q,
                                                     hawq_arena     *arena);

/* --- as bytes, for the database ----------------------------------------- */

/* The object as bytes that depend on nothing but its content (little end
 * first); codes packed as hawq_quantized_bytes counts them. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_quantized_save(const hawq_quantized *q,
                                               hawq_arena           *arena,
                                               uint8_t **bytes, size_t *n);

/* Reads it back. EFORMAT unless the bytes are whole, every code, level and
 * scale is in its range, and rows and cols are as expected. */
HAWQ_NODISCARD hawq_status hawq_quantized_load(const uint8_t *bytes, size_t n,
                                               size_t rows, size_t cols,
                                               hawq_arena     *arena,
                                               hawq_quantized *out);

#endif
