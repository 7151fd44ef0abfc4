/* test_onnx_conformance.c -- the node tests that the ONNX project publishes
 * (Debian: libonnx-testdata), each a network of one operator or a few with
 * inputs and expected outputs. Claim: what this library accepts, it computes
 * as ONNX does; what it does not accept, it refuses with a sentence, and of the
 * operators it has that is only what the list `excepted` says.
 *
 * Every input of a test is entered as a constant, so the operators run while
 * the graph is built, by their `forward` or `fold`. Skipped where the package
 * is not installed; HAWQ_ONNX_TESTS names another folder. Arguments restrict
 * the run to tests whose name contains one of them. Whatever is not covered is
 * printed with the reason.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "onnx/onnx.pb-c.h"
#include "src/graph/mm.h"
#include "src/load/numbers.h"
#include "src/load/proto.h"
#include "src/load/rewrite.h"
#include "src/load/wire.h"
#include "src/ops/ops.h"
#include "tests/check.h"

#include <dirent.h>

typedef enum verdict {
    PASSED,
    FAILED,
    REFUSED, /* a form of an operator that there is, or a type */
    FOREIGN  /* an operator that there is not */
} verdict;

/* Tests of operators that there are, by the begin of the name, which are not
 * expected to pass, and why. */
static const struct {
    const char *name, *why;
} excepted[] = {
    {"test_resize_downsample_scales_linear_align_corners",
     "the test takes the length before rounding down, as no runtime does"},
    {"test_resize_downsample_scales_cubic_align_corners",
     "the test takes the length before rounding down, as no runtime does"},
    {"test_resize_tf_crop_and_resize", "regions of interest"},
    {"test_training_dropout", "training"},
    {"test_batchnorm_example_training", "training"},
    {"test_batchnorm_epsilon_training", "training"},
    {"test_maxpool_with_argmax", "indices as an output"},
    {"test_maxpool_2d_uint8", "integers"},
    {"test_clip_default_int8", "integers"},
    {"test_cast_FLOAT_to_STRING", "text"},
    {"test_cast_STRING_to_FLOAT", "text"},
    {"test_castlike_FLOAT_to_STRING", "text"},
    {"test_castlike_STRING_to_FLOAT", "text"},
    {"test_cast_FLOAT_to_BFLOAT16", "the test holds bits as uint16"},
    {"test_cast_BFLOAT16_to_FLOAT", "the test holds bits as uint16"},
    {"test_castlike_FLOAT_to_BFLOAT16_exp", "the test holds bits as uint16"},
    {"test_castlike_BFLOAT16_to_FLOAT_exp", "the test holds bits as uint16"},
    {"test_adam", "operators for training"},
    {"test_adagrad", "operators for training"},
    {"test_momentum", "operators for training"},
    {"test_nesterov_momentum", "operators for training"},
    {"test_identity_sequence", "sequences"},
    {"test_identity_opt", "optional values"},
    {"test_convtranspose_3d", "three spatial axes"},
    {"test_if_opt", "optional values"},
    {"test_if_seq", "sequences"},
    {"test_loop13_seq", "sequences"},
    {"test_loop16_seq_none", "sequences"},
    {"test_scan_sum", "a form of Scan that opset 9 replaced"},
    {"test_scatternd_multiply", "a product is no replacement or sum"},
};
enum { EXCEPTED = sizeof excepted / sizeof *excepted };

/* Operators that there are not, and how many tests want them. */
enum { MISSING = 256 };
static struct {
    char name[64];
    int  tests;
} missing[MISSING];

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
        [ONNX__TENSOR_PROTO__DATA_TYPE__UINT16] = 1 + HAWQ_U16,
        [ONNX__TENSOR_PROTO__DATA_TYPE__INT16] = 1 + HAWQ_I16,
        [ONNX__TENSOR_PROTO__DATA_TYPE__UINT32] = 1 + HAWQ_U32,
        [ONNX__TENSOR_PROTO__DATA_TYPE__UINT64] = 1 + HAWQ_I64, /* small */
        [ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16] = 1 + HAWQ_BF16,
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

