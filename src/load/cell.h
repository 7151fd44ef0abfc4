/* cell.h -- a recurrent operator while it is written out, one direction at a
 * time. For recurrent.c, which has the equations, and cell.c, which writes a
 * step.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_CELL_H
#define HAWQ_CELL_H
#include "src/load/rewrite.h"

/* x -> x weight + bias. Names of tensors; bias NULL: none. */
typedef struct product {
    const char *weight, *bias, *layer;
} product;

/* An activation with its two numbers. */
typedef struct function {
    const struct function_kind *kind;
    double                      alpha, beta;
} function;

typedef struct cell {
    hawq_writer w;
    int         gates; /* LSTM 4, GRU 3, RNN 1 */
    int64_t     steps, length, images, inputs, hidden;
    int         directions, direction; /* of them, the one being written */
    bool        backward;              /* the only direction is */
    bool        by_image;              /* layout 1: images first, then steps */
    bool        linear, coupled;       /* linear_before_reset; input_forget */
    const hawq_tensor *W, *R, *B, *P;  /* B and P or NULL */
    const char        *index[4];       /* of the gates within all of them */
    /* of this direction */
    product     x, h_all, h_zr, h_n;
    const char *reset_bias, *peephole[3]; /* or NULL */
    function    f[3];                     /* f, g, h */
    const char *h, *c;                    /* state and memory; NULL: zeros */
} cell;

/* The activations of this direction. EUNSUPPORTED for one that is not known. */
HAWQ_NODISCARD hawq_status hawq_cell_functions(cell *c);

/* The gates of x, n of them, n <= 4. */
HAWQ_NODISCARD hawq_status hawq_cell_split(cell *c, const char *x, int n,
                                           const char **part);

/* h and c after a step whose inputs make z, all gates. */
HAWQ_NODISCARD hawq_status hawq_cell_step(cell *c, const char *z);

#endif
