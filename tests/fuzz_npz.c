/* fuzz_npz.c -- any bytes as a NumPy archive, with labels and without.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/dataset.h"
#include "tests/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static int           file = -1;
    hawq_dataset         data;
    hawq_dataset_options some = {
        .skip = 1, .limit = 2, .labels = HAWQ_LABELS_OPTIONAL};
    if (file < 0) file = fuzz_open("data.npz");
    fuzz_put(file, bytes, n);
    if (hawq_dataset_load(fuzz_link[0], NULL, &data) == HAWQ_OK)
        hawq_dataset_free(&data);
    if (hawq_dataset_load(fuzz_link[0], &some, &data) == HAWQ_OK)
        hawq_dataset_free(&data);
    return 0;
}
