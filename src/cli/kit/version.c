/* version.c -- see version.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/version.h"

#include "hessian/statistics.h"
#include "kernels/f32_conv.h"
#include "kernels/kernel.h"
#include "results/store.h"
#include "search/cbc.h"
#include "search/json.h"
#include "src/graph/mm.h"
#include "src/load/images.h"
#include "src/load/wire.h"

static void print_loaded(FILE *out) {
    const char *cbc = hawq_cbc_version();
    if (cbc)
        fprintf(out, "CBC %s\n", cbc);
    else
        fprintf(out, "CBC: %s\n", hawq_message());
    if (hawq_mm_open() == HAWQ_OK)
        fprintf(out, "%s\n", hawq_mm_library());
    else
        fprintf(out, "OpenBLAS: %s\n", hawq_message());
}

void hawq_version_print(const char *program, FILE *out) {
    fprintf(out, "%s %s\n", program, HAWQ_VERSION);
    fprintf(out, "SQLite %s\n", hawq_store_sqlite_version());
    fprintf(out, "GSL %s\n", hawq_statistics_gsl_version());
    fprintf(out, "libzip %s\n", hawq_npz_libzip_version());
    fprintf(out, "zlib %s\n", hawq_idx_zlib_version());
    fprintf(out, "protobuf-c %s\n", hawq_wire_protobuf_version());
    fprintf(out, "cJSON %s\n", cJSON_Version());
    print_loaded(out);
    fprintf(out, "integer kernels: %s\n", hawq_kernels_usable_names());
    fprintf(out, "float kernels: %s\n", hawq_f32_select()->name);
}
