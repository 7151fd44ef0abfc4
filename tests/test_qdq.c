/* test_qdq.c -- a quantized network as a file of QuantizeLinear and
 * DequantizeLinear, and back.
 *
 * Claims: what is exported and read back computes the same output bits, for
 * every format, with few bits of activations, with layers in float and with
 * mixed candidates, in every opset; formats come back as they were. Four and
 * two bits are packed as the format of ONNX says, low ones first. The file
 * tells its candidates, has about the bytes that were predicted, and says which
 * layers could not be packed. It adds by the program's factors, and has the
 * integers of channels whose scales were raised. Cut files are refused. Files
 * of others: rounded pairs of signed bytes, integers clipped between the two or
 * behind them, rounded float weights, and a Relu that the rounding has taken
 * over.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/exchange/qdq.h"
#include "src/load/file.h"
#include "src/load/onnx.h"
#include "src/load/proto.h"
#include "tests/deploying.h"

#include <sys/stat.h>
#include <unistd.h>

static char path[256];

/* A network, calibrated, and a program of it. */
typedef struct original {
    fixture         f;
    hawq_quantized *quantized;
    hawq_program   *program;
} original;

static hawq_graph *shipped(void) {
    char        name[512];
    hawq_graph *g = NULL;
    snprintf(name, sizeof name, "%s/tests/data/fashion_resnet8.onnx",
             getenv("HAWQ_SOURCE"));
    CHECK_OK(hawq_onnx_load(name, 1, &g));
    return g;
}

static hawq_graph *network(const char *name) {
    char        file[512];
    hawq_graph *g = NULL;
    snprintf(file, sizeof file, "%s/tests/data/networks/%s.onnx",
             getenv("HAWQ_SOURCE"), name);
    CHECK_OK(hawq_onnx_load(file, 1, &g));
    return g;
}

/* Candidates separated by spaces, dealt out to the layers in turn. */
static bool open_original(original *o, hawq_graph *g, const char *candidates) {
    hawq_choice *choice = NULL, *one = NULL;
    char         copy[256], *at;
    *o = (original){0};
    fixture_open(&o->f, g);
    CHECK_OK(hawq_choice_uniform(g, 8, 8, &o->f.arena, &choice));
    snprintf(copy, sizeof copy, "%s", candidates);
    for (int l = 0; l < g->n_layers; l++) {
        at = l ? strtok(NULL, " ") : strtok(copy, " ");
        if (!at) {
            snprintf(copy, sizeof copy, "%s", candidates);
            at = strtok(copy, " ");
        }
        if (!CHECK_OK(hawq_choice_everywhere(g, at, &o->f.arena, &one)))
            return false;
        choice[l] = one[l];
    }
    if (!CHECK_OK(hawq_quantize_choices(g, g->n_layers, choice, o->f.threads,
                                        &o->f.arena, &o->quantized)))
        return false;
    hawq_lower_options options = {.n_choices = g->n_layers,
                                  .choice = choice,
                                  .quantized = o->quantized,
                                  .activation_range = HAWQ_RANGE_MSE};
    return CHECK_OK(
        hawq_program_lower(g, &o->f.calibration, &options, &o->program));
}

static void close_original(original *o) {
    hawq_program_free(o->program);
    fixture_close(&o->f);
}

static bool save(original *o, int opset, hawq_qdq_report *report) {
    hawq_text        text = {"hawq.accuracy", "0.5"};
    hawq_qdq_options options = {.opset = opset, .n_texts = 1, .text = &text};
    return CHECK_OK(hawq_qdq_save(path, o->program, o->quantized, &options,
                                  &o->f.arena, report));
}

/* The program that the file says. */
static bool read_back(const original *o, hawq_graph **g, hawq_program **p,
                      hawq_qdq *qdq, hawq_arena *arena) {
    if (!CHECK_OK(hawq_onnx_load(path, o->f.graph->batch, g))) return false;
    CHECK(hawq_qdq_is_quantized(*g));
    if (!CHECK_OK(hawq_qdq_restore(*g, arena, qdq))) return false;
    hawq_calibration   none = {0};
    hawq_lower_options options = {.n_choices = (*g)->n_layers,
                                  .choice = qdq->choice,
                                  .quantized = qdq->quantized,
                                  .map = qdq->map,
                                  .has_map = qdq->has_map};
    none.tensor =
        hawq_arena_take(arena, (size_t)(*g)->n_tensors, sizeof *none.tensor);
    return CHECK_OK(hawq_program_lower(*g, &none, &options, p));
}

