/* f32_winograd_body.h -- the steps of f32_winograd.h, written once for a vector
 * width; included after f32_body.h by one file per instruction set, which also
 * defines low, high, low_pair and high_pair: the interleaving of the halves of
 * each group of 4 floats of two vectors, float by float and pair by pair.
 *
 * The elements of a vector are tiles. Images are rows of pixels, 4 to a tile,
 * so 4 vectors of pixels are turned into 4 vectors of tiles, in groups of 4 x 4
 * floats: tile 4r + g of LANES comes to stand in element r of group g, and the
 * way out turns it back.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/f32_winograd.h"

enum { TILE = HAWQ_F32_TILE, SPAN = HAWQ_F32_SPAN, LINE = 16 };

/* Points +-NEAR and +-FAR. */
#define NEAR 0.625F
#define FAR 1.5F
static const float near2 = NEAR * NEAR, far2 = FAR * FAR;
static const float near3 = NEAR * NEAR * NEAR, far3 = FAR * FAR * FAR;
static const float both = NEAR * NEAR + FAR * FAR;
static const float product = NEAR * NEAR * FAR * FAR;

/* B^T d */
static inline __attribute__((always_inline)) void into(const vec d[SPAN],
                                                       vec       t[SPAN]) {
    vec even = d[4] - far2 * d[2], odd = d[3] - far2 * d[1];
    t[0] = d[4] - both * d[2] + product * d[0];
    t[1] = even + NEAR * odd;
    t[2] = even - NEAR * odd;
    even = d[4] - near2 * d[2];
    odd = d[3] - near2 * d[1];
    t[3] = even + FAR * odd;
    t[4] = even - FAR * odd;
    t[5] = d[5] - both * d[3] + product * d[1];
}

/* A^T m */
static inline __attribute__((always_inline)) void out_of(const vec m[SPAN],
                                                         vec       y[TILE]) {
    vec even_near = m[1] + m[2], odd_near = m[1] - m[2];
    vec even_far = m[3] + m[4], odd_far = m[3] - m[4];
    y[0] = m[0] + even_near + even_far;
    y[1] = NEAR * odd_near + FAR * odd_far;
    y[2] = near2 * even_near + far2 * even_far;
    y[3] = near3 * odd_near + far3 * odd_far + m[5];
}

/* G g */
static inline __attribute__((always_inline)) void widen(const vec g[3],
                                                        vec       u[SPAN]) {
    const float at_near = 1 / (2 * near2 * (near2 - far2));
    const float at_far = 1 / (2 * far2 * (far2 - near2));
    vec         even = at_near * (g[0] + near2 * g[2]);
    vec         odd = at_near * NEAR * g[1];
    u[0] = 1 / product * g[0];
    u[1] = even + odd;
    u[2] = even - odd;
    even = at_far * (g[0] + far2 * g[2]);
    odd = at_far * FAR * g[1];
    u[3] = even + odd;
    u[4] = even - odd;
    u[5] = g[2];
}

/* Groups of 4 x 4 floats, rows to columns. */
static inline __attribute__((always_inline)) void turn(vec v[TILE]) {
    vec a = low(v[0], v[1]), b = high(v[0], v[1]);
    vec c = low(v[2], v[3]), d = high(v[2], v[3]);
    v[0] = low_pair(a, c);
    v[1] = high_pair(a, c);
    v[2] = low_pair(b, d);
    v[3] = high_pair(b, d);
}

/* --- weights ------------------------------------------------------------ */

/* LANES output channels, of which `outs` exist, of one input channel. */
static void widen_filters(const float *at, const hawq_f32_weights *w,
                          size_t outs, float *u, size_t slab) {
    float tap[9][LANES];
    vec   g[3], rows[SPAN][3], all[SPAN];
    if (outs < LANES) memset(tap, 0, sizeof tap);
    for (size_t l = 0; l < outs; l++, at += w->out_stride)
        for (int t = 0; t < 9; t++) tap[t][l] = at[t * w->tap_step];
    for (int x = 0; x < 3; x++) {
        for (int y = 0; y < 3; y++) g[y] = load(tap[y * 3 + x]);
        widen(g, all);
        for (int k = 0; k < SPAN; k++) rows[k][x] = all[k];
    }
    for (int k = 0; k < SPAN; k++) {
        widen(rows[k], all);
        for (int j = 0; j < SPAN; j++, u += slab) store(u, all[j]);
    }
}

static void winograd_weights(const hawq_f32_shape *s, const hawq_f32_weights *w,
                             size_t first, size_t outs, float *u) {
    size_t panels = (outs + LANES - 1) / LANES;
    size_t slab = hawq_f32_slab(panels * s->in, LANES);
    for (size_t o = 0; o < outs; o += LANES)
        for (size_t c = 0; c < s->in; c++, u += LANES)
            widen_filters(w->at + (first + o) * w->out_stride +
                              c * w->in_stride,
                          w, outs - o < LANES ? outs - o : LANES, u, slab);
}

