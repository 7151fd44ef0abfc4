/* test_kernels.c -- every usable table of integer kernels equals `ref`.
 *
 * Claim: for every slot, shape and parameter the interface allows, each table
 * writes exactly the bytes ref writes and nothing else. Inputs are allocated
 * without slack, so that a sanitizer sees a read past their ends; outputs have
 * guard bytes on both sides; outputs and scratch are poisoned before each call,
 * so that no result can rest on what was there.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/arith.h"
#include "kernels/kernel.h"
#include "kernels/timer.h"
#include "tests/check.h"

enum { GUARD = 64 };

static uint64_t state;

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t next(void) {
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static int between(int low, int high) {
    return low + (int)(next() % (uint64_t)(high - low + 1));
}

static void *take(size_t n) {
    void *p = malloc(n ? n : 1);
    if (!p) abort();
    return p;
}

static void *take_aligned(size_t n) {
    void *p = aligned_alloc(64, (n + 127) / 64 * 64);
    if (!p) abort();
    return p;
}

/* An output of n bytes between guards; poison differs from call to call. */
static uint8_t *guarded(size_t n, uint8_t poison) {
    uint8_t *p = take(n + 2 * GUARD);
    memset(p, 0xA5, n + 2 * GUARD);
    memset(p + GUARD, poison, n);
    return p + GUARD;
}

static bool guards_intact(const uint8_t *p, size_t n) {
    for (int i = 0; i < GUARD; i++)
        if (p[-1 - i] != 0xA5 || p[n + (size_t)i] != 0xA5) return false;
    return true;
}

static void release(uint8_t *p) {
    free(p - GUARD);
}

/* --- convolution -------------------------------------------------------- */

/* A layer with everything it needs; extreme: x = 255, and all weights but one
 * in eight the largest in magnitude that the layer may have. */
typedef struct layer {
    hawq_conv    conv;
    hawq_requant requant;
    int32_t     *bias, *multiplier;
    uint8_t     *pre, *shift, *x;
    int8_t      *weights;
    size_t       x_size, y_size, weights_size;
} layer;

/* Bounds of |weight| on both sides of those that a table may care about. */
static const int bound[] = {1,  2,  7,  8,  9,  15, 16,  17,
                            31, 32, 33, 63, 64, 65, 127, 128};

static int some_bound(void) {
    return bound[next() % (sizeof bound / sizeof *bound)];
}

static int ascending(const void *a, const void *b) {
    return *(const int8_t *)a - *(const int8_t *)b;
}

/* Levels within a bound: a full grid, odd numbers without 0, or any at all. */
static void draw_levels(hawq_conv *v) {
    int n = 1 << v->weight_bits, most = some_bound(), kind = between(0, 3);
    if (v->weight_bits == 8) {
        v->largest = (uint8_t)(next() % 2 ? 0 : most);
        return;
    }
    for (int i = 0; i < n; i++) {
        int any = between(-most, most < 128 ? most : 127);
        v->level[i] = (int8_t)(kind == 0   ? i - n / 2
                               : kind == 1 ? 2 * i + 1 - n
                                           : any);
    }
    if (kind == 2) v->level[0] = (int8_t)-most; /* in both cases the bound */
    if (kind == 3 && most < 128) v->level[0] = (int8_t)most;
    qsort(v->level, (size_t)n, 1, ascending);
}

static int8_t draw_weight(const hawq_conv *v) {
    int most = v->largest ? v->largest : 128;
    if (v->weight_bits < 8) return v->level[next() % (1u << v->weight_bits)];
    return (int8_t)between(-most, most < 128 ? most : 127);
}

/* The weight of the largest magnitude. */
static int8_t extreme_weight(const hawq_conv *v) {
    int n = 1 << v->weight_bits;
    if (v->weight_bits < 8)
        return -v->level[0] > v->level[n - 1] ? v->level[0] : v->level[n - 1];
    if (v->largest == 0 || v->largest == 128) return -128;
    return (int8_t)(next() % 2 ? v->largest : -v->largest);
}

static void fill_weights(layer *l, bool extreme) {
    const hawq_conv *v = &l->conv;
    int8_t           most = extreme_weight(v);
    l->weights_size =
        (size_t)v->oc * (size_t)v->kh * (size_t)v->kw * (v->c / v->groups);
    l->weights = take(l->weights_size);
    for (size_t i = 0; i < l->weights_size; i++)
        l->weights[i] = extreme && next() % 8 ? most : draw_weight(v);
}

