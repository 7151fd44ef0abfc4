/* test_quant_f64.c -- the quantizers do what their headers say, in double.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/quantizing.h"

int main(void) {
    return check_quantizers();
}
