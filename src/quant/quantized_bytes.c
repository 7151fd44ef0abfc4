/* quantized_bytes.c -- a quantized weight as bytes, and back.
 *
 *     "HQZ1", bytes of a real (4 or 8), length of the format's name, the name,
 *     rows and cols (8 bytes each), number of outliers (4), parts (1: the
 *     multipliers 1, outliers 2, bias 4); then what there is of
 *     codes, packed without gaps over all rows, ternary ones five to a byte;
 *     levels, where they are fitted; scales; multipliers; for every row the
 *     number of its outliers, their columns, their values; values of a format
 *     without codes; the bias; and FNV-1a (64 bits) of all bytes before.
 *
 * Little end first. A changed byte changes the hash whatever follows it, for
 * every step of it can be undone.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/arith.h"
#include "src/quant/half.h"
#include "src/quant/quantized.h"

#include <math.h>
#include <string.h>

enum { MULTIPLIERS = 1, OUTLIERS = 2, BIAS = 4, PARTS = 7 };

static const char magic[4] = {'H', 'Q', 'Z', '1'};

/* Bytes of an outlier's column, and of the number of a row's outliers. */
static int place_bytes(const hawq_quantized *q) {
    return q->cols > 65535 ? 4 : 2;
}

static bool is_ternary(const hawq_quantized *q) {
    return q->format.family == HAWQ_TERNARY;
}

static size_t code_bytes(const hawq_quantized *q) {
    size_t n = q->rows * q->cols;
    return is_ternary(q) ? hawq_trit_bytes(n)
                         : hawq_packed_bytes(n, q->format.bits);
}

static size_t level_bytes(const hawq_quantized *q) {
    if (!hawq_format_is_fitted(&q->format)) return 0;
    return (size_t)q->n_levels *
           (q->format.family == HAWQ_FITTED ? q->rows : 1);
}

static uint64_t hash(const uint8_t *bytes, size_t n) {
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++) h = (h ^ bytes[i]) * 1099511628211u;
    return h;
}

/* --- saving ---------------------------------------------------------------
 */

/* Counts where bytes is NULL, else writes. */
typedef struct writer {
    uint8_t *bytes;
    size_t   n;
} writer;

static void put(writer *w, uint64_t value, int n) {
    for (int i = 0; i < n; i++, w->n++)
        if (w->bytes) w->bytes[w->n] = (uint8_t)(value >> (8 * i));
}

static void put_bytes(writer *w, const void *from, size_t n) {
    if (w->bytes && n) memcpy(w->bytes + w->n, from, n);
    w->n += n;
}

static void put_real(writer *w, real x) {
    double   wide = (double)x;
    float    narrow = (float)x;
    uint64_t bits = 0;
    uint32_t few;
    memcpy(&few, &narrow, sizeof few);
    memcpy(&bits, &wide, sizeof bits);
    put(w, sizeof x == 4 ? few : bits, sizeof x);
}

static void put_reals(writer *w, const real *x, size_t n) {
    for (size_t i = 0; i < n; i++) put_real(w, x[i]);
}

static void put_head(writer *w, const hawq_quantized *q, size_t outliers) {
    char        text[HAWQ_FORMAT_TEXT];
    const char *name = hawq_format_text(&q->format, text);
    put_bytes(w, magic, sizeof magic);
    put(w, sizeof(real), 1);
    put(w, strlen(name), 1);
    put_bytes(w, name, strlen(name));
    put(w, q->rows, 8);
    put(w, q->cols, 8);
    put(w, outliers, 4);
    put(w,
        (q->multiplier ? MULTIPLIERS : 0u) |
            (q->outlier_start ? OUTLIERS : 0u) | (q->bias ? BIAS : 0u),
        1);
}

static void put_codes(writer *w, const hawq_quantized *q) {
    uint8_t *to = w->bytes ? w->bytes + w->n : NULL;
    w->n += code_bytes(q);
    for (size_t i = 0; to && i < q->rows * q->cols; i++) {
        if (is_ternary(q))
            hawq_pack_trit(to, i, q->code[i]);
        else
            hawq_pack(to, i, q->format.bits, q->code[i]);
    }
}

static void put_outliers(writer *w, const hawq_quantized *q, size_t n) {
    int size = place_bytes(q);
    for (size_t c = 0; c < q->rows; c++)
        put(w, (uint64_t)(q->outlier_start[c + 1] - q->outlier_start[c]), size);
    for (size_t i = 0; i < n; i++) put(w, (uint64_t)q->outlier_at[i], size);
    for (size_t i = 0; i < n; i++) put(w, (uint16_t)q->outlier[i], 2);
}

static void put_values(writer *w, const hawq_quantized *q) {
    for (size_t i = 0; i < q->rows * q->cols; i++) {
        if (q->format.bits == 16)
            put(w, hawq_half_bits((float)q->values[i]), 2);
        else
            put_real(w, q->values[i]);
    }
}