/* Multipliers of the size a real layer has, and any that stay in range. */
static void fill_requant(layer *l, bool extreme) {
    const hawq_conv *v = &l->conv;
    int64_t          bound =
        (int64_t)v->kh * v->kw * (v->c / v->groups) * 255 * 128 + 100000;
    for (int o = 0; o < v->oc; o++) {
        /* the shift before the multiplication leaves 32 bits room */
        double largest = 0x1p31 / (double)bound;
        double factor =
            exp2(-1.0 * between(0, 24)) * (1 + 1e-6 * between(0, 999999));
        if (next() % 16 == 0) factor = largest / 8.01;
        if (next() % 16 == 0) factor = 0;
        if (factor > largest / 8) factor = largest / 8.01;
        l->bias[o] = extreme ? 100000 : between(-100000, 100000);
        CHECK(hawq_multiplier(factor, bound, &l->multiplier[o], &l->pre[o],
                              &l->shift[o]));
    }
    uint8_t low = (uint8_t)between(0, 255), high = (uint8_t)between(0, 255);
    bool    open = next() % 2;
    l->requant = (hawq_requant){
        .bias = l->bias,
        .multiplier = l->multiplier,
        .pre = l->pre,
        .shift = l->shift,
        .zero = (uint8_t)between(0, 255),
        .low = open         ? 0
               : low < high ? low
                            : high,
        .high = open         ? 255
                : low < high ? high
                             : low,
    };
}

static layer layer_new(hawq_conv conv, bool extreme) {
    layer  l = {.conv = conv};
    size_t oc = (size_t)conv.oc;
    l.x_size = (size_t)conv.h * (size_t)conv.w * (size_t)conv.c;
    l.y_size = (size_t)conv.oh * (size_t)conv.ow * oc;
    l.x = take(l.x_size);
    for (size_t i = 0; i < l.x_size; i++)
        l.x[i] = extreme ? 255 : (uint8_t)next();
    l.bias = take(oc * sizeof *l.bias);
    l.multiplier = take(oc * sizeof *l.multiplier);
    l.pre = take(oc);
    l.shift = take(oc);
    fill_weights(&l, extreme);
    fill_requant(&l, extreme);
    return l;
}

static void layer_free(layer *l) {
    free(l->x);
    free(l->bias);
    free(l->multiplier);
    free(l->pre);
    free(l->shift);
    free(l->weights);
}

/* Runs both conv slots of a table. The bytes must be the requantized sums. */
static void run_layer(const hawq_kernels *k, const layer *l, uint8_t *y8,
                      uint8_t *y32) {
    const hawq_conv *v = &l->conv;
    size_t           scratch_size = k->conv_scratch_bytes(v);
    void            *packed = take(k->conv_packed_bytes(v));
    uint8_t         *scratch = take_aligned(scratch_size);
    k->conv_pack(v, l->weights, packed);
    memset(scratch, 0x5A, scratch_size + 64);
    k->conv(v, packed, &l->requant, l->x, y8, scratch);
    memset(scratch, 0xC3, scratch_size);
    int32_t *raw = take(l->y_size * sizeof *raw);
    k->conv_s32(v, packed, l->bias, l->x, raw, scratch);
    memcpy(y32, raw, l->y_size * sizeof *raw);
    uint8_t *again = guarded(l->y_size, 4);
    k->requantize((size_t)v->oh * (size_t)v->ow, (size_t)v->oc, &l->requant,
                  raw, again);
    CHECK(memcmp(again, y8, l->y_size) == 0 && guards_intact(again, l->y_size));
    release(again);
    CHECK(scratch[scratch_size] == 0x5A && scratch[scratch_size + 63] == 0x5A);
    if (k->conv_release) k->conv_release(packed);
    free(raw);
    free(scratch);
    free(packed);
}

static void describe(const hawq_kernels *k, const hawq_conv *v) {
    printf("    %s (%s): %dx%dx%d -> %dx%dx%d, kernel %dx%d, stride %d,%d, "
           "dilation %d,%d, pad %d,%d, groups %d, %d bits, largest %d, levels",
           k->name, k->conv_name(v), v->h, v->w, v->c, v->oh, v->ow, v->oc,
           v->kh, v->kw, v->stride_h, v->stride_w, v->dilation_h, v->dilation_w,
           v->pad_top, v->pad_left, v->groups, v->weight_bits, v->largest);
    for (int i = 0; v->weight_bits < 8 && i < 1 << v->weight_bits; i++)
        printf(" %d", v->level[i]);
    printf("\n");
}

