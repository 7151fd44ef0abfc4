/* c_source.h -- an integer program as C source that needs nothing else.
 *
 * A folder with three files of C99:
 *     net.h        sizes, scales and the one function,
 *                  void net_run(const uint8_t *input, int32_t *output);
 *     net.c        the steps of the program and its constants, weights packed
 *                  at their bits
 *     net_check.c  a main that runs stored images and compares the outputs
 * net.c includes <stdint.h> alone, allocates nothing and computes in integers
 * only, with the arithmetic of kernels/arith.h: output k times its scale is,
 * bit for bit, what a runner of the program gives. (A Softmax at the end of
 * the network, which is not for integers and changes no order, is left out.)
 * Compiled with -DNET_SMLAD for a Cortex-M with that instruction it takes some
 * 0.7 of the instructions, for the same bits.
 * The text depends on nothing but what is given here. Another name than "net"
 * stands in the names of the files, of the functions (kws_run) and, in
 * capitals, of the macros (KWS_INPUTS): programs of different names can be
 * linked together.
 *
 *     hawq_program_lower(graph, ..., &program);
 *     hawq_c_source what = {.program = program, .quantized = quantized,
 *                           .title = "net.onnx", .threads = threads,
 *                           .n_images = 4, .images = x};
 *     hawq_c_source_save("folder", &what, &bytes);
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_C_SOURCE_H
#define HAWQ_C_SOURCE_H
#include "src/base/threads.h"
#include "src/deploy/program.h"

typedef struct hawq_c_source {
    const hawq_program *program;
    /* Of every layer, in the graph's order: what the program was lowered
     * from. */
    const hawq_quantized *quantized;
    const char           *title; /* of the network, for the comments */
    const char           *name;  /* of files and functions; NULL: "net" */
    hawq_threads         *threads;
    /* For the check: n_images (>= 1) times program->n_in floats in the
     * network's own order, as for hawq_runner_run. */
    size_t       n_images;
    const float *images;
} hawq_c_source;

/* What the emitted code takes besides its instructions. */
typedef struct hawq_c_source_bytes {
    size_t constants; /* arrays of weights, biases, multipliers, tables, maps */
    size_t workspace; /* static memory: program->workspace_bytes */
    size_t row;       /* and of one output channel's unpacked weights; 0 where
                         all are held as bytes */
} hawq_c_source_bytes;

const char *hawq_c_source_name(const hawq_c_source *what);
/* EINVAL: no name that C could have. */
HAWQ_NODISCARD hawq_status hawq_c_source_check_name(const char *name);

/* Makes the folder if it is missing (its parent must exist) and replaces the
 * three files. `bytes` may be NULL. EUNSUPPORTED names the node that the
 * program computes in float, for which there is no integer C; EINVAL without
 * images or with a bad name; EIO; ENOMEM. */
HAWQ_NODISCARD hawq_status hawq_c_source_save(const char          *folder,
                                              const hawq_c_source *what,
                                              hawq_c_source_bytes *bytes);

#endif
