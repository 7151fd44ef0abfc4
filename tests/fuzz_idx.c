/* fuzz_idx.c -- any bytes as a pair of idx files, plain or gzip: two bytes,
 * little-endian, with the size of the images' file; that file; the labels'.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/dataset.h"
#include "tests/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static int   images = -1, labels;
    char         spec[FUZZ_PATH + 8];
    hawq_dataset data;
    if (n < 2) return 0;
    if (images < 0) {
        images = fuzz_open("set-images-idx3-ubyte");
        labels = fuzz_open("set-labels-idx1-ubyte");
    }
    size_t first = bytes[0] + 256u * bytes[1];
    if (first > n - 2) first = n - 2;
    fuzz_put(images, bytes + 2, first);
    fuzz_put(labels, bytes + 2 + first, n - 2 - first);
    snprintf(spec, sizeof spec, "idx:%s/set", fuzz_folder);
    if (hawq_dataset_load(spec, NULL, &data) == HAWQ_OK)
        hawq_dataset_free(&data);
    return 0;
}