/* --- images ------------------------------------------------------------- */

/* to[n] = from[n], or += for an output; in pieces, since most rows are too
 * short for a call. */
static inline __attribute__((always_inline)) void
piece(float *to, const float *from, const int n, const bool add) {
    float t[LANES], f[LANES];
    memcpy(f, from, (size_t)n * sizeof *f);
    if (add) {
        memcpy(t, to, (size_t)n * sizeof *t);
        for (int i = 0; i < n; i++) f[i] += t[i];
    }
    memcpy(to, f, (size_t)n * sizeof *f);
}
static inline __attribute__((always_inline)) void
pieces(float *to, const float *from, size_t n, const bool add) {
    for (; n >= LANES; n -= LANES, to += LANES, from += LANES)
        if (add)
            store(to, load(to) + load(from));
        else
            store(to, load(from));
    for (; n >= 8; n -= 8, to += 8, from += 8) piece(to, from, 8, add);
    for (; n >= 4; n -= 4, to += 4, from += 4) piece(to, from, 4, add);
    for (; n > 0; n--, to++, from++) piece(to, from, 1, add);
}

/* Rows of one channel that `rows` tile rows from ty on read, into the padded
 * plane, whose frame is zero. */
static inline void pad_rows(const hawq_f32_shape *s, size_t pitch, size_t ty,
                            size_t rows, const float *x, float *plane) {
    size_t y = ty * TILE, end = (ty + rows) * TILE + 2;
    size_t width = pitch - s->pad_left < s->w ? pitch - s->pad_left : s->w;
    if (y < s->pad_top) y = s->pad_top;
    if (end > s->h + s->pad_top) end = s->h + s->pad_top;
    if (y >= end) return;
    x += (y - s->pad_top) * s->w;
    for (size_t i = 0; i < (end - y) * s->w; i += LINE) /* next channel's */
        __builtin_prefetch(x + s->h * s->w + i);
    for (plane += y * pitch + s->pad_left; y < end; y++) {
        pieces(plane, x, width, false);
        plane += pitch;
        x += s->w;
    }
}

/* B^T down the pixels of one tile row, from column `at` on. */
static inline __attribute__((always_inline)) void
transform_row(const float *at, size_t pitch, size_t columns, size_t quads,
              float *to) {
    const float *at3 = at + 3 * pitch;
    float       *to3 = to + 3 * quads;
    for (size_t x = 0; x < columns; x += LANES) {
        vec d[SPAN], t[SPAN];
        for (size_t k = 0; k < 3; k++) {
            d[k] = load(at + k * pitch);
            d[3 + k] = load(at3 + k * pitch);
        }
        into(d, t);
        for (size_t k = 0; k < 3; k++) {
            store(to + k * quads, t[k]);
            store(to3 + k * quads, t[3 + k]);
        }
        at += LANES;
        at3 += LANES;
        to += LANES;
        to3 += LANES;
    }
}

/* B along the tiles: LANES tiles, all 36 elements. */
static inline void transform_tiles(const float *left, const float *right,
                                   size_t quads, float *v, size_t slab) {
    for (size_t k = 0; k < SPAN; k++, left += quads, right += quads) {
        vec d[2 * TILE], t[SPAN];
        for (size_t r = 0; r < TILE; r++) {
            d[r] = load(left + r * LANES);
            d[TILE + r] = load(right + r * LANES);
        }
        turn(d);
        turn(d + TILE);
        into(d, t);
        for (size_t j = 0; j < SPAN; j++, v += slab) store(v, t[j]);
    }
}

static void winograd_images(const hawq_f32_shape *s, const hawq_f32_band *b,
                            const float *const *x, float *room, float *v) {
    size_t pitch = hawq_f32_tile_pitch(b), plane = hawq_f32_tile_plane(b);
    size_t quads = hawq_f32_quads(b), slab = hawq_f32_slab(s->in, b->stride);
    size_t end = b->first + b->rows, image = s->in * s->h * s->w;
    float *left = room + plane, *right = left + SPAN * quads;
    memset(room, 0, (plane + 2 * SPAN * quads) * sizeof *room);
    for (size_t c = 0; c < s->in; c++, v += b->stride) {
        size_t done = 0; /* tiles */
        for (size_t row = b->first; row < end;) {
            size_t q = row / b->down, ty = row % b->down;
            size_t last = end - row < b->down - ty ? ty + end - row : b->down;
            const float *from = x[q / b->images] + q % b->images * image;
            pad_rows(s, pitch, ty, last - ty, from + c * s->h * s->w, room);
            for (; ty < last; ty++, row++, done += b->across)
                for (size_t side = 0; side < 2; side++)
                    transform_row(room + (ty * pitch + side) * TILE, pitch,
                                  b->across * TILE, quads,
                                  (side ? right : left) + done * TILE);
        }
        for (size_t t = 0; t < done; t += LANES)
            transform_tiles(left + t * TILE, right + t * TILE, quads, v + t,
                            slab);
    }
}