static void note_missing(const char *name) {
    int i = 0;
    while (i < MISSING - 1 && missing[i].tests &&
           strcmp(missing[i].name, name) != 0)
        i++;
    snprintf(missing[i].name, sizeof missing[i].name, "%s", name);
    missing[i].tests++;
}

static bool known_operators(const hawq_proto *model) {
    for (size_t i = 0; i < model->n_nodes; i++)
        if (!hawq_op_find(model->node[i].spec.op_type) &&
            !hawq_is_rewritten(model->node[i].spec.op_type)) {
            note_missing(model->node[i].spec.op_type);
            return false;
        }
    return true;
}

/* A test is written in the operator set its operator was last changed in, so
 * one of an older set than we read means the same in our oldest. */
static hawq_status build(trial *t) {
    hawq_proto *m = &t->model;
    HAWQ_TRY(
        hawq_graph_new(hawq_op_find, m->opset < 7 ? 7 : m->opset, &t->graph));
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
        HAWQ_TRY(hawq_onnx_add_node(t->graph, &m->node[i]));
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
        if (!got || !read_tensor(t, "output", k, &want)) {
            (void)!hawq_fail(HAWQ_EUNSUPPORTED, "an output is no such tensor");
            return REFUSED;
        }
        if (!same(got, &want)) return FAILED;
    }
    return PASSED;
}

static verdict run(trial *t) {
    char path[600];
    snprintf(path, sizeof path, "%s/model.onnx", t->folder);
    if (hawq_proto_read(path, true, &t->arena, &t->model) != HAWQ_OK)
        return REFUSED; /* sequences, text, subgraphs */
    if (!known_operators(&t->model)) return FOREIGN;
    hawq_status status = build(t);
    if (status == HAWQ_EUNSUPPORTED) return REFUSED;
    if (status != HAWQ_OK) return FAILED;
    verdict v = compare(t);
    if (v == FAILED) (void)!hawq_fail(HAWQ_EFORMAT, "other numbers");
    return v;
}

/* --- all tests --------------------------------------------------------- */

static bool chosen(const char *name, int n_words, char **words) {
    for (int i = 0; i < n_words; i++)
        if (strstr(name, words[i])) return true;
    return n_words == 0;
}

static const char *exception(const char *name) {
    for (int i = 0; i < EXCEPTED; i++)
        if (strncmp(name, excepted[i].name, strlen(excepted[i].name)) == 0)
            return excepted[i].why;
    return NULL;
}

/* Runs the test of that name; a surprise is a failure. */
static verdict judge(const char *folder, const char *name) {
    trial t = {.graph = NULL};
    snprintf(t.folder, sizeof t.folder, "%s/%s", folder, name);
    verdict     v = run(&t);
    const char *why = exception(name);
    bool        covered = v == PASSED || v == FOREIGN;
    if (!CHECK(covered || why)) printf("    %s: %s\n", name, hawq_message());
    if (!covered && why) {
        printf("not covered: %s: %s\n", name, why);
        v = REFUSED;
    }
    if (v == PASSED && why && !CHECK(!"an exception is needed"))
        printf("    %s passes\n", name);
    hawq_graph_free(t.graph);
    hawq_arena_free(&t.arena);
    return v;
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
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (strncmp(entry->d_name, "test_", 5) == 0 &&
            chosen(entry->d_name, n_words - 1, words + 1))
            count[judge(folder, entry->d_name)]++;
    closedir(dir);
    if (missing[0].tests) printf("operators there are not, with their tests:");
    for (int i = 0; i < MISSING && missing[i].tests; i++)
        printf(" %s %d", missing[i].name, missing[i].tests);
    printf("\n%d node tests passed, %d failed, %d not covered, %d of operators "
           "that there are not\n",
           count[PASSED], count[FAILED], count[REFUSED], count[FOREIGN]);
    if (n_words == 1) CHECK(count[PASSED] >= 660);
    DONE();
}
