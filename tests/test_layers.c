/* test_layers.c -- what a layer is: which weights, called what, costing what.
 *
 * Claims: every product with constant weights is a layer with the channels of
 * its output, and its curvature is read right; no two have one name; one
 * constant of the file read as it is, transposed or scaled alike is one layer,
 * and the integer network computes what the float network does; a layer knows
 * the file's constant it was made of; bytes count what a file stores once once,
 * whatever arithmetic computes the layer; weights of no layer are listed.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/graph/reading.h"
#include "src/load/onnx.h"
#include "src/load/scope.h"
#include "tests/deploying.h"

#include <unistd.h>

static hawq_graph *open_one(int rank, const int64_t *dim) {
    hawq_graph *g = open_graph(rank, dim);
    CHECK(g->batch == 1);
    return g;
}

/* A constant's copy moved by Transpose, folded at once. */
static void transposed(hawq_graph *g, const char *from, const char *to) {
    node(g, "Transpose", from, to, "perm=1,0");
    hawq_tensor *t = hawq_graph_find(g, to);
    CHECK(t->role == HAWQ_CONSTANT);
}

static bool names_are(const hawq_graph *g, int n, const char *const *name) {
    bool same = CHECK(g->n_layers == n);
    for (int i = 0; same && i < n; i++)
        if (!CHECK(!strcmp(g->layer[i].name, name[i])))
            printf("    '%s', expected '%s'\n", g->layer[i].name, name[i]);
    return same;
}

/* --- which weights ------------------------------------------------------- */

/* Readings averaged over all signs are the diagonal, channel by channel. */
static void check_readings(hawq_graph *g) {
    enum { MOST = 12, CHANNELS = 8, IMAGES_READ = 3 };
    hawq_threads  *threads = NULL;
    hawq_engine   *e = NULL;
    hawq_arena     arena = {0};
    hawq_selection at;
    float          x[64];
    int64_t        label[IMAGES_READ] = {1, 0, 3};
    double         product[MOST], reading[CHANNELS], mean[CHANNELS] = {0};
    double         diagonal[CHANNELS] = {0};
    real           v[MOST];
    for (int i = 0; i < 64; i++) x[i] = (float)hawq_rng_normal(3, (uint64_t)i);
    CHECK(g->n_layers == 1 && hawq_can_read(g));
    CHECK_OK(hawq_threads_new(1, &threads));
    CHECK_OK(hawq_engine_new(g, threads, 1, HAWQ_CROSS_ENTROPY, &e));
    CHECK_OK(hawq_select_weights(g, -1, &arena, &at));
    const hawq_layer *l = &g->layer[0];
    hawq_batch        batch = {IMAGES_READ, x, label, NULL};
    size_t            n = l->weight->n;
    CHECK(n <= MOST && l->channels <= CHANNELS);
    for (size_t i = 0; i < n; i++) {
        memset(v, 0, sizeof v);
        v[i] = 1;
        hawq_engine_products(e, &batch, HAWQ_HESSIAN, 1, &at, v, &at, product,
                             NULL);
        diagonal[i / l->inner % l->channels] += product[i];
    }
    for (unsigned signs = 0; signs < 1u << n; signs++) {
        for (size_t i = 0; i < n; i++) v[i] = signs >> i & 1 ? 1 : -1;
        hawq_engine_readings(e, &batch, HAWQ_HESSIAN, 1, &at, v, reading);
        for (size_t c = 0; c < l->channels; c++)
            mean[c] += reading[c] / (double)(1u << n);
    }
    for (size_t c = 0; c < l->channels; c++) {
        CHECK(diagonal[c] > 1e-3);
        CHECK_NEAR(mean[c], diagonal[c], 1e-5);
    }
    hawq_engine_free(e);
    hawq_threads_free(threads);
    hawq_arena_free(&arena);
}

