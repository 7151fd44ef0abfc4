/* model.c -- see model.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/model.h"

#include "src/cli/kit/data_options.h"
#include "src/cli/kit/input_options.h"
#include "src/exchange/qdq.h"
#include "src/graph/score.h"
#include "src/load/onnx.h"

#include <string.h>

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

/* Its weights are those that the file's integers stand for. */
static void note_quantized(const hawq_cli *cli, const char *path,
                           const hawq_graph *g) {
    int weights = 0, maps = 0;
    for (int l = 0; l < g->n_layers; l++)
        weights += g->layer[l].weight->integers != NULL;
    for (int i = 0; i < g->n_tensors; i++) maps += g->tensor[i]->grid != NULL;
    hawq_cli_note(cli,
                  "%s was quantized before (weights of %d of its %d layers, %d "
                  "activations): what is read as the float network has the "
                  "weights that its integers stand for, and rounds no "
                  "activations",
                  path, weights, g->n_layers, maps);
}

/* The shape of one image's labels, if the data has such, or NULL. */
static const hawq_shape *labels_shape(const hawq_feeds *f, hawq_shape *room) {
    for (size_t i = 0; i < f->n_members; i++) {
        const hawq_member *m = &f->member[i];
        if (strcmp(m->name, "y") != 0 || m->dtype != HAWQ_INT ||
            m->shape.rank < 1)
            continue;
        *room = (hawq_shape){.rank = m->shape.rank - 1};
        for (int k = 0; k < room->rank; k++) room->dim[k] = m->shape.dim[k + 1];
        return room;
    }
    return NULL;
}

static hawq_status read(const char *path, const hawq_feeds *feeds, int batch,
                        hawq_graph **out) {
    hawq_graph *g;
    hawq_shape  room;
    HAWQ_TRY(hawq_onnx_load_fed(path, feeds, batch, &g));
    hawq_status status = hawq_score_set_axis(g, hawq_input_class_axis(),
                                             labels_shape(feeds, &room));
    if (status == HAWQ_OK)
        *out = g;
    else
        hawq_graph_free(g);
    return status;
}

hawq_status hawq_model_read(const char *path, int batch, hawq_graph **out) {
    hawq_arena  arena = {0};
    hawq_feeds  feeds = {0};
    hawq_status status = hawq_input_feeds(hawq_data_spec(), &arena, &feeds);
    if (status == HAWQ_OK) status = read(path, &feeds, batch, out);
    hawq_arena_free(&arena);
    return status;
}

static hawq_status load(const hawq_cli *cli, const char *path, int batch,
                        bool logits, hawq_graph **out) {
    hawq_graph *g;
    HAWQ_TRY(hawq_model_read(path, batch, &g));
    const hawq_node *end = g->output->producer;
    const char      *last = end ? end->op->name : "";
    if (g->opset > HAWQ_CHECKED_OPSET)
        hawq_cli_note(cli,
                      "%s is of opset %d, newer than %d, the newest whose "
                      "operators were checked; those it left unchanged are "
                      "read as they were",
                      path, g->opset, HAWQ_CHECKED_OPSET);
    if (end && strcmp(end->name, HAWQ_JOINED) == 0) last = "Softmax";
    if (logits && hawq_graph_take_logits(g))
        hawq_cli_note(cli,
                      "%s ends in %s: what goes into it is read as the logits",
                      path, last);
    if (hawq_qdq_is_quantized(g)) note_quantized(cli, path, g);
    if (g->n_rest) note_rest(cli, path, g);
    if (g->left_out)
        hawq_cli_note(cli,
                      "%s: the first float output, '%s', is read as the "
                      "%s; %s left out. --output NAME chooses others",
                      path, g->output->name, logits ? "logits" : "output",
                      g->left_out);
    *out = g;
    return HAWQ_OK;
}

hawq_status hawq_model_load(const hawq_cli *cli, const char *path, int batch,
                            hawq_graph **out) {
    return load(cli, path, batch, true, out);
}

hawq_status hawq_model_load_for(const hawq_cli *cli, const char *path,
                                int batch, hawq_loss loss, hawq_graph **out) {
    hawq_graph *g;
    HAWQ_TRY(load(cli, path, batch, loss != HAWQ_MSE, &g));
    const hawq_status status = hawq_score_check_output(g, loss);
    if (status != HAWQ_OK) {
        hawq_graph_free(g);
        return hawq_prefix("%s: ", path);
    }
    *out = g;
    return HAWQ_OK;
}
