/* test_loading.c -- what a file may not do to whoever loads it.
 *
 * Claims: networks that differ in any attribute or constant have different
 * identities; an attribute without a name, a name with control characters, a
 * link out of the folder and a table of gigabytes are refused at once; work
 * grows with the file, not with its square; Clip and Gemm are ONNX's where
 * bounds cross and where C is a column; a node that mixes the images of a batch
 * is refused by name, one that moves them away and back is not; what does not
 * run says of what kind it is; rows beyond the limit are not read.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/hash.h"
#include "src/graph/mixing.h"
#include "src/graph/share.h"
#include "src/load/dataset.h"
#include "src/load/external.h"
#include "src/load/file.h"
#include "src/load/onnx.h"
#include "src/load/onnx_check.h"
#include "src/ops/ops.h"
#include "tests/check.h"

#include <time.h>
#include <unistd.h>

/* --- building ---------------------------------------------------------- */

static hawq_graph *open(hawq_shape shape) {
    hawq_graph *g = NULL;
    CHECK_OK(hawq_graph_new(hawq_op_find, 25, &g));
    CHECK_OK(hawq_graph_input(g, "x", &shape));
    return g;
}

/* A node of up to three inputs, separated by spaces. */
static hawq_status add(hawq_graph *g, const char *op, const char *inputs,
                       const char *out, const hawq_attr *attr) {
    char           copy[128];
    const char    *in[4];
    hawq_node_spec spec = {
        .op_type = op, .name = out, .in = in, .n_out = 1, .out = &out};
    snprintf(copy, sizeof copy, "%s", inputs);
    for (char *at = strtok(copy, " "); at; at = strtok(NULL, " "))
        in[spec.n_in++] = at;
    spec.attr = attr;
    spec.n_attr = attr != NULL;
    return hawq_graph_add(g, &spec);
}

static void floats(hawq_graph *g, const char *name, hawq_shape s,
                   const real *x) {
    CHECK_OK(hawq_graph_constant(g, name, HAWQ_FLOAT, &s, x));
}

static void ints(hawq_graph *g, const char *name, size_t n, const int64_t *x) {
    hawq_shape s = {1, {(int64_t)n}};
    CHECK_OK(hawq_graph_constant(g, name, HAWQ_INT, &s, x));
}

/* --- identity ---------------------------------------------------------- */

static hawq_digest digest_of(const hawq_attr *a) {
    hawq_digest    d = {{0, 0}};
    hawq_node_spec spec = {.op_type = "Op", .name = "n", .n_attr = 1};
    spec.attr = a;
    hawq_digest_node(&d, &spec);
    return d;
}

/* Two values of every type of attribute: all digests differ. */
static void every_attribute_counts(void) {
    static const int64_t one[] = {1, 2}, other[] = {1, 3};
    static const double  low[] = {0.5}, high[] = {0.25};
    int64_t              number[2][1] = {{7}, {8}};
    hawq_tensor          t[2] = {{.n = 1, .ints = number[0], .dtype = HAWQ_INT},
                                 {.n = 1, .ints = number[1], .dtype = HAWQ_INT}};
    const hawq_attr      a[] = {
             {.name = "a", .type = HAWQ_ATTR_INT, .i = 1},
             {.name = "a", .type = HAWQ_ATTR_INT, .i = 2},
             {.name = "b", .type = HAWQ_ATTR_INT, .i = 2},
             {.name = "a", .type = HAWQ_ATTR_FLOAT, .f = 1},
             {.name = "a", .type = HAWQ_ATTR_FLOAT, .f = 2},
             {.name = "a", .type = HAWQ_ATTR_STRING, .s = "tanh"},
             {.name = "a", .type = HAWQ_ATTR_STRING, .s = "none"},
             {.name = "a", .type = HAWQ_ATTR_INTS, .n = 2, .ints = one},
             {.name = "a", .type = HAWQ_ATTR_INTS, .n = 2, .ints = other},
             {.name = "a", .type = HAWQ_ATTR_FLOATS, .n = 1, .floats = low},
             {.name = "a", .type = HAWQ_ATTR_FLOATS, .n = 1, .floats = high},
             {.name = "a", .type = HAWQ_ATTR_TENSOR, .tensor = &t[0]},
             {.name = "a", .type = HAWQ_ATTR_TENSOR, .tensor = &t[1]},
    };
    enum { N = sizeof a / sizeof *a };
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            hawq_digest p = digest_of(&a[i]), q = digest_of(&a[j]);
            CHECK((memcmp(&p, &q, sizeof p) == 0) == (i == j));
        }
}