static void transposed_convolutions_are_layers(void) {
    hawq_graph *g = open_one(4, (int64_t[]){1, 2, 1, 2});
    weight(g, "up.weight", 1, 4, (int64_t[]){2, 2, 1, 2});
    node(g, "ConvTranspose", "x up.weight", "up", "strides=1,2");
    node(g, "Flatten", "up", "y", "");
    CHECK_OK(hawq_graph_finish(g, "y"));
    const hawq_layer *l = g->layer;
    CHECK(g->n_layers == 1 && !strcmp(l->name, "up"));
    CHECK(l->outer == 2 && l->channels == 2 && l->inner == 2 && l->axis == 1);
    CHECK(l->macs == 2 * 2 * 2 * 2); /* every input times every weight of it */
    check_readings(g);
    hawq_graph_free(g);
}

static void left_hand_weights_are_layers(void) {
    hawq_graph *g = open_one(3, (int64_t[]){1, 2, 2});
    weight(g, "mix.weight", 1, 2, (int64_t[]){4, 2});
    node(g, "MatMul", "mix.weight x", "m", "");
    node(g, "Flatten", "m", "y", "");
    CHECK_OK(hawq_graph_finish(g, "y"));
    const hawq_layer *l = g->layer;
    CHECK(g->n_layers == 1 && !strcmp(l->name, "mix"));
    CHECK(l->outer == 1 && l->channels == 4 && l->inner == 2 && l->axis == 1);
    CHECK(l->macs == 4 * 2 * 2);
    check_readings(g);
    hawq_graph_free(g);
}

static void stacked_matrices_are_layers(void) {
    hawq_graph *g = open_one(4, (int64_t[]){1, 2, 3, 4});
    weight(g, "heads.weight", 1, 3, (int64_t[]){2, 4, 5});
    weight(g, "rows.weight", 1, 3, (int64_t[]){2, 6, 3});
    node(g, "MatMul", "x heads.weight", "a", "");
    node(g, "MatMul", "rows.weight a", "b", "");
    node(g, "Flatten", "b", "y", "");
    CHECK_OK(hawq_graph_finish(g, "y"));
    const hawq_layer *a = &g->layer[0], *b = &g->layer[1];
    CHECK(g->n_layers == 2);
    CHECK(a->outer == 8 && a->channels == 5 && a->axis == 3);
    CHECK(a->macs == 2 * 3 * 4 * 5);
    CHECK(b->outer == 1 && b->channels == 12 && b->inner == 3);
    CHECK(b->axis == -1 && !hawq_can_read(g)); /* two axes hold its channels */
    CHECK(b->macs == 2 * 6 * 3 * 5);
    hawq_graph_free(g);
}

/* --- names --------------------------------------------------------------- */

static void batch_norm(hawq_graph *g, const char *in, const char *out) {
    static const char *const part[] = {"gamma", "beta", "mean", "var"};
    char                     list[200], name[40];
    size_t                   at = (size_t)snprintf(list, sizeof list, "%s", in);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s%s", out, part[i]);
        weight(g, name, 1, 1, (int64_t[]){3});
        hawq_tensor *t = hawq_graph_find(g, name);
        for (int c = 0; c < 3; c++)
            t->data[c] = (real)fabs((double)t->data[c] + out[0] % 7) + 1;
        at += (size_t)snprintf(list + at, sizeof list - at, " %s", name);
    }
    node(g, "BatchNormalization", list, out, "");
}

