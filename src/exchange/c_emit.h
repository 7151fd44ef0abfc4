/* c_emit.h -- what the files of the C writer share; for src/exchange only.
 *
 * Every step adds its constants and one line of net_run, and marks the parts of
 * net_steps.txt that it needs.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_C_EMIT_H
#define HAWQ_C_EMIT_H
#include "src/exchange/c_source.h"
#include "src/exchange/c_text.h"
#include "src/exchange/c_weights.h"

/* Conditions of the sections of net_steps.txt, which c_write.c names alike. */
typedef enum c_part {
    PART_ALWAYS,
    PART_REQUANT,
    PART_CLAMP,
    PART_WEIGHTS,
    PART_PLAIN,
    PART_CODED,
    PART_BITS,
    PART_TRITS,
    PART_GROUPED,
    PART_CONV,
    PART_CONV_S32,
    PART_OUTLIERS,
    PART_REQUANTIZE,
    PART_ADD,
    PART_POOL,
    PART_MAX_POOL,
    PART_AVERAGE_POOL,
    PART_MOVE,
    PART_GATHER,
    PART_SCALE,
    PART_DEQUANTIZE,
    C_PARTS
} c_part;

/* The weights of a step, and the number of the step whose arrays they are:
 * another one where two nodes read the same layer. */
typedef struct c_layer {
    int       owner;
    c_weights packed;
} c_layer;

typedef struct c_emit {
    const hawq_c_source *what;
    const hawq_program  *program;
    hawq_arena          *arena;
    c_text               constants, run;
    bool                 softmax; /* at the end of the network; left out */
    bool                 used[C_PARTS];
    c_layer             *layer;   /* per step; of convolutions */
    size_t               row;     /* bytes of the longest unpacked row */
    int                  largest; /* extent of a convolution or pool */
    size_t               width;   /* longest row with outliers */
    /* As the steps at the ends have them. */
    const hawq_boundary *input, *output;
} c_emit;

/* Packs the weights of all steps: which of the parts they need has to be known
 * before the first constant is written. */
HAWQ_NODISCARD hawq_status hawq_c_emit_pack(c_emit *e);

/* Adds step i, of a program without float nodes. */
HAWQ_NODISCARD hawq_status hawq_c_emit_step(c_emit *e, int i);

/* Adds what a CONV or CONV_S32 step computes with. */
HAWQ_NODISCARD hawq_status hawq_c_emit_convolution(c_emit *e, int i);

/* Adds the arrays of a requantization of n channels, named after step i. */
void hawq_c_emit_requant_arrays(c_emit *e, int i, size_t n,
                                const hawq_requant *q);
/* And the initializer "{multiplier_3, 0, shift_3, 0, 0, 255}". */
void hawq_c_emit_requant(c_emit *e, int i, size_t n, const hawq_requant *q);

/* Sizes that the type of extents must hold. */
void hawq_c_emit_extents(c_emit *e, int n, const int *extent);

/* The three files, when all steps are added. */
void                       hawq_c_write_header(const c_emit *e, c_text *out);
void                       hawq_c_write_source(const c_emit *e, c_text *out);
HAWQ_NODISCARD hawq_status hawq_c_write_check(const c_emit *e, c_text *out);

/* "step_3", in the caller's memory. */
enum { C_NAME = 32 };
const char *hawq_c_name(const char *noun, int i, char name[C_NAME]);

#endif
