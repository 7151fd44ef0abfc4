/* c_weights.c -- see c_weights.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/exchange/c_weights.h"

#include "kernels/arith.h"

#include <string.h>

/* Input k, in the order of the quantized weight, at place p of a row. */
static size_t input_of(const hawq_weights *w, size_t cols, size_t p) {
    size_t channels = w->row_channels;
    return p % channels * (cols / channels) + p / channels;
}

static uint8_t code_at(const hawq_weights *w, const hawq_quantized *q, size_t c,
                       size_t p) {
    return q->code[c * q->cols + input_of(w, q->cols, p)];
}

/* Does the row of every channel hold m * level, as q says? */
static bool is_unchanged(const hawq_weights *w, const hawq_quantized *q) {
    for (size_t c = 0; c < q->rows; c++)
        for (size_t p = 0; p < q->cols; p++)
            if (w->weights[c * q->cols + p] !=
                hawq_quantized_integer(q, c, input_of(w, q->cols, p)))
                return false;
    return true;
}

/* A table for every channel: what its codes have become. */
static hawq_status own_tables(const hawq_weights *w, const hawq_quantized *q,
                              hawq_arena *arena, c_weights *out) {
    int8_t *level;
    size_t  n = out->n_levels;
    HAWQ_TAKE(level, arena, q->rows * n);
    for (size_t c = 0; c < q->rows; c++) {
        memcpy(level + c * n, hawq_quantized_levels(q, c), n);
        for (size_t p = 0; p < q->cols; p++)
            level[c * n + code_at(w, q, c, p)] = w->weights[c * q->cols + p];
    }
    out->level = level;
    out->own_levels = n;
    return HAWQ_OK;
}

static hawq_status pack_codes(const hawq_weights *w, const hawq_quantized *q,
                              hawq_arena *arena, c_weights *out) {
    size_t   n = q->rows * q->cols;
    uint8_t *codes;
    out->n_codes =
        out->bits ? hawq_packed_bytes(n, out->bits) : hawq_trit_bytes(n);
    HAWQ_TAKE(codes, arena, out->n_codes);
    for (size_t i = 0; i < n; i++) {
        uint8_t code = code_at(w, q, i / q->cols, i % q->cols);
        if (out->bits)
            hawq_pack(codes, i, out->bits, code);
        else
            hawq_pack_trit(codes, i, code);
    }
    out->codes = codes;
    return HAWQ_OK;
}

hawq_status hawq_c_weights_pack(const hawq_weights *w, const hawq_quantized *q,
                                hawq_arena *arena, c_weights *out) {
    bool unchanged = is_unchanged(w, q);
    *out = (c_weights){.bits = 8, .plain = w->weights};
    if (q->format.bits == 8 || (q->multiplier && !unchanged)) return HAWQ_OK;
    *out = (c_weights){
        .bits = q->format.family == HAWQ_TERNARY ? 0 : q->format.bits,
        .level = q->level,
        .n_levels = (size_t)q->n_levels,
        .multiplier = q->multiplier,
        .group = (size_t)q->format.group,
        .n_groups = hawq_quantized_groups(q)};
    if (!unchanged)
        HAWQ_TRY(own_tables(w, q, arena, out));
    else if (q->format.family == HAWQ_FITTED)
        out->own_levels = out->n_levels;
    return pack_codes(w, q, arena, out);
}
