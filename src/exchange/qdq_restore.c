/* qdq_restore.c -- quantized weights and maps from a graph whose file had them.
 *
 * What counts is the integers: in whatever format they are read, the program
 * computes the same. The format says what the layer weighs, so the file's own
 * word for it is tried first, then the formats from few levels to many.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/exchange/qdq.h"
#include "src/quant/method.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The integers of one layer by rows, as hawq_quantized has its codes. */
typedef struct rows {
    size_t   rows, cols;
    int32_t *value;
} rows;

/* --- from integers to codes ---------------------------------------------- */

static int by_value(const void *a, const void *b) {
    int x = *(const int8_t *)a, y = *(const int8_t *)b;
    return x - y;
}

/* The different ones of n integers as ascending levels, at most `most`, the
 * last one repeated. False: there are more, or they are no bytes. */
static bool collect_levels(const int32_t *value, size_t n, int most,
                           int8_t *level) {
    bool there[256] = {false};
    int  found = 0;
    for (size_t i = 0; i < n; i++) {
        if (value[i] < -128 || value[i] > 127) return false;
        bool *is = &there[value[i] + 128];
        if (*is) continue;
        if (found == most) return false;
        *is = true;
        level[found++] = (int8_t)value[i];
    }
    if (!found) level[found++] = 0;
    qsort(level, (size_t)found, sizeof *level, by_value);
    for (int i = found; i < most; i++) level[i] = level[found - 1];
    return true;
}

static bool fit_levels(const rows *r, hawq_quantized *q) {
    if (q->format.family == HAWQ_FITTED_LAYER)
        return collect_levels(r->value, r->rows * r->cols, q->n_levels,
                              q->level);
    for (size_t c = 0; c < r->rows && q->format.family == HAWQ_FITTED; c++)
        if (!collect_levels(r->value + c * r->cols, r->cols, q->n_levels,
                            q->level + c * (size_t)q->n_levels))
            return false;
    return true;
}

/* The code whose level times m is v; -1: none. */
static int code_of(const hawq_quantized *q, size_t c, int m, int32_t v) {
    const int8_t *level = hawq_quantized_levels(q, c);
    for (int i = 0; i < q->n_levels; i++)
        if (m * level[i] == v) return i;
    return -1;
}

static int code_nearest_zero(const hawq_quantized *q, size_t c) {
    const int8_t *level = hawq_quantized_levels(q, c);
    int           best = 0;
    for (int i = 1; i < q->n_levels; i++)
        if (abs(level[i]) < abs(level[best])) best = i;
    return best;
}

/* The multiplier at which most of n integers in a row are levels. */
static int find_multiplier(const hawq_quantized *q, size_t c,
                           const int32_t *value, size_t n) {
    size_t most = 0;
    int    best = 1;
    for (int m = 1; m <= 127 && most < n; m++) {
        size_t fit = 0;
        for (size_t k = 0; k < n; k++) fit += code_of(q, c, m, value[k]) >= 0;
        if (fit <= most) continue;
        most = fit;
        best = m;
    }
    return best;
}

/* The weight at column k, which no code gives, is kept apart. */
static bool set_apart(hawq_quantized *q, size_t c, size_t k, int m, int32_t v,
                      size_t room, int32_t *n) {
    size_t at = c * q->cols + k;
    if (!q->outlier || (size_t)*n >= room) return false;
    q->code[at] = (uint8_t)code_nearest_zero(q, c);
    int32_t rest = v - m * hawq_quantized_levels(q, c)[q->code[at]];
    if (rest < INT16_MIN || rest > INT16_MAX) return false;
    q->outlier_at[*n] = (int32_t)k;
    q->outlier[(*n)++] = (int16_t)rest;
    return true;
}

/* Fills the codes of row c, whose levels are known. */
static bool fit_row(const rows *r, size_t c, size_t room, hawq_quantized *q,
                    int32_t *n) {
    const int32_t *value = r->value + c * r->cols;
    size_t         group = q->format.group ? (size_t)q->format.group : r->cols;
    for (size_t k = 0; k < r->cols; k += group) {
        size_t end = k + group < r->cols ? k + group : r->cols;
        int    m = 1;
        if (q->multiplier) {
            m = find_multiplier(q, c, value + k, end - k);
            q->multiplier[c * hawq_quantized_groups(q) + k / group] =
                (uint8_t)m;
        }
        for (size_t i = k; i < end; i++) {
            int code = code_of(q, c, m, value[i]);
            if (code >= 0)
                q->code[c * r->cols + i] = (uint8_t)code;
            else if (!set_apart(q, c, i, m, value[i], room, n))
                return false;
        }
    }
    return true;
}

