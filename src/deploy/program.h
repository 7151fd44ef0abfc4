/* program.h -- an integer program: what a network becomes once every layer has
 * its quantized weights and every activation its affine map.
 *
 * A value is a block of unsigned bytes per image, x = scale (q - zero). A step
 * reads one or two values and writes one. All addresses are offsets into one
 * workspace, reused where lives do not overlap, so a run allocates nothing.
 * The input is quantized, and the last layer's exact int32 accumulators are
 * scaled to the outputs.
 *
 * Weights come as src/quant made them (quantized.h): their integers, scales,
 * outliers and corrected biases are taken over, nothing is rounded again. A
 * layer whose weights are partly kept apart takes three steps: accumulators,
 * the outliers' part of them, requantization.
 *
 * Float steps. A layer that is to stay in float32, and every node that has no
 * integer form (a softmax, a normalization, a product of two activations), is
 * run by the operator's own float function on floats in the workspace: what
 * integer steps made is dequantized for it, what integer steps read of it is
 * quantized, and what passes between float nodes stays as it is. Weights of a
 * layer keep their format: such a node reads them decoded, and the file holds
 * their codes. The sums are
 * those of the executor, on one thread, so these bits are the same for every
 * table of kernels, too.
 *
 * A program knows no instruction set: run.h binds it to a table of kernels,
 * and every table computes the same bits.
 *
 *     hawq_quantize_choices(graph, n, choice, ..., &options.quantized);
 *     hawq_program_lower(graph, &calibration, &options, &program);
 *     hawq_runner_new(program, kernels, threads, &runner);      (run.h)
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_PROGRAM_H
#define HAWQ_PROGRAM_H
#include "kernels/kernel.h"
#include "src/quant/calibrate.h"
#include "src/quant/choice.h"

typedef enum hawq_step_kind {
    HAWQ_STEP_QUANTIZE,     /* image or floats -> u8 */
    HAWQ_STEP_CONV,         /* convolution or fully-connected, u8 -> u8 */
    HAWQ_STEP_CONV_S32,     /* the same, u8 -> int32 accumulators */
    HAWQ_STEP_OUTLIERS,     /* adds weights kept apart, u8 -> accumulators */
    HAWQ_STEP_REQUANTIZE,   /* int32 accumulators -> u8 */
    HAWQ_STEP_ADD,          /* residual addition, u8 + u8 -> u8 */
    HAWQ_STEP_MAX_POOL,     /* u8 -> u8 */
    HAWQ_STEP_AVERAGE_POOL, /* u8 -> u8 */
    HAWQ_STEP_MOVE,         /* index map and table, u8 -> u8 */
    HAWQ_STEP_SCALE,        /* int32 accumulators -> outputs or floats */
    HAWQ_STEP_DEQUANTIZE,   /* u8 -> outputs or floats */
    HAWQ_STEP_FLOAT,        /* a node's own function, floats -> floats */
    HAWQ_STEP_OUTPUT        /* floats -> outputs */
} hawq_step_kind;

/* QUANTIZE: y = clamp(round(x * factor) + zero, 0, high).
 * SCALE, DEQUANTIZE: element p of the input is output element
 * p % channels * (n / channels) + p / channels, and its value is
 * accumulator * scale[p % n_scales], or (q - zero) * factor. */
typedef struct hawq_boundary {
    size_t n;
    bool   outside;     /* QUANTIZE: x is the image; else y is the outputs;
                                 if not so, they are in the workspace */
    size_t       first; /* of the image's numbers, where x is the image */
    float        factor;
    uint8_t      zero, high;
    size_t       channels, n_scales;
    const float *scale;
} hawq_boundary;

/* Of CONV, CONV_S32 and OUTLIERS, which use what they need of it. */
typedef struct hawq_weights {
    hawq_conv     shape;
    hawq_requant  requant; /* CONV_S32 uses its bias only */
    const int8_t *weights; /* OHWI rows: element p of a row is input
                              p % row_channels * (row / row_channels) +
                              p / row_channels of the layer's channel */
    size_t        row_channels;
    hawq_outliers outliers; /* all NULL where there are none */
} hawq_weights;

/* REQUANTIZE: of `pixels` times `channels` accumulators. */
typedef struct hawq_requantization {
    size_t       pixels, channels;
    hawq_requant requant;
} hawq_requantization;

typedef struct hawq_gather {
    size_t         n;
    const int32_t *map; /* entries below 0 take the fill */
    uint8_t        fill;
    uint8_t        table[256];
} hawq_gather;