static void put_all(writer *w, const hawq_quantized *q) {
    size_t n = q->outlier_start ? (size_t)q->outlier_start[q->rows] : 0;
    put_head(w, q, n);
    if (q->code) {
        put_codes(w, q);
        put_bytes(w, q->level, level_bytes(q));
        put_reals(w, q->scale, q->rows);
    }
    if (q->multiplier)
        put_bytes(w, q->multiplier, q->rows * hawq_quantized_groups(q));
    if (q->outlier_start) put_outliers(w, q, n);
    if (q->values) put_values(w, q);
    if (q->bias) put_reals(w, q->bias, q->rows);
    put(w, w->bytes ? hash(w->bytes, w->n) : 0, 8);
}

hawq_status hawq_quantized_save(const hawq_quantized *q, hawq_arena *arena,
                                uint8_t **bytes, size_t *n) {
    writer w = {0};
    put_all(&w, q);
    uint8_t *to;
    HAWQ_TAKE(to, arena, w.n);
    w = (writer){.bytes = to};
    put_all(&w, q);
    *bytes = to;
    *n = w.n;
    return HAWQ_OK;
}

/* --- loading --------------------------------------------------------------
 */

typedef struct reader {
    const uint8_t *bytes;
    size_t         n, at;
    size_t         outliers;
    unsigned       parts;
} reader;

static hawq_status damaged(const char *what) {
    return hawq_fail(HAWQ_EFORMAT,
                     "the stored codes of a layer are damaged: %s; run the "
                     "program that made them again",
                     what);
}

static hawq_status need(const reader *r, size_t n) {
    return n <= r->n - r->at ? HAWQ_OK : damaged("bytes are missing");
}

/* The next n <= 8 bytes, which are there. */
static uint64_t take(reader *r, int n) {
    uint64_t value = 0;
    for (int i = 0; i < n; i++) value |= (uint64_t)r->bytes[r->at++] << (8 * i);
    return value;
}

static hawq_status read_reals(reader *r, size_t n, real *out) {
    HAWQ_TRY(need(r, n * sizeof *out));
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = take(r, sizeof *out);
        uint32_t few = (uint32_t)bits;
        double   wide;
        float    narrow;
        memcpy(&narrow, &few, sizeof narrow);
        memcpy(&wide, &bits, sizeof wide);
        out[i] = sizeof *out == 4 ? (real)narrow : (real)wide;
        if (!isfinite((double)out[i])) return damaged("a number is not finite");
    }
    return HAWQ_OK;
}

static hawq_status read_format(reader *r, hawq_format *out) {
    char        text[HAWQ_FORMAT_TEXT] = "";
    const char *at = text;
    HAWQ_TRY(need(r, sizeof magic + 2));
    if (memcmp(r->bytes, magic, sizeof magic))
        return damaged("they do not begin as they should");
    r->at += sizeof magic;
    if (take(r, 1) != sizeof(real))
        return damaged("their numbers have another precision");
    size_t length = (size_t)take(r, 1);
    if (length >= sizeof text) return damaged("the format has no such name");
    HAWQ_TRY(need(r, length));
    memcpy(text, r->bytes + r->at, length);
    r->at += length;
    if (hawq_format_read(&at, out) != HAWQ_OK || *at)
        return damaged("their format is unknown");
    return HAWQ_OK;
}

static hawq_status read_head(reader *r, size_t rows, size_t cols,
                             hawq_format *format) {
    HAWQ_TRY(read_format(r, format));
    HAWQ_TRY(need(r, 8 + 8 + 4 + 1));
    uint64_t has_rows = take(r, 8), has_cols = take(r, 8);
    if (has_rows != rows || has_cols != cols)
        return hawq_fail(HAWQ_EFORMAT,
                         "the stored codes have %llu rows of %llu, the layer "
                         "%zu of %zu",
                         (unsigned long long)has_rows,
                         (unsigned long long)has_cols, rows, cols);
    r->outliers = (size_t)take(r, 4);
    r->parts = (unsigned)take(r, 1);
    bool multipliers = (r->parts & MULTIPLIERS) != 0;
    bool outliers = (r->parts & OUTLIERS) != 0;
    if (r->parts > PARTS || multipliers != (format->group > 0) ||
        (outliers && !(format->outliers > 0)) ||
        (r->outliers && (!outliers || r->outliers > rows * cols)))
        return damaged("their parts do not belong together");
    return HAWQ_OK;
}

static hawq_status read_codes(reader *r, hawq_quantized *q) {
    size_t         n = q->rows * q->cols;
    const uint8_t *from = r->bytes + r->at;
    HAWQ_TRY(need(r, code_bytes(q)));
    r->at += code_bytes(q);
    for (size_t i = 0; i < n; i++) {
        q->code[i] = is_ternary(q) ? hawq_unpack_trit(from, i)
                                   : hawq_unpack(from, i, q->format.bits);
        if (q->code[i] >= q->n_levels) return damaged("a code has no level");
    }
    return HAWQ_OK;
}

/* Those of fitted formats; all others have theirs from the format. */
static hawq_status read_levels(reader *r, hawq_quantized *q) {
    size_t n = level_bytes(q);
    HAWQ_TRY(need(r, n));
    if (n) memcpy(q->level, r->bytes + r->at, n);
    r->at += n;
    for (size_t i = 1; i < n; i++)
        if (i % (size_t)q->n_levels && q->level[i] < q->level[i - 1])
            return damaged("the levels do not ascend");
    return HAWQ_OK;
}

