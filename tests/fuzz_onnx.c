/* fuzz_onnx.c -- any bytes at all, as an ONNX file: to be linked with
 * -fsanitize=fuzzer,address,undefined and started on tests/data/onnx:
 *
 *     clang -D_GNU_SOURCE -I. -IBUILD -fsanitize=fuzzer,address,undefined \
 *         tests/fuzz_onnx.c src/{base,graph,ops,load}/\*.c kernels/\*.c \
 *         BUILD/onnx/onnx.pb-c.c -lprotobuf-c -lzip -lz -lm -o fuzz_onnx
 *     mkdir corpus; cp tests/data/onnx/\*.onnx corpus; ./fuzz_onnx corpus
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/onnx.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n);

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n) {
    char           path[64];
    hawq_graph    *graph;
    hawq_arena     arena = {0};
    hawq_onnx_row *rows;
    size_t         n_rows;
    int            file = memfd_create("fuzz.onnx", 0);
    if (file < 0) return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (write(file, bytes, n) == (ssize_t)n) {
        if (hawq_onnx_load(path, 2, &graph) == HAWQ_OK) hawq_graph_free(graph);
        if (hawq_onnx_list_ops(path, &arena, &rows, &n_rows) != HAWQ_OK)
            n_rows = 0;
        hawq_arena_free(&arena);
    }
    close(file);
    return 0;
}
