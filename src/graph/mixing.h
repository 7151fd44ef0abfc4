/* mixing.h -- does what a network says of an image depend on that image alone?
 *
 * Everything here cuts data into batches as it likes, which is only right if
 * each image of a batch is treated as if it were alone. That is tried out, not
 * derived from a list of operators: the network runs on two batches of made-up
 * images that share one image a, at different places,
 *
 *     a, b, b, ...        c, a, c, ...
 *
 * and what it says of a must be the same up to rounding.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_MIXING_H
#define HAWQ_MIXING_H
#include "src/graph/graph.h"

/* After hawq_graph_finish, on a graph of at least two images (with one there is
 * nothing to check). EUNSUPPORTED if outputs differ; the sentence names the
 * first node whose output does, though its inputs do not. Networks whose
 * activations need more than 2^25 elements are not tried. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_graph_check_mixing(const hawq_graph *graph);

#endif
