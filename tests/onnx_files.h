/* onnx_files.h -- the files of tests/data/onnx, and one that may be
 * overwritten.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_ONNX_FILES_H
#define HAWQ_TESTS_ONNX_FILES_H
#include "src/load/file.h"
#include "src/load/onnx.h"
#include "tests/check.h"

#include <unistd.h>

static char scratch_path[512]; /* a file that may be overwritten */

static inline void choose_scratch(void) {
    const char *build = getenv("HAWQ_BUILD");
    snprintf(scratch_path, sizeof scratch_path, "%s/test_onnx.%ld.onnx",
             build ? build : ".", (long)getpid());
}

/* tests/data/onnx/NAME, in one of four buffers */
static inline const char *fixture(const char *format, const char *name) {
    static char buffer[4][512];
    static int  next;
    const char *source = getenv("HAWQ_SOURCE");
    char       *path = buffer[next = (next + 1) % 4];
    int         used =
        snprintf(path, 512, "%s/tests/data/onnx/", source ? source : ".");
    snprintf(path + used, (size_t)(512 - used), format, name);
    return path;
}

/* Networks that run, in every form. */
static const char *const runs[] = {
    "asymmetric_pads",
    "auto_pad_same_lower_opset11",
    "auto_pad_same_lower_opset22",
    "auto_pad_same_upper_opset7",
    "auto_pad_valid_opset13",
    "batch_norm_opset7",
    "batch_norm_opset9",
    "batch_norm_opset14",
    "batch_norm_opset22",
    "channel_pad",
    "encodings",
    "external_data",
    "fixed_batch",
    "float16_weights",
    "forms_opset7",
    "forms_opset13",
    "forms_opset22",
    "groups_dilation",
    "oddities",
    "reshape_chain_opset9",
    "reshape_chain_opset13",
    "shortcut_pad",
    "two_outputs",
};
enum { N_RUNS = sizeof runs / sizeof *runs };

static inline void put(const void *bytes, size_t n) {
    FILE *f = fopen(scratch_path, "wb");
    if (!CHECK(f && fwrite(bytes, 1, n, f) == n)) exit(1);
    fclose(f);
}

/* All bytes of a file; freed by the caller. */
static inline unsigned char *contents(const char *path, size_t *n) {
    uint64_t       size = 0;
    unsigned char *bytes = NULL;
    if (CHECK_OK(hawq_file_size(path, &size)) && (bytes = malloc(size)))
        CHECK_OK(hawq_file_read(path, 0, size, bytes));
    *n = (size_t)size;
    return bytes;
}

#endif
