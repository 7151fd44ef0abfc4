/* test_quantized_bytes.c -- quantized weights as bytes come back as they were,
 * take the bytes that are counted, and damaged ones are refused.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/quant/quantize.h"

#include "src/base/rng.h"
#include "tests/check.h"

enum { CHANNELS = 6, INNER = 20, N = CHANNELS * INNER, HASH = 8 };

static real        weights[N], biases[CHANNELS];
static hawq_tensor weight = {.data = weights, .n = N};
static hawq_tensor bias = {.data = biases, .n = CHANNELS};
static hawq_layer  layer = {.name = "l",
                            .weight = &weight,
                            .bias = &bias,
                            .outer = 1,
                            .channels = CHANNELS,
                            .inner = INNER};

static const char *const candidates[] = {
    "w8",   "w5", "w3",  "w2",   "w4f",  "w2c",   "w1",      "t",   "nf4",
    "log3", "k3", "k2l", "w4g8", "t+2%", "k3+5%", "w4g8+1%", "f16", "float"};
enum { CANDIDATES = sizeof candidates / sizeof *candidates };

static void make(const char *text, hawq_arena *arena, hawq_quantized *q) {
    hawq_candidate candidate;
    hawq_threads  *threads;
    CHECK_OK(hawq_threads_new(1, &threads));
    CHECK_OK(hawq_candidate_read(text, &candidate));
    CHECK_OK(hawq_quantize(&layer, &candidate, NULL, NULL, threads, arena, q));
    hawq_threads_free(threads);
}

static void same(const hawq_quantized *a, const hawq_quantized *b) {
    real x[N], y[N];
    CHECK(hawq_format_equal(&a->format, &b->format));
    CHECK(a->rows == b->rows && a->cols == b->cols);
    CHECK(a->n_levels == b->n_levels);
    if (a->code) CHECK(!memcmp(a->code, b->code, N));
    CHECK(hawq_quantized_bytes(a) == hawq_quantized_bytes(b));
    hawq_quantized_decode(a, &layer, x);
    hawq_quantized_decode(b, &layer, y);
    CHECK(!memcmp(x, y, sizeof x));
    CHECK(!a->bias == !b->bias);
    if (a->bias && b->bias)
        CHECK(!memcmp(a->bias, b->bias, CHANNELS * sizeof(real)));
}

/* What comes back is what was saved; no more bytes than the count and a head.
 */
static void round_trip(const char *text) {
    hawq_arena     arena = {0};
    hawq_quantized q, back;
    uint8_t       *bytes, *again;
    size_t         n, m;
    make(text, &arena, &q);
    for (int with_bias = 0; with_bias < 2; with_bias++) {
        size_t head = 80 + (with_bias ? CHANNELS * sizeof(real) : 0);
        q.bias = with_bias ? biases : NULL;
        CHECK_OK(hawq_quantized_save(&q, &arena, &bytes, &n));
        CHECK(n >= (size_t)hawq_quantized_bytes(&q));
        CHECK(n <= (size_t)hawq_quantized_bytes(&q) + head);
        if (!CHECK_OK(
                hawq_quantized_load(bytes, n, CHANNELS, INNER, &arena, &back)))
            break;
        same(&q, &back);
        CHECK_OK(hawq_quantized_save(&back, &arena, &again, &m));
        CHECK(n == m && !memcmp(bytes, again, n));
        CHECK_FAILS(
            hawq_quantized_load(bytes, n, INNER, CHANNELS, &arena, &back),
            HAWQ_EFORMAT, "rows");
    }
    hawq_arena_free(&arena);
}

static void truncations_and_flips(const char *text) {
    hawq_arena     arena = {0};
    hawq_quantized q, back;
    uint8_t       *bytes;
    size_t         n, taken = 0;
    make(text, &arena, &q);
    q.bias = biases;
    CHECK_OK(hawq_quantized_save(&q, &arena, &bytes, &n));
    for (size_t short_n = 0; short_n < n; short_n++)
        taken += hawq_quantized_load(bytes, short_n, CHANNELS, INNER, &arena,
                                     &back) != HAWQ_EFORMAT;
    for (size_t i = 0; i < 8 * n; i++) {
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        taken += hawq_quantized_load(bytes, n, CHANNELS, INNER, &arena,
                                     &back) != HAWQ_EFORMAT;
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    CHECK(taken == 0);
    hawq_arena_free(&arena);
}

static void rehash(uint8_t *bytes, size_t n) {
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n - HASH; i++) h = (h ^ bytes[i]) * 1099511628211u;
    for (int i = 0; i < HASH; i++)
        bytes[n - HASH + (size_t)i] = (uint8_t)(h >> (8 * i));
}

static bool is_sound(const hawq_quantized *q) {
    real values[N];
    for (size_t i = 0; q->code && i < N; i++)
        if (q->code[i] >= q->n_levels) return false;
    for (size_t c = 0; c < q->rows; c++)
        if (!(q->scale[c] > 0) || !isfinite((double)q->scale[c])) return false;
    hawq_quantized_decode(q, &layer, values); /* reads outliers' places */
    for (size_t i = 0; q->code && i < N; i++) {
        int v = hawq_quantized_integer(q, i / INNER, i % INNER);
        if (v < -128 || v > 127) return false;
    }
    return true;
}

/* Even bytes that were changed with their hash give a sound weight or none. */
static void forgeries(const char *text) {
    hawq_arena     arena = {0};
    hawq_quantized q, back;
    uint8_t       *bytes;
    size_t         n, unsound = 0, refused = 0;
    make(text, &arena, &q);
    q.bias = biases;
    CHECK_OK(hawq_quantized_save(&q, &arena, &bytes, &n));
    for (size_t i = 0; i < n - HASH; i++)
        for (int to = 0; to < 256; to += 51) {
            uint8_t     was = bytes[i];
            hawq_mark   mark = hawq_arena_mark(&arena);
            hawq_status status;
            bytes[i] = (uint8_t)to;
            rehash(bytes, n);
            status =
                hawq_quantized_load(bytes, n, CHANNELS, INNER, &arena, &back);
            refused += status == HAWQ_EFORMAT;
            unsound +=
                status == HAWQ_OK ? !is_sound(&back) : status != HAWQ_EFORMAT;
            bytes[i] = was;
            hawq_arena_reset(&arena, mark);
        }
    CHECK(unsound == 0);
    CHECK(refused > 0);
    hawq_arena_free(&arena);
}

int main(void) {
    for (size_t i = 0; i < N; i++)
        weights[i] = (real)hawq_rng_normal(hawq_rng_key(3, 1, 4, 1), i);
    for (size_t c = 0; c < CHANNELS; c++) biases[c] = (real)c / 7;
    for (int i = 0; i < CANDIDATES; i++) {
        round_trip(candidates[i]);
        truncations_and_flips(candidates[i]);
        forgeries(candidates[i]);
    }
    DONE();
}