static void compare_conv(hawq_conv conv, bool extreme) {
    layer    l = layer_new(conv, extreme);
    size_t   n = l.y_size;
    uint8_t *want8 = guarded(n, 1), *want32 = guarded(4 * n, 1);
    run_layer(hawq_kernels_select("ref"), &l, want8, want32);
    for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++) {
        if (!(*k)->usable()) continue;
        uint8_t *y8 = guarded(n, 2), *y32 = guarded(4 * n, 2);
        run_layer(*k, &l, y8, y32);
        if (!CHECK(memcmp(y8, want8, n) == 0 &&
                   memcmp(y32, want32, 4 * n) == 0 && guards_intact(y8, n) &&
                   guards_intact(y32, 4 * n)))
            describe(*k, &conv);
        release(y8);
        release(y32);
    }
    release(want8);
    release(want32);
    layer_free(&l);
}

/* The output size for a total padding of both sides; 0 if the kernel does not
 * fit. */
static int out_size(int in, int pad, int k, int dilation, int stride) {
    int room = in + pad - (k - 1) * dilation - 1;
    return room < 0 ? 0 : room / stride + 1;
}

/* Padding with 0, usual after ReLU, may take a short cut. */
static uint8_t some_zero(void) {
    return next() % 2 ? 0 : (uint8_t)next();
}

static hawq_conv conv_of(int h, int w, int c, int oc, int k, int stride,
                         int groups, int bits) {
    int       pad = k / 2;
    hawq_conv v = {.h = h,
                   .w = w,
                   .c = c,
                   .oh = out_size(h, 2 * pad, k, 1, stride),
                   .ow = out_size(w, 2 * pad, k, 1, stride),
                   .oc = oc,
                   .kh = k,
                   .kw = k,
                   .stride_h = stride,
                   .stride_w = stride,
                   .dilation_h = 1,
                   .dilation_w = 1,
                   .pad_top = pad,
                   .pad_left = pad,
                   .groups = groups,
                   .weight_bits = bits,
                   .zero = some_zero()};
    draw_levels(&v);
    return v;
}

/* Channels around the sizes of tiles and vectors, both ways. */
static void conv_tile_edges(void) {
    static const int edge[] = {1,  2,  3,  4,  5,  7,  8,  9,  15, 16,
                               17, 24, 31, 32, 33, 48, 63, 64, 65, 80};
    for (int bits = 8; bits >= 2; bits /= 2)
        for (size_t i = 0; i < sizeof edge / sizeof *edge; i++) {
            compare_conv(conv_of(5, 7, edge[i], 16, 3, 1, 1, bits), false);
            compare_conv(conv_of(5, 7, 16, edge[i], 3, 1, 1, bits), false);
            compare_conv(conv_of(4, 3, edge[i], 33, 1, 1, 1, bits), false);
            compare_conv(conv_of(1, 1, edge[i], edge[i], 1, 1, 1, bits), false);
            compare_conv(conv_of(1, 1, 70, edge[i], 1, 1, 1, bits), false);
            compare_conv(conv_of(6, 5, edge[i], edge[i], 3, 1, edge[i], bits),
                         false);
            compare_conv(conv_of(6, 5, edge[i], edge[i], 3, 2, edge[i], bits),
                         false);
        }
}

/* Every number of pixels from one to some tiles, in rows of every width. */
static void conv_pixel_edges(void) {
    for (int h = 1; h <= 4; h++)
        for (int w = 1; w <= 18; w++) {
            compare_conv(conv_of(h, w, 8, 40, 3, 1, 1, 8), false);
            compare_conv(conv_of(h, w, 5, 12, 1, 1, 1, 4), false);
            compare_conv(conv_of(h, w, 20, 20, 3, 1, 20, 8), false);
        }
}

/* A layer whose weights are all `weight`. */
static void compare_constant(hawq_conv v, int weight) {
    v.largest = (uint8_t)abs(weight);
    memset(v.level, weight, sizeof v.level);
    compare_conv(v, true);
}

