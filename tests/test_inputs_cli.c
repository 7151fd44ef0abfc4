/* test_inputs_cli.c -- inputs, labels and outputs as the options say them.
 *
 * Claims: values and sizes come from the data or from options; rows are
 * labelled along any axis; wrong text is answered with a sentence that shows
 * the form.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/program.h"

static void bench(const char *name, const char *options, int want,
                  const char *text) {
    const char *source = getenv("HAWQ_SOURCE");
    char        command[1800];
    snprintf(command, sizeof command,
             "hawq-bench %s/tests/data/inputs/%s.onnx --data "
             "%s/tests/data/inputs/%s.npz --allocation uniform8 %s",
             source, name, source, name, options);
    program_says(command, want, text);
}

int main(void) {
    if (!program_open() || !program_built("hawq-bench")) return 77;
    bench("tokens", "", 0, "uniform8");
    bench("several", "--input scale=0.75", 0, "uniform8");
    bench("segments", "--format json", 0, "\"float_perplexity\": 4.13");
    bench("segments", "--class-axis 3", 2, "y must hold one integer a row");
    bench("free_size", "--input-shape x=Nx2x6x8", 0, "uniform8");
    bench("free_size", "--input-shape x=axb", 2, "NAME=3x224x224");
    bench("free_size", "--input-shape x=2x6", 2, "the input has 4 dimensions");
    bench("free_size", "--input q=1", 2, "its first is 'x'");
    bench("free_size", "--input x=abc", 2, "neither a number nor a file .npy");
    bench("free_size", "--output q", 1, "'q' is made by no node");
    bench("segments", "--ignore-label some", 2, "expected a whole number");
    program_close();
    DONE();
}