/* Codes in the format; *fits says whether it has all the integers. */
static hawq_status try_format(const rows *r, const hawq_format *format,
                              hawq_arena *arena, hawq_quantized *q,
                              bool *fits) {
    size_t  room = hawq_format_outliers(format, r->rows, r->cols);
    int32_t n = 0;
    HAWQ_TRY(hawq_quantized_new(format, r->rows, r->cols, arena, q));
    if (room) HAWQ_TRY(hawq_quantized_keep_apart(q, arena));
    *fits = fit_levels(r, q);
    for (size_t c = 0; *fits && c < r->rows; c++) {
        if (room) q->outlier_start[c] = n;
        *fits = fit_row(r, c, room, q, &n);
    }
    if (room) q->outlier_start[r->rows] = n;
    return HAWQ_OK;
}

/* All 8 bits, and what is left of the integers beyond them kept apart, if those
 * are at most a tenth. (Levels of a channel's own cannot be told where groups
 * or weights kept apart blur them.) */
static hawq_status try_apart(const rows *r, hawq_arena *arena,
                             hawq_quantized *q, bool *fits) {
    hawq_format f = {.family = HAWQ_FULL, .bits = 8};
    size_t      n = r->rows * r->cols, beyond = 0;
    for (size_t i = 0; i < n; i++)
        beyond += r->value[i] < -128 || r->value[i] > 127;
    /* in thousandths of a percent, as its name tells it */
    f.outliers = ceil(1e5 * (double)beyond / (double)n) / 1000 / 100;
    *fits = false;
    if (!beyond || f.outliers > 0.1) return HAWQ_OK;
    return try_format(r, &f, arena, q, fits);
}

/* The narrowest format of one table that has all the integers. */
static hawq_status try_all(const hawq_layer *l, const rows *r,
                           hawq_arena *arena, hawq_quantized *q) {
    static const hawq_family family[] = {HAWQ_NARROW, HAWQ_FULL};
    bool                     fits;
    for (int bits = 2; bits <= 8; bits++)
        for (int i = 0; i < 2; i++) {
            hawq_format f = {.family = family[i], .bits = bits};
            hawq_mark   mark = hawq_arena_mark(arena);
            HAWQ_TRY(try_format(r, &f, arena, q, &fits));
            if (fits) return HAWQ_OK;
            hawq_arena_reset(arena, mark);
        }
    HAWQ_TRY(try_apart(r, arena, q, &fits));
    if (fits) return HAWQ_OK;
    return hawq_fail(HAWQ_EUNSUPPORTED,
                     "layer '%s': its integers, less their zero points, do not "
                     "fit -128 to 127: quantize its weights symmetrically",
                     l->name);
}

/* --- layers -------------------------------------------------------------- */

/* Scales lie along the output channels. */
static bool scales_fit(const hawq_layer *l) {
    const hawq_integers *i = l->weight->integers;
    const hawq_shape    *s = &l->weight->shape;
    return i->n_scales == 1 ||
           (i->n_scales == l->channels &&
            (size_t)hawq_shape_count(s, 0, i->axis) == l->outer);
}

static hawq_status read_rows(const hawq_layer *l, hawq_arena *arena,
                             rows *out) {
    *out = (rows){.rows = l->channels, .cols = l->outer * l->inner};
    HAWQ_TAKE(out->value, arena, l->weight->n);
    for (size_t c = 0; c < out->rows; c++)
        for (size_t k = 0; k < out->cols; k++)
            out->value[c * out->cols + k] =
                l->weight->integers->value[hawq_weight_at(l, c, k)];
    return HAWQ_OK;
}

/* "w4:gptq a8" of the layer, cut in two; *text is NULL where there is none. */
static hawq_status read_text(const hawq_graph *g, const hawq_layer *l,
                             hawq_arena *arena, char **text, int *bits) {
    static const char prefix[] = "hawq.layer.";
    *text = NULL;
    for (int i = 0; i < g->n_texts && !*text; i++) {
        const char *key = g->text[i].key;
        if (strncmp(key, prefix, sizeof prefix - 1) != 0 ||
            strcmp(key + sizeof prefix - 1, l->name) != 0)
            continue;
        *text = hawq_arena_string(arena, g->text[i].value);
        if (!*text) return HAWQ_ENOMEM;
        char *space = strchr(*text, ' ');
        if (!space) continue;
        *space = 0;
        if (space[1] == 'a') *bits = (int)strtol(space + 2, NULL, 10);
    }
    return HAWQ_OK;
}

/* Bits of what the layer reads, as its values tell. */
static int activation_bits(const hawq_layer *l) {
    const hawq_tensor *x = l->node[0]->in[0];
    if (!x || !x->grid || x->grid->high > 15) return 8;
    return x->grid->high > 3 ? 4 : 2;
}

