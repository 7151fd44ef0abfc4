/* augment.c -- one row of pixels at a time.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/train/augment.h"

#include "src/base/rng.h"
#include "src/train/stream.h"

hawq_placement hawq_augment_draw(const hawq_augment *augment, uint64_t seed,
                                 uint64_t epoch, uint64_t image) {
    uint64_t key = hawq_rng_key(seed, HAWQ_STREAM_AUGMENT, epoch, image);
    uint64_t steps = 2 * (uint64_t)augment->shift + 1;
    return (hawq_placement){
        .down = (int)hawq_rng_below(key, 0, steps) - augment->shift,
        .right = (int)hawq_rng_below(key, 1, steps) - augment->shift,
        .mirrored = augment->flip && hawq_rng_sign(key, 2 * 64) < 0};
}

/* A row of w pixels; x is NULL if the row lies outside. */
static void place_row(hawq_placement p, int64_t w, real fill, const real *x,
                      real *y) {
    for (int64_t j = 0; j < w; j++) {
        int64_t from = j - p.right;
        if (!x || from < 0 || from >= w)
            y[j] = fill;
        else
            y[j] = x[p.mirrored ? w - 1 - from : from];
    }
}

void hawq_augment_apply(const hawq_augment *augment, hawq_placement placement,
                        const int64_t shape[3], const real *x, real *y) {
    int64_t h = shape[1], w = shape[2];
    for (int64_t c = 0; c < shape[0]; c++) {
        real        fill = augment->fill ? augment->fill[c] : 0;
        const real *plane = x + c * h * w;
        for (int64_t i = 0; i < h; i++) {
            int64_t     from = i - placement.down;
            const real *row = from < 0 || from >= h ? NULL : plane + from * w;
            place_row(placement, w, fill, row, y + (c * h + i) * w);
        }
    }
}
