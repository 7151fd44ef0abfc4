/* benchmark_outputs.c -- outputs of all images as a NumPy file.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/bench/benchmark.h"
#include "src/load/file.h"

#include <stdio.h>
#include <string.h>

/* "\x93NUMPY", version 1.0, the length of a description that ends at a multiple
 * of 64 bytes, and the numbers. */
enum { HEADER = 128 };

hawq_status hawq_benchmark_write_outputs(hawq_benchmark *b) {
    size_t n_out = hawq_per_image(b->graph, b->graph->output);
    size_t size = b->data.n * n_out * sizeof *b->output;
    char  *bytes;
    HAWQ_TAKE(bytes, &b->arena, HEADER + size);
    memset(bytes, ' ', HEADER);
    memcpy(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
    int n = snprintf(bytes + 10, HEADER - 10,
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, "
                     "%zu), }",
                     b->data.n, n_out);
    bytes[10 + n] = ' ';
    bytes[HEADER - 1] = '\n';
    memcpy(bytes + HEADER, b->output, size);
    hawq_status status = hawq_file_write(b->outputs, bytes, HEADER + size);
    return status == HAWQ_OK ? status : hawq_prefix("%s: ", b->outputs);
}
