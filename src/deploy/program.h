/* program.h -- an integer-only program: what a network becomes once every
 * layer has its bits and every activation its affine map.
 *
 * A value is a block of unsigned bytes per image, x = scale (q - zero). A step
 * reads one or two values and writes one. All addresses are offsets into one
 * workspace, reused where lives do not overlap, so a run allocates nothing.
 * Floats exist at the two ends only: the input is quantized, and the last
 * layer's exact int32 accumulators are scaled to the outputs.
 *
 * A program knows no instruction set: run.h binds it to a table of kernels,
 * and every table computes the same bits.
 *
 *     hawq_program_lower(graph, &calibration, &options, &program);
 *     hawq_runner_new(program, kernels, threads, &runner);      (run.h)
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_PROGRAM_H
#define HAWQ_PROGRAM_H
#include "kernels/kernel.h"
#include "src/base/record.h"
#include "src/quant/calibrate.h"

typedef enum hawq_step_kind {
    HAWQ_STEP_QUANTIZE,     /* image, floats -> u8 */
    HAWQ_STEP_CONV,         /* convolution or fully-connected, u8 -> u8 */
    HAWQ_STEP_CONV_S32,     /* the same, u8 -> int32 accumulators */
    HAWQ_STEP_ADD,          /* residual addition, u8 + u8 -> u8 */
    HAWQ_STEP_MAX_POOL,     /* u8 -> u8 */
    HAWQ_STEP_AVERAGE_POOL, /* u8 -> u8 */
    HAWQ_STEP_MOVE,         /* index map and table, u8 -> u8 */
    HAWQ_STEP_SCALE,        /* int32 accumulators -> outputs, floats */
    HAWQ_STEP_DEQUANTIZE    /* u8 -> outputs, floats */
} hawq_step_kind;

/* QUANTIZE: y = clamp(round(x * factor) + zero, 0, high).
 * SCALE, DEQUANTIZE: element p of the input is output element
 * p % channels * (n / channels) + p / channels, and its value is
 * accumulator * scale[p % n_scales], or (q - zero) * factor. */
typedef struct hawq_boundary {
    size_t       n;
    float        factor;
    uint8_t      zero, high;
    size_t       channels, n_scales;
    const float *scale;
} hawq_boundary;

typedef struct hawq_weights {
    hawq_conv      shape;
    hawq_requant   requant; /* CONV_S32 uses its bias only */
    const uint8_t *packed;  /* canonical: OHWI rows at their bits */
} hawq_weights;

typedef struct hawq_gather {
    size_t         n;
    const int32_t *map; /* entries below 0 take the fill */
    uint8_t        fill;
    uint8_t        table[256];
} hawq_gather;

typedef struct hawq_step {
    hawq_step_kind kind;
    const char    *name;  /* of the node it comes from */
    int            layer; /* index of the layer it computes, or -1 */
    /* Offsets into the workspace. QUANTIZE has no `in`, SCALE and DEQUANTIZE
     * no `out`; only ADD has an `in2`. */
    size_t in, in2, out;
    union {
        hawq_boundary boundary;
        hawq_weights  weights;
        hawq_add      add;
        hawq_pool     pool;
        hawq_gather   gather;
    } u;
} hawq_step;

typedef struct hawq_program {
    hawq_arena   arena;       /* owns everything below */
    size_t       n_in, n_out; /* floats per image */
    int          n_steps;
    hawq_step   *step;
    size_t       workspace_bytes;
    int          n_layers;     /* as in the graph */
    hawq_choice *choice;       /* the bits that were really used */
    int64_t      weight_bytes; /* sum of hawq_weight_bytes */
    int64_t      file_bytes;   /* of every constant: packed weights, biases,
                                  multipliers and shifts, scales, tables */
    int  n_rescaled;           /* channels whose scale was raised, see below */
    int *rescaled;             /* per layer: how many of them */
} hawq_program;

typedef struct hawq_lower_options {
    /* One choice per layer, in any order: weights of 8, 4 or 2 bits;
     * activation_bits (8, 4 or 2) of the layer's input. A tensor read by
     * several layers takes the largest of their wishes, one read by none 8
     * bits. Pooling and moves keep the map of what they read. */
    int                n_choices;
    const hawq_choice *choice;
    hawq_range         weight_range;
    hawq_granularity   granularity;
    hawq_range         activation_range;
} hawq_lower_options;

/* Bits for every layer of the graph: {name, weight_bits, activation_bits},
 * in the arena. */
HAWQ_NODISCARD hawq_status hawq_choice_uniform(const hawq_graph *graph,
                                               int               weight_bits,
                                               int           activation_bits,
                                               hawq_arena   *arena,
                                               hawq_choice **out);

/* Lowers a finished graph. Proves for every channel that no accumulator can
 * leave 32 bits. A channel whose bias would (its weights being tiny) gets its
 * weight scale doubled until it fits: the bias then outweighs its weights by
 * far. A channel without weights takes a scale at which its bias is exact to
 * 2^-17 of itself. EINVAL for a missing, repeated or unknown layer or width;
 * EUNSUPPORTED names the node that cannot be lowered and why.
 * The program is free of the graph; hawq_program_free gives it back. */
HAWQ_NODISCARD hawq_status
hawq_program_lower(const hawq_graph *graph, const hawq_calibration *calibration,
                   const hawq_lower_options *options, hawq_program **out);
void hawq_program_free(hawq_program *program);

#endif