/* One convolution before three normalizations, twice with the same. */
static void folded_versions_have_names_of_their_own(void) {
    hawq_graph *g = open_one(4, (int64_t[]){1, 3, 4, 4});
    weight(g, "head.weight", 1, 4, (int64_t[]){3, 3, 1, 1});
    node(g, "Conv", "x head.weight", "c0", "");
    batch_norm(g, "c0", "bn_a");
    node(g, "Conv", "bn_a head.weight", "c1", "");
    batch_norm(g, "c1", "cn_b");
    node(g, "Conv", "cn_b head.weight", "c2", "");
    batch_norm(g, "c2", "dn_c");
    node(g, "Conv", "dn_c head.weight", "c3", "");
    node(g, "BatchNormalization", "c3 dn_cgamma dn_cbeta dn_cmean dn_cvar", "y",
         "");
    CHECK_OK(hawq_graph_finish(g, "y"));
    names_are(g, 3, (const char *[]){"head", "head.weight", "head@c2"});
    CHECK(g->layer[2].n_nodes == 2); /* folded alike: one weight again */
    const char *name = "";
    int         axis = -1;
    for (int l = 0; l < g->n_layers; l++) {
        CHECK_OK(hawq_layer_in_file(&g->layer[l], &name, &axis));
        CHECK(!strcmp(name, "head.weight") && axis == 0);
    }
    fixture       f;
    hawq_program *p = NULL;
    fixture_open(&f, g);
    if (CHECK_OK(lower_uniform(&f, 8, 8, &p))) {
        run(&f, p, "ref", f.output);
        CHECK(deviation(&f, f.output) < 0.1);
        CHECK(p->weight_bytes == 3 * (9 + 4 * 3));
    }
    hawq_program_free(p);
    fixture_close(&f);
}

/* A weight is named by what stands in the file, however it was moved. */
static void names_are_those_of_the_file(void) {
    hawq_graph *g = open_one(2, (int64_t[]){1, 4});
    const char *name = "", *scaled = "fc2t scale";
    int         axis = -1;
    weight(g, "fc1.weight", 1, 2, (int64_t[]){6, 4});
    weight(g, "fc2.weight", 1, 2, (int64_t[]){5, 6});
    weight(g, "scale", 1, 1, (int64_t[]){5});
    transposed(g, "fc1.weight", "fc1t");
    transposed(g, "fc2.weight", "fc2t");
    node(g, "Mul", scaled, "fc2s", "");
    node(g, "MatMul", "x fc1t", "h", "");
    node(g, "MatMul", "h fc2s", "y", "");
    CHECK_OK(hawq_graph_finish(g, "y"));
    names_are(g, 2, (const char *[]){"fc1", "fc2s"});
    CHECK_OK(hawq_layer_in_file(&g->layer[0], &name, &axis));
    CHECK(!strcmp(name, "fc1.weight") && axis == 0);
    CHECK_FAILS(hawq_layer_in_file(&g->layer[1], &name, &axis),
                HAWQ_EUNSUPPORTED, "computed from several constants");
    hawq_graph_free(g);
}

/* Names that exporters made up give way to the module's path. */
static void modules_name_their_layers(void) {
    hawq_graph *g = open_one(2, (int64_t[]){1, 4});
    weight(g, "val_7", 1, 2, (int64_t[]){4, 3});
    node(g, "MatMul", "x val_7", "y", "");
    g->node[0]->name = "node_MatMul_8";
    g->node[0]->scope = "encoder.layer.0.key";
    CHECK_OK(hawq_graph_finish(g, "y"));
    names_are(g, 1, (const char *[]){"encoder.layer.0.key"});
    CHECK(!strcmp(g->layer[0].node[0]->name, "node_MatMul_8"));
    hawq_graph_free(g);
}

static void scopes_are_paths(void) {
    static const struct {
        const char *text, *want;
        bool        list;
    } each[] = {
        {"['', 'encoder', 'encoder.layer.0', 'linear']", "encoder.layer.0",
         true},
        {"['', 'linear_1']", NULL, true},
        {"['lonely']", NULL, true},
        {"['', 'cut off", NULL, true},
        {"", NULL, true},
        {"/layer1/layer1.0/conv1/Conv", "layer1.0.conv1", false},
        {"/encoder/layer.0/query/MatMul", "encoder.layer.0.query", false},
        {"/layer1/layer10/Conv", "layer1.layer10", false},
        {"/features/features.0/Conv_1", "features.0", false},
        {"/Conv", NULL, false},
        {"//Conv", NULL, false},
        {"Conv_3", NULL, false}};
    hawq_arena arena = {0};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        const char *got = "";
        CHECK_OK(each[i].list ? hawq_scope_of_list(each[i].text, &arena, &got)
                              : hawq_scope_of_name(each[i].text, &arena, &got));
        bool same = each[i].want ? got && !strcmp(got, each[i].want) : !got;
        if (!CHECK(same)) printf("    %s: %s\n", each[i].text, got);
    }
    hawq_arena_free(&arena);
}

