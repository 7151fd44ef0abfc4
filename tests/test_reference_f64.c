/* test_reference_f64.c -- in double, this program and an independent one give
 * the same gradients, Hessian products, quantization errors and losses on real
 * networks: what is left is rounding.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/reference.h"

int main(void) {
    const char *folder = check_data();
    if (!folder) return 77;
    check_reference(folder, "kws_n64", 1e-10);
    if (!reference_quick()) {
        check_reference(folder, "resnet8_n64", 1e-10);
        check_reference(folder, "resnet20_n32", 1e-10);
    }
    DONE();
}
