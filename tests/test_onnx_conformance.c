/* test_onnx_conformance.c -- the node tests that the ONNX project publishes
 * (Debian: libonnx-testdata), each a network of one operator or a few with
 * inputs and expected outputs. Claim: what this library accepts, it computes
 * as ONNX does; what it does not accept, it refuses with a sentence.
 *
 * Every input of a test is entered as a constant, so the operators run while
 * the graph is built, by their `forward` or `fold`. Skipped where the package
 * is not installed; HAWQ_ONNX_TESTS names another folder. Arguments restrict
 * the run to tests whose name contains one of them, and print every refusal.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "onnx/onnx.pb-c.h"
#include "src/graph/mm.h"
#include "src/load/numbers.h"
#include "src/load/proto.h"
#include "src/load/wire.h"
#include "src/ops/ops.h"
#include "tests/check.h"

#include <dirent.h>

typedef enum verdict { PASSED, FAILED, REFUSED, FOREIGN } verdict;

typedef struct trial {
    char        folder[512];
    hawq_arena  arena;
    hawq_proto  model;
    hawq_graph *graph;
} trial;

/* TensorProto.DataType to hawq_number, of those that tests use. */
static int number_type(int type) {
    static const int types[] = {
        [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT] = 1 + HAWQ_F32,
        [ONNX__TENSOR_PROTO__DATA_TYPE__UINT8] = 1 + HAWQ_U8,
        [ONNX__TENSOR_PROTO__DATA_TYPE__INT8] = 1 + HAWQ_I8,
        [ONNX__TENSOR_PROTO__DATA_TYPE__INT32] = 1 + HAWQ_I32,
        [ONNX__TENSOR_PROTO__DATA_TYPE__INT64] = 1 + HAWQ_I64,
        [ONNX__TENSOR_PROTO__DATA_TYPE__BOOL] = 1 + HAWQ_BOOL,
        [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16] = 1 + HAWQ_F16,
        [ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE] = 1 + HAWQ_F64,
    };
    return type >= 0 && type < (int)(sizeof types / sizeof types[0])
               ? types[type] - 1
               : -1;
}

/* input_K.pb or output_K.pb of a test; false if it is no tensor of numbers
 * (sequences, strings) kept as raw bytes. */
static bool read_tensor(trial *t, const char *kind, size_t k,
                        hawq_tensor *out) {
    char                     path[600];
    struct ProtobufCMessage *message = NULL;
    snprintf(path, sizeof path, "%s/test_data_set_0/%s_%zu.pb", t->folder, kind,
             k);
    if (hawq_wire_read(path, &onnx__tensor_proto__descriptor, &t->arena,
                       &message) != HAWQ_OK)
        return false;
    const Onnx__TensorProto *proto = (Onnx__TensorProto *)message;
    int                      type = number_type(proto->data_type);
    *out = (hawq_tensor){.name = proto->name};
    if (type < 0 || hawq_shape_read(proto->dims, proto->n_dims, &out->shape,
                                    &out->n) != HAWQ_OK)
        return false;
    out->dtype = hawq_number_dtype((hawq_number)type);
    size_t bytes = out->n * hawq_number_bytes((hawq_number)type);
    void  *to = hawq_arena_take(&t->arena, out->n, sizeof(double));
    if (!to || bytes != (proto->has_raw_data ? proto->raw_data.len : 0))
        return false;
    hawq_numbers_read((hawq_number)type, proto->raw_data.data, out->n, to);
    out->data = out->dtype == HAWQ_FLOAT ? to : NULL;
    out->ints = out->dtype == HAWQ_INT ? to : NULL;
    return true;
}

/* --- one test ---------------------------------------------------------- */

static bool known_operators(const hawq_proto *model) {
    for (size_t i = 0; i < model->n_nodes; i++)
        if (model->node[i].defect || !hawq_op_find(model->node[i].spec.op_type))
            return false;
    return model->n_nodes > 0;
}

