/* version.h -- what a program is made of.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_VERSION_H
#define HAWQ_VERSION_H
#include <stdio.h>

/* "hawq-search 0.1.0", then a line for each library it runs with and for the
 * kernels that this processor can use. CBC and OpenBLAS are loaded for it; for
 * one that cannot be, the line says why. */
void hawq_version_print(const char *program, FILE *out);

#endif