/* All products at their largest, of one sign: what saturating arithmetic would
 * spoil, and sums in 16 bits of one weight or one step too many. */
static void conv_extremes(void) {
    for (int bits = 8; bits >= 2; bits /= 2)
        for (size_t i = 0; i < 2 * sizeof bound / sizeof *bound; i++) {
            int w = i % 2 ? -bound[i / 2] : bound[i / 2];
            if (w == 128) continue;
            compare_constant(conv_of(4, 5, 64, 20, 3, 1, 1, bits), w);
            compare_constant(conv_of(3, 3, 33, 17, 3, 1, 1, bits), w);
            compare_constant(conv_of(1, 1, 512, 10, 1, 1, 1, bits), w);
            compare_constant(conv_of(5, 5, 64, 64, 3, 1, 64, bits), w);
            compare_constant(conv_of(9, 9, 3, 16, 7, 2, 1, bits), w);
        }
}

static int divisor(int n) {
    int d = between(1, n);
    while (n % d) d--;
    return d;
}

static bool random_conv(hawq_conv *v) {
    *v = (hawq_conv){.h = between(1, 14),
                     .w = between(1, 20),
                     .c = between(1, 80),
                     .oc = between(1, 80),
                     .kh = between(1, 5),
                     .kw = between(1, 5),
                     .stride_h = between(1, 3),
                     .stride_w = between(1, 3),
                     .dilation_h = between(1, 3),
                     .dilation_w = between(1, 3),
                     .groups = 1,
                     .weight_bits = 2 << between(0, 2),
                     .zero = some_zero()};
    if (next() % 2) v->dilation_h = v->dilation_w = 1;
    int kind = between(0, 5);
    if (kind == 0) {
        v->groups = v->oc = v->c;
    } else if (kind == 1) {
        v->groups = divisor(v->c);
        v->oc = v->groups * between(1, 1 + 60 / v->groups);
    }
    int top = between(0, 4), bottom = between(0, 4);
    int left = between(0, 4), right = between(0, 4);
    v->pad_top = top;
    v->pad_left = left;
    draw_levels(v);
    v->oh = out_size(v->h, top + bottom, v->kh, v->dilation_h, v->stride_h);
    v->ow = out_size(v->w, left + right, v->kw, v->dilation_w, v->stride_w);
    return v->oh > 0 && v->ow > 0;
}

static void conv_random(void) {
    for (int i = 0; i < 1200; i++) {
        hawq_conv v;
        if (random_conv(&v)) compare_conv(v, next() % 16 == 0);
    }
}

/* --- outliers ------------------------------------------------------------- */

/* Takes some weights of every channel apart: what is left of each is another
 * weight, and their difference the outlier's value. */
static hawq_outliers take_apart(layer *l, int32_t *start, int32_t *at,
                                int16_t *value) {
    size_t  row = l->weights_size / (size_t)l->conv.oc;
    int32_t n = 0;
    for (int o = 0; o < l->conv.oc; o++) {
        int one_in = between(1, 20); /* all of them, or few */
        start[o] = n;
        for (size_t i = 0; i < row; i++) {
            int8_t *w = &l->weights[(size_t)o * row + i], rest = 0;
            if (next() % (uint64_t)one_in) continue;
            if (next() % 2) rest = draw_weight(&l->conv);
            at[n] = (int32_t)i;
            value[n++] = (int16_t)(*w - rest);
            *w = rest;
        }
    }
    start[l->conv.oc] = n;
    return (hawq_outliers){start, at, value};
}

/* The sums of what is left and of the outliers are those of all weights. */
static void compare_outliers(hawq_conv v) {
    const hawq_kernels *ref = hawq_kernels_select("ref");
    v.weight_bits = 8;
    v.largest = 0;
    layer    l = layer_new(v, false);
    size_t   n = 4 * l.y_size;
    int32_t *want = take(n), *start = take((size_t)(v.oc + 1) * sizeof *start);
    int32_t *at = take(l.weights_size * sizeof *at);
    int16_t *value = take(l.weights_size * sizeof *value);
    int32_t *left = take(n);
    ref->conv_s32(&v, l.weights, l.bias, l.x, want, NULL);
    hawq_outliers outliers = take_apart(&l, start, at, value);
    ref->conv_s32(&v, l.weights, l.bias, l.x, left, NULL);
    for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++) {
        if (!(*k)->usable()) continue;
        uint8_t *y = guarded(n, 2);
        memcpy(y, left, n);
        (*k)->conv_outliers(&v, &outliers, l.x, (int32_t *)(void *)y);
        if (!CHECK(memcmp(y, want, n) == 0 && guards_intact(y, n)))
            describe(*k, &v);
        release(y);
    }
    free(want), free(start), free(at), free(value), free(left);
    layer_free(&l);
}