static void check_outputs(original *o, const hawq_program *p) {
    size_t bytes = IMAGES * o->f.n_out * sizeof(float);
    float *again = hawq_arena_take(&o->f.arena, bytes, 1);
    run(&o->f, o->program, "ref", o->f.output);
    run(&o->f, p, "ref", again);
    CHECK(memcmp(again, o->f.output, bytes) == 0);
}

static void check_layers(const original *o, const hawq_qdq *qdq) {
    for (int l = 0; l < o->f.graph->n_layers; l++)
        CHECK(strcmp(qdq->choice[l].candidate,
                     o->program->choice[l].candidate) == 0);
}

static void round_trip(hawq_graph *g, const char *candidates, int opset) {
    original        o;
    hawq_qdq_report report;
    hawq_graph     *again = NULL;
    hawq_program   *p = NULL;
    hawq_qdq        qdq;
    hawq_arena      arena = {0};
    int             failed = check_failed;
    if (open_original(&o, g, candidates) && save(&o, opset, &report) &&
        read_back(&o, &again, &p, &qdq, &arena)) {
        check_outputs(&o, p);
        bool blurred = strstr(candidates, "k3g8+5%") != NULL;
        if (!blurred) check_layers(&o, &qdq);
        /* a weight kept apart that is a level after all is none any more */
        if (!blurred)
            CHECK(strchr(candidates, '+')
                      ? p->weight_bytes <= o.program->weight_bytes
                      : p->weight_bytes == o.program->weight_bytes);
        double off = fabs((double)(report.bytes - report.predicted_bytes));
        CHECK(off <= 0.02 * (double)report.bytes + 4096);
    }
    if (check_failed != failed)
        printf("  in: %s, opset %d\n", candidates, opset);
    hawq_program_free(p);
    hawq_graph_free(again);
    hawq_arena_free(&arena);
    close_original(&o);
}

static void everything_comes_back(void) {
    static const char *const candidates[] = {
        "w8",    "w4",      "w2c",  "t",    "k3",        "k3l",
        "nf4",   "log4",    "w1",   "w8f",  "w4f",       "w4g8",
        "w4+5%", "k3g8+5%", "w4a4", "w2a2", "w8 w4 w2c", "k3 t w8a4"};
    enum { N = sizeof candidates / sizeof *candidates };
    static const int opset[] = {13, 21, 25};
    round_trip(shipped(), "w4 w32a32", 21);
    round_trip(shipped(), "w8 f16 w4", 25);
    for (int i = 0; i < N; i++) {
        round_trip(every_step(), candidates[i], opset[i % 3]);
        round_trip(shipped(), candidates[i], opset[(i + 1) % 3]);
    }
}

/* A bias that outweighs the weights of a channel by far: its scale is raised,
 * and the file has the integers that are left, so that it means what the
 * program computes. */
static void raised_scales_are_in_the_file(void) {
    original        o;
    hawq_qdq_report report;
    hawq_graph     *g = open_image(3, 6, 6), *again = NULL;
    hawq_program   *p = NULL;
    hawq_qdq        qdq;
    hawq_arena      arena = {0};
    real            w[2 * 3], b[2] = {0.5f, 40};
    for (int i = 0; i < 6; i++) w[i] = (i < 3 ? 0.4f : 5e-9f) * (real)(i + 1);
    CHECK_OK(hawq_graph_constant(g, "w", HAWQ_FLOAT,
                                 &(hawq_shape){4, {2, 3, 1, 1}}, w));
    CHECK_OK(hawq_graph_constant(g, "b", HAWQ_FLOAT, &(hawq_shape){1, {2}}, b));
    node(g, "Conv", "x w b", "conv", "");
    CHECK_OK(hawq_graph_finish(g, "conv"));
    if (open_original(&o, g, "w8") && save(&o, 13, &report) &&
        read_back(&o, &again, &p, &qdq, &arena)) {
        CHECK(o.program->n_rescaled == 1 && p->n_rescaled == 0);
        CHECK(o.program->halvings[0][0] == 0 && o.program->halvings[0][1] > 0);
        check_outputs(&o, p);
    }
    hawq_program_free(p);
    hawq_graph_free(again);
    hawq_arena_free(&arena);
    close_original(&o);
}

