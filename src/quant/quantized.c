/* quantized.c -- see quantized.h: room, decoding, errors and bytes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/quantized.h"

#include <math.h>
#include <string.h>

hawq_status hawq_quantized_new(const hawq_format *format, size_t rows,
                               size_t cols, hawq_arena *arena,
                               hawq_quantized *out) {
    int8_t         level[HAWQ_LEVELS_MAX];
    hawq_quantized q = {.format = *format, .rows = rows, .cols = cols};
    q.n_levels = hawq_format_levels(format, level);
    HAWQ_TAKE(q.scale, arena, rows);
    for (size_t c = 0; c < rows; c++) q.scale[c] = 1;
    if (!q.n_levels) {
        HAWQ_TAKE(q.values, arena, rows * cols);
        *out = q;
        return HAWQ_OK;
    }
    size_t n = (size_t)q.n_levels;
    size_t tables = format->family == HAWQ_FITTED ? rows : 1;
    HAWQ_TAKE(q.code, arena, rows * cols);
    HAWQ_TAKE(q.level, arena, tables * n);
    for (size_t i = 0; i < tables; i++) memcpy(q.level + i * n, level, n);
    if (format->group) {
        size_t groups = rows * hawq_quantized_groups(&q);
        HAWQ_TAKE(q.multiplier, arena, groups);
        memset(q.multiplier, 1, groups);
    }
    *out = q;
    return HAWQ_OK;
}

size_t hawq_format_outliers(const hawq_format *format, size_t rows,
                            size_t cols) {
    return (size_t)rint(format->outliers * (double)(rows * cols));
}

hawq_status hawq_quantized_keep_apart(hawq_quantized *q, hawq_arena *arena) {
    size_t n = hawq_format_outliers(&q->format, q->rows, q->cols);
    HAWQ_TAKE(q->outlier_start, arena, q->rows + 1);
    HAWQ_TAKE(q->outlier_at, arena, n);
    HAWQ_TAKE(q->outlier, arena, n);
    return HAWQ_OK;
}

/* --- values ------------------------------------------------------------ */

/* Rows are decoded in pieces that need no memory of the heap. */
enum { PIECE = 512 };

/* s m level[code], or the value itself of a format without codes; and, where
 * weights are kept apart, s times what their codes miss. */
static void decode_piece(const hawq_quantized *q, size_t c, size_t from,
                         size_t n, double *piece) {
    double s = (double)q->scale[c];
    for (size_t k = 0; k < n; k++)
        piece[k] = q->values ? (double)q->values[c * q->cols + from + k]
                             : s * hawq_quantized_integer(q, c, from + k);
    if (!q->outlier_start) return;
    for (int32_t i = q->outlier_start[c]; i < q->outlier_start[c + 1]; i++) {
        size_t k = (size_t)q->outlier_at[i];
        if (k >= from && k < from + n) piece[k - from] += s * q->outlier[i];
    }
}

double hawq_quantized_value(const hawq_quantized *q, size_t c, size_t k) {
    double v;
    decode_piece(q, c, k, 1, &v);
    return v;
}

void hawq_quantized_decode(const hawq_quantized *q, const hawq_layer *layer,
                           real *values) {
    double piece[PIECE];
    for (size_t c = 0; c < q->rows; c++)
        for (size_t from = 0; from < q->cols; from += PIECE) {
            size_t n = q->cols - from < PIECE ? q->cols - from : PIECE;
            decode_piece(q, c, from, n, piece);
            for (size_t k = 0; k < n; k++)
                values[hawq_weight_at(layer, c, from + k)] = (real)piece[k];
        }
}

double hawq_quantized_error(const hawq_quantized *q, const hawq_layer *layer,
                            real *dw, double *per_channel) {
    const real *w = layer->weight->data;
    double      piece[PIECE], total = 0;
    for (size_t c = 0; c < q->rows; c++) {
        double sum = 0;
        for (size_t from = 0; from < q->cols; from += PIECE) {
            size_t n = q->cols - from < PIECE ? q->cols - from : PIECE;
            decode_piece(q, c, from, n, piece);
            for (size_t k = 0; k < n; k++) {
                size_t at = hawq_weight_at(layer, c, from + k);
                double d = piece[k] - (double)w[at];
                if (dw) dw[at] = (real)d;
                sum += d * d;
            }
        }
        if (per_channel) per_channel[c] = sum;
        total += sum;
    }
    return total;
}

/* --- bytes ------------------------------------------------------------- */

/* Packed without gaps: 3^5 = 243 ternary codes fit a byte, five at a time. */
static int64_t code_bytes(const hawq_format *f, size_t n) {
    if (f->family == HAWQ_TERNARY) return (int64_t)((n + 4) / 5);
    return (int64_t)((n * (size_t)f->bits + 7) / 8);
}

/* Codes, then 4 bytes for each channel's scale, 1 for each group's multiplier,
 * 1 for each fitted level, and for what is kept apart 2 of its place, 2 of its
 * value and 2 a row for where the row begins. */
static int64_t count(const hawq_format *f, size_t rows, size_t cols,
                     size_t outliers) {
    int8_t  level[HAWQ_LEVELS_MAX];
    int64_t bytes = code_bytes(f, rows * cols);
    if (hawq_format_is_uncoded(f)) return bytes;
    bytes += 4 * (int64_t)rows;
    if (f->group) {
        size_t groups = (cols + (size_t)f->group - 1) / (size_t)f->group;
        bytes += (int64_t)(rows * groups);
    }
    if (hawq_format_is_fitted(f)) {
        size_t tables = f->family == HAWQ_FITTED ? rows : 1;
        bytes += (int64_t)tables * hawq_format_levels(f, level);
    }
    if (outliers) bytes += 4 * (int64_t)outliers + 2 * (int64_t)rows;
    return bytes;
}

int64_t hawq_quantized_bytes(const hawq_quantized *q) {
    size_t outliers = q->outlier_start ? (size_t)q->outlier_start[q->rows] : 0;
    return count(&q->format, q->rows, q->cols, outliers);
}

int64_t hawq_format_bytes(const hawq_format *format, size_t rows, size_t cols) {
    return count(format, rows, cols, hawq_format_outliers(format, rows, cols));
}
