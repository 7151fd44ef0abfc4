/* main.c -- the one main of all programs.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/cli.h"

int main(int argc, char **argv) {
    return hawq_cli_main(&hawq_command_this, argc, argv);
}