/* --- what an addition reads --------------------------------------------- */

static double scale_behind(const hawq_proto *m, const char *name) {
    const char *scale = NULL;
    for (size_t i = 0; i < m->n_nodes; i++)
        if (strcmp(m->node[i].spec.out[0], name) == 0)
            scale = m->node[i].spec.in[1];
    for (size_t i = 0; scale && i < m->n_constants; i++)
        if (strcmp(m->constant[i].name, scale) == 0)
            return (double)m->constant[i].data[0];
    return NAN;
}

/* The addends' scales are the program's factors times the scale of the sum, to
 * the 2^-22 by which a half is lifted. */
static void sums_have_the_scales_of_the_program(void) {
    original        o;
    hawq_qdq_report report;
    hawq_arena      arena = {0};
    hawq_proto      m;
    int             adds = 0;
    if (!open_original(&o, shipped(), "w8") || !save(&o, 13, &report)) return;
    if (!CHECK_OK(hawq_proto_read(path, true, &arena, &m))) return;
    for (int i = 0; i < o.program->n_steps; i++) {
        const hawq_step *s = &o.program->step[i];
        if (s->kind != HAWQ_STEP_ADD) continue;
        const hawq_add *add = &s->u.add;
        for (size_t j = 0; j < m.n_nodes; j++) {
            const hawq_node_spec *spec = &m.node[j].spec;
            if (strcmp(spec->name, s->name) != 0) continue;
            double a = scale_behind(&m, spec->in[0]);
            double b = scale_behind(&m, spec->in[1]);
            CHECK(fabs(a / b * add->mb / add->ma - 1) < 0x1p-22);
            adds++;
        }
    }
    CHECK(adds == 3);
    hawq_arena_free(&arena);
    close_original(&o);
}

/* Constants in a second file: the same network, and about as many bytes. */
static void constants_may_be_apart(void) {
    original         o;
    hawq_qdq_options options = {.opset = 21, .apart_from = 1};
    hawq_qdq_report  report;
    hawq_graph      *again = NULL;
    hawq_program    *p = NULL;
    hawq_qdq         qdq;
    hawq_arena       arena = {0};
    char             data[sizeof path + 8];
    struct stat      one = {0}, other = {0};
    snprintf(data, sizeof data, "%s.data", path);
    if (open_original(&o, shipped(), "w4 w8") &&
        CHECK_OK(hawq_qdq_save(path, o.program, o.quantized, &options,
                               &o.f.arena, &report)) &&
        read_back(&o, &again, &p, &qdq, &arena)) {
        check_outputs(&o, p);
        CHECK(stat(path, &one) == 0 && stat(data, &other) == 0);
        CHECK(other.st_size > 40000 && one.st_size < other.st_size);
        CHECK(one.st_size + other.st_size == report.bytes);
        double off = fabs((double)(report.bytes - report.predicted_bytes));
        CHECK(off <= 0.02 * (double)report.bytes + 4096);
    }
    hawq_program_free(p);
    hawq_graph_free(again);
    hawq_arena_free(&arena);
    close_original(&o);
    hawq_graph *g = NULL;
    CHECK(remove(data) == 0);
    CHECK(hawq_onnx_load(path, 1, &g) != HAWQ_OK);
}

static void networks_with_float_nodes_come_back(void) {
    static const char *const names[] = {"residual",      "mobile",    "dense",
                                        "vit",           "inception", "unet",
                                        "mobile_script", "vit_script"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        round_trip(network(names[i]), "w4 w8", 21);
        round_trip(network(names[i]), "w8a4", 13);
    }
}

/* --- the file ------------------------------------------------------------ */

