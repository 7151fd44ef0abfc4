/* six_tiles_body.h -- a tile function for each number of pixels up to six, from
 * an inlined one that takes the number. Whoever includes it defines
 *     TILE_OF(t, w, x, next, y, pixels)
 * and PX = 6. Not a header.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#define TILE(n)                                                                \
    static void tile_##n(hawq_tile *t, const int8_t *w, const uint8_t *x,      \
                         ptrdiff_t next, void *y) {                            \
        TILE_OF(t, w, x, next, y, n);                                          \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
#undef TILE

static hawq_tile_function *const tiles[PX] = {tile_1, tile_2, tile_3,
                                              tile_4, tile_5, tile_6};
