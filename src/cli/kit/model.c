/* model.c -- see model.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/model.h"

#include "src/load/onnx.h"

/* Losses read N,classes or N,tokens,classes. */
static hawq_status check_output(const char *path, const hawq_graph *g) {
    const hawq_shape *s = &g->output->shape;
    char              text[128];
    if (s->rank >= 2 && (s->rank <= 3 || hawq_shape_count(s, 2, s->rank) == 1))
        return HAWQ_OK;
    return hawq_fail(HAWQ_EUNSUPPORTED,
                     "%s: the output '%s' has shape %s; expected images x "
                     "classes, or images x tokens x classes",
                     path, g->output->name, hawq_shape_text(s, text));
}

/* Weights that no candidate of a layer covers. */
static void note_rest(const hawq_cli *cli, const char *path,
                      const hawq_graph *g) {
    hawq_arena  arena = {0};
    const char *names = hawq_graph_rest_names(g, &arena);
    hawq_cli_note(cli,
                  "%s: not quantized: %lld bytes (%s); they stay in float32, "
                  "and weight bytes and budgets on weight-size count them",
                  path, (long long)hawq_graph_rest_bytes(g),
                  names ? names : "");
    hawq_arena_free(&arena);
}

hawq_status hawq_model_load(const hawq_cli *cli, const char *path, int batch,
                            hawq_graph **out) {
    hawq_graph *g;
    HAWQ_TRY(hawq_onnx_load(path, batch, &g));
    const hawq_node  *end = g->output->producer;
    const char       *last = end ? end->op->name : "";
    bool              taken = hawq_graph_take_logits(g);
    const hawq_status status = check_output(path, g);
    if (status != HAWQ_OK) {
        hawq_graph_free(g);
        return status;
    }
    if (taken)
        hawq_cli_note(cli,
                      "%s ends in %s: what goes into it is read as the logits",
                      path, last);
    if (g->n_rest) note_rest(cli, path, g);
    if (g->left_out)
        hawq_cli_note(cli,
                      "%s: the first float output, '%s', is read as the "
                      "logits; %s left out. To choose another, export the "
                      "model with that output alone",
                      path, g->output->name, g->left_out);
    *out = g;
    return HAWQ_OK;
}