/* --- one weight, several readers ----------------------------------------- */

/* A square matrix read as it is and transposed: one layer; the reading that
 * has no scales of its own runs in float, on the same codes. */
static void tied_matrices_are_one_layer(bool by_transpose) {
    hawq_graph   *g = open_one(2, (int64_t[]){1, 6});
    fixture       f;
    hawq_program *p = NULL;
    weight(g, "tied.weight", 0.5, 2, (int64_t[]){6, 6});
    node(g, "MatMul", "x tied.weight", "a", "");
    node(g, "Relu", "a", "r", "");
    if (by_transpose) transposed(g, "tied.weight", "turned");
    if (by_transpose)
        node(g, "MatMul", "r turned", "y", "");
    else
        node(g, "Gemm", "r tied.weight", "y", "transB=1");
    CHECK_OK(hawq_graph_finish(g, "y"));
    names_are(g, 1, (const char *[]){"tied"});
    CHECK(g->layer[0].n_nodes == 2);
    fixture_open(&f, g);
    if (CHECK_OK(lower_uniform(&f, 8, 8, &p))) {
        run(&f, p, "ref", f.output);
        CHECK(deviation(&f, f.output) < 0.03);
        CHECK(p->n_floats == 1);
        CHECK(p->weight_bytes == 36 + 4 * 6);
        CHECK(p->choice[0].weight_bits == 8);
        CHECK(p->choice[0].activation_bits == 8);
    }
    hawq_program_free(p);
    fixture_close(&f);
}

/* One matrix four times: packed weights once, bias and scales for each use. */
static void a_file_holds_shared_weights_once(void) {
    hawq_graph   *g = open_one(2, (int64_t[]){1, 8});
    fixture       f;
    hawq_program *p = NULL;
    weight(g, "step.weight", 0.3, 2, (int64_t[]){8, 8});
    node(g, "MatMul", "x step.weight", "h1", "");
    node(g, "MatMul", "h1 step.weight", "h2", "");
    node(g, "MatMul", "h2 step.weight", "h3", "");
    node(g, "MatMul", "h3 step.weight", "y", "");
    CHECK_OK(hawq_graph_finish(g, "y"));
    fixture_open(&f, g);
    if (CHECK_OK(lower_uniform(&f, 4, 8, &p))) {
        CHECK(p->weight_bytes == 32 + 4 * 8);
        CHECK(p->file_bytes == 32 + 3 * 8 * 10 + 8 * 8);
    }
    hawq_program_free(p);
    fixture_close(&f);
}

/* --- bytes ---------------------------------------------------------------- */

/* Weights keep their bits where float32 computes the layer: the outputs are
 * those of the rounded weights, exactly. */
