/* import.h -- allocations from files, our own and other programs'.
 *
 *     ours                {"layers": [{"name", "weight_bits",
 *                         "activation_bits"}, ...]}; more keys are passed over
 *     HAWQ, plain maps    {"conv1": 8, "stage1.unit1.quant_convbn1": 4,
 *                         "conv1.quant_act": 8, ...}: a key with "quant_act" or
 *                         "quant_input" is of an activation, any other of a
 *                         layer
 *     ONNX Runtime        {"TensorQuantOverrides": {tensor: [{"quant_type":
 *                         "QInt4"}], ...}}: the first entry of a tensor
 *                         counts; "nodes_to_exclude": [node] are in float32
 *     compressed-tensors  {"config_groups": {group: {"targets": [name,
 *                         "re:pattern" or class], "weights": {"num_bits"},
 *                         "input_activations": {"num_bits"}}}}, also inside
 *                         "quantization_config"; names count before patterns
 *                         and those before classes (Linear, Conv2d, ...), of
 *                         one kind the first that matches, groups in the order
 *                         of their names; what "ignore" lists is in float32
 *     llama.cpp           a text file of pattern=type (q8_0, iq4_nl, q2_k),
 *                         divided by blanks or lines; the first that matches
 *                         the weight tensor counts
 *     trtexec             a text with "--layerPrecisions=node:int8,node:fp32"
 *     nodes in float      {"names": [node]}, OpenVINO's ignored scope, or
 *                         {"nodes_to_exclude": [node]} alone, ModelOpt's: all
 *                         others have 8 bits
 *     AIMET encodings     {"param_encodings", "activation_encodings"}, of
 *                         version 0.6.1 or 1.0.0, or {"encodings"}, of 2.0.0:
 *                         tensors with their bits; a constant without is in
 *                         float32
 *     LiteRT recipe       [{"regex", "operation", "algorithm_key",
 *                         "op_config"}] of ai-edge-quantizer: the last that
 *                         matches counts; what matches none is in float32
 *     ESP-PPQ             {"dispatchings": {node: platform}}, also inside
 *                         "dispatching_table": numbers of TargetPlatform; all
 *                         others have 8 bits
 *     RKNN                a text with "custom_quantize_layers:" and lines
 *                         "tensor: float16", what nodes compute; all others
 *                         have 8 bits
 *     mean bits           a text file of lines "layer 4.25" (import_list.h),
 *                         rounded to whole widths
 *     a list              [8, 4, 4]: a width for each layer, in their order
 *
 * Layers go by their names. If none of a file's is one, all of them may be
 * layers behind one prefix that ends in a dot or slash ("module.conv1"), or the
 * layers be theirs behind one. A name that is still no layer's, or one layer
 * named twice, is an error; only a list without names is taken in order.
 *
 * A file becomes rules; rules become the bits of given layers. Weights of 32
 * bits are a layer in float32, which has 32-bit activations. A pattern is a
 * POSIX extended regular expression; "re:" ones match from the start, as
 * Python's re.match, llama.cpp's anywhere.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_IMPORT_H
#define HAWQ_IMPORT_H
#include "src/base/arena.h"
#include "src/base/record.h"
#include "src/base/status.h"

#include <stdbool.h>

/* The bits that our own form gives its layers, into the arena. EIO, EFORMAT,
 * ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_allocation_read(const char *path,
                                                hawq_arena *arena, int *n,
                                                hawq_choice **out);

/* Around a name with its special characters escaped, in a recipe: it is found
 * only where it does not go on to the left or right. */
#define HAWQ_WHOLE_NAME_BEFORE "(?<![\\w.])"
#define HAWQ_WHOLE_NAME_AFTER "(?![\\w.])"

typedef enum hawq_import_by {
    HAWQ_BY_NAME,    /* of a layer, or of a tensor where no layer has it */
    HAWQ_BY_TENSOR,  /* of a tensor: a layer's weight or input */
    HAWQ_BY_PATTERN, /* a regular expression on those */
    HAWQ_BY_CLASS,   /* of PyTorch: hawq_import_is_class */
    HAWQ_BY_NODE,    /* the name of a node */
    HAWQ_BY_OUTPUT   /* of the tensor that a node computes */
} hawq_import_by;

typedef struct hawq_import_rule {
    const char    *name;
    hawq_import_by by;
    bool           anchored;   /* a pattern that matches from the start only */
    bool           activation; /* the bits are of an activation tensor */
    bool           ignored;    /* of a list of exceptions: float */
    int            weight_bits, activation_bits; /* 0: nothing said */
    const char    *candidate;                    /* of weight_bits, or NULL */
} hawq_import_rule;

typedef struct hawq_import {
    const char             *format;  /* "HAWQ bit_config", ... for messages */
    bool                    strict;  /* every rule must be of a layer: maps */
    bool                    unnamed; /* a list without names */
    bool                    has_classes; /* it may */
    int                     n;
    const hawq_import_rule *rule;
    int    n_rounded; /* of a list: entries that are no whole number */
    double mean_given, mean_taken; /* of all entries, before and after */
} hawq_import;

/* A layer by all its names; NULL or "" where there is none. */
typedef struct hawq_import_layer {
    const char *name, *weight, *input; /* layer, weight tensor, its input */
    const char *node, *output;         /* that computes it; what it computes */
    const char *op;                    /* of that node */
    int         dimensions;            /* of the weight tensor */
} hawq_import_layer;

/* How the names of a file were matched. */
typedef struct hawq_import_match {
    bool        by_order;  /* there were none */
    const char *prefix;    /* before all of them, or NULL */
    bool        of_layers; /* it was before the layers' names instead */
} hawq_import_match;

/* Reads any of the forms above, told apart by their content. EIO, EFORMAT,
 * ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_import_read(const char *path, hawq_arena *arena,
                                            hawq_import *out);

/* Whether it is a class of modules that stands for layers. */
bool hawq_import_is_class(const char *name);

/* The bits of n layers; activation_bits is `activation_default` where the file
 * says nothing of a layer's input. EFORMAT: a layer without bits or named
 * twice, a map's key that is no layer, a bad pattern, another number of widths
 * than of layers; the sentence names it. */
HAWQ_NODISCARD hawq_status hawq_import_apply(const hawq_import *import, int n,
                                             const hawq_import_layer *layer,
                                             int          activation_default,
                                             hawq_arena  *arena,
                                             hawq_choice *out,
                                             hawq_import_match *match);

#endif