static void outliers_equal_weights(void) {
    for (int i = 0; i < 300; i++) {
        hawq_conv v;
        if (random_conv(&v)) compare_outliers(v);
    }
    compare_outliers(conv_of(1, 1, 40, 30, 1, 1, 1, 8));
}

/* Values beyond 8 bits, by hand: a 1x2 kernel with padding before. */
static void outliers_by_hand(void) {
    const hawq_conv v = {.h = 1,
                         .w = 2,
                         .c = 2,
                         .oh = 1,
                         .ow = 2,
                         .oc = 2,
                         .kh = 1,
                         .kw = 2,
                         .stride_h = 1,
                         .stride_w = 1,
                         .dilation_h = 1,
                         .dilation_w = 1,
                         .pad_left = 1,
                         .groups = 1,
                         .weight_bits = 8,
                         .zero = 3};
    const int32_t   start[3] = {0, 2, 3}, at[3] = {0, 3, 1};
    const int16_t   value[3] = {1000, -32768, 7};
    hawq_outliers   outliers = {start, at, value};
    const uint8_t   x[4] = {10, 20, 30, 40};
    for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++) {
        int32_t y[4] = {1, 2, 3, 4};
        if (!(*k)->usable()) continue;
        (*k)->conv_outliers(&v, &outliers, x, y);
        CHECK(y[0] == 1 + 1000 * 3 - 32768 * 20 && y[1] == 2 + 7 * 3);
        CHECK(y[2] == 3 + 1000 * 10 - 32768 * 40 && y[3] == 4 + 7 * 20);
    }
}

/* --- the other slots ---------------------------------------------------- */

static void add_equals_ref(void) {
    for (int i = 0; i < 400; i++) {
        hawq_add v = {.n = (size_t)between(1, 300),
                      .za = (uint8_t)next(),
                      .zb = (uint8_t)next(),
                      .zero = (uint8_t)next()};
        if (next() % 2) v.high = 255;
        if (!v.high) v.low = (uint8_t)between(0, 99), v.high = 170;
        double a = exp2(between(-20, 13)), b = exp2(0.37 * between(-40, 30));
        CHECK(hawq_add_multipliers(a, b, &v.ma, &v.mb, &v.shift));
        uint8_t *p = take(v.n), *q = take(v.n), *want = guarded(v.n, 1);
        for (size_t j = 0; j < v.n; j++) {
            p[j] = next() % 8 ? (uint8_t)next() : 255;
            q[j] = next() % 8 ? (uint8_t)next() : 0;
        }
        hawq_kernels_select("ref")->add(&v, p, q, want);
        for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++) {
            if (!(*k)->usable()) continue;
            uint8_t *y = guarded(v.n, 2);
            (*k)->add(&v, p, q, y);
            CHECK(memcmp(y, want, v.n) == 0 && guards_intact(y, v.n));
            /* in place, as residual networks use it */
            memcpy(y, p, v.n);
            (*k)->add(&v, y, q, y);
            CHECK(memcmp(y, want, v.n) == 0 && guards_intact(y, v.n));
            release(y);
        }
        release(want);
        free(p);
        free(q);
    }
}

/* Parameters for each number of elements; the factor is about 1 / n. */
static void pool_requant(hawq_pool *v, int32_t *multiplier, uint8_t *pre,
                         uint8_t *shift) {
    double ratio = exp2(between(-3, 3));
    for (int n = 1; n <= v->kh * v->kw; n++)
        CHECK(hawq_multiplier(ratio / n, 255 * n, &multiplier[n - 1],
                              &pre[n - 1], &shift[n - 1]));
    v->requant = (hawq_requant){.multiplier = multiplier,
                                .pre = pre,
                                .shift = shift,
                                .zero = (uint8_t)next(),
                                .low = (uint8_t)between(0, 60),
                                .high = (uint8_t)between(200, 255)};
}