static void float_arithmetic_keeps_the_codes(void) {
    hawq_graph   *g = open_one(4, (int64_t[]){1, 2, 3, 3});
    fixture       f;
    hawq_program *p = NULL;
    weight(g, "up.weight", 1, 4, (int64_t[]){2, 4, 2, 2});
    node(g, "ConvTranspose", "x up.weight", "u", "strides=1,1");
    node(g, "Flatten", "u", "fl", "");
    CHECK_OK(hawq_graph_finish(g, "fl"));
    fixture_open(&f, g);
    if (CHECK_OK(lower_uniform(&f, 4, 8, &p))) {
        const hawq_layer *l = &g->layer[0];
        hawq_quantized   *q = NULL;
        hawq_choice      *choice = NULL;
        hawq_engine      *e = NULL;
        run(&f, p, "ref", f.output);
        CHECK(p->choice[0].weight_bits == 4);
        CHECK(p->choice[0].activation_bits == HAWQ_FLOAT_BITS);
        CHECK(p->weight_bytes == 16 + 4 * 4 && p->file_bytes == 16 + 4 * 4);
        CHECK_OK(hawq_choice_uniform(g, 4, 8, &f.arena, &choice));
        CHECK_OK(hawq_quantize_choices(g, 1, choice, f.threads, &f.arena, &q));
        hawq_quantized_decode(&q[0], l, l->weight->data);
        CHECK_OK(hawq_engine_new(g, f.threads, 0, HAWQ_CROSS_ENTROPY, &e));
        hawq_batch batch = {IMAGES, f.x, NULL, NULL};
        hawq_engine_forward(e, &batch, f.float_output, NULL, NULL);
        CHECK(deviation(&f, f.output) < 1e-6);
        hawq_engine_free(e);
    }
    hawq_program_free(p);
    fixture_close(&f);
}

/* alpha and beta are in the constants: same function, integer layer. */
static void factors_of_gemm_are_in_its_constants(void) {
    hawq_graph *g = open_one(2, (int64_t[]){1, 4}), *h;
    hawq_attr   attr[] = {{.name = "alpha", .type = HAWQ_ATTR_FLOAT, .f = 2},
                          {.name = "beta", .type = HAWQ_ATTR_FLOAT, .f = -3}};
    const char *in[] = {"x", "fc.weight", "fc.bias"}, *out = "y";
    h = open_one(2, (int64_t[]){1, 4});
    for (int i = 0; i < 2; i++) {
        hawq_graph *each = i ? h : g;
        weight(each, "fc.weight", i ? 2 : 1, 2, (int64_t[]){4, 3});
        weight(each, "fc.bias", i ? -3 : 1, 1, (int64_t[]){3});
        hawq_node_spec spec = {.op_type = "Gemm",
                               .name = "y",
                               .n_in = 3,
                               .n_out = 1,
                               .in = in,
                               .out = &out,
                               .n_attr = i ? 0 : 2,
                               .attr = attr};
        CHECK_OK(hawq_graph_add(each, &spec));
        CHECK_OK(hawq_graph_finish(each, "y"));
    }
    fixture       f, same;
    hawq_program *p = NULL;
    fixture_open(&f, g);
    fixture_open(&same, h);
    for (size_t i = 0; i < IMAGES * f.n_out; i++)
        CHECK_NEAR(f.float_output[i], same.float_output[i], 1e-6);
    if (CHECK_OK(lower_uniform(&f, 8, 8, &p))) CHECK(p->n_floats == 0);
    hawq_program_free(p);
    fixture_close(&f);
    fixture_close(&same);
}

/* What no layer has is listed and costs four bytes an element. */
static void weights_of_no_layer_are_counted(void) {
    hawq_graph   *g = open_one(3, (int64_t[]){1, 5, 4});
    fixture       f;
    hawq_program *p = NULL;
    hawq_arena    arena = {0};
    weight(g, "fc.weight", 1, 2, (int64_t[]){4, 3});
    weight(g, "place", 1, 2, (int64_t[]){5, 4});
    weight(g, "each", 1, 1, (int64_t[]){3});
    node(g, "Add", "x place", "a", "");
    node(g, "MatMul", "a fc.weight", "b", "");
    node(g, "Mul", "b each", "y", "");
    CHECK_OK(hawq_graph_finish(g, "y"));
    CHECK(g->n_layers == 1 && g->n_rest == 1);
    CHECK(hawq_graph_rest_bytes(g) == 4 * 20);
    CHECK(!strcmp(hawq_graph_rest_names(g, &arena), "place"));
    fixture_open(&f, g);
    if (CHECK_OK(lower_uniform(&f, 8, 8, &p)))
        CHECK(p->weight_bytes == 12 + 4 * 3 + 4 * 20);
    hawq_program_free(p);
    fixture_close(&f);
    hawq_arena_free(&arena);
}

