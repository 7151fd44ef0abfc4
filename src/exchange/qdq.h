/* qdq.h -- a quantized network as an ONNX file of QuantizeLinear and
 * DequantizeLinear, which other runtimes run, and back.
 *
 * The file holds the graph as it was lowered. Every quantized weight is an
 * integer initializer and a DequantizeLinear with a scale for each output
 * channel; where integer steps read or leave an activation, it is rounded to
 * the program's map; a bias has the program's int32 integers. What runs in
 * float stays float. Read back, it lowers to a program with the same output
 * bits.
 *
 *     hawq_program_lower(graph, &calibration, &options, &program);
 *     hawq_qdq_save("net.qdq.onnx", program, options.quantized, &what, &arena,
 *                   &report);
 *     ...
 *     hawq_onnx_load("net.qdq.onnx", 1, &graph);
 *     hawq_qdq_restore(graph, &arena, &qdq);
 *     hawq_program_lower(graph, &calibration, &(hawq_lower_options){
 *         .n_choices = graph->n_layers, .choice = qdq.choice,
 *         .quantized = qdq.quantized, .map = qdq.map,
 *         .has_map = qdq.has_map}, &program);
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_QDQ_H
#define HAWQ_QDQ_H
#include "src/deploy/program.h"

typedef struct hawq_qdq_options {
    /* 13: integers of 8 bits. 21: those of a layer that all fit -8 .. 7 are
     * packed, two a byte. 25: those that fit -2 .. 1, four a byte. (The file is
     * in the network's own opset where that is newer.) */
    int opset;
    /* Lines of metadata beside the version and the layers' candidates: ranges,
     * budgets, what was measured; keys such as "hawq.accuracy". */
    int              n_texts;
    const hawq_text *text;
    /* Bytes beyond which the constants are kept in a second file, the path with
     * ".data" behind; 0: 1.5 GiB. */
    int64_t apart_from;
} hawq_qdq_options;

typedef struct hawq_qdq_report {
    int64_t bytes;           /* of the file, or of both */
    int64_t predicted_bytes; /* the packed integers, scales and floats that it
                                should hold, and its names */
    /* Layers whose codes have fewer bits than their integers take in the file,
     * as "conv1, fc"; NULL: none. In the arena. */
    const char *unpacked;
} hawq_qdq_report;

/* Writes the program's network; `quantized` is what it was lowered from. The
 * file appears complete or not at all (of two, the one with the constants
 * first). EINVAL for another opset than those three; EUNSUPPORTED where a node
 * of an old opset has no newer form; EIO. The sentence begins with the path. */
HAWQ_NODISCARD hawq_status hawq_qdq_save(const char             *path,
                                         const hawq_program     *program,
                                         const hawq_quantized   *quantized,
                                         const hawq_qdq_options *options,
                                         hawq_arena             *arena,
                                         hawq_qdq_report        *report);

/* What a file says of a network's quantization, in the arena. */
typedef struct hawq_qdq {
    hawq_choice    *choice;    /* per layer of the graph */
    hawq_quantized *quantized; /* likewise; of layers without integers the
                                  floats they have */
    hawq_affine *map;          /* per tensor id */
    bool        *has_map;
    int          n_layers, n_maps; /* with integers; of activations */
} hawq_qdq;

/* Does the graph come from a file with quantized weights or activations? */
bool hawq_qdq_is_quantized(const hawq_graph *graph);

/* Reads it off the graph. The format of a layer is the one that the file names,
 * else the narrowest that has its integers. EUNSUPPORTED names a layer whose
 * integers do not fit 8 bits about zero, or whose scales do not belong to its
 * output channels. ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_qdq_restore(const hawq_graph *graph,
                                            hawq_arena *arena, hawq_qdq *out);

#endif