/* A node in float32. Its tensors lie where program->float_at says. */
typedef struct hawq_floating {
    const hawq_node *node;
    const char      *why; /* it has no integer form, or was not to have it */
} hawq_floating;

typedef struct hawq_step {
    hawq_step_kind kind;
    const char    *name;  /* of the node it comes from */
    int            layer; /* index of the layer it computes, or -1; of a float
                             layer also the steps that (de)quantize for it */
    /* Offsets into the workspace. What is outside has none, nor has FLOAT;
     * only ADD has an `in2`. OUTLIERS also reads `out`. */
    size_t in, in2, out;
    union {
        hawq_boundary       boundary;
        hawq_weights        weights;
        hawq_requantization requantization;
        hawq_add            add;
        hawq_pool           pool;
        hawq_gather         gather;
        hawq_floating       floating;
    } u;
} hawq_step;

/* hawq_program.float_at of a tensor that has no floats in the workspace, and
 * of the network's input, which is the image itself. */
#define HAWQ_NOWHERE ((size_t)-1)
#define HAWQ_AT_IMAGE ((size_t)-2)

typedef struct hawq_program {
    hawq_arena        arena;       /* owns everything below but the graph */
    size_t            n_in, n_out; /* floats per image */
    int               n_steps;
    hawq_step        *step;
    size_t            workspace_bytes;
    int               n_floats; /* FLOAT steps */
    const hawq_graph *graph;    /* borrowed: whose nodes they run */
    size_t           *float_at; /* per tensor id: offset of its floats */
    real            **decoded;  /* per tensor id: what the codes of a layer in a
                                   float step stand for, and its corrected bias;
                                   NULL: what the graph has */
    size_t       scratch_reals; /* what the nodes want in planes.scratch */
    int          n_layers;      /* as in the graph */
    hawq_choice *choice;        /* what was really used, candidates named.
                                   activation_bits 32: no integer step computes
                                   the layer */
    /* Per tensor id: the map by which integer steps read or leave it, if any
     * does. (What only float steps see has none, nor has what was fused into
     * the node behind it.) */
    const hawq_affine *map;
    const bool        *has_map;
    int64_t weight_bytes; /* sum of hawq_quantized_bytes over the layers, and
                             the float32 weights of no layer (graph->rest) */
    int64_t file_bytes;   /* of every constant: weights, biases, multipliers and
                             shifts, scales, tables, and the float constants of
                             float nodes */
    int  n_rescaled;      /* channels whose scale was raised, see below */
    int *rescaled;        /* per layer: how many of them */
    /* Per layer: how often the integers of each channel were halved for it (by
     * the layer's last node); NULL: none was. */
    uint8_t **halvings;
} hawq_program;

typedef struct hawq_lower_options {
    /* One choice per layer, in any order. Of it counts what the quantized
     * weights do not say: activation_bits (8, 4 or 2) of the layer's input. A
     * tensor read by several layers takes the largest of their wishes (a float
     * layer's is 8), one read by none 8 bits. Pooling and moves keep the map of
     * what they read. */
    int                n_choices;
    const hawq_choice *choice;
    /* Weights of every layer, in the graph's order, in the formats that the
     * choices name; hawq_quantize_choices makes them. Layers in formats without
     * codes run in float. Read while lowering only. */
    const hawq_quantized *quantized;
    hawq_range            activation_range;
    /* Per tensor id: maps that are known already, taken in place of what the
     * calibration would give; both NULL: none. */
    const hawq_affine *map;
    const bool        *has_map;
    bool places_only; /* no weights (`quantized` is NULL): for workspace_bytes,
                         not to be run */
} hawq_lower_options;

/* Lowers a finished graph. Proves for every channel that no accumulator can
 * leave 32 bits. A channel whose bias would (its weights being tiny) gets its
 * weight scale doubled and its integers halved until it fits: the bias then
 * outweighs its weights by far. A channel without weights takes a scale at
 * which its bias is exact to 2^-17 of itself. Nodes without an integer form, or
 * whose ranges do not fit it, become float steps, which run one image: they
 * need a graph of one (graph->batch 1). EINVAL for a missing, repeated or
 * unknown layer or width, and for quantized weights of another shape or format
 * than the layer's; EUNSUPPORTED names the node that cannot be lowered and why;
 * ENONFINITE. The graph is borrowed and must outlive the program, its constants
 * unchanged.
 */
HAWQ_NODISCARD hawq_status
hawq_program_lower(const hawq_graph *graph, const hawq_calibration *calibration,
                   const hawq_lower_options *options, hawq_program **out);
void hawq_program_free(hawq_program *program);

#endif
