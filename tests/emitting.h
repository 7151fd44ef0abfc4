/* emitting.h -- programs written as C source in an empty folder, compiled and
 * run: what the tests of that writer share.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_TESTS_EMITTING_H
#define HAWQ_TESTS_EMITTING_H
#include "src/exchange/c_source.h"
#include "src/load/onnx.h"
#include "src/quant/choice.h"
#include "tests/deploying.h"
#include "tests/program.h"

#include <stdarg.h>

/* A network with one kind of weights, ready to be written. */
typedef struct emitted {
    hawq_quantized     *quantized;
    hawq_program       *program;
    hawq_c_source_bytes bytes;
} emitted;

/* Does the shell's command end well? What it said is shown if not. */
static inline bool shell(const char *format, ...) HAWQ_PRINTF(1, 2);
static inline bool shell(const char *format, ...) {
    char    command[4096];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(command, sizeof command - 16, format, args);
    va_end(args);
    snprintf(command + n, 16, " >said.txt 2>&1");
    if (system(command) == 0) return true;
    program_slurp("said.txt", program_out);
    printf("    %s\n    %.3000s\n", command, program_out);
    return false;
}

static inline bool has_tool(const char *name) {
    char command[256];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", name);
    if (system(command) == 0) return true;
    printf("skipped: %s is not installed\n", name);
    return false;
}

/* Every layer takes the candidates in turn, "w8 w4 t" ... */
static inline hawq_status choose(fixture *f, const char *candidates,
                                 hawq_choice **out) {
    hawq_choice *all, *one;
    char        *text = hawq_arena_string(&f->arena, candidates);
    char        *word[8];
    int          n = 0;
    for (char *at = strtok(text, " "); at && n < 8; at = strtok(NULL, " "))
        word[n++] = at;
    HAWQ_TRY(hawq_choice_everywhere(f->graph, word[0], &f->arena, &all));
    for (int l = 0; l < f->graph->n_layers; l++) {
        HAWQ_TRY(
            hawq_choice_everywhere(f->graph, word[l % n], &f->arena, &one));
        all[l] = one[l];
    }
    *out = all;
    return HAWQ_OK;
}

static inline hawq_status lower_candidates(fixture *f, const char *candidates,
                                           emitted *out) {
    hawq_choice *choice;
    HAWQ_TRY(choose(f, candidates, &choice));
    HAWQ_TRY(hawq_quantize_choices(f->graph, f->graph->n_layers, choice,
                                   f->threads, &f->arena, &out->quantized));
    hawq_lower_options options = {.n_choices = f->graph->n_layers,
                                  .choice = choice,
                                  .quantized = out->quantized,
                                  .activation_range = HAWQ_RANGE_MSE};
    return hawq_program_lower(f->graph, &f->calibration, &options,
                              &out->program);
}

/* Quantizes, lowers and writes into `folder`; false if that failed. */
static inline bool emit(fixture *f, const char *candidates, const char *folder,
                        int n_images, emitted *out) {
    *out = (emitted){0};
    if (!CHECK_OK(lower_candidates(f, candidates, out))) return false;
    hawq_c_source what = {.program = out->program,
                          .quantized = out->quantized,
                          .title = candidates,
                          .threads = f->threads,
                          .n_images = (size_t)n_images,
                          .images = f->x};
    if (CHECK_OK(hawq_c_source_save(folder, &what, &out->bytes))) return true;
    hawq_program_free(out->program);
    return false;
}

static inline bool shipped_open(fixture *f) {
    char        path[4096];
    hawq_graph *g = NULL;
    snprintf(path, sizeof path, "%s/tests/data/fashion_resnet8.onnx",
             getenv("HAWQ_SOURCE"));
    if (!CHECK_OK(hawq_onnx_load(path, BATCH, &g))) return false;
    fixture_open(f, g);
    return true;
}

#endif