/* --- from a file ---------------------------------------------------------- */

/* One field of a protobuf message: a tag of kind 2, its length, its bytes. */
static size_t put_field(char *to, int field, const char *bytes, size_t n) {
    to[0] = (char)(field << 3 | 2);
    to[1] = (char)(n > 127 ? n % 128 + 128 : n);
    size_t at = n > 127 ? 3 : 2;
    if (n > 127) to[2] = (char)(n >> 7);
    memcpy(to + at, bytes, n);
    return at + n;
}

static size_t put_text(char *to, int field, const char *text) {
    return put_field(to, field, text, strlen(text));
}

/* {dimension 0 free, dimension 1 of so many} float */
static size_t put_value(char *to, int field, const char *name, char columns) {
    char   shape[] = {0x0a, 0x03, 0x12, 0x01, 'N', 0x0a, 0x02, 0x08, columns};
    char   tensor[32] = {0x08, 0x01}, type[40], value[60];
    size_t n = 2 + put_field(tensor + 2, 2, shape, sizeof shape);
    n = put_field(type, 1, tensor, n);
    char   both[60];
    size_t m = put_text(value, 1, name);
    m += put_field(value + m, 2, type, n);
    memcpy(both, value, m);
    return put_field(to, field, both, m);
}

/* y = x val_7 of module encoder.key, as torch.export writes it. */
static void metadata_of_nodes_is_read(void) {
    const float weights[6] = {1, 2, 3, 4, 5, 6};
    char        entry[200], node_[400], tensor[100], graph[1000], model[1200];
    char        path[] = "/tmp/hawq-layers-XXXXXX";
    size_t      n = put_text(entry, 1, "pkg.torch.onnx.name_scopes");
    n += put_text(entry + n, 2, "['', 'encoder', 'encoder.key', 'linear']");
    size_t m = put_text(node_, 1, "x");
    m += put_text(node_ + m, 1, "val_7");
    m += put_text(node_ + m, 2, "y");
    m += put_text(node_ + m, 3, "node_MatMul_8");
    m += put_text(node_ + m, 4, "MatMul");
    m += put_field(node_ + m, 9, entry, n);
    n = put_field(graph, 1, node_, m);
    memcpy(tensor, "\x08\x02\x08\x03\x10\x01", 6);
    m = 6 + put_text(tensor + 6, 8, "val_7");
    m += put_field(tensor + m, 9, (const char *)weights, sizeof weights);
    n += put_field(graph + n, 5, tensor, m);
    n += put_value(graph + n, 11, "x", 2);
    n += put_value(graph + n, 12, "y", 3);
    memcpy(model, "\x08\x08", 2);
    m = 2 + put_field(model + 2, 7, graph, n);
    m += put_field(model + m, 8, "\x10\x0d", 2);
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, model, m) == (ssize_t)m && close(fd) == 0);
    hawq_graph *g = NULL;
    if (CHECK_OK(hawq_onnx_load(path, 1, &g))) {
        names_are(g, 1, (const char *[]){"encoder.key"});
        CHECK_OK(hawq_onnx_save(path, g, "test"));
        hawq_graph_free(g);
    }
    if (CHECK_OK(hawq_onnx_load(path, 1, &g))) { /* it keeps the name */
        names_are(g, 1, (const char *[]){"encoder.key"});
        hawq_graph_free(g);
    }
    unlink(path);
}

int main(void) {
    metadata_of_nodes_is_read();
    transposed_convolutions_are_layers();
    left_hand_weights_are_layers();
    stacked_matrices_are_layers();
    folded_versions_have_names_of_their_own();
    names_are_those_of_the_file();
    modules_name_their_layers();
    scopes_are_paths();
    tied_matrices_are_one_layer(false);
    tied_matrices_are_one_layer(true);
    a_file_holds_shared_weights_once();
    float_arithmetic_keeps_the_codes();
    factors_of_gemm_are_in_its_constants();
    weights_of_no_layer_are_counted();
    DONE();
}
