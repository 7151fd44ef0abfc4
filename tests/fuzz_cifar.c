/* fuzz_cifar.c -- any bytes as two files of CIFAR-10: one byte with the size of
 * the first file in images, 3073 bytes each; that file; the second.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/dataset.h"
#include "tests/fuzz.h"

enum { RECORD = 3073 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static int   one = -1, other;
    char         spec[2 * FUZZ_PATH + 16];
    hawq_dataset data;
    if (n < 1) return 0;
    if (one < 0) {
        one = fuzz_open("one.bin");
        other = fuzz_open("other.bin");
    }
    size_t first = (size_t)bytes[0] * RECORD;
    if (first > n - 1) first = n - 1;
    fuzz_put(one, bytes + 1, first);
    fuzz_put(other, bytes + 1 + first, n - 1 - first);
    snprintf(spec, sizeof spec, "cifar:%s,%s", fuzz_link[0], fuzz_link[1]);
    if (hawq_dataset_load(spec, NULL, &data) == HAWQ_OK)
        hawq_dataset_free(&data);
    snprintf(spec, sizeof spec, "cifar:%s", fuzz_link[0]);
    if (hawq_dataset_load(spec, NULL, &data) == HAWQ_OK)
        hawq_dataset_free(&data);
    return 0;
}
