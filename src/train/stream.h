/* stream.h -- the random numbers of a training run: one seed, one stream per
 * purpose, keyed as hawq_rng_key(seed, stream, ...).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_STREAM_H
#define HAWQ_STREAM_H

enum {
    HAWQ_STREAM_INIT = 1, /* (constant, 0): initial weights */
    HAWQ_STREAM_ORDER,    /* (epoch, 0): order of the images */
    HAWQ_STREAM_AUGMENT   /* (epoch, image): shift and mirror */
};

#endif