static hawq_status read_scales(reader *r, hawq_quantized *q) {
    HAWQ_TRY(read_reals(r, q->rows, q->scale));
    for (size_t c = 0; c < q->rows; c++)
        if (!(q->scale[c] > 0)) return damaged("a scale is not positive");
    return HAWQ_OK;
}

static hawq_status read_multipliers(reader *r, hawq_quantized *q) {
    size_t n = q->rows * hawq_quantized_groups(q);
    if (!q->multiplier) return HAWQ_OK;
    HAWQ_TRY(need(r, n));
    memcpy(q->multiplier, r->bytes + r->at, n);
    r->at += n;
    for (size_t i = 0; i < n; i++)
        if (q->multiplier[i] < 1 || q->multiplier[i] > 127)
            return damaged("a multiplier is out of range");
    for (size_t c = 0; c < q->rows; c++)
        for (size_t k = 0; k < q->cols; k++) {
            int v = hawq_quantized_integer(q, c, k);
            if (v < -128 || v > 127)
                return damaged("a multiple of a level is out of range");
        }
    return HAWQ_OK;
}

/* The columns of a row ascend, and every row has as many as it says. */
static hawq_status check_outliers(const hawq_quantized *q) {
    for (size_t c = 0; c < q->rows; c++)
        for (int32_t i = q->outlier_start[c]; i < q->outlier_start[c + 1]; i++)
            if (q->outlier_at[i] < 0 || (size_t)q->outlier_at[i] >= q->cols ||
                (i > q->outlier_start[c] &&
                 q->outlier_at[i] <= q->outlier_at[i - 1]))
                return damaged("an outlier is out of place");
    return HAWQ_OK;
}

static hawq_status read_outliers(reader *r, hawq_arena *arena,
                                 hawq_quantized *q) {
    size_t n = r->outliers, size = (size_t)place_bytes(q), sum = 0;
    if (!(r->parts & OUTLIERS)) return HAWQ_OK;
    HAWQ_TRY(need(r, q->rows * size + n * (size + 2)));
    HAWQ_TAKE(q->outlier_start, arena, q->rows + 1);
    HAWQ_TAKE(q->outlier_at, arena, n);
    HAWQ_TAKE(q->outlier, arena, n);
    for (size_t c = 0; c < q->rows; c++) {
        sum += (size_t)take(r, (int)size);
        if (sum > n) return damaged("a row has too many outliers");
        q->outlier_start[c + 1] = (int32_t)sum;
    }
    if (sum != n) return damaged("outliers are missing");
    for (size_t i = 0; i < n; i++)
        q->outlier_at[i] = (int32_t)take(r, (int)size);
    for (size_t i = 0; i < n; i++) {
        int value = (int)take(r, 2);
        q->outlier[i] = (int16_t)(value > 32767 ? value - 65536 : value);
    }
    return check_outliers(q);
}

static hawq_status read_values(reader *r, hawq_quantized *q) {
    size_t n = q->rows * q->cols;
    if (q->format.bits != 16) return read_reals(r, n, q->values);
    HAWQ_TRY(need(r, 2 * n));
    for (size_t i = 0; i < n; i++) {
        uint16_t bits = (uint16_t)take(r, 2);
        if ((bits >> 10 & 31) == 31) return damaged("a number is not finite");
        q->values[i] = (real)hawq_half_value(bits);
    }
    return HAWQ_OK;
}

static hawq_status read_parts(reader *r, hawq_arena *arena, hawq_quantized *q) {
    if (q->code) {
        HAWQ_TRY(read_codes(r, q));
        HAWQ_TRY(read_levels(r, q));
        HAWQ_TRY(read_scales(r, q));
    }
    HAWQ_TRY(read_multipliers(r, q));
    HAWQ_TRY(read_outliers(r, arena, q));
    if (q->values) HAWQ_TRY(read_values(r, q));
    if (r->parts & BIAS) {
        HAWQ_TAKE(q->bias, arena, q->rows);
        HAWQ_TRY(read_reals(r, q->rows, q->bias));
    }
    return r->at == r->n ? HAWQ_OK : damaged("there are bytes too many");
}

hawq_status hawq_quantized_load(const uint8_t *bytes, size_t n, size_t rows,
                                size_t cols, hawq_arena *arena,
                                hawq_quantized *out) {
    enum { HASH = 8 };
    hawq_format    format;
    hawq_quantized q;
    if (n < HASH) return damaged("bytes are missing");
    reader r = {.bytes = bytes, .n = n};
    r.at = n - HASH;
    if (take(&r, HASH) != hash(bytes, n - HASH))
        return damaged("they are not what was stored");
    r.n = n - HASH;
    r.at = 0;
    HAWQ_TRY(read_head(&r, rows, cols, &format));
    HAWQ_TRY(hawq_quantized_new(&format, rows, cols, arena, &q));
    HAWQ_TRY(read_parts(&r, arena, &q));
    *out = q;
    return HAWQ_OK;
}
