/* quantization_leave.c -- the best outcome as files for others: ONNX that other
 * runtimes run, C source that needs nothing.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/quantize/quantization.h"
#include "src/deploy/program.h"
#include "src/exchange/c_source.h"
#include "src/exchange/qdq.h"

enum { CHECK_IMAGES = 4 }; /* stored with the C source, for its own check */

static hawq_status lower(hawq_quantization *q, const hawq_outcome *o,
                         hawq_program **out) {
    hawq_lower_options options = {.n_choices = q->graph->n_layers,
                                  .choice = o->choice,
                                  .quantized = o->quantized,
                                  .activation_range =
                                      (hawq_range)q->activation_range};
    return hawq_program_lower(q->image_graph, &q->calibration, &options, out);
}

static hawq_status leave_onnx(hawq_quantization *q, const hawq_outcome *o,
                              const hawq_program *program) {
    const hawq_divergence *d = hawq_outcome_divergence(o);
    hawq_text              text[] = {
                     {"hawq.allocation",
                      hawq_arena_format(&q->arena, "%lld", (long long)o->id)},
                     {"hawq.kl", hawq_arena_format(&q->arena, "%.6g", d->kl)},
                     {"hawq.agreement", hawq_arena_format(&q->arena, "%.6g", d->agreement)}};
    enum { TEXTS = sizeof text / sizeof *text };
    hawq_qdq_options options = {
        .opset = q->opset, .n_texts = TEXTS, .text = text};
    hawq_qdq_report report;
    for (int i = 0; i < TEXTS; i++)
        if (!text[i].value) return HAWQ_ENOMEM;
    HAWQ_TRY(hawq_qdq_save(q->output, program, o->quantized, &options,
                           &q->arena, &report));
    hawq_cli_note(q->cli,
                  "%s: %lld bytes (predicted %lld); ONNX Runtime runs it, and "
                  "hawq-bench reads it back with the same output bits",
                  q->output, (long long)report.bytes,
                  (long long)report.predicted_bytes);
    if (report.unpacked)
        hawq_cli_note(q->cli,
                      "%s: opset %d has no integers as narrow as the codes of "
                      "%s, which take more bits in the file",
                      q->output, q->opset, report.unpacked);
    return HAWQ_OK;
}

static hawq_status leave_c(hawq_quantization *q, const hawq_outcome *o,
                           const hawq_program *program) {
    hawq_c_source_bytes bytes;
    hawq_c_source       what = {.program = program,
                                .quantized = o->quantized,
                                .title = q->model_path,
                                .name = q->emit_name,
                                .threads = q->threads,
                                .n_images = q->n_images < CHECK_IMAGES ? q->n_images
                                                                       : CHECK_IMAGES,
                                .images = q->data.x};
    HAWQ_TRY(hawq_c_source_save(q->emit_c, &what, &bytes));
    hawq_cli_note(q->cli,
                  "%s: %s.h, %s.c and %s_check.c; %zu bytes of constants, %zu "
                  "of memory",
                  q->emit_c, hawq_c_source_name(&what),
                  hawq_c_source_name(&what), hawq_c_source_name(&what),
                  bytes.constants, bytes.workspace + bytes.row);
    return HAWQ_OK;
}

hawq_status hawq_quantization_leave(hawq_quantization *q) {
    const hawq_outcome *best = &q->outcome[q->best];
    hawq_program       *program;
    hawq_status         status = HAWQ_OK;
    if (!q->output && !q->emit_c) return HAWQ_OK;
    HAWQ_TRY(lower(q, best, &program));
    if (q->output) status = leave_onnx(q, best, program);
    if (q->emit_c && status == HAWQ_OK) status = leave_c(q, best, program);
    hawq_program_free(program);
    return status;
}