static hawq_status build(trial *t) {
    hawq_proto *m = &t->model;
    HAWQ_TRY(hawq_graph_new(hawq_op_find, m->opset, &t->graph));
    for (size_t k = 0; k < m->n_constants; k++) {
        const hawq_tensor *c = &m->constant[k];
        HAWQ_TRY(hawq_graph_constant(t->graph, c->name, c->dtype, &c->shape,
                                     c->data ? (void *)c->data : c->ints));
    }
    for (size_t k = 0; k < m->n_inputs; k++) {
        hawq_tensor x;
        if (!read_tensor(t, "input", k, &x))
            return hawq_fail(HAWQ_EUNSUPPORTED, "an input is no such tensor");
        HAWQ_TRY(hawq_graph_constant(t->graph, m->input[k].name, x.dtype,
                                     &x.shape,
                                     x.data ? (void *)x.data : x.ints));
    }
    for (size_t i = 0; i < m->n_nodes; i++)
        HAWQ_TRY(hawq_graph_add(t->graph, &m->node[i].spec));
    return HAWQ_OK;
}

/* ONNX compares with a relative tolerance of 1e-3, float16 results differ by
 * more than that near zero. */
static bool same(const hawq_tensor *got, const hawq_tensor *want) {
    if (!hawq_shape_equal(&got->shape, &want->shape) ||
        got->dtype != want->dtype || (got->n && !got->data && !got->ints))
        return false;
    for (size_t i = 0; i < got->n; i++) {
        if (got->ints && got->ints[i] != want->ints[i]) return false;
        if (!got->data || got->data[i] == want->data[i]) continue;
        double g = (double)got->data[i], w = (double)want->data[i];
        if (!(isnan(g) && isnan(w)) && !(fabs(g - w) <= 1e-3 * fabs(w) + 1e-6))
            return false;
    }
    return true;
}

/* Outputs that the test leaves out or we make no use of (a mask) are not
 * compared; the first one always is. */
static verdict compare(trial *t) {
    for (size_t k = 0; k < t->model.n_outputs; k++) {
        hawq_tensor  want;
        hawq_tensor *got = hawq_graph_find(t->graph, t->model.output[k].name);
        if (!got || !read_tensor(t, "output", k, &want)) return FOREIGN;
        if (!same(got, &want)) return FAILED;
    }
    return PASSED;
}

static verdict run(trial *t) {
    char path[600];
    snprintf(path, sizeof path, "%s/model.onnx", t->folder);
    if (hawq_proto_read(path, true, &t->arena, &t->model) != HAWQ_OK ||
        !known_operators(&t->model))
        return FOREIGN;
    hawq_status status = build(t);
    if (status == HAWQ_EUNSUPPORTED) return REFUSED;
    return status == HAWQ_OK ? compare(t) : FAILED;
}

/* --- all tests --------------------------------------------------------- */

static bool chosen(const char *name, int n_words, char **words) {
    for (int i = 0; i < n_words; i++)
        if (strstr(name, words[i])) return true;
    return n_words == 0;
}

int main(int n_words, char **words) {
    const char *folder = getenv("HAWQ_ONNX_TESTS");
    if (!folder) folder = "/usr/share/libonnx-testdata/data/node";
    DIR *dir = opendir(folder);
    int  count[4] = {0};
    if (!CHECK_OK(hawq_mm_open())) DONE();
    if (!dir) {
        printf("skipped: no ONNX node tests (libonnx-testdata)\n");
        return 77;
    }
    for (const struct dirent *entry; (entry = readdir(dir));) {
        trial t = {.graph = NULL};
        if (strncmp(entry->d_name, "test_", 5) != 0 ||
            !chosen(entry->d_name, n_words - 1, words + 1))
            continue;
        snprintf(t.folder, sizeof t.folder, "%s/%s", folder, entry->d_name);
        verdict v = run(&t);
        count[v]++;
        if (!CHECK(v != FAILED) || (v == REFUSED && n_words > 1))
            printf("    %s: %s %s\n", entry->d_name,
                   v == FAILED ? "failed" : "refused:", hawq_message());
        if (v == REFUSED) CHECK(hawq_message()[0] != '\0');
        hawq_graph_free(t.graph);
        hawq_arena_free(&t.arena);
    }
    closedir(dir);
    printf("%d node tests passed, %d failed, %d refused, %d of operators that "
           "are not supported\n",
           count[PASSED], count[FAILED], count[REFUSED], count[FOREIGN]);
    if (n_words == 1) CHECK(count[PASSED] >= 200);
    DONE();
}
