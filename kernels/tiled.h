/* tiled.h -- convolution by register tiles: what the x86 tables share.
 *
 * The image is copied once into scratch with its padding in place (not at all
 * when there is none and the shape allows it), and then no im2col is made: an
 * output pixel is a pointer into that copy, and its window is a list of `runs`,
 * stretches of consecutive bytes at fixed offsets from the pointer. For
 * ordinary convolutions a run is a whole kernel row of kw * c values; with
 * groups or horizontal dilation it is the c / groups values of one tap.
 *
 * A tile computes up to 8 pixels x 16 or 32 output channels in registers: for
 * each step of k along a run, broadcast each pixel's k values and multiply them
 * with two vectors of weights. A row of pixels is cut into nearly equal tiles,
 * so that none is small; all pixels are one row where they follow each other
 * without a gap.
 *
 * Weights are packed into panels, one per tile of output channels, in the order
 * the tile reads them:
 *     panel[step][vector 0, 1][lane][per]
 *     oc = vector * lanes / split + lane / split
 *     k  = step * per * split + lane % split * per + 0 .. per - 1
 * where a lane is 32 bits of accumulator. split = 2 gives each output channel
 * two lanes with halves of the sum, for tiles of few output channels. Runs are
 * padded with zero weights to full steps; x may be read past a run by less than
 * a step. Below 8 bits a panel holds codes in 64-byte groups, in which byte i
 * holds the codes i, 64 + i (, 128 + i, 192 + i), lowest bits first, and is
 * expanded through the level table into scratch before its pixels are computed.
 * Where no level is 0, the padding is set to 0 after that.
 *
 * Depthwise convolution works by output rows: for each column of the padded
 * image, the values of `per` kernel rows are interleaved per channel, kept in
 * scratch, and used by the kw outputs that share the column. Where stride_w = 1
 * and channels are few, one vector serves several neighbouring pixels.
 *
 * Call order: pack; then conv with the scratch conv_scratch_bytes asked for.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TILED_H
#define HAWQ_TILED_H
#include "kernels/kernel.h"

/* Before a loop of constant length whose arrays must live in registers. */
#if defined(__clang__)
#define HAWQ_UNROLL _Pragma("clang loop unroll(full)")
#else
#define HAWQ_UNROLL _Pragma("GCC unroll 8")
#endif

enum { HAWQ_TILE_PX = 8, HAWQ_TILE_LANES = 64, HAWQ_TILE_SLACK = 64 };

/* One tile's bounds and epilogue. The arrays are in the order of the
 * accumulators' lanes; beyond n_oc they hold anything that is valid. */
typedef struct hawq_tile {
    _Alignas(64) int32_t bias[HAWQ_TILE_LANES];
    int32_t        multiplier[HAWQ_TILE_LANES], pre[HAWQ_TILE_LANES];
    int32_t        shift[HAWQ_TILE_LANES], half[HAWQ_TILE_LANES];
    const int32_t *run_at; /* byte offset of each run from the pixel */
    int            n_runs;
    int            run_bytes; /* of a run, padded to full steps */
    int            n_oc;      /* valid output channels */
    size_t         y_stride; /* elements from one pixel's outputs to the next */
    bool           raw;      /* store int32 accumulators, not bytes */
    int8_t         level[16]; /* of the weights below 8 bits */
    uint8_t        zero, low, high;
    /* Sums of the previous tile that are not requantized yet; a tile may leave
     * its own here, for the next one to mix with its products. */
    _Alignas(64) int32_t waiting[HAWQ_TILE_PX * 32];
    const int32_t *waiting_at; /* the first of them, */
    int            n_waiting;  /* pixels from there on, */
    uint8_t       *waiting_y;  /* and where their outputs go */
} hawq_tile;

/* x points at the window of the first pixel, x + next at the second one's; y at
 * the first one's outputs. */
typedef void hawq_tile_function(hawq_tile *tile, const int8_t *panel,
                                const uint8_t *x, ptrdiff_t next, void *y);

/* A shape of tile; functions[n - 1] computes n pixels, n <= pixels, from
 * weights of 8 bits or expanded ones. single[] computes layers of one pixel
 * (fully connected ones) at 8, 4, 2 bits from the panel as it is stored: each
 * weight is used once, so it is not worth writing down expanded. NULL: there is
 * none.
 */
typedef struct hawq_tile_kind {
    const char                *names[3]; /* at 8, 4, 2 bits */
    int                        lanes, per, split;
    int                        x_bytes; /* of one value in the copied image */
    int                        pixels;
    hawq_tile_function *const *functions;
    hawq_tile_function        *single[3];
    void (*flush)(hawq_tile *tile); /* finish what is waiting; may be NULL */
    /* Before functions[] see a panel; may be NULL. Where there is one, all runs
     * are computed, also those that see padding of 0 only. */
    void (*prepare)(hawq_tile *tile, const int8_t *panel);
} hawq_tile_kind;

/* One row of a depthwise convolution: `x` is the padded image at the row's
 * first tap and the tile's first channel, `columns` the scratch. */
typedef struct hawq_depthwise_row {
    const uint8_t *x;
    size_t         row_bytes; /* from one kernel row's tap to the next */
    int            c;         /* bytes from one column to the next */
    int            width, kh; /* columns of the padded image; kernel rows */
    int            kw, step_w, stride_w; /* step_w: from tap to tap */
    int            ow, pixels; /* outputs of the row, and per vector */
} hawq_depthwise_row;

/* What an instruction set supplies. */
typedef struct hawq_tiled {
    /* The tile for the next `rest` output channels of a group. All tiles of
     * one layer have the same x_bytes. */
    const hawq_tile_kind *(*kind)(const hawq_conv *conv, int rest);
    /* Expands n bytes of a panel of 4 or 2 bits, n a multiple of 64. */
    void (*expand)(int weight_bits, const int8_t level[16], size_t n,
                   const uint8_t *from, int8_t *to);
    /* Widens n values of x where x_bytes is 2; NULL: portable C does. */
    void (*widen)(size_t n, const uint8_t *from, uint16_t *to);
    const char *depthwise_names[3];
    int         depthwise_lanes, depthwise_per; /* 4 vectors of lanes */
    void (*depthwise)(const hawq_tile *tile, const int8_t *panel,
                      const hawq_depthwise_row *row, void *y, void *columns);
} hawq_tiled;

/* A bound of |weight|: of all levels, or the one stated, or 128. */
int hawq_tiled_largest(const hawq_conv *conv);

/* The slots of kernel.h; requant NULL: y is int32_t and holds accumulators. */
size_t hawq_tiled_packed_bytes(const hawq_tiled *isa, const hawq_conv *conv);
void   hawq_tiled_pack(const hawq_tiled *isa, const hawq_conv *conv,
                       const int8_t *weights, uint8_t *packed);
size_t hawq_tiled_scratch_bytes(const hawq_tiled *isa, const hawq_conv *conv);
void   hawq_tiled_conv(const hawq_tiled *isa, const hawq_conv *conv,
                       const uint8_t *packed, const hawq_requant *requant,
                       const int32_t *bias, const uint8_t *x, void *y,
                       uint8_t *scratch);
const char *hawq_tiled_name(const hawq_tiled *isa, const hawq_conv *conv);

#endif