static void few_bits_are_packed_low_ones_first(void) {
    static const int64_t four[] = {1, -2, 7, -8, -1};
    static const int64_t two[] = {1, -2, 0, -1, 1};
    uint8_t              bytes[8];
    int64_t              again[8];
    CHECK(hawq_numbers_size(HAWQ_I4, 5) == 3);
    hawq_numbers_write(HAWQ_I4, four, 5, bytes);
    CHECK(bytes[0] == 0xe1 && bytes[1] == 0x87 && bytes[2] == 0x0f);
    hawq_numbers_read(HAWQ_I4, bytes, 5, again);
    CHECK(memcmp(again, four, sizeof four) == 0);
    CHECK(hawq_numbers_size(HAWQ_I2, 5) == 2);
    hawq_numbers_write(HAWQ_I2, two, 5, bytes);
    CHECK(bytes[0] == 0xc9 && bytes[1] == 0x01);
    hawq_numbers_read(HAWQ_I2, bytes, 5, again);
    CHECK(memcmp(again, two, sizeof two) == 0);
    hawq_numbers_read(HAWQ_U4, (uint8_t[]){0xe1}, 2, again);
    CHECK(again[0] == 1 && again[1] == 14);
}

/* The type of the shipped network's first weight. */
static hawq_number type_of_weight(const char *candidates, int opset,
                                  bool *unpacked) {
    original        o;
    hawq_qdq_report report = {0};
    hawq_proto      m;
    hawq_number     found = HAWQ_F64;
    if (open_original(&o, shipped(), candidates) && save(&o, opset, &report) &&
        CHECK_OK(hawq_proto_read(path, true, &o.f.arena, &m))) {
        for (size_t i = 0; i < m.n_constants; i++)
            if (strcmp(m.constant[i].name, "conv1.weight_quantized") == 0)
                found = m.number[i];
        CHECK(m.opset == opset);
    }
    *unpacked = report.unpacked != NULL;
    close_original(&o);
    return found;
}

static void opsets_say_what_is_packed(void) {
    bool unpacked;
    CHECK(type_of_weight("w4", 13, &unpacked) == HAWQ_I8 && unpacked);
    CHECK(type_of_weight("w4", 21, &unpacked) == HAWQ_I4 && !unpacked);
    CHECK(type_of_weight("w2f", 21, &unpacked) == HAWQ_I4 && unpacked);
    CHECK(type_of_weight("w2f", 25, &unpacked) == HAWQ_I2 && !unpacked);
    CHECK(type_of_weight("w2c", 25, &unpacked) == HAWQ_I4 && unpacked);
    CHECK(type_of_weight("nf4", 25, &unpacked) == HAWQ_I8 && unpacked);
    CHECK(type_of_weight("w8", 25, &unpacked) == HAWQ_I8 && !unpacked);
}

static const char *text_of(const hawq_graph *g, const char *key) {
    for (int i = 0; i < g->n_texts; i++)
        if (strcmp(g->text[i].key, key) == 0) return g->text[i].value;
    return "";
}

/* Any part of a file is refused, whatever is missing. */
static void check_cuts(void) {
    static uint8_t bytes[1 << 17];
    char           cut[300];
    uint64_t       size = 0;
    snprintf(cut, sizeof cut, "%s.cut", path);
    CHECK_OK(hawq_file_size(path, &size));
    if (!CHECK(size < sizeof bytes)) return;
    CHECK_OK(hawq_file_read(path, 0, (size_t)size, bytes));
    for (int i = 1; i < 40; i++) {
        hawq_graph *g = NULL;
        CHECK_OK(hawq_file_write(cut, bytes, (size_t)size * (size_t)i / 40));
        CHECK(hawq_onnx_load(cut, 1, &g) != HAWQ_OK);
        CHECK(strncmp(hawq_message(), cut, strlen(cut)) == 0);
    }
    remove(cut);
}

static void files_tell_their_candidates(void) {
    original         o;
    hawq_qdq_report  report;
    hawq_graph      *g = NULL;
    hawq_qdq_options old = {.opset = 12}, fine = {.opset = 13};
    struct stat      found;
    char             second[64];
    if (open_original(&o, shipped(), "w4 k3") && save(&o, 21, &report) &&
        CHECK_OK(hawq_onnx_load(path, 1, &g))) {
        CHECK(strcmp(text_of(g, "hawq.accuracy"), "0.5") == 0);
        snprintf(second, sizeof second, "hawq.layer.%s", g->layer[1].name);
        CHECK(strcmp(text_of(g, "hawq.version"), HAWQ_VERSION) == 0);
        CHECK(strcmp(text_of(g, "hawq.layer.conv1"), "w4 a8") == 0);
        CHECK(strcmp(text_of(g, second), "k3 a8") == 0);
        CHECK(stat(path, &found) == 0 && found.st_size == report.bytes);
        check_cuts();
        CHECK(hawq_qdq_save(path, o.program, o.quantized, &old, &o.f.arena,
                            &report) == HAWQ_EINVAL);
        CHECK(hawq_qdq_save("/nowhere/f.onnx", o.program, o.quantized, &fine,
                            &o.f.arena, &report) == HAWQ_EIO);
    }
    hawq_graph_free(g);
    close_original(&o);
}