/* The network that keeps columns from `start` on. */
static void slice_hash(int64_t start, int64_t batch,
                       char hash[HAWQ_HASH_TEXT]) {
    const int64_t one = 1, end = start + 2;
    hawq_graph   *g = open((hawq_shape){2, {batch, 6}});
    ints(g, "starts", 1, &start);
    ints(g, "ends", 1, &end);
    ints(g, "axes", 1, &one);
    const char    *in[] = {"x", "starts", "ends", "axes"}, *out = "y";
    hawq_node_spec spec = {"Slice", "cut", 4, 1, in, &out, 0, NULL};
    CHECK_OK(hawq_graph_add(g, &spec));
    CHECK_OK(hawq_graph_finish(g, "y"));
    hawq_graph_hash(g, hash);
    hawq_graph_free(g);
}

static void integer_constants_count(void) {
    char a[HAWQ_HASH_TEXT], b[HAWQ_HASH_TEXT], c[HAWQ_HASH_TEXT];
    slice_hash(0, 1, a);
    slice_hash(1, 1, b);
    slice_hash(0, 3, c);
    CHECK(strlen(a) == 32 && strcmp(a, b) != 0 && strcmp(a, c) == 0);
}

/* --- refused at once --------------------------------------------------- */

static void an_attribute_has_a_name(void) {
    hawq_attr   nameless = {.name = ""};
    hawq_graph *g = open((hawq_shape){4, {1, 1, 2, 2}});
    CHECK_FAILS(add(g, "MaxPool", "x", "y", &nameless), HAWQ_EUNSUPPORTED,
                "node 'y' (MaxPool): attribute '' is not supported");
    hawq_graph_free(g);
}

static void tables_are_bounded(void) {
    hawq_graph *g = open((hawq_shape){4, {1, 1, 20000, 20000}});
    CHECK_FAILS(add(g, "GlobalAveragePool", "x", "y", NULL), HAWQ_EUNSUPPORTED,
                "node 'y' (GlobalAveragePool): needs a table");
    CHECK(hawq_arena_bytes(&g->arena) < 1 << 20);
    hawq_graph_free(g);
}

/* A file of one Relu of that name, read. */
static hawq_status load_named(const char *name) {
    char             path[64];
    hawq_arena       arena = {0};
    const char      *in = "x", *out = "y";
    hawq_proto_value x = {.name = "x", .shape = {2, {-1, 3}}};
    hawq_proto_value y = {.name = "y", .shape = {2, {-1, 3}}};
    hawq_proto_node  node = {.spec = {"Relu", name, 1, 1, &in, &out, 0, NULL}};
    hawq_proto       file = {.producer = "",
                             .opset = 13,
                             .n_inputs = 1,
                             .n_outputs = 1,
                             .n_constants = 0,
                             .n_nodes = 1,
                             .input = &x,
                             .output = &y,
                             .constant = NULL,
                             .node = &node};
    hawq_graph      *g;
    uint8_t         *bytes;
    size_t           n;
    snprintf(path, sizeof path, "/tmp/hawq_loading_%ld.onnx", (long)getpid());
    CHECK_OK(hawq_proto_pack(&file, &arena, &bytes, &n));
    CHECK_OK(hawq_file_write(path, bytes, n));
    hawq_arena_free(&arena);
    hawq_status status = hawq_onnx_load(path, 1, &g);
    if (status == HAWQ_OK) hawq_graph_free(g);
    unlink(path);
    return status;
}

static void names_can_be_shown(void) {
    CHECK_OK(load_named("sch\303\266n"));
    CHECK_FAILS(load_named("a\tb"), HAWQ_EFORMAT, "the name 'a?b' holds");
    CHECK_FAILS(load_named("\033[2J"), HAWQ_EFORMAT, "control character");
    CHECK_FAILS(load_named("a\302\233b"), HAWQ_EFORMAT, "control character");
}

