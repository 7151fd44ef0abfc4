/* fuzz_import.c -- any bytes as an allocation or a list of mean bits made
 * elsewhere, given to a few layers.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/import.h"
#include "tests/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static const hawq_import_layer layer[] = {
        {"conv1", "conv1.weight", "input", "/conv1/Conv", "c", "Conv", 4},
        {"layer1.0.conv1", "layer1.0.conv1.weight", "", "", "", NULL, 4},
        {"fc", "fc.weight", "x", NULL, NULL, "Gemm", 2}};
    enum { LAYERS = sizeof layer / sizeof *layer };
    static int        file = -1;
    hawq_arena        arena = {0};
    hawq_import       import;
    hawq_choice       choice[LAYERS], *ours;
    hawq_import_match match;
    int               m;
    if (file < 0) file = fuzz_open("bits.json");
    fuzz_put(file, bytes, n);
    if (hawq_import_read(fuzz_link[0], &arena, &import) == HAWQ_OK &&
        hawq_import_apply(&import, LAYERS, layer, 8, &arena, choice, &match) !=
            HAWQ_OK)
        match = (hawq_import_match){0};
    if (hawq_allocation_read(fuzz_link[0], &arena, &m, &ours) != HAWQ_OK) m = 0;
    hawq_arena_free(&arena);
    return 0;
}
