/* seams.h -- where scales can be moved between neighbouring layers: see
 * rewrite.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SEAMS_H
#define HAWQ_SEAMS_H
#include "src/graph/graph.h"

typedef struct hawq_seam {
    const hawq_layer  *from; /* NULL: a normalization, */
    const hawq_node   *norm; /* this one */
    const hawq_tensor *at;   /* what the readers read */
    const hawq_layer **to;   /* n_to readers */
    int                n_to;
    size_t             channels;
    int                axis;    /* of the tensor, that holds them */
    double            *largest; /* |x_j|, over positions and images */
    double            *mean;    /* of |x_j| */
    double            *total;   /* product of all factors so far */
} hawq_seam;

/* All seams, in the order of the nodes, in the arena; norms: also those that
 * begin at a normalization. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_seams_find(const hawq_graph *graph, bool norms,
                                           hawq_arena *arena, int *n,
                                           hawq_seam **out);

/* The seam's channel that meets input k of row r of a reader. */
size_t hawq_seam_channel(const hawq_layer *reader, size_t r, size_t k);

/* Every input of a reader times its channel's factor. */
void hawq_seam_scale_inputs(const hawq_layer *reader, const double *factor);

/* Divides the maker and multiplies the readers; total takes the factors up. */
void hawq_seam_apply(const hawq_seam *seam, const double *factor);

/* For each channel the largest weight of the maker's row, and of the readers
 * that meet it. */
void hawq_seam_largest_out(const hawq_seam *seam, double *out);
void hawq_seam_largest_in(const hawq_seam *seam, double *out);

#endif