/* --- the 36 products ---------------------------------------------------- */

/* M[OUT][runs vectors] = U[in][OUT] V[in][runs vectors] */
static inline __attribute__((always_inline)) void
tile_block(const float *u, const float *v, size_t in, size_t stride, float *m,
           const int runs) {
    vec acc[OUT][3];
    for (int i = 0; i < OUT; i++)
        for (int r = 0; r < runs; r++) acc[i][r] = (vec){0};
    for (size_t c = 0; c < in; c++, u += LANES, v += stride) {
        vec t[3];
        for (int r = 0; r < runs; r++) t[r] = load(v + r * LANES);
        for (int i = 0; i < OUT; i++) {
            vec factor = (vec){0} + u[i];
            for (int r = 0; r < runs; r++) acc[i][r] += factor * t[r];
        }
    }
    for (int i = 0; i < OUT; i++, m += stride)
        for (int r = 0; r < runs; r++) store(m + r * LANES, acc[i][r]);
}

/* All output channels for `runs` vectors of tiles, of one element. */
static inline __attribute__((always_inline)) void
tile_column(const float *u, const float *v, size_t in, size_t outs,
            size_t stride, float *m, const int runs) {
    for (size_t o = 0; o < outs; o += OUT, m += OUT * stride)
        tile_block(u + o / LANES * LANES * in + o % LANES, v, in, stride, m,
                   runs);
}

static void winograd_multiply(const hawq_f32_shape *s, const hawq_f32_band *b,
                              size_t outs, const float *u, const float *v,
                              float *m) {
    size_t panels = (outs + LANES - 1) / LANES, in = s->in;
    size_t slab_u = hawq_f32_slab(panels * in, LANES);
    size_t slab_v = hawq_f32_slab(in, b->stride);
    size_t slab_m = hawq_f32_slab(panels * LANES, b->stride);
    for (int k = 0; k < HAWQ_F32_ELEMENTS; k++) {
        size_t left = (b->rows * b->across + LANES - 1) / LANES, t = 0;
        for (; left > 4 || left == 3; left -= 3, t += 3 * LANES)
            tile_column(u, v + t, in, outs, b->stride, m + t, 3);
        for (; left >= 2; left -= 2, t += 2 * LANES)
            tile_column(u, v + t, in, outs, b->stride, m + t, 2);
        if (left) tile_column(u, v + t, in, outs, b->stride, m + t, 1);
        u += slab_u;
        v += slab_v;
        m += slab_m;
    }
}

/* --- outputs ------------------------------------------------------------ */

/* A^T M A of LANES tiles: 4 rows of pixels, tile after tile. */
static inline void untransform_tiles(const float *m, size_t slab, float *pixels,
                                     size_t quads) {
    vec half[TILE][SPAN], y[TILE][TILE];
    for (size_t k = 0; k < SPAN; k++) {
        vec t[SPAN], h[TILE];
        for (size_t j = 0; j < SPAN; j++, m += slab) t[j] = load(m);
        out_of(t, h);
        for (size_t j = 0; j < TILE; j++) half[j][k] = h[j];
    }
    for (size_t j = 0; j < TILE; j++) {
        vec h[TILE];
        out_of(half[j], h);
        for (size_t i = 0; i < TILE; i++) y[i][j] = h[i];
    }
    for (size_t i = 0; i < TILE; i++, pixels += quads) {
        turn(y[i]);
        for (size_t r = 0; r < TILE; r++) store(pixels + r * LANES, y[i][r]);
    }
}

static void winograd_collect(const hawq_f32_shape *s, const hawq_f32_band *b,
                             size_t first, size_t outs, const float *m,
                             float *room, float *const *y) {
    size_t quads = hawq_f32_quads(b), tiles = b->rows * b->across;
    size_t padded = (outs + LANES - 1) / LANES * LANES;
    size_t slab = hawq_f32_slab(padded, b->stride);
    size_t area = s->oh * s->ow;
    for (size_t o = 0; o < outs; o++, m += b->stride) {
        for (size_t t = 0; t < tiles; t += LANES)
            untransform_tiles(m + t, slab, room + t * TILE, quads);
        for (size_t r = 0; r < b->rows; r++) {
            size_t q = (b->first + r) / b->down;
            size_t at = (b->first + r) % b->down * TILE;
            float *to = y[q / b->images] +
                        (q % b->images * s->out + first + o) * area +
                        at * s->ow;
            const float *from = room + r * b->across * TILE;
            for (size_t i = 0; i < TILE && at + i < s->oh; i++)
                pieces(to + i * s->ow, from + i * quads, s->ow, true);
        }
    }
}

static const hawq_f32_winograd_steps winograd = {
    .lanes = LANES,
    .weights = winograd_weights,
    .images = winograd_images,
    .multiply = winograd_multiply,
    .collect = winograd_collect,
};