static void compare_pool(const hawq_pool *v) {
    size_t   in = (size_t)v->h * (size_t)v->w * (size_t)v->c;
    size_t   out = (size_t)v->oh * (size_t)v->ow * (size_t)v->c;
    uint8_t *x = take(in), *most = guarded(out, 1), *mean = guarded(out, 1);
    for (size_t j = 0; j < in; j++) x[j] = (uint8_t)next();
    hawq_kernels_select("ref")->max_pool(v, x, most);
    hawq_kernels_select("ref")->average_pool(v, x, mean);
    for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++) {
        if (!(*k)->usable()) continue;
        uint8_t *y = guarded(out, 2);
        (*k)->max_pool(v, x, y);
        CHECK(memcmp(y, most, out) == 0 && guards_intact(y, out));
        memset(y, 3, out);
        (*k)->average_pool(v, x, y);
        CHECK(memcmp(y, mean, out) == 0 && guards_intact(y, out));
        release(y);
    }
    release(most);
    release(mean);
    free(x);
}

static void pools_equal_ref(void) {
    for (int i = 0; i < 300; i++) {
        int32_t   multiplier[64];
        uint8_t   pre[64], shift[64];
        hawq_pool v = {.h = between(1, 12),
                       .w = between(1, 12),
                       .c = between(1, 150),
                       .kh = between(1, 8),
                       .kw = between(1, 8),
                       .stride_h = between(1, 3),
                       .stride_w = between(1, 3),
                       .pad_top = between(0, 3),
                       .pad_left = between(0, 3),
                       .zero_in = (uint8_t)next(),
                       .count_pad = next() % 2};
        v.oh = out_size(v.h, v.pad_top + between(0, 3), v.kh, 1, v.stride_h);
        v.ow = out_size(v.w, v.pad_left + between(0, 3), v.kw, 1, v.stride_w);
        if (!v.oh || !v.ow) continue;
        pool_requant(&v, multiplier, pre, shift);
        compare_pool(&v);
    }
}

/* Also halves (ties), infinities, NaN and numbers beyond any integer. */
static void quantize_equals_ref(void) {
    static const float odd[] = {INFINITY, -INFINITY, NAN,   1e30f, -1e30f,
                                0.5f,     1.5f,      2.5f,  -0.5f, 254.5f,
                                255.5f,   3e9f,      -3e9f, 0.0f,  -0.0f};
    for (int i = 0; i < 200; i++) {
        size_t   n = (size_t)between(1, 130);
        float   *x = take(n * sizeof *x), inverse = next() % 2 ? 1 : 7.3f;
        uint8_t *want = guarded(n, 1), zero = (uint8_t)next();
        uint8_t low = (uint8_t)between(0, 90), high = (uint8_t)between(91, 255);
        for (size_t j = 0; j < n; j++)
            x[j] = next() % 3 ? 0.25f * (float)between(-1200, 1200)
                              : odd[next() % (sizeof odd / sizeof *odd)];
        hawq_kernels_select("ref")->quantize(n, x, inverse, zero, low, high,
                                             want);
        for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++) {
            if (!(*k)->usable()) continue;
            uint8_t *y = guarded(n, 2);
            (*k)->quantize(n, x, inverse, zero, low, high, y);
            CHECK(memcmp(y, want, n) == 0 && guards_intact(y, n));
            release(y);
        }
        release(want);
        free(x);
    }
}

static void quantize_rounds_half_to_even(void) {
    const float x[6] = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 300.0f};
    uint8_t     y[6];
    for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++) {
        if (!(*k)->usable()) continue;
        (*k)->quantize(6, x, 1, 10, 0, 255, y);
        CHECK(y[0] == 10 && y[1] == 12 && y[2] == 12);
        CHECK(y[3] == 10 && y[4] == 8 && y[5] == 255);
    }
}

/* A map of any places, or of stretches of neighbours and of the fill. */
static void draw_map(size_t n, size_t from, bool stretches, int32_t *map) {
    for (size_t j = 0; j < n; j++) {
        map[j] = between(-1, (int)from - 1);
        if (!stretches || j == 0 || next() % 16 == 0) continue;
        if (map[j - 1] < 0) map[j] = -1;
        if (map[j - 1] >= 0 && map[j - 1] + 1 < (int)from)
            map[j] = map[j - 1] + 1;
    }
}

