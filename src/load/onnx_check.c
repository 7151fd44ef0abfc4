/* onnx_check.c -- names that are defined twice or nowhere, and the operators
 * nearest to one that is not there.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/load/onnx_check.h"

#include "src/ops/ops.h"

#include <string.h>

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

/* --- operators that are not there -------------------------------------- */

/* What kinds of operators will not run however alike a name may be, by what
 * their names begin with or, where a space ends it, are. */
static const struct kind {
    const char *names, *sentence;
} kinds[] = {
    {"SequenceMap ",
     "is a loop over a sequence, which is not supported: export the network "
     "with tensors in its place"},
    {"QuantizeLinear DequantizeLinear DynamicQuantize QLinear ConvInteger "
     "MatMulInteger MatMulNBits QGemm QAttention QOrdered ",
     "belongs to a network that is already quantized: give the float network "
     "it was made from"},
    {"RandomNormal RandomUniform Bernoulli Multinomial ",
     "draws random numbers, so that no two runs agree: export in evaluation "
     "mode"},
    {"NonZero NonMaxSuppression Unique Compress ",
     "has an output whose size depends on the image, which is not supported: "
     "export the network up to what goes into it"},
};

const char *hawq_onnx_kind(const char *op_type) {
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (const char *at = kinds[k].names; *at;) {
            size_t n = strcspn(at, " ");
            /* short names are whole names: "If" begins others */
            if (n && strncmp(op_type, at, n) == 0 && (n > 4 || !op_type[n]))
                return kinds[k].sentence;
            at += n + 1;
        }
    return NULL;
}

/* Fewer changes than a third of the letters make one name of the other. */
static bool is_near(const char *op_type, int changes) {
    return 3 * changes <= (int)strlen(op_type);
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
    const char *list = "";
    for (int k = 0; list && k < SUGGESTIONS && is_near(op_type, far[k]); k++)
        list = hawq_arena_format(arena, "%s%s%s", list, k ? ", " : "",
                                 near[k]->name);
    if (!list) return NULL;
    if (*list)
        return hawq_arena_format(
            arena, "is not supported; spelled alike, and supported, are: %s",
            list);
    return hawq_arena_format(arena,
                             "is not supported, nor is any of a similar name "
                             "among the %zu that are; hawq-analyze --list-ops "
                             "shows every node that would not run",
                             n);
}
