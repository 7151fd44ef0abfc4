/* onnx_check.c -- names that are defined twice or nowhere, and the operators
 * nearest to one that is not there.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/onnx_check.h"

#include "src/ops/ops.h"

enum { SUGGESTIONS = 3 };

static hawq_status define(hawq_names *names, hawq_arena *arena,
                          const char *name, const char *by, const char *whom) {
    if (!name[0]) return HAWQ_OK; /* an optional output that is not wanted */
    if (hawq_names_has(names, name))
        return hawq_fail(HAWQ_EFORMAT,
                         "tensor '%s' is defined twice, the second time by %s "
                         "'%s'",
                         name, by, whom);
    return hawq_names_add(names, arena, name);
}

hawq_status hawq_onnx_collect(const hawq_proto *model, hawq_arena *arena,
                              hawq_names *defined) {
    hawq_names inputs = {0};
    for (size_t i = 0; i < model->n_constants; i++) {
        const char *name = model->constant[i].name;
        HAWQ_TRY(define(defined, arena, name, "initializer", name));
    }
    for (size_t i = 0; i < model->n_inputs; i++) {
        const char *name = model->input[i].name;
        HAWQ_TRY(define(&inputs, arena, name, "input", name));
        HAWQ_TRY(hawq_names_add(defined, arena, name));
    }
    for (size_t i = 0; i < model->n_nodes; i++) {
        const hawq_node_spec *spec = &model->node[i].spec;
        for (int j = 0; j < spec->n_out; j++)
            HAWQ_TRY(define(defined, arena, spec->out[j], "node", spec->name));
    }
    return HAWQ_OK;
}

hawq_status hawq_onnx_check_defined(const hawq_proto *model, const bool *wanted,
                                    const char       *output,
                                    const hawq_names *defined) {
    if (!hawq_names_has(defined, output))
        return hawq_fail(HAWQ_EFORMAT,
                         "output '%s' is made by no node of the graph", output);
    for (size_t i = 0; i < model->n_nodes; i++) {
        const hawq_node_spec *spec = &model->node[i].spec;
        for (int j = 0; wanted[i] && j < spec->n_in; j++)
            if (spec->in[j][0] && !hawq_names_has(defined, spec->in[j]))
                return hawq_fail(HAWQ_EFORMAT,
                                 "node '%s' (%s): input '%s' is not defined: "
                                 "no node makes it, and it is no input or "
                                 "initializer of the graph",
                                 spec->name, spec->op_type, spec->in[j]);
    }
    return HAWQ_OK;
}

const char *hawq_onnx_unsupported(hawq_arena *arena, const char *op_type) {
    const hawq_op *near[SUGGESTIONS] = {NULL}, *op;
    int            far[SUGGESTIONS] = {0};
    size_t         n = 0;
    for (; (op = hawq_op_at(n)); n++) {
        int d = hawq_names_distance(op_type, op->name);
        int k = n < SUGGESTIONS ? (int)n : SUGGESTIONS;
        for (; k > 0 && d < far[k - 1]; k--)
            if (k < SUGGESTIONS) far[k] = far[k - 1], near[k] = near[k - 1];
        if (k < SUGGESTIONS) far[k] = d, near[k] = op;
    }
    return hawq_arena_format(
        arena, "is not supported; the nearest of the %zu that are: %s, %s, %s",
        n, near[0]->name, near[1]->name, near[2]->name);
}
