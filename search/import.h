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
 *     compressed-tensors  {"config_groups": {group: {"targets": [name or
 *                         "re:pattern"], "weights": {"num_bits"},
 *                         "input_activations": {"num_bits"}}}}, also inside
 *                         "quantization_config"; groups in the order of their
 *                         names, the first that matches counts; what "ignore"
 *                         lists is in float32
 *     llama.cpp           a text file of pattern=type (q8_0, iq4_nl, q2_k),
 *                         divided by blanks or lines; the first that matches
 *                         the weight tensor counts
 *     mean bits           a text file of lines "layer 4.25" (import_list.h),
 *                         rounded to whole widths
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

/* The bits that our own form gives its layers, into the arena. EIO, EFORMAT,
 * ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_allocation_read(const char *path,
                                                hawq_arena *arena, int *n,
                                                hawq_choice **out);

typedef struct hawq_import_rule {
    const char *name;       /* of a layer or tensor, or a pattern */
    bool        pattern;    /* name is a regular expression */
    bool        anchored;   /* the pattern matches from the start only */
    bool        activation; /* the bits are of an activation tensor */
    bool        node;       /* name is of a node */
    int         weight_bits, activation_bits; /* 0: nothing said */
} hawq_import_rule;

typedef struct hawq_import {
    const char             *format; /* "HAWQ bit_config", ... for messages */
    bool                    strict; /* every rule must be of a layer: maps */
    int                     n;
    const hawq_import_rule *rule;
    int    n_rounded; /* of a list: entries that are no whole number */
    double mean_given, mean_taken; /* of all entries, before and after */
} hawq_import;

/* A layer by all its names; NULL or "" where there is none. */
typedef struct hawq_import_layer {
    const char *name, *weight, *input; /* layer, weight tensor, its input */
    const char *node;                  /* that computes it */
} hawq_import_layer;

/* Reads any of the forms above, told apart by their content. EIO, EFORMAT,
 * ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_import_read(const char *path, hawq_arena *arena,
                                            hawq_import *out);

/* The bits of n layers; activation_bits is `activation_default` where the file
 * says nothing of a layer's input. *by_order: no name matched, but the map has
 * as many weights as there are layers, so they were taken in order. EFORMAT: a
 * layer without bits, a map's key that is no layer, a bad pattern; the sentence
 * names it. */
HAWQ_NODISCARD hawq_status hawq_import_apply(const hawq_import *import, int n,
                                             const hawq_import_layer *layer,
                                             int          activation_default,
                                             hawq_arena  *arena,
                                             hawq_choice *out, bool *by_order);

#endif