/* A layer that the file has in float. */
static hawq_status restore_floats(const hawq_layer  *l,
                                  const hawq_format *format, hawq_arena *arena,
                                  hawq_quantized *q) {
    HAWQ_TRY(
        hawq_quantized_new(format, l->channels, l->outer * l->inner, arena, q));
    for (size_t c = 0; c < q->rows; c++)
        for (size_t k = 0; k < q->cols; k++)
            q->values[c * q->cols + k] =
                l->weight->data[hawq_weight_at(l, c, k)];
    return HAWQ_OK;
}

static hawq_status restore_integers(const hawq_layer  *l,
                                    const hawq_format *named, hawq_arena *arena,
                                    hawq_quantized *q) {
    const hawq_integers *i = l->weight->integers;
    bool                 fits = false;
    rows                 r;
    if (!scales_fit(l))
        return hawq_fail(HAWQ_EUNSUPPORTED,
                         "layer '%s': its integers have %zu scales along axis "
                         "%d, expected one, or one for each of its %zu output "
                         "channels",
                         l->name, i->n_scales, i->axis, l->channels);
    HAWQ_TRY(read_rows(l, arena, &r));
    if (named && !hawq_format_is_uncoded(named))
        HAWQ_TRY(try_format(&r, named, arena, q, &fits));
    if (!fits) HAWQ_TRY(try_all(l, &r, arena, q));
    for (size_t c = 0; c < q->rows; c++)
        q->scale[c] = (real)i->scale[c % i->n_scales];
    return HAWQ_OK;
}

static hawq_status restore_layer(const hawq_graph *g, const hawq_layer *l,
                                 hawq_arena *arena, hawq_choice *choice,
                                 hawq_quantized *q) {
    static const hawq_format whole = {.family = HAWQ_UNCODED, .bits = 32};
    hawq_candidate           named;
    char                    *text, *name, short_name[HAWQ_FORMAT_TEXT];
    int                      bits = activation_bits(l);
    HAWQ_TRY(read_text(g, l, arena, &text, &bits));
    bool known = text && hawq_candidate_read(text, &named) == HAWQ_OK;
    if (l->weight->integers)
        HAWQ_TRY(restore_integers(l, known ? &named.format : NULL, arena, q));
    else
        HAWQ_TRY(restore_floats(l,
                                known && hawq_format_is_uncoded(&named.format)
                                    ? &named.format
                                    : &whole,
                                arena, q));
    known = known && hawq_format_equal(&named.format, &q->format);
    name = known ? text
                 : hawq_arena_string(arena,
                                     hawq_format_text(&q->format, short_name));
    if (!name) return HAWQ_ENOMEM;
    bool is_float = hawq_format_is_uncoded(&q->format);
    if (bits != 8 && bits != 4 && bits != 2) bits = 8;
    *choice =
        (hawq_choice){.layer = l->name,
                      .weight_bits = q->format.bits,
                      .activation_bits = is_float ? HAWQ_FLOAT_BITS : bits,
                      .candidate = name};
    return HAWQ_OK;
}

/* --- the whole ----------------------------------------------------------- */

bool hawq_qdq_is_quantized(const hawq_graph *graph) {
    for (int l = 0; l < graph->n_layers; l++)
        if (graph->layer[l].weight->integers) return true;
    for (int i = 0; i < graph->n_tensors; i++)
        if (graph->tensor[i]->grid) return true;
    return false;
}

hawq_status hawq_qdq_restore(const hawq_graph *g, hawq_arena *arena,
                             hawq_qdq *out) {
    hawq_qdq q = {0};
    HAWQ_TAKE(q.choice, arena, (size_t)g->n_layers);
    HAWQ_TAKE(q.quantized, arena, (size_t)g->n_layers);
    HAWQ_TAKE(q.map, arena, (size_t)g->n_tensors);
    HAWQ_TAKE(q.has_map, arena, (size_t)g->n_tensors);
    for (int l = 0; l < g->n_layers; l++) {
        HAWQ_TRY(restore_layer(g, &g->layer[l], arena, &q.choice[l],
                               &q.quantized[l]));
        q.n_layers += g->layer[l].weight->integers != NULL;
    }
    for (int i = 0; i < g->n_tensors; i++) {
        const hawq_grid *grid = g->tensor[i]->grid;
        if (!grid) continue;
        q.map[i] = (hawq_affine){grid->scale, grid->zero, grid->high};
        q.has_map[i] = true;
        q.n_maps++;
    }
    *out = q;
    return HAWQ_OK;
}