static void move_equals_ref(void) {
    for (int i = 0; i < 200; i++) {
        size_t   n = (size_t)between(1, 200), from = (size_t)between(1, 99);
        uint8_t *x = take(from), *want = guarded(n, 1), table[256];
        int32_t *map = take(n * sizeof *map);
        for (size_t j = 0; j < from; j++) x[j] = (uint8_t)next();
        for (int j = 0; j < 256; j++)
            table[j] = i % 4 < 2 ? (uint8_t)j : (uint8_t)next();
        draw_map(n, from, i % 2, map);
        for (size_t j = 0; j < n; j++)
            want[j] = map[j] < 0 ? 77 : table[x[map[j]]];
        for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++) {
            if (!(*k)->usable()) continue;
            uint8_t *y = guarded(n, 2);
            (*k)->move(n, map, 77, table, x, y);
            CHECK(memcmp(y, want, n) == 0 && guards_intact(y, n));
            release(y);
        }
        release(want);
        free(map);
        free(x);
    }
}

/* ref itself, by hand: one 2x2 window with padding on two sides. */
static void ref_by_hand(void) {
    const hawq_conv     v = {.h = 1,
                             .w = 2,
                             .c = 1,
                             .oh = 1,
                             .ow = 2,
                             .oc = 1,
                             .kh = 2,
                             .kw = 2,
                             .stride_h = 1,
                             .stride_w = 1,
                             .dilation_h = 1,
                             .dilation_w = 1,
                             .pad_top = 1,
                             .pad_left = 1,
                             .groups = 1,
                             .weight_bits = 8,
                             .zero = 3};
    const int8_t        weights[4] = {1, 2, 5, -1};
    const uint8_t       x[2] = {10, 20};
    int32_t             bias = 7, y[2];
    const hawq_kernels *ref = hawq_kernels_select("ref");
    ref->conv_s32(&v, weights, &bias, x, y, NULL);
    CHECK(y[0] == 7 + 3 * 1 + 3 * 2 + 3 * 5 - 10);
    CHECK(y[1] == 7 + 3 * 1 + 3 * 2 + 10 * 5 - 20);
}

static void selection(void) {
    const hawq_kernels *best = hawq_kernels_select(NULL);
    CHECK(best && best->usable());
    CHECK(hawq_kernels_select("no such table") == NULL);
    for (const hawq_kernels *const *k = hawq_kernels_all; *k; k++) {
        bool listed = strstr(hawq_kernels_usable_names(), (*k)->name) != NULL;
        CHECK(listed == (*k)->usable());
        CHECK((hawq_kernels_select((*k)->name) == *k) == (*k)->usable());
        if (!k[1]) CHECK(strcmp((*k)->name, "ref") == 0);
    }
}

static void timing_statistics(void) {
    double      samples[5] = {9, 1, 5, 3, 100};
    hawq_timing t = hawq_timing_of(samples, 5);
    CHECK(t.min_ns == 1 && t.q1_ns == 3 && t.median_ns == 5 && t.q3_ns == 9);
    double two[2] = {4, 2};
    t = hawq_timing_of(two, 2);
    CHECK(t.median_ns == 3 && t.q1_ns == 2.5 && t.batches == 2);
}

static void count_call(void *context) {
    ++*(size_t *)context;
}

/* Every call is counted: the warm-up's, then batches * calls_per_batch. */
static void timing_calls(void) {
    size_t      calls = 0;
    hawq_timing t = hawq_timer_measure(count_call, &calls, 1000, 400000, 7);
    CHECK(t.batches == 7 && t.calls_per_batch > 1);
    CHECK(calls >= 8 * t.calls_per_batch);
    CHECK(t.min_ns > 0 && t.min_ns <= t.q1_ns && t.q1_ns <= t.median_ns &&
          t.median_ns <= t.q3_ns);
    CHECK(hawq_timer_measure(count_call, &calls, 0, 0, -3).batches == 1);
}

int main(void) {
    state = 20240607;
    ref_by_hand();
    selection();
    conv_tile_edges();
    conv_pixel_edges();
    conv_extremes();
    conv_random();
    outliers_equal_weights();
    outliers_by_hand();
    add_equals_ref();
    pools_equal_ref();
    quantize_equals_ref();
    quantize_rounds_half_to_even();
    move_equals_ref();
    timing_statistics();
    timing_calls();
    printf("tables: %s\n", hawq_kernels_usable_names());
    DONE();
}
