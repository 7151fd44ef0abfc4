/* fuzz_onnx.c -- any bytes as a network.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/onnx.h"
#include "tests/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static int     file = -1;
    hawq_graph    *graph;
    hawq_arena     arena = {0};
    hawq_onnx_row *row;
    size_t         rows;
    if (file < 0) file = fuzz_open("net.onnx");
    fuzz_put(file, bytes, n);
    if (hawq_onnx_load(fuzz_link[0], 2, &graph) == HAWQ_OK)
        hawq_graph_free(graph);
    if (hawq_onnx_list_ops(fuzz_link[0], &arena, &row, &rows) != HAWQ_OK)
        rows = 0;
    hawq_arena_free(&arena);
    return 0;
}
