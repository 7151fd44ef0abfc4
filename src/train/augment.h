/* augment.h -- random shifts and mirror images of training pictures.
 *
 * What happens to an image is a pure function of (seed, epoch, image), so an
 * epoch can be redone anywhere, in any order and by any number of threads.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_AUGMENT_H
#define HAWQ_AUGMENT_H
#include "src/graph/op.h"

typedef struct hawq_augment {
    bool flip;  /* left and right change places, in half of the cases */
    int  shift; /* up to so many pixels, uniformly, down and to the right or
                   up and to the left */
    const real *fill; /* per channel: what moves in; NULL = 0 */
} hawq_augment;

/* The draw for one image: pixels moved down and to the right, and whether it
 * is mirrored (before it is moved). */
typedef struct hawq_placement {
    int  down, right;
    bool mirrored;
} hawq_placement;

hawq_placement hawq_augment_draw(const hawq_augment *augment, uint64_t seed,
                                 uint64_t epoch, uint64_t image);

/* y(c, i, j) = x(c, i - down, j - right), or the fill outside of x, with x
 * mirrored first where the placement says so. shape is {channels, height,
 * width}; x and y do not overlap. */
void hawq_augment_apply(const hawq_augment *augment, hawq_placement placement,
                        const int64_t shape[3], const real *x, real *y);

#endif