static void links_stay_inside(void) {
    char          folder[] = "/tmp/hawq_links_XXXXXX", path[64];
    hawq_arena    arena = {0};
    const void   *bytes;
    hawq_external where = {.folder = path};
    if (!CHECK(mkdtemp(folder) != NULL) || !CHECK(chdir(folder) == 0)) return;
    snprintf(path, sizeof path, "%s/", folder);
    CHECK_OK(hawq_file_write("inside.bin", "1234", 4));
    CHECK(symlink("inside.bin", "good.bin") == 0);
    CHECK(symlink("/etc/passwd", "bad.bin") == 0);
    where.location = "good.bin";
    CHECK_OK(hawq_external_read(&where, 4, &arena, &bytes));
    where.location = "bad.bin";
    CHECK_FAILS(hawq_external_read(&where, 4, &arena, &bytes), HAWQ_EFORMAT,
                "'bad.bin' is a link that leaves the model's folder");
    hawq_arena_free(&arena);
    unlink("bad.bin"), unlink("good.bin"), unlink("inside.bin");
    CHECK(chdir("/") == 0 && rmdir(folder) == 0);
}

/* --- linear ------------------------------------------------------------ */

/* 20,000 additions of a constant each; what grew with the square took minutes.
 */
static void loading_is_linear(void) {
    enum { MANY = 20000 };
    const real   one[1] = {1};
    char         in[32] = "x", out[32], both[80], name[32];
    hawq_arena   arena = {0};
    hawq_lives   lives;
    hawq_sharing s;
    clock_t      start = clock();
    hawq_graph  *g = open((hawq_shape){2, {2, 3}});
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "c%d", i);
        floats(g, name, (hawq_shape){1, {1}}, one);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(out, sizeof out, "t%d", i);
        snprintf(both, sizeof both, "%s c%d", in, i);
        if (!CHECK_OK(add(g, i % 3 ? "Add" : "Identity", i % 3 ? both : in, out,
                          NULL)))
            break;
        snprintf(in, sizeof in, "%s", out);
    }
    CHECK_OK(hawq_graph_finish(g, out));
    CHECK_OK(hawq_lives_find(g, &arena, &lives));
    CHECK_OK(hawq_share(g, &lives, false, NULL, &arena, &s));
    CHECK(s.n == 2 && g->n_nodes == MANY - (MANY + 2) / 3);
    CHECK((double)(clock() - start) / CLOCKS_PER_SEC < 8);
    hawq_arena_free(&arena);
    hawq_graph_free(g);
}

/* --- what ONNX says ---------------------------------------------------- */

static void bounds_may_cross(void) {
    const real  x[3] = {-5, 2, 9}, low[1] = {3}, high[1] = {1};
    hawq_graph *g = open((hawq_shape){2, {1, 3}});
    floats(g, "c", (hawq_shape){1, {3}}, x);
    floats(g, "low", (hawq_shape){0, {0}}, low);
    floats(g, "high", (hawq_shape){0, {0}}, high);
    CHECK_OK(add(g, "Clip", "c low high", "y", NULL));
    const hawq_tensor *y = hawq_graph_find(g, "y");
    for (int i = 0; i < 3; i++) CHECK(y->data[i] == 1);
    hawq_graph_free(g);
}

static void a_column_is_no_bias(void) {
    const real  w[16] = {1, 2, 3, 4, 5, 6, 7}, c[4] = {0, 10, 20, 30};
    hawq_graph *g = open((hawq_shape){2, {4, 4}});
    floats(g, "w", (hawq_shape){2, {4, 4}}, w);
    floats(g, "column", (hawq_shape){2, {4, 1}}, c);
    floats(g, "row", (hawq_shape){1, {4}}, c);
    CHECK_OK(add(g, "Gemm", "x w column", "p", NULL));
    CHECK_OK(add(g, "Add", "p row", "y", NULL));
    CHECK_OK(hawq_graph_finish(g, "y"));
    CHECK(g->n_nodes == 2);
    CHECK_FAILS(hawq_graph_check_mixing(g), HAWQ_EUNSUPPORTED,
                "node 'p' (Gemm): what it makes of an image depends on");
    hawq_graph_free(g);
}

/* --- images apart ------------------------------------------------------ */