/* --- files of others ----------------------------------------------------- */

enum { MOST = 24 };
static hawq_tensor      constants[MOST];
static hawq_number      numbers[MOST];
static hawq_proto_node  nodes[MOST];
static hawq_proto_value values[2];
static hawq_proto       file;

static void begin_file(int64_t in, int64_t out) {
    file = (hawq_proto){.producer = "other",
                        .opset = 13,
                        .n_inputs = 1,
                        .n_outputs = 1,
                        .input = &values[0],
                        .output = &values[1],
                        .constant = constants,
                        .number = numbers,
                        .node = nodes};
    values[0] = (hawq_proto_value){.name = "x", .shape = {2, {-1, in}}};
    values[1] = (hawq_proto_value){.name = "y", .shape = {2, {-1, out}}};
}

static void put(const char *name, hawq_number number, hawq_shape shape,
                void *data) {
    hawq_tensor *t = &constants[file.n_constants];
    *t = (hawq_tensor){.name = name, .shape = shape};
    t->dtype = hawq_number_dtype(number);
    t->n = (size_t)hawq_shape_count(&shape, 0, shape.rank);
    if (t->dtype == HAWQ_INT)
        t->ints = data;
    else
        t->data = data;
    numbers[file.n_constants++] = number;
}

static void put_node(const char *op, const char *a, const char *b,
                     const char *c, const char *out) {
    static const char *in[MOST][3], *name[MOST];
    static hawq_attr   axis = {.name = "axis", .type = HAWQ_ATTR_INT, .i = 0};
    size_t             i = file.n_nodes++;
    in[i][0] = a, in[i][1] = b, in[i][2] = c, name[i] = out;
    nodes[i].spec = (hawq_node_spec){.op_type = op,
                                     .name = out,
                                     .n_in = c   ? 3
                                             : b ? 2
                                                 : 1,
                                     .n_out = 1,
                                     .in = in[i],
                                     .out = &name[i]};
    if (strcmp(b ? b : "", "w_scale") != 0) return;
    nodes[i].spec.n_attr = 1; /* rows of a Gemm are channels */
    nodes[i].spec.attr = &axis;
}

static hawq_graph *finish_file(void) {
    hawq_arena  arena = {0};
    hawq_graph *g = NULL;
    uint8_t    *bytes;
    size_t      n;
    CHECK_OK(hawq_proto_pack(&file, &arena, &bytes, &n));
    CHECK_OK(hawq_file_write(path, bytes, n));
    CHECK_OK(hawq_onnx_load(path, 1, &g));
    hawq_arena_free(&arena);
    return g;
}

static real    scales[] = {0.5f, 0.25f}, x_scale[] = {0.125f}, most[] = {1.5f};
static int64_t weights[] = {100, -100, 3, 4, 5, -6}, zeros[] = {0, 0};
static real    float_weights[] = {0.6f, -20, 31.4f, 0.3f, 2, -0.13f};
static int64_t minus[] = {-128}, low[] = {-96}, high[] = {-81};

/* x is rounded to signed bytes, of which a Clip leaves 16; the product of
 * MatMul to signed bytes that begin at zero: the exporter has left out a Relu.
 */
