/* test_quant.c -- the quantizers do what their headers say, in float.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/quantizing.h"

int main(void) {
    return check_quantizers();
}