static const hawq_attr axis_0 = {.name = "axis", .type = HAWQ_ATTR_INT, .i = 0};

static void images_are_kept_apart(void) {
    static const int64_t swap[] = {1, 0}, zero = 0;
    const hawq_attr      perm = {
             .name = "perm", .type = HAWQ_ATTR_INTS, .n = 2, .ints = swap};
    hawq_graph *g = open((hawq_shape){2, {2, 6}});
    ints(g, "axes", 1, &zero);
    CHECK_OK(add(g, "Relu", "x", "r", NULL));
    CHECK_OK(add(g, "ReduceMean", "r axes", "mean", NULL));
    CHECK_OK(add(g, "Sub", "r mean", "y", NULL));
    CHECK_OK(hawq_graph_finish(g, "y"));
    CHECK_FAILS(hawq_graph_check_mixing(g), HAWQ_EUNSUPPORTED,
                "node 'mean' (ReduceMean)");
    hawq_graph_free(g);

    g = open((hawq_shape){2, {2, 6}});
    CHECK_OK(add(g, "Softmax", "x", "y", &axis_0));
    CHECK_OK(hawq_graph_finish(g, "y"));
    CHECK_FAILS(hawq_graph_check_mixing(g), HAWQ_EUNSUPPORTED,
                "node 'y' (Softmax)");
    hawq_graph_free(g);

    g = open((hawq_shape){2, {2, 6}});
    CHECK_OK(add(g, "Transpose", "x", "t", &perm));
    CHECK_OK(add(g, "Softmax", "t", "s", &axis_0)); /* within an image */
    CHECK_OK(add(g, "Transpose", "s", "y", &perm));
    CHECK_OK(hawq_graph_finish(g, "y"));
    CHECK_OK(hawq_graph_check_mixing(g));
    hawq_graph_free(g);
}

/* --- sentences --------------------------------------------------------- */

static void kinds_are_named(void) {
    hawq_arena arena = {0};
    CHECK(strstr(hawq_onnx_kind("RandomUniform"), "no two runs agree"));
    CHECK(strstr(hawq_onnx_kind("NonZero"), "depends on the image"));
    CHECK(strstr(hawq_onnx_kind("QLinearConv"), "already quantized"));
    CHECK(strstr(hawq_onnx_kind("DequantizeLinear"), "the float network"));
    CHECK(!hawq_onnx_kind("Iffy") && !hawq_onnx_kind("Conv"));
    CHECK(strstr(hawq_onnx_unsupported(&arena, "Gelo"), "alike"));
    CHECK(strstr(hawq_onnx_unsupported(&arena, "Gelo"), ": Gelu"));
    CHECK(!strstr(hawq_onnx_unsupported(&arena, "DFT"), "alike"));
    CHECK(!strstr(hawq_onnx_unsupported(&arena, "Hardmax"), "HardSwish"));
    hawq_arena_free(&arena);
}

/* --- data -------------------------------------------------------------- */

static void only_what_is_asked_for(void) {
    char                 path[512];
    const char          *source = getenv("HAWQ_SOURCE");
    hawq_dataset_options o = {.skip = 1, .limit = 1};
    hawq_dataset         all, one;
    snprintf(path, sizeof path, "%s/tests/data/onnx/encodings.npz",
             source ? source : ".");
    if (!CHECK_OK(hawq_dataset_load(path, NULL, &all))) return;
    if (CHECK_OK(hawq_dataset_load(path, &o, &one))) {
        size_t n = (size_t)hawq_shape_count(&all.item, 0, all.item.rank);
        CHECK(all.n > 2 && one.n == 1 &&
              hawq_dataset_answers(&one) == hawq_dataset_answers(&all));
        CHECK(memcmp(one.x, all.x + n, n * sizeof *one.x) == 0);
        hawq_dataset_free(&one);
    }
    hawq_dataset_free(&all);
}

int main(void) {
    every_attribute_counts();
    integer_constants_count();
    an_attribute_has_a_name();
    tables_are_bounded();
    names_can_be_shown();
    links_stay_inside();
    loading_is_linear();
    bounds_may_cross();
    a_column_is_no_bias();
    images_are_kept_apart();
    kinds_are_named();
    only_what_is_asked_for();
    DONE();
}