static hawq_graph *signed_file(bool float_weight) {
    begin_file(3, 2);
    put("x_scale", HAWQ_F32, (hawq_shape){0}, x_scale);
    put("x_zero", HAWQ_I8, (hawq_shape){0}, low);
    put("y_zero", HAWQ_I8, (hawq_shape){0}, minus);
    put("low", HAWQ_I8, (hawq_shape){0}, low);
    put("high", HAWQ_I8, (hawq_shape){0}, high);
    put("w_scale", HAWQ_F32, (hawq_shape){1, {2}}, scales);
    put("w_zero", HAWQ_I8, (hawq_shape){1, {2}}, zeros);
    put_node("QuantizeLinear", "x", "x_scale", "x_zero", "xq");
    put_node("Clip", "xq", "low", "high", "xc");
    put_node("DequantizeLinear", "xc", "x_scale", "x_zero", "xd");
    if (float_weight) {
        put("wf", HAWQ_F32, (hawq_shape){2, {2, 3}}, float_weights);
        put_node("QuantizeLinear", "wf", "w_scale", "w_zero", "wq");
    } else {
        put("wq", HAWQ_I8, (hawq_shape){2, {2, 3}}, weights);
    }
    put_node("DequantizeLinear", "wq", "w_scale", "w_zero", "w");
    put_node("Transpose", "w", NULL, NULL, "wt");
    put_node("MatMul", "xd", "wt", NULL, "p");
    put_node("QuantizeLinear", "p", "x_scale", "y_zero", "pq");
    put_node("DequantizeLinear", "pq", "x_scale", "y_zero", "y");
    return finish_file();
}

static void signed_bytes_are_shifted(void) {
    hawq_graph *g = signed_file(false);
    if (!CHECK(g && g->n_nodes == 3)) return;
    const hawq_tensor *x = g->node[0]->out[0];
    CHECK(strcmp(g->node[0]->op->name, "Relu") == 0);
    CHECK(x->grid && x->grid->zero == 0 && x->grid->high == 15);
    CHECK(strcmp(g->node[2]->op->name, "Relu") == 0);
    CHECK(g->output->grid && g->output->grid->zero == 0 &&
          g->output->grid->high == 255);
    CHECK((double)g->layer[0].weight->data[0] == 50);
    hawq_graph_free(g);
}

static void rounded_float_weights_are_integers(void) {
    hawq_graph *g = signed_file(true);
    if (!CHECK(g && g->n_layers == 1)) return;
    /* columns of the product are rows of the file: 0.6 / 0.5, 0.3 / 0.25 */
    CHECK((double)g->layer[0].weight->data[0] == 0.5);
    CHECK((double)g->layer[0].weight->data[1] == 0.25);
    CHECK((double)g->layer[0].weight->data[5] == -0.25);
    hawq_graph_free(g);
}

/* A Clip that alone reads a pair, and lies on its grid, is fewer bits. */
static void clips_narrow_what_they_read(void) {
    begin_file(3, 2);
    put("x_scale", HAWQ_F32, (hawq_shape){0}, x_scale);
    put("x_zero", HAWQ_U8, (hawq_shape){0}, zeros);
    put("most", HAWQ_F32, (hawq_shape){0}, most);
    put("w_scale", HAWQ_F32, (hawq_shape){1, {2}}, scales);
    put("wq", HAWQ_I8, (hawq_shape){2, {2, 3}}, weights);
    put_node("QuantizeLinear", "x", "x_scale", "x_zero", "xq");
    put_node("DequantizeLinear", "xq", "x_scale", "x_zero", "xd");
    put_node("Clip", "xd", "", "most", "xc");
    put_node("DequantizeLinear", "wq", "w_scale", NULL, "w");
    put_node("Transpose", "w", NULL, NULL, "wt");
    put_node("MatMul", "xc", "wt", NULL, "y");
    hawq_graph *g = finish_file();
    if (!g) return;
    const hawq_tensor *x = g->node[g->n_nodes - 1]->in[0];
    CHECK(x->grid && x->grid->high == 12 && x->grid->zero == 0);
    hawq_graph_free(g);
}

int main(void) {
    snprintf(path, sizeof path, "/tmp/hawq_qdq_%d.onnx", (int)getpid());
    raised_scales_are_in_the_file();
    sums_have_the_scales_of_the_program();
    constants_may_be_apart();
    few_bits_are_packed_low_ones_first();
    opsets_say_what_is_packed();
    files_tell_their_candidates();
    signed_bytes_are_shifted();
    rounded_float_weights_are_integers();
    clips_narrow_what_they_read();
    everything_comes_back();
    networks_with_float_nodes_come_back();
    remove(path);
    DONE();
}
