/* f32_winograd.h -- 3x3 correlations of stride 1 by minimal filtering, F(4x4,
 * 3x3) (Winograd 1980; Lavin & Gray 2016, section 4.2): 36 multiplications give
 * the 16 outputs of a tile that take 144.
 *
 *     Y = A^T [ sum_c (G g_c G^T) .* (B^T d_c B) ] A
 *
 * with d the 6x6 inputs of a tile, g the 3x3 filter, .* element by element. The
 * sum over channels is 36 matrix products, one for each element:
 *
 *     U[36][out][in] = G g G^T      V[36][in][tile] = B^T d B
 *     M[36] = U[36] V[36]           y[out][tile] += A^T M A
 *
 * Tiles are counted across all images of a call, row by row, so that small
 * images fill vectors as well.
 *
 * Interpolation points 0, +-5/8, +-3/2 and infinity: all entries of A and B are
 * exact in float, and of the points tried they lose least: an rms error of 5 to
 * 6.5e-8 of sum|w x| for 64 to 16 channels, against 2.4e-8 of the plain sum and
 * 12e-8 with the usual 0, +-1, +-2. test_winograd.c has the bound.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_F32_WINOGRAD_H
#define HAWQ_F32_WINOGRAD_H
#include "kernels/f32_conv.h"

/* w(o, i, t) = at[o * out_stride + i * in_stride + t * tap_step], t = ky * kw
 * + kx; a negative tap_step walks a reversed kernel (at: its last tap). */
typedef struct hawq_f32_weights {
    const float *at;
    size_t       out_stride, in_stride;
    ptrdiff_t    tap_step;
} hawq_f32_weights;

/* A run of tile rows, image after image, that is worked on at once. */
typedef struct hawq_f32_band {
    size_t down, across; /* tile rows of an image, tiles of a row */
    size_t first, rows;  /* tile rows, counted over all images */
    size_t stride;       /* of V and M, channel to channel: tiles, rounded up */
    size_t images;       /* that one pointer of x and y holds */
} hawq_f32_band;

/* The steps, for one instruction set; legal in this order. Output channels
 * [first, first + outs) of the shape, `first` a multiple of `lanes`. */
typedef struct hawq_f32_winograd_steps {
    size_t lanes;
    /* U[36][outs / lanes, up][in][lanes] */
    void (*weights)(const hawq_f32_shape *s, const hawq_f32_weights *w,
                    size_t first, size_t outs, float *u);
    /* V of the band; image q is x[q / band.images]'s q % band.images-th */
    void (*images)(const hawq_f32_shape *s, const hawq_f32_band *b,
                   const float *const *x, float *room, float *v);
    void (*multiply)(const hawq_f32_shape *s, const hawq_f32_band *b,
                     size_t outs, const float *u, const float *v, float *m);
    /* y += A^T M A, images counted as those of x */
    void (*collect)(const hawq_f32_shape *s, const hawq_f32_band *b,
                    size_t first, size_t outs, const float *m, float *room,
                    float *const *y);
} hawq_f32_winograd_steps;

/* Whether the shape is one: 3x3, and a table of steps. */
bool hawq_f32_winograd_fits(const hawq_f32_kernels *k, const hawq_f32_shape *s);

/* Floats of scratch for up to n pairs of that many images. */
size_t hawq_f32_winograd_scratch(const hawq_f32_kernels *k,
                                 const hawq_f32_shape *s, size_t images,
                                 size_t n);

/* y[i][images][out][oh][ow] += w[i] correlated with x[i][images][in][h][w], i <
 * n. Pointers may repeat: inputs and weights that all pairs share are
 * transformed once. */
void hawq_f32_winograd(const hawq_f32_kernels *k, const hawq_f32_shape *s,
                       size_t images, size_t n, const hawq_f32_weights *w,
                       const float *const *x, float *const *y, float *scratch);

/* --- sizes, in floats, shared by the steps ------------------------------- */

enum { HAWQ_F32_TILE = 4, HAWQ_F32_SPAN = 6, HAWQ_F32_ELEMENTS = 36 };

/* From one of the 36 matrices to the next. The odd line keeps them apart in the
 * sets of a cache. */
static inline size_t hawq_f32_slab(size_t rows, size_t stride) {
    return (rows * stride + 31) / 32 * 32 + 16;
}
/* One channel of an image with its padding, tiles whole. */
static inline size_t hawq_f32_tile_pitch(const hawq_f32_band *b) {
    return b->across * HAWQ_F32_TILE + 2;
}
static inline size_t hawq_f32_tile_plane(const hawq_f32_band *b) {
    size_t rows = b->down * HAWQ_F32_TILE + 2;
    return (rows * hawq_f32_tile_pitch(b) + 63) / 32 * 32;
}
/* One row of pixels of every tile of a band, tile after tile. */
static inline size_t hawq_f32_quads(const hawq_f32_band *b) {
    return b->stride * HAWQ_F32_TILE + 32;
}
#endif
