/* feeds.h -- what is known of a network's inputs beyond its file: sizes that
 * the file leaves free, values that are the same for every image, and what the
 * data holds under the inputs' names.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_FEEDS_H
#define HAWQ_FEEDS_H
#include "src/graph/op.h"

enum { HAWQ_IMAGES = -1 }; /* a dimension: the number of images */

/* An array by name. */
typedef struct hawq_member {
    const char  *name;
    hawq_shape   shape;
    hawq_dtype   dtype;
    hawq_tensor *value; /* its numbers, where it is small; else NULL */
} hawq_member;

/* {0}: nothing is known. All borrowed. */
typedef struct hawq_feeds {
    size_t             n_shapes, n_values, n_members;
    const hawq_member *shape;  /* of one image, or with HAWQ_IMAGES where the
                                  images lie; no value */
    const hawq_member *value;  /* of one image, of all inputs that are fixed */
    const hawq_member *member; /* of the data; "x" serves the one input that no
                                  other member bears the name of */
    size_t n_outputs;          /* that are asked for, by name; 0: the first
                                  of floating type */
    const char *const *output;
} hawq_feeds;

#endif
